//! Keeps models running that run on accelerators: what fails there is opened again, or runs on what is next in the list.
//!
//! A model that fails is opened again at once. When that fails too, or it failed not long ago, the next wish runs it, if the
//! configuration allows that; what comes before in the list is tried again after pauses that grow. All of it happens on a
//! thread of its own: the worker goes on meanwhile, and takes over what is ready between two frames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::running::{Candidate, Machine, Obstacle, Runs, Unfit};
use crate::clock::{Clock, SystemClock};
use crate::config::{CPU, Fallback};
use crate::daemon::DaemonError;
use crate::model::Package;
use crate::publish::{Accelerated, LoadedModel, PassedOver};
use crate::recognize::{Mender, NoMender, RecognizeError, Successor};
use crate::tag::ModelRef;

/// The pauses between two tries: the first, which doubles with each in vain, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What has run for so long is opened again at once when it fails.
const STEADY: Duration = Duration::from_secs(600);
/// How long the end waits for a model that is being opened.
const PATIENCE: Duration = Duration::from_millis(500);

/// A model, and all places where it may run.
pub(super) struct Kept {
    /// By the configuration, best first.
    wishes: Vec<String>,
    fallback: Fallback,
    /// Which of them runs it; none while nothing does.
    on: Option<usize>,
    /// Why others do not.
    unfit: BTreeMap<usize, Unfit>,
    reopen: Reopens,
    pauses: Pauses,
    loaded: LoadedModel,
}

type Reopens =
    Box<dyn FnMut(&mut Machine, &str) -> Result<(Successor, Option<Accelerated>), Obstacle> + Send>;

/// When what was lost is tried again.
struct Pauses {
    /// The last one.
    pause: Duration,
    due: Option<Instant>,
    /// Since when the model runs where it does.
    since: Instant,
}

/// A model that has failed.
struct Failure {
    name: String,
    why: String,
}

