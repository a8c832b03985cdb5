//! Whether a component is signed by somebody who is known here: where signatures are found, and what is said if they are
//! not.
//!
//! A component of a registry has its signatures there. Those that counted once are kept beside the component, so that a
//! pod that names a digest can be started while the registry is away. A file has one beside it, `FILE.sig`, of its bytes,
//! which goes with it when it is imported.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    Digest, Origin, PrivateKey, PublicKeys, Reference, Registry, Resolved, Resolver, SignatureError, Store, StoreError,
    Verified,
    file::{self, Links},
    registry,
    signature::{self, MAX_SIGNATURE, Signature, Subject},
};

/// The largest file with a signature: it in base64, and line ends.
const MAX_SIGNATURE_FILE: usize = 2 * MAX_SIGNATURE;

/// What a component was found by.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A name.
    Reference(&'a Reference),
    /// A file.
    File(&'a Path),
}

/// The file beside a component that holds the signature of its bytes.
#[must_use]
pub fn signature_file(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// Signs a component in a file: writes its signature beside it, in place of one that is there, and gives that file.
/// Blocks.
///
/// # Errors
///
/// [`SignatureError::Store`] if one of the files cannot be read or written, or is no component;
/// [`SignatureError::Key`].
pub fn sign_file(component: &Path, key: &PrivateKey) -> Result<PathBuf, SignatureError> {
    let bytes = Store::read_file(component)?;
    let signature = Signature::of_content(&bytes, key)?;
    let path = signature_file(component);
    file::write_beside(&path, signature.to_text().as_bytes())?;
    Ok(path)
}

/// Whether these bytes of a file are signed by one of the keys. Blocks.
///
/// # Errors
///
/// [`SignatureError::Unsigned`] or [`SignatureError::Rejected`]; [`SignatureError::Store`] if the file with the signature
/// cannot be read.
pub fn verify_file(component: &Path, bytes: &[u8], keys: &PublicKeys) -> Result<Verified, SignatureError> {
    let found: Vec<Signature> = read_signature(component)?.into_iter().collect();
    let shown = component.display();
    judge(&found, Subject::Content(bytes), keys).map_err(|reasons| {
        Failure {
            component: format!("the component {shown} ({})", Digest::of(bytes)),
            place: signature_file(component).display().to_string(),
            way_out: format!("sign it with `probelet plugin sign {shown} --key FILE`"),
        }
        .error(reasons, keys)
    })
}

/// The signature beside a file, if there is one.
pub(crate) fn read_signature(component: &Path) -> Result<Option<Signature>, StoreError> {
    let path = signature_file(component);
    let invalid = |reason: &str| {
        let source = io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        StoreError::File {
            path: path.clone(),
            source,
        }
    };
    let bytes = match file::read(&path, Links::Follow, MAX_SIGNATURE_FILE) {
        Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => {
            read?.ok_or_else(|| invalid("it is too large to be a signature; remove it, or sign the component anew"))?
        }
    };
    let signature = Signature::from_text(&bytes)
        .ok_or_else(|| invalid("it is no signature in base64; remove it, or sign the component anew"))?;
    Ok(Some(signature))
}

impl Registry {
    /// Whether a component of the reference's repository, by the digest of its manifest, is signed there by one of the
    /// keys.
    ///
    /// # Errors
    ///
    /// As [`Resolver::verify`].
    pub async fn verify(
        &self,
        reference: &Reference,
        manifest: &Digest,
        keys: &PublicKeys,
    ) -> Result<Verified, SignatureError> {
        let found = self.find_signature(reference, manifest, keys).await?;
        Ok(found.1)
    }

    async fn find_signature(
        &self,
        reference: &Reference,
        manifest: &Digest,
        keys: &PublicKeys,
    ) -> Result<(Signature, Verified), SignatureError> {
        let mut found = self.signatures(reference, manifest).await?;
        match signature::first_good(&found, Subject::Manifest(reference, manifest), keys) {
            Ok((index, verified)) => Ok((found.swap_remove(index), verified)),
            Err(reasons) => Err(Failure {
                component: format!("component \"{reference}\" ({manifest})"),
                place: registry::signatures_of(reference, manifest).to_string(),
                way_out: format!("sign it with `probelet plugin sign {reference} --key FILE`"),
            }
            .error(reasons, keys)),
        }
    }
}

impl Resolver {
    /// Whether what was found is signed by one of the keys.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Unsigned`] or [`SignatureError::Rejected`]; else it cannot be known, since the store or the
    /// registry cannot be asked.
    pub async fn verify(
        &self,
        source: Source<'_>,
        resolved: &Resolved,
        keys: &PublicKeys,
    ) -> Result<Verified, SignatureError> {
        match (source, resolved.manifest_digest) {
            (Source::Reference(reference), Some(manifest)) => self.verify_manifest(reference, &manifest, keys).await,
            (Source::Reference(reference), None) => self.verify_imported(reference, resolved.digest, keys).await,
            (Source::File(path), _) => {
                debug_assert_eq!(resolved.origin, Origin::File);
                let (path, keys, digest) = (path.to_owned(), keys.clone(), resolved.digest);
                // The bytes that are to be run, whatever the file holds by now.
                let verified = move |store: &Store| Ok(verify_file(&path, &store.get(&digest)?, &keys));
                self.with_store(verified).await?
            }
        }
    }

    /// Whether a component of the reference's repository, by the digest of its manifest, is signed by one of the keys. The
    /// registry is asked unless a signature that counts is kept here.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn verify_manifest(
        &self,
        reference: &Reference,
        manifest: &Digest,
        keys: &PublicKeys,
    ) -> Result<Verified, SignatureError> {
        let (manifest, subject) = (*manifest, Subject::Manifest(reference, manifest));
        let kept = self.with_store(move |store| store.signatures(&manifest)).await?;
        if let Ok((_, verified)) = signature::first_good(&kept, subject, keys) {
            return Ok(verified);
        }
        let (good, verified) = self.registry().find_signature(reference, &manifest, keys).await?;
        self.with_store(move |store| store.keep_signatures(&manifest, &[good]))
            .await?;
        Ok(verified)
    }

    async fn verify_imported(
        &self,
        reference: &Reference,
        digest: Digest,
        keys: &PublicKeys,
    ) -> Result<Verified, SignatureError> {
        let read = move |store: &Store| Ok((store.signatures(&digest)?, store.get(&digest)?));
        let (found, bytes) = self.with_store(read).await?;
        judge(&found, Subject::Content(&bytes), keys).map_err(|reasons| {
            Failure {
                component: format!("component \"{reference}\" ({digest})"),
                place: "this machine's store".to_owned(),
                way_out: "sign its file with `probelet plugin sign FILE --key FILE`, and import it again".to_owned(),
            }
            .error(reasons, keys)
        })
    }
}

fn judge(found: &[Signature], subject: Subject<'_>, keys: &PublicKeys) -> Result<Verified, Vec<signature::Rejection>> {
    signature::first_good(found, subject, keys).map(|(_, verified)| verified)
}

/// What is said of a component that has no signature that counts.
struct Failure {
    component: String,
    place: String,
    way_out: String,
}

impl Failure {
    /// No reason: there is not even a signature that could be refused.
    fn error(self, reasons: Vec<signature::Rejection>, keys: &PublicKeys) -> SignatureError {
        let Self {
            component,
            place,
            way_out,
        } = self;
        let keys = keys.files().to_vec();
        if reasons.is_empty() {
            SignatureError::Unsigned {
                component,
                place,
                keys,
                way_out,
            }
        } else {
            SignatureError::Rejected {
                component,
                reasons,
                place,
                keys,
                way_out,
            }
        }
    }
}
