//! The operating system's clocks, and how far apart they are.
//!
//! Linux speeds both clocks up and slows them down alike, so they move apart only when the time of day is set, at a leap
//! second, or when the machine sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Clock, Setting, Standing, Timestamp};

/// The clocks have been set against each other when they differ by this more or less than before.
const STEP: Duration = Duration::from_millis(5);

/// The operating system's clock; every value of this type is the same one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// What the process knows of the operating system's clock.
struct Known {
    /// The steady clock's beginning, and the time of day then.
    began: (Instant, Timestamp),
    /// Microseconds that the time of day is ahead of the steady clock. It moves only when the time of day is set, so that
    /// the same moment always gets the same time of day in between.
    ahead: Mutex<Ahead>,
    unsynchronised: AtomicBool,
}

/// See [`Known::ahead`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ahead(i64);

impl Ahead {
    /// Looks at both clocks: the steady one before and after the time of day.
    fn look(&mut self, before: Timestamp, time_of_day: Timestamp, after: Timestamp) {
        let (most, least) = (time_of_day.0 - before.0, time_of_day.0 - after.0);
        let step = STEP.as_micros() as i64;
        if !(least - step..=most + step).contains(&self.0) {
            self.0 = least + (most - least) / 2;
        }
    }
}

fn time_of_day() -> Timestamp {
    #[allow(clippy::disallowed_methods, reason = "the one place that may")]
    let now = SystemTime::now();
    let micros = |since: Duration| i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp(match now.duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(error) => -micros(error.duration()),
    })
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| Known {
        began: (Instant::now(), time_of_day()),
        ahead: Mutex::default(),
        unsynchronised: AtomicBool::new(false),
    })
}

/// Notes whether the operating system's time of day is known to be right, as the daemon has found out.
pub fn note_standing(standing: Standing) {
    known().unsynchronised.store(standing == Standing::Unsynchronised, Ordering::Relaxed);
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        time_of_day()
    }

    fn steady(&self) -> Timestamp {
        let (began, time_of_day) = known().began;
        time_of_day + began.elapsed()
    }

    fn setting(&self) -> Setting {
        let known = known();
        let ahead_us = {
            let mut ahead = known.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.steady();
            let time_of_day = time_of_day();
            ahead.look(before, time_of_day, self.steady());
            ahead.0
        };
        let standing = match known.unsynchronised.load(Ordering::Relaxed) {
            true => Standing::Unsynchronised,
            false => Standing::Synchronised,
        };
        Setting { ahead_us, standing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn only_a_clock_that_was_set_is_another_setting() {
        const YEAR: i64 = 365 * 86_400_000_000;
        let mut ahead = Ahead::default();
        for (what, before, time_of_day, after, expected) in [
            ("both go on", 1_000_000, 1_000_004, 1_000_009, 0),
            ("less than a step apart", 2_000_000, 2_004_000, 2_000_001, 0),
            ("a thread that slept between the two looks", 3_000_000, 3_700_000, 3_700_010, 0),
            ("set forward by a year", 4_000_000, 4_000_000 + YEAR, 4_000_002, YEAR - 1),
            ("and looked at again", 5_000_000, 5_000_003 + YEAR, 5_000_006, YEAR - 1),
            ("set back to 1970", 6_000_000, 0, 6_000_000, -6_000_000),
        ] {
            ahead.look(at(before), at(time_of_day), at(after));
            assert_eq!(ahead.0, expected, "{what}");
        }
    }

    #[test]
    fn the_time_of_day_is_the_steady_clock_and_its_setting() {
        let clock = SystemClock;
        let (before, told, after) = (clock.now(), clock.setting().time_of_day(clock.steady()), clock.now());
        assert!(told + STEP + STEP >= before && told <= after + STEP + STEP, "{before} {told} {after}");
    }
}
