//! `spotter run`: the daemon.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
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
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&arguments.config, &error)),
    };
    // A signal may come before there is anything to stop, which is then stopped as soon as it is there.
    let (asked, started) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::<Stopper>::new()));
    let signals = {
        let (asked, started) = (Arc::clone(&asked), Arc::clone(&started));
        stop_on_signals(move || {
            asked.store(true, Ordering::SeqCst);
            started.get().into_iter().for_each(Stopper::stop);
        })?
    };
    let mut daemon = match Daemon::start(&config) {
        Err(error) if error.is_configuration() => {
            eprintln!("spotter: {}: {error}", arguments.config.display());
            return Ok(Outcome::BadConfiguration);
        }
        started => started?,
    };
    let stopper = started.get_or_init(|| daemon.stopper());
    if asked.load(Ordering::SeqCst) {
        stopper.stop();
    }
    let event = loop {
        if let Some(event) = daemon.watch(Duration::from_secs(1)) {
            break event;
        }
    };
    let stopped = daemon.stop();
    drop(signals);
    stopped?;
    match event {
        Event::Stop => Ok(Outcome::Done),
        Event::Ended(what) => anyhow::bail!("{what} ended without being asked to"),
    }
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
