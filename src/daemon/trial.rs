//! The runtime library and the models of a configuration, each loaded to see whether it can be.

use super::models::{Opened, Opening};
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
    /// How it runs, once it is loaded and has run, or why it does not.
    pub loaded: Result<LoadedModel, String>,
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
        let mut opening = Opening::new(&config.runtime, &config.models);
        let (detector, activities) = opening.needed_by(&config.cameras);
        let unmet = detector.map(|detector| Known::of(&detector, activities.as_ref()).unmet(&config.cameras));
        Trial { unmet: unmet.unwrap_or_default(), ..Trial::from(opening) }
    }

    /// What of it fails, a line each.
    pub(super) fn problems(&self) -> Vec<String> {
        let library = self.library.as_ref().err().map(|error| format!("runtime.onnxruntime: {error}"));
        let models = self.models.iter().filter_map(|TriedModel { key, loaded, .. }| {
            loaded.as_ref().err().map(|why| format!("{key}: {why}"))
        });
        library.into_iter().chain(models).chain(self.unmet.iter().cloned()).collect()
    }
}

/// What has become of models so far.
impl From<Opening<'_>> for Trial {
    fn from(Opening { library, opened, .. }: Opening<'_>) -> Self {
        let tried = |opened: Opened| TriedModel {
            key: opened.key,
            loaded: opened.loaded().cloned().map_err(ToString::to_string),
            name: opened.name,
        };
        Trial { library, models: opened.into_iter().map(tried).collect(), unmet: Vec::new() }
    }
}
