//! Scenarios and their folder.

use std::{fs, path::PathBuf};

use probelet_manifest::parse_yaml;
use probelet_simulate::{Report, USUAL_TIME, read_script};

/// The folder of the scenarios.
pub(crate) fn scenarios() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scenarios"))
}

/// Whether what is expected is to be written anew.
pub(crate) fn is_updating() -> bool {
    std::env::var_os("UPDATE_SCENARIOS").is_some()
}

/// The names of all scenarios, in order.
pub(crate) fn scenario_names() -> Vec<String> {
    let entries = fs::read_dir(scenarios()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file of a scenario.
pub(crate) fn file(name: &str, file: &str) -> String {
    let path = scenarios().join(name).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What comes of a scenario.
pub(crate) fn simulate(name: &str) -> Report {
    let pods = parse_yaml(&file(name, "pod.yaml"), name).unwrap();
    let script = read_script(&file(name, "script.yaml"), name, &pods).unwrap();
    let [pod] = &pods[..] else {
        panic!("{name}: a scenario has one pod")
    };
    probelet_simulate::simulate(pod, &script, script.watch.unwrap_or(USUAL_TIME))
}
