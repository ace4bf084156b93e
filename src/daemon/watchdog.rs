//! Watches that every thread makes progress, and that stopping ends.
//!
//! systemd is given signs of life only while no thread is stuck, so that it restarts a process of which a part has
//! stopped. A camera that is lost is at rest and not stuck.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pulses::Stuck;
use super::signals;
use super::vitals::{LONGEST_STOP, Stage, Vitals};

/// The most time between two looks.
const LOOK: Duration = Duration::from_secs(5);

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
        let stuck = vitals.stuck(now);
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
