//! Runs that compute for long take turns, so that those that mostly wait find a free processor.
//!
//! A guest yields at each tick, and the runtime puts it behind whatever else is ready. With eight guests that compute
//! without end on two processors, a run that waits for a server some fifteen times would wait for four of them each
//! time. So a run that has used up what runs usually take gets on only with a permit, and there are fewer permits than
//! processors.

use std::{
    num::NonZero,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a run may compute before it takes turns: a hundred times what a built-in check does, and one tick of an idle
/// machine.
const FREE: Duration = Duration::from_millis(10);
/// What a run may compute for ever: a twentieth of a processor. One that was heavy once and then waits is not slowed.
const FREE_SHARE: u32 = 20;

/// The turns of one engine. A clone is the same one's.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// Half of the processors are for those that compute for long.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }

    /// Gets on with a run's future, in turns with others once it has computed for long.
    pub(crate) async fn take<T>(&self, run: impl Future<Output = T>) -> T {
        TakingTurns {
            turns: Arc::clone(&self.0),
            run: std::pin::pin!(run),
            began: Instant::now(),
            computed: Duration::ZERO,
            waiting: None,
        }
        .await
    }
}

type Turn = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// Measures the time inside the polls: guests compute nowhere else, and some of what they do takes no fuel.
struct TakingTurns<'a, F> {
    turns: Arc<Semaphore>,
    run: Pin<&'a mut F>,
    began: Instant,
    computed: Duration,
    waiting: Option<Turn>,
}

impl<F: Future> Future for TakingTurns<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _turn = if is_heavy(self.computed, self.began.elapsed()) {
            let turns = Arc::clone(&self.turns);
            let mut waiting = match self.waiting.take() {
                Some(waiting) => waiting,
                None => Box::pin(async move { turns.acquire_owned().await.ok() }),
            };
            let turn = waiting.as_mut().poll(context);
            if turn.is_pending() {
                self.waiting = Some(waiting);
            }
            ready!(turn)
        } else {
            None
        };
        let begin = Instant::now();
        let polled = self.run.as_mut().poll(context);
        self.computed += begin.elapsed();
        polled
    }
}

/// Whether a run has computed more than runs usually do in the time since it began.
fn is_heavy(computed: Duration, since: Duration) -> bool {
    computed > FREE + since / FREE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_may_compute_grows_with_its_time() {
        let milliseconds = Duration::from_millis;
        assert!(!is_heavy(milliseconds(10), milliseconds(10)));
        assert!(is_heavy(milliseconds(20), milliseconds(20)));
        assert!(is_heavy(milliseconds(200), milliseconds(200)));
        assert!(!is_heavy(milliseconds(200), milliseconds(4000)));
    }

    /// A future that is polled once for each of some steps, computes in each of them, and tells of them.
    async fn compute(name: char, steps: u32, each: Duration, told: &std::cell::RefCell<String>) {
        for _ in 0..steps {
            let begin = Instant::now();
            while begin.elapsed() < each {
                std::hint::spin_loop();
            }
            told.borrow_mut().push(name);
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn heavy_runs_alternate_and_light_ones_do_not_wait_for_them() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let held = Arc::clone(&turns.0).acquire_owned().await.expect("a permit");
        let told = std::cell::RefCell::default();
        let heavy = turns.take(compute('h', 2, FREE * 2, &told));
        let light = turns.take(compute('l', 5, Duration::ZERO, &told));
        let free = async {
            // All five steps of the light one are over by then, and one of the heavy one.
            while told.borrow().len() < 6 {
                tokio::task::yield_now().await;
            }
            drop(held);
        };
        tokio::join!(heavy, light, free);
        assert_eq!(told.into_inner(), "hlllllh");
    }
}
