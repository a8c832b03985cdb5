//! Lists the source of the crate `probelet-plugin`, which a project in Rust takes along.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// What the SDK is built from, below the workspace's root.
const PARTS: [&str; 3] = ["crates/plugin-sdk", "crates/plugin-sdk-macros", "wit"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here.join("../..").canonicalize()?;
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
        list(&root.join(part), &mut files)?;
    }
    files.sort();
    let entries = files.iter().map(|path| {
        let name = path
            .strip_prefix(&root)
            .expect("it was found there")
            .display()
            .to_string();
        format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string())
    });
    let list = format!("&[\n{}]\n", entries.collect::<String>());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("sdk.rs"), list)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => list(&path, files)?,
            Some("rs" | "toml" | "wit") => files.push(path),
            _ => {}
        }
    }
    Ok(())
}
