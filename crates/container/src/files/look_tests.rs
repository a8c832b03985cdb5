#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use super::super::grants::Grants;
use super::super::{LIST_NAMES_MAX, READ_BYTES_MAX};
use super::*;

/// A folder that stands for a container's root.
struct Root {
    folder: tempfile::TempDir,
    root: OwnedFd,
}

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("data/sub")).unwrap();
        fs::write(folder.path().join("outside"), "host").unwrap();
        fs::write(root.join("secret"), "secret").unwrap();
        fs::write(root.join("data/file"), "0123456789").unwrap();
        let handle = rustix::fs::open(&root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        Self { folder, root: handle }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("root").join(below)
    }

    fn request(grants: &[&str], path: &str) -> Request {
        Grants::new(grants.iter().map(PathBuf::from).collect())
            .request(path)
            .unwrap()
    }

    fn read(&self, grants: &[&str], path: &str) -> Result<String, FilesError> {
        let content = read(&Self::request(grants, path), &self.root, 0, READ_BYTES_MAX)?;
        Ok(String::from_utf8(content).unwrap())
    }

    fn kind(&self, grants: &[&str], path: &str) -> Result<FileKind, FilesError> {
        metadata(&Self::request(grants, path), &self.root).map(|found| found.kind)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        list(&Self::request(&["/"], path), &self.root)
    }
}

fn is_not_granted<T: std::fmt::Debug>(result: Result<T, FilesError>) {
    assert!(matches!(result, Err(FilesError::NotGranted { .. })), "{result:?}");
}

#[test]
fn a_part_of_a_file_is_read() {
    let root = Root::new();
    let part = |offset, length| {
        let content = read(&Root::request(&["/data"], "/data/file"), &root.root, offset, length).unwrap();
        String::from_utf8(content).unwrap()
    };
    assert_eq!(part(0, 100), "0123456789");
    assert_eq!(part(3, 4), "3456");
    assert_eq!(part(8, 4), "89");
    for (offset, length) in [
        (10, 4),
        (0, 0),
        (u64::MAX, 4),
        (i64::MAX as u64, 4),
        (i64::MAX as u64 - 1, 4),
    ] {
        assert_eq!(part(offset, length), "", "{offset} {length}");
    }
}

#[test]
fn links_below_the_grant_are_followed() {
    let root = Root::new();
    symlink("../file", root.path("data/sub/link")).unwrap();
    symlink("sub/link", root.path("data/link")).unwrap();
    assert_eq!(root.read(&["/data"], "/data/link").unwrap(), "0123456789");
    assert_eq!(root.read(&["/data"], "/data/sub/../file").unwrap(), "0123456789");
    assert_eq!(root.kind(&["/data"], "/data/link").unwrap(), FileKind::File);
    // It leads out of the longer grant, and not out of the other.
    assert_eq!(
        root.read(&["/data/sub", "/data"], "/data/sub/link").unwrap(),
        "0123456789"
    );
    is_not_granted(root.read(&["/data/sub"], "/data/sub/link"));
}

#[test]
fn no_link_and_no_parent_leads_out() {
    let root = Root::new();
    for (name, target) in [
        ("up", "../secret"),
        ("absolute", "/secret"),
        ("inside", "/data/file"),
        ("host", "../../outside"),
        ("root", "/"),
    ] {
        symlink(target, root.path("data").join(name)).unwrap();
        is_not_granted(root.read(&["/data"], &format!("/data/{name}")));
        let kind = root.kind(&["/data"], &format!("/data/{name}")).unwrap();
        assert_eq!(kind, FileKind::SymbolicLink, "{name}");
    }
    for path in [
        "/data/../secret",
        "/data/root/secret",
        "/data/sub/../../secret",
        "/data/..",
    ] {
        is_not_granted(root.read(&["/data"], path));
        is_not_granted(root.kind(&["/data"], path));
        is_not_granted(space(&Root::request(&["/data"], path), &root.root));
        is_not_granted(list(&Root::request(&["/data"], path), &root.root));
    }
    // Even with everything granted, the root is where it ends.
    is_not_granted(root.read(&["/"], "/../outside"));
    is_not_granted(root.read(&["/"], "/data/../../outside"));
    is_not_granted(root.read(&["/"], "/data/host"));
}

