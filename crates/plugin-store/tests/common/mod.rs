//! What the tests of this crate share.
#![allow(clippy::unwrap_used, dead_code)]

use probelet_plugin_store::{Registry, RegistryConfig, Resolver, Store};
use tempfile::TempDir;

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
