//! Finds the built components and hands their paths to the crate, which embeds them.

use std::{env, path::PathBuf};

const GUESTS: &[&str] = &["exec", "http", "tcp", "grpc", "sleep"];

fn main() {
    println!("cargo::rerun-if-env-changed=PROBELET_GUESTS");
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let folder = match env::var_os("PROBELET_GUESTS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(manifest_dir).join("../../target/guests"),
    };
    for name in GUESTS {
        let path = folder.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        match path.canonicalize() {
            Ok(path) => println!(
                "cargo::rustc-env=PROBELET_GUEST_{}={}",
                name.to_uppercase(),
                path.display()
            ),
            Err(error) => println!(
                "cargo::error=the built-in component {} is missing ({error}): `cargo xtask build` makes it, as would \
                 PROBELET_GUESTS=FOLDER with components that were built elsewhere",
                path.display()
            ),
        }
    }
}
