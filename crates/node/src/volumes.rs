//! The pod's volumes and the files that the agent generates for its containers.

use std::{
    ffi::CString,
    fs, io,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use probelet_manifest::HostPathType;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A volume that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    /// What is at the path is not what the manifest asks for.
    #[error(
        "volume \"{volume}\": hostPath type check failed: {} is not {wanted}; correct the path, or the type in \
         spec.volumes[].hostPath.type", path.display()
    )]
    WrongType {
        volume: String,
        path: PathBuf,
        wanted: &'static str,
    },
    /// The folder or file cannot be made.
    #[error("volume \"{volume}\": {}: {source}", path.display())]
    Io {
        volume: String,
        path: PathBuf,
        source: io::Error,
    },
}

/// Checks, and makes if asked to, what a hostPath volume names.
pub(crate) fn prepare_host_path(volume: &str, path: &Path, kind: HostPathType) -> Result<(), VolumeError> {
    use HostPathType::{
        BlockDevice, CharacterDevice, Directory, DirectoryOrCreate, File, FileOrCreate, Socket, Unchecked,
    };
    let failed = |source| VolumeError::Io {
        volume: volume.to_owned(),
        path: path.to_owned(),
        source,
    };
    let wrong = |wanted| VolumeError::WrongType {
        volume: volume.to_owned(),
        path: path.to_owned(),
        wanted,
    };
    let found = match fs::metadata(path) {
        Ok(metadata) => Some(metadata.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let is = |test: fn(&fs::FileType) -> bool| found.as_ref().is_some_and(test);
    match kind {
        // As with the kubelet, a path that is not there becomes a folder when it is mounted.
        Unchecked | DirectoryOrCreate if found.is_none() => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(failed),
        Unchecked => Ok(()),
        FileOrCreate if found.is_none() => fs::write(path, "")
            .and_then(|()| fs::set_permissions(path, PermissionsExt::from_mode(0o644)))
            .map_err(failed),
        DirectoryOrCreate | Directory => is(fs::FileType::is_dir)
            .then_some(())
            .ok_or_else(|| wrong("a directory")),
        FileOrCreate | File => is(fs::FileType::is_file).then_some(()).ok_or_else(|| wrong("a file")),
        Socket => is(FileTypeExt::is_socket)
            .then_some(())
            .ok_or_else(|| wrong("a socket")),
        CharacterDevice => is(FileTypeExt::is_char_device)
            .then_some(())
            .ok_or_else(|| wrong("a character device")),
        BlockDevice => is(FileTypeExt::is_block_device)
            .then_some(())
            .ok_or_else(|| wrong("a block device")),
    }
}

/// The place of an emptyDir volume, which any user of the pod may write to, as with the kubelet. One in memory is a file
/// system of its own, which is where its size limit holds. It is no error if it is there already.
pub(crate) fn prepare_empty_dir(
    volume: &str,
    path: &Path,
    memory: bool,
    size_limit: Option<u64>,
) -> Result<(), VolumeError> {
    let failed = |source| VolumeError::Io {
        volume: volume.to_owned(),
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(path).map_err(failed)?;
    if !memory {
        return fs::set_permissions(path, PermissionsExt::from_mode(0o777)).map_err(failed);
    }
    if is_mount_point(path).map_err(failed)? {
        return Ok(());
    }
    // Without a limit the kernel's own holds: half of the machine's memory.
    let size = size_limit.map_or_else(String::new, |bytes| format!(",size={bytes}"));
    let options = CString::new(format!("mode=0777{size}")).map_err(|error| failed(error.into()))?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount("tmpfs", path, "tmpfs", flags, &*options).map_err(|error| failed(error.into()))
}

/// Removes all of a pod's emptyDir volumes, which lie below `folder`. It is no error if there is none.
pub(crate) fn remove_empty_dirs(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        while is_mount_point(&path)? {
            unmount(&path, UnmountFlags::DETACH)?;
        }
    }
    fs::remove_dir_all(folder)
}

fn is_mount_point(path: &Path) -> io::Result<bool> {
    let above = path.parent().unwrap_or(path);
    Ok(fs::symlink_metadata(path)?.dev() != fs::symlink_metadata(above)?.dev())
}

/// Files that every container finds in `/etc`.
#[derive(Clone, Debug)]
pub(crate) struct GeneratedFiles {
    pub(crate) hosts: PathBuf,
    pub(crate) hostname: PathBuf,
    pub(crate) resolv_conf: PathBuf,
}

/// Writes them below `folder`.
pub(crate) fn generate_files(folder: &Path, hostname: &str, addresses: &[IpAddr]) -> io::Result<GeneratedFiles> {
    let etc = folder.join("etc");
    fs::create_dir_all(&etc)?;
    let files = GeneratedFiles {
        hosts: etc.join("hosts"),
        hostname: etc.join("hostname"),
        resolv_conf: etc.join("resolv.conf"),
    };
    let mut hosts =
        "# Written by probelet.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    for address in addresses {
        hosts.push_str(&format!("{address}\t{hostname}\n"));
    }
    fs::write(&files.hosts, hosts)?;
    fs::write(&files.hostname, format!("{hostname}\n"))?;
    fs::write(&files.resolv_conf, fs::read("/etc/resolv.conf").unwrap_or_default())?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_path_becomes_a_folder_or_a_file_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        prepare_host_path("v", &at("a/b"), HostPathType::DirectoryOrCreate).unwrap();
        prepare_host_path("v", &at("c"), HostPathType::FileOrCreate).unwrap();
        assert!(at("a/b").is_dir() && at("c").is_file());
    }

    #[test]
    fn a_path_of_the_wrong_type_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for (kind, wanted) in [
            (HostPathType::Directory, "a directory"),
            (HostPathType::DirectoryOrCreate, "a directory"),
            (HostPathType::Socket, "a socket"),
            (HostPathType::BlockDevice, "a block device"),
        ] {
            let message = prepare_host_path("data", &file, kind).unwrap_err().to_string();
            assert!(
                message.contains("volume \"data\"") && message.contains(wanted),
                "{message}"
            );
        }
        let missing = prepare_host_path("data", &folder.path().join("none"), HostPathType::Directory);
        assert!(missing.is_err());
    }
}
