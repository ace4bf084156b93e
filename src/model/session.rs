//! One loaded model, whose input is what the manifest says: a session of ONNX Runtime, or a server that has the model.
//!
//! Owned by one worker: [`Session::run`] takes `&mut self`. It runs on the CPU, or on an [`Accelerator`] as far as that
//! takes it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::compiler::ModelCompiler;
use ort::session::builder::SessionBuilder;
use ort::session::{Session as OrtSession, SessionOutputs};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use tempfile::TempDir;

use super::accelerator::{self, Accelerator};
use super::assignment::Assignment;
use super::compiled::{Compiled, Kept, Place, has_compiled_part};
use super::manifest::{InputType, Spec};
use super::pace::Pace;
use super::package::{Package, PackageError};
use super::remote::{self, RemoteError, Server};
use super::runtime::{Runtime, one_line};
use super::values::{Elements, Tensor, TensorView, Values};
use crate::tag::ModelRef;

/// How a session computes.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Threads that one run uses on the CPU; 0: as many as there are processor cores.
    pub intra_threads: usize,
    /// What it runs on; the CPU when absent.
    pub on: Option<Accelerator>,
    /// Whether it notes where its nodes run, for [`Session::assignment`].
    pub profiled: bool,
}

impl SessionOptions {
    /// On so many threads of the CPU; 0: as many as there are processor cores.
    pub const fn on_cpu(intra_threads: usize) -> Self {
        SessionOptions { intra_threads, on: None, profiled: false }
    }
}

/// Why a model does not run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The model file has changed since the package was opened.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// ONNX Runtime does not take the file.
    #[error("{path}: ONNX Runtime cannot load the model: {why}")]
    Load {
        /// The model file.
        path: String,
        /// What ONNX Runtime says.
        why: String,
    },
    /// The model's inputs are not the manifest's.
    #[error(
        "{path}: the manifest describes the model's only input as {expected}, but its inputs are {found}"
    )]
    Input {
        /// The model file.
        path: String,
        /// The manifest's input.
        expected: String,
        /// The model's inputs.
        found: String,
    },
    /// A server does not run the model.
    #[error("model `{model}`: {error}")]
    Server {
        /// The package's name, which is the server's name for the model too.
        model: String,
        /// Why not.
        error: RemoteError,
    },
    /// A run took far longer than usual, on an accelerator.
    #[error("model `{model}`: a run took {:.2} s, which usually takes {:.3} s", took.as_secs_f32(), usual.as_secs_f32())]
    Slow {
        /// The package's name.
        model: String,
        /// How long it took.
        took: Duration,
        /// How long runs take.
        usual: Duration,
    },
    /// A run has failed.
    #[error("model `{model}`: ONNX Runtime has failed: {why}")]
    Run {
        /// The package's name.
        model: String,
        /// What ONNX Runtime says.
        why: String,
    },
}

impl SessionError {
    /// Whether it may be gone at the next try although nobody has changed the package: ONNX Runtime also fails to load and to
    /// run a model when the machine has no memory left.
    pub fn may_pass(&self) -> bool {
        match self {
            SessionError::Package(error) => error.may_pass(),
            SessionError::Load { .. }
            | SessionError::Run { .. }
            | SessionError::Server { .. }
            | SessionError::Slow { .. } => true,
            SessionError::Input { .. } => false,
        }
    }
}

/// A model that has been loaded, and whose input has been compared with the manifest.
pub struct Session {
    runs: Runs,
    /// The package's name.
    model: String,
    outputs: Vec<TensorInfo>,
    /// Of runs on an accelerator of this machine; a server has a deadline.
    pace: Option<Pace>,
    compiled: Option<Compiled>,
}

/// What runs it.
enum Runs {
    Here {
        session: OrtSession,
        /// The folder of the profile while one is written.
        profile: Option<TempDir>,
    },
    Elsewhere {
        server: Server,
        /// The name of the model's input.
        input: String,
    },
}

