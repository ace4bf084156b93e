//! More cameras than the limit of open files allows: the soft limit is raised to the hard one at the start; where the hard one is
//! too low, `check` and `doctor` refuse with figures, and the daemon runs as many cameras as there is room for, tells why the
//! others are offline, and takes them when there is room.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::mosquitto::{Mosquitto, Subscriber, wait};
use crate::program::PATIENCE;

/// The configuration of a node with so many cameras, each of which gives a small frame a second.
fn configuration(folder: &TempDir, port: u16, cameras: usize) -> PathBuf {
    let mut text = format!("[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\n");
    for camera in 0..cameras {
        write!(
            text,
            "[[camera]]\nname = \"c{camera}\"\nactivities.enabled = false\n\
             pipeline = \"videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=1/1\"\n"
        )
        .unwrap();
    }
    let path = folder.path().join("spotter.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// `spotter` with these limits of open files, soft and hard.
fn limited(soft: u32, hard: u32) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={soft}:{hard}")).arg(env!("CARGO_BIN_EXE_spotter")).stdin(Stdio::null());
    command.env_remove("SPOTTER_LOG").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    command
}

/// A running node. Dropping it kills it.
struct Node(Child);

impl Node {
    fn start(soft: u32, hard: u32, folder: &TempDir, config: &PathBuf) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = limited(soft, hard);
        command.arg("run").arg("--config").arg(config).env("XDG_STATE_HOME", folder.path());
        Node(command.stdout(Stdio::null()).stderr(log).spawn().expect("prlimit is installed"))
    }

    /// Soft limit of open files, and how many it has.
    fn open_files(&self) -> (u64, usize) {
        let process = format!("/proc/{}", self.0.id());
        let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let soft = line.split_whitespace().nth(3).unwrap().parse().unwrap();
        (soft, std::fs::read_dir(format!("{process}/fd")).unwrap().count())
    }

    fn tell(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(told.success(), "it runs no more");
    }

    /// Asks it to stop and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        self.tell("-TERM");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("a node could not be killed: {error}");
        }
    }
}

/// What each camera's status said last, until this holds for all of them.
fn until(subscriber: &Subscriber, cameras: usize, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut last: Vec<Value> = vec![Value::Null; cameras];
    while !holds(&last) {
        if let (topic, Some(message)) = subscriber.next_or_cleared()
            && let Some(camera) =
                topic.split('/').nth(3).and_then(|name| name.strip_prefix('c')?.parse::<usize>().ok())
            && topic.ends_with("/status")
        {
            last[camera] = message;
        }
    }
    last
}

fn online(statuses: &[Value]) -> usize {
    statuses.iter().filter(|status| status["state"] == "online").count()
}

#[test]
fn cameras_beyond_the_soft_limit_run_since_it_is_raised() {
    const CAMERAS: usize = 130;
    let (broker, folder) = (Mosquitto::start(""), tempfile::tempdir().unwrap());
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let config = configuration(&folder, broker.port(), CAMERAS);
    // Without raising it, the broker was not reached and pictures were lost; with RTSP cameras GLib ended the process.
    let node = Node::start(300, 8192, &folder, &config);
    until(&subscriber, CAMERAS, |statuses| online(statuses) == CAMERAS);
    let (soft, open) = node.open_files();
    assert_eq!(soft, 8192);
    assert!(open > 300, "{open} open files prove nothing");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_hard_limit_that_is_too_low_is_told_with_figures_and_stops_no_camera_that_fits() {
    const CAMERAS: usize = 40;
    let (broker, folder) = (Mosquitto::start(""), tempfile::tempdir().unwrap());
    let config = configuration(&folder, broker.port(), CAMERAS);
    let checked = limited(200, 200).arg("check").arg("--config").arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(78), "{said}");
    assert!(
        said.contains("40 cameras may need ") && said.contains("this process may have 200: raise"),
        "{said}"
    );

    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let mut node = Node::start(200, 200, &folder, &config);
    let offline = |status: &Value| status["state"] == "offline";
    let statuses = until(&subscriber, CAMERAS, |statuses| {
        online(statuses) > 0 && statuses.iter().all(|status| status["state"] == "online" || offline(status))
    });
    let fits = online(&statuses);
    assert!((8..CAMERAS).contains(&fits), "{fits} of them fit");
    for status in statuses.iter().filter(|status| offline(status)) {
        let reason = status["reason"].as_str().unwrap();
        assert!(reason.contains("this process may have 200 open files"), "{reason}");
    }
    assert!(node.0.try_wait().unwrap().is_none(), "it goes on");
    let (_, open) = node.open_files();
    assert!(open < 200, "{open}");
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(wait(|| log().contains("as many cameras run as there is room for")), "{}", log());

    // A reload that has no room is refused, one with fewer cameras gives those that are left theirs.
    node.tell("-HUP");
    assert!(wait(|| log().matches("40 cameras may need").count() >= 2), "{}", log());
    configuration(&folder, broker.port(), 10);
    node.tell("-HUP");
    until(&subscriber, CAMERAS, |statuses| online(&statuses[..10]) == 10);
    assert_eq!(node.stop(), Some(0));
}
