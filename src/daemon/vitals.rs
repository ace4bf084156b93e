//! How far the service is in its life, what its threads do, and what of that systemd is told.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::notify::Notify;
use super::pulses::{Pulses, Stuck};

/// How long stopping may take in all.
pub(super) const LONGEST_STOP: Duration = Duration::from_secs(5);
/// How long models may take to load when a node starts anew. systemd allows the first start as much (the unit's
/// `TimeoutStartSec=`), but counts nothing after it.
const LONGEST_START_ANEW: Duration = Duration::from_secs(300);
/// The thread that loads them.
pub(super) const MAIN: &str = "main";

/// How far the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No daemon runs: models are being loaded, for the first one or, `anew` since then, for the next.
    Starting { anew: Option<Instant> },
    /// It does what it is for.
    Ready,
    /// It does, and a changed configuration is being looked at or applied.
    Reloading,
    /// The daemon is ending, and one with the changed configuration is to follow.
    Leaving,
    /// Somebody has asked it to stop; the process ends with `code` when it still runs `by` then.
    Stopping { by: Instant, code: i32 },
    /// Nothing is left to be watched.
    Ended,
}

/// What the threads of the service know in common.
#[derive(Debug)]
pub(super) struct Vitals {
    stage: Mutex<Stage>,
    changed: Condvar,
    /// What the daemon does, in a line for people.
    doing: Mutex<String>,
    pulses: Pulses,
    notify: Notify,
}

impl Vitals {
    pub(super) fn new() -> Self {
        Vitals {
            stage: Mutex::new(Stage::Starting { anew: None }),
            changed: Condvar::new(),
            doing: Mutex::default(),
            pulses: Pulses::default(),
            notify: Notify::default(),
        }
    }

