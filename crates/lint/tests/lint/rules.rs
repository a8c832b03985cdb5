//! Every rule by its examples: `tests/data/RULE/bad.yaml` and `good.yaml`.

use std::{collections::BTreeSet, fs};

use probelet_lint::rules;

use crate::support::{example, findings, fixed, folder, rules_of};

#[test]
fn every_rule_has_an_example_and_no_other_has() {
    let examples: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names: Vec<_> = rules().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(examples, names.iter().cloned().collect());
    assert_eq!(examples.len(), names.len(), "a name is there twice");
}

#[test]
fn a_bad_example_triggers_its_rule_and_no_other() {
    for rule in rules() {
        let found = findings(&example(rule.name, "bad"));
        let names: Vec<_> = found.iter().map(|finding| finding.rule).collect();
        assert_eq!(names, [rule.name], "{found:#?}");
        assert_eq!(found[0].severity, rule.severity);
    }
}

#[test]
fn a_good_example_triggers_nothing() {
    for rule in rules() {
        let found = findings(&example(rule.name, "good"));
        assert!(found.is_empty(), "{}: {found:#?}", rule.name);
    }
}

#[test]
fn the_fix_of_a_finding_leaves_nothing_to_find() {
    for rule in rules() {
        let bad = example(rule.name, "bad");
        let fixed = fixed(&bad, &findings(&bad)[0]);
        assert_eq!(rules_of(&fixed), [""; 0], "{}:\n{fixed}", rule.name);
    }
}

#[test]
fn a_finding_has_its_place_and_reads_as_a_line_and_a_fix() {
    let found = findings(&example("timeout-over-period", "bad"));
    assert_eq!(
        found[0].to_string(),
        "pod.yaml:14:7: warning: spec.containers[0].livenessProbe.timeoutSeconds: a run may take 20s, but the next is due \
         after 5s; one that hangs delays it [timeout-over-period]\n    \
         spec:\n      containers:\n      - name: web\n        livenessProbe:\n          timeoutSeconds: 5"
    );
}
