//! Why a run broke off, in words that name the limit it broke and where to raise it.

use wasmtime::{Trap, component::ResourceTableError};

use crate::{
    Limits,
    limiter::{Limiter, MAX_TABLE_ELEMENTS, Refusal},
    run::{MAX_HANDLES, MAX_HOSTCALL_BYTES},
    state::MAX_RESOURCES,
};

/// How wasmtime says that a guest has handed over more than it may; it has no type for us to ask for.
const TOO_MANY_BYTES: &str = "too much data";
/// How it says that a guest has too many handles.
const TOO_MANY_HANDLES: &str = "store handle limit exceeded";

/// What goes behind "the plugin" or "it".
pub(crate) fn explain(error: &wasmtime::Error, limiter: &Limiter, limits: &Limits) -> String {
    match limiter.refusal() {
        Some(Refusal::Memory) => {
            let limit = limits.memory_bytes;
            return format!("needed more than its {limit} bytes of memory (limits.memory)");
        }
        Some(Refusal::Table) => return format!("needed a table of more than {MAX_TABLE_ELEMENTS} elements"),
        None => {}
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return format!("took more handles of the host's than the {MAX_RESOURCES} that a run may hold");
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!("used up its {} units of fuel (limits.fuel)", limits.fuel),
        Some(Trap::StackOverflow) => "overflowed its stack".to_owned(),
        Some(Trap::UnreachableCodeReached) => "panicked or aborted; its log may say why".to_owned(),
        Some(trap) => format!("trapped: {trap}"),
        None => match error.root_cause().to_string() {
            text if text.contains(TOO_MANY_BYTES) => {
                format!("handed more than {MAX_HOSTCALL_BYTES} bytes to the host at once")
            }
            text if text.contains(TOO_MANY_HANDLES) => {
                format!("took more than the {MAX_HANDLES} handles that a run may hold")
            }
            text => format!("could not be run: {text}"),
        },
    }
}
