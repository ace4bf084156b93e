//! The runtime library and the models of a configuration, each loaded to see whether it can be.

use super::models::{Opened, Opening, crew};
use crate::config::Config;
use crate::model::{Runtime, RuntimeError};
use crate::publish::LoadedModel;
use crate::recognize::Known;

/// A model that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedModel {
    /// The key of the configuration that names it.
    pub key: &'static str,
    /// The package.
    pub name: String,
    /// The number of the worker that it is for, from 1; nothing where there is one only.
    pub worker: Option<usize>,
    /// How it runs, once it is loaded and has run, or why it does not.
    pub loaded: Result<LoadedModel, String>,
}

impl TriedModel {
    /// The key of the configuration that names it, and the worker where there are several.
    pub fn place(&self) -> String {
        match self.worker {
            Some(number) => format!("{} (worker {number})", self.key),
            None => self.key.to_owned(),
        }
    }
}

/// What this machine has for the models that a configuration asks for.
#[derive(Debug)]
pub struct Trial {
    /// The runtime library. Without it only the packages are looked at, and those that are sound are not listed.
    pub library: Result<Runtime, RuntimeError>,
    /// The models that the cameras need.
    pub models: Vec<TriedModel>,
    /// Labels and scores that cameras ask for and the models do not give.
    pub unmet: Vec<String>,
}

impl Trial {
    /// Loads the library and each model, and holds what the cameras ask for against what the models give.
    pub fn of(config: &Config) -> Self {
        let mut trial: Option<Trial> = None;
        let threads = crew(&config.runtime, &config.models, config.cameras.len()).threads;
        for worker in config.models.workers() {
            let mut opening = Opening::new(&config.runtime, &config.models, worker, threads);
            let (detector, activities) = opening.needed_by(&config.cameras);
            let unmet =
                detector.map(|detector| Known::of(&detector, activities.as_ref()).unmet(&config.cameras));
            let tried = Trial { unmet: unmet.unwrap_or_default(), ..Trial::from(opening) };
            match &mut trial {
                Some(trial) => trial.models.extend(tried.models),
                None => trial = Some(tried),
            }
        }
        trial.expect("there is one worker at least")
    }

    /// What of it fails, a line each.
    pub(super) fn problems(&self) -> Vec<String> {
        let library = self.library.as_ref().err().map(|error| format!("runtime.onnxruntime: {error}"));
        let models = self
            .models
            .iter()
            .filter_map(|model| model.loaded.as_ref().err().map(|why| format!("{}: {why}", model.place())));
        library.into_iter().chain(models).chain(self.unmet.iter().cloned()).collect()
    }
}

/// What has become of models so far.
impl From<Opening<'_>> for Trial {
    fn from(Opening { library, opened, worker, .. }: Opening<'_>) -> Self {
        let tried = |opened: Opened| TriedModel {
            key: opened.key,
            loaded: opened.loaded().cloned().map_err(ToString::to_string),
            name: opened.name,
            worker: worker.number,
        };
        Trial { library, models: opened.into_iter().map(tried).collect(), unmet: Vec::new() }
    }
}
