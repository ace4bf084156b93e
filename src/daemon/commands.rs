//! Carries out what a node's users ask of it over MQTT.
//!
//! A thread of its own, because a picture has to be waited for and a configuration takes a while to be checked. Started
//! by [`super::Daemon`]; requests come from [`crate::publish`], which has refused those that are not allowed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Reloader;
use crate::capture::Remote;
use crate::name::Name;
use crate::picture;
use crate::publish::{Answer, Ask, Handle, Request, Snapshot};
use crate::telemetry::Pulse;

/// Requests that wait for their turn; past it new ones are refused as too many.
const WAITING: usize = 8;
/// How long a camera may take to give a picture.
const PICTURE: Duration = Duration::from_secs(3);
/// Quality of its JPEG, 1 to 100.
const QUALITY: u8 = 85;

/// Where requests are put.
#[derive(Clone)]
pub(super) struct Inbox {
    sender: SyncSender<Option<Request>>,
    stopping: Arc<AtomicBool>,
}

/// The thread that carries them out.
pub(super) struct Commands {
    inbox: Inbox,
    cameras: Arc<Mutex<Vec<Remote>>>,
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
}

/// What it needs for that.
pub(super) struct Means {
    pub(super) handle: Handle,
    pub(super) reloader: Reloader,
}

/// An inbox, and what is to be given to [`Commands::start`] when there are cameras to command.
pub(super) fn inbox() -> (Inbox, Receiver<Option<Request>>) {
    let (sender, receiver) = sync_channel(WAITING);
    (Inbox { sender, stopping: Arc::default() }, receiver)
}

impl Inbox {
    /// Puts a request in; whether there was room.
    pub(super) fn put(&self, request: Request) -> bool {
        self.sender.try_send(Some(request)).is_ok()
    }
}

impl Commands {
    pub(super) fn start(
        inbox: Inbox,
        requests: Receiver<Option<Request>>,
        means: Means,
    ) -> std::io::Result<Self> {
        let stopping = Arc::clone(&inbox.stopping);
        let cameras: Arc<Mutex<Vec<Remote>>> = Arc::default();
        let commanded = Arc::clone(&cameras);
        let pulse = Arc::new(Pulse::new("commands"));
        let beats = Arc::clone(&pulse);
        let run = move || {
            while let Ok(Some(request)) = requests.recv() {
                // A configuration may take as long as its models take to load.
                if request.ask != Ask::Reload {
                    beats.beat();
                }
                let answer = if stopping.load(Ordering::Relaxed) {
                    Err("the node is stopping".to_owned())
                } else {
                    means.carry_out(&request, &commanded)
                };
                means.handle.answer(&request, answer);
                beats.rest();
            }
        };
        let thread = std::thread::Builder::new().name("commands".to_owned()).spawn(run)?;
        Ok(Commands { inbox, cameras, pulse, thread })
    }

    /// That of the thread.
    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// These cameras can be commanded from now on.
    pub(super) fn command(&self, cameras: Vec<Remote>) {
        *self.cameras.lock().unwrap_or_else(PoisonError::into_inner) = cameras;
    }

    /// Whether the thread runs. It ends only by [`Commands::stop`], so otherwise it has panicked.
    pub(super) fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Refuses what still waits, and joins the thread. Cameras are to be stopped before, so that nobody waits for their
    /// pictures.
    pub(super) fn stop(self) {
        self.inbox.stopping.store(true, Ordering::Relaxed);
        if self.inbox.sender.send(None).is_err() || self.thread.join().is_err() {
            tracing::error!("the thread `commands` has panicked");
        }
    }
}

impl Means {
    fn carry_out(&self, request: &Request, cameras: &Mutex<Vec<Remote>>) -> Result<Answer, String> {
        match &request.ask {
            Ask::Snapshot(camera) => {
                let frame = named(cameras, camera)?.snapshot(PICTURE).map_err(|error| error.to_string())?;
                let jpeg = picture::jpeg(&frame, QUALITY).map_err(|error| error.to_string())?;
                let size = (frame.image.width(), frame.image.height());
                Ok(Answer::Snapshot(Snapshot { at: frame.at, size, jpeg }))
            }
            Ask::Switch { camera, on } => {
                named(cameras, camera)?.set_enabled(*on);
                Ok(Answer::Switched)
            }
            Ask::Reload => {
                let applied = self.reloader.reload().map_err(|refused| refused.to_string())?;
                Ok(Answer::Reloaded(applied.cameras))
            }
        }
    }
}

fn named(cameras: &Mutex<Vec<Remote>>, name: &Name) -> Result<Remote, String> {
    let cameras = cameras.lock().unwrap_or_else(PoisonError::into_inner);
    let named = cameras.iter().find(|remote| remote.camera() == name);
    named.cloned().ok_or_else(|| format!("this node has no camera {name}"))
}
