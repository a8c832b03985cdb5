//! Unpacking a layer below a folder that it cannot leave.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat,
        chownat, fchmod, fsetxattr, futimens, linkat, mkdirat, mknodat, openat, openat2, statat, symlinkat, unlinkat,
        utimensat,
    },
    io::Errno,
};
use tar::EntryType;

use crate::{
    ImageError,
    source::{Digesting, decompress},
};

/// Entries of a layer: ten times those of the largest distributions' images.
const MAX_ENTRIES: usize = 2_000_000;

/// A layer's size, unpacked, that needs no justification.
const PLAIN_BYTES: u64 = 1 << 30;

/// How many times its compressed size a larger layer may have. Programs shrink to a third or a tenth, a bomb to a
/// thousandth.
const MAX_RATIO: u64 = 100;

/// No layer may be larger than this.
const MAX_BYTES: u64 = 64 << 30;

/// What marks a removed file, and a folder whose lower content is hidden.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Extended attributes that a layer may set; those of overlayfs itself would let it show files of the machine.
const XATTR_PREFIXES: [&str; 2] = ["user.", "security.capability"];

/// The diff id of the layer in `file`: the digest of its uncompressed bytes.
pub(crate) fn diff_id(file: File, layer: &str) -> Result<String, ImageError> {
    let unreadable = unreadable(layer);
    let limit = limit(&file).map_err(&unreadable)?;
    let reader = Digesting::new(decompress(file).map_err(&unreadable)?, limit);
    reader.finish().map_err(unreadable)
}

fn unreadable(layer: &str) -> impl Fn(io::Error) -> ImageError {
    move |error| ImageError::Layer {
        layer: layer.to_owned(),
        entry: "-".to_owned(),
        reason: format!("the layer cannot be read: {error}"),
    }
}

/// How large a layer may be, unpacked.
fn limit(file: &File) -> io::Result<u64> {
    let compressed = file.metadata()?.len();
    Ok(compressed.saturating_mul(MAX_RATIO).clamp(PLAIN_BYTES, MAX_BYTES))
}

/// Unpacks `file` into the empty folder `root`, in overlayfs' form. Gives the diff id and the size.
pub(crate) fn unpack(file: File, root: &Path, layer: &str) -> Result<(String, u64), ImageError> {
    let unreadable = unreadable(layer);
    let limit = limit(&file).map_err(&unreadable)?;
    let mut reader = Digesting::new(decompress(file).map_err(&unreadable)?, limit);
    let mut unpacker = Unpacker {
        root: File::open(root).map_err(ImageError::file(root))?,
        folders: Vec::new(),
    };
    let mut archive = tar::Archive::new(&mut reader);
    for (count, entry) in archive.entries().map_err(&unreadable)?.enumerate() {
        let mut entry = entry.map_err(&unreadable)?;
        let name = entry.path_bytes().into_owned();
        let refused = |reason: String| ImageError::Layer {
            layer: layer.to_owned(),
            entry: String::from_utf8_lossy(&name).into_owned(),
            reason,
        };
        if count == MAX_ENTRIES {
            return Err(refused(format!("there are more than {MAX_ENTRIES} entries")));
        }
        unpacker
            .entry(&mut entry, Path::new(OsStr::from_bytes(&name)))
            .map_err(|error| refused(error.to_string()))?;
    }
    unpacker.finish();
    let size = reader.count;
    Ok((reader.finish().map_err(unreadable)?, size))
}

struct Unpacker {
    root: File,
    /// Times of folders, which are set when nothing more is written into them.
    folders: Vec<(PathBuf, u64)>,
}

