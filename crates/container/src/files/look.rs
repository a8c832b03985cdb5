//! Opening what was asked for, so that nothing leads out of what is granted, and looking at it. All of this blocks.
//!
//! The kernel resolves every path (openat2), as nobody else can do it while the container renames what lies on the way:
//! 1. the granted path below the container's root, which for its links is the root of everything;
//! 2. the rest below the granted folder, which neither a link nor `..` may leave;
//! 3. neither by the links of `/proc` that are doors to elsewhere (`/proc/1/root`, `/proc/1/fd/3`).
//!
//! What is found is held by a handle that cannot read (O_PATH): getting it has no effect on what is found, be it a device,
//! or a pipe with a writer who waits. Only when the handle is seen to hold a regular file or a folder, of a file system
//! where reading is harmless, is it opened for reading. That goes by the handle and not by the path, so that it is the
//! same file.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::grants::{Place, Request};
use super::{FileKind, FileMetadata, LIST_NAMES_MAX, Space};
use crate::FilesError;

/// How often a path is tried whose folders are moved while the kernel resolves `..` in it, of which it gives up. The
/// container can keep that up for ever.
const RESOLVE_ATTEMPTS: u32 = 32;

/// How many names of a folder are gone through. A container can make as many as it likes, and in a file system of its own
/// (FUSE) without end; so many take some 50 ms.
const NAMES_SEEN_MAX: usize = 100_000;

/// How much is read at once, so that a file that shrinks or is shorter than asked for costs no more.
const CHUNK_BYTES: usize = 128 * 1024;

/// The file systems that are made of the kernel itself, by the number that statfs(2) gives. Opened by root, as this
/// process is, their files tell more than a process of the container may know, and some do something when read:
/// `/proc/1/mem` and `/proc/1/environ` hold the secrets of the container's processes, `/proc/kcore` the machine's memory,
/// and reading `/proc/kmsg` or `trace_pipe` waits, and takes from others what it gives. `statfs` decides and not the path,
/// as they can be mounted anywhere.
const KERNEL_FILE_SYSTEMS: [u32; 17] = [
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0xcafe_4a11, // bpf
    0xde5e_81e4, // efivarfs
    0x6165_676c, // pstore
    0x6e73_6673, // nsfs
    0x5049_4446, // pidfs
    0x6573_5543, // fusectl
    0x4249_4e4d, // binfmt_misc
    0x0765_5821, // resctrl
    0xf97c_ff8c, // selinuxfs
];

/// What is at the path.
pub(super) fn metadata(request: &Request, root: &OwnedFd) -> Result<FileMetadata, FilesError> {
    let error = match open(request, root, OFlags::empty()) {
        Ok(found) => return Ok(describe(&found.metadata)),
        Err(error) => error,
    };
    // A link that leads nowhere, or nowhere it may, is seen itself.
    match open(request, root, OFlags::NOFOLLOW) {
        Ok(found) if kind(&found.metadata) == FileKind::SymbolicLink => Ok(describe(&found.metadata)),
        _ => Err(error),
    }
}

/// At most `length` bytes of the file from `offset` on.
pub(super) fn read(request: &Request, root: &OwnedFd, offset: u64, length: usize) -> Result<Vec<u8>, FilesError> {
    let found = open(request, root, OFlags::empty())?;
    let file = File::from(found.reopen(request, FileKind::File)?);
    let mut content = Vec::new();
    while content.len() < length {
        let begin = content.len();
        // The kernel refuses to count further than this, and no file goes on there.
        let end = offset.saturating_add((begin + CHUNK_BYTES) as u64);
        if i64::try_from(end).is_err() {
            break;
        }
        content.resize(length.min(begin + CHUNK_BYTES), 0);
        let read = file.read_at(&mut content[begin..], offset + begin as u64);
        content.truncate(begin + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(request, "read", &error)),
            Ok(_) => {}
        }
    }
    Ok(content)
}

/// The first names of the folder.
pub(super) fn list(request: &Request, root: &OwnedFd) -> Result<Vec<String>, FilesError> {
    let found = open(request, root, OFlags::empty())?;
    let directory = found.reopen(request, FileKind::Directory)?;
    let entries = Dir::new(directory).map_err(|errno| refused(request, "list", &errno.into()))?;
    let mut names = BTreeSet::new();
    for entry in entries.take(NAMES_SEEN_MAX) {
        let entry = entry.map_err(|errno| refused(request, "list", &errno.into()))?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." {
            names.insert(name.into_owned());
        }
        if names.len() > LIST_NAMES_MAX {
            names.pop_last();
        }
    }
    Ok(names.into_iter().collect())
}

/// How full the file system at the path is.
pub(super) fn space(request: &Request, root: &OwnedFd) -> Result<Space, FilesError> {
    let found = open(request, root, OFlags::empty())?;
    let full = rustix::fs::fstatvfs(&found.handle).map_err(|errno| refused(request, "look at", &errno.into()))?;
    let bytes = |blocks: u64| blocks.saturating_mul(full.f_frsize);
    Ok(Space {
        total: bytes(full.f_blocks),
        available: bytes(full.f_bavail),
    })
}

