//! The built-in plugins, embedded: the components that run the handlers exec, httpGet, tcpSocket, grpc and sleep, and
//! the library of checks and hooks that `docs/checks` tells of.
//!
//! It holds their bytes and nothing else. They are built from `guest-probes/` by `cargo xtask build`; no binary is
//! committed.

/// All of them by name, made by the build script.
const COMPONENTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// A built-in component by its name, such as `exec` or `redis`.
pub fn builtin(name: &str) -> Option<&'static [u8]> {
    let found = COMPONENTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, bytes)| *bytes)
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    COMPONENTS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are in every binary, so that a check is there without a registry. A larger one belongs into a registry.
    const MAX_SIZE: usize = 768 << 10;

    #[test]
    fn each_one_is_a_small_component() {
        assert!(
            ["exec", "http", "tcp", "grpc", "sleep", "redis"]
                .iter()
                .all(|name| builtin(name).is_some())
        );
        for name in names() {
            let bytes = builtin(name).expect("a built-in component");
            assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"), "{name}");
            assert!(bytes.len() < MAX_SIZE, "{name} has {} bytes", bytes.len());
        }
        assert_eq!(builtin("udp"), None);
    }
}
