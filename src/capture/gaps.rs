//! Frames that a camera took and that never came, by the gaps in its own time stamps. Pure.
//!
//! For `genicam.rs`: Aravis's element skips a frame of which packets are missing without a word.

use std::collections::VecDeque;
use std::time::Duration;

/// Intervals that are looked back on.
const WINDOW: usize = 32;
/// Fewer tell nothing.
const LEAST: usize = 16;
/// One interval of so many must be about the shortest: a camera that a trigger starts has no pace of its own.
const RECURRING: usize = 8;
/// How far an interval may be from a multiple of the usual one, as a share of that.
const TOLERANCE: f64 = 0.15;
/// Longer than this nothing is counted: the camera was stopped, or its clock was set.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts frames that are missing in a stream of time stamps.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    last: Option<Duration>,
    intervals: VecDeque<Duration>,
    /// Intervals of the window, the newest ones, that were not counted yet.
    uncounted: usize,
}

impl Gaps {
    /// How many frames are missing before the one of this time stamp, and before those that were not known well enough yet.
    pub(super) fn next(&mut self, taken: Duration) -> u64 {
        let interval = self.last.replace(taken).and_then(|last| taken.checked_sub(last));
        let Some(interval) = interval.filter(|interval| !interval.is_zero() && *interval <= LONGEST) else {
            return 0;
        };
        if self.intervals.len() == WINDOW {
            self.intervals.pop_front();
        }
        self.intervals.push_back(interval);
        self.uncounted = (self.uncounted + 1).min(self.intervals.len());
        let Some(usual) = self.usual() else { return 0 };
        let uncounted = std::mem::take(&mut self.uncounted);
        self.intervals.iter().rev().take(uncounted).map(|interval| missing(*interval, usual)).sum()
    }

    /// The interval between two frames when none is missing: the shortest, when it recurs and most of the others are multiples
    /// of it.
    fn usual(&self) -> Option<Duration> {
        if self.intervals.len() < LEAST {
            return None;
        }
        let shortest = *self.intervals.iter().min()?;
        let limit = shortest.mul_f64(1.0 + TOLERANCE);
        let recurring: Vec<_> = self.intervals.iter().filter(|interval| **interval <= limit).collect();
        if recurring.len() * RECURRING < self.intervals.len() || recurring.len() < 2 {
            return None;
        }
        let usual = recurring.iter().copied().sum::<Duration>() / u32::try_from(recurring.len()).ok()?;
        let steady = self.intervals.iter().filter(|interval| multiple(**interval, usual).is_some()).count();
        (4 * steady >= 3 * self.intervals.len()).then_some(usual)
    }
}

/// How many of the usual intervals make this one; nothing when it is no multiple of it.
fn multiple(interval: Duration, usual: Duration) -> Option<u64> {
    let ratio = interval.div_duration_f64(usual);
    let nearest = ratio.round();
    (nearest >= 1.0 && (ratio - nearest).abs() <= TOLERANCE).then_some(nearest as u64)
}

/// Frames that fit into an interval beside the one that ends it.
fn missing(interval: Duration, usual: Duration) -> u64 {
    multiple(interval, usual).map_or(0, |frames| frames - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(stamps_ms: impl IntoIterator<Item = u64>) -> u64 {
        let mut gaps = Gaps::default();
        stamps_ms.into_iter().map(|ms| gaps.next(Duration::from_millis(ms))).sum()
    }

    #[test]
    fn what_is_missing_in_a_steady_stream_is_counted() {
        assert_eq!(counted((0..100).map(|n| 40 * n)), 0);
        assert_eq!(counted((0..100).filter(|n| n % 10 != 5).map(|n| 40 * n)), 10);
        // Also what was missing before the pace was known, and several in a row.
        assert_eq!(counted((0..60).filter(|n| ![1, 3, 20, 21, 22].contains(n)).map(|n| 40 * n)), 5);
        // Four of six are missing.
        assert_eq!(counted((0..90).filter(|n| n % 6 < 2).map(|n| 40 * n)), 56);
    }

    #[test]
    fn a_camera_without_a_pace_misses_nothing() {
        // Stamps of a trigger: no interval recurs.
        let mut at = 0;
        let stamps: Vec<u64> = (0..60u64)
            .map(|n| {
                at += 100 + (n * n * 7919) % 3001;
                at
            })
            .collect();
        assert_eq!(counted(stamps), 0);
        assert_eq!(counted([0; 50]), 0, "a camera that states no time");
        assert_eq!(counted([0, 40, 80]), 0, "too few to know");
    }

    #[test]
    fn a_slower_pace_and_a_clock_that_is_set_are_no_loss() {
        // By longer exposure: 40 ms become 57.
        let slower = (0..50).map(|n| 40 * n).chain((1..80).map(|n| 1960 + 57 * n));
        assert_eq!(counted(slower), 0);
        let back = (100..150).map(|n| 40 * n).chain((0..50).map(|n| 40 * n));
        assert_eq!(counted(back), 0);
        let forward = (0..50).map(|n| 40 * n).chain((0..50).map(|n| 3_600_000 + 40 * n));
        assert_eq!(counted(forward), 0);
    }
}