impl Unpacker {
    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>, path: &Path) -> io::Result<()> {
        let Some((parent, name)) = split(path)? else {
            // The root itself: its owner and rights are kept.
            return finish_folder(&self.root, entry);
        };
        let folder = self.parent(&parent)?;
        let bytes = name.as_bytes();
        if bytes == OPAQUE {
            return Ok(fsetxattr(&folder, "trusted.overlay.opaque", b"y", XattrFlags::empty())?);
        }
        if let Some(hidden) = bytes.strip_prefix(WHITEOUT) {
            return whiteout(&folder, OsStr::from_bytes(hidden));
        }
        match entry.header().entry_type() {
            EntryType::Directory => self.folder(&folder, &name, entry, path),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => regular(&folder, &name, entry),
            EntryType::Symlink => symlink(&folder, &name, entry),
            EntryType::Link => self.hard_link(&folder, &name, entry),
            EntryType::Fifo => node(&folder, &name, entry, FileType::Fifo),
            EntryType::Char => node(&folder, &name, entry, FileType::CharacterDevice),
            EntryType::Block => node(&folder, &name, entry, FileType::BlockDevice),
            EntryType::XGlobalHeader => Ok(()),
            other => Err(io::Error::other(format!("entries of type {other:?} are not supported"))),
        }
    }

    /// Opens a folder below the root, and makes it if need be. Links on the way are followed as they will be in the
    /// container: with this root as theirs.
    fn parent(&self, path: &Path) -> io::Result<File> {
        match self.open_folder(path) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?.into()),
        }
        let mut folder = File::from(self.open_folder(Path::new("."))?);
        let mut so_far = PathBuf::new();
        for part in path.components() {
            so_far.push(part);
            folder = match self.open_folder(&so_far) {
                Err(Errno::NOENT) => {
                    mkdirat(&folder, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    self.open_folder(&so_far)?.into()
                }
                other => other?.into(),
            };
        }
        Ok(folder)
    }

    fn open_folder(&self, path: &Path) -> rustix::io::Result<rustix::fd::OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    fn folder(
        &mut self,
        parent: &File,
        name: &OsStr,
        entry: &mut tar::Entry<'_, impl Read>,
        path: &Path,
    ) -> io::Result<()> {
        match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {}
            Ok(_) => {
                unlinkat(parent, name, AtFlags::empty())?;
                mkdirat(parent, name, Mode::from_raw_mode(0o700))?;
            }
            Err(_) => mkdirat(parent, name, Mode::from_raw_mode(0o700))?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = File::from(openat(parent, name, flags, Mode::empty())?);
        finish_folder(&folder, entry)?;
        self.folders
            .push((path.to_owned(), entry.header().mtime().unwrap_or(0)));
        Ok(())
    }

    fn hard_link(&self, folder: &File, name: &OsStr, entry: &tar::Entry<'_, impl Read>) -> io::Result<()> {
        let target = entry
            .link_name_bytes()
            .ok_or_else(|| io::Error::other("a hard link without a target"))?;
        let Some((parent, last)) = split(Path::new(OsStr::from_bytes(&target)))? else {
            return Err(io::Error::other("a hard link to the root"));
        };
        make_room(folder, name)?;
        // The target itself, not what it may link to.
        Ok(linkat(&self.parent(&parent)?, last, folder, name, AtFlags::empty())?)
    }

    /// Sets the times of folders, deepest last entries first.
    fn finish(self) {
        for (path, time) in self.folders.iter().rev() {
            if let Ok(folder) = self.open_folder(path) {
                // A time that cannot be set harms nobody.
                let _ = futimens(&folder, &timestamps(*time));
            }
        }
    }
}

/// A path's folder and last part, without `.`; `None` for the root itself. `..` has no place in a layer.
fn split(path: &Path) -> io::Result<Option<(PathBuf, OsString)>> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::other("a path with \"..\" would lead out of the image"));
            }
        }
    }
    let name = clean.file_name().map(OsStr::to_owned);
    Ok(name.map(|name| (clean.parent().map(Path::to_owned).unwrap_or_default(), name)))
}

/// Removes what an earlier entry of the same name has left; a later one counts.
fn make_room(folder: &File, name: &OsStr) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => Ok(unlinkat(folder, name, AtFlags::REMOVEDIR)?),
        Err(error) => Err(error.into()),
    }
}

