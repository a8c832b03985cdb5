//! A build script: fetches an example of the crate `wasip2` out of the source that cargo has taken from the registry and
//! checked against Cargo.lock. The example is named as the package is.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    println!("cargo::rerun-if-changed=../example.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let variable = |name: &str| env::var(name).expect("cargo sets it for build scripts");
    let name = variable("CARGO_PKG_NAME").replace("probelet-guest-", "");
    let example = wasip2(&variable("CARGO")).join(format!("examples/{name}.rs"));
    let text = fs::read_to_string(&example).unwrap_or_else(|error| panic!("{}: {error}", example.display()));
    fs::write(Path::new(&variable("OUT_DIR")).join("example.rs"), text).expect("the output folder can be written to");
}

/// The folder of the crate's source.
fn wasip2(cargo: &str) -> PathBuf {
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
    // The one manifest of that name, out of a text that is not worth a JSON parser.
    let manifest = metadata
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|path| path.contains("/wasip2-2."))
        .expect("wasip2 is among the dependencies");
    Path::new(manifest)
        .parent()
        .expect("a manifest lies in a folder")
        .to_owned()
}
