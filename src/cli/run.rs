//! `spotter run`: the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spotter::config::{Config, ConfigError};
use spotter::daemon::{Daemon, Event, Service};

use super::log::complain;
use super::{Outcome, allocator};

/// How soon a reload is seen.
const LOOK: Duration = Duration::from_millis(250);

/// Runs the daemon until SIGTERM or SIGINT.
///
/// It starts when the configuration is valid and the models are loaded, and waits for neither broker nor cameras: both
/// are tried again for as long as it runs. On SIGTERM or SIGINT every track ends, what waits is published, and the
/// process exits with 0 within 5 seconds; a second signal ends it at once. SIGHUP and `spotter reload` apply the changed
/// configuration. systemd is told how it is (Type=notify, WatchdogSec=).
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    allocator::settle();
    let file = &arguments.config;
    let config = match Config::load(file) {
        Ok(config) => Box::new(config),
        Err(error) => return Ok(refuse(file, &error)),
    };
    let mut service = Service::start(file)?;
    let ran = serve(&mut service, config, file);
    service.stopping();
    service.end();
    ran
}

/// How a daemon's time ends.
enum Next {
    Stop,
    /// Something has ended that must not.
    Fail(String),
    /// Another one is to follow.
    Reload(Box<Config>),
}

/// Runs daemons, one after the other, until one is to stop and no other is to follow.
fn serve(service: &mut Service, mut config: Box<Config>, file: &Path) -> anyhow::Result<Outcome> {
    service.listen(config.health.listen)?;
    loop {
        service.starting();
        let mut daemon = match Daemon::start(&config, Some(service.asker()), service.pulses()) {
            Err(error) if error.is_configuration() => {
                complain!("spotter: {}: {error}", file.display());
                return Ok(Outcome::BadConfiguration);
            }
            started => started?,
        };
        service.started(&daemon);
        service.tell(&daemon.summary());
        service.ready();
        let next = watch(service, &mut daemon);
        match next {
            Next::Reload(..) => service.leaving(),
            Next::Stop | Next::Fail(_) => service.stopping(),
        }
        daemon.stop()?;
        match next {
            Next::Stop => return Ok(Outcome::Done),
            Next::Fail(what) => anyhow::bail!("{what} ended without being asked to"),
            Next::Reload(..) if service.is_stopping() => return Ok(Outcome::Done),
            Next::Reload(new) => {
                tracing::info!("starting anew with the changed configuration");
                config = new;
            }
        }
    }
}

/// Watches over a daemon until its time ends.
fn watch(service: &mut Service, daemon: &mut Daemon) -> Next {
    loop {
        match daemon.watch(LOOK) {
            None => {}
            Some(Event::Stop) => return Next::Stop,
            Some(Event::Ended(what)) => return Next::Fail(what),
            Some(Event::Reload(config)) => match service.listen(config.health.listen) {
                Ok(()) => return Next::Reload(config),
                Err(error) => {
                    tracing::error!(
                        "the changed configuration is refused after all, the old one goes on: {error}"
                    );
                    service.reloaded();
                }
            },
        }
        service.tell(&daemon.summary());
    }
}

/// Prints every problem, each with the file's name.
pub(super) fn refuse(path: &Path, error: &ConfigError) -> Outcome {
    match error {
        ConfigError::Unreadable { .. } => complain!("spotter: {error}"),
        ConfigError::Wrong { problems, .. } => {
            for problem in problems {
                complain!("{}: {problem}", path.display());
            }
        }
    }
    Outcome::BadConfiguration
}
