//! The daemon: builds every stage from the configuration, starts it, watches it, and stops it in order.
//!
//! `spotter run` and `spotter demo` use it. It joins stages and does nothing of what they do.

mod commands;
mod control;
mod health;
mod notify;
mod reload;
mod service;
mod signals;
mod summary;
mod vitals;
mod watchdog;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::activity::{self, ActivityError, ClipClassifier, PoseEstimator, Share, SkeletonClassifier};
use crate::capture::{Board, Camera, Stream};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Command, Config};
use crate::detect::{DetectError, Detector};
use crate::model::{Package, PackageError, Runtime, RuntimeError, SessionOptions, Task};
use crate::publish::{Accelerators, LoadedModel, Node, PublishError, Publisher, Scene, Stopped};
use crate::recognize::{Output, RecognizeError, Recognizer, UnknownLabels};
use crate::tag::ModelRef;

use commands::{Commands, Means};
pub use control::{ControlError, ReloadError, ask_to_reload};
pub use health::HealthError;
pub use reload::{Outcome, Reload, Waiting};
pub use service::{Service, ServiceError};
pub use signals::{Signals, stop_on_signals};
pub use summary::Summary;
pub use watchdog::Pulses;

/// How often camera statuses are published when nothing changes.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long the broker may take with what waits when the daemon stops: the most, and the least, however long the rest
/// has taken.
const FLUSH_GRACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// What the whole of stopping is to take at most, with something left of [`vitals::LONGEST_STOP`] for the process itself.
const STOP_GRACE: Duration = Duration::from_millis(4500);

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// ONNX Runtime is not to be had.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A model package is missing or wrong.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The detector does not load.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// A model of the activities does not load.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// A model failed while it ran.
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
    /// A camera asks for what the model cannot see.
    #[error(transparent)]
    Labels(#[from] UnknownLabels),
    /// Publishing cannot start.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread that must never end has ended by a panic.
    #[error("the thread `{0}` has panicked")]
    Panicked(&'static str),
}

impl DaemonError {
    /// Whether it is the configuration's fault, or that of a model which it names.
    pub fn is_configuration(&self) -> bool {
        use DaemonError::{Activity, Detect, Labels, Package, Publish};
        matches!(
            self,
            Package(_)
                | Detect(_)
                | Activity(_)
                | Labels(_)
                | Publish(PublishError::Tls { .. } | PublishError::Root(_))
        )
    }
}

/// Why the daemon is to stop.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks it to.
    Stop,
    /// A thread has ended that must not: it failed or panicked.
    Ended(String),
    /// Somebody asks it to go on with this configuration, which is valid and can be served.
    Reload(Box<Config>),
}

/// What rings the daemon.
enum Ring {
    Stop,
    Reload(Box<Config>),
}

/// A running daemon.
pub struct Daemon {
    board: Arc<Board>,
    cameras: Vec<Camera>,
    worker: JoinHandle<Result<(), RecognizeError>>,
    publisher: Publisher,
    commands: Commands,
    clock: Arc<dyn Clock>,
    /// Rings when somebody asks for something.
    asked: Receiver<Ring>,
    stopper: Stopper,
    next_report: Instant,
}

impl Daemon {
    /// Loads and warms up the models, then starts the publisher, the worker and the cameras. Waits for neither broker
    /// nor cameras: when it returns, the daemon is ready. `file` is where the configuration came from, to be read again
    /// when somebody asks for it. Its threads are watched by `pulses`.
    ///
    /// # Errors
    /// When the runtime library, a model or a thread is not to be had, or the configuration asks for what is not there.
    pub fn start(config: &Config, file: Option<&Path>, pulses: &Pulses) -> Result<Daemon, DaemonError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let share = Share::Of(config.runtime.activity_share);
        let recognizer = open_recognizer(&config.runtime, &config.models, &config.cameras, share)?;

