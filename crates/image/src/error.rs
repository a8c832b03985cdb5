//! What can go wrong, by what the caller can do about it.

use std::{io, path::PathBuf};

/// An image that cannot be imported, found or mounted.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The name is no image's name.
    #[error("invalid image name \"{name}\": {reason}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No such image was imported.
    #[error(
        "image \"{name}\" ({reference}) is not on this machine; import it with `probelet image import ARCHIVE`, where \
         ARCHIVE is the output of `docker save {name}` or an OCI image layout"
    )]
    NotFound {
        /// As it was asked for.
        name: String,
        /// The name in full.
        reference: String,
    },
    /// The archive is none, or not one of an image.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive or layout.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is not what its digest says.
    #[error("{}: {what} is corrupt: its digest is {found}, not {expected}; get the archive again", path.display())]
    Corrupt {
        /// The archive or layout.
        path: PathBuf,
        /// The part: `config`, `layer 2`.
        what: String,
        /// The digest it should have.
        expected: String,
        /// The digest it has.
        found: String,
    },
    /// A layer holds what no honest layer holds.
    #[error("layer {layer}: entry \"{entry}\": {reason}")]
    Layer {
        /// The layer's diff id.
        layer: String,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is for other machines only.
    #[error("{}: the image is for {offered}, this machine is {wanted}", path.display())]
    Platform {
        /// The archive or layout.
        path: PathBuf,
        /// What it has.
        offered: String,
        /// What is needed.
        wanted: String,
    },
    /// The archive does not say what the image is called.
    #[error("{}: the archive names no image; give its name with --name", path.display())]
    NoReference {
        /// The archive or layout.
        path: PathBuf,
    },
    /// The user that the image or the manifest names is not in the image.
    #[error("user \"{user}\": {reason}")]
    User {
        /// As it was named.
        user: String,
        /// What is wrong.
        reason: String,
    },
    /// The kernel refused the overlay mount.
    #[error("cannot mount the image at {}: {source}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the store or the archive cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ImageError {
    pub(crate) fn file<E: Into<io::Error>>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File {
            path,
            source: source.into(),
        }
    }

    pub(crate) fn archive(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Archive {
            path: path.into(),
            reason: reason.into(),
        }
    }
}
