//! `examples/test_camera` as a child: an RTSP camera that does what it is told, and dies or hangs for real.
//!
//! Used by integration tests with `#[path]`. `cargo test --test NAME` builds no examples, so the first camera of a test
//! builds it, which takes no time when it is there.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

#[path = "cargo.rs"]
mod cargo;

use cargo::from_shell;

/// How long the camera may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A camera on a port that stays its own. Dropping it kills it.
pub struct TestCamera {
    arguments: Vec<String>,
    port: u16,
    running: Option<Running>,
}

struct Running {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl TestCamera {
    /// Starts one with these arguments, see `examples/test_camera.rs`, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut camera = TestCamera { arguments, port: 0, running: None };
        camera.restart();
        camera
    }

    /// The address of one of its streams.
    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.port)
    }

    /// The same with something before the host, such as `user:password@`, and by another scheme.
    pub fn url_as(&self, scheme: &str, user_info: &str, path: &str) -> String {
        format!("{scheme}://{user_info}127.0.0.1:{}/{path}", self.port)
    }

    /// Gives a command and waits until it is carried out.
    pub fn tell(&mut self, command: &str) {
        let running = self.running.as_mut().expect("it runs");
        writeln!(running.commands, "{command}").unwrap();
        running.commands.flush().unwrap();
        assert_eq!(running.answers.recv_timeout(PATIENCE).unwrap(), "done", "{command}");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
        }
    }

    /// Starts it again on its port, as it was in the beginning.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "kill it first");
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Somebody else may have the port for a moment.
            if let Some((running, port)) = Running::start(&self.arguments, self.port) {
                (self.running, self.port) = (Some(running), port);
                return;
            }
            assert!(Instant::now() < deadline, "the camera does not start");
        }
    }

    /// Stops all of it with SIGSTOP: connections stay, and nothing answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it run again.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.running.as_ref().expect("it runs").child.id();
        let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for TestCamera {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    /// Nothing when it cannot listen.
    fn start(arguments: &[String], port: u16) -> Option<(Self, u16)> {
        let mut child = Command::new(program())
            .args(arguments)
            .args(["--port", &port.to_string()])
            .env_remove("GST_DEBUG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, answers) = sync_channel(100);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let read = move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("test_camera".to_owned()).spawn(read).unwrap();
        let commands = child.stdin.take().unwrap();
        let mut running = Running { child, commands, answers };
        match running.answers.recv_timeout(PATIENCE) {
            Ok(line) => {
                let port = line.strip_prefix("listening on 127.0.0.1:").expect("it says where").parse();
                Some((running, port.unwrap()))
            }
            Err(_) => {
                running.child.kill().unwrap();
                running.child.wait().unwrap();
                None
            }
        }
    }
}

/// The program, built like this test.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // <target>/<profile>/deps/<this test>
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap();
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let built = from_shell(&mut cargo)
            .args(["build", "--quiet", "--locked", "--example", "test_camera", "--profile", profile])
            .arg("--target-dir")
            .arg(folder.parent().unwrap())
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .status()
            .unwrap();
        assert!(built.success(), "the test camera cannot be built");
        folder.join("examples/test_camera")
    })
}
