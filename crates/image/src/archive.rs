//! Which images a source holds: `docker save`, old and new, and OCI layouts.

use oci_spec::image::{Arch, ImageIndex, ImageManifest, MediaType, Os};
use serde::Deserialize;

use crate::{
    ImageError, reference,
    source::{Source, sha256},
};

/// How deep indexes may lie in one another; honest ones do not.
const MAX_INDEX_DEPTH: usize = 4;

/// An image in a source, its documents verified and its layers not yet.
pub(crate) struct Found {
    /// What it is called there; may be empty.
    pub(crate) names: Vec<String>,
    /// The digest of its manifest; empty where there is none.
    pub(crate) manifest_digest: String,
    /// Its configuration, whose digest is its id.
    pub(crate) config: Vec<u8>,
    /// Lowest first.
    pub(crate) layers: Vec<FoundLayer>,
}

/// A layer's file, and its digest if that is known.
pub(crate) struct FoundLayer {
    pub(crate) file: String,
    pub(crate) digest: Option<String>,
}

/// An entry of docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// All images of a source for this machine.
pub(crate) fn images(source: &Source) -> Result<Vec<Found>, ImageError> {
    if source.has("manifest.json") {
        docker_images(source)
    } else if source.has("index.json") {
        let index = source.document("index.json")?;
        let mut found = Vec::new();
        oci_images(source, &index, &mut found, MAX_INDEX_DEPTH)?;
        Ok(found)
    } else {
        let reason = "it has neither index.json nor manifest.json; it must be an OCI image layout or the output of \
                      `docker save`";
        Err(ImageError::archive(&source.named, reason))
    }
}

fn docker_images(source: &Source) -> Result<Vec<Found>, ImageError> {
    let manifests: Vec<DockerManifest> = parse(source, "manifest.json", &source.document("manifest.json")?)?;
    let images = manifests.into_iter().map(|manifest| {
        let config = source.document(&manifest.config)?;
        if let Some(digest) = digest_in_name(&manifest.config) {
            source.check("the configuration", &digest, &sha256(&config))?;
        }
        let layers = manifest.layers.into_iter().map(|file| FoundLayer {
            digest: blob_digest(&file),
            file,
        });
        Ok(Found {
            names: manifest.repo_tags.unwrap_or_default(),
            manifest_digest: String::new(),
            config,
            layers: layers.collect(),
        })
    });
    images.collect()
}

/// The digest that a configuration's file is named after: `HEX.json` or `blobs/sha256/HEX`.
fn digest_in_name(name: &str) -> Option<String> {
    let last = name.rsplit('/').next()?;
    let digest = format!("sha256:{}", last.strip_suffix(".json").unwrap_or(last));
    reference::is_digest(&digest).then_some(digest)
}

/// The digest of a layer's file in a new archive; in an old one the folder's name says nothing.
fn blob_digest(name: &str) -> Option<String> {
    let digest = format!("sha256:{}", name.strip_prefix("blobs/sha256/")?);
    reference::is_digest(&digest).then_some(digest)
}

fn oci_images(source: &Source, index: &[u8], found: &mut Vec<Found>, depth: usize) -> Result<(), ImageError> {
    let index: ImageIndex = parse(source, "an index", index)?;
    let wanted = (Os::default(), Arch::default());
    let mut offered = Vec::new();
    let before = found.len();
    for entry in index.manifests() {
        if let Some(platform) = entry.platform()
            && (platform.os(), platform.architecture()) != (&wanted.0, &wanted.1)
        {
            offered.push(format!("{}/{}", platform.os(), platform.architecture()));
            continue;
        }
        let digest = entry.digest().to_string();
        let bytes = source.verified(&blob(source, &digest)?, "the manifest", &digest)?;
        let annotations = entry.annotations().clone().unwrap_or_default();
        let named = annotations.get("io.containerd.image.name").or_else(|| {
            annotations
                .get("org.opencontainers.image.ref.name")
                .filter(|name| is_full_name(name))
        });
        let first = found.len();
        match entry.media_type() {
            MediaType::ImageIndex if depth == 0 => {
                return Err(ImageError::archive(
                    &source.named,
                    "its indexes lie too deep in one another",
                ));
            }
            MediaType::ImageIndex => oci_images(source, &bytes, found, depth - 1)?,
            MediaType::Other(kind) if kind.ends_with("manifest.list.v2+json") && depth > 0 => {
                oci_images(source, &bytes, found, depth - 1)?;
            }
            _ => found.push(oci_image(source, &digest, &bytes)?),
        }
        for image in &mut found[first..] {
            image.names.extend(named.cloned());
        }
    }
    if found.len() == before && !offered.is_empty() {
        let wanted = format!("{}/{}", wanted.0, wanted.1);
        return Err(ImageError::Platform {
            path: source.named.clone(),
            offered: offered.join(", "),
            wanted,
        });
    }
    Ok(())
}

fn oci_image(source: &Source, digest: &str, manifest: &[u8]) -> Result<Found, ImageError> {
    let manifest: ImageManifest = parse(source, "a manifest", manifest)?;
    let config_digest = manifest.config().digest().to_string();
    let config = source.verified(&blob(source, &config_digest)?, "the configuration", &config_digest)?;
    let layers = manifest.layers().iter().map(|layer| {
        let digest = layer.digest().to_string();
        Ok(FoundLayer {
            file: blob(source, &digest)?,
            digest: Some(digest),
        })
    });
    Ok(Found {
        names: Vec::new(),
        manifest_digest: digest.to_owned(),
        config,
        layers: layers.collect::<Result<_, ImageError>>()?,
    })
}

/// The file of a blob.
fn blob(source: &Source, digest: &str) -> Result<String, ImageError> {
    if !reference::is_digest(digest) {
        return Err(ImageError::archive(
            &source.named,
            format!("\"{digest}\" is no sha256 digest"),
        ));
    }
    Ok(digest.replacen("sha256:", "blobs/sha256/", 1))
}

/// Many tools put only the tag there.
fn is_full_name(name: &str) -> bool {
    name.contains(['/', ':'])
}

fn parse<T: serde::de::DeserializeOwned>(source: &Source, what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::archive(&source.named, format!("{what}: {error}")))
}
