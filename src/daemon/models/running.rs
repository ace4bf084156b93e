//! Has a model run where the configuration wants it.
//!
//! A provider that cannot work warns and leaves everything to the CPU, and one that works may compute something else. So a
//! model runs on an accelerator only after it has run there, on nodes that the accelerator has taken, with the answers
//! that the CPU gives.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use crate::config::{self, CPU};
use crate::daemon::DaemonError;
use crate::model::{
    Accelerator, AcceleratorError, Answer, Assignment, Package, Runtime, SelfTest, Server, SessionError,
    SessionOptions, Testable,
};
use crate::publish::{Accelerated, PassedOver};

/// What models can run on.
pub(super) struct Machine {
    /// Threads of a run on the CPU.
    threads: usize,
    /// Those that providers with threads of their own are told to use; 0 leaves it to them.
    provider_threads: usize,
    /// Where compiled models are kept.
    compiled: Option<PathBuf>,
    accelerators: Vec<config::Accelerator>,
    /// Those that were looked for.
    opened: BTreeMap<String, Result<Accelerator, AcceleratorError>>,
}

/// A model whose failures are those of a daemon.
pub(super) trait Runs: Testable<Error: Into<DaemonError> + From<SessionError>> {}

impl<M: Testable<Error: Into<DaemonError> + From<SessionError>>> Runs for M {}

/// A package, and what opens its model wherever that is to run.
pub(super) struct Candidate<M> {
    package: Package,
    runtime: Runtime,
    open: Opens<M>,
    /// What other places are held against, once it was needed.
    reference: Option<Reference>,
}

type Opens<M> = Box<dyn Fn(&Package, &Runtime, &SessionOptions) -> Result<M, DaemonError> + Send>;

/// What a model says on the CPU.
struct Reference {
    test: SelfTest,
    answer: Answer,
    /// Its nodes.
    nodes: u64,
}

/// Why a model does not run somewhere.
pub(super) enum Obstacle {
    /// It does not run on the CPU, which every other place is held against.
    Model(DaemonError),
    /// The accelerator does not run it.
    Place(Unfit),
}

impl<E: Into<DaemonError>> From<E> for Obstacle {
    fn from(error: E) -> Self {
        Obstacle::Model(error.into())
    }
}

/// Why an accelerator does not run a model.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Absent(#[from] AcceleratorError),
    #[error("it fails there: {0}")]
    Fails(String),
    #[error("it failed there while Spotter ran: {0}")]
    HasFailed(String),
    #[error("none of its {0} nodes runs there; the CPU runs all of them")]
    TakesNothing(u64),
    #[error("it computes something else there than on the CPU: {0}")]
    Differs(String),
    #[error(
        "the CPU finds nothing in the picture of its self-test, so there is nothing to compare: give the package a picture in \
         [selftest]"
    )]
    Untested,
}

impl Unfit {
    /// What subscribers are told: what ONNX Runtime and the system say may hold paths of the machine.
    fn reason(&self) -> String {
        match self {
            Unfit::Absent(AcceleratorError::Unreadable { .. }) => "its library cannot be read".to_owned(),
            Unfit::Absent(AcceleratorError::Library { .. }) => "its library cannot be loaded".to_owned(),
            Unfit::Absent(AcceleratorError::Taken { .. }) => {
                "another library is loaded, until a restart".to_owned()
            }
            Unfit::Absent(AcceleratorError::NotBuiltIn { provider, .. }) => {
                format!("the runtime library has no {provider} built in")
            }
            Unfit::Absent(AcceleratorError::Server(error)) => if error.is_reached() {
                "its server does not do what is asked of it"
            } else {
                "there is no connection to its server"
            }
            .to_owned(),
            Unfit::Fails(_) => "it fails there".to_owned(),
            Unfit::HasFailed(_) => "it failed there while Spotter ran".to_owned(),
            Unfit::Absent(
                AcceleratorError::Unsound
                | AcceleratorError::NoDevice { .. }
                | AcceleratorError::Ambiguous { .. },
            )
            | Unfit::TakesNothing(_)
            | Unfit::Differs(_)
            | Unfit::Untested => self.to_string(),
        }
    }

    /// Whether it may be gone at the next try although nobody has changed anything.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            // The configuration has checked the addresses.
            Unfit::Absent(AcceleratorError::Server(_)) => true,
            Unfit::Absent(AcceleratorError::NoDevice { .. }) | Unfit::Fails(_) | Unfit::HasFailed(_) => true,
            Unfit::Absent(_) | Unfit::TakesNothing(_) | Unfit::Differs(_) | Unfit::Untested => false,
        }
    }

    /// As it is told, of the accelerator `on`.
    pub(super) fn passed_over(&self, on: &str) -> PassedOver {
        PassedOver { on: on.to_owned(), reason: self.reason(), details: self.to_string() }
    }
}

impl<M: Runs> Candidate<M> {
    pub(super) fn new<E: Into<DaemonError>>(
        package: Package,
        runtime: Runtime,
        open: impl Fn(&Package, &Runtime, &SessionOptions) -> Result<M, E> + Send + 'static,
    ) -> Self {
        let open: Opens<M> =
            Box::new(move |package, runtime, options| open(package, runtime, options).map_err(Into::into));
        Candidate { package, runtime, open, reference: None }
    }

