//! Who is compiled when.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore, SemaphorePermit};

/// Components that are compiled at once. One that is made to take all the time that it may have leaves a place to the
/// others. More than two would only compete: each takes as many threads as there are, and much memory.
const MAX_COMPILATIONS: usize = 2;

/// Those that wait to be compiled: first come, first served, and one place for each component.
pub(crate) struct Queue {
    places: Semaphore,
    /// By the components' digests; whose turn it is holds the lock.
    turns: Mutex<HashMap<String, Weak<Turn<()>>>>,
}

/// The right to compile a component, until it is dropped.
pub(crate) struct Place<'a> {
    _place: Option<SemaphorePermit<'a>>,
    _turn: OwnedMutexGuard<()>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            places: Semaphore::new(MAX_COMPILATIONS),
            turns: Mutex::default(),
        }
    }

    /// Waits until the component with this digest may be compiled. However many want it, it takes one place, and who
    /// comes second may find it compiled.
    pub(crate) async fn enter(&self, digest: &str) -> Place<'_> {
        let turn = self.turn(digest).lock_owned().await;
        Place {
            // It is never closed.
            _place: self.places.acquire().await.ok(),
            _turn: turn,
        }
    }

    fn turn(&self, digest: &str) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // As many stay as there are loads under way.
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(digest.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_slow_component_leaves_a_place_to_others_even_if_many_want_it() {
        let queue = Queue::new();
        let slow = queue.enter("slow").now_or_never().expect("the first place");
        let mut again = Box::pin(queue.enter("slow"));
        assert!((&mut again).now_or_never().is_none(), "it is being compiled");

        let other = queue.enter("other").now_or_never().expect("the second place");
        let mut third = Box::pin(queue.enter("third"));
        assert!((&mut third).now_or_never().is_none(), "no place is free");
        drop(other);
        let third = third.now_or_never().expect("the place that became free");

        drop(slow);
        let again = again.now_or_never().expect("its turn");
        drop((third, again));
        assert!(queue.enter("fourth").now_or_never().is_some());
        assert_eq!(
            queue.turns.lock().expect("not poisoned").len(),
            1,
            "the others are forgotten"
        );
    }
}
