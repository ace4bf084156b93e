//! What a session runs on: the CPU, a device of an execution provider, or a server on another machine.
//!
//! A provider is built into ONNX Runtime's library, or comes in a plug-in library that is registered once per process and
//! never given back: a session that outlives its library takes the process with it. Whether a provider is there says
//! nothing of whether it works; that is found out by running models, see [`super::Assignment`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ort::device::Device;
use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch};
use ort::memory::DeviceType;
use ort::session::builder::SessionBuilder;

use super::compiled;
use super::package::sha256;
use super::remote::{RemoteError, Server};
use super::runtime::{Runtime, one_line};
use crate::config::{self, DeviceKind};
use crate::tag::ModelRef;

/// What is told in the place of a provider for a server: the Open Inference Protocol.
pub(super) const PROTOCOL: &str = "oip";

/// ONNX Runtime's name for the provider that is always there.
const CPU_PROVIDER: &str = "CPUExecutionProvider";

/// The plug-in libraries of this process, by the name of their provider.
static REGISTERED: Mutex<BTreeMap<String, Registered>> = Mutex::new(BTreeMap::new());

/// A plug-in library that the process has loaded.
struct Registered {
    library: Library,
    /// Its length in bytes, and when it was changed: while they stay, the file is not hashed again.
    length: u64,
    changed: Option<SystemTime>,
}

/// What sessions can be opened on beside the CPU. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accelerator(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    name: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(Execution),
    Elsewhere {
        server: Server,
        /// Name and version of what runs there.
        software: String,
    },
}

/// A device of this machine.
#[derive(Debug)]
struct Execution {
    /// ONNX Runtime's name.
    provider: String,
    library: Option<Library>,
    /// Absent for a provider that is built in: those do not tell.
    device: Option<Found>,
    options: BTreeMap<String, String>,
    /// Where compiled models are kept.
    compiled: Option<PathBuf>,
}

/// A plug-in library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, 64 lower-case hex digits.
    pub sha256: String,
}

/// A device, as its provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    kind: DeviceKind,
    id: u32,
    vendor: String,
}

