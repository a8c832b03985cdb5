//! What is legal in a manifest but hurts: rules over a checked pod, each with its reason and its fix.
//!
//! Invariants:
//! - It is pure: the same pod gives the same findings, in the order of its file.
//! - Every finding names its rule, its field, and from a file its line and column. Its fix, applied to the manifest, makes
//!   the rule silent; the tests do that with every rule.
//! - A rule can be made silent by name, in the manifest. A name that is no rule's is told, and so is one that silences
//!   nothing, so that the list stays true.
//!
//! It does not do: what the manifest crate refuses already, and anything that needs the machine.

mod finding;
mod fix;
mod ignore;
mod manifest;
mod rules;
mod subject;

pub use finding::{Finding, Severity};
pub use fix::Fix;
pub use rules::{Rule, rules};

use probelet_manifest::Pod;

/// Everything that the rules find in a pod, in the order of its file. What its annotation `probelet.dev/lint-ignore` names
/// is left out.
pub fn lint(pod: &Pod) -> Vec<Finding> {
    let mut findings = rules::run(pod);
    findings.extend(manifest::warnings(pod, &findings));
    let mut findings = ignore::silence(pod, findings);
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings
}
