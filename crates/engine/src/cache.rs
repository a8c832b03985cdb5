//! Compiled components on disk, so that a start takes milliseconds and not seconds.
//!
//! Compiled code is trusted like the program itself, and loading what somebody else has written would be running it.
//! So the folder and each file must belong to this user and be writable by nobody else, no symbolic link is followed,
//! and all files are opened relative to the folder that was checked. A digest in front of the code catches what a
//! crash or a disk has damaged. Whatever is wrong, the way out is the same: compile anew.

use std::{
    fs::{DirBuilder, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use crate::compile::MAX_CODE_BYTES;

/// More components than a machine has pods; each takes some hundred kilobytes.
const MAX_ENTRIES: usize = 512;
const MAX_ENTRY_BYTES: u64 = MAX_CODE_BYTES + CHECKSUM_BYTES as u64;
const CHECKSUM_BYTES: usize = 32;

/// The folder, opened and found to be safe.
pub(crate) struct Cache {
    path: PathBuf,
    directory: OwnedFd,
}

/// Why a folder or a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it belongs to user {owner}, not to this process's user {user}")]
    ForeignOwner { owner: u32, user: u32 },
    #[error("others may write to it (mode {mode:03o}); `chmod go-w` is the way out")]
    WritableByOthers { mode: u32 },
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is damaged")]
    Damaged,
    #[error("the engine refuses it: {0}")]
    Refused(String),
}

impl Cache {
    /// Opens the folder, after making it if need be.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(io::Error::from)?;
        check_owner(&rustix::fs::fstat(&directory).map_err(io::Error::from)?)?;
        Ok(Self {
            path: path.to_owned(),
            directory,
        })
    }

    /// The compiled form of the component with this digest, if it is there and can be trusted.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let name = entry_name(engine, digest);
        match self.read(engine, &name) {
            Ok(component) => component,
            Err(error) => {
                tracing::warn!("compiling anew: not using {}: {error}", self.path.join(name).display());
                None
            }
        }
    }

    /// Keeps a compiled component. What goes wrong is only worth a warning: the next start takes longer.
    pub(crate) fn store(&self, engine: &Engine, digest: &str, component: &Component) {
        let name = entry_name(engine, digest);
        if let Err(error) = self.write(&name, component).and_then(|()| self.prune()) {
            tracing::warn!(
                "cannot keep the compiled component {}: {error}",
                self.path.join(name).display()
            );
        }
    }

    fn read(&self, engine: &Engine, name: &str) -> Result<Option<Component>, CacheError> {
        // NONBLOCK: somebody's pipe must not make this wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let status = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(CacheError::NotAFile);
        }
        check_owner(&status)?;
        let mut bytes = Vec::new();
        File::from(file).take(MAX_ENTRY_BYTES).read_to_end(&mut bytes)?;
        let (checksum, code) = bytes.split_at_checked(CHECKSUM_BYTES).ok_or(CacheError::Damaged)?;
        if Sha256::digest(code).as_slice() != checksum {
            return Err(CacheError::Damaged);
        }
        deserialize(engine, code).map(Some)
    }

    /// A reader sees the whole entry or none, whenever this process dies.
    fn write(&self, name: &str, component: &Component) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let code = component.serialize().map_err(io::Error::other)?;
        let temporary = format!(
            ".{name}.{}.{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(
            &self.directory,
            &temporary,
            flags,
            Mode::RUSR | Mode::WUSR,
        )?);
        let written = file
            .write_all(&Sha256::digest(&code))
            .and_then(|()| file.write_all(&code))
            .and_then(|()| file.sync_all())
            .and_then(|()| {
                Ok(rustix::fs::renameat(
                    &self.directory,
                    &temporary,
                    &self.directory,
                    name,
                )?)
            });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.directory, &temporary, AtFlags::empty());
        }
        written
    }

    /// Removes the oldest entries when there are too many: those of older engines, and what a crash has left.
    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let name = entry?.file_name().to_owned();
            let status = rustix::fs::statat(&self.directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile {
                entries.push(((status.st_mtime, status.st_mtime_nsec), name));
            }
        }
        entries.sort();
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        for (_, name) in entries.drain(..surplus) {
            rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?;
        }
        Ok(())
    }
}

/// An entry is good for the engine that has made it: another version or configuration must not load it.
fn entry_name(engine: &Engine, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!(
        "{}-{:016x}.cwasm",
        digest.trim_start_matches("sha256:"),
        hasher.finish()
    )
}

/// Only this user may own it and write to it.
fn check_owner(status: &Stat) -> Result<(), CacheError> {
    let user = rustix::process::geteuid().as_raw();
    if status.st_uid != user {
        return Err(CacheError::ForeignOwner {
            owner: status.st_uid,
            user,
        });
    }
    if status.st_mode & 0o022 != 0 {
        return Err(CacheError::WritableByOthers {
            mode: status.st_mode & 0o777,
        });
    }
    Ok(())
}

