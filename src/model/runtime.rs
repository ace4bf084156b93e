//! ONNX Runtime: where its library is, and loading it, once per process.
//!
//! The library is not linked: it is looked for at start, so that users bring the build that has their accelerator.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::error::Error as _;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

/// The variable of the environment, and its value, without which ONNX Runtime (1.32) makes a device id and a data base in
/// the user's cache folder and reports its use to a host of its maker. It is read when the library is loaded; its API for
/// that (`DisableTelemetryEvents`) comes too late.
pub const NO_REPORTS: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// The runtime of this process; ONNX Runtime allows one environment for as long as the process lives.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// ONNX Runtime, loaded. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    version: String,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It was looked for in vain.
    #[error(
        "ONNX Runtime's library was not found; looked at:{}\nrun `make setup`, or set ORT_DYLIB_PATH or \
         [runtime] onnxruntime to the library's path",
        looked_at.iter().map(|(path, why)| format!("\n  {}: {why}", path.display())).collect::<String>()
    )]
    NotFound {
        /// Every place, and why it did not do.
        looked_at: Vec<(PathBuf, String)>,
    },
    /// The library that was asked for does not do; no other one is taken in its place.
    #[error("ONNX Runtime's library {} ({asked_by}) cannot be used: {why}", path.display())]
    Unusable {
        /// The library.
        path: PathBuf,
        /// What named it.
        asked_by: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It would report its use.
    #[error(
        "ONNX Runtime is not loaded: it would report its use over the network without {}={} in the environment, which the \
         program sets itself; whatever else loads it needs it set",
        NO_REPORTS.0, NO_REPORTS.1
    )]
    Reports,
    /// The process runs another one.
    #[error(
        "ONNX Runtime was loaded from {} already, so that {} cannot be: a process has one",
        loaded.display(), asked.display()
    )]
    AlreadyLoaded {
        /// The one that is in use.
        loaded: PathBuf,
        /// The one that was asked for.
        asked: PathBuf,
    },
}

impl Runtime {
    /// Loads the library at `configured`, else at `ORT_DYLIB_PATH`, else the first that does out of: beside the
    /// executable, `../lib/spotter`, the `runtime` folder of a checkout, the system's libraries. Later calls give the
    /// same runtime.
    ///
    /// # Errors
    /// When the environment lets it report its use; when no library is found, with every place that was looked at; when the one that was asked for does not do; when
    /// it is not the one in use.
    pub fn load(configured: Option<&Path>) -> Result<Self, RuntimeError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return match configured {
                Some(asked) if !same_file(asked, &runtime.path) => {
                    Err(RuntimeError::AlreadyLoaded { loaded: runtime.path.clone(), asked: asked.to_owned() })
                }
                _ => Ok(runtime.clone()),
            };
        }
        if !is_quiet(std::env::var_os(NO_REPORTS.0)) {
            return Err(RuntimeError::Reports);
        }
        let executable = std::env::current_exe().ok();
        let from_environment = std::env::var_os("ORT_DYLIB_PATH");
        let runtime = match asked_for(configured, from_environment) {
            Some((path, asked_by)) => {
                open(&path).map_err(|why| RuntimeError::Unusable { path, asked_by, why })?
            }
            None => first_that_does(places(executable.as_deref().and_then(Path::parent)))?,
        };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Where the library was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// ONNX Runtime's version, such as `1.32.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The execution providers that the library offers on this machine, such as `CPUExecutionProvider`; empty when the
    /// library does not tell.
    pub fn providers(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.environment.devices().filter_map(|device| device.ep().ok().map(str::to_owned)).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime({} at {})", self.version, self.path.display())
    }
}

fn is_quiet(variable: Option<OsString>) -> bool {
    variable.is_some_and(|value| value == NO_REPORTS.1)
}

fn asked_for(configured: Option<&Path>, variable: Option<OsString>) -> Option<(PathBuf, &'static str)> {
    let configured = configured.map(|path| (path.to_owned(), "[runtime] onnxruntime"));
    let variable = variable.filter(|path| !path.is_empty());
    configured.or_else(|| variable.map(|path| (path.into(), "ORT_DYLIB_PATH")))
}

/// Where to look when nobody says, best first; a bare name is left to the system's loader.
fn places(executable_folder: Option<&Path>) -> Vec<PathBuf> {
    let library = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
    let mut places = Vec::new();
    if let Some(folder) = executable_folder {
        places.push(folder.join(&library));
        // Installed: bin/ and lib/spotter/ side by side.
        places.push(folder.join("../lib/spotter").join(&library));
        // A checkout: target/<profile>/, and target/<profile>/deps/ for tests.
        places.push(folder.join("../../runtime").join(&library));
        places.push(folder.join("../../../runtime").join(&library));
    }
    places.push(library.clone().into());
    if cfg!(target_os = "linux") {
        // Distributions ship the bare name with the headers only.
        places.push(format!("{library}.1").into());
    }
    places
}

