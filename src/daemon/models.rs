//! The models that a configuration asks for: found, loaded, tried where they are to run, and warmed up.

mod keeper;
mod kept;
mod running;

use std::sync::Arc;
use std::time::Instant;

use super::DaemonError;
use crate::activity::{self, ClipClassifier, PoseEstimator, PostureClassifier, Share, SkeletonClassifier};
use crate::config::{self, Crew};
use crate::detect::Detector;
use crate::model::{Package, Runtime, RuntimeError, SessionOptions};
use crate::publish::{LoadedModel, PassedOver};
use crate::recognize::{Exchange, Recognizer, Successor};
use keeper::Keeping;
use kept::Kept;
use running::{Candidate, Machine, Runs};

/// Loads the runtime library and the models that the cameras need, and warms them up.
///
/// # Errors
/// When one is missing or wrong, or does not run where it is to, or a camera asks for what no model knows.
pub fn open_recognizer(
    runtime: &config::Runtime,
    models: &config::Models,
    cameras: &[config::Camera],
    share: Share,
) -> Result<Recognizer, DaemonError> {
    let threads = crew(runtime, models, 1).threads;
    let (worker, loaded) = open_worker(runtime, models, cameras, share, models.workers()[0], threads)?;
    loaded.iter().for_each(note);
    Ok(worker.recognizer)
}

/// Who recognises, and who keeps its models running.
pub(super) struct Worker {
    pub(super) recognizer: Recognizer,
    pub(super) keeping: Keeping,
}

/// The same for every worker that there is to be, and how the models of those run that the configuration names: the others
/// are like the first.
pub(super) fn open(
    runtime: &config::Runtime,
    models: &config::Models,
    cameras: &[config::Camera],
    share: Share,
) -> Result<(Vec<Worker>, Vec<LoadedModel>), DaemonError> {
    let begun = Instant::now();
    let (mut workers, mut all) = (Vec::new(), Vec::new());
    let Crew { workers: count, threads } = crew(runtime, models, cameras.len());
    let (named, exchange) = (models.workers(), Arc::new(Exchange::default()));
    for index in 0..count {
        let worker = named.get(index).unwrap_or(&named[0]);
        let (Worker { recognizer, keeping }, loaded) =
            open_worker(runtime, models, cameras, share, *worker, threads)?;
        let recognizer = recognizer.among(index, count, Arc::clone(&exchange));
        workers.push(Worker { recognizer, keeping });
        if index < named.len() {
            loaded.iter().for_each(note);
            all.extend(loaded);
        }
    }
    tracing::info!(
        workers = count,
        threads,
        onnxruntime = Runtime::load(runtime.onnxruntime.as_deref())?.version(),
        took_ms = begun.elapsed().as_millis(),
        "models loaded and warmed up"
    );
    Ok((workers, all))
}

fn open_worker(
    runtime: &config::Runtime,
    models: &config::Models,
    cameras: &[config::Camera],
    share: Share,
    worker: config::Worker<'_>,
    threads: usize,
) -> Result<(Worker, Vec<LoadedModel>), DaemonError> {
    let mut opening = Opening::new(runtime, models, worker, threads);
    let (detector, activities) = opening.needed_by(cameras);
    let kept = opening.opened.into_iter().map(|opened| opened.kept).collect::<Result<Vec<_>, _>>()?;
    let loaded: Vec<LoadedModel> = kept.iter().map(|kept| kept.loaded().clone()).collect();
    opening.library?;
    let detector = detector.expect("what does not open says why");
    let recognizer = Recognizer::new(detector, activities, share, cameras)?;
    Ok((Worker { recognizer, keeping: Keeping::new(opening.machine, kept) }, loaded))
}

/// Says in the log where a model runs, and why not where it was to.
fn note(LoadedModel { reference, task, worker, passed_over, .. }: &LoadedModel) {
    tracing::info!(
        task,
        worker,
        model = reference.name,
        version = reference.version,
        on = &*reference.on,
        "model loaded"
    );
    for PassedOver { on, details, .. } in passed_over {
        tracing::warn!(task, model = reference.name, passed_over = on, "not where it was to run: {details}");
    }
}

