//! The `spotter` program as a child that ends in time, or is killed and fails the test.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long the program may take for anything that ends by itself. It only ends a test that hangs: two replays of twenty
/// seconds at the same time took longer than two minutes on two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it had been running.
    pub took: Duration,
}

impl Ended {
    /// Exit code and standard error, with the test's own folder replaced.
    pub fn complaint(&self, folder: &Path) -> String {
        let said = self.stderr.replace(&folder.display().to_string(), "<folder>");
        format!("{}: {said}", self.code.map_or("killed".to_owned(), |code| code.to_string()))
    }
}

/// Runs `spotter` with these arguments to its end.
pub fn spotter<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    Program::start(arguments).wait(PATIENCE)
}

/// A running `spotter`. Dropping it kills it.
pub struct Program {
    child: Child,
    begun: Instant,
    lines: Receiver<String>,
    /// Lines that were read so far.
    stdout: String,
    stderr: Option<JoinHandle<String>>,
    /// Its own state, so that programs of other tests do not have it.
    _state: TempDir,
}

impl Program {
    /// Starts `spotter` with these arguments, a log as it is by default, and no state of an earlier run.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same with these variables of the environment.
    pub fn start_with<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        variables: &[(&str, &OsStr)],
    ) -> Self {
        Self::spawn(|command| command.args(arguments).envs(variables.iter().copied()))
    }

    /// The same in a folder, where libraries may leave files of their own, with its state in another.
    pub fn start_in<A: AsRef<OsStr>>(
        folder: &Path,
        state: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::spawn(|command| command.args(arguments).current_dir(folder).env("XDG_STATE_HOME", state))
    }

    fn spawn(told: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let state = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
        command
            .env("XDG_STATE_HOME", state.path())
            // GStreamer's list of plug-ins would be made anew in every state.
            .env("GST_REGISTRY", concat!(env!("CARGO_TARGET_TMPDIR"), "/gstreamer-registry.bin"))
            .env_remove("STATE_DIRECTORY")
            .env_remove("RUNTIME_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("SPOTTER_LOG")
            .env_remove("GST_DEBUG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = told(&mut command).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100_000);
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        named("stdout")
            .spawn(move || {
                for line in stdout.lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            })
            .unwrap();
        let mut from = child.stderr.take().unwrap();
        let stderr = named("stderr")
            .spawn(move || {
                let mut bytes = Vec::new();
                from.read_to_end(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            })
            .unwrap();
        Program {
            child,
            begun: Instant::now(),
            lines,
            stdout: String::new(),
            stderr: Some(stderr),
            _state: state,
        }
    }

    /// The next line of standard output that `wanted` holds for; panics when none comes in time.
    pub fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.stdout += &line;
                    self.stdout.push('\n');
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(error) => panic!("no such line came ({error}):\n{}", self.stdout),
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    }

    /// Waits for its end; kills it and panics when it does not come in time.
    pub fn wait(mut self, patience: Duration) -> Ended {
        let deadline = Instant::now() + patience;
        // Standard output closes when the process ends.
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.stdout += &line;
                    self.stdout.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let stderr = self.kill();
                    panic!("still runs after {patience:?}; it said:\n{}\n{stderr}", self.stdout);
                }
            }
        }
        let code = self.child.wait().unwrap().code();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        Ended { code, stdout: std::mem::take(&mut self.stdout), stderr, took: self.begun.elapsed() }
    }

    /// kill -9; gives what it wrote to standard error.
    pub fn kill(&mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.stderr.take().map(|thread| thread.join().unwrap()).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("spotter could not be killed: {error}");
        }
    }
}
