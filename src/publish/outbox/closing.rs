//! The end of an outbox: the file gets what it does not have yet, and nobody waits for a disk for ever without a word.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Shared;

/// What a disk is given to take the last tags, whatever else the end has taken up.
pub const LEAST_TO_CLOSE: Duration = Duration::from_millis(400);

/// A check of the file that is not over after this much of it is given up, and what the file would have got goes into
/// an annex.
const CHECK_PATIENCE: Duration = Duration::from_millis(150);

/// An outbox that is closing.
pub struct Closing {
    pub(super) shared: Arc<Shared>,
}

impl Closing {
    /// Waits until the file is closed, but no longer than this or [`LEAST_TO_CLOSE`], whichever is more. How many tags were
    /// to be kept and are not on the disk yet: once that is more than none, the log says so. Must not be called under a
    /// lock that the publisher needs.
    pub fn wait(&self, at_most: Duration) -> u64 {
        let late_told = self.shared.desk().late_told;
        if !late_told && !self.is_closed_within(CHECK_PATIENCE) {
            self.shared.check.give_up();
            self.is_closed_within(at_most.max(LEAST_TO_CLOSE) - CHECK_PATIENCE);
        }
        let mut desk = self.shared.desk();
        if desk.closed || !desk.state.disk().keeps() {
            return 0;
        }
        let tags = desk.state.unwritten().0 as u64;
        if tags > 0 && !std::mem::replace(&mut desk.late_told, true) {
            drop(desk);
            tracing::error!(
                tags,
                "the disk has not taken the newest tags yet; they are lost if the process ends before it does"
            );
        }
        tags
    }

    fn is_closed_within(&self, at_most: Duration) -> bool {
        let desk = self.shared.desk();
        let waited = self.shared.settled.wait_timeout_while(desk, at_most, |desk| !desk.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }
}
