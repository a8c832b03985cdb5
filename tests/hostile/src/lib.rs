//! Components that mean harm, built from the sources in this folder, and how each must end.
//!
//! The engine's suite and the end-to-end suite run the same cases. Most are WebAssembly text, one file for each family of
//! attacks: in `components/`, where the lines above a component are its row of the table ([`Case`]). What text is too
//! painful for is done by the Rust components `guest-probes/tests/hostile` and, with WASI 0.3, `guest-probes/tests/concurrent`,
//! which their configuration tells what to do. Files
//! that no text can say, such as cut and huge ones, are made by `made.rs`.
//!
//! It knows nothing of the engine: limits and grants are those of a manifest.

mod case;
mod compose;
mod made;
mod servers;

pub use case::{Case, End, Ending, Source};
pub use servers::Servers;

use std::path::Path;

/// The files of cases: what they attack, and their text.
const FAMILIES: [(&str, &str); 13] = [
    ("loops", include_str!("../components/loops.wat")),
    ("memory", include_str!("../components/memory.wat")),
    ("tables", include_str!("../components/tables.wat")),
    ("recursion", include_str!("../components/recursion.wat")),
    ("abi", include_str!("../components/abi.wat")),
    ("handles", include_str!("../components/handles.wat")),
    ("contract", include_str!("../components/contract.wat")),
    ("describe", include_str!("../components/describe.wat")),
    ("concurrent", include_str!("../components/concurrent.wat")),
    ("sockets", include_str!("../components/sockets.txt")),
    ("floods", include_str!("../components/floods.txt")),
    ("waits", include_str!("../components/waits.txt")),
    ("grants", include_str!("../components/grants.txt")),
];

/// All cases. `guests` is the folder with the built guests, `target/guests`.
///
/// # Panics
///
/// If a case's text is not as it should be: this is test data, and the message says where.
pub fn cases(guests: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = FAMILIES
        .into_iter()
        .flat_map(|(family, text)| case::parse(family, text, guests))
        .collect();
    cases.extend(made::cases());
    cases
}
