//! A resolver of names that never answers.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, OFlags};

/// The C library looks for aliases of names without a dot in the file that this names. One that is a pipe makes it wait
/// for a writer: as long as for a server that is silent, and the same everywhere.
const ALIASES: &str = "HOSTALIASES";
/// Once it goes on, it is not to take its time with servers that are not there.
const OPTIONS: &str = "RES_OPTIONS";
/// How long those that wait may take to notice that they need not.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often they are told.
const INTERVAL: Duration = Duration::from_millis(20);

/// What makes look-ups hang: of every name without a dot that is not in `/etc/hosts`, in a program that has its
/// [`environment`](Self::environment).
pub struct Resolver {
    aliases: PathBuf,
}

impl Resolver {
    /// Makes what it needs in a folder.
    ///
    /// # Panics
    ///
    /// If the folder cannot be written.
    pub fn make(folder: &Path) -> Self {
        let aliases = folder.join("aliases");
        rustix::fs::mknodat(CWD, &aliases, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("the folder can be written");
        Self { aliases }
    }

    /// The one that this program was started with, if it was.
    pub fn of_this_process() -> Option<Self> {
        let aliases = PathBuf::from(std::env::var_os(ALIASES)?);
        // Not somebody's own aliases.
        let is_ours = fs::metadata(&aliases).is_ok_and(|found| found.file_type().is_fifo());
        is_ours.then_some(Self { aliases })
    }

    /// What a program is to be started with.
    pub fn environment(&self) -> [(&'static str, OsString); 2] {
        [
            (ALIASES, self.aliases.clone().into()),
            (OPTIONS, "timeout:1 attempts:1".into()),
        ]
    }

    /// Lets go of all look-ups: from now on there is no such name.
    ///
    /// # Panics
    ///
    /// If the folder is gone.
    pub fn release(&self) {
        let pipe = self.aliases.with_extension("pipe");
        fs::rename(&self.aliases, &pipe).expect("the folder is there");
        fs::write(&self.aliases, "").expect("the folder can be written");
        // Whoever waits for a writer goes on when there is one. A look-up may have been about to wait.
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && has_readers(&pipe) {
            std::thread::park_timeout(INTERVAL);
        }
    }
}

fn has_readers(pipe: &Path) -> bool {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(pipe, flags, Mode::empty()).map(File::from).is_ok()
}
