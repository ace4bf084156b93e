//! The runtime library and the models of a configuration, each loaded to see whether it can be.

use std::fmt::Display;

use super::models::session_options;
use crate::activity::{self, ClipClassifier, PoseEstimator, SkeletonClassifier};
use crate::config::{self, Config};
use crate::detect::Detector;
use crate::model::{Package, Runtime, RuntimeError, SessionOptions};
use crate::recognize::Known;

/// A model that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedModel {
    /// The key of the configuration that names it.
    pub key: &'static str,
    /// The package.
    pub name: String,
    /// Its version once it is loaded and has run, or why it does not.
    pub version: Result<String, String>,
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
        let mut trial = Trial::new(config);
        let options = session_options(&config.runtime);
        let detector = trial.open("models.detect", &config.models.detect, config, |package, library| {
            Detector::open(package, library, &options)
        });
        let wants_activities = config::want_activities(&config.cameras);
        let activities = if wants_activities { trial.activities(config) } else { None };
        if let Some(detector) = detector {
            trial.unmet.extend(Known::of(&detector, activities.as_ref()).unmet(&config.cameras));
        }
        trial
    }

    /// Loads only the library.
    pub(super) fn new(config: &Config) -> Self {
        let library = Runtime::load(config.runtime.onnxruntime.as_deref());
        Trial { library, models: Vec::new(), unmet: Vec::new() }
    }

    /// Loads the models of activities.
    pub(super) fn activities(&mut self, config: &Config) -> Option<activity::Models> {
        let models = &config.models;
        let options: &SessionOptions = &session_options(&config.runtime);
        let pose = self.open("models.pose", &models.pose, config, |package, library| {
            PoseEstimator::open(package, library, options)
        });
        let skeleton = self.open("models.skeleton", &models.skeleton, config, |package, library| {
            SkeletonClassifier::open(package, library, options)
        });
        let clips: Vec<_> = models
            .clips
            .iter()
            .map(|name| {
                self.open("models.clips", name, config, |package, library| {
                    ClipClassifier::open(package, library, options)
                })
            })
            .collect();
        Some(activity::Models {
            pose: pose?,
            skeleton: skeleton?,
            clips: clips.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Opens a package and notes how that went.
    fn open<T, E: Display>(
        &mut self,
        key: &'static str,
        name: &str,
        config: &Config,
        open: impl FnOnce(&Package, &Runtime) -> Result<T, E>,
    ) -> Option<T> {
        let opened = match (Package::find(name, &config.models.directories), &self.library) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), Err(_)) => return None,
            (Ok(package), Ok(library)) => open(&package, library)
                .map(|model| (model, package.reference().version.clone()))
                .map_err(|error| error.to_string()),
        };
        let (model, version) = match opened {
            Ok((model, version)) => (Some(model), Ok(version)),
            Err(why) => (None, Err(why)),
        };
        self.models.push(TriedModel { key, name: name.to_owned(), version });
        model
    }

    /// What of it fails, a line each.
    pub(super) fn problems(&self) -> Vec<String> {
        let library = self.library.as_ref().err().map(|error| format!("runtime.onnxruntime: {error}"));
        let models = self.models.iter().filter_map(|TriedModel { key, version, .. }| {
            version.as_ref().err().map(|why| format!("{key}: {why}"))
        });
        library.into_iter().chain(models).chain(self.unmet.iter().cloned()).collect()
    }
}
