//! The engine's clock: advances wasmtime's epoch while a run is under way, so that a computing guest lets others in
//! and its deadline can take effect.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::Engine;

/// How long a guest computes before it yields, and so how late its deadline may be noticed.
const TICK: Duration = Duration::from_millis(10);

/// A thread of its own and not a task: when guests occupy all of the runtime's threads, a task would never run.
///
/// It ends when this is dropped.
pub(crate) struct Ticker(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    runs: usize,
    /// Whether the thread waits for a run. Waking it up costs a system call, and most runs begin within a tick of the
    /// one before.
    is_waiting: bool,
    is_closed: bool,
}

/// Keeps the ticker ticking.
pub(crate) struct Ticking(Arc<Shared>);

impl Ticker {
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("engine-ticker".to_owned()).spawn(move || {
            while of_thread.wait_for_runs() {
                thread::sleep(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self(shared))
    }

    pub(crate) fn tick(&self) -> Ticking {
        let mut state = self.0.lock();
        state.runs += 1;
        if std::mem::take(&mut state.is_waiting) {
            self.0.changed.notify_one();
        }
        drop(state);
        Ticking(Arc::clone(&self.0))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when there is a run (true) or when the ticker is closed (false): an idle engine wakes nobody up.
    fn wait_for_runs(&self) -> bool {
        let is_idle = |state: &mut State| {
            state.is_waiting = state.runs == 0 && !state.is_closed;
            state.is_waiting
        };
        let state = self
            .changed
            .wait_while(self.lock(), is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        !state.is_closed
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.lock().runs -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_one();
    }
}