impl Kept {
    /// Opens a model on the first of the wishes that runs it as it should, or on none but the first, as the configuration
    /// says.
    ///
    /// # Errors
    /// When it does not run on the CPU, which every other wish is held against; when no wish is left.
    pub(super) fn open<M: Runs + Into<Successor> + 'static>(
        machine: &mut Machine,
        worker: Option<usize>,
        wishes: Vec<String>,
        fallback: Fallback,
        mut candidate: Candidate<M>,
    ) -> Result<(M, Self), DaemonError> {
        let begun = Instant::now();
        let mut unfit = BTreeMap::new();
        for (wish, on) in wishes.iter().enumerate() {
            match machine.open(on, &mut candidate) {
                Ok((model, accelerated)) => {
                    let package = candidate.package();
                    let loaded = LoadedModel {
                        reference: package.reference_on(on),
                        task: package.task().to_string(),
                        worker,
                        asked: wishes.clone(),
                        passed_over: passed_over(&wishes, &unfit),
                        runs: true,
                        since: SystemClock.steady(),
                        start: begun.elapsed(),
                        accelerated,
                    };
                    let reopen: Reopens = Box::new(move |machine, on| {
                        machine.open(on, &mut candidate).map(|(model, how)| (model.into(), how))
                    });
                    let mut kept = Kept {
                        on: Some(wish),
                        wishes,
                        fallback,
                        unfit,
                        reopen,
                        pauses: Pauses::new(),
                        loaded,
                    };
                    if kept.better().next().is_some() {
                        kept.pauses.in_vain();
                    }
                    return Ok((model, kept));
                }
                Err(Obstacle::Model(error)) => return Err(error),
                Err(Obstacle::Place(why)) => {
                    unfit.insert(wish, why);
                    if fallback == Fallback::Refuse {
                        break;
                    }
                }
            }
        }
        Err(refused(candidate.package(), &passed_over(&wishes, &unfit)))
    }

    /// How it runs.
    pub(super) fn loaded(&self) -> &LoadedModel {
        &self.loaded
    }

    /// Whether it may ever run elsewhere than it does.
    fn may_move(&self) -> bool {
        self.runs_on_accelerator() || self.better().next().is_some()
    }

    fn runs_on_accelerator(&self) -> bool {
        self.on.is_some_and(|on| self.wishes[on] != CPU)
    }

    /// The wishes before the one that runs it which may run it again.
    fn better(&self) -> impl Iterator<Item = usize> {
        let allowed = match self.fallback {
            Fallback::Announce => self.wishes.len(),
            Fallback::Refuse => 1,
        };
        (0..self.on.unwrap_or(allowed).min(allowed))
            .filter(|wish| self.unfit.get(wish).is_none_or(Unfit::may_pass))
    }

    /// Opens it on one of the wishes.
    fn reopen(&mut self, machine: &mut Machine, wish: usize) -> Option<Successor> {
        let (begun, on) = (Instant::now(), &self.wishes[wish]);
        machine.forget(on);
        let (successor, accelerated) = match (self.reopen)(machine, on) {
            Ok(opened) => opened,
            Err(obstacle) => {
                let unfit = match obstacle {
                    Obstacle::Place(unfit) => unfit,
                    Obstacle::Model(error) => Unfit::Fails(error.to_string()),
                };
                tracing::debug!(model = self.loaded.reference.name, on, "not there: {unfit}");
                self.unfit.insert(wish, unfit);
                return None;
            }
        };
        tracing::info!(model = self.loaded.reference.name, on, "the model runs here now");
        self.unfit.retain(|other, _| *other < wish);
        self.on = Some(wish);
        self.pauses.since = Instant::now();
        self.loaded = LoadedModel {
            reference: ModelRef { on: on.as_str().into(), ..self.loaded.reference.clone() },
            runs: true,
            since: SystemClock.steady(),
            start: begun.elapsed(),
            accelerated,
            ..self.loaded.clone()
        };
        Some(successor)
    }

    /// It has failed where it runs: another that takes over, if there is one now.
    fn failed(
        &mut self,
        machine: &mut Machine,
        why: String,
        told: &dyn Fn(&LoadedModel),
    ) -> Option<Successor> {
        let was = self.on.take()?;
        tracing::error!(
            model = self.loaded.reference.name,
            on = self.wishes[was],
            "the model has failed: {why}"
        );
        self.unfit.insert(was, Unfit::HasFailed(why));
        self.loaded.runs = false;
        self.loaded.passed_over = passed_over(&self.wishes, &self.unfit);
        told(&self.loaded);
        let at_once = self.pauses.failed().then(|| self.reopen(machine, was)).flatten();
        let next = match self.fallback {
            Fallback::Announce => was + 1..self.wishes.len(),
            Fallback::Refuse => 0..0,
        };
        at_once.or_else(|| {
            self.pauses.in_vain();
            next.into_iter().find_map(|wish| self.reopen(machine, wish))
        })
    }

    /// Tries what is better than what runs it.
    fn try_again(&mut self, machine: &mut Machine) -> Option<Successor> {
        let better: Vec<usize> = self.better().collect();
        let successor = better.into_iter().find_map(|wish| self.reopen(machine, wish));
        if self.better().next().is_none() {
            self.pauses.due = None;
        } else {
            self.pauses.in_vain();
        }
        successor
    }
}

impl Pauses {
    fn new() -> Self {
        Pauses { pause: Duration::ZERO, due: None, since: Instant::now() }
    }

    /// The model has failed; whether it is to be opened again at once.
    fn failed(&mut self) -> bool {
        if self.since.elapsed() >= STEADY {
            self.pause = Duration::ZERO;
        }
        self.pause.is_zero()
    }

    /// It was tried in vain: there is a pause, longer than the last.
    fn in_vain(&mut self) {
        let (first, longest) = PAUSES;
        self.pause = (self.pause * 2).clamp(first, longest);
        self.due = Some(Instant::now() + self.pause);
    }
}

/// As it is told.
fn passed_over(wishes: &[String], unfit: &BTreeMap<usize, Unfit>) -> Vec<PassedOver> {
    unfit.iter().map(|(wish, unfit)| unfit.passed_over(&wishes[*wish])).collect()
}