    pub(super) fn package(&self) -> &Package {
        &self.package
    }

    fn open(&self, options: &SessionOptions) -> Result<M, DaemonError> {
        (self.open)(&self.package, &self.runtime, options)
    }

    /// What the model says on the CPU.
    fn refer(&self, options: &SessionOptions) -> Result<Reference, DaemonError> {
        let test = self.package.self_test()?;
        let mut model = self.open(options)?;
        let answer = model.answer(&test.picture).map_err(M::Error::into)?;
        let assignment = model.session().assignment().map_err(|error| M::Error::from(error).into())?;
        Ok(Reference { test, answer, nodes: assignment.all_nodes() })
    }

    /// The model on `accelerator`, once it has given there the answer of `reference`.
    fn try_on(
        &self,
        accelerator: &Accelerator,
        options: SessionOptions,
        Reference { test, answer: expected, nodes }: &Reference,
    ) -> Result<(M, Accelerated), Unfit> {
        let fails = |error: &dyn Error| Unfit::Fails(error.to_string());
        let options = SessionOptions { on: Some(accelerator.clone()), ..options };
        let mut model = self.open(&options).map_err(|error| fails(&error))?;
        let answer = model.answer(&test.picture).map_err(|error| fails(&error))?;
        let assignment = model.session().assignment().map_err(|error| fails(&error))?;
        let provider = accelerator.provider();
        let nodes_share = share_of(&assignment, provider, *nodes).ok_or(Unfit::TakesNothing(*nodes))?;
        let difference = answer.difference(expected, &test.tolerance);
        if !difference.says_something() {
            return Err(Unfit::Untested);
        }
        if !difference.is_within(&test.tolerance) {
            return Err(Unfit::Differs(difference.to_string()));
        }
        let accelerated = Accelerated {
            provider: provider.to_owned(),
            library_sha256: accelerator.library().map(|library| library.sha256.clone()),
            device: accelerator.device(),
            address: accelerator.server().map(Server::address),
            compiled: model.session().compiled().map(|compiled| compiled.to_string()),
            nodes_share,
            time_share: assignment.time_share(provider),
            self_test: difference.to_string(),
        };
        Ok((model, accelerated))
    }
}

impl Machine {
    /// A run on the CPU has so many `threads`; what the configuration says of them is for providers that have their own.
    pub(super) fn new(threads: usize, provider_threads: usize, accelerators: &[config::Accelerator]) -> Self {
        let state = config::state_directory(|variable| std::env::var_os(variable));
        let compiled = state.map(|state| state.join("compiled"));
        let (accelerators, opened) = (accelerators.to_vec(), BTreeMap::new());
        Machine { threads, provider_threads, compiled, accelerators, opened }
    }

    /// Opens a model on what the configuration calls `on`. On an accelerator it has to give the answer that it gives on the
    /// CPU, which is asked once.
    pub(super) fn open<M: Runs>(
        &mut self,
        on: &str,
        candidate: &mut Candidate<M>,
    ) -> Result<(M, Option<Accelerated>), Obstacle> {
        let options = SessionOptions::on_cpu(self.threads);
        if on == CPU {
            return Ok((candidate.open(&options)?, None));
        }
        let accelerator = self
            .accelerator(on, &candidate.runtime)
            .map_err(|absent| Obstacle::Place(Unfit::Absent(absent)))?;
        let options = SessionOptions { profiled: true, ..options };
        let reference = match candidate.reference.take() {
            Some(reference) => reference,
            None => candidate.refer(&options)?,
        };
        let opened = candidate.try_on(&accelerator, options, &reference);
        candidate.reference = Some(reference);
        opened.map(|(model, accelerated)| (model, Some(accelerated))).map_err(Obstacle::Place)
    }

    /// The accelerator is looked for again when it is needed next.
    pub(super) fn forget(&mut self, name: &str) {
        self.opened.remove(name);
    }

    fn accelerator(&mut self, name: &str, runtime: &Runtime) -> Result<Accelerator, AcceleratorError> {
        if let Some(known) = self.opened.get(name) {
            return known.clone();
        }
        let is_it = |asked: &&config::Accelerator| asked.name.as_str() == name;
        let opened = match self.accelerators.iter().find(is_it) {
            Some(asked) => Accelerator::open(runtime, asked, self.provider_threads, self.compiled.as_deref()),
            None => Err(AcceleratorError::Unsound),
        };
        self.opened.insert(name.to_owned(), opened.clone());
        opened
    }
}

/// The share of a model's nodes that `provider` has taken: of those that the CPU runs when it runs all, what is not left to
/// others. Nothing when it has taken none.
fn share_of(assignment: &Assignment, provider: &str, nodes: u64) -> Option<f32> {
    let taken = assignment.nodes(provider);
    let left = assignment.all_nodes() - taken;
    // What a provider takes as a whole is one node.
    let all = nodes.max(left + taken);
    (taken > 0).then(|| (all - left) as f32 / all as f32)
}
