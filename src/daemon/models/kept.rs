//! One model of the configuration, all places where it may run, and which of them runs it.
//!
//! Used by [`super::keeper`], on its thread, once the model was opened for the first time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::running::{Candidate, Machine, Obstacle, Runs, Unfit};
use crate::clock::{Clock, SystemClock};
use crate::config::{CPU, Fallback};
use crate::daemon::DaemonError;
use crate::model::Package;
use crate::publish::{Accelerated, LoadedModel, PassedOver};
use crate::recognize::Successor;
use crate::tag::ModelRef;

/// The pauses between two tries: the first, which doubles with each in vain, and the longest, unless so many times what the
/// try took is longer: it takes the processor's time from the worker.
const PAUSES: (Duration, Duration, u32) = (Duration::from_secs(1), Duration::from_secs(60), 10);
/// What has not failed for so long is opened again at once when it does.
const STEADY: Duration = Duration::from_secs(600);

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
    /// How often another has taken over.
    generation: u64,
    loaded: LoadedModel,
}

type Reopens =
    Box<dyn FnMut(&mut Machine, &str) -> Result<(Successor, Option<Accelerated>), Obstacle> + Send>;

/// When what was lost is tried again.
#[derive(Default)]
struct Pauses {
    /// The last one.
    pause: Duration,
    due: Option<Instant>,
    /// When the model failed last.
    failed: Option<Instant>,
}

/// A model that takes over.
pub(super) struct Ready {
    pub(super) successor: Successor,
    pub(super) generation: u64,
    pub(super) on_accelerator: bool,
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
                        pauses: Pauses::default(),
                        generation: 0,
                        loaded,
                    };
                    if kept.better().next().is_some() {
                        kept.pauses.in_vain(Duration::ZERO);
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

    /// When it is to be tried again where it does not run.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pauses.due
    }

    /// Whether it is what has failed: the model of the package, and of all that have run for it the one of this generation.
    pub(super) fn is(&self, name: &str, generation: u64) -> bool {
        (self.loaded.reference.name.as_str(), self.generation) == (name, generation)
    }

    /// Where it runs: the wish, and the accelerator's name.
    pub(super) fn place(&self) -> Option<(usize, String)> {
        self.on.map(|on| (on, self.wishes[on].clone()))
    }

    /// Why it does not run where it was wished for, if that was tried.
    pub(super) fn unfit(&self, wish: usize) -> Option<&Unfit> {
        self.unfit.get(&wish)
    }

    /// The package's name and the generation of what runs on an accelerator.
    pub(super) fn accelerated(&self) -> Option<(String, u64)> {
        self.runs_on_accelerator().then(|| (self.loaded.reference.name.clone(), self.generation))
    }

    /// How it runs.
    pub(super) fn loaded(&self) -> &LoadedModel {
        &self.loaded
    }

    /// Whether it may ever run elsewhere than it does.
    pub(super) fn may_move(&self) -> bool {
        self.runs_on_accelerator() || self.better().next().is_some()
    }

    pub(super) fn runs_on_accelerator(&self) -> bool {
        self.on.is_some_and(|on| self.wishes[on] != CPU)
    }

    pub(super) fn runs_on(&self, accelerator: &str) -> bool {
        self.on.is_some_and(|on| self.wishes[on] == accelerator)
    }

    /// Hands over what takes over, and tells what has changed.
    pub(super) fn settle(
        &mut self,
        successor: Option<Successor>,
        told: &dyn Fn(&LoadedModel),
        hand_over: &impl Fn(Ready),
    ) {
        let passed_over = passed_over(&self.wishes, &self.unfit);
        let is_new = successor.is_some() || self.loaded.passed_over != passed_over;
        self.loaded.passed_over = passed_over;
        if let Some(successor) = successor {
            let (generation, on_accelerator) = (self.generation, self.runs_on_accelerator());
            hand_over(Ready { successor, generation, on_accelerator });
        }
        if is_new {
            told(&self.loaded);
        }
    }

    /// The wishes before the one that runs it which may run it again; all that may run it while none does.
    fn better(&self) -> impl Iterator<Item = usize> {
        let allowed = match self.fallback {
            Fallback::Announce => self.wishes.len(),
            Fallback::Refuse => 1,
        };
        (0..self.on.unwrap_or(allowed).min(allowed))
            .filter(|wish| self.on.is_none() || self.unfit.get(wish).is_none_or(Unfit::may_pass))
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
                let is_new = self.unfit.get(&wish).is_none_or(|known| known.to_string() != unfit.to_string());
                if is_new {
                    tracing::warn!(
                        model = self.loaded.reference.name,
                        on,
                        "the model does not run there: {unfit}"
                    );
                }
                self.unfit.insert(wish, unfit);
                return None;
            }
        };
        tracing::info!(model = self.loaded.reference.name, on, "the model runs here now");
        self.unfit.retain(|other, _| *other < wish);
        self.on = Some(wish);
        self.generation += 1;
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
    pub(super) fn failed(
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
        let begun = Instant::now();
        let at_once = self.pauses.failed(begun).then(|| self.reopen(machine, was)).flatten();
        let took = begun.elapsed();
        let next = match self.fallback {
            Fallback::Announce => was + 1..self.wishes.len(),
            Fallback::Refuse => 0..0,
        };
        at_once.or_else(|| {
            self.pauses.in_vain(took);
            next.into_iter().find_map(|wish| self.reopen(machine, wish))
        })
    }

    /// Tries what is better than what runs it.
    pub(super) fn try_again(&mut self, machine: &mut Machine) -> Option<Successor> {
        let better: Vec<usize> = self.better().collect();
        let begun = Instant::now();
        let successor = better.into_iter().find_map(|wish| self.reopen(machine, wish));
        if self.better().next().is_none() {
            self.pauses.due = None;
        } else {
            self.pauses.in_vain(begun.elapsed());
        }
        successor
    }
}