/// Code that this process, or one that it has started, has compiled.
#[allow(unsafe_code, reason = "the one way to load compiled code")]
pub(crate) fn deserialize(engine: &Engine, code: &[u8]) -> Result<Component, CacheError> {
    // SAFETY: `code` must come from `Component::serialize`. Either it was read from a file that only this user could
    // write, in a folder that only this user could write, and its checksum is the one that `write` put in front of it; or
    // it was read from a pipe whose other end only our own compiler has had. The engine itself refuses what another
    // version or configuration has made.
    unsafe { Component::deserialize(engine, code) }.map_err(|error| CacheError::Refused(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const DIGEST: &str = "sha256:00ff";
    /// The smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Fixture {
        directory: tempfile::TempDir,
        engine: Engine,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary folder");
            Self {
                directory,
                engine: Engine::default(),
            }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("cache")
        }

        fn cache(&self) -> Result<Cache, CacheError> {
            Cache::open(&self.path())
        }

        /// A cache with one entry, and the entry's file.
        fn filled(&self) -> (Cache, PathBuf) {
            let cache = self.cache().expect("a cache");
            let component = Component::new(&self.engine, EMPTY).expect("a component");
            cache.store(&self.engine, DIGEST, &component);
            let file = self.path().join(entry_name(&self.engine, DIGEST));
            assert!(cache.load(&self.engine, DIGEST).is_some());
            (cache, file)
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o777
    }

    #[test]
    fn belongs_to_nobody_else() {
        let fixture = Fixture::new();
        let (cache, file) = fixture.filled();
        assert_eq!(mode(&fixture.path()), 0o700);
        assert_eq!(mode(&file), 0o600);
        assert!(cache.load(&fixture.engine, "sha256:1234").is_none());
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let fixture = Fixture::new();
        let _ = fixture.filled();
        set_mode(&fixture.path(), 0o770);
        assert!(matches!(
            fixture.cache(),
            Err(CacheError::WritableByOthers { mode: 0o770 })
        ));
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let fixture = Fixture::new();
        let _ = fixture.filled();
        if std::os::unix::fs::chown(fixture.path(), Some(12_345), None).is_err() {
            // Only root can give a folder away.
            return;
        }
        assert!(matches!(
            fixture.cache(),
            Err(CacheError::ForeignOwner { owner: 12_345, .. })
        ));
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let fixture = Fixture::new();
        let (cache, file) = fixture.filled();
        let elsewhere = fixture.directory.path().join("elsewhere");
        fs::rename(&file, &elsewhere).expect("rename");
        std::os::unix::fs::symlink(&elsewhere, &file).expect("symlink");
        assert!(cache.load(&fixture.engine, DIGEST).is_none());

        let link = fixture.directory.path().join("link");
        std::os::unix::fs::symlink(fixture.path(), &link).expect("symlink");
        assert!(matches!(Cache::open(&link), Err(CacheError::Io(_))));
    }

    #[test]
    fn a_file_that_others_may_write_to_is_not_loaded() {
        let fixture = Fixture::new();
        let (cache, file) = fixture.filled();
        set_mode(&file, 0o666);
        assert!(cache.load(&fixture.engine, DIGEST).is_none());
    }

    #[test]
    fn damage_is_noticed_and_repaired() {
        let fixture = Fixture::new();
        let (cache, file) = fixture.filled();
        let mut bytes = fs::read(&file).expect("the entry");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&file, &bytes).expect("write");
        assert!(cache.load(&fixture.engine, DIGEST).is_none());
        fs::write(&file, &bytes[..10]).expect("write");
        assert!(cache.load(&fixture.engine, DIGEST).is_none());
        let component = Component::new(&fixture.engine, EMPTY).expect("a component");
        cache.store(&fixture.engine, DIGEST, &component);
        assert!(cache.load(&fixture.engine, DIGEST).is_some());
    }

    #[test]
    fn another_engines_code_is_not_loaded() {
        let fixture = Fixture::new();
        let _ = fixture.filled();
        let mut config = wasmtime::Config::new();
        config.consume_fuel(true);
        let other = Engine::new(&config).expect("an engine");
        let cache = Cache::open(&fixture.path()).expect("a cache");
        assert!(cache.load(&other, DIGEST).is_none());
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let fixture = Fixture::new();
        let (cache, file) = fixture.filled();
        let old = fs::File::options().write(true).open(&file).expect("the entry");
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("touch");
        for number in 1..MAX_ENTRIES {
            fs::write(fixture.path().join(number.to_string()), "").expect("write");
        }
        cache.prune().expect("prune");
        assert!(file.exists());
        fs::write(fixture.path().join("one more"), "").expect("write");
        cache.prune().expect("prune");
        assert!(!file.exists());
    }
}
