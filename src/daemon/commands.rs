//! Carries out what a node's users ask of it over MQTT.
//!
//! A thread of its own, because a picture has to be waited for and a configuration takes a while to be checked. Started
//! by [`super::Daemon`]; requests come from [`crate::publish`], which has refused those that are not allowed.
//!
//! The thread ends when the daemon does, whatever is being carried out: it can publish, and the outbox closes only when
//! nobody can any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Applied, Asker, Refused};
use crate::capture::Remote;
use crate::clock::Clock;
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
    /// What has the configuration read again; nothing for a node without a file.
    pub(super) asker: Option<Asker>,
    /// Gives pictures their time of day.
    pub(super) clock: Arc<dyn Clock>,
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
                let (jpeg, size) = picture::jpeg_within(&frame, QUALITY, self.handle.picture_bytes())
                    .map_err(|error| error.to_string())?;
                let at = self.clock.setting().time_of_day(frame.at);
                Ok(Answer::Snapshot(Snapshot { at, size, jpeg }))
            }
            Ask::Switch { camera, on } => {
                named(cameras, camera)?.set_enabled(*on);
                Ok(Answer::Switched)
            }
            Ask::Reload => {
                let applied = self.reload(stopping).map_err(|refused| refused.to_string())?;
                Ok(Answer::Reloaded(applied.cameras))
            }
        }
    }

    /// Not waited for any more when the daemon stops: loading models cannot be interrupted, and what comes of it is of no use
    /// to anybody then.
    fn reload(&self, stopping: &AtomicBool) -> Result<Applied, Refused> {
        self.asker.as_ref().ok_or(Refused::NoFile)?.ask_for_answer()?.wait(stopping)
    }
}

fn named(cameras: &Mutex<Vec<Remote>>, name: &Name) -> Result<Remote, String> {
    let cameras = cameras.lock().unwrap_or_else(PoisonError::into_inner);
    let named = cameras.iter().find(|remote| remote.camera() == name);
    named.cloned().ok_or_else(|| format!("this node has no camera {name}"))
}
