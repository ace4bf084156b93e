//! What systemd is told of the service, and how often it wants to hear that it lives.
//!
//! The only place that speaks `sd_notify`. Without systemd every call is of no effect. libsystemd reads the environment
//! anew on each call and leaves it as it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use systemd::daemon;

use crate::config::visible;
use crate::telemetry::Troubles;

/// Speaks to systemd, from any thread.
#[derive(Debug, Default)]
pub(super) struct Notify {
    /// The status that systemd shows.
    shown: Mutex<String>,
    troubles: Mutex<Troubles>,
}

impl Notify {
    /// How often [`Notify::alive`] is to be called: twice in what systemd allows. Nothing when it does not watch.
    pub(super) fn alive_every(&self) -> Option<Duration> {
        match daemon::watchdog_enabled() {
            Ok(0) => None,
            Ok(allowed_us) => Some(Duration::from_micros(allowed_us) / 2),
            Err(error) => {
                tracing::warn!(%error, "systemd's wish for signs of life cannot be read; it is not told any");
                None
            }
        }
    }

    /// The service does what it is for, after its start or a reload.
    pub(super) fn ready(&self, status: &str) {
        self.send(&[(daemon::STATE_READY, "1".to_owned()), self.showing(status)]);
    }

    /// A line for people; told only when it is another than before.
    pub(super) fn status(&self, status: &str) {
        if *self.shown() != status {
            let status = self.showing(status);
            self.send(&[status]);
        }
    }

    /// A reload has begun; [`Notify::ready`] ends it.
    pub(super) fn reloading(&self, status: &str) {
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec / 1000);
        self.send(&[
            (daemon::STATE_RELOADING, "1".to_owned()),
            ("MONOTONIC_USEC", now_us.to_string()),
            self.showing(status),
        ]);
    }

    /// The service has begun to stop.
    pub(super) fn stopping(&self, status: &str) {
        self.send(&[(daemon::STATE_STOPPING, "1".to_owned()), self.showing(status)]);
    }

    /// Every thread makes progress.
    pub(super) fn alive(&self) {
        self.send(&[(daemon::STATE_WATCHDOG, "1".to_owned())]);
    }

    /// Notes a status as shown. It is a line: what would end it is shown and not obeyed.
    fn showing(&self, status: &str) -> (&'static str, String) {
        status.clone_into(&mut self.shown());
        (daemon::STATE_STATUS, visible(status))
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, String> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, assignments: &[(&'static str, String)]) {
        if let Err(error) = daemon::notify(assignments.iter()) {
            let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(repeated) = troubles.hear(&error.to_string(), Instant::now()) {
                tracing::warn!(repeated, %error, "systemd cannot be told how the service is");
            }
        }
    }
}
