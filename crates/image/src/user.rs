//! Whom a container runs as, by the image's own users.

use std::{fs::File, io::Read, path::Path};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::ImageError;

/// The most that is read of `/etc/passwd` or `/etc/group`: thousands of users.
const MAX_FILE: u64 = 1024 * 1024;

/// A user, as the kernel takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub additional_gids: Vec<u32>,
    /// The home folder; `/` if the image has no such user.
    pub home: String,
}

/// Finds `user`, in the form `user[:group]` with names or numbers; the empty one is root. A number need not be in the
/// image. `/etc/passwd` and `/etc/group` are read below `root`, out of which no link leads.
///
/// # Errors
///
/// [`ImageError::User`] if a name is not there.
pub fn resolve_user(root: &Path, user: &str) -> Result<User, ImageError> {
    let unknown = |file: &str, name: &str| ImageError::User {
        user: user.to_owned(),
        reason: format!("\"{name}\" is not in the image's {file}; name a number with securityContext.runAsUser"),
    };
    let (name, group) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let (users, groups) = (read(root, "etc/passwd")?, read(root, "etc/group")?);
    let number = name.parse::<u32>().ok();
    let entry = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| {
            fields.len() >= 6 && (fields[0] == name || (number.is_some() && fields[2].parse().ok() == number))
        });
    let field = |at: usize| entry.as_ref().and_then(|fields| fields[at].parse::<u32>().ok());
    let uid = field(2).or(number).ok_or_else(|| unknown("/etc/passwd", name))?;
    let login = entry.as_ref().map(|fields| fields[0]);
    let gid = match group {
        Some(group) if !group.is_empty() => group_id(&groups, group)
            .or(group.parse().ok())
            .ok_or_else(|| unknown("/etc/group", group))?,
        _ => field(3).unwrap_or(0),
    };
    Ok(User {
        uid,
        gid,
        // As runc does: a group that was named stands alone.
        additional_gids: if group.is_some() {
            Vec::new()
        } else {
            groups_of(&groups, login, gid)
        },
        home: entry
            .map(|fields| fields[5].to_owned())
            .filter(|home| !home.is_empty())
            .unwrap_or_else(|| "/".to_owned()),
    })
}

fn group_id(groups: &str, name: &str) -> Option<u32> {
    let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.len() >= 3 && fields[0] == name)
        .find_map(|fields| fields[2].parse().ok())
}

fn groups_of(groups: &str, login: Option<&str>, gid: u32) -> Vec<u32> {
    let Some(login) = login else { return Vec::new() };
    let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.len() >= 4 && fields[3].split(',').any(|member| member == login))
        .filter_map(|fields| fields[2].parse().ok())
        .filter(|found| *found != gid)
        .collect()
}

/// A file below the root; empty if there is none.
fn read(root: &Path, path: &str) -> Result<String, ImageError> {
    let folder = File::open(root).map_err(ImageError::file(root))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let Ok(file) = rustix::fs::openat2(&folder, path, flags, Mode::empty(), resolve) else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    let read = File::from(file).take(MAX_FILE).read_to_end(&mut bytes);
    read.map_err(ImageError::file(root.join(path)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(
            root.path().join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:w:/srv:/bin/false\n",
        )
        .unwrap();
        fs::write(
            root.path().join("etc/group"),
            "root:x:0:\nweb:x:34:\nlog:x:40:root,web\n",
        )
        .unwrap();
        root
    }

    #[test]
    fn names_and_numbers_are_found_with_their_groups() {
        let root = root();
        let user = |text| {
            resolve_user(root.path(), text)
                .map(|user| (user.uid, user.gid, user.additional_gids))
                .unwrap()
        };
        assert_eq!(user(""), (0, 0, vec![40]));
        assert_eq!(user("web"), (33, 34, vec![40]));
        assert_eq!(user("33"), (33, 34, vec![40]));
        assert_eq!(user("web:log"), (33, 40, vec![]));
        assert_eq!(user("1000"), (1000, 0, vec![]));
        assert_eq!(user("1000:1001"), (1000, 1001, vec![]));
        assert_eq!(resolve_user(root.path(), "web").unwrap().home, "/srv");
    }

    #[test]
    fn a_name_that_is_not_there_is_refused() {
        let error = resolve_user(root().path(), "nobody").unwrap_err().to_string();
        assert!(
            error.contains("\"nobody\" is not in the image's /etc/passwd"),
            "{error}"
        );
    }

    #[test]
    fn a_link_cannot_lead_to_the_machines_users() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("etc/passwd")).unwrap();
        assert!(resolve_user(root.path(), "daemon").is_err());
        assert_eq!(resolve_user(root.path(), "0").unwrap().home, "/");
    }
}
