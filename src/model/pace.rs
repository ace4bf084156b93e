//! How long the runs of a session usually take, and which of them take far too long.

use std::time::Duration;

/// A run that takes so many times as long as usual is too slow, when it also takes so long: a busy processor delays short
/// runs by many times.
const TOO_SLOW: (u32, Duration) = (10, Duration::from_millis(250));
/// Runs after which it is known what is usual. The first compiles, and does not count.
const LEARNS: u32 = 8;
/// Of what a run differs from the usual, one part in so many changes the usual.
const SMOOTH: u32 = 16;

/// The usual time of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    usual: Duration,
    runs: u32,
}

impl Pace {
    /// Notes how long a run took. The usual time, when this one was too slow; it does not change what is usual then.
    pub(super) fn note(&mut self, took: Duration) -> Option<Duration> {
        let Pace { usual, runs } = *self;
        let (times, least) = TOO_SLOW;
        if runs > LEARNS && took >= (usual * times).max(least) {
            return Some(usual);
        }
        self.runs = runs.saturating_add(1);
        let part = runs.clamp(1, SMOOTH);
        self.usual = match runs {
            0 => Duration::ZERO,
            _ if took > usual => usual + (took - usual) / part,
            _ => usual - (usual - took) / part,
        };
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_ms(ms: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        for ms in ms {
            assert_eq!(pace.note(Duration::from_millis(ms)), None, "{pace:?}");
        }
        pace
    }

    fn is_too_slow(mut pace: Pace, ms: u64) -> bool {
        pace.note(Duration::from_millis(ms)).is_some()
    }

    #[test]
    fn ten_times_the_usual_time_is_too_slow_when_it_is_long() {
        let usual = || after_ms([40; 20]);
        assert!(!is_too_slow(usual(), 390) && is_too_slow(usual(), 410));
        let short = || after_ms([2; 20]);
        assert!(!is_too_slow(short(), 200), "a busy processor");
        assert!(is_too_slow(short(), 260));
    }

    #[test]
    fn nothing_is_too_slow_before_it_is_known_what_is_usual() {
        assert!(!is_too_slow(after_ms([]), 60_000), "it compiles");
        assert!(!is_too_slow(after_ms([5000, 40, 40]), 4000));
    }

    #[test]
    fn what_is_usual_follows_slowly_and_forgets_the_first_run() {
        let first = after_ms([9000].into_iter().chain([30; 10]));
        assert_eq!(first.usual, Duration::from_millis(30));
        let slower = after_ms([30; 20].into_iter().chain([200; 100]));
        assert!(slower.usual > Duration::from_millis(190), "{slower:?}");
        assert!(!is_too_slow(slower, 1500));
    }
}
