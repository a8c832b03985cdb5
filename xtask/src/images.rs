//! The two images that the manifests name, made from Debian's packages, so that everything runs without a registry:
//! `busybox:latest` as `docker save` writes it, `ikubernetes/myapp:v1` as an archive of an OCI image layout. Tests of gRPC
//! have `grpc-health:latest`.
//!
//! They lie in `~/.cache/probelet/images` and are made anew when the recipe below changes.

mod grpc_health;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{process, tools};

/// Raised whenever the images would come out otherwise.
const RECIPE: u32 = 3;

const NGINX_CONF: &str = "worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 256; }
http {
    include /etc/nginx/mime.types;
    access_log /dev/stdout;
    include /etc/nginx/conf.d/*.conf;
}
";

const SERVER_CONF: &str = "server {
    listen 80;
    root /usr/share/nginx/html;
    location / { index index.html; }
}
";

/// The archives of the images.
pub(crate) struct Images {
    archives: Vec<PathBuf>,
}

impl Images {
    /// Their paths.
    pub(crate) fn archives(&self) -> &[PathBuf] {
        &self.archives
    }

    /// Their paths in the form of `PATH`.
    pub(crate) fn archives_variable(&self) -> anyhow::Result<OsString> {
        Ok(std::env::join_paths(&self.archives)?)
    }
}

/// How an image is made.
struct Recipe {
    /// The archive's name.
    file: &'static str,
    /// Makes the archive; the folder is for the image's files.
    make: fn(&Packages, &Path, &Path) -> anyhow::Result<()>,
}

/// The images that the manifests of the demo and of most tests name.
const COMMON: &[Recipe] = &[
    Recipe {
        file: "busybox.tar",
        make: busybox,
    },
    Recipe {
        file: "myapp.tar",
        make: myapp,
    },
];
/// Those that single tests name.
const FOR_TESTS: &[Recipe] = &[Recipe {
    file: "grpc-health.tar",
    make: grpc_health::make,
}];

/// Has the two images of the manifests.
pub(crate) fn run(_root: &Path) -> anyhow::Result<Images> {
    have(COMMON.iter())
}

/// Has those of the tests as well.
pub(crate) fn run_for_tests(_root: &Path) -> anyhow::Result<Images> {
    have(COMMON.iter().chain(FOR_TESTS))
}

fn have<'a>(recipes: impl Iterator<Item = &'a Recipe> + Clone) -> anyhow::Result<Images> {
    let folder = tools::cache()?.join("images").join(format!("recipe-{RECIPE}"));
    let archives = recipes.clone().map(|recipe| folder.join(recipe.file)).collect();
    let missing = Vec::from_iter(recipes.filter(|recipe| !folder.join(recipe.file).is_file()));
    if missing.is_empty() {
        return Ok(Images { archives });
    }
    let names = Vec::from_iter(missing.iter().map(|recipe| recipe.file)).join(", ");
    println!("images: making {names} from Debian's packages");
    let scratch = folder.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let made = make(&missing, &scratch, &folder);
    fs::remove_dir_all(&scratch)?;
    made.map(|()| Images { archives })
}

fn make(recipes: &[&Recipe], scratch: &Path, folder: &Path) -> anyhow::Result<()> {
    let packages = Packages::new(scratch)?;
    fs::create_dir_all(folder)?;
    for Recipe { file, make } in recipes {
        let archive = scratch.join(file);
        make(&packages, &archive.with_extension("root"), &archive)?;
        fs::rename(archive, folder.join(file))?;
    }
    Ok(())
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn busybox(packages: &Packages, root: &Path, archive: &Path) -> anyhow::Result<()> {
    base(root, packages)?;
    let run = config(json!({ "Cmd": ["sh"], "Env": [PATH] }));
    docker_archive(archive, "busybox:latest", root, run)
}

fn myapp(packages: &Packages, root: &Path, archive: &Path) -> anyhow::Result<()> {
    base(root, packages)?;
    nginx(root, packages)?;
    let run = config(json!({
        "Cmd": ["nginx", "-g", "daemon off;"],
        "Env": [PATH],
        "ExposedPorts": { "80/tcp": {} },
    }));
    oci_archive(archive, "docker.io/ikubernetes/myapp:v1", root, run)
}

/// How the names of Debian's packages begin that have shared libraries.
const LIBRARIES: [&str; 2] = ["lib", "zlib"];

/// Debian's packages, downloaded and unpacked but not installed.
struct Packages {
    folder: PathBuf,
}

impl Packages {
    fn new(scratch: &Path) -> anyhow::Result<Self> {
        if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
            bail!("the images are made from Debian's packages, and this system has no apt-get");
        }
        let folder = scratch.join("packages");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Downloads a package, unless that is done, and gives the folder of its files.
    fn unpack(&self, package: &str) -> anyhow::Result<PathBuf> {
        let files = self.folder.join(format!("{package}.files"));
        if !files.is_dir() {
            let archive = self.download(package)?;
            process::output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&files))?;
        }
        Ok(files)
    }

    fn download(&self, package: &str) -> anyhow::Result<PathBuf> {
        let download = || {
            process::output(
                Command::new("apt-get")
                    .args(["download", package])
                    .current_dir(&self.folder),
            )
        };
        if download().is_err() {
            // The list of packages may be old, or not there yet.
            tools::apt_update()?;
            download()?;
        }
        let prefix = format!("{package}_");
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                return Ok(entry.path());
            }
        }
        bail!("apt-get download {package} left no file in {}", self.folder.display())
    }

    /// Copies a package's shared libraries.
    fn copy_libraries(&self, package: &str, root: &Path) -> anyhow::Result<()> {
        let files = self.unpack(package)?;
        for folder in ["lib", "lib64", "usr/lib"] {
            copy_libraries(&files, &files.join(folder), root)?;
        }
        Ok(())
    }

    /// The packages that a package depends on, however indirectly, whose names begin in one of these ways.
    fn dependencies(&self, package: &str, prefixes: &[&str], found: &mut BTreeSet<String>) -> anyhow::Result<()> {
        let archive = self.download(package)?;
        let depends = process::output(Command::new("dpkg-deb").arg("-f").arg(&archive).arg("Depends"))?;
        for dependency in depends.split(',') {
            let name = dependency.split(['|', '(', ':']).next().unwrap_or_default().trim();
            let is_wanted = prefixes.iter().any(|prefix| name.starts_with(prefix));
            if is_wanted && found.insert(name.to_owned()) {
                self.dependencies(name, prefixes, found)?;
            }
        }
        Ok(())
    }
}

/// A root with busybox and all of its applets.
fn base(root: &Path, packages: &Packages) -> anyhow::Result<()> {
    let busybox = &packages.unpack("busybox-static")?.join("bin/busybox");
    for folder in [
        "bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/sbin", "var/log",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::set_permissions(root.join("root"), fs::Permissions::from_mode(0o700))?;
    copy(busybox, &root.join("bin/busybox"))?;
    for applet in process::output(Command::new(busybox).arg("--list"))?.lines() {
        let link = root.join("bin").join(applet);
        if !link.exists() {
            symlink("/bin/busybox", link)?;
        }
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\n\
         nobody:x:65534:65534:nobody:/home:/bin/false\n",
    )?;
    fs::write(root.join("etc/group"), "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n")?;
    Ok(())
}

fn nginx(root: &Path, packages: &Packages) -> anyhow::Result<()> {
    copy(
        &packages.unpack("nginx")?.join("usr/sbin/nginx"),
        &root.join("usr/sbin/nginx"),
    )?;
    let mut libraries = BTreeSet::new();
    packages.dependencies("nginx", &LIBRARIES, &mut libraries)?;
    for library in libraries {
        packages.copy_libraries(&library, root)?;
    }
    let common = packages.unpack("nginx-common")?;
    copy(&common.join("etc/nginx/mime.types"), &root.join("etc/nginx/mime.types"))?;
    for folder in [
        "etc/nginx/conf.d",
        "usr/share/nginx/html",
        "var/log/nginx",
        "var/lib/nginx",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("etc/nginx/nginx.conf"), NGINX_CONF)?;
    fs::write(root.join("etc/nginx/conf.d/default.conf"), SERVER_CONF)?;
    fs::write(
        root.join("usr/share/nginx/html/index.html"),
        "Hello MyApp | Version: v1\n",
    )?;
    Ok(())
}

/// Copies shared libraries and the loader, with the links between them, and nothing else.
fn copy_libraries(files: &Path, folder: &Path, root: &Path) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            // Plug-ins and locales, which nginx does not load.
            let wanted = !["gconv", "locale", "perl-base", "engines-3", "ossl-modules"]
                .iter()
                .any(|name| path.ends_with(name));
            if wanted {
                copy_libraries(files, &path, root)?;
            }
        } else if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains(".so"))
        {
            copy(&path, &root.join(path.strip_prefix(files)?))?;
        }
    }
    Ok(())
}

/// Copies a file or link.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let describe = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    if fs::symlink_metadata(from).with_context(describe)?.is_symlink() {
        symlink(fs::read_link(from)?, to).with_context(describe)
    } else {
        fs::copy(from, to).map(drop).with_context(describe)
    }
}

/// An image's configuration, still without its layer.
fn config(run: Value) -> Value {
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    json!({ "architecture": architecture, "os": "linux", "created": "1970-01-01T00:00:00Z", "config": run })
}

fn with_layer(mut config: Value, diff_id: &str) -> Vec<u8> {
    config["rootfs"] = json!({ "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] });
    config["history"] = json!([{ "created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask images" }]);
    config.to_string().into_bytes()
}

fn docker_archive(archive: &Path, name: &str, root: &Path, image: Value) -> anyhow::Result<()> {
    let layer = layer(root)?;
    let diff_id = digest(&layer);
    let config = with_layer(image, &diff_id);
    let (config_name, layer_name) = (format!("{}.json", digest(&config)), format!("{diff_id}/layer.tar"));
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": [layer_name] }]);
    write_archive(
        archive,
        &[
            (&config_name, &config),
            (&layer_name, &layer),
            ("manifest.json", manifest.to_string().as_bytes()),
        ],
    )
}

fn oci_archive(archive: &Path, name: &str, root: &Path, image: Value) -> anyhow::Result<()> {
    let plain = layer(root)?;
    let config = with_layer(image, &digest(&plain));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain)?;
    let layer = encoder.finish()?;
    let descriptor = |kind: &str, bytes: &[u8]| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar+gzip", &layer)],
    })
    .to_string()
    .into_bytes();
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": "v1" });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes));
    write_archive(
        archive,
        &[
            ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
            ("index.json", index.as_bytes()),
            (&blob(&manifest), &manifest),
            (&blob(&config), &config),
            (&blob(&layer), &layer),
        ],
    )
}

/// The files below a folder as a layer, the same bytes for the same files.
fn layer(root: &Path) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    add_folder(&mut builder, root, Path::new(""))?;
    Ok(builder.into_inner()?)
}

fn add_folder(builder: &mut tar::Builder<Vec<u8>>, root: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut names: Vec<_> = fs::read_dir(root.join(folder))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    names.sort();
    for name in names {
        let path = folder.join(name);
        let full = root.join(&path);
        let metadata = fs::symlink_metadata(&full)?;
        let mut header = header(metadata.mode() & 0o7777, 0);
        if metadata.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            builder.append_data(&mut header, &path, std::io::empty())?;
            add_folder(builder, root, &path)?;
        } else if metadata.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, &path, fs::read_link(&full)?)?;
        } else {
            header.set_size(metadata.len());
            builder.append_data(&mut header, &path, File::open(&full)?)?;
        }
    }
    Ok(())
}

/// A header that says nothing of who made the archive, and when.
fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn write_archive(archive: &Path, files: &[(&str, &[u8])]) -> anyhow::Result<()> {
    let mut builder = tar::Builder::new(File::create(archive)?);
    for (name, bytes) in files {
        let mut header = header(0o644, u64::try_from(bytes.len())?);
        builder.append_data(&mut header, name, *bytes)?;
    }
    builder.into_inner()?.sync_all()?;
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
