//! The daemon: builds every stage from the configuration, starts it, watches it, and stops it in order.
//!
//! `spotter run` and `spotter demo` use it. It joins stages and does nothing of what they do.

mod asking;
mod check;
mod commands;
mod control;
mod health;
mod models;
mod notify;
mod plan;
mod pulses;
mod reload;
mod service;
mod signals;
mod summary;
mod timekeeper;
mod trial;
mod vitals;
mod watchdog;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::activity::{ActivityError, Share};
use crate::capture::{Board, Camera, Remote, Room};
use crate::clock::{Clock, Standing, SystemClock, note_standing};
use crate::config::{self, Command, Config};
use crate::detect::DetectError;
use crate::model::{PackageError, RuntimeError};
use crate::publish::{Accelerators, LoadedModel, Node, PublishError, Publisher, Scene, Stopped};
use crate::recognize::{Known, RecognizeError, Recognized, UnknownLabels};
use crate::telemetry::FrameCounters;

pub use asking::Asker;
use check::Served;
pub use check::unservable;
use commands::{Commands, Means};
pub use control::{ControlError, Outcome, ReloadError, ask_to_reload, is_running};
pub use health::HealthError;
use models::Worker;
pub use models::open_recognizer;
pub use pulses::Pulses;
use reload::Reloader;
pub use reload::{Applied, How, Refused};
pub use service::{Service, ServiceError};
pub use signals::{Signals, bear_full_files, exit_at_once, stop_on_signals};
pub use summary::Summary;
use timekeeper::Timekeeper;
pub use timekeeper::{TIMESYNC, told_by_systemd};
pub use trial::{Trial, TriedModel};

/// How often camera statuses are published when nothing changes.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long the broker may take with what waits when the daemon stops, at least and at most.
const FLUSH_GRACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// How long stopping may take from when it was asked for; the broker has what all else leaves of it. The rest of the five
/// seconds is for closing the outbox, and for whoever still waits for a reload.
const STOP_GRACE: Duration = Duration::from_secs(4);

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
    /// A model does not run where the configuration wants it.
    #[error("the model `{model}` does not run where `models.on` wants it: {why}")]
    Accelerator {
        /// The package's name.
        model: String,
        /// Why not, a line for each accelerator.
        why: String,
    },
    /// Two packages have one name.
    #[error(
        "two of the packages that `models` names call themselves `{0}`; give one of them another `name` in its model.toml"
    )]
    SameName(String),
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
    /// Whether it is the configuration's fault, or that of a model which it names, and will be there again until somebody
    /// changes one of them. What may pass is not: a disk that fails, or a machine without memory.
    pub fn is_configuration(&self) -> bool {
        use DaemonError::{
            Accelerator, Activity, Detect, Labels, Package, Panicked, Publish, Recognize, Runtime, SameName,
            Thread,
        };
        match self {
            Package(error)
            | Detect(DetectError::Package(error))
            | Activity(ActivityError::Package(error)) => !error.may_pass(),
            Detect(DetectError::Session(error)) | Activity(ActivityError::Session(error)) => {
                !error.may_pass()
            }
            Detect(DetectError::Output { .. })
            | Activity(
                ActivityError::Output { .. } | ActivityError::Joints { .. } | ActivityError::Values { .. },
            )
            | Labels(_)
            | SameName(_)
            | Publish(PublishError::Tls { .. } | PublishError::Root(_)) => true,
            Runtime(_) | Accelerator { .. } | Recognize(_) | Publish(_) | Thread(_) | Panicked(_) => false,
        }
    }
}

/// Why the daemon is to stop.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks it to.
    Stop,
    /// A thread has ended that must not: it failed or panicked.
    Ended(String),
    /// Somebody asks it to go on with this configuration, which is valid and can be served, but only by starting anew.
    Reload(Box<Config>),
}

/// What rings the daemon.
enum Ring {
    Stop,
    /// To go on with this configuration, and to tell what came of it.
    Reload {
        config: Box<Config>,
        done: SyncSender<Result<Applied, Refused>>,
    },
}

/// A camera and its place on the board.
struct Running {
    index: usize,
    camera: Camera,
}

/// A running daemon.
pub struct Daemon {
    /// What it runs by.
    config: Config,
    board: Arc<Board>,
    /// In the order of the configuration.
    cameras: Vec<Running>,
    workers: Vec<JoinHandle<Result<(), RecognizeError>>>,
    publisher: Publisher,
    commands: Commands,
    clock: Arc<dyn Clock>,
    timekeeper: Timekeeper,
    /// Rings when somebody asks for something.
    asked: Receiver<Ring>,
    stopper: Stopper,
    reloader: Reloader,
    pulses: Pulses,
    next_report: Instant,
}

