//! `spotter check`: is the configuration fit to run?

use std::path::PathBuf;

use spotter::config::Config;
use spotter::daemon::unservable;

use super::{Outcome, run::refuse};

/// Checks a configuration and prints every error in it.
///
/// Reads the file, then looks for what it names: model packages (complete, with the right hash), labels the model has,
/// files. Connects to nothing and starts nothing. Exits with 78 when anything is wrong.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let path = &arguments.config;
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(path, &error)),
    };
    let problems = unservable(&config);
    for problem in &problems {
        eprintln!("{}: {problem}", path.display());
    }
    if !problems.is_empty() {
        return Ok(Outcome::BadConfiguration);
    }
    println!(
        "{}: valid; node {}, model {}, broker {}:{}",
        path.display(),
        config.node,
        config.models.detect,
        config.mqtt.host,
        config.mqtt.port
    );
    for camera in &config.cameras {
        println!("  camera {}: {}", camera.name, camera.source);
    }
    Ok(Outcome::Done)
}
