//! A project on disk: its description and where its parts lie.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Language, name};

/// The file that makes a folder a project.
pub(crate) const DESCRIPTION: &str = "plugin.yaml";

/// Longer ones are no description: three short lines are one.
const MAX_DESCRIPTION: u64 = 16 * 1024;

/// What `plugin.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The plugin's name; its component is called after it.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// What it is for.
    pub kind: Kind,
}

impl Description {
    /// Reads the text of a `plugin.yaml`. The error is the reason.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let description: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        name::check(&description.name).map_err(|error| error.to_string())?;
        Ok(description)
    }
}

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
    description: Description,
}

impl Project {
    /// Reads the project in a folder.
    ///
    /// # Errors
    /// The folder has no `plugin.yaml`, or one that cannot be read or understood.
    pub fn open(folder: &Path) -> Result<Project, Error> {
        let path = folder.join(DESCRIPTION);
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NoProject(folder.to_owned())),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let wrong = |reason| Error::Description {
            path: path.clone(),
            reason,
        };
        if size > MAX_DESCRIPTION {
            return Err(wrong(format!("it is longer than {MAX_DESCRIPTION} bytes")));
        }
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        Ok(Project {
            folder: folder.to_owned(),
            description: Description::parse(&text).map_err(wrong)?,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `plugin.yaml` says.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Where the component is put when it is built: `build/NAME.wasm`.
    pub fn component(&self) -> PathBuf {
        self.build_folder().join(format!("{}.wasm", self.description.name))
    }

    /// The folder of the case files: `cases`.
    pub fn cases(&self) -> PathBuf {
        self.folder.join("cases")
    }

    /// All that comes of building.
    pub(crate) fn build_folder(&self) -> PathBuf {
        self.folder.join("build")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_back() {
        let text = "name: redis-ping\nlanguage: javascript\nkind: hook\n";
        let expected = Description {
            name: "redis-ping".to_owned(),
            language: Language::JavaScript,
            kind: Kind::Hook,
        };
        assert_eq!(Description::parse(text), Ok(expected.clone()));
        assert_eq!(serde_yaml::to_string(&expected).expect("YAML"), text);
    }

    #[test]
    fn what_is_no_description_is_refused_by_its_name() {
        for (text, reason) in [
            ("name: ../../etc\nlanguage: c\nkind: probe\n", "`../../etc` cannot be"),
            ("name: a\nlanguage: cobol\nkind: probe\n", "unknown variant `cobol`"),
            ("name: a\nlanguage: c\nkind: probe\nx: 1\n", "unknown field `x`"),
            ("", "missing field"),
        ] {
            let error = Description::parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_folder_without_a_description_is_no_project() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Project::open(folder.path()), Err(Error::NoProject(_))));
        fs::write(folder.path().join(DESCRIPTION), " ".repeat(20_000)).expect("written");
        let error = Project::open(folder.path()).expect_err("too long");
        assert!(error.to_string().contains("longer than 16384 bytes"), "{error}");
    }
}
