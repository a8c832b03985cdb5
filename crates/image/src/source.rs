//! The files of an image: a layout's folder, or an archive unpacked into a temporary one.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::ImageError;

/// Files in an archive of images: some hundred images of some hundred layers.
const MAX_ENTRIES: usize = 100_000;

/// Bytes in an archive of images. Larger than any image that starts in useful time; it bounds the disk that a hostile
/// archive can fill before it is refused.
const MAX_BYTES: u64 = 64 << 30;

/// The largest JSON document in an image; real ones have some kilobytes.
const MAX_DOCUMENT: u64 = 8 << 20;

/// A folder with the files of an image.
pub(crate) struct Source {
    /// What the user named, for messages.
    pub(crate) named: PathBuf,
    folder: PathBuf,
    /// Removed with this, if the folder is ours.
    _temporary: Option<tempfile::TempDir>,
}

impl Source {
    /// Opens a layout, or unpacks an archive below `scratch`.
    pub(crate) fn open(named: &Path, scratch: &Path) -> Result<Self, ImageError> {
        let metadata = fs::metadata(named).map_err(ImageError::file(named))?;
        if metadata.is_dir() {
            return Ok(Self {
                named: named.to_owned(),
                folder: named.to_owned(),
                _temporary: None,
            });
        }
        let temporary = tempfile::tempdir_in(scratch).map_err(ImageError::file(scratch))?;
        let file = File::open(named).map_err(ImageError::file(named))?;
        let mut archive = tar::Archive::new(decompress(file).map_err(ImageError::file(named))?);
        let broken = |error: io::Error| {
            ImageError::archive(
                named,
                format!("neither an image archive nor an OCI image layout ({error})"),
            )
        };
        let mut room = MAX_BYTES;
        for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
            let entry = entry.map_err(broken)?;
            if count == MAX_ENTRIES || entry.size() > room {
                let reason = format!("more than {MAX_ENTRIES} files or {} GiB", MAX_BYTES >> 30);
                return Err(ImageError::archive(named, reason));
            }
            room -= entry.size();
            unpack(entry, temporary.path()).map_err(|error| ImageError::archive(named, error.to_string()))?;
        }
        Ok(Self {
            named: named.to_owned(),
            folder: temporary.path().to_owned(),
            _temporary: Some(temporary),
        })
    }

    /// Whether there is a file of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
    }

    /// Opens a file by the name that the image's documents give it, which they must not choose outside.
    pub(crate) fn open_file(&self, name: &str) -> Result<File, ImageError> {
        let inside = Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || name.is_empty() {
            return Err(ImageError::archive(
                &self.named,
                format!("it names a file outside itself, \"{name}\""),
            ));
        }
        let folder = File::open(&self.folder).map_err(ImageError::file(&self.folder))?;
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC | rustix::fs::OFlags::NONBLOCK;
        let resolve = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_MAGICLINKS;
        let file = rustix::fs::openat2(&folder, name, flags, rustix::fs::Mode::empty(), resolve)
            .map_err(|error| ImageError::archive(&self.named, format!("its part {name} cannot be read: {error}")))?;
        Ok(file.into())
    }

    /// Reads a small document.
    pub(crate) fn document(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        let read = self.open_file(name)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(|error| ImageError::archive(&self.named, format!("its part {name} cannot be read: {error}")))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(ImageError::archive(
                &self.named,
                format!("its part {name} is larger than 8 MiB"),
            ));
        }
        Ok(bytes)
    }

    /// Reads a small document and checks its digest.
    pub(crate) fn verified(&self, name: &str, what: &str, digest: &str) -> Result<Vec<u8>, ImageError> {
        let bytes = self.document(name)?;
        self.check(what, digest, &sha256(&bytes))?;
        Ok(bytes)
    }

    /// Compares two digests.
    pub(crate) fn check(&self, what: &str, expected: &str, found: &str) -> Result<(), ImageError> {
        if expected == found {
            return Ok(());
        }
        Err(ImageError::Corrupt {
            path: self.named.clone(),
            what: what.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        })
    }
}

/// Writes a file of an archive below `folder`. Everything else that an archive can hold has no place in one of images,
/// but for the links by which old versions of docker named a layer twice.
fn unpack(mut entry: tar::Entry<'_, impl Read>, folder: &Path) -> io::Result<()> {
    use tar::EntryType;
    let name = entry.path()?.into_owned();
    let parts = name.components().filter(|part| *part != Component::CurDir);
    let Some(parts) = parts
        .map(|part| matches!(part, Component::Normal(_)).then_some(part))
        .collect::<Option<PathBuf>>()
    else {
        return Err(io::Error::other(format!(
            "it holds a file outside itself, \"{}\"",
            name.display()
        )));
    };
    let target = folder.join(&parts);
    match entry.header().entry_type() {
        EntryType::Directory => fs::create_dir_all(target),
        EntryType::Regular | EntryType::Continuous => {
            fs::create_dir_all(target.parent().unwrap_or(folder))?;
            let mut file = File::options().write(true).create_new(true).open(target)?;
            io::copy(&mut entry, &mut file).map(drop)
        }
        EntryType::Symlink => {
            let link = entry.link_name()?.map(std::borrow::Cow::into_owned).unwrap_or_default();
            fs::create_dir_all(target.parent().unwrap_or(folder))?;
            // Followed only by `open_file`, which stays inside.
            std::os::unix::fs::symlink(link, target)
        }
        EntryType::XGlobalHeader | EntryType::XHeader => Ok(()),
        other => Err(io::Error::other(format!(
            "\"{}\" is neither a file nor a folder but {other:?}",
            name.display()
        ))),
    }
}

/// A reader of what is in a file, compressed or not; its first bytes tell.
pub(crate) fn decompress(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut magic = [0; 4];
    let mut length = 0;
    while length < magic.len() {
        match file.read(&mut magic[length..])? {
            0 => break,
            read => length += read,
        }
    }
    file.seek(SeekFrom::Start(0))?;
    let reader = BufReader::with_capacity(128 * 1024, file);
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::with_buffer(reader)?),
        _ => Box::new(reader),
    })
}

/// The digest of some bytes, `sha256:…`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest_text(Sha256::new_with_prefix(bytes))
}

pub(crate) fn digest_text(hash: Sha256) -> String {
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Counts and digests what is read through it, and fails past a limit.
pub(crate) struct Digesting<R> {
    inner: R,
    hash: Sha256,
    /// Bytes read so far.
    pub(crate) count: u64,
    limit: u64,
}

impl<R: Read> Digesting<R> {
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            count: 0,
            limit,
        }
    }

    /// Reads what is left, and gives the digest of all.
    pub(crate) fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(digest_text(self.hash))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.count += read as u64;
        if self.count > self.limit {
            return Err(io::Error::other(format!(
                "it is larger than {} bytes when unpacked",
                self.limit
            )));
        }
        Ok(read)
    }
}
