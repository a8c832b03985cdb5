//! Finding the program that compiles a language.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Error, Language};

/// Where programs of a project's own lie: what `python3 -m venv .venv` and `npm install` make.
const OWN_FOLDERS: [&str; 2] = [".venv/bin", "node_modules/.bin"];

/// The target of components in Rust.
const RUST_TARGET: &str = "wasm32-wasip2";

/// Finds the program that compiles a language: in the project first, then on the `PATH`.
///
/// # Errors
/// It is not there; the error says how to get it.
pub(crate) fn find(language: Language, project: &Path) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Absolute, because programs are run in the project's folder.
    let project = std::path::absolute(project).map_err(Error::file("find", project))?;
    let own = OWN_FOLDERS.map(|folder| project.join(folder));
    let folders: Vec<PathBuf> = own.into_iter().chain(env::split_paths(&path)).collect();
    let tool = language.tool();
    let missing = |what| Error::Missing {
        what,
        language: language.title(),
        remedy: tool.remedy.to_owned(),
    };
    let program = find_in(&folders, tool.programs).ok_or_else(|| missing(tool.what))?;
    if language == Language::Rust && !has_rust_target() {
        return Err(missing("the target wasm32-wasip2 of Rust"));
    }
    Ok(program)
}

fn find_in(folders: &[PathBuf], programs: &[&str]) -> Option<PathBuf> {
    let files = |program: &str| {
        folders
            .iter()
            .map(move |folder| folder.join(program))
            .find(|file| file.is_file())
    };
    programs.iter().find_map(|program| files(program))
}

/// Whether the standard library is there for the target, or is to be built from its source.
fn has_rust_target() -> bool {
    if env::var_os("CARGO_UNSTABLE_BUILD_STD").is_some() {
        return true;
    }
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", RUST_TARGET]);
    let output = rustc.stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_program_is_taken_wherever_it_lies() {
        let folders = tempfile::tempdir().expect("a folder");
        let (first, second) = (folders.path().join("first"), folders.path().join("second"));
        for file in [first.join("python-zig"), second.join("zig"), second.join("python-zig")] {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(&file, "").expect("written");
        }
        let folders = [first.clone(), second.clone()];
        assert_eq!(find_in(&folders, &["zig", "python-zig"]), Some(second.join("zig")));
        assert_eq!(find_in(&folders, &["python-zig"]), Some(first.join("python-zig")));
        assert_eq!(find_in(&folders, &["cargo"]), None);
    }

    #[test]
    fn what_is_missing_is_told_with_the_commands_that_bring_it() {
        for language in Language::ALL {
            let tool = language.tool();
            let error = Error::Missing {
                what: tool.what,
                language: language.title(),
                remedy: tool.remedy.to_owned(),
            };
            let text = error.to_string();
            assert!(text.contains("\n\n    "), "{text}");
            assert!(text.starts_with(tool.what), "{text}");
        }
    }
}