fn whiteout(folder: &File, hidden: &OsStr) -> io::Result<()> {
    // aufs' own files, which mean nothing here.
    if hidden.as_bytes().starts_with(WHITEOUT) {
        return Ok(());
    }
    if hidden.is_empty() || hidden == "." || hidden == ".." {
        return Err(io::Error::other("a whiteout of nothing"));
    }
    make_room(folder, hidden)?;
    Ok(mknodat(folder, hidden, FileType::CharacterDevice, Mode::empty(), 0)?)
}

fn regular(folder: &File, name: &OsStr, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
    make_room(folder, name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::from_raw_mode(0o600))?);
    io::copy(entry, &mut file)?;
    own(&file, entry)?;
    set_xattrs(&file, entry)?;
    Ok(futimens(&file, &timestamps(entry.header().mtime()?))?)
}

/// Owner first: changing it takes the set-user-id bit away.
fn own(file: &File, entry: &tar::Entry<'_, impl Read>) -> io::Result<()> {
    let (uid, gid) = owner(entry)?;
    rustix::fs::fchown(file, Some(uid), Some(gid))?;
    Ok(fchmod(file, mode(entry)?)?)
}

fn finish_folder(folder: &File, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
    own(folder, entry)?;
    set_xattrs(folder, entry)
}

fn symlink(folder: &File, name: &OsStr, entry: &tar::Entry<'_, impl Read>) -> io::Result<()> {
    let target = entry
        .link_name_bytes()
        .ok_or_else(|| io::Error::other("a link without a target"))?;
    make_room(folder, name)?;
    symlinkat(OsStr::from_bytes(&target), folder, name)?;
    let (uid, gid) = owner(entry)?;
    chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(utimensat(
        folder,
        name,
        &timestamps(entry.header().mtime()?),
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

/// A device or pipe. Devices cannot be used: the container's root is mounted without them.
fn node(folder: &File, name: &OsStr, entry: &tar::Entry<'_, impl Read>, kind: FileType) -> io::Result<()> {
    make_room(folder, name)?;
    let header = entry.header();
    let number = |part: io::Result<Option<u32>>| part.map(Option::unwrap_or_default);
    let device = rustix::fs::makedev(number(header.device_major())?, number(header.device_minor())?);
    if kind == FileType::CharacterDevice && device == 0 {
        return Err(io::Error::other("the device 0:0 would hide a file of a lower layer"));
    }
    mknodat(folder, name, kind, Mode::from_raw_mode(0o600), device)?;
    let (uid, gid) = owner(entry)?;
    chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    // Made a moment ago in a folder that nobody else knows, so it is no link.
    Ok(chmodat(folder, name, mode(entry)?, AtFlags::empty())?)
}

fn owner(entry: &tar::Entry<'_, impl Read>) -> io::Result<(Uid, Gid)> {
    let number = |value: u64| u32::try_from(value).ok().filter(|value| *value != u32::MAX);
    let (uid, gid) = (number(entry.header().uid()?), number(entry.header().gid()?));
    match (uid, gid) {
        (Some(uid), Some(gid)) => Ok((Uid::from_raw(uid), Gid::from_raw(gid))),
        _ => Err(io::Error::other("its owner is no user or group")),
    }
}

fn mode(entry: &tar::Entry<'_, impl Read>) -> io::Result<Mode> {
    Ok(Mode::from_raw_mode(entry.header().mode()? & 0o7777))
}

fn set_xattrs(file: &File, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(());
    };
    for extension in extensions {
        let extension = extension?;
        let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) else {
            continue;
        };
        if XATTR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            match fsetxattr(file, name, extension.value_bytes(), XattrFlags::empty()) {
                // The file system keeps none; the image works without.
                Ok(()) | Err(Errno::NOTSUP) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn timestamps(seconds: u64) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(0),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Makes sure that all of a layer is on the disk before it is given its name.
pub(crate) fn sync(root: &Path) -> io::Result<()> {
    let folder = openat(
        CWD,
        root,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    Ok(rustix::fs::syncfs(&folder)?)
}
