//! A new project, whole or not at all.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    Error, Kind, Language, Project, name,
    template::{File, Wishes, files},
};

/// What a new project is to be.
#[derive(Clone, Debug)]
pub struct New {
    /// The plugin's name, and its folder's.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// What it is for.
    pub kind: Kind,
}

/// Makes a project in a folder of its name below `parent`.
///
/// # Errors
/// The name cannot be one, there is something of that name already, or a file cannot be written. Then nothing is left of
/// the project.
pub fn create(new: &New, parent: &Path) -> Result<Project, Error> {
    name::check(&new.name)?;
    let folder = parent.join(&new.name);
    let wishes = Wishes {
        name: &new.name,
        language: new.language,
        kind: new.kind,
    };
    write(&files(&wishes), parent, &folder)?;
    Project::open(&folder)
}

/// Writes files into a folder beside the one that they are for, which comes to be when all are written.
fn write(files: &[File], parent: &Path, folder: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(folder).is_ok() {
        return Err(Error::Exists(folder.to_owned()));
    }
    let partial = tempfile::Builder::new()
        .prefix(".plugin-new-")
        .permissions(fs::Permissions::from_mode(0o777))
        .tempdir_in(parent)
        .map_err(Error::file("make a folder in", parent))?;
    write_all(files, partial.path())?;
    fs::rename(partial.path(), folder).map_err(Error::file("make", folder))?;
    // There is nothing of it any more that could be removed.
    let _ = partial.keep();
    Ok(())
}

/// Writes files below a folder.
pub(crate) fn write_all<C: AsRef<[u8]>>(files: &[(String, C)], folder: &Path) -> Result<(), Error> {
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::file("make", parent))?;
        }
        fs::write(&path, content).map_err(Error::file("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str) -> New {
        New {
            name: name.to_owned(),
            language: Language::C,
            kind: Kind::Probe,
        }
    }

    #[test]
    fn a_project_is_made_once_and_nothing_else() {
        let parent = tempfile::tempdir().expect("a folder");
        let project = create(&new("ping"), parent.path()).expect("a project");
        assert_eq!(project.component(), parent.path().join("ping/build/ping.wasm"));
        let mode = fs::metadata(project.folder()).expect("a folder").permissions().mode();
        assert_ne!(
            mode & 0o055,
            0,
            "others may read it where the user's mask says so: {mode:o}"
        );

        let edited = project.folder().join("check.c");
        fs::write(&edited, "mine").expect("written");
        assert!(matches!(create(&new("ping"), parent.path()), Err(Error::Exists(_))));
        assert_eq!(fs::read_to_string(edited).expect("read"), "mine");
        let left: Vec<_> = fs::read_dir(parent.path()).expect("read").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing() {
        let parent = tempfile::tempdir().expect("a folder");
        for bad in ["../ping", "Ping", ""] {
            assert!(matches!(create(&new(bad), parent.path()), Err(Error::Name(_))), "{bad}");
        }
        std::os::unix::fs::symlink("/nowhere", parent.path().join("link")).expect("a link");
        assert!(matches!(create(&new("link"), parent.path()), Err(Error::Exists(_))));
        // A file stands where a folder has to be.
        let files = [("a".to_owned(), ""), ("a/b".to_owned(), "")].map(|(path, text)| (path, text.to_owned()));
        let error = write(&files, parent.path(), &parent.path().join("half")).expect_err("a file is no folder");
        assert!(matches!(error, Error::File { .. }), "{error}");
        assert_eq!(fs::read_dir(parent.path()).expect("read").count(), 1);
        let missing = parent.path().join("missing");
        assert!(matches!(create(&new("a"), &missing), Err(Error::File { .. })));
    }
}
