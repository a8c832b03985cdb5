//! The life of a pod as a pure state machine: probes, hooks, restarts, back-off, grace periods, status.
//!
//! ```text
//! State + Now + Event ──step──▶ State + Actions
//! ```
//!
//! Invariants:
//! - [`step`] is pure: it asks for no time and does no input or output. The same events at the same times give the same
//!   state and the same actions, so a night can be simulated and a failure replayed.
//! - An instance of a container begins only after the one before it has ended, and every start is followed by one end.
//! - A request is answered once; a reply to one that is not outstanding (any more) changes nothing.
//! - The status is derived from the state alone, and a change is published before the actions that follow from it.
//! - The state can be stored between any two steps, and goes on from there. It does not grow with the pod's age.
//!
//! It knows the numbers of probes and hooks and never their handlers: what a check does is nothing to it. It does not
//! count events, keep histories or know addresses.
//!
//! Points such as A3.15 or B2.6 are those of the Kubernetes reference that the project follows
//! (`docs/deviations.md` lists where it does not).

pub mod action;
mod back_off;
mod conditions;
pub mod config;
mod container;
mod derive;
mod end;
pub mod event;
mod hooks;
mod image;
pub mod journal;
mod machine;
mod messages;
mod order;
mod probe;
mod probing;
mod restart_all;
mod sandbox;
mod spread;
mod start;
mod state;
pub mod status;
mod stop;
pub mod time;

pub use conditions::{MAX_OTHER_CONDITIONS, OWN_CONDITIONS};
pub use machine::step;
pub use probe::ProbeResult;
pub use state::{State, UnknownVersion};