fn refused(package: &Package, passed_over: &[PassedOver]) -> DaemonError {
    let why: Vec<String> =
        passed_over.iter().map(|PassedOver { on, details, .. }| format!("`{on}`: {details}")).collect();
    DaemonError::Accelerator { model: package.reference().name.clone(), why: why.join("; ") }
}

/// The models that may move, for the thread that moves them.
pub(in crate::daemon) struct Keeping {
    machine: Machine,
    kept: Vec<Kept>,
}

/// The worker's end of the thread.
struct Keeper {
    failures: Option<Sender<Failure>>,
    successors: Receiver<(Successor, bool)>,
    /// The packages whose models run on accelerators.
    accelerated: BTreeSet<String>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Keeping {
    pub(super) fn new(machine: Machine, kept: impl IntoIterator<Item = Kept>) -> Self {
        Keeping { machine, kept: kept.into_iter().filter(Kept::may_move).collect() }
    }

    /// Starts the thread, unless no model may move; `told` hears of each that has stopped, or runs elsewhere or again.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(in crate::daemon) fn start(
        mut self,
        told: impl Fn(&LoadedModel) + Send + 'static,
    ) -> std::io::Result<Box<dyn Mender + Send>> {
        if self.kept.is_empty() {
            return Ok(Box::new(NoMender));
        }
        let (failures, failed) = channel();
        let (ready, successors) = channel();
        let (end, ended) = channel();
        let runs = self.kept.iter().filter(|kept| kept.runs_on_accelerator());
        let accelerated = runs.map(|kept| kept.loaded.reference.name.clone()).collect();
        let keep = move || {
            self.keep(&failed, &ready, &told);
            drop(end);
        };
        let thread = std::thread::Builder::new().name("models".to_owned()).spawn(keep)?;
        let keeper =
            Keeper { failures: Some(failures), successors, accelerated, ended, thread: Some(thread) };
        Ok(Box::new(keeper))
    }

    fn keep(
        &mut self,
        failures: &Receiver<Failure>,
        ready: &Sender<(Successor, bool)>,
        told: &dyn Fn(&LoadedModel),
    ) {
        let Keeping { machine, kept } = self;
        loop {
            let due = kept.iter().filter_map(|kept| kept.pauses.due).min();
            let failure = match due {
                Some(due) => failures.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => failures.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let (at, successor) = match failure {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let Some(at) = kept.iter().position(|kept| kept.pauses.due == due) else { continue };
                    (at, kept[at].try_again(machine))
                }
                Ok(Failure { name, why }) => {
                    let Some(at) = kept.iter().position(|kept| kept.loaded.reference.name == name) else {
                        continue;
                    };
                    (at, kept[at].failed(machine, why, told))
                }
            };
            let kept = &mut kept[at];
            let passed_over = passed_over(&kept.wishes, &kept.unfit);
            if let Some(successor) = successor {
                // The worker that would take it may have ended.
                drop(ready.send((successor, kept.runs_on_accelerator())));
            } else if kept.loaded.passed_over == passed_over {
                continue;
            }
            kept.loaded.passed_over = passed_over;
            told(&kept.loaded);
        }
    }
}

impl Mender for Keeper {
    fn failed(&mut self, name: &str, why: &RecognizeError) -> bool {
        let failure = Failure { name: name.to_owned(), why: why.to_string() };
        self.accelerated.contains(name)
            && self.failures.as_ref().is_some_and(|failures| failures.send(failure).is_ok())
    }

    fn successor(&mut self) -> Option<Successor> {
        let (successor, on_accelerator) = self.successors.try_recv().ok()?;
        let name = &successor.reference().name;
        if on_accelerator {
            self.accelerated.insert(name.clone());
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
            _ => tracing::warn!("a model is still being opened; it is left to itself"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_model_has_run_for_long() {
        let mut pauses = Pauses::new();
        assert!(pauses.failed(), "for the first time: at once");
        let grown = std::array::from_fn::<_, 8, _>(|_| {
            pauses.in_vain();
            pauses.pause.as_secs()
        });
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!pauses.failed(), "it has failed not long ago");
        pauses.since = Instant::now().checked_sub(STEADY).unwrap();
        assert!(pauses.failed());
    }
}
