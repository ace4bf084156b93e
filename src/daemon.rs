//! The daemon: builds every stage from the configuration, starts it, watches it, and stops it in order.
//!
//! `spotter run` and `spotter demo` use it. It joins stages and does nothing of what they do.

mod signals;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::capture::{Board, Camera, Stream};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::detect::{DetectError, Detector};
use crate::model::{Package, PackageError, Runtime, RuntimeError, SessionOptions};
use crate::publish::{Accelerators, LoadedModel, Node, PublishError, Publisher};
use crate::recognize::{Recognizer, UnknownLabels};
use crate::tag::Tag;

pub use signals::{Signals, stop_on_signals};

/// How often camera statuses are published when nothing changes.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long the broker may take with what waits when the daemon stops.
const FLUSH_GRACE: Duration = Duration::from_secs(3);

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// ONNX Runtime is not to be had.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A model package is missing or wrong.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A model does not load, or failed while it ran.
    #[error(transparent)]
    Detect(#[from] DetectError),
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
        matches!(self, DaemonError::Package(_) | DaemonError::Detect(_) | DaemonError::Labels(_))
    }
}

/// Why the daemon is to stop.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks it to.
    Stop,
    /// A thread has ended that must not: it failed or panicked.
    Ended(String),
}

/// A running daemon.
pub struct Daemon {
    board: Arc<Board>,
    cameras: Vec<Camera>,
    worker: JoinHandle<Result<(), DetectError>>,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    /// Rings when somebody asks to stop.
    asked: Receiver<()>,
    stopper: Stopper,
    next_report: Instant,
}

impl Daemon {
    /// Loads and warms up the models, then starts the publisher, the worker and the cameras. Waits for neither broker
    /// nor cameras: when it returns, the daemon is ready.
    ///
    /// # Errors
    /// When the runtime library, a model or a thread is not to be had, or the configuration asks for what is not there.
    pub fn start(config: &Config) -> Result<Daemon, DaemonError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let detector = open_detector(&config.runtime, &config.models)?;
        let reference = detector.model().as_ref().clone();
        let recognizer = Recognizer::new(detector, &config.cameras)?;

        let node = Node {
            name: config.node.clone(),
            boot: Uuid::new_v4(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: vec![LoadedModel { reference, task: "detect".to_owned() }],
            accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
        };
        tracing::info!(node = %node.name, boot = %node.boot, version = node.version, "starting");
        let publisher = Publisher::start(&config.mqtt, node, Arc::clone(&clock))?;

        // Asking to stop again while it is asked is nothing new.
        let (ring, asked) = sync_channel(1);
        let counters: Vec<_> = config.cameras.iter().map(|_| Arc::default()).collect();
        let board = Arc::new(Board::new(counters.clone()));
        let worker = {
            let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
            let (counters, handle) = (counters.clone(), publisher.handle());
            std::thread::Builder::new()
                .name("recognize".to_owned())
                .spawn(move || recognizer.work(&board, &counters, &*clock, |tag: Tag| handle.tag(&tag)))?
        };
        let mut cameras = Vec::new();
        for (index, (camera, counters)) in config.cameras.iter().zip(counters).enumerate() {
            let handle = publisher.handle();
            let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
            let changed = move |status| handle.camera_status(&status);
            cameras.push(Camera::start(camera, index, board, counters, clock, changed)?);
        }
        tracing::info!(cameras = cameras.len(), "ready");
        let next_report = Instant::now() + REPORT_INTERVAL;
        Ok(Daemon { board, cameras, worker, publisher, clock, asked, stopper: Stopper(ring), next_report })
    }

    /// Asks the daemon to stop, from any thread and as often as one likes.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Watches over the daemon for up to `timeout`: publishes the cameras' figures when it is time, and gives the reason
    /// when the daemon is to stop. To be called again and again.
    pub fn watch(&mut self, timeout: Duration) -> Option<Event> {
        if self.asked.recv_timeout(timeout) != Err(RecvTimeoutError::Timeout) {
            return Some(Event::Stop);
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
        let camera = self.cameras.iter().find(|camera| !camera.is_running())?;
        Some(format!("camera {}", camera.health().camera()))
    }

    /// Stops the cameras, ends every track, publishes what waits and joins every thread.
    ///
    /// # Errors
    /// When the worker had failed or panicked; everything is stopped all the same.
    pub fn stop(self) -> Result<(), DaemonError> {
        tracing::info!("stopping");
        let stopping: Vec<_> = self.cameras.into_iter().map(Camera::stop).collect();
        for camera in stopping {
            camera.join();
        }
        self.board.close();
        let worked = self.worker.join();
        let stopped = self.publisher.stop(FLUSH_GRACE);
        if stopped.unsent > 0 {
            tracing::error!(tags = stopped.unsent, "the broker did not take these tags; they are lost");
        }
        match worked {
            Ok(result) => result.map_err(DaemonError::Detect)?,
            Err(_) => return Err(DaemonError::Panicked("recognize")),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Asks a daemon to stop.
#[derive(Clone)]
pub struct Stopper(SyncSender<()>);

impl Stopper {
    /// Asks; a daemon that has been asked already, or has ended, hears nothing.
    pub fn stop(&self) {
        if self.0.try_send(()).is_err() {
            tracing::debug!("asked to stop once more");
        }
    }
}

/// Loads the runtime library and the configured model, and warms it up.
///
/// # Errors
/// When either is missing or wrong.
pub fn open_detector(runtime: &config::Runtime, models: &config::Models) -> Result<Detector, DaemonError> {
    let package = Package::find(&models.detect, &models.directories)?;
    let library = Runtime::load(runtime.onnxruntime.as_deref())?;
    let begun = Instant::now();
    let detector = Detector::open(&package, &library, &session_options(runtime))?;
    tracing::info!(
        model = detector.model().name,
        version = detector.model().version,
        onnxruntime = library.version(),
        took_ms = begun.elapsed().as_millis(),
        "model loaded and warmed up"
    );
    Ok(detector)
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
    let package = Package::find(&config.models.detect, &config.models.directories);
    problems.extend(package.as_ref().err().map(|error| format!("models.detect: {error}")));
    let library = Runtime::load(config.runtime.onnxruntime.as_deref());
    problems.extend(library.as_ref().err().map(|error| format!("runtime.onnxruntime: {error}")));
    if let (Ok(package), Ok(library)) = (package, library) {
        match Detector::open(&package, &library, &session_options(&config.runtime)) {
            Err(error) => problems.push(format!("models.detect: {error}")),
            Ok(detector) => problems.extend(unmet(config, &detector)),
        }
    }
    problems
}

fn session_options(runtime: &config::Runtime) -> SessionOptions {
    SessionOptions { intra_threads: runtime.threads }
}

/// What cameras ask for and the model does not give.
fn unmet(config: &Config, detector: &Detector) -> Vec<String> {
    let model = &detector.model().name;
    let low = detector.thresholds().low();
    let unknown = UnknownLabels::find(&config.cameras, detector.labels(), model);
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
