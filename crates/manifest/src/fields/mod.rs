//! The one table of all fields that Kubernetes' v1 Pod has, and what becomes of each. `docs/fields.md` is made from it.

mod container;
mod handlers;
mod pod;
mod wasm;

use std::fmt::Write as _;

pub(crate) use container::{
    CAPABILITIES, CONTAINER, CONTAINER_PORT, ENV_VAR, RESOURCE_LIST, RESOURCES, RESTART_EXIT_CODES, RESTART_RULE,
    SECURITY_CONTEXT, VOLUME_MOUNT,
};
pub(crate) use handlers::{EXEC, GRPC, HTTP_GET, HTTP_HEADER, LIFECYCLE, LIFECYCLE_HANDLER, PROBE, SLEEP, TCP_SOCKET};
pub(crate) use pod::{
    EMPTY_DIR, HOST_PATH, METADATA, POD, POD_OS, POD_SECURITY_CONTEXT, POD_SPEC, READINESS_GATE, VOLUME,
};
pub(crate) use wasm::{WASM, WASM_ALLOW, WASM_LIMITS, WASM_PROBE};

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it does in Kubernetes.
    Supported,
    /// It is probelet's own: Kubernetes does not have it.
    Own,
    /// It is accepted and kept, for it is written by servers and says nothing to them.
    Set,
    /// It is accepted with a warning: the pod does the same without it, or lacks nothing that could hurt.
    Warned,
    /// It is refused: without it the pod would mean something else, or be in danger.
    Refused,
}

/// One field of an object.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// Why it is not supported, or what differs; may be empty.
    pub note: &'static str,
    /// The value, as JSON, that says only what is so anyway; for switches that is `false` unless stated.
    pub default: &'static str,
}

impl Field {
    /// Names the value that changes nothing.
    const fn but(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// One kind of object.
#[derive(Debug)]
pub struct Kind {
    /// Kubernetes' name for it.
    pub name: &'static str,
    /// Where it stands in a pod, for people.
    pub place: &'static str,
    /// All its fields.
    pub fields: &'static [Field],
}

const fn yes(name: &'static str) -> Field {
    Field {
        name,
        support: Support::Supported,
        note: "",
        default: "false",
    }
}

const fn noted(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Supported,
        note,
        default: "false",
    }
}

const fn own(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Own,
        note,
        default: "false",
    }
}

const fn set(name: &'static str) -> Field {
    Field {
        name,
        support: Support::Set,
        note: "kept as it is; servers write it",
        default: "false",
    }
}

const fn warned(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Warned,
        note,
        default: "false",
    }
}

const fn refused(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Refused,
        note,
        default: "false",
    }
}

const NO_MODULE: &str = "the container would run without this protection";
const NO_WINDOWS: &str = "containers run on Linux only";
const NO_CLAIM: &str = "there are no dynamically allocated devices";

/// The whole table.
pub(crate) static TABLE: &[&Kind] = &[
    &POD,
    &METADATA,
    &POD_SPEC,
    &READINESS_GATE,
    &POD_OS,
    &POD_SECURITY_CONTEXT,
    &CONTAINER,
    &RESTART_RULE,
    &RESTART_EXIT_CODES,
    &CONTAINER_PORT,
    &ENV_VAR,
    &RESOURCES,
    &RESOURCE_LIST,
    &VOLUME_MOUNT,
    &SECURITY_CONTEXT,
    &CAPABILITIES,
    &PROBE,
    &LIFECYCLE,
    &LIFECYCLE_HANDLER,
    &EXEC,
    &HTTP_GET,
    &HTTP_HEADER,
    &TCP_SOCKET,
    &GRPC,
    &SLEEP,
    &WASM,
    &WASM_PROBE,
    &WASM_ALLOW,
    &WASM_LIMITS,
    &VOLUME,
    &HOST_PATH,
    &EMPTY_DIR,
];

/// The table: every kind of object that a pod has and that is looked into, with all its fields.
pub fn table() -> &'static [&'static Kind] {
    TABLE
}

/// The text of `docs/fields.md`: the table, for people.
pub fn documentation() -> String {
    let mut text = "# Fields of a Pod\n\n\
        Every field of Kubernetes' v1 Pod, and what probelet makes of it. Made from the table in \
        `crates/manifest/src/fields`; a test compares them (`UPDATE_DOCS=1 cargo test -p probelet-manifest` writes \
        this file anew).\n\n\
        - **supported**: it does what it does in Kubernetes.\n\
        - **own**: probelet's own. Kubernetes does not have it; the note says what it does.\n\
        - **kept**: servers write it, and it is accepted and kept.\n\
        - **warned**: accepted with a warning, and without effect.\n\
        - **refused**: without it the pod would mean something else or be in danger, so the pod is not accepted.\n\n\
        A warned or refused field may always have the value that changes nothing: none, an empty list or text, the \
        value in the last column, or `false` for a switch where that column is empty. Any name that is not here is refused.\n"
        .to_owned();
    for kind in TABLE {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n## {} (`{}`)\n\n| field | | note | changes nothing |\n|---|---|---|---|\n",
            kind.name, kind.place
        );
        for field in kind.fields {
            let support = match field.support {
                Support::Supported => "supported",
                Support::Own => "own",
                Support::Set => "kept",
                Support::Warned => "warned",
                Support::Refused => "**refused**",
            };
            let default = if field.default == "false" {
                String::new()
            } else {
                format!("`{}`", field.default)
            };
            // A bare one would end the cell, in code too.
            let note = field.note.replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {support} | {note} | {default} |", field.name);
        }
    }
    text
}

#[cfg(test)]
mod tests;
