//! What is said about manifests, word for word: `tests/data/{bad,warned}/NAME.yaml` beside `NAME.txt`.
//! `UPDATE_EXPECT=1` writes the texts anew, for a review of the difference.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use probelet_manifest::{Diagnostic, parse_yaml};

fn manifests(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn compare(folder: &str, diagnose: impl Fn(&Path, &str) -> Vec<Diagnostic>) {
    let mut differences = Vec::new();
    for path in manifests(folder) {
        let diagnostics = diagnose(&path, &fs::read_to_string(&path).unwrap());
        let found: String = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found || !expected.exists() {
            differences.push(format!("{}:\n{found}", expected.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_bad_manifest_is_refused_in_these_words() {
    compare("bad", |path, text| match parse_yaml(text, "pod.yaml") {
        Ok(_) => panic!("{} is accepted", path.display()),
        Err(diagnostics) => diagnostics,
    });
}

#[test]
fn every_doubtful_manifest_is_accepted_with_these_words() {
    compare("warned", |path, text| {
        let pods = parse_yaml(text, "pod.yaml").unwrap_or_else(|faults| panic!("{}: {faults:#?}", path.display()));
        pods.into_iter().flat_map(|pod| pod.warnings).collect()
    });
}
