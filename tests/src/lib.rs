//! The harness of the end-to-end suites: it starts agents and drives them by the command line, as a user does.
//!
//! It keeps three rules. Nothing is read that a user could not read: no file of the agent's, no crate of the
//! workspace. Nothing sleeps: every wait is for something on a stream, with a deadline that fails with what was seen
//! until then. Everything is cleaned up when its guard is dropped, after a panic too.
//!
//! It does not build what it tests: `cargo xtask test` does, and names the folder with the binaries in
//! `PROBELET_BIN_DIR` and the images, like a `PATH`, in `PROBELET_IMAGES`.

pub mod agent;
pub mod census;
pub mod finished;
pub mod namespace;
pub mod pod;
pub mod stream;
pub mod tls;
