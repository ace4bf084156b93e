//! A log that cannot be written, to a full device, to a pipe whose reader has left or reads no more, or to a standard error
//! that is closed, ends nothing: the node goes on, counts the lines and tells how many are lost. Commands that cannot print
//! say so and fail; a subscriber whose reader has seen enough ends quietly.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde_json::Value;
use tempfile::TempDir;

use crate::mosquitto::{Mosquitto, Subscriber, wait};
use crate::program::{PATIENCE, spotter};

/// A camera that shows nothing to recognise.
const CAMERA: &str = "[[camera]]\nname = \"ramp\"\nactivities.enabled = false\n\
    pipeline = \"videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=5/1\"\n";

/// What a shell does to become the node.
const RUN: &str = "exec \"$0\" run --config \"$1\"";

/// A node whose log goes where the test wants it. Dropping it kills it.
struct Node {
    child: Child,
    _folder: TempDir,
}

impl Node {
    /// `level` is of the log; `script` is what the shell does.
    fn start(broker: &Mosquitto, level: &str, stderr: Stdio, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spotter.toml");
        let port = broker.port();
        let text = format!(
            "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\nstats_interval_s = 5\n{CAMERA}"
        );
        std::fs::write(&path, text).unwrap();
        let child = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(env!("CARGO_BIN_EXE_spotter"))
            .arg(&path)
            .env("XDG_STATE_HOME", folder.path())
            .env("SPOTTER_LOG", level)
            .env_remove("STATE_DIRECTORY")
            .env_remove("RUNTIME_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM")
            .env_remove("GST_DEBUG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Node { child, _folder: folder }
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success(), "it runs no more");
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks it to stop and gives its exit code.
    fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("a node could not be killed: {error}");
        }
    }
}

/// Waits for a message of the node of which this holds.
fn until(subscriber: &Subscriber, wanted: impl Fn(&str, &Value) -> bool) -> Value {
    loop {
        if let (topic, Some(message)) = subscriber.next_or_cleared()
            && wanted(&topic, &message)
        {
            return message;
        }
    }
}

/// The text of the problem `log-lost` in a node's status.
fn lost(message: &Value) -> Option<&str> {
    let problems = message["problems"].as_array()?;
    problems.iter().find(|problem| problem["code"] == "log-lost")?["text"].as_str()
}

/// Waits until the node tells that lines are lost for this reason, that its figures tell it too, and that its camera works.
fn goes_on_without(subscriber: &Subscriber, why: &str) {
    let told = until(subscriber, |_, message| lost(message).is_some());
    assert!(lost(&told).unwrap().contains(why), "{told}");
    until(subscriber, |topic, message| topic.ends_with("/stats") && message["log_lost"].as_u64() > Some(0));
    until(subscriber, |topic, message| topic.ends_with("/ramp/status") && message["state"] == "online");
}

#[test]
fn a_log_on_a_full_device_is_lost_and_counted() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut node = Node::start(&broker, "info", full.into(), RUN);
    goes_on_without(&subscriber, "No space left on device");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_log_that_may_grow_no_more_is_lost_and_counted() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let mut log = tempfile::tempfile().unwrap();
    log.write_all(&[b'x'; 4 << 20]).unwrap();
    // In units of 512 bytes, so the file is full. The outbox needs less.
    let mut node = Node::start(&broker, "info", log.into(), &format!("ulimit -f 8192; {RUN}"));
    goes_on_without(&subscriber, "File too large");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_log_whose_reader_has_left_is_lost_and_counted() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut node = Node::start(&broker, "info", writer.into(), RUN);
    goes_on_without(&subscriber, "Broken pipe");
    assert_eq!(node.stop(), Some(0));
}

/// Makes calls on this end of a pipe fail instead of waiting, or not.
fn set_nonblocking(end: impl AsFd, on: bool) {
    let flags = if on { OFlags::NONBLOCK } else { OFlags::empty() };
    rustix::fs::fcntl_setfl(end, flags).unwrap();
}

