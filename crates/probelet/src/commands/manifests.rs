//! Reading manifests.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use probelet_manifest::{Diagnostic, Pod, parse_yaml};

use crate::{
    failure::{Faults, located},
    output::style,
};

/// The largest file: a thousand pods of a few KiB each are less, and so are the kubelet's recorded cases.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The pods of all files, ready for an agent. Nothing is returned unless all of them can be taken; all faults are told at
/// once.
pub(super) fn read(files: &[impl AsRef<Path>]) -> anyhow::Result<Vec<Pod>> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    collect(files, |file, pod| pod.resolve_component_paths(&base(&here, file)))
}

/// The pods of all files as they are written there; else as [`read`].
pub(super) fn parse(files: &[impl AsRef<Path>]) -> anyhow::Result<Vec<Pod>> {
    collect(files, |_, _| Ok(()))
}

fn collect(
    files: &[impl AsRef<Path>],
    prepare: impl Fn(&Path, &mut Pod) -> Result<(), Vec<Diagnostic>>,
) -> anyhow::Result<Vec<Pod>> {
    let (mut pods, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        let file = file.as_ref();
        match parse_yaml(&text(file)?, &file.display().to_string()) {
            Ok(read) => {
                for mut pod in read {
                    match prepare(file, &mut pod) {
                        Ok(()) => pods.push(pod),
                        Err(found) => faults.extend(found),
                    }
                }
            }
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(Faults(faults).into());
    }
    anyhow::ensure!(!pods.is_empty(), "there is no pod in {}", names(files));
    Ok(pods)
}

/// What relative paths in a manifest are relative to: its own folder, and for standard input the working directory.
fn base(here: &Path, file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if file != Path::new("-") => here.join(folder),
        _ => here.to_owned(),
    }
}

/// What the agent finds wrong with a pod, each fault at its line.
pub(super) fn located_faults(pod: &Pod, mut faults: Vec<Diagnostic>) -> Faults {
    pod.locate(&mut faults);
    Faults(faults)
}

/// Puts a pod into the namespace of the command line, unless it names another one itself. A manifest that names the
/// default namespace cannot be told from one that names none.
pub(super) fn set_namespace(pod: &mut Pod, namespace: Option<&str>) -> anyhow::Result<()> {
    let Some(namespace) = namespace else { return Ok(()) };
    anyhow::ensure!(
        pod.metadata.namespace == namespace || pod.metadata.namespace == "default",
        "the namespace from the provided object {:?} does not match the namespace {namespace:?}. You must pass \
         '--namespace={}' to perform this operation.",
        pod.metadata.namespace,
        pod.metadata.namespace,
    );
    pod.metadata.namespace = namespace.to_owned();
    pod.document["metadata"]["namespace"] = namespace.into();
    Ok(())
}

/// Prints what is odd about pods.
pub(super) fn warn(warnings: &[Diagnostic]) {
    for warning in warnings {
        style::warn(&located(warning));
    }
}

/// The text of a file, or of standard input.
pub(super) fn text(file: &Path) -> anyhow::Result<String> {
    let read = if file == Path::new("-") {
        read_text(std::io::stdin().lock())
    } else {
        std::fs::File::open(file).and_then(read_text)
    };
    read.with_context(|| format!("cannot read {}", file.display()))
}

fn read_text(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    let length = from.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_FILE {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB; split it", MAX_FILE >> 20),
        ));
    }
    Ok(text)
}

fn names(files: &[impl AsRef<Path>]) -> String {
    files
        .iter()
        .map(|file| file.as_ref().display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