fn first_that_does(places: Vec<PathBuf>) -> Result<Runtime, RuntimeError> {
    let mut looked_at = Vec::new();
    for path in places {
        let bare = path.components().count() == 1;
        let attempt = if bare || path.exists() { open(&path) } else { Err("is not there".to_owned()) };
        match attempt {
            Ok(runtime) => return Ok(runtime),
            Err(why) => looked_at.push((path, why)),
        }
    }
    Err(RuntimeError::NotFound { looked_at })
}

/// Loads one library and starts its environment, or says why not.
fn open(path: &Path) -> Result<Runtime, String> {
    use ort::LoadDynamicError as Load;
    let builder = ort::init_from(path).map_err(|error| match error {
        Load::Dlopen { error, .. } => {
            // The reason is in the cause; the error itself says only that there was one.
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("it is no library that can be loaded here: {cause}")
        }
        Load::MissingApi { .. } => "it is a library, but not ONNX Runtime".to_owned(),
        Load::InvalidVersionString => "its version is no text".to_owned(),
        Load::BadVersion { version_str, .. } => {
            format!("it is version {version_str}; 1.{}.0 or newer is needed", ort::MINOR_VERSION)
        }
    })?;
    let environment = builder
        .with_name("spotter")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| format!("it does not start: {error}"))?;
    environment.set_log_level(LogLevel::Warning);
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let version = version(&path);
    Ok(Runtime { environment, path, version })
}

/// The version that the library's symbols carry, `VERS_1.32.0`; `ort` keeps what it reads from the library to itself.
/// Without such symbols (not every platform has them), ONNX Runtime's description of its build.
fn version(path: &Path) -> String {
    const MARK: &[u8] = b"VERS_";
    // The symbols' names are near the start of a library of tens of megabytes.
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut head));
    let start = head.windows(MARK.len()).position(|window| window == MARK).filter(|_| read.is_ok());
    let version = start.map(|at| &head[at + MARK.len()..]).and_then(|rest| rest.split(|&b| b == 0).next());
    version.map_or_else(|| ort::info().to_owned(), |version| String::from_utf8_lossy(version).into_owned())
}

/// ONNX Runtime's own messages. What it calls an error comes back from the failed call too, so nothing is lost by
/// keeping its chatter out.
fn log(level: LogLevel, category: &str, id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {}
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, id, location, "{message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(target: "onnxruntime", category, id, location, "{message}");
        }
    }
}

/// What ONNX Runtime says, on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_that_would_report() {
        for (value, is_right) in [(None, false), (Some("0"), false), (Some(""), false), (Some("1"), true)] {
            assert_eq!(is_quiet(value.map(OsString::from)), is_right, "{value:?}");
        }
    }

    #[test]
    fn what_was_asked_for_comes_first_and_alone() {
        let path = Path::new("/configured.so");
        let variable = || Some(OsString::from("/variable.so"));
        let cases = [
            (Some(path), variable(), Some(("/configured.so", "[runtime] onnxruntime"))),
            (None, variable(), Some(("/variable.so", "ORT_DYLIB_PATH"))),
            (None, Some(OsString::new()), None),
            (None, None, None),
        ];
        for (configured, variable, expected) in cases {
            let expected = expected.map(|(path, by)| (PathBuf::from(path), by));
            assert_eq!(asked_for(configured, variable), expected);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_places_of_an_installation_a_checkout_and_the_system() {
        let places: Vec<String> =
            places(Some(Path::new("/app/bin"))).iter().map(|path| path.display().to_string()).collect();
        insta::assert_snapshot!(places.join("\n"), @r"
    /app/bin/libonnxruntime.so
    /app/bin/../lib/spotter/libonnxruntime.so
    /app/bin/../../runtime/libonnxruntime.so
    /app/bin/../../../runtime/libonnxruntime.so
    libonnxruntime.so
    libonnxruntime.so.1
    ");
    }

    #[test]
    fn the_error_lists_every_place_and_says_what_to_do() {
        let error = first_that_does(vec!["/nowhere/libonnxruntime.so".into(), "/nor/here.so".into()]);
        insta::assert_snapshot!(error.expect_err("nothing is there"), @r"
    ONNX Runtime's library was not found; looked at:
      /nowhere/libonnxruntime.so: is not there
      /nor/here.so: is not there
    run `make setup`, or set ORT_DYLIB_PATH or [runtime] onnxruntime to the library's path
    ");
    }
}
