//! Watches that every thread makes progress, and that stopping ends.
//!
//! systemd is given signs of life only while no thread is stuck, so that it restarts a process of which a part has
//! stopped. A camera that is lost is at rest and not stuck.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::signals;
use super::vitals::{LONGEST_STOP, Stage, Vitals};
use crate::telemetry::Pulse;

/// A thread that is busy for longer without a beat is stuck. No inference, no decoded frame and no packet takes as long.
const LIMIT: Duration = Duration::from_secs(20);
/// The most time between two looks.
const LOOK: Duration = Duration::from_secs(5);

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
    fn busy(&self, now: Instant) -> Vec<String> {
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

/// What changes between two looks.
#[derive(Debug, Default)]
struct Known(BTreeSet<String>);

/// What is new of a thread.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Stuck(Stuck),
    GoesOn(String),
}

impl News {
    fn log(&self) {
        match self {
            News::Stuck(Stuck { thread, since }) => tracing::error!(
                thread,
                stuck_s = since.as_secs(),
                "the thread is stuck; systemd gets no sign of life until it goes on"
            ),
            News::GoesOn(thread) => tracing::warn!(thread, "the thread was stuck and goes on"),
        }
    }
}

impl Known {
    /// Takes in who is stuck now and gives what is new, so that each is said once.
    fn learn(&mut self, stuck: Vec<Stuck>) -> Vec<News> {
        let before = std::mem::replace(&mut self.0, stuck.iter().map(|stuck| stuck.thread.clone()).collect());
        let goes_on = before.difference(&self.0).cloned().map(News::GoesOn);
        let fresh = stuck.into_iter().filter(|stuck| !before.contains(&stuck.thread)).map(News::Stuck);
        goes_on.chain(fresh).collect()
    }
}

/// The thread that watches. It runs until the service has ended.
pub(super) struct Watchdog {
    vitals: Arc<Vitals>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(super) fn start(vitals: Arc<Vitals>) -> std::io::Result<Self> {
        let watch = {
            let vitals = Arc::clone(&vitals);
            move || watch(&vitals)
        };
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch)?;
        Ok(Watchdog { vitals, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.vitals.end();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread `watchdog` has panicked");
        }
    }
}

fn watch(vitals: &Vitals) {
    let every = vitals.notify().alive_every();
    let pause = every.map_or(LOOK, between_looks);
    let mut next_sign = Instant::now();
    let mut known = Known::default();
    loop {
        let now = Instant::now();
        let stuck = vitals.pulses().stuck(now);
        if let Some(every) = every
            && stuck.is_empty()
            && now >= next_sign
        {
            vitals.notify().alive();
            next_sign = now + every;
        }
        known.learn(stuck).iter().for_each(News::log);
        let stop_by = match vitals.stage() {
            Stage::Ended => return,
            Stage::Stopping { by, code } if now >= by => late(vitals, code),
            Stage::Stopping { by, .. } => Some(by),
            _ => None,
        };
        vitals.wait(stop_by.map_or(pause, |by| pause.min(by - now)));
    }
}

/// Ends a process that should have stopped.
fn late(vitals: &Vitals, code: i32) -> ! {
    let busy: Vec<String> = vitals.pulses().busy(Instant::now());
    tracing::error!(busy = busy.join(", "), "stopping takes more than {LONGEST_STOP:?}: ending at once");
    signals::exit_at_once(code)
}

/// A pause of which some make up `every`.
fn between_looks(every: Duration) -> Duration {
    let mut pause = every;
    while pause > LOOK {
        pause /= 2;
    }
    pause
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

    #[test]
    fn each_news_of_a_thread_is_told_once() {
        let stuck = |name: &str, since| Stuck { thread: name.to_owned(), since: seconds(since) };
        let mut known = Known::default();
        assert_eq!(known.learn(vec![stuck("a", 21)]), [News::Stuck(stuck("a", 21))]);
        assert_eq!(known.learn(vec![stuck("a", 26), stuck("b", 22)]), [News::Stuck(stuck("b", 22))]);
        assert_eq!(known.learn(vec![stuck("b", 27)]), [News::GoesOn("a".to_owned())]);
        assert_eq!(known.learn(vec![]), [News::GoesOn("b".to_owned())]);
        assert_eq!(known.learn(vec![stuck("b", 21)]), [News::Stuck(stuck("b", 21))]);
    }

    #[test]
    fn looks_come_often_enough_and_some_of_them_make_up_a_sign() {
        for every_ms in [500, 5000, 7000, 15_000, 30_000, 3_600_000] {
            let every = Duration::from_millis(every_ms);
            let pause = between_looks(every);
            assert!(pause <= LOOK && pause > LOOK.min(every) / 4, "{every_ms}: {pause:?}");
            let parts = every.as_secs_f64() / pause.as_secs_f64();
            assert!((parts - parts.round()).abs() < 1e-3, "{every_ms}: {pause:?}");
        }
    }
}
