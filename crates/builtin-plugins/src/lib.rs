//! The built-in plugins, embedded: the components that run the handlers exec, httpGet, tcpSocket, grpc and
//! sleep.
//!
//! It holds their bytes and nothing else. They are built from `guest-probes/` by `cargo xtask build`; no binary is
//! committed.

/// A built-in component: `exec`, `http`, `tcp`, `grpc` or `sleep`.
pub fn builtin(name: &str) -> Option<&'static [u8]> {
    match name {
        "exec" => Some(include_bytes!(env!("PROBELET_GUEST_EXEC"))),
        "http" => Some(include_bytes!(env!("PROBELET_GUEST_HTTP"))),
        "tcp" => Some(include_bytes!(env!("PROBELET_GUEST_TCP"))),
        "grpc" => Some(include_bytes!(env!("PROBELET_GUEST_GRPC"))),
        "sleep" => Some(include_bytes!(env!("PROBELET_GUEST_SLEEP"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_one_is_a_component() {
        for name in ["exec", "http", "tcp", "grpc", "sleep"] {
            let bytes = builtin(name).expect("a built-in component");
            assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"), "{name}");
        }
        assert_eq!(builtin("udp"), None);
    }
}
