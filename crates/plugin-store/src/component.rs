//! What can be seen of a component without compiling it.

use crate::StoreError;

/// The largest component: the engine compiles no larger one. Components of a scripting language with its whole
/// interpreter inside have 10 to 20 MB.
pub const MAX_COMPONENT_BYTES: usize = 64 << 20;

/// The first eight bytes of a component: `\0asm`, the format's version, and 1 for components, where modules have 0.
const MAGIC: &[u8] = b"\0asm";
const LAYER: std::ops::Range<usize> = 6..8;

/// Refuses what is too large or visibly no component; `what` is called so in the error.
pub(crate) fn check(what: &dyn std::fmt::Display, bytes: &[u8]) -> Result<(), StoreError> {
    let refused = |reason: &str| {
        Err(StoreError::NotComponent {
            what: what.to_string(),
            reason: reason.to_owned(),
        })
    };
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(StoreError::TooLarge {
            what: what.to_string(),
            limit: MAX_COMPONENT_BYTES,
        });
    }
    if !bytes.starts_with(MAGIC) {
        return refused("it is no WebAssembly; give the compiled `.wasm` file");
    }
    match bytes.get(LAYER) {
        Some([1, 0]) => Ok(()),
        Some([0, 0]) => refused(
            "it is a core module; build it for wasm32-wasip2, or make a component of it with `wasm-tools component new`",
        ),
        _ => refused("it is cut short, or of a WebAssembly that is not known here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_visibly_no_component_is_refused_with_a_way_out() {
        assert!(check(&"it", b"\0asm\x0d\0\x01\0").is_ok());
        for (bytes, hint) in [
            (&b""[..], "no WebAssembly"),
            (b"(component)", "compiled"),
            (b"\0asm\x01\0\0\0", "wasm-tools component new"),
            (b"\0asm\x0d", "cut short"),
        ] {
            let error = check(&"it", bytes).unwrap_err();
            assert!(matches!(&error, StoreError::NotComponent { .. }));
            assert!(error.to_string().contains(hint), "{error}");
        }
        let large = vec![0; MAX_COMPONENT_BYTES + 1];
        assert!(matches!(check(&"it", &large), Err(StoreError::TooLarge { .. })));
    }
}
