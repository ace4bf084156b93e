//! The models that a configuration asks for: found, loaded and warmed up.

use std::time::Instant;

use super::DaemonError;
use crate::activity::{self, ActivityError, ClipClassifier, PoseEstimator, Share, SkeletonClassifier};
use crate::config;
use crate::detect::Detector;
use crate::model::{Package, PackageError, Runtime, SessionOptions, Task};
use crate::publish::LoadedModel;
use crate::recognize::Recognizer;
use crate::tag::ModelRef;

/// Loads the runtime library and the models that the cameras need, and warms them up.
///
/// # Errors
/// When one is missing or wrong, or a camera asks for what no model knows.
pub fn open_recognizer(
    runtime: &config::Runtime,
    models: &config::Models,
    cameras: &[config::Camera],
    share: Share,
) -> Result<Recognizer, DaemonError> {
    let find = |name: &str| Package::find(name, &models.directories);
    let detect = find(&models.detect)?;
    let activities = if config::want_activities(cameras) { Some(Packages::find(models)?) } else { None };
    let library = Runtime::load(runtime.onnxruntime.as_deref())?;
    let options = session_options(runtime);
    let begun = Instant::now();
    let detector = Detector::open(&detect, &library, &options)?;
    let activities = activities.map(|packages| packages.open(&library, &options)).transpose()?;
    let recognizer = Recognizer::new(detector, activities, share, cameras)?;
    for LoadedModel { reference, task } in loaded(&recognizer) {
        tracing::info!(task, model = reference.name, version = reference.version, "model loaded");
    }
    tracing::info!(
        onnxruntime = library.version(),
        took_ms = begun.elapsed().as_millis(),
        "models loaded and warmed up"
    );
    Ok(recognizer)
}

/// The models of a recogniser and what each is for.
pub(super) fn loaded(recognizer: &Recognizer) -> Vec<LoadedModel> {
    let model = |reference: &ModelRef, task: Task| LoadedModel {
        reference: reference.clone(),
        task: task.to_string(),
    };
    let mut loaded = vec![model(recognizer.detector().model(), Task::Detect)];
    if let Some(activity::Models { pose, skeleton, clips }) = recognizer.activities() {
        loaded.push(model(pose.model(), Task::Pose));
        loaded.push(model(skeleton.model(), Task::Skeleton));
        loaded.extend(clips.iter().map(|clip| model(clip.model(), Task::Clip)));
    }
    loaded
}

/// The packages of the activities' models.
struct Packages {
    pose: Package,
    skeleton: Package,
    clips: Vec<Package>,
}

impl Packages {
    fn find(models: &config::Models) -> Result<Self, PackageError> {
        let find = |name: &String| Package::find(name, &models.directories);
        Ok(Packages {
            pose: find(&models.pose)?,
            skeleton: find(&models.skeleton)?,
            clips: models.clips.iter().map(find).collect::<Result<_, _>>()?,
        })
    }

    fn open(&self, library: &Runtime, options: &SessionOptions) -> Result<activity::Models, ActivityError> {
        Ok(activity::Models {
            pose: PoseEstimator::open(&self.pose, library, options)?,
            skeleton: SkeletonClassifier::open(&self.skeleton, library, options)?,
            clips: self
                .clips
                .iter()
                .map(|package| ClipClassifier::open(package, library, options))
                .collect::<Result<_, _>>()?,
        })
    }
}

pub(super) fn session_options(runtime: &config::Runtime) -> SessionOptions {
    SessionOptions { intra_threads: runtime.threads }
}
