//! `spotter models`: which models run here, where, and how well.

use std::path::PathBuf;

use serde_json::{Value, json};
use spotter::config::{Config, ConfigError};
use spotter::daemon::{Trial, TriedModel};
use spotter::publish::{Accelerated, LoadedModel, PassedOver, loaded_model};

use super::output::say;
use super::{Outcome, run::refuse};

/// Loads the models of a configuration, tries each where it is to run, and says what came of it.
///
/// A model that is to run on an accelerator runs there and on the CPU, on the same picture: what both say is compared. Starts
/// nothing, and connects to nothing but a server that a model is to run on.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let path = &arguments.config;
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error @ (ConfigError::Wrong { .. } | ConfigError::Unreadable { .. })) => {
            return Ok(refuse(path, &error));
        }
    };
    let trial = Trial::of(&config);
    if arguments.json {
        say!("{:#}", report(&trial))?;
    } else {
        for line in lines(&trial) {
            say!("{line}")?;
        }
    }
    let is_well = trial.library.is_ok() && trial.models.iter().all(|model| model.loaded.is_ok());
    Ok(if is_well { Outcome::Done } else { Outcome::Bad })
}

fn report(trial: &Trial) -> Value {
    let library = match &trial.library {
        Ok(library) => json!({ "version": library.version(), "path": library.path().display().to_string() }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    let model = |TriedModel { key, name, worker, loaded }: &TriedModel| {
        let mut told = match loaded {
            Ok(loaded) => json!({ "key": key, "name": name, "loaded": loaded_model(loaded) }),
            Err(error) => json!({ "key": key, "name": name, "error": error }),
        };
        if let Some(worker) = worker {
            told["worker"] = (*worker).into();
        }
        told
    };
    let models: Vec<Value> = trial.models.iter().map(model).collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "library": library, "models": models })
}

fn lines(trial: &Trial) -> Vec<String> {
    let mut lines = vec![match &trial.library {
        Ok(library) => format!("ONNX Runtime {} at {}", library.version(), library.path().display()),
        Err(error) => error.to_string(),
    }];
    for tried in &trial.models {
        let place = tried.place();
        match &tried.loaded {
            Err(why) => lines.push(format!("{place}: {}: {why}", tried.name)),
            Ok(loaded) => lines.extend(told(&place, loaded)),
        }
    }
    lines
}

fn told(key: &str, loaded: &LoadedModel) -> Vec<String> {
    let LoadedModel { reference, asked, passed_over, start, accelerated, .. } = loaded;
    let mut lines = vec![format!("{key}: {} {} runs on {}", reference.name, reference.version, reference.on)];
    if asked.iter().any(|wish| **wish != *reference.on) {
        lines.push(format!("  asked for     {}", asked.join(", ")));
    }
    let missed = |PassedOver { on, details, .. }: &PassedOver| format!("  not on        `{on}`: {details}");
    lines.extend(passed_over.iter().map(missed));
    if let Some(Accelerated {
        provider,
        library_sha256,
        device,
        address,
        compiled,
        nodes_share,
        time_share,
        self_test,
    }) = accelerated
    {
        lines.push(format!("  provider      {provider}"));
        lines.extend(library_sha256.iter().map(|sha256| format!("  library       SHA-256 {sha256}")));
        lines.extend(device.iter().map(|device| format!("  device        {device}")));
        lines.extend(
            address.iter().map(|address| format!("  address       {address}: pictures leave this machine")),
        );
        lines.extend(compiled.iter().map(|compiled| format!("  compiled      {compiled}")));
        lines.push(format!(
            "  runs there    {:.1} % of the nodes, {:.1} % of the time",
            100.0 * nodes_share,
            100.0 * time_share
        ));
        lines.push(format!("  self-test     {self_test}"));
    }
    lines.push(format!("  start         {:.1} s", start.as_secs_f32()));
    lines
}
