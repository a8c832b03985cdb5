//! The scenarios of `tests/scenarios`: a pod, how its application behaves, and what comes of it. `UPDATE_SCENARIOS=1`
//! writes what is expected anew.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use probelet_simulate::to_text;

/// There are so many at least: a test that finds none proves nothing.
const AT_LEAST: usize = 20;

#[test]
fn every_scenario_goes_as_it_is_told() {
    let names = common::scenario_names();
    assert!(names.len() >= AT_LEAST, "{names:?}");
    let mut wrong = Vec::new();
    for name in &names {
        let path = common::scenarios().join(name).join("expected.txt");
        let found = to_text(&common::simulate(name));
        if common::is_updating() {
            fs::write(&path, &found).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{} differs from what happens:\n{found}", path.display()));
        }
    }
    let help = "if this is meant, UPDATE_SCENARIOS=1 cargo test -p probelet-simulate writes them anew";
    assert!(wrong.is_empty(), "{}\n{help}", wrong.join("\n"));
}