    pub(super) fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// The threads that are stuck at `now`. One that loads models is at rest, and stuck when a start anew takes too long.
    pub(super) fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let mut stuck = self.pulses.stuck(now);
        if let Stage::Starting { anew: Some(begun) } = self.stage() {
            let since = now.saturating_duration_since(begun);
            if since > LONGEST_START_ANEW {
                stuck.push(Stuck { thread: MAIN.to_owned(), since });
            }
        }
        stuck
    }

    pub(super) fn notify(&self) -> &Notify {
        &self.notify
    }

    pub(super) fn stage(&self) -> Stage {
        *self.lock()
    }

    /// Waits until the stage changes, and no longer than `timeout`.
    pub(super) fn wait(&self, timeout: Duration) {
        let stage = self.lock();
        let known = *stage;
        drop(self.changed.wait_timeout_while(stage, timeout, |stage| *stage == known));
    }

    /// The models are about to be loaded, at first or after [`Vitals::leaving`].
    pub(super) fn starting(&self) {
        let tell = |notify: &Notify, _: &str| notify.status("starting: loading the models");
        let next = |stage| match stage {
            Stage::Starting { .. } => Some(stage),
            Stage::Leaving => Some(Stage::Starting { anew: Some(Instant::now()) }),
            _ => None,
        };
        self.enter(next, tell);
    }

    /// A daemon has started and does what it is for. Not while it stops.
    pub(super) fn ready(&self) {
        let next = |stage| matches!(stage, Stage::Starting { .. }).then_some(Stage::Ready);
        self.enter(next, Notify::ready);
    }

    /// A reload has begun; [`Vitals::reloaded`] ends it, or a start anew. Nothing new while no daemon runs, one reloads
    /// already or it stops.
    pub(super) fn reloading(&self) {
        let tell = |notify: &Notify, _: &str| notify.reloading("reloading the configuration");
        self.enter(|stage| (stage == Stage::Ready).then_some(Stage::Reloading), tell);
    }

    /// The daemon goes on, with the changed configuration or the old one. Nothing unless it was reloading: one that is
    /// ending or not there yet is not ready because somebody's reload is over.
    pub(super) fn reloaded(&self) {
        self.enter(|stage| (stage == Stage::Reloading).then_some(Stage::Ready), Notify::ready);
    }

    /// The daemon is about to end so that another one can follow. For systemd this is a part of the reload, which is over
    /// when the other one is ready.
    pub(super) fn leaving(&self) {
        let doing = "starting anew: every track ends";
        let mut stage = self.lock();
        match *stage {
            Stage::Ready => self.notify.reloading(doing),
            Stage::Reloading => self.notify.status(doing),
            _ => return,
        }
        *stage = Stage::Leaving;
        self.changed.notify_all();
    }

    /// Waits until a daemon runs; whether one does, or it stops instead.
    pub(super) fn runs(&self) -> bool {
        let not_yet = |stage: &mut Stage| matches!(stage, Stage::Starting { .. } | Stage::Leaving);
        let stage = self.changed.wait_while(self.lock(), not_yet).unwrap_or_else(PoisonError::into_inner);
        matches!(*stage, Stage::Ready | Stage::Reloading)
    }

    /// It is to stop, from now on.
    pub(super) fn stopping(&self) {
        let by = Instant::now() + LONGEST_STOP;
        let tell = |notify: &Notify, _: &str| notify.stopping("stopping: every track ends");
        let next = |stage| match stage {
            Stage::Stopping { .. } | Stage::Ended => None,
            // What has not begun can end at once and be well.
            Stage::Starting { .. } => Some(Stage::Stopping { by, code: 0 }),
            _ => Some(Stage::Stopping { by, code: 1 }),
        };
        self.enter(next, tell);
    }

    /// It has stopped.
    pub(super) fn end(&self) {
        *self.lock() = Stage::Ended;
        self.changed.notify_all();
    }

    /// What the daemon does. Told when it has changed, and not while something else is to be said.
    pub(super) fn tell(&self, doing: String) {
        let stage = self.lock();
        if *stage == Stage::Ready {
            self.notify.status(&doing);
        }
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    /// Goes over to the stage that is next after the present one, if one is. systemd is told before the stage can change
    /// again, so that it hears of stages in their order.
    fn enter(&self, next: impl Fn(Stage) -> Option<Stage>, tell: impl Fn(&Notify, &str)) {
        let mut stage = self.lock();
        if let Some(next) = next(*stage) {
            *stage = next;
            self.changed.notify_all();
            tell(&self.notify, &self.doing.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A stage is whole, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_after_stopping_and_reloading_only_while_ready() {
        let vitals = Vitals::new();
        vitals.reloading();
        assert_eq!(vitals.stage(), Stage::Starting { anew: None });
        vitals.ready();
        vitals.reloading();
        assert_eq!(vitals.stage(), Stage::Reloading);
        vitals.reloaded();
        assert_eq!(vitals.stage(), Stage::Ready);
        vitals.stopping();
        let stopping = vitals.stage();
        assert!(matches!(stopping, Stage::Stopping { code: 1, .. }), "{stopping:?}");
        vitals.ready();
        vitals.reloading();
        vitals.reloaded();
        vitals.leaving();
        vitals.starting();
        vitals.stopping();
        assert_eq!(vitals.stage(), stopping, "the first request counts");
        vitals.end();
        vitals.stopping();
        assert_eq!(vitals.stage(), Stage::Ended);
    }

    #[test]
    fn what_has_not_begun_may_end_at_any_time() {
        let vitals = Vitals::new();
        vitals.stopping();
        assert!(matches!(vitals.stage(), Stage::Stopping { code: 0, .. }));
        vitals.ready();
        assert!(matches!(vitals.stage(), Stage::Stopping { code: 0, .. }));
    }

    #[test]
    fn only_a_daemon_that_has_started_makes_a_node_ready_that_starts_anew() {
        for asked_by_signal in [true, false] {
            let vitals = Vitals::new();
            vitals.ready();
            if asked_by_signal {
                vitals.reloading();
            }
            vitals.leaving();
            vitals.reloading();
            vitals.reloaded();
            vitals.ready();
            assert_eq!(vitals.stage(), Stage::Leaving, "the old one is ending");
            vitals.starting();
            vitals.reloading();
            vitals.reloaded();
            let stage = vitals.stage();
            assert!(
                matches!(stage, Stage::Starting { anew: Some(_) }),
                "the new one is not there: {stage:?}"
            );
            vitals.ready();
            assert_eq!(vitals.stage(), Stage::Ready);
        }
    }

    #[test]
    fn a_start_anew_may_end_well_at_any_time_once_the_old_daemon_has() {
        for (old_has_ended, expected) in [(false, 1), (true, 0)] {
            let vitals = Vitals::new();
            vitals.ready();
            vitals.leaving();
            if old_has_ended {
                vitals.starting();
            }
            vitals.stopping();
            let stage = vitals.stage();
            assert!(matches!(stage, Stage::Stopping { code, .. } if code == expected), "{stage:?}");
        }
    }

    #[test]
    fn a_start_anew_that_takes_too_long_is_stuck_and_a_first_start_is_systemds_business() {
        let seconds = Duration::from_secs;
        let vitals = Vitals::new();
        vitals.starting();
        assert_eq!(vitals.stuck(Instant::now() + seconds(3600)), []);
        vitals.ready();
        vitals.leaving();
        assert_eq!(vitals.stuck(Instant::now() + seconds(3600)), [], "the main thread's pulse tells");
        let before = Instant::now();
        vitals.starting();
        let after = Instant::now();
        // Said once more it is the same start.
        vitals.starting();
        assert_eq!(vitals.stuck(before + LONGEST_START_ANEW), []);
        let stuck = vitals.stuck(after + LONGEST_START_ANEW + seconds(1));
        assert_eq!(stuck.len(), 1, "{stuck:?}");
        assert_eq!(stuck[0].thread, "main");
        assert!(stuck[0].since > LONGEST_START_ANEW, "{stuck:?}");
        vitals.ready();
        assert_eq!(vitals.stuck(after + seconds(3600)), [], "it is there");
    }

    #[test]
    fn who_needs_a_running_daemon_waits_for_it_or_hears_of_the_end() {
        type Change = fn(&Vitals);
        let changes: [(Change, bool); 3] =
            [(Vitals::ready, true), (Vitals::stopping, false), (Vitals::end, false)];
        for (change, runs) in changes {
            let vitals = Vitals::new();
            vitals.ready();
            vitals.leaving();
            vitals.starting();
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| vitals.runs());
                vitals.starting();
                change(&vitals);
                assert_eq!(waits.join().unwrap(), runs);
                assert_eq!(vitals.runs(), runs, "nobody waits for what is known");
            });
        }
    }

    #[test]
    fn a_change_of_stage_wakes_who_waits() {
        let vitals = Vitals::new();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                while vitals.stage() != Stage::Ended {
                    vitals.wait(Duration::from_secs(600));
                }
            });
            vitals.end();
            waits.join().unwrap();
        });
    }
}
