//! Real manifests, damaged in ways that people and tools damage them: nothing panics, whatever is said or found has its
//! place, and what is taken is taken again.
//!
//! `cargo test` runs a bounded number of random cases. With cargo-bolero,
//! `cargo bolero test --rustc-bootstrap --sanitizer NONE --profile release --package probelet-fuzz manifests -T 600s` goes
//! on for ten minutes, guided by coverage; without `-T`, until it finds something.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use bolero::{TypeGenerator, produce};
use probelet_lint::lint;
use probelet_manifest::{Diagnostic, parse_json, parse_yaml};

/// How many damaged manifests `cargo test` tries: a few seconds in a debug build.
const ITERATIONS: usize = 3000;

/// More damage leaves nothing of a manifest that a check could look at.
const MAX_EDITS: usize = 4;

/// Values that are odd in one place or another.
const VALUES: [&str; 24] = [
    "",
    "null",
    "~",
    "true",
    "0",
    "-1",
    "2147483648",
    "99999999999999999999",
    "1e400",
    ".nan",
    "0x1f",
    "80",
    "\"80\"",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "{a: b}",
    "*a",
    "&a x",
    "!!binary aGk=",
    "|",
    "\u{feff}ä😀\u{7}",
    "64Mi",
];

/// One way to damage a manifest. The numbers are taken modulo what there is.
#[derive(Clone, Debug, TypeGenerator)]
enum Edit {
    /// Leaves a line out.
    Remove(u16),
    /// Writes a line twice.
    Repeat(u16),
    /// Puts a line in another's place.
    Swap(u16, u16),
    /// Brings a line in from another manifest.
    Borrow(u16, u16, u16),
    /// Moves a line to the right, or to the left.
    Indent(u16, i8),
    /// Gives a field another value.
    Value(u16, u8),
    /// Puts a character somewhere.
    Insert(u16, u8, char),
    /// Cuts the rest off.
    Cut(u16),
    /// Ends the document here.
    Document(u16),
}

/// The manifests of the tests and of the documentation.
static MANIFESTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "../../crates/manifest/tests/data",
        "../../crates/lint/tests/data",
        "../../docs/plugins/examples",
    ];
    let mut paths: Vec<_> = folders
        .iter()
        .flat_map(|folder| manifests_below(&root.join(folder)))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
});

fn manifests_below(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| {
        if path.is_dir() {
            manifests_below(&path)
        } else {
            vec![path]
        }
    });
    below
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect()
}

impl Edit {
    fn apply(&self, lines: &mut Vec<String>) {
        let count = lines.len();
        if count == 0 {
            return;
        }
        let at = |line: u16| usize::from(line) % count;
        match *self {
            Self::Remove(line) => drop(lines.remove(at(line))),
            Self::Repeat(line) => lines.insert(at(line), lines[at(line)].clone()),
            Self::Swap(one, other) => lines.swap(at(one), at(other)),
            Self::Borrow(line, manifest, other) => {
                let manifest: Vec<_> = MANIFESTS[usize::from(manifest) % MANIFESTS.len()].lines().collect();
                let borrowed = manifest.get(usize::from(other) % manifest.len().max(1));
                lines.insert(at(line), borrowed.copied().unwrap_or_default().to_owned());
            }
            Self::Indent(line, by) if by < 0 => {
                let line = &mut lines[at(line)];
                let spaces = line.len() - line.trim_start_matches(' ').len();
                line.drain(..spaces.min(usize::from(by.unsigned_abs()) % 8));
            }
            Self::Indent(line, by) => lines[at(line)].insert_str(0, &" ".repeat(usize::from(by.unsigned_abs()) % 8)),
            Self::Value(line, value) => {
                let line = &mut lines[at(line)];
                if let Some(colon) = line.find(':') {
                    line.truncate(colon + 1);
                    line.push(' ');
                    line.push_str(VALUES[usize::from(value) % VALUES.len()]);
                }
            }
            Self::Insert(line, column, letter) => {
                let line = &mut lines[at(line)];
                let places: Vec<_> = line
                    .char_indices()
                    .map(|(place, _)| place)
                    .chain([line.len()])
                    .collect();
                line.insert(places[usize::from(column) % places.len()], letter);
            }
            Self::Cut(line) => lines.truncate(at(line)),
            Self::Document(line) => lines.insert(at(line), "---".to_owned()),
        }
    }
}

#[test]
fn manifests() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_generator((produce::<u16>(), produce::<Vec<Edit>>().with().len(0..=MAX_EDITS)))
        .for_each(|(manifest, edits)| {
            let manifest = &MANIFESTS[usize::from(*manifest) % MANIFESTS.len()];
            let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
            edits.iter().for_each(|edit| edit.apply(&mut lines));
            judge(&(lines.join("\n") + "\n"));
        });
}

/// What must be so of every text.
fn judge(text: &str) {
    match parse_yaml(text, "pod.yaml") {
        Ok(pods) => {
            assert!(!pods.is_empty(), "{text}");
            for pod in pods {
                pod.warnings.iter().for_each(|warning| placed(warning, text));
                let findings = lint(&pod);
                assert!(
                    findings.iter().all(|finding| finding.line.is_some()),
                    "{findings:#?}\n{text}"
                );
                let again = parse_json(pod.document.clone()).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"));
                assert_eq!(again.spec, pod.spec, "{text}");
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "{text}");
            faults.iter().for_each(|fault| placed(fault, text));
        }
    }
}

/// A diagnostic names its file, and a place in it, unless it is about the file as a whole.
fn placed(diagnostic: &Diagnostic, text: &str) {
    assert_eq!(diagnostic.file.as_deref(), Some("pod.yaml"));
    assert!(!diagnostic.message.is_empty());
    let (Some(line), Some(column)) = (diagnostic.line, diagnostic.column) else {
        assert_eq!(diagnostic.message, "there is no pod in it", "{diagnostic}\n{text}");
        return;
    };
    // YAML takes a carriage return for the end of a line, too. What is missing at the end is missed behind the last line.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<_> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&line), "{diagnostic}\n{text}");
    let letters = lines[line - 1].chars().count();
    assert!((1..=letters + 1).contains(&column), "{diagnostic}\n{text}");
}
