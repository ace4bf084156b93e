//! A thread's pulse: whether it is busy, and since when with the same thing.
//!
//! The thread writes it, the daemon's watchdog reads it. A thread that waits for something that may never come, such as a
//! frame of a lost camera, is at rest and never stuck.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Of a thread at rest.
const REST: u64 = 0;

/// One thread's pulse. To be shared; each call is one atomic access.
#[derive(Debug)]
pub struct Pulse {
    thread: String,
    made: Instant,
    /// Microseconds from `made` to the last beat, plus one; [`REST`] at rest.
    beat_us: AtomicU64,
}

impl Pulse {
    /// The pulse of the thread with this name, at rest.
    pub fn new(thread: impl Into<String>) -> Pulse {
        Pulse { thread: thread.into(), made: Instant::now(), beat_us: AtomicU64::new(REST) }
    }

    /// The thread's name.
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// The thread is busy with something new, as of now.
    pub fn beat(&self) {
        let elapsed_us = u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.beat_us.store(elapsed_us + 1, Ordering::Relaxed);
    }

    /// The thread waits for something that may never come.
    pub fn rest(&self) {
        self.beat_us.store(REST, Ordering::Relaxed);
    }

    /// How long it has been busy at `now` without a beat; nothing at rest.
    pub fn stuck(&self, now: Instant) -> Option<Duration> {
        let beat_us = self.beat_us.load(Ordering::Relaxed).checked_sub(1)?;
        Some(now.saturating_duration_since(self.made + Duration::from_micros(beat_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_is_stuck_from_its_last_beat_and_one_at_rest_never_is() {
        let pulse = Pulse::new("recognize");
        let hour = Duration::from_secs(3600);
        assert_eq!((pulse.thread(), pulse.stuck(Instant::now() + hour)), ("recognize", None));
        let before = Instant::now();
        pulse.beat();
        let stuck = pulse.stuck(before + hour).unwrap();
        // Beats are counted in whole microseconds.
        let most = hour + Duration::from_micros(1);
        assert!(stuck <= most && stuck + Duration::from_secs(60) > hour, "{stuck:?}");
        assert_eq!(pulse.stuck(before - hour), Some(Duration::ZERO), "a moment before the beat");
        pulse.rest();
        assert_eq!(pulse.stuck(before + hour), None);
        pulse.beat();
        assert!(pulse.stuck(Instant::now()).unwrap() < Duration::from_secs(60));
    }
}