impl Daemon {
    /// Loads and warms up the models, then starts the publisher, the worker and the cameras. Waits for neither broker
    /// nor cameras: when it returns, the daemon is ready. `asker` has its configuration read again when somebody asks for
    /// that over MQTT. Its threads are watched by `pulses`.
    ///
    /// # Errors
    /// When the runtime library, a model or a thread is not to be had, or the configuration asks for what is not there.
    pub fn start(config: &Config, asker: Option<Asker>, pulses: &Pulses) -> Result<Daemon, DaemonError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let share = Share::Of(config.runtime.activity_share);
        let (workers, loaded) = models::open(&config.runtime, &config.models, &config.cameras, share)?;
        let known = workers[0].recognizer.known().clone();

        let node = Node {
            name: config.node.clone(),
            boot: Uuid::new_v4(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            accelerators: Accelerators::of(&loaded),
            models: loaded,
            cameras: scenes(config, &known),
        };
        let served = Arc::new(Served {
            models: config.models.clone(),
            runtime: config.runtime.clone(),
            health: config.health.clone(),
            outbox: config.mqtt.outbox.directory.clone(),
            known,
        });
        for shortage in Room::shortages(&config.cameras) {
            tracing::error!("{shortage}; as many cameras run as there is room for");
        }
        tracing::info!(node = %node.name, boot = %node.boot, version = node.version, "starting");
        let (inbox, requests) = commands::inbox();
        let take = {
            let inbox = inbox.clone();
            move |request| inbox.put(request)
        };
        note_standing(Standing::Unsynchronised);
        let publisher = Publisher::start(&config.mqtt, node, Arc::clone(&clock), take)?;
        // After all that a wrong configuration can fail at, so that such a start logs its error alone.
        let timekeeper = Timekeeper::start(Arc::clone(&clock))?;

        // Asking to stop again while it is asked is nothing new.
        let (ring, asked) = sync_channel(1);
        let counters: Vec<Arc<FrameCounters>> = config.cameras.iter().map(|_| Arc::default()).collect();
        let board = Arc::new(Board::new(counters.clone(), workers.len()));
        let mut working = Vec::new();
        for (index, Worker { recognizer, keeping }) in workers.into_iter().enumerate() {
            let models = publisher.handle().downgrade();
            let told = move |model: &LoadedModel| {
                if let Some(handle) = models.upgrade() {
                    handle.model(model);
                }
            };
            let wakes = Arc::clone(&board);
            let mender = keeping.start(told, move || wakes.wake(index))?;
            let (handle, board, clock) = (publisher.handle(), Arc::clone(&board), Arc::clone(&clock));
            let hand_on = move |recognized: Recognized| {
                handle.tags(&recognized.tags);
                recognized.occupancies.iter().for_each(|occupancy| handle.occupancy(occupancy));
                recognized.tracks.iter().for_each(|tracks| handle.tracks(tracks));
            };
            let name = board.takers()[index].thread().to_owned();
            let work = move || recognizer.work(&board, &*clock, mender, hand_on);
            working.push(std::thread::Builder::new().name(name).spawn(work)?);
        }
        let stopper = Stopper { ring: ring.clone(), asked: Arc::default() };
        let reloader = Reloader { served, ring };
        let means = Means { handle: publisher.handle(), asker, clock: Arc::clone(&clock) };
        let mut daemon = Daemon {
            config: config.clone(),
            board,
            cameras: Vec::new(),
            workers: working,
            commands: Commands::start(inbox, requests, means)?,
            publisher,
            clock,
            timekeeper,
            asked,
            stopper,
            reloader,
            pulses: pulses.clone(),
            next_report: Instant::now() + REPORT_INTERVAL,
        };
        for (index, (camera, counters)) in config.cameras.iter().zip(counters).enumerate() {
            let running = daemon.start_camera(camera, index, counters)?;
            daemon.cameras.push(running);
        }
        daemon.commands.command(daemon.remotes());
        for pulse in daemon.board.takers().iter().chain([daemon.publisher.pulse(), daemon.commands.pulse()]) {
            pulses.watch(pulse);
        }
        tracing::info!(cameras = daemon.cameras.len(), "ready");
        Ok(daemon)
    }

    fn start_camera(
        &self,
        camera: &config::Camera,
        index: usize,
        counters: Arc<FrameCounters>,
    ) -> std::io::Result<Running> {
        // A camera's thread that hangs is left to itself, and must not keep the outbox from the next daemon.
        let handle = self.publisher.handle().downgrade();
        let (board, clock) = (Arc::clone(&self.board), Arc::clone(&self.clock));
        let changed = move |status| {
            if let Some(handle) = handle.upgrade() {
                handle.camera_status(&status);
            }
        };
        let camera = Camera::start(camera, index, board, counters, clock, changed)?;
        self.pulses.watch(camera.pulse());
        Ok(Running { index, camera })
    }

