//! Real archives, honest and hostile, through a real store and real overlay mounts; needs root.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Write,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use probelet_image::{Image, ImageError, ImageStore, unmount};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::EntryType;

struct Fixture {
    folder: tempfile::TempDir,
    store: ImageStore,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        fs::metadata("/proc/self").unwrap().uid(),
        0,
        "these tests mount overlays: run them as root"
    );
    Fixture {
        store: ImageStore::open(&folder.path().join("store")).unwrap(),
        folder,
    }
}

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Imports an archive with these layers, under the name `app`.
    fn import(&self, layers: &[Vec<u8>]) -> Result<Image, ImageError> {
        let archive = self.path("app.tar");
        fs::write(&archive, docker_archive("app", layers)).unwrap();
        self.store.import(&archive, None)?;
        self.store.resolve("app")
    }

    /// All that is in the store but its own lists.
    fn leftovers(&self) -> usize {
        let count = |folder: &str| fs::read_dir(self.path("store").join(folder)).unwrap().count();
        count("temporary") + count("layers")
    }
}

/// A mounted image, unmounted when dropped.
struct Mounted(PathBuf, PathBuf);

impl Mounted {
    fn new(fixture: &Fixture, image: &Image) -> Self {
        let directory = fixture.path("mounted");
        let root = fixture.store.mount(image, &directory).unwrap();
        Self(directory, root)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.1.join(name)).unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0).unwrap();
    }
}

/// One entry of a layer: type, path, content or link.
type Entry<'a> = (EntryType, &'a str, &'a str);

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;

/// A layer, its paths written as they are, however bad.
fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if *kind == FOLDER { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        let body = if *kind == FILE { content.as_bytes() } else { b"" };
        if *kind != FILE {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body).unwrap();
    }
    builder.into_inner().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", digest(layer))).collect();
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux",
        "config": { "Cmd": ["sh"], "Entrypoint": ["/e"], "Env": ["A=b"], "User": "web", "WorkingDir": "/w", "StopSignal": "SIGQUIT" },
        "rootfs": { "type": "layers", "diff_ids": ids }, "history": [],
    })
    .to_string()
    .into_bytes()
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn docker_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let config = config(layers);
    let mut files = vec![(format!("{}.json", digest(&config)), config)];
    let names: Vec<_> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    files.extend(names.iter().cloned().zip(layers.iter().cloned()));
    let manifest = json!([{ "Config": files[0].0, "RepoTags": [name], "Layers": names }]);
    files.push(("manifest.json".into(), manifest.to_string().into_bytes()));
    archive(&files)
}

/// An OCI layout of one layer, whose blob is `blob`; `change` may spoil the index.
fn oci_files(plain: &[u8], blob: Vec<u8>, change: impl FnOnce(&mut Value)) -> Vec<(String, Vec<u8>)> {
    let config = config(&[plain.to_vec()]);
    let descriptor = |kind: &str, bytes: &[u8]| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2, "config": descriptor("config.v1+json", &config), "layers": [descriptor("layer.v1.tar", &blob)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut index = json!({ "schemaVersion": 2, "manifests": [descriptor("manifest.v1+json", &manifest)] });
    index["manifests"][0]["annotations"] =
        json!({ "org.opencontainers.image.ref.name": "docker.io/library/app:latest" });
    change(&mut index);
    let name = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes));
    vec![
        ("oci-layout".into(), b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()),
        ("index.json".into(), index.to_string().into_bytes()),
        (name(&manifest), manifest),
        (name(&config), config),
        (name(&blob), blob),
    ]
}

#[test]
fn an_image_is_imported_found_by_any_name_mounted_and_removed() {
    let fixture = fixture();
    let image = fixture
        .import(&[layer(&[(FOLDER, "etc/", ""), (FILE, "etc/a", "1")])])
        .unwrap();
    for name in [
        "app",
        "app:latest",
        "docker.io/library/app",
        "docker.io/library/app:latest",
        &format!("app@{}", image.id),
    ] {
        assert_eq!(fixture.store.resolve(name).unwrap().id, image.id, "{name}");
    }
    assert_eq!(
        (&image.config.entrypoint[..], &image.config.command[..]),
        (&["/e".to_owned()][..], &["sh".to_owned()][..])
    );
    assert_eq!(
        (image.config.user.as_deref(), image.config.stop_signal.as_deref()),
        (Some("web"), Some("SIGQUIT"))
    );
    {
        let mounted = Mounted::new(&fixture, &image);
        assert_eq!(
            fixture.store.mount(&image, &mounted.0).unwrap(),
            mounted.1,
            "mounting again changes nothing"
        );
        fs::write(mounted.1.join("etc/a"), "2").unwrap();
        assert_eq!(mounted.read("etc/a"), "2");
    }
    let mounted = Mounted::new(&fixture, &image);
    assert_eq!(
        mounted.read("etc/a"),
        "1",
        "a layer never changes, and what a container wrote goes with it"
    );
    drop(mounted);
    assert_eq!(fixture.store.list().unwrap().len(), 1);
    fixture.store.remove("app").unwrap();
    let error = fixture.store.resolve("app").unwrap_err();
    assert!(error.to_string().contains("probelet image import"), "{error}");
    assert!(matches!(error, ImageError::NotFound { .. }));
}

