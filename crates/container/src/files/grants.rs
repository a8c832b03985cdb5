//! Which paths may be looked at, by their names.

use std::path::{Component, Path, PathBuf};

use crate::FilesError;

/// The longest path that is taken; the kernel takes none that is longer (PATH_MAX).
const PATH_BYTES_MAX: usize = 4096;

/// Where the kernel's own file systems are in every container. The container cannot mount anything else there, unless it
/// is privileged.
const KERNEL_FOLDERS: [&str; 2] = ["/proc", "/sys"];

/// The granted paths, the longest first.
#[derive(Debug)]
pub(super) struct Grants(Vec<PathBuf>);

/// A path that was asked for, and the grants that cover it.
#[derive(Debug)]
pub(super) struct Request {
    /// As it was asked for.
    pub(super) path: String,
    /// By each grant that covers it, the longest first; there is at least one.
    pub(super) places: Vec<Place>,
}

/// A path as one grant leads to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The granted path, absolute and without `..`.
    pub(super) grant: PathBuf,
    /// The rest of the path, which may have `..`; empty if the granted path itself is meant.
    pub(super) rest: PathBuf,
    /// Whether the grant is for the kernel's own file systems.
    pub(super) kernel: bool,
}

impl Grants {
    pub(super) fn new(granted: Vec<PathBuf>) -> Self {
        let usable = |path: &PathBuf| {
            path.is_absolute()
                && !path.components().any(|part| part == Component::ParentDir)
                && !path.as_os_str().as_encoded_bytes().contains(&0)
        };
        let mut grants: Vec<PathBuf> = granted.into_iter().filter(usable).collect();
        grants.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        Self(grants)
    }

    /// Finds the grants for a path by its beginning as it is written: whether it stays below them is the kernel's to say.
    pub(super) fn request(&self, path: &str) -> Result<Request, FilesError> {
        check(path).map_err(|reason| FilesError::Host { reason })?;
        let places = self.0.iter().filter_map(|grant| {
            Some(Place {
                rest: Path::new(path).strip_prefix(grant).ok()?.to_owned(),
                kernel: KERNEL_FOLDERS.iter().any(|folder| grant.starts_with(folder)),
                grant: grant.clone(),
            })
        });
        let places: Vec<_> = places.collect();
        if places.is_empty() {
            let granted: Vec<_> = self.0.iter().map(|path| path.display().to_string()).collect();
            let granted = if granted.is_empty() {
                "nothing".to_owned()
            } else {
                granted.join(", ")
            };
            return Err(FilesError::NotGranted {
                path: path.to_owned(),
                way_out: format!("`files` grants {granted}; name this path there, or a folder above it"),
            });
        }
        let path = path.to_owned();
        Ok(Request { path, places })
    }
}

fn check(path: &str) -> Result<(), String> {
    if path.len() > PATH_BYTES_MAX {
        let length = path.len();
        return Err(format!(
            "a path of {length} bytes is too long: at most {PATH_BYTES_MAX}"
        ));
    }
    if path.contains('\0') {
        return Err(format!("the path {path:?} contains a zero byte"));
    }
    if !path.starts_with('/') {
        return Err(format!("the path {path:?} is not absolute: it must begin with `/`"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn grants(paths: &[&str]) -> Grants {
        Grants::new(paths.iter().map(PathBuf::from).collect())
    }

    fn rests(grants: &Grants, path: &str) -> Vec<(String, String)> {
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let places = grants.request(path).unwrap().places;
        places
            .iter()
            .map(|place| (text(&place.grant), text(&place.rest)))
            .collect()
    }

    fn pair(grant: &str, rest: &str) -> (String, String) {
        (grant.to_owned(), rest.to_owned())
    }

    #[test]
    fn the_longest_grant_comes_first() {
        let grants = grants(&["/data", "/data/sub", "/etc/hostname"]);
        let both = [pair("/data/sub", "x"), pair("/data", "sub/x")];
        assert_eq!(rests(&grants, "/data/sub/x"), both);
        assert_eq!(rests(&grants, "//data/./x/"), [pair("/data", "x")]);
        assert_eq!(rests(&grants, "/data"), [pair("/data", "")]);
        assert_eq!(rests(&grants, "/data/../etc"), [pair("/data", "../etc")]);
        assert_eq!(rests(&grants, "/etc/hostname"), [pair("/etc/hostname", "")]);
    }

    #[test]
    fn what_only_looks_alike_is_not_granted() {
        let grants = grants(&["/data"]);
        for path in ["/", "/database", "/etc", "/etc/../data", "/dat"] {
            let error = grants.request(path).map(drop).unwrap_err();
            assert!(matches!(error, FilesError::NotGranted { .. }), "{path}: {error}");
            assert!(error.to_string().contains("grants /data"), "{error}");
        }
    }

    #[test]
    fn a_grant_that_is_no_path_grants_nothing() {
        let grants = grants(&["", "data", "/data/..", "/\0"]);
        let error = grants.request("/data").map(drop).unwrap_err();
        assert!(error.to_string().contains("grants nothing"), "{error}");
    }

    #[test]
    fn a_path_that_cannot_be_one_is_told() {
        let grants = grants(&["/"]);
        let long = format!("/{}", "x".repeat(PATH_BYTES_MAX));
        for (path, words) in [
            ("", "not absolute"),
            ("data", "not absolute"),
            ("/a\0b", "zero byte"),
            (&long, "too long"),
        ] {
            let error = grants.request(path).map(drop).unwrap_err();
            assert!(
                matches!(&error, FilesError::Host { reason } if reason.contains(words)),
                "{error}"
            );
        }
        assert!(grants.request(&long[1..]).is_err());
        assert!(grants.request(&long[..PATH_BYTES_MAX]).is_ok());
    }

    #[test]
    fn only_grants_that_name_them_are_for_the_kernels_files() {
        let grants = grants(&["/", "/proc/net", "/sys", "/process"]);
        let kernel = |path: &str| grants.request(path).unwrap().places.iter().any(|place| place.kernel);
        assert!(kernel("/proc/net/tcp") && kernel("/sys/x"));
        assert!(!kernel("/proc/1") && !kernel("/process/1") && !kernel("/x"));
    }
}
