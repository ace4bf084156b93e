//! How long a camera that shows the same picture over and over is borne before it is connected anew.
//!
//! Pure. That helps some cameras, and others hang until somebody comes, or look at a covered lens: those are left alone for
//! longer and longer.

use std::time::{Duration, Instant};

/// It is connected anew after this, and then after twice as long each time.
const PATIENCE: Duration = Duration::from_secs(60);
/// But never after more than this.
const MOST_PATIENCE: Duration = Duration::from_secs(600);

/// Whether a camera is frozen, and how long it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Freeze {
    since: Option<Instant>,
    patience: Duration,
    /// A connection that has shown for so long what moves is not one of a frozen camera.
    cured_after: Duration,
}

impl Freeze {
    /// Of a camera that is told as frozen after `told_after`.
    pub(super) fn new(told_after: Option<Duration>) -> Self {
        let cured_after = PATIENCE.max(2 * told_after.unwrap_or_default());
        Freeze { since: None, patience: PATIENCE, cured_after }
    }

    /// A new connection begins, or what comes next is to be looked at anew.
    pub(super) fn begin(&mut self) {
        self.since = None;
    }

    /// It shows the same picture; whether that is news.
    pub(super) fn same(&mut self, now: Instant) -> bool {
        let news = self.since.is_none();
        self.since.get_or_insert(now);
        news
    }

    /// It shows another one, on a connection that has given frames for `played`.
    pub(super) fn moves(&mut self, played: Duration) {
        // It has thawed, or connecting anew was the cure and has lasted.
        if self.since.take().is_some() || played >= self.cured_after {
            self.patience = PATIENCE;
        }
    }

    /// For how long it has been frozen, when that is too long; the next time it may be for twice as long.
    pub(super) fn exhausts(&mut self, now: Instant) -> Option<Duration> {
        let frozen = now - self.since?;
        if frozen < self.patience {
            return None;
        }
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
        Some(frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// For how many seconds a camera may be frozen on the next connection.
    fn borne(freeze: &mut Freeze) -> u64 {
        let begun = Instant::now();
        freeze.begin();
        assert!(freeze.same(begun));
        assert!(!freeze.same(begun + SECOND), "it is told once");
        let seconds = (1..10_000).find(|seconds| freeze.exhausts(begun + *seconds * SECOND).is_some());
        u64::from(seconds.unwrap())
    }

    #[test]
    fn a_camera_that_stays_frozen_is_connected_anew_more_and_more_rarely() {
        let mut freeze = Freeze::new(Some(30 * SECOND));
        let waits: Vec<u64> = (0..6).map(|_| borne(&mut freeze)).collect();
        assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn one_that_thaws_is_believed_at_once_and_one_that_connecting_has_cured_after_a_while() {
        let mut freeze = Freeze::new(Some(30 * SECOND));
        assert_eq!((borne(&mut freeze), borne(&mut freeze)), (60, 120));
        freeze.moves(SECOND);
        assert_eq!((borne(&mut freeze), borne(&mut freeze)), (60, 120), "it thawed on the same connection");
        freeze.begin();
        freeze.moves(59 * SECOND);
        assert_eq!(borne(&mut freeze), 240, "it has not been well for long");
        freeze.begin();
        freeze.moves(60 * SECOND);
        assert_eq!(borne(&mut freeze), 60);
    }

    #[test]
    fn what_is_told_late_is_also_cured_late() {
        let mut freeze = Freeze::new(Some(100 * SECOND));
        borne(&mut freeze);
        freeze.begin();
        freeze.moves(199 * SECOND);
        assert_eq!(borne(&mut freeze), 120);
        freeze.begin();
        freeze.moves(200 * SECOND);
        assert_eq!(borne(&mut freeze), 60);
    }
}
