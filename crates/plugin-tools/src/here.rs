//! Where there is no container: each question about one is answered by that.

use std::time::Instant;

use futures::future::{BoxFuture, ready};
use probelet_engine::{
    ContainerExec, ContainerFiles, ContainerLogs, ContainerStats, ExecError, ExecOutput, FileError, LogLine, Metadata,
    Space, Stats,
};

const REASON: &str = "there is no container here; run it against a pod of an agent with --pod";

/// A container that is not there.
#[derive(Clone, Copy, Debug)]
pub struct NoContainer;

impl ContainerExec for NoContainer {
    fn exec(&self, _: Vec<String>, _: Instant, _: usize) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        let reason = REASON.to_owned();
        Box::pin(ready(Err(ExecError::Host { reason })))
    }
}

impl ContainerStats for NoContainer {
    fn stats(&self) -> BoxFuture<'static, Result<Stats, String>> {
        Box::pin(ready(Err(REASON.to_owned())))
    }
}

impl ContainerLogs for NoContainer {
    fn tail(&self, _: usize) -> BoxFuture<'static, Result<Vec<LogLine>, String>> {
        Box::pin(ready(Err(REASON.to_owned())))
    }
}

impl ContainerFiles for NoContainer {
    fn metadata(&self, _: String) -> BoxFuture<'static, Result<Metadata, FileError>> {
        no_file()
    }

    fn read(&self, _: String, _: u64, _: usize) -> BoxFuture<'static, Result<Vec<u8>, FileError>> {
        no_file()
    }

    fn list(&self, _: String) -> BoxFuture<'static, Result<Vec<String>, FileError>> {
        no_file()
    }

    fn space(&self, _: String) -> BoxFuture<'static, Result<Space, FileError>> {
        no_file()
    }
}

fn no_file<T: Send + 'static>() -> BoxFuture<'static, Result<T, FileError>> {
    let reason = REASON.to_owned();
    Box::pin(ready(Err(FileError::Host { reason })))
}
