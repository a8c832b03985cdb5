//! Keys in PEM files: public ones to check signatures with, and private ones to sign with.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    SignatureScheme,
    crypto::ring::sign::{any_ecdsa_type, any_eddsa_type},
    pki_types::{PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, pem::PemObject},
    sign::SigningKey,
};
use webpki::RawPublicKeyEntity;

use crate::{
    KeyError, StoreError,
    file::{self, Links},
};

/// The largest file of keys. A key has some hundred bytes; files of a whole company's are a few dozen.
const MAX_KEY_FILE: usize = 64 << 10;

/// The most public keys. Each signature is tried with each of them.
pub const MAX_PUBLIC_KEYS: usize = 64;

/// The ways of signing that are understood: what `openssl` and cosign make by default, and the newer one.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 2] = [webpki::ring::ECDSA_P256_SHA256, webpki::ring::ED25519];

/// Public keys, each with the file it came from. A clone costs nothing.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys {
    keys: Arc<[PublicKey]>,
    files: Arc<[PathBuf]>,
}

struct PublicKey {
    file: PathBuf,
    key: SubjectPublicKeyInfoDer<'static>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PublicKey")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl PublicKeys {
    /// Reads files in PEM, each with one key or more (`-----BEGIN PUBLIC KEY-----`), ECDSA on P-256 or Ed25519. Blocks.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the file: it cannot be read, holds no public key, or one of another kind, or there are more
    /// than [`MAX_PUBLIC_KEYS`].
    pub fn read(files: &[PathBuf]) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for file in files {
            let bytes = read(file)?;
            let before = keys.len();
            for key in SubjectPublicKeyInfoDer::pem_slice_iter(&bytes) {
                let key = key.map_err(|error| unusable(file, format!("it is no PEM: {error}")))?;
                if keys.len() == MAX_PUBLIC_KEYS {
                    return Err(unusable(
                        file,
                        format!("with it there are more than {MAX_PUBLIC_KEYS} public keys"),
                    ));
                }
                let algorithm = algorithm(&key).ok_or_else(|| {
                    unusable(
                        file,
                        "it has a key that is neither ECDSA on P-256 nor Ed25519; make one of these with `openssl \
                         genpkey -algorithm ed25519`"
                            .to_owned(),
                    )
                })?;
                keys.push(PublicKey {
                    file: file.clone(),
                    key: key.into_owned(),
                    algorithm,
                });
            }
            if keys.len() == before {
                let hint = if contains(&bytes, "PRIVATE KEY") {
                    "it has a private key, which belongs to who signs; give its public part, as `openssl pkey -pubout` \
                     prints it"
                } else {
                    "it has no block `-----BEGIN PUBLIC KEY-----`"
                };
                return Err(unusable(file, hint.to_owned()));
            }
        }
        Ok(Self {
            keys: keys.into(),
            files: files.into(),
        })
    }

    /// The files they came from, as they were given.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The file of the key that has made this signature of these bytes, if one of them has.
    pub(crate) fn signer(&self, signed: &[u8], signature: &[u8]) -> Option<&Path> {
        let signer = self.keys.iter().find(|key| key.has_made(signed, signature));
        signer.map(|key| key.file.as_path())
    }
}

impl PublicKey {
    fn has_made(&self, signed: &[u8], signature: &[u8]) -> bool {
        RawPublicKeyEntity::try_from(&self.key)
            .and_then(|key| key.verify_signature(self.algorithm, signed, signature))
            .is_ok()
    }
}

/// The algorithm that a key is for.
fn algorithm(key: &SubjectPublicKeyInfoDer<'_>) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    let key = RawPublicKeyEntity::try_from(key).ok()?;
    let is_for = |algorithm: &&&'static dyn SignatureVerificationAlgorithm| {
        // Nothing is no signature of anything; of interest is what else is wrong.
        let error = key.verify_signature(**algorithm, b"", b"").err();
        error == Some(webpki::Error::InvalidSignatureForPublicKey)
    };
    ALGORITHMS.iter().find(is_for).copied()
}

/// A private key. Nothing shows what it is.
#[derive(Debug)]
pub struct PrivateKey {
    file: PathBuf,
    key: Arc<dyn SigningKey>,
}

