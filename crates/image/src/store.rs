//! The images of this machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use oci_spec::image::ImageConfiguration;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::{
    ImageError,
    archive::{self, Found},
    layer, mount, reference,
    source::{Digesting, Source, sha256},
};

/// An image on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its name in full, such as `docker.io/library/busybox:latest`.
    pub reference: String,
    /// The digest of its configuration, `sha256:…`.
    pub id: String,
    /// How its containers are started.
    pub config: ImageConfig,
    /// The size of its layers, unpacked.
    pub size_bytes: u64,
    /// The digest of its manifest; empty if it came without one.
    manifest_digest: String,
    /// The diff ids of its layers, lowest first.
    layers: Vec<String>,
}

/// How an image's containers are started, where the manifest says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments, or all of the command.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// The working folder.
    pub working_directory: Option<String>,
    /// The user, as in [`resolve_user`](crate::resolve_user).
    pub user: Option<String>,
    /// The signal that asks it to stop, such as `SIGQUIT`.
    pub stop_signal: Option<String>,
}

/// What an import has added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedImage {
    /// Its name in full.
    pub reference: String,
    /// The digest of its configuration.
    pub id: String,
    /// The size of its layers, unpacked.
    pub size_bytes: u64,
    /// How many layers it has.
    pub layers: usize,
}

/// A folder of images. A clone is another handle to the same; several processes may use one at once.
#[derive(Clone, Debug)]
pub struct ImageStore {
    root: PathBuf,
}

impl ImageStore {
    /// Uses, and makes if need be, the folder `root`.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] if it cannot be made.
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        for folder in [root.to_owned(), root.join("layers"), root.join("temporary")] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(ImageError::file(&folder))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Adds the images of a `docker save` archive or an OCI image layout, plain, gzip or zstd. `name` calls the only
    /// image of an archive that names none, or replaces its names.
    ///
    /// # Errors
    ///
    /// Nothing is added then: [`ImageError::Archive`], [`ImageError::Corrupt`], [`ImageError::Layer`] and the like.
    pub fn import(&self, archive: &Path, name: Option<&str>) -> Result<Vec<ImportedImage>, ImageError> {
        let source = Source::open(archive, &self.root.join("temporary"))?;
        let found = archive::images(&source)?;
        if found.is_empty() {
            return Err(ImageError::archive(archive, "it holds no image"));
        }
        if name.is_some() && found.len() > 1 {
            return Err(ImageError::archive(
                archive,
                format!("--name needs one image, it holds {}", found.len()),
            ));
        }
        // Every layer is there before any name points to it. Shared, so that no other process removes a layer meanwhile.
        let _lock = self.lock(FlockOperation::LockShared)?;
        let mut images = Vec::new();
        for found in found {
            let names = name.map_or_else(|| found.names.clone(), |name| vec![name.to_owned()]);
            if names.is_empty() {
                return Err(ImageError::NoReference {
                    path: archive.to_owned(),
                });
            }
            let image = self.add_layers(&source, &found)?;
            for name in names {
                images.push(Image {
                    reference: reference::normalize(&name)?,
                    ..image.clone()
                });
            }
        }
        self.change(|known| known.extend(images.iter().map(|image| (image.reference.clone(), image.clone()))))?;
        Ok(images
            .into_iter()
            .map(|image| ImportedImage {
                reference: image.reference,
                id: image.id,
                size_bytes: image.size_bytes,
                layers: image.layers.len(),
            })
            .collect())
    }

    /// Finds an image by any of the names that Kubernetes takes.
    ///
    /// # Errors
    ///
    /// [`ImageError::InvalidName`] or [`ImageError::NotFound`].
    pub fn resolve(&self, name: &str) -> Result<Image, ImageError> {
        let reference = reference::normalize(name)?;
        let images = self.read()?;
        let found = match reference.split_once('@') {
            Some((repository, digest)) => images.into_values().find(|image| {
                let named = image.reference.split_once('@').map_or_else(
                    || {
                        image
                            .reference
                            .rsplit_once(':')
                            .map_or("", |(repository, _)| repository)
                    },
                    |(repository, _)| repository,
                );
                named == repository && (image.manifest_digest == digest || image.id == digest)
            }),
            None => images.get(&reference).cloned(),
        };
        found.ok_or_else(|| ImageError::NotFound {
            name: name.to_owned(),
            reference,
        })
    }

    /// All images, by name.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] if the list cannot be read.
    pub fn list(&self) -> Result<Vec<Image>, ImageError> {
        Ok(self.read()?.into_values().collect())
    }

    /// Forgets an image, and removes layers that no other image has and no container uses.
    ///
    /// # Errors
    ///
    /// [`ImageError::NotFound`].
    pub fn remove(&self, name: &str) -> Result<Image, ImageError> {
        let image = self.resolve(name)?;
        let _lock = self.lock(FlockOperation::LockExclusive)?;
        self.change(|known| drop(known.remove(&image.reference)))?;
        let used: BTreeSet<_> = self.read()?.into_values().flat_map(|image| image.layers).collect();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for layer in image.layers.iter().filter(|layer| !used.contains(*layer)) {
            let path = self.layer(layer);
            if !path.to_str().is_some_and(|path| mounts.contains(path)) {
                fs::remove_dir_all(&path)
                    .or_else(ignore_missing)
                    .map_err(ImageError::file(path))?;
            }
        }
        Ok(image)
    }

