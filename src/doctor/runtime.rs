//! ONNX Runtime: the library, what it offers here, and whether the models load.

use std::fmt::Display;

use super::{Area, Check, Verdict};
use crate::activity::{self, ClipClassifier, PoseEstimator, SkeletonClassifier};
use crate::config::Config;
use crate::detect::Detector;
use crate::model::{Package, Runtime, SessionOptions};
use crate::recognize::Known;

pub(super) fn checks(config: Option<&Config>) -> Vec<Check> {
    let configured = config.and_then(|config| config.runtime.onnxruntime.as_deref());
    let library = match Runtime::load(configured) {
        Ok(library) => library,
        Err(error) => return vec![Check::new(Area::Runtime, "library", Verdict::Failure, error)],
    };
    let text = format!("ONNX Runtime {} at {}", library.version(), library.path().display());
    let providers = library.providers();
    let told =
        if providers.is_empty() { "the library does not tell".to_owned() } else { providers.join(", ") };
    let mut checks = vec![
        Check::new(Area::Runtime, "library", Verdict::Ok, text),
        Check::new(Area::Runtime, "providers", Verdict::Ok, format!("{told}; models run on the CPU")),
    ];
    if let Some(config) = config {
        models(config, &library, &mut checks);
    }
    checks
}

/// Loads each model as the daemon would, and holds what the cameras ask for against what they give.
fn models(config: &Config, library: &Runtime, checks: &mut Vec<Check>) {
    let models = &config.models;
    let options = SessionOptions { intra_threads: config.runtime.threads };
    let mut bench = Bench { config, library, checks };
    let detector =
        bench.open("detect", &models.detect, |package, library| Detector::open(package, library, &options));
    let wants_activities = config.cameras.iter().any(|camera| camera.activities.enabled);
    let activities = if wants_activities {
        let pose = bench
            .open("pose", &models.pose, |package, library| PoseEstimator::open(package, library, &options));
        let skeleton = bench.open("skeleton", &models.skeleton, |package, library| {
            SkeletonClassifier::open(package, library, &options)
        });
        let clips: Vec<_> = models
            .clips
            .iter()
            .map(|name| {
                bench.open("clip", name, |package, library| ClipClassifier::open(package, library, &options))
            })
            .collect();
        let clips: Option<Vec<_>> = clips.into_iter().collect();
        pose.zip(skeleton).zip(clips).map(|((pose, skeleton), clips)| activity::Models {
            pose,
            skeleton,
            clips,
        })
    } else {
        None
    };
    if let Some(detector) = detector.filter(|_| activities.is_some() || !wants_activities) {
        let unmet = Known::of(&detector, activities.as_ref()).unmet(&config.cameras);
        checks.extend(unmet.iter().map(|why| Check::new(Area::Runtime, "labels", Verdict::Failure, why)));
    }
}

struct Bench<'a> {
    config: &'a Config,
    library: &'a Runtime,
    checks: &'a mut Vec<Check>,
}

impl Bench<'_> {
    /// Opens the package `name` and notes how that went.
    fn open<T, E: Display>(
        &mut self,
        task: &str,
        name: &str,
        open: impl FnOnce(&Package, &Runtime) -> Result<T, E>,
    ) -> Option<T> {
        let opened = Package::find(name, &self.config.models.directories)
            .map_err(|error| error.to_string())
            .and_then(|package| {
                let model = open(&package, self.library).map_err(|error| error.to_string())?;
                Ok((model, package.reference().version.clone()))
            });
        let subject = format!("model {task}");
        match opened {
            Ok((model, version)) => {
                let text = format!("{name} {version} is loaded and runs");
                self.checks.push(Check::new(Area::Runtime, subject, Verdict::Ok, text));
                Some(model)
            }
            Err(why) => {
                self.checks.push(Check::new(Area::Runtime, subject, Verdict::Failure, why));
                None
            }
        }
    }
}
