//! Reloads: the configuration's file is read again and checked, and the daemon goes on with it or refuses it whole.
//!
//! [`read`] is the one way, whoever asks: a command over MQTT, SIGHUP or `spotter reload`. The last two go through
//! [`Reloader`], whose thread reads and checks, because that takes as long as loading the models, and hands what is valid
//! to the daemon's main thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::unservable;
use super::vitals::Vitals;
use crate::config::{Config, ConfigError};

/// How long the thread may take to end. What it does when the daemon stops is of no use to anybody, and loading models
/// cannot be interrupted.
const PARTING: Duration = Duration::from_millis(500);
/// Requests that wait for the one before; past it they are refused.
const WAITING: usize = 8;

/// Reads a configuration and looks whether this machine can serve it.
///
/// # Errors
/// With everything that is wrong.
pub(super) fn read(file: &Path) -> Result<Box<Config>, Vec<String>> {
    let config = match Config::load(file) {
        Ok(config) => Box::new(config),
        Err(ConfigError::Wrong { problems, rest }) => {
            let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            // What is wrong with the text does not hide what is wrong with what the rest of it names.
            problems.extend(rest.iter().flat_map(|rest| unservable(rest)));
            return Err(problems);
        }
        Err(error @ ConfigError::Unreadable { .. }) => return Err(vec![error.to_string()]),
    };
    let problems = unservable(&config);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

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

    fn log(&self) {
        match self {
            Outcome::Applied(what) => tracing::info!("the configuration was reloaded: {what}"),
            Outcome::Refused(problems) => {
                for problem in problems {
                    tracing::error!("the new configuration is refused: {problem}");
                }
            }
            Outcome::Failed(why) => tracing::error!("the configuration was not reloaded: {why}"),
        }
    }
}

/// A valid configuration that is to be applied.
#[derive(Debug)]
pub struct Reload {
    /// The configuration.
    pub config: Box<Config>,
    /// Who waits for that.
    pub waiting: Waiting,
}

/// Somebody who waits for the outcome of a reload. When it is dropped, they are told that the daemon stops.
#[derive(Debug)]
pub struct Waiting(SyncSender<Outcome>);

impl Waiting {
    /// The daemon runs with the new configuration, of which this says a few words.
    pub fn applied(self, what: String) {
        self.answer(Outcome::Applied(what));
    }

    /// It cannot be applied after all; the daemon goes on with the old one.
    pub fn refused(self, problems: Vec<String>) {
        self.answer(Outcome::Refused(problems));
    }

    fn answer(self, outcome: Outcome) {
        if self.0.try_send(outcome).is_err() {
            tracing::debug!("nobody waits for the reload any more");
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

/// The thread that reads and checks. It ends when every [`Asker`] is dropped.
pub(super) struct Reloader {
    thread: JoinHandle<()>,
    /// Closed by the thread's end.
    ended: Receiver<()>,
}

impl Reloader {
    /// Starts it for this file. Valid configurations come out of the receiver, one at a time.
    pub(super) fn start(
        file: PathBuf,
        vitals: Arc<Vitals>,
    ) -> std::io::Result<(Self, Asker, Receiver<Reload>)> {
        let (asker, asked) = sync_channel::<Asked>(WAITING);
        let (hand_on, reloads) = sync_channel(1);
        let (ending, ended) = sync_channel(0);
        let run = move || {
            while let Ok(Asked { answer }) = asked.recv() {
                vitals.reloading();
                let outcome = reload(&file, &hand_on);
                outcome.log();
                vitals.ready();
                if answer.is_some_and(|answer| answer.try_send(outcome).is_err()) {
                    tracing::debug!("who asked for the reload has gone");
                }
            }
            drop(ending);
        };
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(run)?;
        Ok((Reloader { thread, ended }, Asker(asker), reloads))
    }

    /// Waits a moment for the thread's end. The receiver of its reloads and every asker are to be dropped before.
    pub(super) fn join(self) {
        if self.ended.recv_timeout(PARTING) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("a configuration was being checked; nobody needs it now");
        } else if self.thread.join().is_err() {
            tracing::error!("the thread `reload` has panicked");
        }
    }
}

fn reload(file: &Path, hand_on: &SyncSender<Reload>) -> Outcome {
    let config = match read(file) {
        Ok(config) => config,
        Err(problems) => return Outcome::Refused(problems),
    };
    let (answer, outcome) = sync_channel(1);
    if hand_on.send(Reload { config, waiting: Waiting(answer) }).is_err() {
        return Outcome::of_stopping();
    }
    outcome.recv().unwrap_or_else(|_| Outcome::of_stopping())
}
