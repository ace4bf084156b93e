//! A running camera, as those hold it who start and stop it. What its thread does is in `camera/control.rs`.

mod backoff;
mod control;
mod fallback;
pub(super) mod first_frame;
mod freeze;
pub(super) mod rhythm;
mod undecoded;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::apart::{Late, apart};
use super::board::Board;
use super::health::Health;
use super::remote::Remote;
use crate::clock::Clock;
use crate::config;
use crate::name::Name;
use crate::telemetry::{CameraStatus, FrameCounters, Pulse};
use control::Control;

/// How long a camera's thread may take to end after it was asked to; it bounds all that it waits for below this.
const JOINING: Duration = Duration::from_secs(2);

/// A running camera.
pub struct Camera {
    guard: Guard,
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
}

/// Dropping it asks the camera's thread to stop.
struct Guard(Remote);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Camera {
    /// Starts the control thread of the camera at `index` of the board. `changed` hears of every change of state, on
    /// the camera's thread; it must not block.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        config: &config::Camera,
        index: usize,
        board: Arc<Board>,
        counters: Arc<FrameCounters>,
        clock: Arc<dyn Clock>,
        changed: impl Fn(CameraStatus) + Send + 'static,
    ) -> std::io::Result<Camera> {
        let remote = Remote::new(Arc::new(Health::new(config.name.clone(), counters, clock.steady())));
        let pulse = Arc::new(Pulse::new(format!("camera-{}", config.name)));
        let control = Control {
            name: config.name.clone(),
            config: config.capture.clone(),
            index,
            board,
            remote: remote.clone(),
            clock,
            changed: Box::new(changed),
            pulse: Arc::clone(&pulse),
            held: Arc::default(),
        };
        let thread =
            std::thread::Builder::new().name(pulse.thread().to_owned()).spawn(move || control.run())?;
        Ok(Camera { guard: Guard(remote), pulse, thread })
    }

    /// How it is.
    pub fn health(&self) -> &Health {
        self.guard.0.health()
    }

    /// What asks things of it from other threads.
    pub fn remote(&self) -> Remote {
        self.guard.0.clone()
    }

    /// Whether its thread makes progress: a lost camera's does.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Whether its thread runs. It ends only by [`Camera::stop`], so otherwise it has panicked.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Asks the thread to stop; [`Stopping::join`] waits for it, so that many cameras stop side by side.
    pub fn stop(self) -> Stopping {
        let name = self.health().camera().clone();
        drop(self.guard);
        Stopping { name, by: Instant::now() + JOINING, pulse: self.pulse, thread: self.thread }
    }
}

/// A camera on its way to its end.
pub struct Stopping {
    name: Name,
    by: Instant,
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
}

impl Stopping {
    /// Waits for the camera's thread, but not for long after it was asked to stop: one that hangs is left to itself, and
    /// nobody waits for signs of it any more.
    pub fn join(self) {
        let Stopping { name, by, pulse, thread } = self;
        let left = by.saturating_duration_since(Instant::now());
        match apart("camera-join", || left, move || thread.join()) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!(camera = %name, "the camera's thread had panicked"),
            Err(Late) => {
                pulse.rest();
                tracing::error!(camera = %name, "the camera's thread hangs; it is left to itself");
            }
        }
    }
}