/// Why there is no accelerator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceleratorError {
    /// A wrong configuration was taken all the same, to see what is right of it.
    #[error("the configuration has no sound [[accelerator]] of this name")]
    Unsound,
    /// The library cannot be read.
    #[error("the library {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The library.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// ONNX Runtime does not take the library.
    #[error("{} is no library with an execution provider that can be loaded here: {why}", path.display())]
    Library {
        /// The library.
        path: PathBuf,
        /// What ONNX Runtime says.
        why: String,
    },
    /// The process has another library for the provider, another provider of the library, or its file as it was before.
    #[error(
        "{} cannot be loaded as {provider}: the process has loaded {} as {as_provider} already, with the SHA-256 {sha256}; \
         another library takes a restart",
        path.display(), loaded.display()
    )]
    Taken {
        /// The library.
        path: PathBuf,
        /// ONNX Runtime's name of the provider that is asked for.
        provider: String,
        /// The library that is in use.
        loaded: PathBuf,
        /// The provider that it was loaded as.
        as_provider: String,
        /// The hash that it had.
        sha256: String,
    },
    /// The library has no device of the provider, or not the one that is asked for.
    #[error("{provider} does not offer {wanted} here; it offers {}", if offered.is_empty() { "nothing" } else { offered })]
    NoDevice {
        /// ONNX Runtime's name of the provider.
        provider: String,
        /// What is asked for.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// Several devices fit.
    #[error("{provider} offers several devices that fit: {offered}; name one by its id")]
    Ambiguous {
        /// ONNX Runtime's name of the provider.
        provider: String,
        /// Which.
        offered: String,
    },
    /// The runtime library was built without the provider.
    #[error("the runtime library {} has no {provider} built in; name the library of a plug-in, or another runtime library", runtime.display())]
    NotBuiltIn {
        /// ONNX Runtime's name of the provider.
        provider: String,
        /// The runtime library.
        runtime: PathBuf,
    },
    /// No server answers.
    #[error(transparent)]
    Server(#[from] RemoteError),
}

impl Accelerator {
    /// Loads the library of `asked`, if it has one, and finds the device, or asks the server who it is. `threads` is that of
    /// `[runtime]`; compiled models are kept in the folder `compiled`, if there is one.
    ///
    /// # Errors
    /// When the library is not there or does not do, or nothing in it is what is asked for; when no server answers.
    pub fn open(
        runtime: &Runtime,
        asked: &config::Accelerator,
        threads: usize,
        compiled: Option<&Path>,
    ) -> Result<Self, AcceleratorError> {
        let place = match &asked.place {
            config::Place::Here(execution) => Place::Here(Execution {
                compiled: compiled.map(Path::to_owned),
                ..Execution::open(runtime, execution, threads)?
            }),
            config::Place::Elsewhere(config::Server { addresses, timeout, ca_file }) => {
                let server = Server::new(addresses, *timeout, ca_file.as_deref())?;
                Place::Elsewhere { software: server.software()?, server }
            }
        };
        Ok(Accelerator(Arc::new(Opened { name: asked.name.to_string(), place })))
    }

    /// Spotter's name for it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// ONNX Runtime's name of the provider, or `oip` for a server.
    pub fn provider(&self) -> &str {
        match &self.0.place {
            Place::Here(execution) => &execution.provider,
            Place::Elsewhere { .. } => PROTOCOL,
        }
    }

    /// The plug-in library; none when the provider is built into the runtime library, or for a server.
    pub fn library(&self) -> Option<&Library> {
        match &self.0.place {
            Place::Here(execution) => execution.library.as_ref(),
            Place::Elsewhere { .. } => None,
        }
    }

    /// The device, as its provider describes it, such as `NPU 25662 of Intel`, or the server's software; nothing when the
    /// provider is built in.
    pub fn device(&self) -> Option<String> {
        match &self.0.place {
            Place::Here(execution) => execution.device.as_ref().map(Found::to_string),
            Place::Elsewhere { software, .. } => Some(software.clone()),
        }
    }

    /// The server on another machine that runs the models, if it is one.
    pub fn server(&self) -> Option<&Server> {
        match &self.0.place {
            Place::Here(_) => None,
            Place::Elsewhere { server, .. } => Some(server),
        }
    }

    /// Where the model called `model` is kept as it was compiled for this; nowhere when it comes from no plug-in.
    pub(super) fn compiled(&self, runtime: &Runtime, model: &ModelRef) -> Option<compiled::Place> {
        let Place::Here(Execution { provider, library, device, options, compiled }) = &self.0.place else {
            return None;
        };
        let (folder, library, device) = (compiled.as_ref()?, library.as_ref()?, device.as_ref()?);
        let (device, options) = (device.to_string(), format!("{options:?}"));
        let on = [&model.sha256, provider, &library.sha256, &device, &options, runtime.version()];
        Some(compiled::Place::new(folder, &model.name, &self.0.name, &on))
    }

    /// Has a session that `builder` makes run here, and nowhere else but for what is left to the CPU. On the CPU when a server
    /// runs the models.
    pub(super) fn choose(&self, runtime: &Runtime, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        match &self.0.place {
            Place::Here(execution) => execution.choose(runtime, builder),
            Place::Elsewhere { .. } => choose_cpu(runtime, builder),
        }
    }
}

impl Execution {
    fn open(runtime: &Runtime, asked: &config::Execution, threads: usize) -> Result<Self, AcceleratorError> {
        let provider = asked.provider.name().to_owned();
        let (library, device) = match &asked.library {
            Some(path) => {
                let library = register(runtime, &provider, path)?;
                (Some(library), Some(find(runtime, &provider, asked.device.as_ref())?))
            }
            None if dispatch(&provider, &BTreeMap::new()).is_some_and(|built_in| built_in.is_available) => {
                (None, None)
            }
            None => {
                return Err(AcceleratorError::NotBuiltIn { provider, runtime: runtime.path().to_owned() });
            }
        };
        let kind = match (&device, &asked.device) {
            (Some(found), _) => found.kind,
            (None, Some(config::Device::Kind(kind))) => *kind,
            (None, _) => DeviceKind::Cpu,
        };
        let options = asked.native_options(kind, threads);
        Ok(Execution { provider, library, device, options, compiled: None })
    }

    fn choose(&self, runtime: &Runtime, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        let Execution { provider, device, options, .. } = self;
        let Some(device) = device else {
            let built_in = dispatch(provider, options).expect("it was there when it was opened");
            return Ok(builder.with_execution_providers([built_in.provider.error_on_failure()])?);
        };
        // `ort` passes on what begins with the provider's name.
        let options: Vec<(String, String)> =
            options.iter().map(|(key, value)| (format!("{provider}.{key}"), value.clone())).collect();
        let is_it =
            |found: &Device<'_>| found.ep().is_ok_and(|ep| ep == provider) && Found::of(found) == *device;
        // Without a device, the session would go wherever the policy wants it.
        let found = runtime.environment().devices().find(is_it);
        let found = found.ok_or_else(|| ort::Error::new(format!("{provider} offers {device} no more")))?;
        Ok(builder.with_devices([found], Some(&options))?)
    }
}

/// Has a session that `builder` makes run on the CPU. Without this, ONNX Runtime moves it to whatever plug-in library was
/// registered: `ort` leaves the choice of a device to a policy.
pub(super) fn choose_cpu(runtime: &Runtime, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    let is_cpu = |device: &Device<'_>| device.ep().is_ok_and(|provider| provider == CPU_PROVIDER);
    match runtime.environment().devices().find(is_cpu) {
        Some(cpu) => Ok(builder.with_devices([cpu], None)?),
        // A library that was built without the list of devices takes no plug-ins either.
        None if runtime.environment().devices().next().is_none() => Ok(builder),
        None => Err(ort::Error::new("ONNX Runtime does not list the CPU among its devices")),
    }
}

/// Loads a plug-in library under the name of its provider: some take whatever name they are registered by for their own.
fn register(runtime: &Runtime, provider: &str, path: &Path) -> Result<Library, AcceleratorError> {
    let unreadable =
        |error: io::Error| AcceleratorError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let canonical = path.canonicalize().map_err(unreadable)?;
    let metadata = canonical.metadata().map_err(unreadable)?;
    let (length, changed) = (metadata.len(), metadata.modified().ok());
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = registered.get(provider)
        && (&loaded.library.path, loaded.length, loaded.changed) == (&canonical, length, changed)
    {
        return Ok(loaded.library.clone());
    }
    let sha256 = sha256(&std::fs::read(&canonical).map_err(unreadable)?);
    let library = Library { path: canonical, sha256 };
    // Loaded under two names, a library would list each of its devices twice.
    let in_use =
        |(name, loaded): &(&String, &Registered)| *name == provider || loaded.library.path == library.path;
    match registered.iter().find(in_use) {
        Some((name, loaded)) if name == provider && loaded.library == library => {}
        Some((name, Registered { library: Library { path: loaded, sha256 }, .. })) => {
            let (path, provider) = (path.to_owned(), provider.to_owned());
            let (loaded, as_provider, sha256) = (loaded.clone(), name.clone(), sha256.clone());
            return Err(AcceleratorError::Taken { path, provider, loaded, as_provider, sha256 });
        }
        None => {
            runtime.environment().register_ep_library(provider, &library.path).map_err(|error| {
                AcceleratorError::Library { path: path.to_owned(), why: one_line(error.message()) }
            })?;
            let library = library.clone();
            registered.insert(provider.to_owned(), Registered { library, length, changed });
        }
    }
    Ok(library)
}

/// The device of `provider` that is what is `asked` for, or any without that. Of devices that are alike, the first.
fn find(
    runtime: &Runtime,
    provider: &str,
    asked: Option<&config::Device>,
) -> Result<Found, AcceleratorError> {
    let of_provider = |device: &Device<'_>| device.ep().is_ok_and(|ep| ep == provider);
    let offered: Vec<Found> =
        runtime.environment().devices().filter(of_provider).map(|device| Found::of(&device)).collect();
    let list = |found: &[Found]| found.iter().map(Found::to_string).collect::<Vec<_>>().join(", ");
    let fits = |found: &&Found| match asked {
        None => true,
        Some(config::Device::Kind(kind)) => found.kind == *kind,
        Some(config::Device::Id(id)) => found.id == *id,
        Some(config::Device::Vendor(vendor)) => found.vendor.eq_ignore_ascii_case(vendor),
    };
    let fitting: Vec<Found> = offered.iter().filter(fits).cloned().collect();
    let provider = provider.to_owned();
    match fitting.as_slice() {
        [found, others @ ..] if others.iter().all(|other| other == found) => Ok(found.clone()),
        [] => {
            let wanted =
                asked.map_or_else(|| "a device".to_owned(), |device| format!("the device \"{device}\""));
            Err(AcceleratorError::NoDevice { provider, wanted, offered: list(&offered) })
        }
        several => Err(AcceleratorError::Ambiguous { provider, offered: list(several) }),
    }
}

impl Found {
    fn of(device: &Device<'_>) -> Self {
        let hardware = device.hardware_device();
        let kind = match hardware.ty() {
            DeviceType::GPU => DeviceKind::Gpu,
            DeviceType::NPU => DeviceKind::Npu,
            _ => DeviceKind::Cpu,
        };
        Found { kind, id: hardware.id(), vendor: hardware.vendor().unwrap_or_default().to_owned() }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Found { kind, id, vendor } = self;
        write!(f, "{kind} {id}")?;
        if vendor.is_empty() { Ok(()) } else { write!(f, " of {vendor}") }
    }
}

/// A provider that may be built into the runtime library.
struct BuiltIn {
    provider: ExecutionProviderDispatch,
    /// Whether it was compiled in, which does not mean that it works.
    is_available: bool,
}

/// The built-in provider of ONNX Runtime's name, with options in its own words; nothing when `ort` does not know it.
fn dispatch(name: &str, options: &BTreeMap<String, String>) -> Option<BuiltIn> {
    fn built_in<P>(provider: P, options: &BTreeMap<String, String>) -> BuiltIn
    where
        P: ArbitrarilyConfigurableExecutionProvider + ExecutionProvider + Into<ExecutionProviderDispatch>,
    {
        let with = |provider: P, (key, value): (&String, &String)| provider.with_arbitrary_config(key, value);
        let is_available = P::is_available().unwrap_or(false);
        BuiltIn { provider: options.iter().fold(provider, with).into(), is_available }
    }
    macro_rules! first_named {
        ($($provider:ident),*) => {
            match name {
                $(ep::$provider::NAME => Some(built_in(ep::$provider::default(), options)),)*
                _ => None,
            }
        };
    }
    first_named!(OpenVINO, QNN, CUDA, TensorRT, NVRTX, Vitis, WebGPU, XNNPACK, CoreML, CANN)
}
