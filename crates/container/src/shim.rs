//! The client side of one shim.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use probelet_shim_protocol::{ControlReply, ControlRequest, Running, StartReport, files};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::socket::Connection;

/// How long a shim may take to start a container or to say why it cannot. It takes 40 ms on an idle machine.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// The longest report of a start.
const REPORT_BYTES_MAX: u64 = 8 * 1024;

/// Runs a shim, from the sealed copy `program`, for the container in `directory`, until it reports how the start went.
/// The error is a sentence.
pub(crate) async fn run(program: &OwnedFd, directory: &Path) -> Result<StartReport, String> {
    let diagnostics = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join(files::DIAGNOSTICS));
    let mut shim = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()))
        .arg0("probelet-shim")
        .arg(directory)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(diagnostics.map_err(|error| format!("cannot keep the shim's diagnostics: {error}"))?)
        .spawn()
        .map_err(|error| format!("cannot run the shim: {error}"))?;
    let mut report = Vec::new();
    if let Some(stdout) = shim.stdout.take() {
        let mut stdout = stdout.take(REPORT_BYTES_MAX);
        // A report that does not come, or not whole, is noticed below.
        let _ = tokio::time::timeout(START_PATIENCE, stdout.read_to_end(&mut report)).await;
    }
    let report = serde_json::from_slice(&report).map_err(|_| {
        let said = std::fs::read_to_string(directory.join(files::DIAGNOSTICS)).unwrap_or_default();
        format!(
            "the shim ended, or hung for {START_PATIENCE:?}, without a report: {}",
            said.trim()
        )
    });
    if let Ok(StartReport::Running(_)) = report {
        tokio::spawn(async move {
            // For the sake of the zombie only; what matters is in the exit record.
            let _ = shim.wait().await;
        });
    } else {
        // It has nothing left to do, and a failed start leaves nothing.
        let _ = shim.kill().await;
    }
    report
}

/// Connects to the shim of the container in `directory`; `None` if it is gone. An error is anything else, such as too
/// many open files here, from which nothing about the container follows.
pub(crate) fn open(directory: &Path) -> io::Result<Option<Connection>> {
    match Connection::open(directory, files::CONTROL_SOCKET) {
        Ok(connection) => Ok(Some(connection)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a connection failed because nobody listens any more.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// What a shim says about its container; `None` if it is gone.
pub(crate) async fn ask_status(directory: &Path) -> io::Result<Option<Running>> {
    let Some(connection) = open(directory)? else {
        return Ok(None);
    };
    if connection.send(&ControlRequest::Status, &[]).is_err() {
        return Ok(None);
    }
    match connection.receive().await {
        Ok(Some((ControlReply::Status(running), _))) => Ok(Some(running)),
        Ok(Some(_)) => Err(io::Error::other("the shim answered another question")),
        Ok(None) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Waits until the shim closes the connection, which it does by ending.
pub(crate) async fn await_end(connection: Connection) {
    while let Ok(Some(_)) = connection.receive::<ControlReply>().await {}
}