    /// Mounts an image for one container: its layers, and over them a folder of the container's own in `directory`. Gives
    /// the path of the root. It is no error if it is mounted already.
    ///
    /// # Errors
    ///
    /// [`ImageError::Mount`] or [`ImageError::File`].
    pub fn mount(&self, image: &Image, directory: &Path) -> Result<PathBuf, ImageError> {
        let layers: Vec<_> = image.layers.iter().map(|layer| self.layer(layer)).collect();
        for layer in &layers {
            fs::metadata(layer).map_err(ImageError::file(layer))?;
        }
        mount::mount_layers(&layers, directory)
    }

    fn add_layers(&self, source: &Source, found: &Found) -> Result<Image, ImageError> {
        let config = ImageConfiguration::from_reader(&found.config[..])
            .map_err(|error| ImageError::archive(&source.named, format!("the configuration: {error}")))?;
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != found.layers.len() || diff_ids.is_empty() {
            let reason = format!(
                "its configuration has {} layers, it has {}",
                diff_ids.len(),
                found.layers.len()
            );
            return Err(ImageError::archive(&source.named, reason));
        }
        let mut size_bytes = 0;
        for (number, (layer, diff_id)) in found.layers.iter().zip(diff_ids).enumerate() {
            if !reference::is_digest(diff_id) {
                return Err(ImageError::archive(
                    &source.named,
                    format!("\"{diff_id}\" is no sha256 digest"),
                ));
            }
            if let Some(digest) = &layer.digest {
                let blob = Digesting::new(source.open_file(&layer.file)?, u64::MAX).finish();
                let blob = blob.map_err(ImageError::file(&source.named))?;
                source.check(&format!("layer {}", number + 1), digest, &blob)?;
            }
            size_bytes += self.add_layer(source, &layer.file, diff_id, number + 1)?;
        }
        let started = config.config().clone().unwrap_or_default();
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Image {
            reference: String::new(),
            id: sha256(&found.config),
            config: ImageConfig {
                entrypoint: started.entrypoint().clone().unwrap_or_default(),
                command: started.cmd().clone().unwrap_or_default(),
                environment: started.env().clone().unwrap_or_default(),
                working_directory: text(started.working_dir()),
                user: text(started.user()),
                stop_signal: text(started.stop_signal()),
            },
            size_bytes,
            manifest_digest: found.manifest_digest.clone(),
            layers: diff_ids.clone(),
        })
    }

    /// Unpacks a layer unless it is there, and gives its size.
    fn add_layer(&self, source: &Source, file: &str, diff_id: &str, number: usize) -> Result<u64, ImageError> {
        let target = self.layer(diff_id);
        let size = target.with_extension("size");
        if target.is_dir() {
            // It is not unpacked again, but a corrupt archive is told all the same.
            let found = layer::diff_id(source.open_file(file)?, diff_id)?;
            source.check(&format!("layer {number}"), diff_id, &found)?;
            return Ok(fs::read_to_string(&size)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0));
        }
        let scratch = self.root.join("temporary");
        let temporary = tempfile::tempdir_in(&scratch).map_err(ImageError::file(&scratch))?;
        // A layer need not hold its own root; programs of any user must be able to enter it.
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).map_err(ImageError::file(&scratch))?;
        let (found, bytes) = layer::unpack(source.open_file(file)?, temporary.path(), diff_id)?;
        source.check(&format!("layer {number}"), diff_id, &found)?;
        layer::sync(temporary.path()).map_err(ImageError::file(temporary.path()))?;
        fs::write(&size, bytes.to_string()).map_err(ImageError::file(&size))?;
        match fs::rename(temporary.path(), &target) {
            Ok(()) => {
                let _moved = temporary.keep();
                Ok(bytes)
            }
            // Another process has just added the same layer.
            Err(_) if target.is_dir() => Ok(bytes),
            Err(error) => Err(ImageError::file(&target)(error)),
        }
    }

    fn layer(&self, diff_id: &str) -> PathBuf {
        self.root.join("layers").join(diff_id.trim_start_matches("sha256:"))
    }

    fn read(&self) -> Result<BTreeMap<String, Image>, ImageError> {
        let path = self.root.join("images.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(io::Error::from)
                .map_err(ImageError::file(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(ImageError::file(path)(error)),
        }
    }

    /// Changes the list in one step; one process at a time.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Image>)) -> Result<(), ImageError> {
        let _lock = self.lock_file("list.lock", FlockOperation::LockExclusive)?;
        let mut images = self.read()?;
        change(&mut images);
        let path = self.root.join("images.json");
        let bytes = serde_json::to_vec_pretty(&images)
            .map_err(io::Error::from)
            .map_err(ImageError::file(&path))?;
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(self.root.join("temporary"))?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error).map(drop)
        };
        write().map_err(ImageError::file(&path))
    }

    fn lock(&self, operation: FlockOperation) -> Result<File, ImageError> {
        self.lock_file("layers.lock", operation)
    }

    fn lock_file(&self, name: &str, operation: FlockOperation) -> Result<File, ImageError> {
        let path = self.root.join(name);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(ImageError::file(&path))?;
        flock(&file, operation).map_err(ImageError::file(&path))?;
        Ok(file)
    }
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}
