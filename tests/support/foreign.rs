//! `mosquitto_sub` with a persistent session, and everything that it was sent.
//!
//! Used by integration tests with `#[path]`. It takes as much at once as the broker has, so that what the broker has
//! acknowledged is in its socket, and it is not in the way when the broker is killed: see [`Foreign::has_read_all`].

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use uuid::Uuid;

use super::mosquitto::{Mosquitto, wait};
use super::node::now_us;

const FILTER: &str = "spotter/v1/#";

/// A tag as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub boot: Uuid,
    pub seq: u64,
    pub id: Uuid,
    pub historical: bool,
    pub waiting: Option<u64>,
    /// When it came, in microseconds.
    pub at_us: i64,
}

/// What came, in the order in which it did.
#[derive(Debug, Default)]
pub struct Heard {
    pub tags: Vec<Got>,
    /// Gap notices.
    pub gaps: Vec<Value>,
    /// The node's statuses.
    pub statuses: Vec<Value>,
    /// How often the broker has welcomed it.
    pub welcomes: usize,
    pub nonsense: Vec<String>,
}

impl Heard {
    fn line(&mut self, line: &str) {
        if line.contains("received CONNACK (0)") {
            self.welcomes += 1;
        }
        let Some((topic, payload)) = line.strip_prefix("message ").and_then(|rest| rest.split_once(' '))
        else {
            return;
        };
        match serde_json::from_str::<Value>(payload) {
            Ok(message) if topic.contains("/tag/") => self.tags.push(Got {
                boot: message["boot"].as_str().unwrap().parse().unwrap(),
                seq: message["seq"].as_u64().unwrap(),
                id: message["id"].as_str().unwrap().parse().unwrap(),
                historical: message["historical"].as_bool().unwrap(),
                waiting: message["waiting"].as_u64(),
                at_us: now_us(),
            }),
            Ok(message) if topic.ends_with("/gap") => self.gaps.push(message),
            Ok(message) if topic.ends_with("/status") => self.statuses.push(message),
            Ok(_) => {}
            Err(error) => self.nonsense.push(format!("{error}: {line}")),
        }
    }

    /// The tags of a boot that came, each once, in the order in which they came for the first time.
    pub fn of(&self, boot: Uuid) -> Vec<Got> {
        self.once().into_iter().filter(|got| got.boot == boot).collect()
    }

    /// The tags, each once, in the order in which they came for the first time. Repetitions must have equal ids.
    pub fn once(&self) -> Vec<Got> {
        let mut ids = BTreeMap::new();
        let mut once = Vec::new();
        for got in &self.tags {
            match ids.insert((got.boot, got.seq), got.id) {
                None => once.push(got.clone()),
                Some(id) => assert_eq!(id, got.id, "{got:?}"),
            }
        }
        once
    }

    /// The greatest number of a boot that came.
    pub fn last(&self, boot: Uuid) -> u64 {
        self.tags.iter().filter(|got| got.boot == boot).map(|got| got.seq).max().unwrap_or(0)
    }

    /// The problems that the node's last status names.
    pub fn problems(&self) -> Vec<String> {
        let problems = self.statuses.last().and_then(|status| status["problems"].as_array());
        problems.into_iter().flatten().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// The subscriber. Dropping it ends it.
pub struct Foreign {
    child: Child,
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Foreign {
    /// Subscribes to everything, and waits until the broker has that on disk.
    pub fn start(broker: &Mosquitto) -> Self {
        let port = broker.port();
        let mut child = Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-d"])
            .args(["-V", "5", "-i", "foreign", "-c", "-x", "3600", "-k", "5"])
            .args(["-D", "connect", "receive-maximum", "65535"])
            .args(["-t", FILTER, "-F", "message %t %p"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is installed");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::new(Mutex::new(Heard::default()));
        let hears = Arc::clone(&heard);
        let read = move || {
            for line in stdout.lines().map_while(Result::ok) {
                hears.lock().unwrap().line(&line);
            }
        };
        std::thread::Builder::new().name("mosquitto_sub".to_owned()).spawn(read).unwrap();
        let saved = || std::fs::read(broker.folder().join("mosquitto.db")).unwrap_or_default();
        let is_saved = || saved().windows(FILTER.len()).any(|window| window == FILTER.as_bytes());
        assert!(wait(is_saved), "mosquitto did not save the subscription:\n{}", broker.log());
        Foreign { child, port, heard }
    }

    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// Whether it has taken everything out of its socket that the broker has sent. When the broker dies before that,
    /// `mosquitto_sub` fails to acknowledge and throws the rest away, although the broker has told the node that it has
    /// it: a loss, but none of the node's.
    pub fn has_read_all(&self) -> bool {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.port);
        sockets.lines().skip(1).all(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (to_send, to_read) = fields[4].split_once(':').unwrap();
            (!fields[1].ends_with(&port) || to_send == "00000000" || fields[3] != "01")
                && (!fields[2].ends_with(&port) || to_read == "00000000" || fields[3] != "01")
        })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("mosquitto_sub could not be killed: {error}");
        }
    }
}
