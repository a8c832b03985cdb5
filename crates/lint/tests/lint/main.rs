//! The rules, by examples, by their edges and by pods that nobody wrote.
#![allow(clippy::unwrap_used)]

mod documentation;
mod edges;
mod fixes;
mod ignore;
mod rules;
mod support;
