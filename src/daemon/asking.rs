//! Requests for a reload by SIGHUP and `spotter reload`: a thread that has the running daemon do it, one after the other.
//!
//! Reading and checking a configuration takes as long as loading models may take, and nobody who asks may be held up by it
//! who is not waiting for the outcome.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::reload::{Applied, How, Refused, Reloader};
use super::vitals::Vitals;

/// How long the thread may take to end. What it does when the daemon stops is of no use to anybody, and loading models
/// cannot be interrupted.
const PARTING: Duration = Duration::from_millis(500);
/// Requests that wait for the one before; past it they are refused.
const WAITING: usize = 8;

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The daemon runs with the new configuration, of which this says a few words.
    Applied(String),
    /// The new one is wrong, as these lines say; the daemon goes on with the old one.
    Refused(Vec<String>),
    /// Neither, and why.
    Failed(String),
}

impl Outcome {
    fn of_stopping() -> Self {
        Outcome::Failed("the daemon is stopping".to_owned())
    }

    fn of(reloaded: &Result<Applied, Refused>) -> Self {
        match reloaded {
            Ok(applied) => Outcome::Applied(applied.to_string()),
            Err(Refused::Wrong(problems)) => Outcome::Refused(problems.clone()),
            Err(Refused::Unreadable(error)) => Outcome::Refused(vec![error.to_string()]),
            Err(Refused::Stopping) => Outcome::of_stopping(),
            Err(error @ Refused::NoFile) => Outcome::Failed(error.to_string()),
        }
    }
}

/// Somebody's wish for a reload.
struct Asked {
    answer: Option<SyncSender<Outcome>>,
}

/// Asks for reloads, from any thread.
#[derive(Clone)]
pub(super) struct Asker(SyncSender<Asked>);

impl Asker {
    /// Asks without waiting; the log tells of the outcome. When many ask already, one of them is heard for this one.
    pub(super) fn ask(&self) {
        drop(self.0.try_send(Asked { answer: None }));
    }

    /// Asks; the outcome comes here, and that the other end is dropped means that the daemon stops.
    ///
    /// # Errors
    /// When the daemon stops, or too many ask.
    pub(super) fn ask_for_answer(&self) -> Result<Receiver<Outcome>, Outcome> {
        let (answer, outcome) = sync_channel(1);
        match self.0.try_send(Asked { answer: Some(answer) }) {
            Ok(()) => Ok(outcome),
            Err(TrySendError::Full(_)) => Err(Outcome::Failed("too many ask for a reload".to_owned())),
            Err(TrySendError::Disconnected(_)) => Err(Outcome::of_stopping()),
        }
    }
}

/// The thread that does what is asked. It ends when every [`Asker`] is dropped.
pub(super) struct Asking {
    thread: JoinHandle<()>,
    /// Closed by the thread's end.
    ended: Receiver<()>,
}

impl Asking {
    /// Starts it. `running` gives what reloads the daemon that runs now; nothing while none does. What is asked then waits
    /// for the next one.
    pub(super) fn start(
        vitals: Arc<Vitals>,
        running: impl Fn() -> Option<Reloader> + Send + 'static,
    ) -> std::io::Result<(Self, Asker)> {
        let (asker, asked) = sync_channel::<Asked>(WAITING);
        let (ending, ended) = sync_channel(0);
        let run = move || {
            while let Ok(Asked { answer }) = asked.recv() {
                let outcome = reload(&running, &vitals);
                if answer.is_some_and(|answer| answer.try_send(outcome).is_err()) {
                    tracing::debug!("who asked for the reload has gone");
                }
            }
            drop(ending);
        };
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(run)?;
        Ok((Asking { thread, ended }, Asker(asker)))
    }

    /// Waits a moment for the thread's end. Every asker is to be dropped before.
    pub(super) fn join(self) {
        if self.ended.recv_timeout(PARTING) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("a configuration was being checked; nobody needs it now");
        } else if self.thread.join().is_err() {
            tracing::error!("the thread `reload` has panicked");
        }
    }
}

/// Has the daemon that runs reload, or the next one, when the one that was asked ends before it has. The log is told by the
/// daemon.
fn reload(running: &impl Fn() -> Option<Reloader>, vitals: &Vitals) -> Outcome {
    while vitals.runs() {
        let Some(reloader) = running() else { continue };
        vitals.reloading();
        match reloader.reload() {
            // A daemon's stage has changed before it hears nothing any more, so that this waits.
            Err(Refused::Stopping) => {}
            // The node is ready when it has.
            anew @ Ok(Applied { how: How::Anew(_), .. }) => return Outcome::of(&anew),
            reloaded => {
                vitals.reloaded();
                return Outcome::of(&reloaded);
            }
        }
    }
    Outcome::of_stopping()
}