    /// What asks things of the cameras.
    fn remotes(&self) -> Vec<Remote> {
        self.cameras.iter().map(|running| running.camera.remote()).collect()
    }

    /// Asks the daemon to stop, from any thread and as often as one likes.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// How it is, in a line.
    pub fn summary(&self) -> Summary {
        let states = self.cameras.iter().map(|running| running.camera.health().state().0);
        Summary::new(states, &self.publisher.handle().counts())
    }

    /// Watches over the daemon for up to `timeout`: publishes the cameras' figures when it is time, goes on with a changed
    /// configuration when somebody asks for that, and gives the reason when the daemon is to stop. To be called again and
    /// again.
    pub fn watch(&mut self, timeout: Duration) -> Option<Event> {
        let ring = self.asked.recv_timeout(timeout);
        match ring {
            _ if self.stopper.asked_at().is_some() => return Some(Event::Stop),
            Ok(Ring::Reload { config, done }) => return self.reload(config, &done),
            Ok(Ring::Stop) | Err(RecvTimeoutError::Disconnected) => return Some(Event::Stop),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= self.next_report {
            self.next_report += REPORT_INTERVAL;
            let handle = self.publisher.handle();
            for Running { camera, .. } in &self.cameras {
                handle.camera_status(&camera.health().status());
            }
        }
        self.ended().map(Event::Ended)
    }

    /// A thread that has ended and must not.
    fn ended(&self) -> Option<String> {
        if self.workers.iter().any(JoinHandle::is_finished) {
            return Some("recognition".to_owned());
        }
        if !self.publisher.is_running() {
            return Some("publishing".to_owned());
        }
        if !self.commands.is_running() {
            return Some("carrying out commands".to_owned());
        }
        let Running { camera, .. } = self.cameras.iter().find(|running| !running.camera.is_running())?;
        Some(format!("camera {}", camera.health().camera()))
    }

    /// Stops the cameras, ends every track, publishes what waits and joins every thread. The broker has what is left of the
    /// time since somebody asked for that with a [`Stopper`], or else from now on.
    ///
    /// # Errors
    /// When the worker had failed or panicked; everything is stopped all the same.
    pub fn stop(self) -> Result<(), DaemonError> {
        tracing::info!("stopping");
        let begun = self.stopper.asked_at().unwrap_or_else(Instant::now);
        // Whoever waits for a reload is to hear that there is none.
        drop(self.asked);
        let stopping: Vec<_> = self.cameras.into_iter().map(|running| running.camera.stop()).collect();
        for camera in stopping {
            camera.join();
        }
        self.board.close();
        let worked: Vec<_> = self.workers.into_iter().map(JoinHandle::join).collect();
        self.commands.stop();
        let stopped = self.publisher.stop(flush_grace(begun.elapsed()));
        self.timekeeper.stop();
        match stopped {
            Stopped { unsent: 0, .. } => {}
            Stopped { unsent, kept: true, .. } => {
                tracing::info!(tags = unsent, "the broker has not taken these tags; the next run sends them");
            }
            Stopped { unsent, kept: false, .. } => {
                tracing::error!(tags = unsent, "the broker did not take these tags; they are lost");
            }
        }
        for worked in worked {
            worked.map_err(|_| DaemonError::Panicked("recognize"))??;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// What is left for the broker after so long.
fn flush_grace(spent: Duration) -> Duration {
    STOP_GRACE.saturating_sub(spent).clamp(FLUSH_GRACE.0, FLUSH_GRACE.1)
}

/// Asks a daemon to stop.
#[derive(Clone)]
pub struct Stopper {
    ring: SyncSender<Ring>,
    /// When, for the first time.
    asked: Arc<OnceLock<Instant>>,
}

impl Stopper {
    /// Asks; a daemon that has been asked already, or has ended, hears nothing.
    pub fn stop(&self) {
        self.stop_since(Instant::now());
    }

    /// The same for somebody who has asked then.
    fn stop_since(&self, asked: Instant) {
        self.asked.get_or_init(|| asked);
        if self.ring.try_send(Ring::Stop).is_err() {
            tracing::debug!("asked to stop once more");
        }
    }

    fn asked_at(&self) -> Option<Instant> {
        self.asked.get().copied()
    }
}

/// The cameras, as publishing is told of them.
fn scenes(config: &Config, known: &Known) -> Vec<Scene> {
    let snapshots = config.mqtt.commands.contains(&Command::Snapshot);
    let scene = |camera: &config::Camera| Scene {
        camera: camera.name.clone(),
        zones: known.zones(camera),
        activities: camera.activities.enabled && known.has_activities(),
        snapshots,
    };
    config.cameras.iter().map(scene).collect()
}
