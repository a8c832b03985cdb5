//! Real cases, damaged: nothing panics, every fault has its place in the file, and what is taken can be asked anything.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use probelet_plugin_case::{FileQuestion, HttpCall, Script, Scripted, parse};
use proptest::prelude::*;

const VALUES: [&str; 16] = [
    "",
    "null",
    "true",
    "-1",
    "99999999999999999999",
    "1e400",
    "[]",
    "{}",
    "{a: b}",
    "*a",
    "&a x",
    "|",
    "\"\\0\"",
    "Aw==",
    "10.1.2.3:7",
    "9999-99-99T00:00:00Z",
];

/// All cases of the end-to-end tests.
fn seeds() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/cases/passing");
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

/// Puts another value behind the colon of a line, or leaves the line out.
fn damage(text: &str, edits: &[(usize, Option<usize>)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for &(line, value) in edits {
        let line = line % lines.len();
        match value {
            None => lines[line].clear(),
            Some(value) => {
                let key = lines[line].split(':').next().unwrap_or_default().to_owned();
                lines[line] = format!("{key}: {}", VALUES[value % VALUES.len()]);
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_damaged_case_is_refused_at_its_place_or_can_be_asked(
        seed in 0..3_usize,
        edits in prop::collection::vec((any::<usize>(), any::<Option<usize>>()), 0..4),
    ) {
        let seeds = seeds();
        let text = damage(&seeds[seed % seeds.len()], &edits);
        match parse(&text, "case.yaml", "case") {
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.iter().all(|fault| fault.file.is_some() && !fault.message.is_empty()));
            }
            Ok(cases) => for case in cases {
                let mut script = Script::new(case.host.clone());
                script.http(&HttpCall::default());
                script.lookup("db");
                script.stats();
                script.logs(usize::MAX);
                script.exec(&[]);
                script.file("/", FileQuestion::List);
                for connection in &case.host.tcp {
                    if let Scripted::Answer(mut talk) = script.connect(connection.address.parse().unwrap()) {
                        talk.begin();
                        talk.receive(b"hello\r\n\r\nand more");
                        talk.end();
                    }
                }
                script.finish();
            },
        }
    }
}