/// The type of a tensor's elements, in ONNX Runtime's words: `f32`, `i64`, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementType(String);

/// An input or output as the model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its elements' type.
    pub element: ElementType,
    /// Its dimensions; `None` for one that is known only when the model runs.
    pub shape: Vec<Option<usize>>,
}

/// What one run has given.
pub struct Outputs<'s>(Given<'s>);

enum Given<'s> {
    Here(SessionOutputs<'s>),
    Elsewhere(Vec<remote::Output>),
}

impl Package {
    /// Name, version and hash, as tags carry them, and what the model runs on with these `options`.
    pub fn reference_with(&self, options: &SessionOptions) -> Arc<ModelRef> {
        match &options.on {
            Some(accelerator) => Arc::new(self.reference_on(accelerator.name())),
            None => Arc::clone(self.reference()),
        }
    }

    /// Loads the model and compares its input with the manifest. The first run of a session is slow: warm it up. Where a server
    /// runs the model, it is loaded all the same, to know its inputs and outputs: not every server tells them.
    ///
    /// # Errors
    /// When the file has changed, ONNX Runtime does not take it, or its input is not the manifest's; when the server does not
    /// have the model.
    pub fn session(&self, runtime: &Runtime, options: &SessionOptions) -> Result<Session, SessionError> {
        let bytes = self.read_model()?;
        let path = || self.model_path().display().to_string();
        let failed = |why: &str| SessionError::Load { path: path(), why: one_line(why) };
        let profile =
            options.profiled.then(TempDir::new).transpose().map_err(|error| failed(&error.to_string()))?;
        let loading = Loading { runtime, options, profile: profile.as_ref().map(TempDir::path) };
        let place = options.on.as_ref().and_then(|on| on.compiled(runtime, self.reference()));
        let (session, compiled) = match place {
            Some(place) => loading.compiled(&bytes, &place),
            None => loading.load(&bytes).map(|session| (session, None)),
        }
        .map_err(|error| failed(&error.to_string()))?;
        let inputs: Vec<TensorInfo> = session.inputs().iter().map(TensorInfo::of).collect();
        let expected = describe(self.spec());
        if !matches!(inputs.as_slice(), [input] if accepts(input, &expected)) {
            let expected = expected.to_string();
            return Err(SessionError::Input { path: path(), expected, found: list(&inputs) });
        }
        let outputs = session.outputs().iter().map(TensorInfo::of).collect();
        let model = self.reference().name.clone();
        let runs = match options.on.as_ref().and_then(Accelerator::server) {
            None => Runs::Here { session, profile },
            Some(server) => {
                server.ready(&model).map_err(|error| SessionError::Server { model: model.clone(), error })?;
                Runs::Elsewhere { server: server.clone(), input: expected.name }
            }
        };
        let pace = options.on.as_ref().filter(|on| on.server().is_none()).map(|_| Pace::default());
        Ok(Session { runs, model, outputs, pace, compiled })
    }
}

/// What it takes to open a session of ONNX Runtime.
struct Loading<'a> {
    runtime: &'a Runtime,
    options: &'a SessionOptions,
    /// The folder of a profile.
    profile: Option<&'a Path>,
}

