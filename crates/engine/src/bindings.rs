//! Generated from `wit/`.

#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "host",
    imports: {
        "probelet:plugin/container-exec.exec": async | trappable,
        "probelet:plugin/container-stats.memory": async | trappable,
        "probelet:plugin/container-stats.cpu": async | trappable,
        "probelet:plugin/container-stats.processes": async | trappable,
        "probelet:plugin/container-logs.tail": async | trappable,
        "probelet:plugin/container-files.metadata": async | trappable,
        "probelet:plugin/container-files.read": async | trappable,
        "probelet:plugin/container-files.list": async | trappable,
        "probelet:plugin/container-files.space": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

/// What the built-in components import beside the contract.
pub mod builtin {
    wasmtime::component::bindgen!({
        path: "../../wit/builtin",
        world: "builtin",
        imports: { default: async | trappable },
        with: { "probelet:builtin/exchange.body": crate::network::Driven },
    });
}

/// TLS by the host.
pub mod tls {
    wasmtime::component::bindgen!({
        path: "../../wit/tls/0.1.0",
        world: "imports",
        imports: { default: async | trappable },
        with: { "probelet:tls/client.connection": crate::network::Held },
    });
}
