//! Requests for a reload by SIGHUP, `spotter reload` and MQTT: a thread that has the running daemon do it, one after the
//! other, so that what was read last is what counts.
//!
//! Reading and checking a configuration takes as long as loading models may take, and nobody who asks may be held up by it
//! who is not waiting for the outcome.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::reload::{Applied, How, Refused, Reloader};
use super::vitals::Vitals;

/// How long the thread may take to end. What it does when the daemon stops is of no use to anybody, and loading models
/// cannot be interrupted.
const PARTING: Duration = Duration::from_millis(100);
/// Requests that wait for the one before; past it they are refused.
const WAITING: usize = 8;
/// How often somebody who waits for an outcome looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Somebody's wish for a reload, and where its outcome goes.
struct Asked(Option<Answer>);

struct Answer {
    outcome: SyncSender<Result<Applied, Refused>>,
    /// Dropped by who does not wait any more.
    waits: Weak<()>,
}

impl Asked {
    /// Whether somebody wants it still.
    fn is_wanted(&self) -> bool {
        self.0.as_ref().is_none_or(|answer| answer.waits.strong_count() > 0)
    }
}

/// An outcome that somebody waits for. What has not begun when this is dropped is not done.
pub(super) struct Awaited {
    outcome: Receiver<Result<Applied, Refused>>,
    _waits: Arc<()>,
}

impl Awaited {
    /// The outcome, unless whoever waits is `stopping` before it is there.
    ///
    /// # Errors
    /// When the reload was refused, or somebody stops.
    pub(super) fn wait(self, stopping: &AtomicBool) -> Result<Applied, Refused> {
        loop {
            match self.outcome.recv_timeout(LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) if !stopping.load(Ordering::SeqCst) => {}
                // It may have come since.
                Err(_) => return self.outcome.try_recv().unwrap_or(Err(Refused::Stopping)),
            }
        }
    }
}

/// Asks for reloads, from any thread.
#[derive(Clone)]
pub struct Asker(SyncSender<Asked>);

impl Asker {
    /// Asks without waiting; the log tells of the outcome. When many ask already, one of them is heard for this one.
    pub(super) fn ask(&self) {
        drop(self.0.try_send(Asked(None)));
    }

    /// Asks for an outcome.
    ///
    /// # Errors
    /// When the service stops, or too many ask.
    pub(super) fn ask_for_answer(&self) -> Result<Awaited, Refused> {
        let (sender, outcome) = sync_channel(1);
        let waits = Arc::new(());
        let answer = Answer { outcome: sender, waits: Arc::downgrade(&waits) };
        match self.0.try_send(Asked(Some(answer))) {
            Ok(()) => Ok(Awaited { outcome, _waits: waits }),
            Err(TrySendError::Full(_)) => Err(Refused::Crowded),
            Err(TrySendError::Disconnected(_)) => Err(Refused::Stopping),
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
    /// Starts it for the configuration's `file`. `running` gives what reloads the daemon that runs now; nothing while none
    /// does. What is asked then waits for the next one.
    pub(super) fn start(
        file: PathBuf,
        vitals: Arc<Vitals>,
        running: impl Fn() -> Option<Reloader> + Send + 'static,
    ) -> std::io::Result<(Self, Asker)> {
        let (asker, asked) = sync_channel::<Asked>(WAITING);
        let (ending, ended) = sync_channel(0);
        let run = move || {
            while let Ok(asked) = asked.recv() {
                let outcome = reload(&file, &running, &vitals, &asked);
                if asked.0.is_some_and(|answer| answer.outcome.try_send(outcome).is_err()) {
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

/// Has the daemon that runs reload, or the next one, when the one that was asked ends before it has and somebody wants it
/// still. The log is told by the daemon.
fn reload(
    file: &Path,
    running: &impl Fn() -> Option<Reloader>,
    vitals: &Vitals,
    asked: &Asked,
) -> Result<Applied, Refused> {
    while vitals.runs() && asked.is_wanted() {
        let Some(reloader) = running() else { continue };
        vitals.reloading();
        match reloader.reload(file) {
            // A daemon's stage has changed before it hears nothing any more, so that this waits.
            Err(Refused::Stopping) => {}
            // The node is ready when it has.
            anew @ Ok(Applied { how: How::Anew(_), .. }) => return anew,
            reloaded => {
                vitals.reloaded();
                return reloaded;
            }
        }
    }
    Err(Refused::Stopping)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A thread for a service in which no daemon runs, what asks it, and who hears that it looks for a daemon.
    fn asking(vitals: &Arc<Vitals>) -> (Asking, Asker, Receiver<()>) {
        let (looks, looked) = channel();
        let running = move || {
            looks.send(()).expect("the test listens");
            None
        };
        let (asking, asker) =
            Asking::start("spotter.toml".into(), Arc::clone(vitals), running).expect("a thread");
        (asking, asker, looked)
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_done() {
        let vitals = Arc::new(Vitals::new());
        let (asking, asker, looked) = asking(&vitals);
        let stopping = AtomicBool::new(true);
        // No daemon runs yet, and the one whose users have asked stops.
        for _ in 0..2 {
            let outcome = asker.ask_for_answer().expect("there is room").wait(&stopping);
            assert!(matches!(outcome, Err(Refused::Stopping)), "{outcome:?}");
        }
        vitals.ready();
        drop(asker);
        assert_eq!(asking.ended.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        assert!(looked.try_recv().is_err(), "the next daemon is left alone");
        asking.join();
    }

    #[test]
    fn nobody_waits_for_ever_when_the_service_stops_and_too_many_are_refused() {
        let vitals = Arc::new(Vitals::new());
        let (asking, asker, _looked) = asking(&vitals);
        let go_on = AtomicBool::new(false);
        // One is taken up and waits for a daemon; the others wait for that one.
        let mut waiting = Vec::new();
        let refused = loop {
            match asker.ask_for_answer() {
                Ok(awaited) => waiting.push(awaited),
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, Refused::Crowded), "{refused:?}");
        assert!((WAITING..=WAITING + 1).contains(&waiting.len()), "{}", waiting.len());
        vitals.stopping();
        for awaited in waiting {
            let outcome = awaited.wait(&go_on);
            assert!(matches!(outcome, Err(Refused::Stopping)), "{outcome:?}");
        }
        drop(asker);
        asking.join();
    }
}
