//! How far the service is in its life, what its threads do, and what of that systemd is told.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::notify::Notify;
use super::pulses::Pulses;

/// How long stopping may take in all.
pub(super) const LONGEST_STOP: Duration = Duration::from_secs(5);

/// How far the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Models are being loaded.
    Starting,
    /// It does what it is for.
    Ready,
    /// It does, and a changed configuration is being looked at or applied.
    Reloading,
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
            stage: Mutex::new(Stage::Starting),
            changed: Condvar::new(),
            doing: Mutex::default(),
            pulses: Pulses::default(),
            notify: Notify::default(),
        }
    }

    pub(super) fn pulses(&self) -> &Pulses {
        &self.pulses
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

    /// The models are about to be loaded.
    pub(super) fn starting(&self) {
        self.notify.status("starting: loading the models");
    }

    /// It does what it is for, or does so again. Not while it stops.
    pub(super) fn ready(&self) {
        self.enter(Stage::Ready, |stage| matches!(stage, Stage::Starting | Stage::Reloading), Notify::ready);
    }

    /// A reload has begun; [`Vitals::ready`] ends it. Nothing new while it starts, reloads already or stops.
    pub(super) fn reloading(&self) {
        let tell = |notify: &Notify, _: &str| notify.reloading("reloading the configuration");
        self.enter(Stage::Reloading, |stage| stage == Stage::Ready, tell);
    }

    /// It is to stop, from now on.
    pub(super) fn stopping(&self) {
        let by = Instant::now() + LONGEST_STOP;
        // What has not begun can end at once and be well.
        let code = i32::from(self.stage() != Stage::Starting);
        let tell = |notify: &Notify, _: &str| notify.stopping("stopping: every track ends");
        let goes_on = |stage| !matches!(stage, Stage::Stopping { .. } | Stage::Ended);
        self.enter(Stage::Stopping { by, code }, goes_on, tell);
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

    /// Goes over to another stage from one of which `may` holds. systemd is told before the stage can change again, so
    /// that it hears of stages in their order.
    fn enter(&self, next: Stage, may: impl Fn(Stage) -> bool, tell: impl Fn(&Notify, &str)) {
        let mut stage = self.lock();
        if may(*stage) {
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
        assert_eq!(vitals.stage(), Stage::Starting);
        vitals.ready();
        vitals.reloading();
        assert_eq!(vitals.stage(), Stage::Reloading);
        vitals.ready();
        assert_eq!(vitals.stage(), Stage::Ready);
        vitals.stopping();
        let stopping = vitals.stage();
        assert!(matches!(stopping, Stage::Stopping { code: 1, .. }), "{stopping:?}");
        vitals.ready();
        vitals.reloading();
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
