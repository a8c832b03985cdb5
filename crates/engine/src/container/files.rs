//! The imported interface `container-files`: the container's files, where that is granted.

use std::sync::Arc;

use wasmtime::format_err;

use super::{ContainerFiles, FileError, FileKind};
use crate::{
    bindings::probelet::plugin::container_files::{Error, FileMetadata, FileSystemSpace, Host, Kind},
    state::RunState,
    uses::{Grant, lines_that_grant, shown},
};

/// As much as the contract promises: what is read is held in the host's memory before the guest's own limit takes effect.
const MAX_READ: u32 = 1 << 20;
/// As many names as the contract promises.
const MAX_NAMES: usize = 1000;

impl Host for RunState {
    async fn metadata(&mut self, path: String) -> wasmtime::Result<Result<FileMetadata, Error>> {
        let found = self.container_files()?.metadata(path.clone()).await;
        Ok(self.file(&path, found).map(|found| FileMetadata {
            kind: match found.kind {
                FileKind::File => Kind::File,
                FileKind::Directory => Kind::Directory,
                FileKind::SymbolicLink => Kind::SymbolicLink,
                FileKind::Other => Kind::Other,
            },
            size: found.size,
            modified: found.modified,
        }))
    }

    async fn read(&mut self, path: String, offset: u64, length: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let length = length.min(MAX_READ) as usize;
        let found = self.container_files()?.read(path.clone(), offset, length).await;
        Ok(self.file(&path, found))
    }

    async fn list(&mut self, path: String) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let found = self.container_files()?.list(path.clone()).await;
        Ok(self.file(&path, found).map(|mut names| {
            names.truncate(MAX_NAMES);
            names
        }))
    }

    async fn space(&mut self, path: String) -> wasmtime::Result<Result<FileSystemSpace, Error>> {
        let found = self.container_files()?.space(path.clone()).await;
        Ok(self.file(&path, found).map(|found| FileSystemSpace {
            total: found.total,
            available: found.available,
        }))
    }
}

impl RunState {
    fn container_files(&self) -> wasmtime::Result<Arc<dyn ContainerFiles>> {
        let files = self.files.as_ref();
        files
            .cloned()
            .ok_or_else(|| format_err!("container-files is linked without its grant"))
    }

    /// Counts the use, and puts an answer into the contract's words.
    fn file<T>(&self, path: &str, found: Result<T, FileError>) -> Result<T, Error> {
        if !matches!(found, Err(FileError::NotGranted)) {
            self.uses.granted(Grant::Files, path);
        }
        found.map_err(|error| match error {
            FileError::NotFound => Error::NotFound,
            FileError::WrongKind => Error::WrongKind,
            FileError::NotRunning => Error::NotRunning,
            FileError::Host { reason } => Error::Host(reason),
            FileError::NotGranted => {
                let path = shown(path);
                let line = format!("files: [{}]", serde_json::Value::from(path.as_str()));
                let why = format!("the path {path} is not granted; {}", lines_that_grant(&line));
                self.uses.refused(Grant::Files, &path, &why);
                Error::NotGranted(why)
            }
        })
    }
}
