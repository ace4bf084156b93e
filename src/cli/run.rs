//! `spotter run`: the daemon.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spotter::config::{Config, ConfigError};
use spotter::daemon::{Daemon, Event, Stopper, stop_on_signals};

use super::Outcome;

/// Runs the daemon until SIGTERM or SIGINT.
///
/// It starts when the configuration is valid and the models are loaded, and waits for neither broker nor cameras: both
/// are tried again for as long as it runs. On SIGTERM or SIGINT every track ends, what waits is published, and the
/// process exits with 0; a second signal ends it at once.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut config = match Config::load(&arguments.config) {
        Ok(config) => Box::new(config),
        Err(error) => return Ok(refuse(&arguments.config, &error)),
    };
    // A signal may come before there is anything to stop, which is then stopped as soon as it is there.
    let running = Arc::new(Mutex::new(Running::default()));
    let signals = {
        let running = Arc::clone(&running);
        stop_on_signals(move || lock(&running).stop())?
    };
    let event = loop {
        let mut daemon = match Daemon::start(&config, Some(&arguments.config)) {
            Err(error) if error.is_configuration() => {
                eprintln!("spotter: {}: {error}", arguments.config.display());
                return Ok(Outcome::BadConfiguration);
            }
            started => started?,
        };
        lock(&running).started(daemon.stopper());
        let event = loop {
            if let Some(event) = daemon.watch(Duration::from_secs(1)) {
                break event;
            }
        };
        daemon.stop()?;
        match event {
            Event::Reload(new) => {
                tracing::info!("starting anew with the changed configuration");
                config = new;
            }
            event => break event,
        }
    };
    drop(signals);
    match event {
        Event::Stop | Event::Reload(_) => Ok(Outcome::Done),
        Event::Ended(what) => anyhow::bail!("{what} ended without being asked to"),
    }
}

/// What a signal stops.
#[derive(Default)]
struct Running {
    asked: bool,
    stopper: Option<Stopper>,
}

impl Running {
    fn stop(&mut self) {
        self.asked = true;
        self.stopper.iter().for_each(Stopper::stop);
    }

    fn started(&mut self, stopper: Stopper) {
        if self.asked {
            stopper.stop();
        }
        self.stopper = Some(stopper);
    }
}

/// Each change of it is whole, so a poisoned lock is as good as any.
fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints every problem, each with the file's name.
pub(super) fn refuse(path: &std::path::Path, error: &ConfigError) -> Outcome {
    match error {
        ConfigError::Unreadable { .. } => eprintln!("spotter: {error}"),
        ConfigError::Wrong { problems, .. } => {
            for problem in problems {
                eprintln!("{}: {problem}", path.display());
            }
        }
    }
    Outcome::BadConfiguration
}
