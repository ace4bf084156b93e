//! Programs that nobody of Spotter wrote: Debian's, and scripts of Node and Python beside the packages that `make test` installs.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A started process. Dropping it ends it.
pub struct Running(pub Child);

impl Running {
    /// Starts one without input and output.
    ///
    /// # Panics
    /// When it is not installed.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Running(child.expect("packaging/debian-test-packages.txt names it"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("a program could not be killed: {error}");
        }
    }
}

/// VLC without a window. It does not run as root, so root runs it as nobody, who may read `folder` then.
pub fn vlc(folder: &Path) -> Command {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new(if is_root { "setpriv" } else { "vlc" });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
    }
    command.args(["-I", "dummy", "--quiet"]).env("HOME", folder);
    command
}

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
