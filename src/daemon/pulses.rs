//! The pulses of all threads that must make progress, and which of them make none.
//!
//! Every thread's owner adds its pulse; the watchdog and the health endpoint ask.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::telemetry::Pulse;

/// A thread that is busy for longer without a beat is stuck. No inference, no decoded frame and no packet takes as long.
const LIMIT: Duration = Duration::from_secs(20);

/// The pulses of all threads that must make progress. Cheap to clone, and the same for every clone. A thread is watched
/// for as long as somebody else holds its pulse.
#[derive(Clone, Debug, Default)]
pub struct Pulses(Arc<Mutex<Vec<Weak<Pulse>>>>);

impl Pulses {
    /// Watches one more thread.
    pub fn watch(&self, pulse: &Arc<Pulse>) {
        let mut pulses = self.lock();
        pulses.retain(|pulse| pulse.strong_count() > 0);
        pulses.push(Arc::downgrade(pulse));
    }

    /// The threads that are stuck at `now`.
    pub(super) fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let pulses = self.lock();
        let stuck = |pulse: Arc<Pulse>| {
            let since = pulse.stuck(now).filter(|since| *since > LIMIT)?;
            Some(Stuck { thread: pulse.thread().to_owned(), since })
        };
        pulses.iter().filter_map(Weak::upgrade).filter_map(stuck).collect()
    }

    /// The names of the threads that are busy at `now`.
    pub(super) fn busy(&self, now: Instant) -> Vec<String> {
        let pulses = self.lock();
        let busy = pulses.iter().filter_map(Weak::upgrade).filter(|pulse| pulse.stuck(now).is_some());
        busy.map(|pulse| pulse.thread().to_owned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that makes no progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    /// Its name.
    pub(super) thread: String,
    /// How long it has been busy with the same thing.
    pub(super) since: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_thread_is_stuck_only_when_it_is_busy_for_too_long() {
        let pulses = Pulses::default();
        let [worker, camera, gone] =
            ["recognize", "camera-ramp", "camera-gate"].map(|name| Arc::new(Pulse::new(name)));
        [&worker, &camera, &gone].into_iter().for_each(|pulse| pulses.watch(pulse));
        [&worker, &gone].into_iter().for_each(|pulse| pulse.beat());
        let now = Instant::now();
        drop(gone);
        assert_eq!(pulses.stuck(now + LIMIT - seconds(1)), []);
        let stuck = pulses.stuck(now + LIMIT + seconds(1));
        assert_eq!(stuck.len(), 1, "neither the lost camera nor the one that is gone: {stuck:?}");
        assert_eq!(stuck[0].thread, "recognize");
        assert!(stuck[0].since > LIMIT);
        worker.beat();
        assert_eq!(pulses.stuck(now + LIMIT - seconds(1)), [], "it goes on");
        worker.rest();
        assert_eq!(pulses.stuck(now + seconds(3600)), [], "it waits");
    }
}
