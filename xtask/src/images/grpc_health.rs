//! `grpc-health:latest`: gRPC's health service by gRPC's own library, which is another one than probelet's. It is Python's,
//! since Debian has it ready to run.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use anyhow::Context;
use serde_json::json;

use super::{LIBRARIES, PATH, Packages, base, config, copy, docker_archive};

const SERVER: &str = include_str!("grpc_health.py");
const PACKAGE: &str = "python3-grpcio";
/// Messages are told apart by hand, so that this is not needed, and what it depends on neither.
const NOT_NEEDED: &str = "python3-protobuf";

pub(super) fn make(packages: &Packages, root: &Path, archive: &Path) -> anyhow::Result<()> {
    base(root, packages)?;
    python(root, packages)?;
    fs::write(root.join("server.py"), SERVER)?;
    let run = config(json!({
        "Cmd": ["python3", "/server.py"],
        "Env": [PATH],
        "ExposedPorts": { "5000/tcp": {} },
    }));
    docker_archive(archive, "grpc-health:latest", root, run)
}

fn python(root: &Path, packages: &Packages) -> anyhow::Result<()> {
    let mut wanted = BTreeSet::from([PACKAGE.to_owned(), NOT_NEEDED.to_owned()]);
    packages.dependencies(PACKAGE, &["python3", LIBRARIES[0], LIBRARIES[1]], &mut wanted)?;
    wanted.remove(NOT_NEEDED);
    let mut program = None;
    for package in wanted {
        let files = packages.unpack(&package)?;
        copy_modules(&files, &files.join("usr/lib"), root)?;
        if !package.starts_with("python3") {
            packages.copy_libraries(&package, root)?;
        }
        for entry in fs::read_dir(files.join("usr/bin")).into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_file() && entry.file_name().to_string_lossy().starts_with("python3.") {
                copy(&entry.path(), &root.join("usr/bin").join(entry.file_name()))?;
                program = Some(Path::new("/usr/bin").join(entry.file_name()));
            }
        }
    }
    let program = program.with_context(|| format!("no package that {PACKAGE} depends on has Python itself"))?;
    symlink(program, root.join("bin/python3")).context("cannot link python3")
}

/// Copies what lies in the folders of Python's modules.
fn copy_modules(files: &Path, folder: &Path, root: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        let place = path.strip_prefix(files)?;
        if !place.to_string_lossy().starts_with("usr/lib/python3") {
            continue;
        }
        if fs::symlink_metadata(&path)?.is_dir() {
            copy_modules(files, &path, root)?;
        } else if fs::symlink_metadata(root.join(place)).is_err() {
            copy(&path, &root.join(place))?;
        }
    }
    Ok(())
}
