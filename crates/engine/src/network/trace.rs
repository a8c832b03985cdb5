//! Knowing when nothing of a run's network is left: whatever can hold one of its sockets holds a trace.

use std::convert::Infallible;

use tokio::sync::mpsc;

/// Held by everything that may hold a socket.
#[derive(Clone)]
pub(crate) struct Trace(#[expect(dead_code, reason = "only its end matters")] mpsc::Sender<Infallible>);

/// Waits for the end of all traces.
pub(crate) struct Residue(mpsc::Receiver<Infallible>);

impl Trace {
    pub(crate) fn new() -> (Self, Residue) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Residue(receiver))
    }
}

impl Residue {
    /// Returns when everything has been dropped. That takes a moment, since tasks end when the runtime gets to them.
    pub(crate) async fn gone(mut self) {
        self.0.recv().await;
    }
}
