//! Generated from `wit/`.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]

pub mod probe {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "probe-plugin",
        pub_export_macro: true,
        export_macro_name: "export_probe",
        default_bindings_module: "probelet_plugin::bindings::probe",
        additional_derives: [PartialEq],
    });
}

pub mod hook {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "hook-plugin",
        pub_export_macro: true,
        export_macro_name: "export_hook",
        default_bindings_module: "probelet_plugin::bindings::hook",
        with: {
            "probelet:plugin/context@0.1.0": super::probe::probelet::plugin::context,
            "probelet:plugin/state@0.1.0": super::probe::probelet::plugin::state,
            "probelet:plugin/container-exec@0.1.0": super::probe::probelet::plugin::container_exec,
            "probelet:plugin/container-stats@0.1.0": super::probe::probelet::plugin::container_stats,
            "probelet:plugin/container-logs@0.1.0": super::probe::probelet::plugin::container_logs,
            "probelet:plugin/container-files@0.1.0": super::probe::probelet::plugin::container_files,
        },
    });
}

pub mod describe {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "described-plugin",
        pub_export_macro: true,
        export_macro_name: "export_description",
        default_bindings_module: "probelet_plugin::bindings::describe",
    });
}

#[cfg(feature = "async")]
pub mod async_probe {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "async-probe-plugin",
        pub_export_macro: true,
        export_macro_name: "export_async_probe",
        default_bindings_module: "probelet_plugin::bindings::async_probe",
        with: {
            "probelet:plugin/types@0.1.0": super::probe::probelet::plugin::types,
            "probelet:plugin/context@0.1.0": super::probe::probelet::plugin::context,
            "probelet:plugin/state@0.1.0": super::probe::probelet::plugin::state,
            "probelet:plugin/container-exec@0.1.0": super::probe::probelet::plugin::container_exec,
            "probelet:plugin/container-stats@0.1.0": super::probe::probelet::plugin::container_stats,
            "probelet:plugin/container-logs@0.1.0": super::probe::probelet::plugin::container_logs,
            "probelet:plugin/container-files@0.1.0": super::probe::probelet::plugin::container_files,
        },
    });
}

#[cfg(feature = "async")]
pub mod async_hook {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "async-hook-plugin",
        pub_export_macro: true,
        export_macro_name: "export_async_hook",
        default_bindings_module: "probelet_plugin::bindings::async_hook",
        with: {
            "probelet:plugin/context@0.1.0": super::probe::probelet::plugin::context,
            "probelet:plugin/state@0.1.0": super::probe::probelet::plugin::state,
            "probelet:plugin/container-exec@0.1.0": super::probe::probelet::plugin::container_exec,
            "probelet:plugin/container-stats@0.1.0": super::probe::probelet::plugin::container_stats,
            "probelet:plugin/container-logs@0.1.0": super::probe::probelet::plugin::container_logs,
            "probelet:plugin/container-files@0.1.0": super::probe::probelet::plugin::container_files,
        },
    });
}

#[cfg(feature = "builtin")]
pub mod builtin {
    wit_bindgen::generate!({
        path: "../../wit/builtin",
        world: "builtin",
    });
}

pub mod tls {
    wit_bindgen::generate!({
        path: "../../wit/tls/0.1.0",
        world: "imports",
        additional_derives: [PartialEq],
    });
}