        let node = Node {
            name: config.node.clone(),
            boot: Uuid::new_v4(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: loaded(&recognizer),
            accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
            cameras: scenes(config, &recognizer),
        };
        tracing::info!(node = %node.name, boot = %node.boot, version = node.version, "starting");
        let (inbox, requests) = commands::inbox();
        let take = {
            let inbox = inbox.clone();
            move |request| inbox.put(request)
        };
        let publisher = Publisher::start(&config.mqtt, node, Arc::clone(&clock), take)?;

        // Asking to stop again while it is asked is nothing new.
        let (ring, asked) = sync_channel(1);
        let counters: Vec<_> = config.cameras.iter().map(|_| Arc::default()).collect();
        let board = Arc::new(Board::new(counters.clone()));
        let worker = {
            let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
            let (counters, handle) = (counters.clone(), publisher.handle());
            let hand_on = move |output| match output {
                Output::Tag(tag) => handle.tag(&tag),
                Output::Occupancy(occupancy) => handle.occupancy(&occupancy),
                Output::Tracks(tracks) => handle.tracks(&tracks),
            };
            std::thread::Builder::new()
                .name("recognize".to_owned())
                .spawn(move || recognizer.work(&board, &counters, &*clock, hand_on))?
        };
        let mut cameras = Vec::new();
        for (index, (camera, counters)) in config.cameras.iter().zip(counters).enumerate() {
            let handle = publisher.handle();
            let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
            let changed = move |status| handle.camera_status(&status);
            cameras.push(Camera::start(camera, index, board, counters, clock, changed)?);
        }
        let commands = {
            let ring = ring.clone();
            let means = Means {
                handle: publisher.handle(),
                cameras: cameras.iter().map(Camera::remote).collect(),
                file: file.map(Path::to_path_buf),
                // Whoever asks while the daemon is about to stop or to reload is heard by that.
                reload: Box::new(move |config| drop(ring.try_send(Ring::Reload(config)))),
            };
            Commands::start(inbox, requests, means)?
        };
        [board.taker(), publisher.pulse(), commands.pulse()]
            .into_iter()
            .for_each(|pulse| pulses.watch(pulse));
        tracing::info!(cameras = cameras.len(), "ready");
        let next_report = Instant::now() + REPORT_INTERVAL;
        let stopper = Stopper { ring, asked: Arc::default() };
        Ok(Daemon { board, cameras, worker, publisher, commands, clock, asked, stopper, next_report })
    }

    /// Asks the daemon to stop, from any thread and as often as one likes.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// How it is, in a line.
    pub fn summary(&self) -> Summary {
        let states = self.cameras.iter().map(|camera| camera.health().state().0);
        Summary::new(states, &self.publisher.handle().counts())
    }

