//! OCI images: importing them from archives, keeping them, and mounting them as containers' roots.
//!
//! Invariants:
//! - What is stored has been verified: every blob against its digest, every layer against its diff id.
//! - A layer is written below its own folder and nowhere else, whatever its entries are called or link to: paths are
//!   resolved by the kernel with that folder as their root.
//! - An image is there as a whole or not at all, also after a crash, and with several processes importing at once.
//! - A mounted layer never changes.
//!
//! It does not do: registries. All calls block; asynchronous callers run them beside their threads.

mod archive;
mod error;
mod layer;
mod mount;
mod reference;
mod source;
mod store;
mod user;

pub use error::ImageError;
pub use mount::unmount;
pub use reference::normalize;
pub use store::{Image, ImageConfig, ImageStore, ImportedImage};
pub use user::{User, resolve_user};
