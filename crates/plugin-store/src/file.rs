//! Files that are opened with care: no symbolic links where nobody honest makes any, nothing without an end.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::OFlags;

use crate::StoreError;

/// Whether a path's last part may be a symbolic link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// For files that a user names.
    Follow,
    /// For files of the store, which holds none.
    Refuse,
}

/// What a file holds, or nothing if it holds more than `limit` bytes.
pub(crate) fn read(path: &Path, links: Links, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let file = open(path, links, File::options().read(true))?;
    let size = file.metadata().map_err(StoreError::file(path))?.len();
    if size > limit as u64 {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    // A file may grow while it is read.
    let read = file.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(StoreError::file(path))?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// Opens a regular file.
pub(crate) fn open(path: &Path, links: Links, options: &mut fs::OpenOptions) -> Result<File, StoreError> {
    // Without this a named pipe would make the opener wait for somebody to write.
    let mut flags = OFlags::NONBLOCK;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file = options.custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(|error| {
        if links == Links::Refuse && error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            StoreError::Untrusted {
                path: path.to_owned(),
                reason: "it is a symbolic link, and the store makes none; remove it".to_owned(),
            }
        } else {
            StoreError::file(path)(error)
        }
    })?;
    if file.metadata().map_err(StoreError::file(path))?.is_file() {
        return Ok(file);
    }
    let source = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
    Err(StoreError::file(path)(source))
}

/// Puts a file of the store with these bytes in place in one step, and sees that it survives a crash. `scratch` is on the
/// same file system.
pub(crate) fn write(path: &Path, scratch: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_with(path, scratch, 0o600, bytes)
}

/// The same for a file of a user's own, who may read and write it as the user's mask says.
pub(crate) fn write_beside(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_with(path, folder_of(path), 0o666, bytes)
}

fn write_with(path: &Path, scratch: &Path, mode: u32, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || {
        let permissions = fs::Permissions::from_mode(mode);
        let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(scratch)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder_of(path))?.sync_all()
    };
    write().map_err(StoreError::file(path))
}

/// The folder that a file lies in; that of a bare name has no name in it.
fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Makes a folder unless it is there, and refuses one that somebody else may write.
pub(crate) fn private_folder(path: &Path) -> Result<(), StoreError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(StoreError::file(path))?;
    let metadata = fs::symlink_metadata(path).map_err(StoreError::file(path))?;
    let own = rustix::process::geteuid().as_raw();
    let reason = if !metadata.is_dir() {
        "it is no folder, or a symbolic link to one; name the folder itself".to_owned()
    } else if metadata.uid() != own {
        format!(
            "it belongs to user {}, and this is user {own}: whoever owns it could exchange components; `chown` it or \
             use another folder",
            metadata.uid()
        )
    } else if metadata.mode() & 0o022 != 0 {
        "others than its owner may write it and so exchange components; `chmod go-w` it".to_owned()
    } else {
        return Ok(());
    };
    Err(StoreError::Untrusted {
        path: path.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_bare_name_is_this_one() {
        for (file, folder) in [("a", "."), ("./a", "."), ("b/a", "b"), ("/a", "/"), ("../a", "..")] {
            assert_eq!(folder_of(Path::new(file)), Path::new(folder), "{file}");
        }
    }
}
