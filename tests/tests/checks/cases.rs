//! The case files beside the checks' sources.

use std::{fs, path::Path, process::Command};

use probelet_tests::{agent::binary, finished::Finished};

#[test]
fn every_check_passes_its_cases() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-probes");
    let folders = fs::read_dir(&guests).expect("the sources are there").flatten();
    let mut played = 0;
    for folder in folders.filter(|folder| folder.path().join("cases").is_dir()) {
        let check = format!("builtin:{}", folder.file_name().to_string_lossy());
        let mut command = Command::new(binary("probelet"));
        command.args(["--state-dir", "/nonexistent", "plugin", "test", "--component", &check]);
        let told = Finished::run(command.arg(folder.path())).success();
        assert!(told.contains(" 0 failed"), "{told}");
        played += 1;
    }
    assert!(played >= 16, "only {played} checks have cases");
}
