//! Making, pinning and entering namespaces.

use std::{
    fs::{self, File},
    io,
    marker::PhantomData,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    fs::statfs,
    mount::{UnmountFlags, mount_bind, unmount},
    system::sethostname,
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space},
};

use crate::NetworkError;

/// The file system type of a pinned namespace.
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// The pins of a pod, in its folder.
pub(crate) struct Pins {
    pub(crate) network: PathBuf,
    pub(crate) ipc: PathBuf,
    pub(crate) uts: PathBuf,
}

impl Pins {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            network: folder.join("net"),
            ipc: folder.join("ipc"),
            uts: folder.join("uts"),
        }
    }

    /// Makes new namespaces and pins them. A pod on the machine's own network gets an IPC namespace only.
    pub(crate) fn make(&self, hostname: &str, host_network: bool) -> Result<(), NetworkError> {
        thread::scope(|scope| {
            // unshare changes the thread that calls it, so it is one that ends with this.
            let thread = thread::Builder::new().name("namespaces".to_owned());
            let made = thread
                .spawn_scoped(scope, || self.make_here(hostname, host_network))
                .map_err(NetworkError::namespace("start a thread"))?;
            made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn make_here(&self, hostname: &str, host_network: bool) -> Result<(), NetworkError> {
        let flags = if host_network {
            UnshareFlags::NEWIPC
        } else {
            UnshareFlags::NEWIPC | UnshareFlags::NEWNET | UnshareFlags::NEWUTS
        };
        // SAFETY: of the flags, only those that concern memory and descriptors can break Rust's assumptions; these give
        // this thread, which ends soon, other namespaces.
        #[allow(unsafe_code)]
        let unshared = unsafe { rustix::thread::unshare_unsafe(flags) };
        unshared.map_err(NetworkError::namespace("make namespaces; this needs root"))?;
        pin("ipc", &self.ipc)?;
        if !host_network {
            sethostname(hostname.as_bytes())
                .map_err(NetworkError::namespace(format!("set the host name {hostname}")))?;
            pin("uts", &self.uts)?;
            pin("net", &self.network)?;
        }
        Ok(())
    }

    /// Removes what there is of them.
    pub(crate) fn remove(&self) -> Result<(), NetworkError> {
        for path in [&self.network, &self.ipc, &self.uts] {
            while is_pinned(path) {
                unmount(path, UnmountFlags::DETACH).map_err(NetworkError::file(path))?;
            }
        }
        Ok(())
    }
}

/// Whether a namespace is pinned there.
pub(crate) fn is_pinned(path: &Path) -> bool {
    // The field's type differs between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    statfs(path).is_ok_and(|found| found.f_type as i64 == NSFS_MAGIC)
}

fn pin(kind: &str, path: &Path) -> Result<(), NetworkError> {
    File::create(path).map_err(NetworkError::file(path))?;
    mount_bind(format!("/proc/thread-self/ns/{kind}"), path).map_err(NetworkError::file(path))
}

/// A network namespace that can be entered.
#[derive(Debug)]
pub struct NamespaceHandle {
    inside: OwnedFd,
    home: OwnedFd,
}

impl NamespaceHandle {
    /// Opens the namespace that is pinned at `path`, and remembers the one that the caller is in.
    ///
    /// # Errors
    ///
    /// Those of opening `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let inside = fs::File::open(path)?.into();
        let home = fs::File::open("/proc/thread-self/ns/net")?.into();
        Ok(Self { inside, home })
    }

    /// Moves this thread into the namespace until the guard is dropped. For short synchronous sections, such as making a
    /// socket, which then stays in the namespace whoever uses it. Nothing may be awaited in between: a task goes on in
    /// another thread, and others in this one.
    ///
    /// # Errors
    ///
    /// Those of `setns`, which needs root.
    pub fn enter(&self) -> io::Result<Entered<'_>> {
        move_into_link_name_space(self.inside.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(Entered {
            handle: self,
            not_send: PhantomData,
        })
    }
}

/// This thread is in another network namespace. Dropping the guard takes it back; the process is aborted if that fails,
/// since any socket made from then on would be in the wrong namespace.
#[derive(Debug)]
pub struct Entered<'a> {
    handle: &'a NamespaceHandle,
    not_send: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Err(error) = move_into_link_name_space(self.handle.home.as_fd(), Some(LinkNameSpaceType::Network)) {
            tracing::error!(%error, "cannot leave a pod's network namespace");
            std::process::abort();
        }
    }
}
