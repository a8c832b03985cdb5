//! Looking into a container's root file system from outside, where its symbolic links must not lead out of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The most that is read of a container's `/etc/passwd`.
const PASSWD_BYTES_MAX: u64 = 1024 * 1024;

/// The home folder of a user, by the container's own `/etc/passwd`; `/` if it does not know the user.
pub(crate) fn home_directory(root: &Path, uid: u32) -> String {
    let mut passwd = Vec::new();
    if let Ok(file) = open_in(root, Path::new("etc/passwd"), OFlags::RDONLY | OFlags::NONBLOCK) {
        // Half a file is as good as one that does not know the user.
        let _ = File::from(file).take(PASSWD_BYTES_MAX).read_to_end(&mut passwd);
    }
    let passwd = String::from_utf8_lossy(&passwd);
    let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|fields| fields.get(2).is_some_and(|field| field.parse() == Ok(uid)));
    let home = user
        .and_then(|fields| fields.get(5).copied())
        .filter(|home| home.starts_with('/'));
    home.unwrap_or("/").to_owned()
}

/// Makes the folder `path` below `root`, as far as it does not exist.
pub(crate) fn create_directory(root: &Path, path: &Path) -> io::Result<()> {
    let mut made = PathBuf::from("/");
    for component in path
        .components()
        .filter(|component| !matches!(component, Component::RootDir))
    {
        let next = made.join(component);
        match open_in(root, &next, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {
                let parent = open_in(root, &made, OFlags::PATH | OFlags::DIRECTORY)?;
                rustix::fs::mkdirat(parent, component.as_os_str(), Mode::from_raw_mode(0o755))?;
            }
            opened => drop(opened?),
        }
        made = next;
    }
    Ok(())
}

fn open_in(root: &Path, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("probelet-root-{name}-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("root/etc")).unwrap();
        directory
    }

    #[test]
    fn a_folder_behind_an_absolute_link_is_made_inside() {
        let scratch = scratch("link");
        let root = scratch.join("root");
        symlink("/data", root.join("link")).unwrap();
        std::fs::create_dir(root.join("data")).unwrap();
        create_directory(&root, Path::new("/link/a/b")).unwrap();
        create_directory(&root, Path::new("/link/a/b")).unwrap();
        assert!(root.join("data/a/b").is_dir());
        std::fs::write(root.join("file"), "").unwrap();
        assert!(create_directory(&root, Path::new("/file/a")).is_err());
        std::fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn the_home_of_a_user_comes_from_the_container() {
        let scratch = scratch("home");
        let root = scratch.join("root");
        std::fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:\n",
        )
        .unwrap();
        assert_eq!(home_directory(&root, 33), "/var/www");
        assert_eq!(home_directory(&root, 1000), "/");
        std::fs::remove_file(root.join("etc/passwd")).unwrap();
        std::fs::write(scratch.join("outside"), "root:x:0:0:root:/outside:/bin/sh\n").unwrap();
        symlink("../../outside", root.join("etc/passwd")).unwrap();
        assert_eq!(home_directory(&root, 0), "/");
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
