//! What the publisher, its handles and its thread have in common: what is pending, and what the thread is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::link::Incoming;
use super::pending::Pending;
use crate::telemetry::Pulse;

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
    /// Rung when something is pending. One ring is remembered, so it is bounded and none is missed.
    pub(super) wake: Arc<Notify>,
    /// That of the thread.
    pub(super) pulse: Arc<Pulse>,
}

impl Shared {
    pub(super) fn new(pending: Pending, wake: Arc<Notify>) -> Self {
        Shared { pending: Mutex::new(pending), wake, pulse: Arc::new(Pulse::new("publish")) }
    }

    /// What is pending. Every change of it is complete in itself, so a panic elsewhere leaves it sound.
    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message has come for this node. Called by the thread that publishes, so it must not take long.
    pub(super) fn received(&self, incoming: &Incoming) {
        self.pending().received(incoming);
    }

    /// Makes everything offline.
    pub(super) fn part(&self) {
        self.pending().part();
    }
}