impl Pauses {
    /// The model has failed; whether it is to be opened again at once.
    fn failed(&mut self, now: Instant) -> bool {
        let last = self.failed.replace(now);
        let is_steady = last.is_none_or(|last| now.saturating_duration_since(last) >= STEADY);
        if is_steady {
            self.pause = Duration::ZERO;
        }
        is_steady
    }

    /// It was tried in vain, which took so long: there is a pause, longer than the last.
    fn in_vain(&mut self, took: Duration) {
        let (first, longest, times) = PAUSES;
        self.pause = (self.pause * 2).clamp(first, longest);
        self.due = Some(Instant::now() + self.pause.max(took * times));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_model_has_not_failed_for_long() {
        let mut pauses = Pauses::default();
        let begun = Instant::now();
        assert!(pauses.failed(begun), "for the first time: at once");
        assert!(
            !pauses.failed(begun + Duration::from_secs(1)),
            "not again, although it was opened meanwhile"
        );
        let grown = std::array::from_fn::<_, 8, _>(|_| {
            pauses.in_vain(Duration::ZERO);
            pauses.pause.as_secs()
        });
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(pauses.failed(begun + STEADY * 2));
        pauses.in_vain(Duration::from_secs(20));
        let wait = pauses.due.unwrap().saturating_duration_since(Instant::now());
        assert!(wait > Duration::from_secs(190), "{wait:?}");
    }

    /// What has become of two wishes for a model that is opened on none of them.
    fn kept(fallback: Fallback, obstacle: fn(&str) -> Unfit) -> Kept {
        let reference = ModelRef {
            name: "pose".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
            on: "npu".into(),
        };
        Kept {
            wishes: vec!["npu".to_owned(), "cpu".to_owned()],
            fallback,
            on: Some(0),
            unfit: BTreeMap::new(),
            reopen: Box::new(move |_, on| Err(Obstacle::Place(obstacle(on)))),
            pauses: Pauses::default(),
            generation: 0,
            loaded: LoadedModel {
                reference,
                task: "pose".to_owned(),
                worker: None,
                asked: vec!["npu".to_owned(), "cpu".to_owned()],
                passed_over: Vec::new(),
                runs: true,
                since: crate::clock::Timestamp::EPOCH,
                start: Duration::ZERO,
                accelerated: None,
            },
        }
    }

    #[test]
    fn what_nothing_runs_is_tried_for_ever_whatever_was_wrong_with_it() {
        let mut machine = Machine::new(1, 1, &[]);
        for (fallback, tried) in [(Fallback::Announce, vec![0, 1]), (Fallback::Refuse, vec![0])] {
            let mut kept = kept(fallback, |_| Unfit::TakesNothing(3));
            let told = std::cell::RefCell::new(Vec::new());
            let tell = |model: &LoadedModel| told.borrow_mut().push(model.runs);
            assert!(kept.failed(&mut machine, "gone".to_owned(), &tell).is_none());
            assert_eq!(told.into_inner(), [false]);
            assert_eq!(kept.better().collect::<Vec<_>>(), tried);
            assert!(kept.pauses.due.is_some());
            assert!(kept.try_again(&mut machine).is_none() && kept.pauses.due.is_some());
        }
    }

    #[test]
    fn what_computes_something_else_is_not_tried_while_another_runs_the_model() {
        let mut kept = kept(Fallback::Announce, |_| Unfit::Fails("no".to_owned()));
        kept.on = Some(1);
        kept.unfit.insert(0, Unfit::Differs("joints".to_owned()));
        assert_eq!(kept.better().count(), 0);
        kept.unfit.insert(0, Unfit::HasFailed("gone".to_owned()));
        assert_eq!(kept.better().collect::<Vec<_>>(), [0]);
        kept.fallback = Fallback::Refuse;
        assert_eq!(kept.better().collect::<Vec<_>>(), [0]);
    }
}
