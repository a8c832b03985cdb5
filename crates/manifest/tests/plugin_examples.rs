//! The manifests in `docs/plugins` are those in `docs/plugins/examples`, and are read without a fault or a warning. Test
//! cases of plugins are in `cases` there; an end-to-end test runs them.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use probelet_manifest::parse_yaml;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugins")
}

/// The files of a folder with an extension, by name.
fn files(folder: &Path, extension: &str) -> BTreeMap<String, String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    let file = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.map(file).collect()
}

/// The blocks of YAML in a text.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
}

#[test]
fn every_example_in_the_text_is_a_file_and_the_other_way_round() {
    let mut examples = files(&folder().join("examples"), "yaml");
    examples.extend(files(&folder().join("examples/cases"), "yaml"));
    let mut shown = BTreeSet::new();
    for (page, text) in files(&folder(), "md") {
        for block in blocks(&text) {
            let example = examples.iter().find(|(_, example)| *example == block);
            let (name, _) = example.unwrap_or_else(|| panic!("{page}: no file in examples has this text:\n{block}"));
            shown.insert(name.clone());
        }
    }
    assert_eq!(shown, examples.into_keys().collect());
}

#[test]
fn every_example_is_a_pod_with_plugins() {
    for (name, text) in files(&folder().join("examples"), "yaml") {
        let pods = parse_yaml(&text, &name).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        for pod in pods {
            assert!(pod.warnings.is_empty(), "{name}: {:?}", pod.warnings);
            assert!(!pod.wasm_checks().is_empty(), "{name}");
        }
    }
}