    /// Watches over the daemon for up to `timeout`: publishes the cameras' figures when it is time, and gives the reason
    /// when the daemon is to stop. To be called again and again.
    pub fn watch(&mut self, timeout: Duration) -> Option<Event> {
        let ring = self.asked.recv_timeout(timeout);
        match ring {
            _ if self.stopper.is_asked() => return Some(Event::Stop),
            Ok(Ring::Reload(config)) => return Some(Event::Reload(config)),
            Ok(Ring::Stop) | Err(RecvTimeoutError::Disconnected) => return Some(Event::Stop),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= self.next_report {
            self.next_report += REPORT_INTERVAL;
            let handle = self.publisher.handle();
            for camera in &self.cameras {
                handle.camera_status(&camera.health().status(self.clock.now()));
            }
        }
        self.ended().map(Event::Ended)
    }

    /// A thread that has ended and must not.
    fn ended(&self) -> Option<String> {
        if self.worker.is_finished() {
            return Some("recognition".to_owned());
        }
        if !self.publisher.is_running() {
            return Some("publishing".to_owned());
        }
        if !self.commands.is_running() {
            return Some("carrying out commands".to_owned());
        }
        let camera = self.cameras.iter().find(|camera| !camera.is_running())?;
        Some(format!("camera {}", camera.health().camera()))
    }

    /// Stops the cameras, ends every track, publishes what waits and joins every thread.
    ///
    /// # Errors
    /// When the worker had failed or panicked; everything is stopped all the same.
    pub fn stop(self) -> Result<(), DaemonError> {
        tracing::info!("stopping");
        let begun = Instant::now();
        let stopping: Vec<_> = self.cameras.into_iter().map(Camera::stop).collect();
        for camera in stopping {
            camera.join();
        }
        self.board.close();
        let worked = self.worker.join();
        self.commands.stop();
        let stopped = self.publisher.stop(flush_grace(begun.elapsed()));
        match stopped {
            Stopped { unsent: 0, .. } => {}
            Stopped { unsent, kept: true, .. } => {
                tracing::info!(tags = unsent, "the broker has not taken these tags; the next run sends them");
            }
            Stopped { unsent, kept: false, .. } => {
                tracing::error!(tags = unsent, "the broker did not take these tags; they are lost");
            }
        }
        match worked {
            Ok(result) => result?,
            Err(_) => return Err(DaemonError::Panicked("recognize")),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// What the broker gets of the time to stop when the rest has taken `spent`.
fn flush_grace(spent: Duration) -> Duration {
    STOP_GRACE.saturating_sub(spent).clamp(FLUSH_GRACE.0, FLUSH_GRACE.1)
}

/// Asks a daemon to stop.
#[derive(Clone)]
pub struct Stopper {
    ring: SyncSender<Ring>,
    asked: Arc<AtomicBool>,
}

impl Stopper {
    /// Asks; a daemon that has been asked already, or has ended, hears nothing.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::SeqCst);
        if self.ring.try_send(Ring::Stop).is_err() {
            tracing::debug!("asked to stop once more");
        }
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The cameras, as publishing is told of them.
fn scenes(config: &Config, recognizer: &Recognizer) -> Vec<Scene> {
    let snapshots = config.mqtt.commands.contains(&Command::Snapshot);
    let scene = |(index, camera): (usize, &config::Camera)| Scene {
        camera: camera.name.clone(),
        zones: recognizer.zones(index),
        activities: camera.activities.enabled && recognizer.activities().is_some(),
        snapshots,
    };
    config.cameras.iter().enumerate().map(scene).collect()
}

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
    let wants_activities = cameras.iter().any(|camera| camera.activities.enabled);
    let activities = if wants_activities { Some(Packages::find(models)?) } else { None };
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
fn loaded(recognizer: &Recognizer) -> Vec<LoadedModel> {
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

/// Everything in a configuration that this machine cannot serve: files that are not there, pipelines that cannot be
/// built, a runtime library or a model that does not load, labels and scores that the model does not give. Starts
/// nothing and connects to nothing.
pub fn unservable(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    for config::Camera { name, source, .. } in &config.cameras {
        match source {
            config::Source::File { path, .. } if !path.exists() => {
                problems.push(format!("camera {name}: source is {source}, which is not there"));
            }
            _ => problems.extend(Stream::check(source).err().map(|error| format!("camera {name}: {error}"))),
        }
    }
    let library = Runtime::load(config.runtime.onnxruntime.as_deref());
    problems.extend(library.as_ref().err().map(|error| format!("runtime.onnxruntime: {error}")));
    let options = session_options(&config.runtime);
    let mut bench = Bench { directories: &config.models.directories, library: library.ok(), problems };
    let models = &config.models;
    let detector = bench
        .open("models.detect", &models.detect, |package, library| Detector::open(package, library, &options));
    let activities = if config.cameras.iter().any(|camera| camera.activities.enabled) {
        bench.activities(models, &options)
    } else {
        None
    };
    let mut problems = bench.problems;
    problems.extend(detector.iter().flat_map(|detector| unmet(config, detector, activities.as_ref())));
    problems
}

/// Opens models to see whether they can be.
struct Bench<'c> {
    directories: &'c [PathBuf],
    /// Without it only the packages are looked at.
    library: Option<Runtime>,
    problems: Vec<String>,
}

impl Bench<'_> {
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

fn session_options(runtime: &config::Runtime) -> SessionOptions {
    SessionOptions { intra_threads: runtime.threads }
}

/// What cameras ask for and the model does not give.
fn unmet(config: &Config, detector: &Detector, activities: Option<&activity::Models>) -> Vec<String> {
    let model = &detector.model().name;
    let low = detector.thresholds().low();
    let unknown = UnknownLabels::find(&config.cameras, detector, activities);
    let mut problems: Vec<String> = unknown.iter().flat_map(UnknownLabels::lines).collect();
    for camera in &config.cameras {
        if let Some(score) = camera.objects.score.filter(|&score| score < low) {
            problems.push(format!(
                "camera {}: objects.score is {score}, but the model {model} gives nothing below {low}",
                camera.name
            ));
        }
    }
    problems
}
