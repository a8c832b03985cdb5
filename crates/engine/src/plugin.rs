//! A loaded component.

use crate::{Outcome, RunRequest};

/// A component that is ready to run. A clone is the same component.
#[derive(Clone)]
pub struct Plugin {}

impl Plugin {
    /// What people know it by.
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// The digest of its bytes, `sha256:…`.
    pub fn digest(&self) -> &str {
        unimplemented!()
    }

    /// Whether it can be a probe.
    pub fn exports_probe(&self) -> bool {
        unimplemented!()
    }

    /// Whether it can be a hook.
    pub fn exports_hook(&self) -> bool {
        unimplemented!()
    }

    /// Runs it once, in a fresh instance. Dropping the future ends the run, as its deadline does.
    pub async fn run(&self, _request: RunRequest) -> Outcome {
        unimplemented!()
    }
}