impl Loading<'_> {
    fn builder(&self) -> ort::Result<SessionBuilder> {
        let Loading { runtime, options, .. } = self;
        let builder = OrtSession::builder(runtime.environment())?
            .with_intra_threads(options.intra_threads)?
            .with_deterministic_compute(true)?
            // Planned as one block, what a run needs takes a third more memory, and no less time.
            .with_memory_pattern(false)?
            // Threads that wait for more work of a run stay awake; between runs they sleep.
            .with_config_entry("session.force_spinning_stop", "1")?;
        match &options.on {
            Some(accelerator) => accelerator.choose(runtime, builder),
            None => accelerator::choose_cpu(runtime, builder),
        }
    }

    fn load(&self, model: &[u8]) -> ort::Result<OrtSession> {
        let mut builder = self.builder()?;
        if let Some(folder) = self.profile {
            builder = builder.with_profiling(folder.join("profile"))?;
        }
        builder.commit_from_memory(model)
    }

    /// Loads what is kept at `place`, or compiles `model` and keeps that. What is kept and does not do is compiled anew.
    fn compiled(&self, model: &[u8], place: &Place) -> ort::Result<(OrtSession, Option<Compiled>)> {
        let why = match place.read() {
            Kept::Nothing => None,
            Kept::Uncompiled => return Ok((self.load(model)?, None)),
            Kept::Damaged(why) => Some(why),
            Kept::Model(compiled) => match self.load(&compiled) {
                Ok(session) => return Ok((session, Some(Compiled::Loaded))),
                Err(error) => Some(one_line(error.message())),
            },
        };
        if let Some(why) = &why {
            tracing::warn!("a compiled model on the disk is of no use, it is compiled anew: {why}");
        }
        let compiler = ModelCompiler::new(self.builder()?)?.with_model_from_memory(model)?;
        let Ok(compiled) = compiler.with_embed_ep_context()?.compile_to_buffer() else {
            return Ok((self.load(model)?, None));
        };
        // A provider that takes nothing gives the model back, and some do not load what they have compiled.
        let loaded = has_compiled_part(&compiled).then(|| self.load(&compiled).ok()).flatten();
        let (session, kept) = match loaded {
            Some(session) => (session, &*compiled),
            None => {
                tracing::info!(
                    "no compiled model is kept: the provider compiles nothing of it, or does not load it"
                );
                (self.load(model)?, &[][..])
            }
        };
        match place.write(kept) {
            Ok(()) if kept.is_empty() => Ok((session, None)),
            Ok(()) => Ok((session, Some(why.map_or(Compiled::Stored, |_| Compiled::Rebuilt)))),
            Err(error) => {
                tracing::warn!("a compiled model is not kept, and the next start compiles it again: {error}");
                Ok((session, None))
            }
        }
    }
}

impl Session {
    /// The outputs that the model declares.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// What became of the model as its provider compiles it; nothing when it does not, or none is kept.
    pub fn compiled(&self) -> Option<Compiled> {
        self.compiled
    }

    /// Where its nodes have run so far. Asked once, of a session that is profiled: what runs afterwards is not noted.
    ///
    /// # Errors
    /// When ONNX Runtime gives no profile.
    pub fn assignment(&mut self) -> Result<Assignment, SessionError> {
        let Session { runs, model, .. } = self;
        let Runs::Here { session, profile } = runs else {
            return Ok(Assignment::whole(accelerator::PROTOCOL));
        };
        let failed = |why: &str| SessionError::Run {
            model: model.clone(),
            why: format!("no profile: {}", one_line(why)),
        };
        let _folder = profile.take().ok_or_else(|| failed("none is written"))?;
        let path = session.end_profiling().map_err(|error| failed(error.message()))?;
        Assignment::read(Path::new(&path)).map_err(|why| failed(&why))
    }

    /// Runs the model once on `input`, which has the manifest's shape and type.
    ///
    /// # Errors
    /// When ONNX Runtime or the server fails, or the input is another; when a run on an accelerator took far longer than
    /// usual.
    pub fn run(&mut self, input: TensorView<'_>) -> Result<Outputs<'_>, SessionError> {
        let Session { runs, model, pace, .. } = self;
        let begun = Instant::now();
        let outputs = match runs {
            Runs::Here { session, .. } => Given::Here(run_here(session, input).map_err(|error| {
                SessionError::Run { model: model.clone(), why: one_line(error.message()) }
            })?),
            Runs::Elsewhere { server, input: name } => {
                let TensorView { shape, elements } = input;
                let input = remote::Input { name, shape, elements };
                let outputs = server.infer(model, input);
                Given::Elsewhere(
                    outputs.map_err(|error| SessionError::Server { model: model.clone(), error })?,
                )
            }
        };
        let took = begun.elapsed();
        match pace.as_mut().and_then(|pace| pace.note(took)) {
            Some(usual) => Err(SessionError::Slow { model: model.clone(), took, usual }),
            None => Ok(Outputs(outputs)),
        }
    }
}

fn run_here<'s>(
    session: &'s mut OrtSession,
    TensorView { shape, elements }: TensorView<'_>,
) -> ort::Result<SessionOutputs<'s>> {
    match elements {
        Elements::F32(data) => session.run(ort::inputs![TensorRef::from_array_view((shape, data))?]),
        Elements::U8(data) => session.run(ort::inputs![TensorRef::from_array_view((shape, data))?]),
        Elements::I32(data) => session.run(ort::inputs![TensorRef::from_array_view((shape, data))?]),
    }
}

