//! Whether this machine can serve a configuration: everything is tried that can be without starting anything.
//!
//! For `check`, and for a reload, which refuses what cannot be served.

use std::path::PathBuf;

use super::models::session_options;
use crate::activity::{self, ClipClassifier, PoseEstimator, SkeletonClassifier};
use crate::capture::Stream;
use crate::config::{self, Config};
use crate::detect::Detector;
use crate::model::{Package, Runtime, SessionOptions};
use crate::recognize::Known;

/// Everything in a configuration that this machine cannot serve: files that are not there, pipelines that cannot be
/// built, a runtime library or a model that does not load, labels and scores that the model does not give. Starts
/// nothing and connects to nothing.
pub fn unservable(config: &Config) -> Vec<String> {
    let options = session_options(&config.runtime);
    let mut bench = Bench::new(config, sources(config));
    let models = &config.models;
    let detector = bench
        .open("models.detect", &models.detect, |package, library| Detector::open(package, library, &options));
    let activities =
        if config::want_activities(&config.cameras) { bench.activities(models, &options) } else { None };
    let mut problems = bench.problems;
    problems.extend(
        detector.iter().flat_map(|detector| Known::of(detector, activities.as_ref()).unmet(&config.cameras)),
    );
    problems
}

/// The same for a node that already runs with models: these are not loaded a second time as long as the configuration asks
/// for no others.
pub(super) fn unservable_by(config: &Config, served: &Served) -> Vec<String> {
    if !served.has_models_of(config) {
        return unservable(config);
    }
    let mut known = served.known.clone();
    let mut problems = sources(config);
    if config::want_activities(&config.cameras) && !known.has_activities() {
        let mut bench = Bench::new(config, problems);
        let activities = bench.activities(&config.models, &session_options(&config.runtime));
        problems = bench.problems;
        if let Some(activities) = activities {
            known = known.with_activities(&activities);
        }
    }
    problems.extend(known.unmet(&config.cameras));
    problems
}

/// What a node runs with, as far as another configuration is held against it.
pub(super) struct Served {
    pub(super) models: config::Models,
    pub(super) runtime: config::Runtime,
    pub(super) health: config::Health,
    pub(super) known: Known,
}

impl Served {
    /// Whether the configuration asks for the models that run, in the same way.
    fn has_models_of(&self, config: &Config) -> bool {
        (&config.models, &config.runtime) == (&self.models, &self.runtime)
    }
}

/// Cameras whose sources are not there, or of which no pipeline can be built.
fn sources(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    for config::Camera { name, capture, .. } in &config.cameras {
        match &capture.source {
            source @ config::Source::File { path, .. } if !path.exists() => {
                problems.push(format!("camera {name}: source is {source}, which is not there"));
            }
            _ => problems.extend(Stream::check(capture).err().map(|error| format!("camera {name}: {error}"))),
        }
    }
    problems
}

/// Opens models to see whether they can be.
struct Bench<'c> {
    directories: &'c [PathBuf],
    /// Without it only the packages are looked at.
    library: Option<Runtime>,
    problems: Vec<String>,
}

impl<'c> Bench<'c> {
    /// With the runtime library of a configuration, and problems that were found so far.
    fn new(config: &'c Config, mut problems: Vec<String>) -> Self {
        let library = Runtime::load(config.runtime.onnxruntime.as_deref());
        problems.extend(library.as_ref().err().map(|error| format!("runtime.onnxruntime: {error}")));
        Bench { directories: &config.models.directories, library: library.ok(), problems }
    }

    /// Opens the package that `key` names; notes why it cannot be.
    fn open<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        name: &str,
        open: impl FnOnce(&Package, &Runtime) -> Result<T, E>,
    ) -> Option<T> {
        let opened = match (Package::find(name, self.directories), &self.library) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), None) => return None,
            (Ok(package), Some(library)) => open(&package, library).map_err(|error| error.to_string()),
        };
        opened.map_err(|why| self.problems.push(format!("{key}: {why}"))).ok()
    }

    fn activities(&mut self, models: &config::Models, options: &SessionOptions) -> Option<activity::Models> {
        let pose = self.open("models.pose", &models.pose, |package, library| {
            PoseEstimator::open(package, library, options)
        });
        let skeleton = self.open("models.skeleton", &models.skeleton, |package, library| {
            SkeletonClassifier::open(package, library, options)
        });
        let clips: Vec<_> = models
            .clips
            .iter()
            .map(|name| {
                self.open("models.clips", name, |package, library| {
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
}
