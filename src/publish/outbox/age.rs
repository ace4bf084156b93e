//! The outbox's own clock, by which entries grow old: whole seconds since the file was made.
//!
//! While the process runs, it goes by the monotonic clock, so setting the time of day ages nothing. Over a restart it
//! goes by the time of day, because nothing else lasts; but a wrong time of day cannot be told from a long absence.
//! Hence an absence counts at most half of what an entry may age: one restart with a wrong clock costs no entry the
//! whole of its life, and a clock that went back counts nothing. The bound on bytes holds all the same.

use std::time::{Duration, Instant};

use crate::clock::Timestamp;

/// What the file keeps of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    /// What it showed.
    pub(super) seconds: u64,
    /// The time of day at that moment.
    pub(super) wall: Timestamp,
}

/// The running clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    base: Duration,
    started: Instant,
}

impl Age {
    /// Goes on from what the file has, if it has something.
    pub(super) fn resume(saved: Option<Saved>, wall: Timestamp, now: Instant, max_age: Duration) -> Self {
        let base = saved.map_or(Duration::ZERO, |saved| {
            Duration::from_secs(saved.seconds) + wall.since(saved.wall).min(max_age / 2)
        });
        Age { base, started: now }
    }

    /// What it shows.
    pub(super) fn seconds(&self, now: Instant) -> u64 {
        (self.base + now.saturating_duration_since(self.started)).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_counts_within_limits() {
        const DAY: u64 = 24 * 3600;
        let at = |days: u64| Timestamp::EPOCH + Duration::from_secs(days * DAY);
        let now = Instant::now();
        let max_age = Duration::from_secs(8 * DAY);
        let saved = |seconds| Some(Saved { seconds, wall: at(20_000) });
        for (what, saved, wall, expected) in [
            ("a new file", None, at(20_000), 0),
            ("an hour's absence", saved(5), at(20_000) + Duration::from_secs(3600), 3605),
            ("a clock that starts in 1970", saved(5), at(0), 5),
            ("a clock that is a century ahead", saved(5), at(56_500), 5 + 4 * DAY),
        ] {
            let age = Age::resume(saved, wall, now, max_age);
            assert_eq!(age.seconds(now), expected, "{what}");
            assert_eq!(age.seconds(now + Duration::from_secs(9)), expected + 9, "{what}");
        }
    }
}
