//! A real mosquitto broker on a free loopback port, and a foreign subscriber for it.
//!
//! Used by integration tests with `#[path]`. Everything waits for a condition with a deadline, and whatever was started
//! is killed when it is dropped.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A broker that can be killed and started again on the same port with what it has kept on disk.
pub struct Mosquitto {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts one with persistence and the given further lines of configuration.
    pub fn start(extra: &str) -> Self {
        let mut broker = Self::reserve(extra);
        broker.restart();
        broker
    }

    /// Prepares one that does not run yet.
    pub fn reserve(extra: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let access = if extra.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\n{access}persistence true\npersistence_location {path}/\n\
             autosave_interval 1\nautosave_on_changes true\nset_tcp_nodelay true\n{extra}\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        Mosquitto { folder, port, child: None }
    }

    /// Adds lines to the configuration for the next start.
    pub fn configure(&self, lines: &str) {
        let mut file =
            std::fs::File::options().append(true).open(self.folder.path().join("mosquitto.conf")).unwrap();
        writeln!(file, "{lines}").unwrap();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A place for files that the configuration names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it and waits until it takes connections.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "kill it first");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("mosquitto.log"))
            .unwrap();
        let child = Command::new(mosquitto())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("mosquitto is installed");
        self.child = Some(child);
        let port = self.port;
        let up = wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        assert!(up, "mosquitto did not come up:\n{}", self.log());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Whether a text, such as a subscription's filter, is in what it has saved to disk.
    fn has_saved(&self, text: &str) -> bool {
        let saved = std::fs::read(self.folder.path().join("mosquitto.db")).unwrap_or_default();
        saved.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("mosquitto.log")).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `mosquitto_sub`, line by line: topic, a space, the payload.
pub struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    /// Subscribes with QoS 1 and waits until the broker has taken the subscription.
    pub fn start(port: u16, filter: &str, extra: &[&str]) -> Self {
        // Without `stdbuf` its output into a pipe comes in blocks.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub"])
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-d", "-t", filter])
            .args(["-F", "message %t %p"])
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is installed");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100_000);
        std::thread::Builder::new()
            .name("mosquitto_sub".to_owned())
            .spawn(move || {
                for line in stdout.lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            })
            .unwrap();
        let subscriber = Subscriber { child, lines };
        let deadline = Instant::now() + PATIENCE;
        while !subscriber.line(deadline).starts_with("Subscribed") {}
        subscriber
    }

    /// A subscriber whose session outlives its connections and, from now on, the death of the broker.
    pub fn persistent(broker: &Mosquitto, filter: &str, id: &str) -> Self {
        let session = ["-V", "5", "-i", id, "-c", "-x", "3600", "-k", "5"];
        let subscriber = Self::start(broker.port(), filter, &session);
        assert!(wait(|| broker.has_saved(filter)), "mosquitto did not save the subscription");
        subscriber
    }

    /// The next message: topic and payload. Panics when none comes in time.
    pub fn next(&self) -> (String, serde_json::Value) {
        let (topic, message) = self.next_or_cleared();
        (topic, message.expect("a payload is JSON"))
    }

    /// The same; nothing where a retained message is taken away.
    pub fn next_or_cleared(&self) -> (String, Option<serde_json::Value>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.line(deadline).strip_prefix("message ") {
                let (topic, payload) = message.split_once(' ').expect("topic and payload");
                let message =
                    (!payload.is_empty()).then(|| serde_json::from_str(payload).expect("a payload is JSON"));
                return (topic.to_owned(), message);
            }
        }
    }

    fn line(&self, deadline: Instant) -> String {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("mosquitto_sub said nothing for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("mosquitto_sub has ended"),
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("mosquitto_sub could not be killed: {error}");
        }
    }
}

/// Whether `condition` becomes true in time.
pub fn wait(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    false
}

/// Writes a password file for `password_file`.
pub fn write_password_file(path: &Path, user: &str, password: &str) {
    std::fs::File::create(path).unwrap().write_all(format!("{user}:{password}\n").as_bytes()).unwrap();
    let hashed = Command::new("mosquitto_passwd").arg("-U").arg(path).status().expect("mosquitto_passwd");
    assert!(hashed.success());
}

/// Writes `certificate.pem` and `key.pem` for 127.0.0.1, signed by nobody.
pub fn write_self_signed_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl is installed").success());
}

/// Asks by MQTT 5 and gives the reply.
pub fn request(port: u16, topic: &str, message: &str) -> serde_json::Value {
    let asked = Command::new("mosquitto_rr")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-V", "5", "-q", "1", "-W", "60"])
        .args(["-t", topic, "-e", "desk/reply", "-m", message])
        .stdin(Stdio::null())
        .output()
        .expect("mosquitto_rr is installed");
    let said = String::from_utf8(asked.stdout).unwrap();
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{topic}: `{said}`"))
}

/// A retained message's bytes; none when there is none.
pub fn retained(port: u16, topic: &str) -> Vec<u8> {
    let got = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-C", "1", "-W", "2", "-N"])
        .args(["-t", topic, "--retained-only"])
        .output();
    got.expect("mosquitto_sub is installed").stdout
}

/// Publishes one message.
pub fn publish(port: u16, topic: &str, payload: &str) {
    mosquitto_pub(port, &["-t", topic, "-m", payload]);
}

/// Publishes one message for everybody who comes later.
pub fn publish_retained(port: u16, topic: &str, payload: &str) {
    mosquitto_pub(port, &["-t", topic, "-m", payload, "-q", "1", "-r"]);
}

fn mosquitto_pub(port: u16, arguments: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    let sent = command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(arguments).status();
    assert!(sent.expect("mosquitto_pub is installed").success());
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn mosquitto() -> &'static str {
    if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" }
}