impl PrivateKey {
    /// Reads a file in PEM with a key that no password protects: ECDSA on P-256 or Ed25519, as `openssl genpkey` makes
    /// them. Blocks.
    ///
    /// # Errors
    ///
    /// [`KeyError`]: the file cannot be read, or holds no such key.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let bytes = read(file)?;
        let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) else {
            let hint = if contains(&bytes, "ENCRYPTED") {
                "its key is protected by a password, which cannot be asked for here; give one without, as `openssl pkey` \
                 prints it, or sign with cosign"
            } else {
                "it has no block `-----BEGIN PRIVATE KEY-----`; make one with `openssl genpkey -algorithm ed25519`"
            };
            return Err(unusable(file, hint.to_owned()));
        };
        let found = any_ecdsa_type(&key).or_else(|error| match &key {
            PrivateKeyDer::Pkcs8(key) => any_eddsa_type(key),
            _ => Err(error),
        });
        let usable = found.ok().filter(|key| key.choose_scheme(&SCHEMES).is_some());
        let key = usable.ok_or_else(|| {
            unusable(
                file,
                "its key is neither ECDSA on P-256 nor Ed25519; make one with `openssl genpkey -algorithm ed25519`"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            file: file.to_owned(),
            key,
        })
    }

    /// The signature of these bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if this machine gives no random numbers.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signer = self.key.choose_scheme(&SCHEMES);
        let signed = signer.map(|signer| signer.sign(bytes));
        signed
            .and_then(Result::ok)
            .ok_or_else(|| unusable(&self.file, "it cannot sign".to_owned()))
    }

    /// Its public part, to see whether it has signed something already.
    pub(crate) fn public(&self) -> PublicKeys {
        let key = self.key.public_key().map(SubjectPublicKeyInfoDer::into_owned);
        let known = key.and_then(|key| algorithm(&key).map(|algorithm| (key, algorithm)));
        let keys = known.into_iter().map(|(key, algorithm)| PublicKey {
            file: self.file.clone(),
            key,
            algorithm,
        });
        PublicKeys {
            keys: keys.collect(),
            files: [self.file.clone()].into(),
        }
    }
}

/// What rustls calls the two algorithms.
const SCHEMES: [SignatureScheme; 2] = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let bytes = file::read(path, Links::Follow, MAX_KEY_FILE).map_err(|error| match error {
        StoreError::File { source, .. } => unusable(path, source.to_string()),
        other => unusable(path, other.to_string()),
    })?;
    bytes.ok_or_else(|| unusable(path, format!("it is larger than {MAX_KEY_FILE} bytes")))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn unusable(file: &Path, reason: String) -> KeyError {
    KeyError {
        file: file.to_owned(),
        reason,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};

    use super::*;

    fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A new key of this name, its two halves in files of their own.
    pub(in crate::signature) fn pair(
        folder: &Path,
        name: &str,
        algorithm: &'static SignatureAlgorithm,
    ) -> (PathBuf, PathBuf) {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let private = written(folder, name, &pair.serialize_pem());
        (private, written(folder, &format!("{name}.pub"), &pair.public_key_pem()))
    }

    #[test]
    fn what_one_half_of_a_key_signs_the_other_half_knows() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (name, algorithm) in [("p256", &PKCS_ECDSA_P256_SHA256), ("ed25519", &PKCS_ED25519)] {
            let (private, public) = pair(folder.path(), name, algorithm);
            files.push(public);
            let private = PrivateKey::read(&private).unwrap();
            let signature = private.sign(b"that").unwrap();
            let keys = PublicKeys::read(&files).unwrap();
            assert_eq!(keys.signer(b"that", &signature), files.last().map(PathBuf::as_path));
            assert_eq!(keys.signer(b"this", &signature), None);
            assert_eq!(keys.signer(b"that", &signature[1..]), None);
            assert_eq!(PublicKeys::default().signer(b"that", &signature), None);
            assert!(private.public().signer(b"that", &signature).is_some());
        }
        // Two keys in one file.
        let both = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
        let both = written(folder.path(), "both.pub", &both.collect::<String>());
        assert_eq!(PublicKeys::read(&[both]).unwrap().keys.len(), 2);
    }

    #[test]
    fn files_without_a_usable_key_say_what_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| written(folder.path(), name, text);
        let large = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let small = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        for (path, hint) in [
            (folder.path().join("absent"), "No such file"),
            (folder.path().to_owned(), "no regular file"),
            (file("text", "hello"), "BEGIN PUBLIC KEY"),
            (file("private", &small.serialize_pem()), "-pubout"),
            (file("p384", &large.public_key_pem()), "neither ECDSA on P-256"),
            (file("huge", &"-".repeat(MAX_KEY_FILE + 1)), "larger"),
            (
                file("bad", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
                "neither",
            ),
        ] {
            let error = PublicKeys::read(std::slice::from_ref(&path)).unwrap_err().to_string();
            assert!(
                error.contains(hint) && error.contains(path.to_str().unwrap()),
                "{error}"
            );
        }
        let locked =
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
        for (path, hint) in [
            (file("locked", locked), "password"),
            (file("none", "hello"), "BEGIN PRIVATE KEY"),
            (file("large", &large.serialize_pem()), "neither ECDSA on P-256"),
        ] {
            let error = PrivateKey::read(&path).unwrap_err().to_string();
            assert!(
                error.contains(hint) && error.contains(path.to_str().unwrap()),
                "{error}"
            );
        }
        let many = small.public_key_pem().repeat(MAX_PUBLIC_KEYS + 1);
        let error = PublicKeys::read(&[file("many", &many)]).unwrap_err();
        assert!(error.to_string().contains("more than 64"), "{error}");
    }
}
