//! Finding and executing a program inside the container, and saying why not in the words that runc uses.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use crate::system;

/// The exit code of a shell, and ours, for a program that does not exist.
const NOT_FOUND: i32 = 127;

/// The same for one that exists but cannot be executed.
pub(crate) const NOT_EXECUTABLE: i32 = 126;

/// Why a program cannot be executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code that tells it.
    pub(crate) code: i32,
    /// In words: `exec: "nosuch": executable file not found in $PATH`.
    pub(crate) text: String,
}

impl Failure {
    /// The container has removed or closed the folder in which its commands run.
    pub(crate) fn working_directory(directory: &CStr, error: Errno) -> Self {
        let text = format!("chdir to cwd ({:?}): {}", directory.to_string_lossy(), words(error));
        Self {
            code: NOT_EXECUTABLE,
            text,
        }
    }
}

/// Finds the program `name`: a path if it contains a slash, else in the folders of `search`.
pub(crate) fn find(name: &str, search: &str) -> Result<PathBuf, Failure> {
    if name.contains('/') {
        let path = Path::new(name);
        return match executable(path) {
            Ok(()) => Ok(path.to_owned()),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(Failure {
                code: NOT_FOUND,
                text: format!("exec: {name:?}: stat {name}: no such file or directory"),
            }),
            Err(error) => Err(Failure {
                code: NOT_EXECUTABLE,
                text: format!("exec: {name:?}: {}", words(error)),
            }),
        };
    }
    let candidates = search
        .split(':')
        .map(|folder| Path::new(if folder.is_empty() { "." } else { folder }).join(name));
    let mut found = candidates.filter(|path| executable(path).is_ok());
    let text = || format!("exec: {name:?}: executable file not found in $PATH");
    found.next().ok_or_else(|| Failure {
        code: NOT_FOUND,
        text: text(),
    })
}

fn executable(path: &Path) -> Result<(), Errno> {
    let status = rustix::fs::stat(path)?;
    if rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir() {
        return Err(Errno::ISDIR);
    }
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::empty())?;
    // Root may search everything, but execute only what has an x for somebody.
    if status.st_mode & 0o111 == 0 {
        Err(Errno::ACCESS)
    } else {
        Ok(())
    }
}

/// Executes a command in this process. Comes back only to say why not.
pub(crate) fn execute(command: &[String], search: &str, environment: &[CString]) -> Failure {
    let name = command.first().map(String::as_str).unwrap_or_default();
    let path = match find(name, search) {
        Ok(path) => path,
        Err(failure) => return failure,
    };
    let arguments = command
        .iter()
        .map(|argument| c_string(argument.as_ref()))
        .collect::<Result<Vec<_>, _>>();
    let (Ok(program), Ok(arguments)) = (c_string(path.as_os_str()), arguments) else {
        return Failure {
            code: NOT_EXECUTABLE,
            text: format!("exec: {name:?}: invalid argument"),
        };
    };
    let error = system::execute(&program, &arguments, environment);
    let code = if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_EXECUTABLE
    };
    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
    Failure {
        code,
        text: format!("exec {}: {}", path.display(), words(errno)),
    }
}

/// A string as the kernel takes it.
pub(crate) fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// What an error number means, in lower case and without the number, as Go has it.
pub(crate) fn words(error: Errno) -> String {
    let text = io::Error::from(error).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(characters)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_as_one_word_is_no_file() {
        let failure = find("cat /tmp/health", "/bin").unwrap_err();
        let text = r#"exec: "cat /tmp/health": stat cat /tmp/health: no such file or directory"#;
        assert_eq!(
            failure,
            Failure {
                code: 127,
                text: text.to_owned()
            }
        );
    }

    #[test]
    fn a_missing_name_was_searched_for() {
        let failure = find("nosuch", "/bin:/usr/bin").unwrap_err();
        assert_eq!(failure.code, 127);
        assert_eq!(failure.text, r#"exec: "nosuch": executable file not found in $PATH"#);
    }

    #[test]
    fn what_is_there_may_still_not_be_executable() {
        let failure = find("/etc/passwd", "").unwrap_err();
        assert_eq!(
            (failure.code, failure.text.as_str()),
            (126, r#"exec: "/etc/passwd": permission denied"#)
        );
        let failure = find("/etc", "").unwrap_err();
        assert_eq!(
            (failure.code, failure.text.as_str()),
            (126, r#"exec: "/etc": is a directory"#)
        );
    }

    #[test]
    fn folders_are_searched_in_order() {
        assert_eq!(find("sh", "/nosuch:/bin:/usr/bin"), Ok(PathBuf::from("/bin/sh")));
    }
}
