//! `probelet plugin record`.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::Context;
use probelet_api::client::{self, Client, OBJECTS};
use serde_json::Value;

use crate::{
    arguments::{PluginRecord, word},
    commands::what::pod_name,
    output::print,
};

/// Waits for the run, and keeps its case.
pub(super) async fn run(command: &PluginRecord, client: &Client) -> anyhow::Result<()> {
    let Some(file) = &command.file else {
        return Ok(print(&case(command, client).await?)?);
    };
    // Before the wait, which may be long, and which people break off: then there must be nothing of it.
    can_be_made(file)?;
    let case = case(command, client).await?;
    make(file, &case)
}

async fn case(command: &PluginRecord, client: &Client) -> anyhow::Result<String> {
    let check = command.check.role().name();
    let outcome = command.outcome.as_ref().map(word);
    let target = client::record(&command.namespace.namespace, pod_name(&command.pod)?)
        .with("check", check)
        .with_some("container", command.container.as_deref())
        .with_some("outcome", outcome.as_deref());
    if std::io::stderr().is_terminal() {
        let how = outcome
            .map(|outcome| format!(" that ends {outcome}"))
            .unwrap_or_default();
        eprintln!("Waiting for the next run of the {check} check of {}{how}", command.pod);
    }
    let answer = client.get::<Value>(&target, OBJECTS);
    let document = match command.timeout {
        None => answer.await?,
        Some(timeout) => {
            let answer = tokio::time::timeout(timeout, answer).await;
            answer.map_err(|_| anyhow::anyhow!("there was no such run within {timeout:?}"))??
        }
    };
    let case = document["case"].as_str().map(str::to_owned);
    case.context("the agent's answer has no case: use the probelet that it was started from")
}

/// Whether there is nothing by this name yet, and its folder can be written.
fn can_be_made(path: &Path) -> anyhow::Result<()> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(_) => Err(io::Error::from(rustix::io::Errno::EXIST)),
        // A file without a name: it is gone whenever this program is.
        Err(_) => tempfile::tempfile_in(folder_of(path)).map(drop),
    };
    outcome.with_context(|| format!("cannot create {}", path.display()))
}

/// Makes a file, whole or not at all, unless there is one by now.
fn make(path: &Path, content: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        // Who may read it is for the user's mask to say, as of any other file.
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(folder_of(path))?;
        file.write_all(content.as_bytes())?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("cannot create {}", path.display()))
}

/// The folder that a file lies in; that of a bare name has no name in it.
fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_to_be_as_a_whole_and_in_no_others_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.yaml");
        let count = || fs::read_dir(folder.path()).unwrap().count();
        can_be_made(&path).unwrap();
        assert_eq!(count(), 0, "there is nothing while the run is waited for");

        make(&path, "first").unwrap();
        for error in [can_be_made(&path).unwrap_err(), make(&path, "second").unwrap_err()] {
            assert!(error.to_string().contains("cannot create"), "{error}");
        }
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), count()), ("first", 1));
        let own = folder.path().join("own");
        fs::write(&own, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&own));

        can_be_made(Path::new("case-that-nobody-has.yaml")).unwrap();
        assert!(can_be_made(&folder.path().join("absent/case.yaml")).is_err());
    }
}
