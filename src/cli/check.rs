//! `spotter check`: is the configuration fit to run?

use std::path::PathBuf;

use spotter::config::{Config, ConfigError, Problem, want_activities};
use spotter::daemon::unservable;

use super::log::complain;
use super::output::say;
use super::{Outcome, run::refuse};

/// Checks a configuration and prints every error in it.
///
/// Reads the file, then looks for what it names: files, elements of pipelines, the runtime library, the models (which are
/// loaded and run once), their labels. Starts nothing, and connects to nothing but a server that a model is to run on. Exits with 78 when anything is wrong.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let path = &arguments.config;
    let (config, mut problems) = match Config::load(path) {
        Ok(config) => (Some(Box::new(config)), Vec::new()),
        Err(ConfigError::Wrong { problems, rest }) => {
            (rest, problems.iter().map(Problem::to_string).collect())
        }
        Err(error @ ConfigError::Unreadable { .. }) => return Ok(refuse(path, &error)),
    };
    // What is wrong with the text does not hide what is wrong with the files that the rest of it names.
    problems.extend(config.iter().flat_map(|config| unservable(config)));
    for problem in &problems {
        complain!("{}: {problem}", path.display());
    }
    let Some(config) = config.filter(|_| problems.is_empty()) else {
        return Ok(Outcome::BadConfiguration);
    };
    say!(
        "{}: valid; node {}, models {}, broker {}",
        path.display(),
        config.node,
        models(&config).join(", "),
        config.mqtt.address()
    )?;
    for caution in config.mqtt.cautions() {
        complain!("{}: warning: {caution}", path.display());
    }
    for camera in &config.cameras {
        say!("  camera {}: {}", camera.name, camera.capture.source)?;
    }
    Ok(Outcome::Done)
}

/// The names of the packages that the configuration needs.
fn models(config: &Config) -> Vec<&str> {
    let models = &config.models;
    let mut names = vec![models.detect.as_str()];
    if want_activities(&config.cameras) {
        names.extend([&*models.pose, &*models.posture, &*models.skeleton]);
        names.extend(models.clips.iter().map(String::as_str));
    }
    names
}
