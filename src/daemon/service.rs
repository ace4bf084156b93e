//! The process as a service: what surrounds the daemon for as long as `spotter run` lives, through all reloads.
//!
//! It tells systemd, watches the threads, listens for signals, at the control socket and at the health endpoint, and hands
//! what is asked for to the daemon's main thread.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::asking::{Asker, Asking};
use super::control::{Control, ControlError};
use super::health::{Endpoint, HealthError};
use super::pulses::Pulses;
use super::signals::{self, Signals};
use super::vitals::{MAIN, Vitals};
use super::watchdog::Watchdog;
use super::{Daemon, Reloader, Stopper, Summary};
use crate::telemetry::Pulse;

/// Why the service cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Another daemon runs with this configuration.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The health endpoint cannot listen.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The process as a service.
pub struct Service {
    vitals: Arc<Vitals>,
    running: Arc<Mutex<Running>>,
    /// The main thread's.
    pulse: Arc<Pulse>,
    endpoint: Option<Endpoint>,
    // These end in this order: those who ask before those who are asked.
    signals: Signals,
    control: Option<Control>,
    asker: Asker,
    asking: Asking,
    watchdog: Watchdog,
}

impl Service {
    /// Listens for signals, and at the control socket for the configuration's `file`. The health endpoint comes with
    /// [`Service::listen`].
    ///
    /// # Errors
    /// When another daemon runs with this configuration, or a thread is not to be had.
    pub fn start(file: &Path) -> Result<Service, ServiceError> {
        let vitals = Arc::new(Vitals::new());
        let watchdog = Watchdog::start(Arc::clone(&vitals))?;
        let running = Arc::<Mutex<Running>>::default();
        let reloader = {
            let running = Arc::clone(&running);
            move || lock(&running).reloader.clone()
        };
        let (asking, asker) = Asking::start(file.to_path_buf(), Arc::clone(&vitals), reloader)?;
        let signals = {
            let (vitals, running, asker) = (Arc::clone(&vitals), Arc::clone(&running), asker.clone());
            let stop = move || {
                vitals.stopping();
                lock(&running).stop();
            };
            signals::obey(stop, move || asker.ask())?
        };
        let control = match Control::start(file, asker.clone()) {
            Ok(control) => Some(control),
            Err(error @ ControlError::Taken { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!("`spotter reload` will not find this daemon, SIGHUP will: {error}");
                None
            }
        };
        let pulse = Arc::new(Pulse::new(MAIN));
        vitals.pulses().watch(&pulse);
        Ok(Service { vitals, running, pulse, endpoint: None, signals, control, asker, asking, watchdog })
    }

    /// Answers at this address whether the daemon is well, or nowhere. When the new address is not to be had, the old one
    /// stays.
    ///
    /// # Errors
    /// When it is not to be had.
    pub fn listen(&mut self, address: Option<SocketAddr>) -> Result<(), HealthError> {
        if self.endpoint.as_ref().map(Endpoint::address) != address {
            self.endpoint =
                address.map(|address| Endpoint::start(address, Arc::clone(&self.vitals))).transpose()?;
        }
        Ok(())
    }

    /// The threads that are watched; the daemon adds its own.
    pub fn pulses(&self) -> &Pulses {
        self.vitals.pulses()
    }

    /// What has the configuration read again, for the daemon's users.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// The daemon runs and is what signals stop and reload, at once when one has come already.
    pub fn started(&self, daemon: &Daemon) {
        lock(&self.running).started(daemon.stopper(), daemon.reloader());
    }

    /// The daemon does what it is for.
    pub fn ready(&self) {
        self.vitals.ready();
    }

    /// The daemon goes on as it was: what it was to start anew for is refused after all.
    pub fn reloaded(&self) {
        self.vitals.reloaded();
    }

    /// The main thread goes on, and the daemon does this.
    pub fn tell(&self, summary: &Summary) {
        self.pulse.beat();
        self.vitals.tell(summary.to_string());
    }

    /// The main thread is about to start a daemon, which takes as long as its models take to load.
    pub fn starting(&self) {
        self.pulse.rest();
        self.vitals.starting();
    }

    /// The daemon is about to end so that another one can follow, which carries out what is asked from now on.
    pub fn leaving(&self) {
        self.vitals.leaving();
        lock(&self.running).left();
    }

    /// Whether the daemon is to stop.
    pub fn is_stopping(&self) -> bool {
        lock(&self.running).asked.is_some()
    }

    /// The daemon is to stop, whether a signal has said so or something has failed.
    pub fn stopping(&self) {
        self.vitals.stopping();
    }

    /// The daemon has stopped: whatever surrounds it ends too.
    pub fn end(self) {
        let Service { endpoint, signals, control, asker, asking, watchdog, .. } = self;
        drop(endpoint);
        drop(control);
        drop(signals);
        drop(asker);
        asking.join();
        drop(watchdog);
    }
}

/// What a signal stops. It may come before there is anything to stop.
#[derive(Default)]
struct Running {
    /// When.
    asked: Option<Instant>,
    stopper: Option<Stopper>,
    reloader: Option<Reloader>,
}

impl Running {
    fn stop(&mut self) {
        self.asked = Some(Instant::now());
        self.stopper.iter().for_each(Stopper::stop);
    }

    fn started(&mut self, stopper: Stopper, reloader: Reloader) {
        if let Some(asked) = self.asked {
            stopper.stop_since(asked);
        }
        (self.stopper, self.reloader) = (Some(stopper), Some(reloader));
    }

    fn left(&mut self) {
        (self.stopper, self.reloader) = (None, None);
    }
}

/// Each change of it is whole, so a poisoned lock is as good as any.
fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
