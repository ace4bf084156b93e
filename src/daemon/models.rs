//! The models that a configuration asks for: found, loaded and warmed up.

use std::time::Instant;

use super::DaemonError;
use crate::activity::{self, ClipClassifier, PoseEstimator, PostureClassifier, Share, SkeletonClassifier};
use crate::config;
use crate::detect::Detector;
use crate::model::{Package, Runtime, RuntimeError, SessionOptions, Task};
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
    let begun = Instant::now();
    let mut opening = Opening::new(runtime, models);
    let (detector, activities) = opening.needed_by(cameras);
    for Opened { version, .. } in opening.opened {
        version?;
    }
    let library = opening.library?;
    let detector = detector.expect("what does not open says why");
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
    if let Some(activity::Models { pose, posture, skeleton, clips, .. }) = recognizer.activities() {
        loaded.push(model(pose.model(), Task::Pose));
        loaded.push(model(posture.model(), Task::Posture));
        loaded.push(model(skeleton.model(), Task::Skeleton));
        loaded.extend(clips.iter().map(|clip| model(clip.model(), Task::Clip)));
    }
    loaded
}

/// What has become of a model that a configuration asks for.
pub(super) struct Opened {
    /// The key of the configuration that names it.
    pub(super) key: &'static str,
    /// The package.
    pub(super) name: String,
    /// Its version, or why it does not load.
    pub(super) version: Result<String, DaemonError>,
}

/// Finds and opens the models that a configuration asks for, and notes what has become of each. The one place that knows
/// which there are: what the daemon runs with and what is checked beforehand come from here.
pub(super) struct Opening<'c> {
    models: &'c config::Models,
    options: SessionOptions,
    /// Without it only the packages are looked at, and those that are sound are not noted.
    pub(super) library: Result<Runtime, RuntimeError>,
    /// In the order in which they were tried.
    pub(super) opened: Vec<Opened>,
}

impl<'c> Opening<'c> {
    /// Loads the library.
    pub(super) fn new(runtime: &config::Runtime, models: &'c config::Models) -> Self {
        let library = Runtime::load(runtime.onnxruntime.as_deref());
        let options = SessionOptions { intra_threads: runtime.threads };
        Opening { models, options, library, opened: Vec::new() }
    }

    /// The models that these cameras need: the detector, and those of activities where one wants them. Nothing in the
    /// place of what does not load.
    pub(super) fn needed_by(
        &mut self,
        cameras: &[config::Camera],
    ) -> (Option<Detector>, Option<activity::Models>) {
        let detector = self.open("models.detect", &self.models.detect, Detector::open);
        let activities = if config::want_activities(cameras) { self.activities() } else { None };
        (detector, activities)
    }

    /// The models of activities. Each is tried, whatever became of the others.
    pub(super) fn activities(&mut self) -> Option<activity::Models> {
        let config::Models { pose, posture, skeleton, clips, .. } = self.models;
        let pose = self.open("models.pose", pose, PoseEstimator::open);
        let posture = self.open("models.posture", posture, PostureClassifier::open);
        let skeleton = self.open("models.skeleton", skeleton, SkeletonClassifier::open);
        let clips: Vec<_> =
            clips.iter().map(|name| self.open("models.clips", name, ClipClassifier::open)).collect();
        let clips = clips.into_iter().collect::<Option<_>>();
        Some(activity::Models::new(pose?, posture?, skeleton?, clips?))
    }

    fn open<M, E: Into<DaemonError>>(
        &mut self,
        key: &'static str,
        name: &str,
        open: impl FnOnce(&Package, &Runtime, &SessionOptions) -> Result<M, E>,
    ) -> Option<M> {
        let opened = match (Package::find(name, &self.models.directories), &self.library) {
            (Err(error), _) => Err(error.into()),
            (Ok(_), Err(_)) => return None,
            (Ok(package), Ok(library)) => open(&package, library, &self.options)
                .map(|model| (model, package.reference().version.clone()))
                .map_err(Into::into),
        };
        let (model, version) = match opened {
            Ok((model, version)) => (Some(model), Ok(version)),
            Err(why) => (None, Err(why)),
        };
        self.opened.push(Opened { key, name: name.to_owned(), version });
        model
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;
    use crate::activity::ActivityError;
    use crate::config::Config;
    use crate::daemon::Trial;
    use crate::detect::DetectError;
    use crate::model::{PackageError, SessionError};

    #[test]
    fn what_may_pass_is_not_the_configurations_fault() {
        let unreadable = |source: io::Error| PackageError::Unreadable {
            path: "model.onnx".into(),
            what: "the model",
            source,
        };
        let failing = || unreadable(io::Error::from_raw_os_error(5));
        let missing = || unreadable(io::ErrorKind::NotFound.into());
        let hash = || PackageError::Hash {
            path: "model.onnx".into(),
            found: "a".to_owned(),
            expected: "b".to_owned(),
        };
        let text = || "text".to_owned();
        let run = || SessionError::Run { model: text(), why: text() };
        let load = || SessionError::Load { path: text(), why: text() };
        let input = || SessionError::Input { path: text(), expected: text(), found: text() };
        let cases: [(DaemonError, bool); 11] = [
            (failing().into(), false),
            (missing().into(), true),
            (hash().into(), true),
            (DetectError::from(SessionError::from(failing())).into(), false),
            (DetectError::from(SessionError::from(hash())).into(), true),
            (DetectError::from(load()).into(), false),
            (DetectError::from(run()).into(), false),
            (DetectError::from(input()).into(), true),
            (ActivityError::from(run()).into(), false),
            (ActivityError::from(input()).into(), true),
            (ActivityError::Joints { model: text(), found: 17, expected: 14 }.into(), true),
        ];
        for (error, is_configuration) in cases {
            assert_eq!(error.is_configuration(), is_configuration, "{error:?}");
        }
    }

    #[test]
    fn a_node_starts_with_the_models_that_are_checked() {
        let text = "[node]\nname = \"edge\"\n[runtime]\nonnxruntime = \"none.so\"\n\
            [models]\ndirectories = [\"none\"]\nclips = [\"wave\"]\n\
            [[camera]]\nname = \"ramp\"\npipeline = \"videotestsrc\"\n";
        let config = Config::parse(text, Path::new("/nowhere")).unwrap();
        let trial = Trial::of(&config);
        let keys: Vec<&str> = trial.models.iter().map(|model| model.key).collect();
        assert_eq!(
            keys,
            ["models.detect", "models.pose", "models.posture", "models.skeleton", "models.clips"]
        );
        assert!(trial.models.iter().all(|model| model.version.is_err()));

        let started = open_recognizer(&config.runtime, &config.models, &config.cameras, Share::Unlimited);
        let error = started.err().unwrap();
        assert!(matches!(error, DaemonError::Package(_)), "a library that is not there comes last: {error}");
        assert_eq!(trial.models[0].version, Err(error.to_string()));
    }
}
