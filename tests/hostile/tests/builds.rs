//! Every case's text is a component, and every case has a name of its own.

use std::{collections::BTreeSet, path::Path};

use probelet_hostile::Source;

/// As many as are promised to users.
const PROMISED: usize = 100;

#[test]
fn every_text_is_a_component_and_every_name_is_one_of_its_own() {
    let cases = probelet_hostile::cases(Path::new("target/guests"));
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= PROMISED, "{}", cases.len());
    for case in &cases {
        assert!(!case.about.is_empty(), "{} does not say what it attacks", case.name);
        if !matches!(case.source, Source::File(_)) {
            case.component();
        }
    }
}
