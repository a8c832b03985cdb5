//! Generated from `wit/`.

#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "host",
    imports: {
        "probelet:plugin/container-exec.exec": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});