#[test]
fn whiteouts_hide_what_lies_below() {
    let fixture = fixture();
    let lower = layer(&[
        (FOLDER, "d/", ""),
        (FILE, "d/gone", "x"),
        (FILE, "d/kept", "x"),
        (FOLDER, "o/", ""),
        (FILE, "o/old", "x"),
    ]);
    let upper = layer(&[
        (FILE, "d/.wh.gone", ""),
        (FOLDER, "o/", ""),
        (FILE, "o/.wh..wh..opq", ""),
        (FILE, "o/new", "y"),
    ]);
    let image = fixture.import(&[lower, upper]).unwrap();
    let mounted = Mounted::new(&fixture, &image);
    let names = |folder: &str| {
        let entries = fs::read_dir(mounted.1.join(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names("d"), names("o")),
        (vec!["kept".to_owned()], vec!["new".to_owned()])
    );
}

#[test]
fn many_layers_are_mounted() {
    let fixture = fixture();
    let layers: Vec<_> = (0..120)
        .map(|number| layer(&[(FILE, &format!("f{number}"), "x"), (FILE, "last", &number.to_string())]))
        .collect();
    let image = fixture.import(&layers).unwrap();
    let mounted = Mounted::new(&fixture, &image);
    assert_eq!(mounted.read("last"), "119");
    assert_eq!(fs::read_dir(&mounted.1).unwrap().count(), 121);
}

#[test]
fn oci_layouts_are_taken_as_folder_and_archive_and_with_each_compression() {
    let plain = layer(&[(FILE, "a", "content")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for blob in [
        plain.clone(),
        gzip.finish().unwrap(),
        zstd::encode_all(&plain[..], 1).unwrap(),
    ] {
        let files = oci_files(&plain, blob, |_| {});
        let fixture = fixture();
        let folder = fixture.path("layout");
        for (name, bytes) in &files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let packed = fixture.path("layout.tar");
        fs::write(&packed, archive(&files)).unwrap();
        for source in [folder, packed] {
            let imported = fixture.store.import(&source, None).unwrap();
            assert_eq!(imported[0].reference, "docker.io/library/app:latest");
        }
        let mounted = Mounted::new(&fixture, &fixture.store.resolve("app").unwrap());
        assert_eq!(mounted.read("a"), "content");
    }
}

/// What hostile layers try, and the file outside that they aim at.
#[test]
fn a_layer_cannot_leave_its_folder() {
    let link = EntryType::Symlink;
    let hard = EntryType::Link;
    let tricks: [&[Entry<'_>]; 12] = [
        &[(FILE, "../aim", "x")],
        &[(FILE, "a/../../aim", "x")],
        &[(FILE, "/aim", "x")],
        &[(link, "out", "/"), (FILE, "out/aim", "x")],
        &[(link, "out", "../../../../../../.."), (FILE, "out/aim", "x")],
        &[(link, "a", "b"), (link, "b", "/proc/self/root"), (FILE, "a/aim", "x")],
        &[(link, "aim", "/aim"), (FILE, "aim", "x")],
        &[(hard, "stolen", "/etc/passwd")],
        &[(hard, "stolen", "../../../../../../etc/passwd")],
        &[(link, "out", "/etc"), (hard, "stolen", "out/passwd")],
        &[(link, "out", "/"), (FILE, "out/.wh.aim", "")],
        &[(link, "out", "/"), (FILE, "out/.wh..", "")],
    ];
    for trick in tricks {
        let fixture = fixture();
        let before = fs::metadata("/etc/passwd").unwrap().nlink();
        // Refused or harmless, but nothing outside.
        if let Ok(image) = fixture.import(&[layer(trick)]) {
            let mounted = Mounted::new(&fixture, &image);
            let stolen = mounted.1.join("stolen");
            assert!(
                fs::symlink_metadata(&stolen).is_err() || !fs::read_to_string(&stolen).unwrap().contains("root:"),
                "{trick:?}"
            );
        } else {
            assert_eq!(fixture.leftovers(), 0, "{trick:?}");
        }
        assert!(
            !Path::new("/aim").exists() && !fixture.path("aim").exists() && !fixture.path("store/aim").exists(),
            "{trick:?}"
        );
        assert_eq!(fs::metadata("/etc/passwd").unwrap().nlink(), before, "{trick:?}");
        assert!(Path::new("/proc/self").exists(), "{trick:?}");
    }
}

#[test]
fn devices_are_kept_but_cannot_be_used_and_cannot_hide_files() {
    let fixture = fixture();
    let device = |major: u32, minor: u32| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Char);
        header.set_path("null").unwrap();
        header.set_mode(0o666);
        header.set_size(0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
        builder.into_inner().unwrap()
    };
    let image = fixture.import(&[device(1, 3)]).unwrap();
    let mounted = Mounted::new(&fixture, &image);
    assert!(
        fs::metadata(mounted.1.join("null"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
    assert!(
        fs::File::open(mounted.1.join("null")).is_err(),
        "the root is mounted without devices"
    );
    drop(mounted);
    assert!(matches!(fixture.import(&[device(0, 0)]), Err(ImageError::Layer { .. })));
}

#[test]
fn overlays_own_attributes_cannot_be_smuggled_in() {
    let fixture = fixture();
    let mut builder = tar::Builder::new(Vec::new());
    let extensions = [
        ("SCHILY.xattr.trusted.overlay.redirect", &b"/etc"[..]),
        ("SCHILY.xattr.user.mine", b"yes"),
    ];
    builder.append_pax_extensions(extensions).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(FOLDER);
    header.set_path("d").unwrap();
    header.set_mode(0o755);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
    let image = fixture.import(&[builder.into_inner().unwrap()]).unwrap();
    let layer = fs::read_dir(fixture.path("store/layers"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir());
    let folder = layer.unwrap().join("d");
    let mut buffer = [0; 16];
    assert!(rustix::fs::getxattr(&folder, "trusted.overlay.redirect", &mut buffer).is_err());
    assert_eq!(rustix::fs::getxattr(&folder, "user.mine", &mut buffer).unwrap(), 3);
    drop(Mounted::new(&fixture, &image));
}

#[test]
fn what_is_not_what_its_digest_says_is_refused_and_leaves_nothing() {
    let plain = layer(&[(FILE, "a", "content")]);
    let files = oci_files(&plain, plain.clone(), |_| {});
    // The manifest, the configuration and the layer, each with one byte changed.
    for spoiled in 2..5 {
        let fixture = fixture();
        let mut files = files.clone();
        let middle = files[spoiled].1.len() / 2;
        files[spoiled].1[middle] ^= 1;
        let path = fixture.path("a.tar");
        fs::write(&path, archive(&files)).unwrap();
        let error = fixture.store.import(&path, None).unwrap_err();
        assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("is corrupt"), "{error}");
        assert_eq!(fixture.leftovers(), 0);
    }
    // A layer that is itself whole, but not the one that the configuration names.
    let fixture = fixture();
    let mut other = docker_archive("app", std::slice::from_ref(&plain));
    let at = other.windows(7).position(|bytes| bytes == b"content").unwrap();
    other[at] = b'C';
    let path = fixture.path("a.tar");
    fs::write(&path, other).unwrap();
    assert!(matches!(
        fixture.store.import(&path, None),
        Err(ImageError::Corrupt { .. })
    ));
    assert_eq!(fixture.leftovers(), 0);
}

#[test]
fn what_is_no_image_is_told_apart() {
    let fixture = fixture();
    let import = |name: &str, bytes: &[u8]| {
        fs::write(fixture.path(name), bytes).unwrap();
        fixture.store.import(&fixture.path(name), None).unwrap_err().to_string()
    };
    assert!(import("garbage", &[7; 5000]).contains("neither an image archive nor an OCI image layout"));
    assert!(import("empty", b"").contains("neither index.json nor manifest.json"));
    let whole = docker_archive("app", &[layer(&[(FILE, "a", "x")])]);
    let cut = import("cut", &whole[..whole.len() / 2]);
    assert!(cut.contains("cut: "), "{cut}");
    let escaping = archive(&[(
        "manifest.json".into(),
        json!([{ "Config": "../../etc/passwd", "Layers": [] }])
            .to_string()
            .into_bytes(),
    )]);
    assert!(import("escaping", &escaping).contains("outside itself"));
    let plain = layer(&[(FILE, "a", "x")]);
    let foreign = oci_files(&plain, plain.clone(), |index| {
        index["manifests"][0]["platform"] = json!({ "os": "linux", "architecture": "s390x" });
    });
    assert!(import("foreign", &archive(&foreign)).contains("the image is for linux/s390x"));
    let nameless = oci_files(&plain, plain.clone(), |index| {
        drop(index["manifests"][0].as_object_mut().unwrap().remove("annotations"))
    });
    assert!(import("nameless", &archive(&nameless)).contains("--name"));
    assert!(fixture.store.import(&fixture.path("missing"), None).is_err());
    assert_eq!(fixture.leftovers(), 0);
}

#[test]
fn a_bomb_is_refused() {
    let fixture = fixture();
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(2 << 30);
    header.set_cksum();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..2049 {
        encoder.write_all(&zeros).unwrap();
    }
    let error = fixture.import(&[encoder.finish().unwrap()]).unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
    assert_eq!(fixture.leftovers(), 0);
}

#[test]
fn two_that_import_at_once_do_not_disturb_each_other() {
    let fixture = fixture();
    let path = fixture.path("app.tar");
    let layers: Vec<_> = (0..8)
        .map(|number| layer(&[(FILE, "f", &number.to_string())]))
        .collect();
    fs::write(&path, docker_archive("app", &layers)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fixture.store.import(&path, None).unwrap());
        }
    });
    let image = fixture.store.resolve("app").unwrap();
    let mounted = Mounted::new(&fixture, &image);
    assert_eq!(mounted.read("f"), "7");
    assert_eq!(fs::read_dir(fixture.path("store/temporary")).unwrap().count(), 0);
}
