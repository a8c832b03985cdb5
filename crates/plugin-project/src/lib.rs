//! An author's project: a folder with a check's source in one of six languages, and the way from it to a component.
//!
//! [`create()`] makes a project that builds at once. [`build()`] finds the language's compiler, says what is missing and how to
//! get it, and makes the component. What a project consists of and how it is built are pure functions (the
//! modules `template` and `plan`); [`create()`], `toolchain` and `build` carry them out.
//!
//! A project is made whole or not at all, and nothing that is there is written over. It carries the contract with it, so it
//! builds anywhere, once the compiler is there: Rust's has the SDK's source in it, and takes from the registry what that
//! depends on.
//!
//! C, Zig and Go compile to core modules. The bindings for them are generated when they are built, and a component is made
//! of what comes of it, by this crate. Rust, Python and JavaScript have tools that make components themselves.
//!
//! No component is run here, and none is checked beyond what makes it one of the contract's world.

mod build;
mod component;
mod create;
mod error;
mod language;
mod name;
mod plan;
mod project;
mod sdk;
mod template;
mod toolchain;

pub use build::{Built, MAX_TEXT, build, build_text};
pub use create::{New, create};
pub use error::Error;
pub use language::{Kind, Language};
pub use project::{Description, Project};
