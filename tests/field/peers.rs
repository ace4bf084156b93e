//! Programs that nobody of Spotter wrote: scripts of Node and Python beside the packages that `make test` installs.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Node with a script of `tests/field/node`, which finds its packages beside it.
///
/// # Panics
/// When the packages are not installed.
pub fn node(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/node");
    let packages = folder.join("node_modules");
    assert!(packages.is_dir(), "there is no {}; `make test` installs it", packages.display());
    let mut command = Command::new("node");
    command.arg(folder.join(script));
    command
}

/// The folder of programs that the Python packages of `tests/field/requirements.txt` bring, `python` among them.
///
/// # Panics
/// When the packages are not installed.
pub fn python_programs() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .expect("there is a home");
    let programs = cache.join("spotter/field/python/bin");
    assert!(programs.is_dir(), "there is no {}; `make test` installs it", programs.display());
    programs
}
