//! The machine's rules, each with the point of the reference that it comes from, in a world of virtual time.

#![allow(clippy::unwrap_used)]

mod answers;
mod back_off;
mod deadline;
mod deletion;
mod errors;
mod explore;
mod hold;
mod hooks;
mod init_containers;
mod probes;
mod properties;
mod readiness_gates;
mod recovery;
mod replies;
mod restart_rules;
mod restarts;
mod seed;
mod sidecars;
mod status;
mod truth;
mod world;
