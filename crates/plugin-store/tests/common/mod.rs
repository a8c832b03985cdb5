//! What the tests of this crate share.
#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod fake;

use std::{path::Path, time::Duration};

use probelet_plugin_store::{
    Digest, PrivateKey, PublicKeys, Reference, Registry, RegistryConfig, RegistryError, Resolver, Store, silent,
};
use tempfile::TempDir;

/// A client that waits for nothing before it tries again.
pub(crate) fn config() -> RegistryConfig {
    RegistryConfig {
        retry_pause: Duration::ZERO,
        ..RegistryConfig::default()
    }
}

/// Pushes a component, and gives the digest of its manifest.
pub(crate) async fn push(registry: &Registry, name: &Reference, bytes: Vec<u8>) -> Result<Digest, RegistryError> {
    let pushed = registry.push(name, bytes, None, &silent).await;
    pushed.map(|pushed| pushed.manifest_digest)
}

/// A new key, written to files of this name, and its public half.
pub(crate) fn key(folder: &Path, name: &str) -> (PrivateKey, PublicKeys) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let (private, public) = (folder.join(name), folder.join(format!("{name}.pub")));
    std::fs::write(&private, pair.serialize_pem()).unwrap();
    std::fs::write(&public, pair.public_key_pem()).unwrap();
    (
        PrivateKey::read(&private).unwrap(),
        PublicKeys::read(&[public]).unwrap(),
    )
}

/// A component of `size` bytes at least: nothing but a section with a text that makes it different from others.
pub(crate) fn component(text: &str, size: usize) -> Vec<u8> {
    let padding = vec![b'-'; size.saturating_sub(text.len())];
    let content = [&[1, b'x'], text.as_bytes(), &padding].concat();
    let mut bytes = b"\0asm\x0d\0\x01\0\0".to_vec();
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes, content].concat()
}

/// A store in a folder of its own.
pub(crate) fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("plugins")).unwrap();
    (folder, store)
}

/// A resolver with a store of its own.
pub(crate) fn resolver(config: RegistryConfig) -> (TempDir, Resolver) {
    let (folder, store) = store();
    (folder, Resolver::new(store, Registry::new(config)))
}
