//! Termination messages: what a container has written to its `terminationMessagePath`, or the end of its log (B6.5).
//!
//! The file is the agent's own, one for each instance, and mounted into the container. It is read when the instance has
//! ended, so that it is there still if the agent died meanwhile. The container can neither remove nor replace it.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use probelet_container::log_tail;
use probelet_lifecycle::config::ContainerIndex;

use crate::{
    pod::PodEntry,
    start::{blocking, log_path},
};

/// How much of the file is taken, from its end: Kubernetes' value.
const FILE_BYTES_MAX: u64 = 4096;

/// How much of the log is taken, from its end: Kubernetes' values.
const LOG_LINES_MAX: usize = 80;
const LOG_BYTES_MAX: usize = 2048;

/// The file of an instance.
fn path(entry: &PodEntry, container: &str, instance: u32) -> PathBuf {
    let folder = entry.folder.path().join("termination").join(container);
    folder.join(instance.to_string())
}

/// Makes an empty file for an instance, which every user of the container may write, and removes that of the one before.
pub(crate) fn create(entry: &PodEntry, container: &str, instance: u32) -> io::Result<PathBuf> {
    let file = path(entry, container, instance);
    let folder = file.parent().unwrap_or(&file);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(folder)?,
    }
    File::create(&file)?.set_permissions(Permissions::from_mode(0o666))?;
    Ok(file)
}

/// What an instance that has ended with this code leaves behind; empty if nothing.
pub(crate) async fn read(entry: &PodEntry, container: ContainerIndex, instance: u32, code: i32) -> String {
    let container = entry.container(container);
    let file = path(entry, &container.name, instance);
    let written = blocking(move || end_of(&file)).await.unwrap_or_default();
    if !written.is_empty() || code == 0 || !container.falls_back_to_logs {
        return written;
    }
    let log = log_path(entry, &container.name, instance);
    let lines = log_tail::tail(&log, LOG_LINES_MAX).await.unwrap_or_default();
    let lines: Vec<_> = lines.into_iter().map(|line| line.text).collect();
    end_of_text(&lines.join("\n"), LOG_BYTES_MAX).to_owned()
}

/// The end of a file, as text.
fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(FILE_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// At most so many bytes from the end of a text, beginning with a whole character.
fn end_of_text(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_5_the_end_of_a_long_file_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words");
        assert!(end_of(&path).is_err());
        fs::write(&path, "short").unwrap();
        assert_eq!(end_of(&path).unwrap(), "short");
        fs::write(&path, format!("{}end", "x".repeat(5000))).unwrap();
        let end = end_of(&path).unwrap();
        assert_eq!((end.len(), &end[4093..]), (4096, "end"));
    }

    #[test]
    fn b6_5_a_long_log_is_cut_between_characters() {
        assert_eq!(end_of_text("short", 9), "short");
        assert_eq!(end_of_text("ää", 3), "ä");
    }
}
