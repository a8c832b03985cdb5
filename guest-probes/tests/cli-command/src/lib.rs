//! The example `cli-command` of the crate `wasip2`, which nobody here has written: `../example.rs` takes it from the registry.

include!(concat!(env!("OUT_DIR"), "/example.rs"));
