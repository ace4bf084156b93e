//! The time of the next look at a subject, and the number of looks on a frame.

use std::collections::BTreeMap;
use std::time::Duration;

use super::budget::Look;
use crate::clock::Timestamp;

/// The time of the next look at a subject. A subject without any look so far comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(Option<Timestamp>);

impl Turn {
    /// Whether it is due on a frame at `at`, which may come before it by `early`. A turn that is further away than a pause
    /// is due as well: the clock was set back, or the pauses have become shorter.
    pub(super) fn is_due(self, at: Timestamp, pause: Duration, early: Duration) -> bool {
        self.0.is_none_or(|next| next.since(at) <= early || next.since(at) > pause)
    }

    /// The turn after one on a frame at `at`. Early and late ones even out, so that the pace is kept.
    pub(super) fn after(self, at: Timestamp, pause: Duration) -> Turn {
        let kept = self.0.filter(|next| at.since(*next) < pause && next.since(at) <= pause);
        Turn(Some(kept.unwrap_or(at) + pause))
    }
}

/// How many looks of each kind may still be taken.
#[derive(Debug, Default)]
pub(super) struct Turns(BTreeMap<Look, f64>);

impl Turns {
    /// The number of the `due` looks of a kind that this frame takes. Each of the `subjects` has a right to the `share` of a
    /// look per frame, so the looks spread over the frames.
    pub(super) fn take(&mut self, look: Look, due: usize, subjects: usize, share: f64) -> usize {
        let turns = self.0.entry(look).or_insert(1.0);
        *turns = (*turns + subjects as f64 * share).min(subjects.max(1) as f64);
        let taken = due.min(*turns as usize);
        *turns -= taken as f64;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often somebody is looked at in ten seconds of frames at these moments, in microseconds.
    fn looks(frames_us: impl Iterator<Item = i64>, pause_ms: u64, early_ms: u64) -> usize {
        let (pause, early) = (Duration::from_millis(pause_ms), Duration::from_millis(early_ms));
        let mut turn = Turn::default();
        let mut looks = 0;
        for at in frames_us.take_while(|at| *at < 10_000_000).map(Timestamp::from_micros) {
            if turn.is_due(at, pause, early) {
                turn = turn.after(at, pause);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn people_are_looked_at_as_often_as_asked_at_any_frame_rate() {
        // Frames per second, and looks in ten seconds when ten a second are asked for.
        for (fps, expected) in [(5, 50), (10, 100), (12, 100), (14, 100), (15, 100), (25, 100), (30, 100)] {
            let interval = 1_000_000 / fps;
            // Every third frame comes a little late.
            let jittered =
                (0..).map(|frame| frame * interval + if frame % 3 == 0 { interval / 20 } else { 0 });
            let found = looks(jittered, 100.max(1000 / fps as u64), interval as u64 / 2000);
            assert!(found.abs_diff(expected) <= 1, "{fps} fps: {found}");
        }
    }

    #[test]
    fn a_clock_set_back_and_a_pause_that_shrinks_keep_nobody_waiting() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let pause = Duration::from_secs(1);
        let turn = Turn::default().after(at(100), pause);
        assert!(turn.is_due(at(50), pause, Duration::ZERO));
        assert!(turn.after(at(50), pause).is_due(at(51), pause, Duration::ZERO));
        let long = Turn::default().after(at(100), Duration::from_secs(60));
        assert!(long.is_due(at(101), pause, Duration::ZERO));
        assert!(!turn.is_due(at(100), pause, Duration::ZERO));
    }
}
