//! Has each model run where the configuration wants it, and says how that came about.
//!
//! A provider that cannot work warns and leaves everything to the CPU, and one that works may compute something else. So a
//! model runs on an accelerator only after it has run there, on nodes that the accelerator has taken, with the answers
//! that the CPU gives.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::config::{self, CPU, Fallback};
use crate::daemon::DaemonError;
use crate::model::{
    Accelerator, AcceleratorError, Assignment, Package, Runtime, SessionError, SessionOptions, Testable,
};
use crate::publish::{Accelerated, LoadedModel, PassedOver};

/// What models can run on.
pub(super) struct Machine<'c> {
    threads: usize,
    models: &'c config::Models,
    /// The accelerators that were looked for.
    accelerators: BTreeMap<String, Result<Accelerator, AcceleratorError>>,
}

/// A model whose failures are those of a daemon.
pub(super) trait Runs: Testable<Error: Into<DaemonError> + From<SessionError>> {}

impl<M: Testable<Error: Into<DaemonError> + From<SessionError>>> Runs for M {}

/// Why an accelerator does not run a model.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Absent(#[from] AcceleratorError),
    #[error("it fails there: {0}")]
    Fails(String),
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
            Unfit::Fails(_) => "it fails there".to_owned(),
            Unfit::Absent(AcceleratorError::NoDevice { .. } | AcceleratorError::Ambiguous { .. })
            | Unfit::TakesNothing(_)
            | Unfit::Differs(_)
            | Unfit::Untested => self.to_string(),
        }
    }
}

impl<'c> Machine<'c> {
    /// `threads` is that of `[runtime]`.
    pub(super) fn new(threads: usize, models: &'c config::Models) -> Self {
        Machine { threads, models, accelerators: BTreeMap::new() }
    }

    /// Opens the model of `package`, which `key` of the configuration names, on the first of its wishes that runs it as it
    /// should, or on none but the first, as the configuration says.
    ///
    /// # Errors
    /// When it does not run on the CPU, which every other wish is held against; when no wish is left.
    pub(super) fn run<M: Runs>(
        &mut self,
        key: &str,
        package: &Package,
        runtime: &Runtime,
        open: impl Fn(&SessionOptions) -> Result<M, DaemonError>,
    ) -> Result<(M, LoadedModel), DaemonError> {
        let begun = Instant::now();
        let asked = self.models.on.wishes(key.trim_start_matches("models."));
        let mut passed_over = Vec::new();
        for wish in &asked {
            let options = SessionOptions::on_cpu(self.threads);
            let (model, accelerated) = if *wish == CPU {
                (open(&options)?, None)
            } else {
                match self.try_on(wish, package, runtime, &options, &open)? {
                    Ok((model, accelerated)) => (model, Some(accelerated)),
                    Err(unfit) => {
                        passed_over.push(PassedOver {
                            on: (*wish).to_owned(),
                            reason: unfit.reason(),
                            details: unfit.to_string(),
                        });
                        match self.models.fallback {
                            Fallback::Announce => continue,
                            Fallback::Refuse => break,
                        }
                    }
                }
            };
            let on = accelerated.as_ref().map_or(CPU, |_| wish);
            let loaded = LoadedModel {
                reference: package.reference_on(on),
                task: package.task().to_string(),
                asked: asked.iter().map(|wish| (*wish).to_owned()).collect(),
                passed_over,
                start: begun.elapsed(),
                accelerated,
            };
            return Ok((model, loaded));
        }
        let why: Vec<String> =
            passed_over.iter().map(|PassedOver { on, details, .. }| format!("`{on}`: {details}")).collect();
        Err(DaemonError::Accelerator { model: package.reference().name.clone(), why: why.join("; ") })
    }

    /// The model on the accelerator `wish`, once it has given there the answer that it gives on the CPU.
    fn try_on<M: Runs>(
        &mut self,
        wish: &str,
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
        open: &impl Fn(&SessionOptions) -> Result<M, DaemonError>,
    ) -> Result<Result<(M, Accelerated), Unfit>, DaemonError> {
        let accelerator = match self.accelerator(wish, runtime) {
            Ok(accelerator) => accelerator,
            Err(absent) => return Ok(Err(absent.into())),
        };
        let test = package.self_test()?;
        let options = SessionOptions { profiled: true, ..options.clone() };
        // What does not run on the CPU either is the package's fault.
        let mut on_cpu = open(&options)?;
        let expected = on_cpu.answer(&test.picture).map_err(M::Error::into)?;
        let nodes = on_cpu.session().assignment().map_err(|error| M::Error::from(error).into())?.all_nodes();
        drop(on_cpu);
        let there = || {
            let fails = |error: &dyn std::error::Error| Unfit::Fails(error.to_string());
            let options = SessionOptions { on: Some(accelerator.clone()), ..options };
            let mut model = open(&options).map_err(|error| fails(&error))?;
            let answer = model.answer(&test.picture).map_err(|error| fails(&error))?;
            let assignment = model.session().assignment().map_err(|error| fails(&error))?;
            let provider = accelerator.provider();
            let nodes_share = share_of(&assignment, provider, nodes).ok_or(Unfit::TakesNothing(nodes))?;
            let difference = answer.difference(&expected, &test.tolerance);
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
                nodes_share,
                time_share: assignment.time_share(provider),
                self_test: difference.to_string(),
            };
            Ok((model, accelerated))
        };
        Ok(there())
    }

    fn accelerator(&mut self, name: &str, runtime: &Runtime) -> Result<Accelerator, AcceleratorError> {
        if let Some(known) = self.accelerators.get(name) {
            return known.clone();
        }
        let is_it = |asked: &&config::Accelerator| asked.name.as_str() == name;
        let asked =
            self.models.accelerators.iter().find(is_it).expect("the configuration has checked the names");
        let opened = Accelerator::open(runtime, asked, self.threads);
        self.accelerators.insert(name.to_owned(), opened.clone());
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
