//! A configuration with accelerators in a folder of its own, and what `spotter models` says of it.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Ended, PATIENCE, Program};

/// A folder that `make test` fetches into the cache; without it, says so and gives nothing, and the test has nothing to do.
///
/// # Panics
/// Without the folder, when `SPOTTER_REQUIRE_ACCELERATORS` is set: where it belongs, no test may pass by doing nothing.
pub fn fetched(folder: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let folder = cache.join("spotter").join(folder);
    if folder.join(".installed").is_file() {
        return Some(folder);
    }
    let required = std::env::var_os("SPOTTER_REQUIRE_ACCELERATORS").is_some() && cfg!(target_arch = "x86_64");
    assert!(!required, "there is no {}; `packaging/setup.sh --tests` fetches it", folder.display());
    eprintln!("skipped: there is no {}; `packaging/setup.sh --tests` fetches it", folder.display());
    None
}

/// A configuration in a folder of its own.
pub struct Setting {
    folder: TempDir,
}

impl Setting {
    /// With this above the only camera, `ramp`, which nothing can be reached at.
    pub fn new(text: &str) -> Self {
        Self::with_camera(text, "source = \"rtsp://127.0.0.1/x\"\n")
    }

    /// With this above the only camera, `ramp`, and these lines for it.
    pub fn with_camera(text: &str, camera: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{text}\n[[camera]]\nname = \"ramp\"\n{camera}");
        std::fs::write(folder.path().join("spotter.toml"), text).unwrap();
        Setting { folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `spotter models` says of it, and its exit code.
    pub fn models(&self) -> (Value, Option<i32>) {
        let ended = self.run(["models", "--json"]);
        let report = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", ended.stdout, ended.stderr));
        (report, ended.code)
    }

    /// Runs `spotter` with these arguments and this configuration to its end.
    pub fn run<const N: usize>(&self, arguments: [&str; N]) -> Ended {
        self.start(arguments).wait(PATIENCE)
    }

    /// Starts `spotter` with these arguments and this configuration. Its state is in the folder, for the next run as well.
    pub fn start<const N: usize>(&self, arguments: [&str; N]) -> Program {
        let config = self.folder.path().join("spotter.toml").display().to_string();
        let state = self.folder.path().join("state");
        Program::start_in(self.folder.path(), &state, arguments.into_iter().chain(["--config", &config]))
    }
}

/// The model of a key of `[models]` in a report.
pub fn model<'r>(report: &'r Value, key: &str) -> &'r Value {
    let models = report["models"].as_array().unwrap();
    models.iter().find(|model| model["key"] == format!("models.{key}")).unwrap()
}
