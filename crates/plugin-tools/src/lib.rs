//! The author's tools that need the engine but no agent: one run of a component here and now, and what it was.
//!
//! Invariants:
//! - A run has the rules of one in a pod: the handler is read as a manifest's, and what it does not grant is not there.
//! - Where there is no container, whatever asks for one is told so; nothing is made up.
//!
//! It does not do: finding components, printing, anything with an agent.

mod bench;
mod here;
mod player;
mod request;
mod requirements;
mod secure;
mod test;

pub use bench::{Bench, PERCENTILES};
pub use here::NoContainer;
pub use request::{check_of, limits_of, request};
pub use requirements::requirements;
pub use test::{run_case, seen};
