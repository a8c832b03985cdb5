//! What a guest starts and then polls, without a task of its own.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Something that a guest starts, polls and finishes.
pub(super) enum Operation<T> {
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
    Done(T),
}

impl<T> Operation<T> {
    pub(super) fn start(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }

    /// Its result if there is one by now.
    pub(super) fn poll(&mut self) -> Option<&mut T> {
        if let Self::Pending(future) = self {
            let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                return None;
            };
            *self = Self::Done(result);
        }
        match self {
            Self::Done(result) => Some(result),
            Self::Pending(_) => None,
        }
    }

    pub(super) async fn ready(&mut self) {
        if let Self::Pending(future) = self {
            *self = Self::Done(future.await);
        }
    }
}
