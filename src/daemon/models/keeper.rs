//! Keeps models running that run on accelerators: what fails there is opened again, or runs on what is next in the list.
//!
//! A model that fails is opened again at once. When that fails too, or it failed not long ago, the next wish runs it, if the
//! configuration allows that; what comes before in the list is tried again after pauses that grow. While nothing runs it
//! every wish that may is tried, for ever. All of it happens on a thread of its own: the worker goes on meanwhile, and takes over
//! what is ready between two frames.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::kept::{Kept, Ready};
use super::running::{Machine, Unfit};
use crate::publish::LoadedModel;
use crate::recognize::{Mender, NoMender, RecognizeError, Successor};

/// How long the end waits for a model that is being opened.
const PATIENCE: Duration = Duration::from_millis(500);

/// A model that has failed.
struct Failure {
    name: String,
    /// The one that failed, of all that have run for the package: the first is 0.
    generation: u64,
    why: String,
}

/// The models that may move, for the thread that moves them.
pub(in crate::daemon) struct Keeping {
    machine: Machine,
    kept: Vec<Kept>,
}

/// The worker's end of the thread.
struct Keeper {
    /// At most one for each model that runs.
    failures: Option<Sender<Failure>>,
    /// At most one for each try.
    successors: Receiver<Ready>,
    /// The generation of each model that runs on an accelerator, by its package.
    accelerated: BTreeMap<String, u64>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Keeping {
    pub(super) fn new(machine: Machine, kept: impl IntoIterator<Item = Kept>) -> Self {
        Keeping { machine, kept: kept.into_iter().filter(Kept::may_move).collect() }
    }

    /// Starts the thread, unless no model may move; `told` hears of each that has stopped, or runs elsewhere or again, and
    /// `is_ready` wakes the worker for one that takes over.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(in crate::daemon) fn start(
        mut self,
        told: impl Fn(&LoadedModel) + Send + 'static,
        is_ready: impl Fn() + Send + 'static,
    ) -> std::io::Result<Box<dyn Mender + Send>> {
        if self.kept.is_empty() {
            return Ok(Box::new(NoMender));
        }
        let (failures, failed) = channel();
        let (ready, successors) = channel();
        let (end, ended) = channel();
        let accelerated = self.kept.iter().filter_map(Kept::accelerated).collect();
        let keep = move || {
            self.keep(&failed, &told, |one| {
                // The worker that would take it may have ended.
                drop(ready.send(one));
                is_ready();
            });
            drop(end);
        };
        let thread = std::thread::Builder::new().name("models".to_owned()).spawn(keep)?;
        let keeper =
            Keeper { failures: Some(failures), successors, accelerated, ended, thread: Some(thread) };
        Ok(Box::new(keeper))
    }

    fn keep(&mut self, failures: &Receiver<Failure>, told: &dyn Fn(&LoadedModel), hand_over: impl Fn(Ready)) {
        let Keeping { machine, kept } = self;
        loop {
            let due = kept.iter().filter_map(Kept::due).min();
            let failure = match due {
                Some(due) => failures.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => failures.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match failure {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(kept) = kept.iter_mut().find(|kept| kept.due() == due) {
                        let successor = kept.try_again(machine);
                        kept.settle(successor, told, &hand_over);
                    }
                }
                Ok(Failure { name, generation, why }) => {
                    // Of one that another is about to take over from, nothing is to be said.
                    let Some(failed) = kept.iter_mut().find(|kept| kept.is(&name, generation)) else {
                        continue;
                    };
                    let place = failed.place();
                    let successor = failed.failed(machine, why, told);
                    failed.settle(successor, told, &hand_over);
                    // Where the accelerator itself is gone, its other models need not fail one by one.
                    let Some((wish, name)) = place else { continue };
                    let Some(Unfit::Absent(why)) = failed.unfit(wish) else { continue };
                    let why = why.to_string();
                    for kept in kept.iter_mut().filter(|kept| kept.runs_on(&name)) {
                        let successor = kept.failed(machine, why.clone(), told);
                        kept.settle(successor, told, &hand_over);
                    }
                }
            }
        }
    }
}

impl Mender for Keeper {
    fn failed(&mut self, name: &str, why: &RecognizeError) -> bool {
        let (Some(generation), Some(failures)) = (self.accelerated.get(name), &self.failures) else {
            return false;
        };
        let failure = Failure { name: name.to_owned(), generation: *generation, why: why.to_string() };
        failures.send(failure).is_ok()
    }

    fn successor(&mut self) -> Option<Successor> {
        let Ready { successor, generation, on_accelerator } = self.successors.try_recv().ok()?;
        let name = &successor.reference().name;
        if on_accelerator {
            self.accelerated.insert(name.clone(), generation);
        } else {
            self.accelerated.remove(name);
        }
        Some(successor)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.failures.take());
        let has_ended = self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected);
        match self.thread.take() {
            Some(thread) if has_ended => {
                if thread.join().is_err() {
                    tracing::error!("the thread `models` has panicked");
                }
            }
            // `spotter run` ends at once for such threads.
            _ => tracing::warn!("a model is still being opened; it is left to itself"),
        }
    }
}
