//! Looking at a running container's files, its volumes included, from outside.
//!
//! The container is hostile: it may replace any file, folder or link at any moment, and name devices and pipes as it
//! likes. The one who asks is not trusted either, and sees what lies below the granted paths only. How that is kept is
//! told in `look.rs`; here is who may look, how many at once, and at which container.

mod grants;
mod look;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};
use tokio::sync::{OnceCell, Semaphore};

use crate::{Container, FilesError, shim};
use grants::{Grants, Request};

/// The most that one [`Files::read`] gives: the contract with plugins (`container-files` in `wit/`).
pub const READ_BYTES_MAX: usize = 1024 * 1024;

/// The most names that one [`Files::list`] gives: the contract with plugins.
pub const LIST_NAMES_MAX: usize = 1000;

/// How many looks may be under way in one container. Where a file system answers, each is over in a moment, and more at
/// once would not be faster. Where it hangs (FUSE, NFS) each holds a thread until it answers, whoever waits for it.
pub(crate) const LOOKS_PER_CONTAINER_MAX: usize = 4;

/// How many looks may be under way at all: an eighth of the 512 threads that tokio has for what blocks, so that hanging
/// file systems of many containers leave the others to the rest of the agent.
static LOOKS: Semaphore = Semaphore::const_new(64);

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link that leads out of what is granted, or to nothing. Others are followed.
    SymbolicLink,
    /// A device, a pipe, a socket.
    Other,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// When its content was changed last. The container can set it to anything.
    pub modified: SystemTime,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What an unprivileged process can still write.
    pub available: u64,
}

/// A view on some of a container's files. Every path is absolute, as the container's process 1 sees it.
///
/// - Links are followed as long as they stay below the grant that covers the path. An absolute link never does: it would
///   have to begin at the root, which lies outside.
/// - Only regular files are read and only folders listed. Pipes, devices and sockets are never opened.
/// - Files of the kernel's own file systems are seen only through a grant at or below `/proc` or `/sys`, and only if every
///   user of the machine may read them.
///
/// Looks run on threads of their own, a bounded number at once; further ones wait. Dropping a future gives up waiting; a
/// look that hangs in the kernel then keeps its thread, and its place in that number, until the kernel answers.
#[derive(Debug)]
pub struct Files {
    container: Container,
    grants: Grants,
    process: OnceCell<Arc<OwnedFd>>,
}

impl Container {
    /// A view on the files at and below the `granted` paths. One that is no absolute path, or that has `..`, grants
    /// nothing. A granted path that is a link is followed inside the container.
    pub fn files(&self, granted: Vec<PathBuf>) -> Files {
        Files {
            container: self.clone(),
            grants: Grants::new(granted),
            process: OnceCell::new(),
        }
    }
}

impl Files {
    /// What is at a path.
    pub async fn metadata(&self, path: &str) -> Result<FileMetadata, FilesError> {
        self.look(path, look::metadata).await
    }

    /// A part of a regular file: at most `length` bytes, and at most [`READ_BYTES_MAX`], from `offset` on. Fewer at its
    /// end, and none beyond.
    pub async fn read(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, FilesError> {
        let length = length.min(READ_BYTES_MAX);
        self.look(path, move |request, root| look::read(request, root, offset, length))
            .await
    }

    /// The names in a folder, in order, without `.` and `..`. Of a folder with more than [`LIST_NAMES_MAX`], the first
    /// ones; of one with very many, the first of those that the kernel tells first. What is no UTF-8 is replaced.
    pub async fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        self.look(path, look::list).await
    }

    /// How full the file system at a path is.
    pub async fn space(&self, path: &str) -> Result<Space, FilesError> {
        self.look(path, look::space).await
    }

    async fn look<T, F>(&self, path: &str, look: F) -> Result<T, FilesError>
    where
        T: Send + 'static,
        F: FnOnce(&Request, &OwnedFd) -> Result<T, FilesError> + Send + 'static,
    {
        let request = self.grants.request(path)?;
        let process = self.process().await?;
        let own_place = self.container.looks().clone().acquire_owned().await;
        let place = LOOKS.acquire().await;
        let looked = tokio::task::spawn_blocking(move || {
            // They are given back when the thread is free again, and not when nobody waits for it any more.
            let _places = (own_place, place);
            match open_root(&process) {
                Some(root) => look(&request, &root?).map(Some),
                None => Ok(None),
            }
        });
        let looked = looked.await.map_err(|error| FilesError::Host {
            reason: format!("cannot look at {path}: {error}"),
        })?;
        match looked {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(self.not_running()),
            // An end in between shows in many ways.
            Err(_) if self.container.exit().is_some() => Err(self.not_running()),
            Err(error) => Err(error),
        }
    }

    /// The container's process 1, as its folder in `/proc`: a handle on that very process, which leads nowhere once it has
    /// gone, even if its number is given to another.
    ///
    /// The number may have been given away before it was opened. The shim, which is the process's parent, tells: it
    /// answers only as long as it has not taken leave of the process, and until then the number is not free.
    async fn process(&self) -> Result<Arc<OwnedFd>, FilesError> {
        if self.container.exit().is_some() {
            return Err(self.not_running());
        }
        let found = self.process.get_or_try_init(|| async {
            let pid = self.container.pid();
            let failed = |error: std::io::Error| FilesError::Host {
                reason: format!("cannot reach process 1 of container {}: {error}", self.container.id()),
            };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let process = match rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => return Err(self.not_running()),
                opened => opened.map_err(|errno| failed(errno.into()))?,
            };
            match shim::ask_status(self.container.directory()).await.map_err(failed)? {
                Some(running) if running.pid == pid => Ok(Arc::new(process)),
                _ => Err(self.not_running()),
            }
        });
        found.await.cloned()
    }

    fn not_running(&self) -> FilesError {
        FilesError::NotRunning {
            id: self.container.id().to_owned(),
        }
    }
}

/// The root as the process sees it, with all that is mounted there; `None` if the process has ended.
fn open_root(process: &OwnedFd) -> Option<Result<OwnedFd, FilesError>> {
    use rustix::io::Errno;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(process, "root", flags, Mode::empty()) {
        Ok(root) => Some(Ok(root)),
        // A process that nobody has taken leave of yet has no root either.
        Err(Errno::NOENT | Errno::SRCH) => None,
        Err(errno) => Some(Err(FilesError::Host {
            reason: format!("cannot open the container's root: {errno}"),
        })),
    }
}