/// Something that may be looked at.
struct Found {
    /// It cannot read.
    handle: File,
    metadata: Metadata,
    /// Whether it is of the kernel's own file systems.
    kernel: bool,
}

impl Found {
    /// Opens it for reading, if it is of the right kind.
    fn reopen(&self, request: &Request, wanted: FileKind) -> Result<OwnedFd, FilesError> {
        if kind(&self.metadata) != wanted {
            return Err(FilesError::WrongKind {
                path: request.path.clone(),
                wanted: if wanted == FileKind::Directory {
                    "folder"
                } else {
                    "regular file"
                },
            });
        }
        // The kernel would ask what this process may do, which is more than the container may.
        if self.kernel && !Mode::from_raw_mode(self.metadata.mode()).contains(Mode::ROTH) {
            return Err(FilesError::NotGranted {
                path: request.path.clone(),
                way_out: "of the kernel's files, only those are shown that every user of the machine may read"
                    .to_owned(),
            });
        }
        let kind = if wanted == FileKind::Directory {
            OFlags::DIRECTORY
        } else {
            OFlags::empty()
        };
        // NONBLOCK is for a container that holds a lease on the file: opening would wait for it.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | kind;
        let handle = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
        rustix::fs::open(handle, flags, Mode::empty()).map_err(|errno| refused(request, "open", &errno.into()))
    }
}

/// Finds what was asked for by the first grant that leads to it.
fn open(request: &Request, root: &OwnedFd, last: OFlags) -> Result<Found, FilesError> {
    let mut way_out = "a link or `..` on the way leads out of what is granted (an absolute link always does); \
                       ask for the path that it leads to, and name that in `files`";
    for place in &request.places {
        let handle = match resolve(place, root, last) {
            Ok(handle) => handle,
            Err(Errno::XDEV) => continue,
            Err(errno) => return Err(not_found(request, errno)),
        };
        let file_system = rustix::fs::fstatfs(&handle);
        let file_system = file_system.map_err(|errno| refused(request, "look at", &errno.into()))?;
        // The numbers have 32 bits, in a field whose width and sign depend on the machine.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let kernel = KERNEL_FILE_SYSTEMS.contains(&(file_system.f_type as u32));
        if kernel && !place.kernel {
            way_out = "it is the kernel's, which a path in `files` must name itself: at or below `/proc` or `/sys`";
            continue;
        }
        let handle = File::from(handle);
        let metadata = handle.metadata().map_err(|error| refused(request, "look at", &error))?;
        return Ok(Found {
            handle,
            metadata,
            kernel,
        });
    }
    Err(FilesError::NotGranted {
        path: request.path.clone(),
        way_out: way_out.to_owned(),
    })
}

fn resolve(place: &Place, root: &OwnedFd, last: OFlags) -> Result<OwnedFd, Errno> {
    let in_root = |flags| open_how(root, &place.grant, flags, ResolveFlags::IN_ROOT);
    if place.rest.as_os_str().is_empty() {
        return in_root(last);
    }
    let granted = in_root(OFlags::DIRECTORY)?;
    open_how(&granted, &place.rest, last, ResolveFlags::BENEATH)
}

fn open_how(from: &OwnedFd, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let (flags, resolve) = (
        flags | OFlags::PATH | OFlags::CLOEXEC,
        resolve | ResolveFlags::NO_MAGICLINKS,
    );
    for _ in 1..RESOLVE_ATTEMPTS {
        match rustix::fs::openat2(from, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    rustix::fs::openat2(from, path, flags, Mode::empty(), resolve)
}

fn not_found(request: &Request, errno: Errno) -> FilesError {
    match errno {
        // The last is for a process in `/proc` that has ended meanwhile.
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::SRCH => FilesError::NotFound {
            path: request.path.clone(),
        },
        Errno::LOOP => FilesError::Host {
            reason: format!(
                "cannot follow the links at {}: they lead in a circle, or through a door in /proc that is not followed",
                request.path
            ),
        },
        errno => refused(request, "look at", &errno.into()),
    }
}

fn refused(request: &Request, action: &str, error: &io::Error) -> FilesError {
    FilesError::Host {
        reason: format!("cannot {action} {} in the container: {error}", request.path),
    }
}

fn describe(metadata: &Metadata) -> FileMetadata {
    FileMetadata {
        kind: kind(metadata),
        size: metadata.len(),
        // A time that cannot be is none.
        modified: metadata.modified().unwrap_or(UNIX_EPOCH),
    }
}

fn kind(metadata: &Metadata) -> FileKind {
    let kind = metadata.file_type();
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::SymbolicLink
    } else {
        FileKind::Other
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
