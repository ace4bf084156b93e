//! What the publisher, its handles and its thread have in common: what is pending, and what the thread is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::pending::Pending;
use crate::clock::Clock;

/// What the thread is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Go on.
    Publish,
    /// Send tags until the first moment, say goodbye until the second.
    Stop { flush_until: Instant, until: Instant },
    /// End at once without a word.
    Abandon,
}

/// What handles and the thread share.
pub(super) struct Shared {
    pending: Mutex<Pending>,
    clock: Arc<dyn Clock>,
    /// Rung when something is pending. One ring is remembered, so it is bounded and none is missed.
    pub(super) wake: Notify,
}

impl Shared {
    pub(super) fn new(pending: Pending, clock: Arc<dyn Clock>) -> Self {
        Shared { pending: Mutex::new(pending), clock, wake: Notify::new() }
    }

    /// What is pending. Every change of it is complete in itself, so a panic elsewhere leaves it sound.
    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything offline.
    pub(super) fn part(&self) {
        let now = self.clock.now();
        self.pending().part(now);
    }
}
