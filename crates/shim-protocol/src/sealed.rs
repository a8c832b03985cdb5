//! A copy of a program that nobody can write to.
//!
//! A process that enters a container can be seen from inside it, and through `/proc/<pid>/exe` so can the file that
//! it runs from (CVE-2019-5736). The shim and its helper therefore run from a sealed copy in memory: a container that
//! opens it can change neither this copy nor the file on disk.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags};

/// The seals that together make a file immutable.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Copies `program` into memory and seals the copy. It is closed on exec; execute it as `/proc/self/fd/<number>`.
pub fn copy(program: &Path) -> io::Result<OwnedFd> {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let copy = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(copy);
    io::copy(&mut File::open(program)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SEALS)?;
    Ok(copy.into())
}

/// Whether this process runs from a copy that [`copy`] made.
pub fn runs_from_copy() -> io::Result<bool> {
    let program = File::open("/proc/self/exe")?;
    match rustix::fs::fcntl_get_seals(program.as_fd()) {
        Ok(seals) => Ok(seals.contains(SEALS)),
        // Any other file system does not know seals.
        Err(rustix::io::Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_copy_holds_the_program_and_refuses_writes() {
        let copy = copy(Path::new("/proc/self/exe")).unwrap();
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read("/proc/self/exe").unwrap());
        let refused = rustix::io::write(&copy, b"x").unwrap_err();
        assert_eq!(refused, rustix::io::Errno::PERM);
        assert!(rustix::fs::ftruncate(&copy, 0).is_err());
    }

    #[test]
    fn a_program_on_disk_is_no_copy() {
        assert!(!runs_from_copy().unwrap());
    }
}