/// How the workers for so many cameras share this machine's processor.
pub(super) fn crew(runtime: &config::Runtime, models: &config::Models, cameras: usize) -> Crew {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    models.crew(cameras, cores, runtime.threads)
}

/// What has become of a model that a configuration asks for.
pub(super) struct Opened {
    /// The key of the configuration that names it.
    pub(super) key: &'static str,
    /// The package.
    pub(super) name: String,
    /// How it runs, or why it does not.
    kept: Result<Kept, DaemonError>,
}

impl Opened {
    /// How it runs, or why it does not.
    pub(super) fn loaded(&self) -> Result<&LoadedModel, &DaemonError> {
        self.kept.as_ref().map(Kept::loaded)
    }
}

/// Finds and opens the models that a configuration asks for, and notes what has become of each. The one place that knows
/// which there are: what the daemon runs with and what is checked beforehand come from here.
pub(super) struct Opening<'c> {
    models: &'c config::Models,
    pub(super) worker: config::Worker<'c>,
    machine: Machine,
    /// Without it only the packages are looked at, and those that are sound are not noted.
    pub(super) library: Result<Runtime, RuntimeError>,
    /// In the order in which they were tried.
    pub(super) opened: Vec<Opened>,
}

impl<'c> Opening<'c> {
    /// Loads the library. `worker` is one of [`config::Models::workers`]; a run on the CPU has so many threads.
    pub(super) fn new(
        runtime: &config::Runtime,
        models: &'c config::Models,
        worker: config::Worker<'c>,
        threads: usize,
    ) -> Self {
        let library = Runtime::load(runtime.onnxruntime.as_deref());
        let machine = Machine::new(threads, runtime.threads, &models.accelerators);
        Opening { models, worker, machine, library, opened: Vec::new() }
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

    fn open<M: Runs + Into<Successor> + 'static, E: Into<DaemonError> + 'static>(
        &mut self,
        key: &'static str,
        name: &str,
        open: fn(&Package, &Runtime, &SessionOptions) -> Result<M, E>,
    ) -> Option<M> {
        let opened = match (Package::find(name, &self.models.directories), &self.library) {
            (Err(error), _) => Err(error.into()),
            (Ok(_), Err(_)) => return None,
            (Ok(package), Ok(library)) => {
                let config::Models { on, fallback, .. } = self.models;
                let config::Worker { number, first } = self.worker;
                let wishes = on.wishes(key.trim_start_matches("models."), first);
                let wishes = wishes.into_iter().map(str::to_owned).collect();
                let candidate = Candidate::new(package, library.clone(), open);
                Kept::open(&mut self.machine, number, wishes, *fallback, candidate)
            }
        };
        let is_there = |name: &str| {
            let loaded = self.opened.iter().filter_map(|opened| opened.loaded().ok());
            loaded.into_iter().any(|loaded| loaded.reference.name == name)
        };
        let (model, kept) = match opened {
            // They could not be told from each other.
            Ok((_, kept)) if is_there(&kept.loaded().reference.name) => {
                (None, Err(DaemonError::SameName(kept.loaded().reference.name.clone())))
            }
            Ok((model, kept)) => (Some(model), Ok(kept)),
            Err(why) => (None, Err(why)),
        };
        self.opened.push(Opened { key, name: name.to_owned(), kept });
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
        assert!(trial.models.iter().all(|model| model.loaded.is_err()));

        let started = open_recognizer(&config.runtime, &config.models, &config.cameras, Share::Unlimited);
        let error = started.err().unwrap();
        assert!(matches!(error, DaemonError::Package(_)), "a library that is not there comes last: {error}");
        assert_eq!(trial.models[0].loaded, Err(error.to_string()));
    }
}
