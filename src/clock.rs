//! Time: the only module that asks the operating system for the time of day.
//!
//! There are two clocks. The *steady* clock begins with the time of day at which the process started and is never set:
//! durations are measured by it. The *time of day* is what messages show, and somebody may set it. A [`Setting`] turns a
//! moment of the first into one of the second.
//!
//! Stages get their time from the frame in hand, which has it from the steady clock; the daemon asks a [`Clock`]. Replay
//! and tests use [`SimulatedClock`], which is why the same file and configuration give byte-equal tags.

mod system;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

pub use system::{SystemClock, note_standing};

/// A moment in microseconds: of the time of day since 1970 in UTC, or of the steady clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z, where replayed files start.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down; zero before 1970.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339, UTC, always six digits of a second: `2026-01-02T03:04:05.678900Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped =
            self.0.clamp(jiff::Timestamp::MIN.as_microsecond(), jiff::Timestamp::MAX.as_microsecond());
        let moment = jiff::Timestamp::from_microsecond(clamped).expect("clamped to the range");
        write!(f, "{moment:.6}")
    }
}

/// An RFC 3339 text that is no time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no RFC 3339 time such as 2026-01-02T03:04:05Z")]
pub struct BadTimestamp(String);

impl std::str::FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(text: &str) -> Result<Self, BadTimestamp> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| BadTimestamp(text.to_owned()))?;
        Ok(Timestamp(moment.as_microsecond()))
    }
}

/// Whether the time of day is known to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// A time server or another trusted source has set it; or it does not matter, as in a replay.
    #[default]
    Synchronised,
    /// Nothing says that it is right.
    Unsynchronised,
}

/// Whose clock the capture times of a camera are by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockOf {
    /// This machine's, when frames arrive; or it does not matter, as in a replay.
    #[default]
    Arrival,
    /// The camera's own.
    Sender,
}

/// How the time of day is set against the steady clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Microseconds by which the time of day is ahead of the steady clock.
    pub ahead_us: i64,
    /// Whether the time of day is known to be right.
    pub standing: Standing,
}

impl Setting {
    /// The time of day at `steady`, a moment of the steady clock.
    pub fn time_of_day(self, steady: Timestamp) -> Timestamp {
        Timestamp(steady.0.saturating_add(self.ahead_us))
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The present time of day.
    fn now(&self) -> Timestamp {
        self.setting().time_of_day(self.steady())
    }

    /// The present moment of the steady clock.
    fn steady(&self) -> Timestamp;

    /// How the time of day is set now.
    fn setting(&self) -> Setting;
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct SimulatedClock {
    steady: AtomicI64,
    ahead_us: AtomicI64,
    unsynchronised: AtomicBool,
}

impl SimulatedClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        SimulatedClock { steady: AtomicI64::new(start.0), ..SimulatedClock::default() }
    }

    /// Moves both clocks on, or back, until the time of day is `now`.
    pub fn set(&self, now: Timestamp) {
        self.steady.store(now.0.saturating_sub(self.ahead_us.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    /// Sets the time of day: the steady clock does not move.
    pub fn step_to(&self, setting: Setting) {
        self.ahead_us.store(setting.ahead_us, Ordering::Relaxed);
        self.unsynchronised.store(setting.standing == Standing::Unsynchronised, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn steady(&self) -> Timestamp {
        Timestamp(self.steady.load(Ordering::Relaxed))
    }

    fn setting(&self) -> Setting {
        let standing = match self.unsynchronised.load(Ordering::Relaxed) {
            true => Standing::Unsynchronised,
            false => Standing::Synchronised,
        };
        Setting { ahead_us: self.ahead_us.load(Ordering::Relaxed), standing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_six_digits_and_parse_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_767_323_045_678_900, "2026-01-02T03:04:05.678900Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ] {
            let stamp = Timestamp::from_micros(micros);
            assert_eq!(stamp.to_string(), text);
            assert_eq!(text.parse::<Timestamp>().expect("parses"), stamp);
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn since_never_goes_below_zero() {
        let (a, b) = (Timestamp::from_micros(5), Timestamp::from_micros(9));
        assert_eq!(b.since(a), Duration::from_micros(4));
        assert_eq!(a.since(b), Duration::ZERO);
    }

    #[test]
    fn a_simulated_clock_stands_still() {
        let clock = SimulatedClock::new(Timestamp::from_micros(7));
        assert_eq!(clock.now(), clock.now());
        clock.set(Timestamp::from_micros(8));
        assert_eq!(clock.now(), Timestamp::from_micros(8));
    }

    #[test]
    fn who_sets_the_time_of_day_leaves_the_steady_clock_alone() {
        let clock = SimulatedClock::new(Timestamp::from_micros(7));
        let setting = Setting { ahead_us: -3, standing: Standing::Unsynchronised };
        clock.step_to(setting);
        assert_eq!((clock.steady(), clock.now()), (Timestamp::from_micros(7), Timestamp::from_micros(4)));
        assert_eq!(clock.setting(), setting);
        clock.set(Timestamp::from_micros(9));
        assert_eq!((clock.steady(), clock.now()), (Timestamp::from_micros(12), Timestamp::from_micros(9)));
    }
}