#[test]
fn a_reader_who_stops_reading_holds_up_nothing_and_hears_of_it_when_he_reads_again() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (mut reader, mut writer) = pipe().unwrap();
    set_nonblocking(&reader, true);
    set_nonblocking(&writer, true);
    while writer.write(&[b'x'; 4096]).is_ok() {}
    set_nonblocking(&writer, false);
    let mut node = Node::start(&broker, "info", writer.into(), RUN);
    goes_on_without(&subscriber, "Resource temporarily unavailable");

    // Makes room, and has something written to the log.
    let mut said = Vec::new();
    let mut read = || {
        let mut chunk = vec![0; 65536];
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            said.extend(&chunk[..read]);
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    read();
    node.signal("-HUP");
    assert!(
        wait(|| read().contains("lines of the log are lost: Resource temporarily unavailable")),
        "{}",
        read()
    );
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_closed_standard_error_ends_nothing() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let mut node = Node::start(&broker, "info", Stdio::null(), &format!("{RUN} 2>&-"));
    until(&subscriber, |topic, message| topic.ends_with("/ramp/status") && message["state"] == "online");
    assert!(node.runs());
    assert_eq!(node.stop(), Some(0));
}

/// Where systemd's stream leads to the journal and the journal is gone, lines are lost, and counted.
#[test]
fn a_journal_that_cannot_be_reached_is_counted_too() {
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        // It would take the lines.
        return;
    }
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let stream = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) ";
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("as-a-service");
    std::fs::write(&script, format!("export {stream}\nexec \"$@\"\n")).unwrap();
    let path = folder.path().join("spotter.toml");
    let port = broker.port();
    let text = format!(
        "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\nstats_interval_s = 5\n{CAMERA}"
    );
    std::fs::write(&path, text).unwrap();
    let child = Command::new("sh")
        .arg(&script)
        .arg(env!("CARGO_BIN_EXE_spotter"))
        .args(["run".as_ref(), "--config".as_ref(), path.as_os_str()])
        .env("XDG_STATE_HOME", folder.path())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut node = Node { child, _folder: folder };
    goes_on_without(&subscriber, "Broken pipe");
    assert_eq!(node.stop(), Some(0));
}

/// Runs `spotter` in a shell: exit code, and what it said on standard error.
fn shell(script: &str) -> (Option<i32>, String) {
    let ended = Command::new("bash")
        .args(["-o", "pipefail", "-c", script, env!("CARGO_BIN_EXE_spotter")])
        .env_remove("SPOTTER_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[test]
fn commands_that_cannot_print_say_so_and_fail() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("spotter.toml");
    std::fs::write(&config, format!("[mqtt]\nbroker = \"mqtt://127.0.0.1:1\"\n{CAMERA}")).unwrap();
    let config = config.display();
    for command in [
        "schema".to_owned(),
        "--help".to_owned(),
        "run --help".to_owned(),
        format!("check --config {config}"),
        format!("doctor --config {config} --seconds 1 --pictures {}", folder.path().display()),
    ] {
        let (code, said) = shell(&format!("\"$0\" {command} >/dev/full"));
        assert_eq!(code, Some(1), "{command}: {said}");
        assert!(
            said.contains("cannot write to standard output: No space left on device"),
            "{command}: {said}"
        );
        assert!(!said.contains("panicked"), "{command}: {said}");
        // Nowhere to say it: the exit code is all that is left.
        let (code, said) = shell(&format!("\"$0\" {command} >/dev/full 2>/dev/full"));
        assert_eq!((code, said.as_str()), (Some(1), ""), "{command}");
    }
    // A complaint that cannot be written changes no exit code.
    let (code, _) = shell("\"$0\" check --config /nowhere/spotter.toml 2>/dev/full");
    assert_eq!(code, Some(78));
    let (code, _) = shell("\"$0\" probe /nowhere/video.mp4 2>/dev/full");
    assert_eq!(code, Some(1));
}

#[test]
fn a_reader_who_has_seen_enough_ends_a_command_quietly() {
    let broker = Mosquitto::start("");
    let (_held, writer) = pipe().unwrap();
    let mut node = Node::start(&broker, "error", writer.into(), RUN);
    let port = broker.port();
    let (code, said) = shell(&format!("\"$0\" watch --broker mqtt://127.0.0.1:{port} | head -n 1"));
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("panicked") && !said.contains("cannot write"), "{said}");
    assert!(wait(|| node.runs()), "it is none of the node's business");
    for command in ["schema", "--help"] {
        assert_eq!(shell(&format!("\"$0\" {command} | head -n 1")), (Some(0), String::new()), "{command}");
    }
    assert_eq!(spotter(["schema", "tag"]).code, Some(0));
    assert_eq!(node.stop(), Some(0));
}