#[test]
fn a_grant_may_be_a_file_or_a_link() {
    let root = Root::new();
    assert_eq!(root.read(&["/data/file"], "/data/file").unwrap(), "0123456789");
    let error = root.read(&["/data/file"], "/data/file/more").unwrap_err();
    assert!(matches!(error, FilesError::NotFound { .. }), "{error}");
    // As the container sees it: its root, and not the host's.
    symlink("/data", root.path("link")).unwrap();
    assert_eq!(root.read(&["/link"], "/link/file").unwrap(), "0123456789");
    symlink("../../../outside", root.path("escape")).unwrap();
    let error = root.read(&["/escape"], "/escape").unwrap_err();
    assert!(matches!(error, FilesError::NotFound { .. }), "{error}");
    assert_eq!(root.kind(&["/escape"], "/escape").unwrap(), FileKind::SymbolicLink);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let root = Root::new();
    // Opening it for reading would wait for a writer for ever.
    rustix::fs::mkfifoat(&root.root, Path::new("data/fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path("data/socket")).unwrap();
    for name in ["fifo", "socket"] {
        let path = format!("/data/{name}");
        assert_eq!(root.kind(&["/data"], &path).unwrap(), FileKind::Other);
        for result in [root.read(&["/data"], &path).map(drop), root.list(&path).map(drop)] {
            assert!(matches!(result, Err(FilesError::WrongKind { .. })), "{result:?}");
        }
    }
    let folder = root.read(&["/data"], "/data/sub").unwrap_err();
    assert_eq!(folder.to_string(), "/data/sub is no regular file");
    assert_eq!(
        root.list("/data/file").unwrap_err().to_string(),
        "/data/file is no folder"
    );
}

#[test]
fn links_in_a_circle_and_to_nothing_are_seen_themselves() {
    let root = Root::new();
    symlink("circle", root.path("data/circle")).unwrap();
    symlink("nothing", root.path("data/dangling")).unwrap();
    for name in ["circle", "dangling"] {
        let path = format!("/data/{name}");
        assert_eq!(root.kind(&["/data"], &path).unwrap(), FileKind::SymbolicLink);
    }
    assert!(matches!(
        root.read(&["/data"], "/data/dangling"),
        Err(FilesError::NotFound { .. })
    ));
    assert!(matches!(
        root.read(&["/data"], "/data/circle"),
        Err(FilesError::Host { .. })
    ));
    let long = format!("/data/{}", "x".repeat(300));
    for path in ["/data/nothing", "/data/file/below", &long] {
        let result = root.kind(&["/data"], path);
        assert!(matches!(result, Err(FilesError::NotFound { .. })), "{path}: {result:?}");
    }
}

#[test]
fn names_are_sorted_and_bounded() {
    let root = Root::new();
    assert_eq!(root.list("/").unwrap(), ["data", "secret"]);
    assert_eq!(root.list("/data").unwrap(), ["file", "sub"]);
    for number in 0..LIST_NAMES_MAX + 50 {
        fs::write(root.path("data/sub").join(format!("{number:05}")), "").unwrap();
    }
    let names = root.list("/data/sub").unwrap();
    assert_eq!((names.len(), names[0].as_str()), (LIST_NAMES_MAX, "00000"));
    assert_eq!(names[LIST_NAMES_MAX - 1], format!("{:05}", LIST_NAMES_MAX - 1));
}

#[test]
fn any_time_can_be_told() {
    let root = Root::new();
    let file = File::options().write(true).open(root.path("data/file")).unwrap();
    for time in [
        UNIX_EPOCH + Duration::from_millis(1_234_567),
        UNIX_EPOCH - Duration::from_millis(1_500),
    ] {
        file.set_modified(time).unwrap();
        let found = metadata(&Root::request(&["/data"], "/data/file"), &root.root).unwrap();
        assert_eq!((found.modified, found.size), (time, 10));
    }
}

#[test]
fn the_kernels_files_need_a_grant_of_their_own() {
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let pid = std::process::id();
    let read = |grants: &[&str], path: &str| read(&Root::request(grants, path), &root, 0, 1000);
    for path in [
        "/proc/loadavg".to_owned(),
        format!("/proc/{pid}/environ"),
        "/sys/kernel/mm".to_owned(),
    ] {
        is_not_granted(read(&["/"], &path));
        is_not_granted(metadata(&Root::request(&["/"], &path), &root));
    }
    assert!(!read(&["/proc"], "/proc/loadavg").unwrap().is_empty());
    assert!(!read(&["/proc/loadavg", "/"], "/proc/loadavg").unwrap().is_empty());
    for path in [
        format!("/proc/{pid}/environ"),
        format!("/proc/{pid}/mem"),
        "/proc/kmsg".to_owned(),
    ] {
        is_not_granted(read(&["/proc", "/"], &path));
    }
    // Doors to elsewhere.
    for door in ["root/etc/hostname", "cwd", "fd/0", "exe"] {
        let result = read(&["/proc"], &format!("/proc/{pid}/{door}"));
        assert!(matches!(result, Err(FilesError::Host { .. })), "{door}: {result:?}");
    }
}
