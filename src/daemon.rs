//! The daemon: builds every stage from the configuration, starts it, watches it, and stops it in order.
//!
//! `spotter run` and `spotter demo` use it. It joins stages and does nothing of what they do.

mod signals;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::capture::{Board, Camera};
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

/// What the daemon waits for.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks it to stop: a signal, or the end of a demo.
    Stop,
    /// The recognition worker has ended, by itself or by a panic.
    WorkerEnded,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Tags that the broker did not acknowledge.
    pub unsent: usize,
}

/// A running daemon.
pub struct Daemon {
    board: Arc<Board>,
    cameras: Vec<Camera>,
    worker: JoinHandle<Result<(), DetectError>>,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    events: Receiver<Event>,
    sender: SyncSender<Event>,
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

        // Asking to stop twice is asking once; two senders never fill it.
        let (sender, events) = sync_channel(4);
        let counters: Vec<_> = config.cameras.iter().map(|_| Arc::default()).collect();
        let board = Arc::new(Board::new(counters.clone()));
        let worker = {
            let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
            let (counters, handle) = (counters.clone(), publisher.handle());
            let ended = NoteEnd(sender.clone());
            std::thread::Builder::new().name("recognize".to_owned()).spawn(move || {
                let _ended = ended;
                recognizer.work(&board, &counters, &*clock, |tag: Tag| handle.tag(&tag))
            })?
        };
        let mut cameras = Vec::new();
        for (index, (camera, counters)) in config.cameras.iter().zip(counters).enumerate() {
            let handle = publisher.handle();
            let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
            let changed = move |status| handle.camera_status(&status);
            cameras.push(Camera::start(camera, index, board, counters, clock, changed)?);
        }
        tracing::info!(cameras = cameras.len(), "ready");
        Ok(Daemon { board, cameras, worker, publisher, clock, events, sender })
    }

    /// Asks the daemon to stop, from any thread and as often as one likes.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.sender.clone())
    }

    /// Publishes the cameras' figures now and then until somebody asks to stop or something ends that must not.
    pub fn wait(&self) -> Event {
        let mut next_report = Instant::now() + REPORT_INTERVAL;
        loop {
            match self.events.recv_timeout(next_report.saturating_duration_since(Instant::now())) {
                Ok(event) => return event,
                Err(RecvTimeoutError::Disconnected) => return Event::Stop,
                Err(RecvTimeoutError::Timeout) => {}
            }
            next_report += REPORT_INTERVAL;
            let handle = self.publisher.handle();
            for camera in &self.cameras {
                handle.camera_status(&camera.health().status(self.clock.now()));
            }
        }
    }

    /// Whether recognition goes on.
    pub fn is_running(&self) -> bool {
        !self.worker.is_finished()
    }

    /// Stops the cameras, ends every track, publishes what waits and joins every thread.
    ///
    /// # Errors
    /// When the worker had failed or panicked; everything is stopped all the same.
    pub fn stop(self) -> Result<Farewell, DaemonError> {
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
        Ok(Farewell { unsent: stopped.unsent })
    }
}

/// Asks a daemon to stop.
#[derive(Clone)]
pub struct Stopper(SyncSender<Event>);

impl Stopper {
    /// Asks; a daemon that has been asked already, or has ended, hears nothing.
    pub fn stop(&self) {
        drop(self.0.try_send(Event::Stop));
    }
}

/// Tells the daemon that the thread which holds it has ended, however it ended.
struct NoteEnd(SyncSender<Event>);

impl Drop for NoteEnd {
    fn drop(&mut self) {
        drop(self.0.try_send(Event::WorkerEnded));
    }
}

/// Loads the runtime library and the configured model, and warms it up.
///
/// # Errors
/// When either is missing or wrong.
pub fn open_detector(runtime: &config::Runtime, models: &config::Models) -> Result<Detector, DaemonError> {
    let package = Package::find(&models.detect, &models.directories)?;
    let library = Runtime::load(runtime.onnxruntime.as_deref())?;
    let options = SessionOptions { intra_threads: runtime.threads };
    let begun = Instant::now();
    let detector = Detector::open(&package, &library, &options)?;
    tracing::info!(
        model = detector.model().name,
        version = detector.model().version,
        onnxruntime = library.version(),
        took_ms = begun.elapsed().as_millis(),
        "model loaded and warmed up"
    );
    Ok(detector)
}

/// Everything in a valid configuration that this machine cannot serve: files that are not there, a model package that
/// is missing or wrong, labels that the model does not have.
pub fn unservable(config: &Config) -> Vec<String> {
    let missing = |path: &PathBuf| (!path.exists()).then(|| path.display().to_string());
    let mut problems = Vec::new();
    if let Some(path) = config.runtime.onnxruntime.as_ref().and_then(missing) {
        problems.push(format!("runtime.onnxruntime is {path}, which is not there"));
    }
    for camera in &config.cameras {
        if let config::Source::File { path, .. } = &camera.source
            && let Some(path) = missing(path)
        {
            problems.push(format!("camera {}: source is {path}, which is not there", camera.name));
        }
    }
    match Package::find(&config.models.detect, &config.models.directories) {
        Err(error) => problems.push(format!("models.detect: {error}")),
        Ok(package) => {
            let unknown = UnknownLabels::find(&config.cameras, package.labels(), &package.reference().name);
            problems.extend(unknown.iter().flat_map(UnknownLabels::lines));
        }
    }
    problems
}
