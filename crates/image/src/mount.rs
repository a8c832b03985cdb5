//! A container's root: an overlay of the image's layers and a folder of its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, statfs},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, mount, move_mount, unmount as unmount_path,
    },
};

use crate::ImageError;

const OVERLAYFS_MAGIC: i64 = 0x794c_7630;

/// Mounts `layers`, lowest first, below `directory/merged`; what is written goes to `directory/upper`.
pub(crate) fn mount_layers(layers: &[PathBuf], directory: &Path) -> Result<PathBuf, ImageError> {
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| directory.join(name));
    if is_overlay(&merged) {
        return Ok(merged);
    }
    for folder in [&upper, &work, &merged] {
        fs::create_dir_all(folder).map_err(ImageError::file(folder))?;
    }
    let mounted = match mount_by_parts(layers, &upper, &work, &merged) {
        // A kernel before 6.8 knows no `lowerdir+`, one before 5.2 none of these calls.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => mount_at_once(layers, &upper, &work, &merged),
        other => other,
    };
    mounted.map_err(|source| ImageError::Mount {
        path: merged.clone(),
        source: source.into(),
    })?;
    Ok(merged)
}

/// One call for each layer, so that their number and the length of their names do not matter.
fn mount_by_parts(layers: &[PathBuf], upper: &Path, work: &Path, merged: &Path) -> rustix::io::Result<()> {
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for layer in layers.iter().rev() {
        fsconfig_set_string(&overlay, "lowerdir+", layer)?;
    }
    fsconfig_set_string(&overlay, "upperdir", upper)?;
    fsconfig_set_string(&overlay, "workdir", work)?;
    fsconfig_create(&overlay)?;
    // Devices come from the runtime, never from an image.
    let mounted = fsmount(
        &overlay,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NODEV,
    )?;
    move_mount(&mounted, "", CWD, merged, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// The old call, whose options must fit a page.
fn mount_at_once(layers: &[PathBuf], upper: &Path, work: &Path, merged: &Path) -> rustix::io::Result<()> {
    let escape = |path: &Path| {
        path.to_string_lossy()
            .replace('\\', "\\\\")
            .replace(':', "\\:")
            .replace(',', "\\,")
    };
    let lower: Vec<_> = layers.iter().rev().map(|layer| escape(layer)).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}\0",
        lower.join(":"),
        escape(upper),
        escape(work)
    );
    let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).map_err(|_| rustix::io::Errno::INVAL)?;
    mount("overlay", merged, "overlay", MountFlags::NODEV, options)
}

/// Unmounts what [`ImageStore::mount`](crate::ImageStore::mount) mounted in `directory`, and removes the folder with all
/// that the container wrote. It is no error if there is nothing.
///
/// # Errors
///
/// [`ImageError::Mount`] or [`ImageError::File`] if the kernel refuses.
pub fn unmount(directory: &Path) -> Result<(), ImageError> {
    let merged = directory.join("merged");
    while is_overlay(&merged) {
        unmount_path(&merged, UnmountFlags::DETACH).map_err(|source| ImageError::Mount {
            path: merged.clone(),
            source: source.into(),
        })?;
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ImageError::file(directory)(error)),
        _ => Ok(()),
    }
}

fn is_overlay(path: &Path) -> bool {
    // The field's type differs between architectures. The merged folder is never itself on an overlay's root unless it
    // is mounted: its inode there is that of the overlay.
    #[allow(clippy::unnecessary_cast)]
    let overlay = statfs(path).is_ok_and(|found| found.f_type as i64 == OVERLAYFS_MAGIC);
    overlay && is_mount_point(path)
}

fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    path.parent().is_some_and(|parent| device(path) != device(parent))
}
