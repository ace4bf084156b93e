//! Carries out what a node's users ask of it over MQTT.
//!
//! A thread of its own, because a picture has to be waited for and a configuration takes a while to be checked. Started
//! by [`super::Daemon`]; requests come from [`crate::publish`], which has refused those that are not allowed.
//!
//! The thread ends when the daemon does, whatever is being carried out: it can publish, and the outbox closes only when
//! nobody can any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Applied, Refused, Reloader};
use crate::capture::Remote;
use crate::name::Name;
use crate::picture;
use crate::publish::{Answer, Ask, Handle, Request, Snapshot};
use crate::telemetry::Pulse;

/// Requests that wait for their turn; past it new ones are refused as too many.
const WAITING: usize = 8;
/// How long a camera may take to give a picture.
const PICTURE: Duration = Duration::from_secs(3);
/// How often a reload is looked after, because the daemon might stop.
const LOOK: Duration = Duration::from_millis(50);
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
                    Err(Refused::Stopping.to_string())
                } else {
                    means.carry_out(&request, &commanded, &stopping)
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

    /// Refuses what still waits, a reload that is not done too, and joins the thread. Cameras are to be stopped before, so
    /// that nobody waits for their pictures.
    pub(super) fn stop(self) {
        self.inbox.stopping.store(true, Ordering::Relaxed);
        if self.inbox.sender.send(None).is_err() || self.thread.join().is_err() {
            tracing::error!("the thread `commands` has panicked");
        }
    }
}

impl Means {
    fn carry_out(
        &self,
        request: &Request,
        cameras: &Mutex<Vec<Remote>>,
        stopping: &AtomicBool,
    ) -> Result<Answer, String> {
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
            Ask::Reload => Ok(Answer::Reloaded(reload(&self.reloader, stopping)?.cameras)),
        }
    }
}

/// Reloads on a thread of its own, which is left behind when the daemon stops: loading models cannot be interrupted, and
/// what comes of it is of no use to anybody then.
fn reload(reloader: &Reloader, stopping: &AtomicBool) -> Result<Applied, String> {
    let (ending, ended) = sync_channel::<()>(0);
    let reloader = reloader.clone();
    let run = move || {
        let outcome = reloader.reload();
        drop(ending);
        outcome
    };
    let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(run);
    let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if stopping.load(Ordering::Relaxed) {
            tracing::debug!("a configuration was being checked; nobody needs it now");
            return Err(Refused::Stopping.to_string());
        }
    }
    let outcome = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    outcome.map_err(|refused| refused.to_string())
}

fn named(cameras: &Mutex<Vec<Remote>>, name: &Name) -> Result<Remote, String> {
    let cameras = cameras.lock().unwrap_or_else(PoisonError::into_inner);
    let named = cameras.iter().find(|remote| remote.camera() == name);
    named.cloned().ok_or_else(|| format!("this node has no camera {name}"))
}