impl Outputs<'_> {
    /// The output `name`, not copied; `None` when there is none, or its elements are neither f32, i64 nor i32.
    pub fn get(&self, name: &str) -> Option<Tensor<'_>> {
        let outputs = match &self.0 {
            Given::Here(outputs) => outputs,
            Given::Elsewhere(outputs) => {
                return remote_tensor(outputs.iter().find(|output| output.name == name)?);
            }
        };
        let value = outputs.get(name)?;
        let ValueType::Tensor { ty, .. } = value.dtype() else { return None };
        let (shape, values) = match ty {
            TensorElementType::Float32 => {
                let (shape, values) = value.try_extract_tensor().ok()?;
                (shape, Values::F32(values))
            }
            TensorElementType::Int64 => {
                let (shape, values) = value.try_extract_tensor().ok()?;
                (shape, Values::I64(values))
            }
            TensorElementType::Int32 => {
                let (shape, values) = value.try_extract_tensor().ok()?;
                (shape, Values::I32(values))
            }
            _ => return None,
        };
        Some(Tensor { shape, values })
    }
}

fn remote_tensor(output: &remote::Output) -> Option<Tensor<'_>> {
    let values = match &output.values {
        remote::OwnedValues::F32(values) => Values::F32(values),
        remote::OwnedValues::I64(values) => Values::I64(values),
        remote::OwnedValues::I32(values) => Values::I32(values),
        remote::OwnedValues::Other(_) => return None,
    };
    Some(Tensor { shape: &output.shape, values })
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TensorInfo {
    fn of(outlet: &Outlet) -> Self {
        let (element, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => {
                (ty.to_string(), shape.iter().map(|&n| usize::try_from(n).ok()).collect())
            }
            other => (other.to_string(), Vec::new()),
        };
        TensorInfo { name: outlet.name().to_owned(), element: ElementType(element), shape }
    }
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<String> =
            self.shape.iter().map(|n| n.map_or_else(|| "any".to_owned(), |n| n.to_string())).collect();
        write!(f, "`{}` {} [{}]", self.name, self.element, shape.join(", "))
    }
}

/// The input that the manifest describes.
fn describe(spec: &Spec) -> TensorInfo {
    let (name, element, shape) = spec.input();
    let element = match element {
        InputType::F32 => TensorElementType::Float32,
        InputType::U8 => TensorElementType::Uint8,
        InputType::I32 => TensorElementType::Int32,
    };
    TensorInfo {
        name: name.to_owned(),
        element: ElementType(element.to_string()),
        shape: shape.into_iter().map(Some).collect(),
    }
}

/// Whether a model's input takes what the manifest describes; a dimension that the model leaves open takes any size.
fn accepts(found: &TensorInfo, expected: &TensorInfo) -> bool {
    let same_shape = found.shape.len() == expected.shape.len()
        && found
            .shape
            .iter()
            .zip(&expected.shape)
            .all(|(found, expected)| found.is_none() || found == expected);
    found.name == expected.name && found.element == expected.element && same_shape
}

fn list(tensors: &[TensorInfo]) -> String {
    let tensors: Vec<String> = tensors.iter().map(TensorInfo::to_string).collect();
    if tensors.is_empty() { "none".to_owned() } else { tensors.join(", ") }
}
