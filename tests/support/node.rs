//! A node that can be killed: the test binary itself, executed again, with a publisher that is handed a tag every 20 ms.
//!
//! Used by integration tests with `#[path]`, beside `publisher`; the test `node` of that file is what the child runs. What is handed in, and
//! when, is in a journal: one write before each tag and one after it, so that it is known after kill -9 too.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spotter::clock::{Clock, SystemClock};
use spotter::config;
use spotter::tag::Tag;
use uuid::Uuid;

use super::publisher::{self, start_as, tag};

/// Between two tags: 50 a second.
pub const PACE: Duration = Duration::from_millis(20);

/// How long a node may take to send what is left and to say goodbye.
const GRACE: Duration = Duration::from_secs(20);

/// What the child is told, as JSON.
const PLAN: &str = "SPOTTER_TEST_NODE";

/// What time it is, in microseconds, for this process and others.
pub fn now_us() -> i64 {
    SystemClock.now().as_micros()
}

pub fn config(port: u16, outbox: config::Outbox) -> config::Mqtt {
    config::Mqtt { outbox, ..publisher::config(port) }
}

/// An outbox on disk that sends what waits as fast as it can.
pub fn on_disk(directory: &Path) -> config::Outbox {
    config::Outbox {
        directory: Some(directory.to_owned()),
        backlog_rate: 5000,
        ..config::Outbox::in_memory()
    }
}

/// What a node does.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub port: u16,
    pub directory: &'a Path,
    pub sync: config::Sync,
    pub backlog_rate: u32,
    /// Tags that are handed in at once, before the paced ones.
    pub at_once: u64,
}

/// A running node. Dropping it kills it.
pub struct Node {
    pub boot: Uuid,
    pub sync: config::Sync,
    child: Child,
    journal: PathBuf,
}

/// What was handed in: for each tag when, and when the call came back.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub tags: Vec<(i64, Option<i64>)>,
    /// Why the node did not start.
    pub error: Option<String>,
}

impl Journal {
    /// The last moment of which it tells.
    pub fn end_us(&self) -> Option<i64> {
        self.tags.last().map(|(before, after)| after.unwrap_or(*before))
    }

    /// How many were handed in.
    pub fn handed(&self) -> u64 {
        self.tags.len() as u64
    }
}

impl Node {
    /// Starts one as a new boot. Its journal and what it says go into `folder`.
    pub fn start(plan: Plan, folder: &Path) -> Self {
        let boot = Uuid::new_v4();
        let journal = folder.join(format!("{boot}.journal"));
        let said = File::create(folder.join(format!("{boot}.log"))).unwrap();
        let told = json!({
            "port": plan.port,
            "directory": plan.directory,
            "always": plan.sync == config::Sync::Always,
            "backlog_rate": plan.backlog_rate,
            "at_once": plan.at_once,
            "boot": boot.to_string(),
            "journal": journal,
        });
        File::create(&journal).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "node", "--ignored", "--nocapture"])
            .env(PLAN, told.to_string())
            .stdin(Stdio::piped())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        Node { boot, sync: plan.sync, child, journal }
    }

    /// What it has handed in so far.
    pub fn journal(&self) -> Journal {
        let mut journal = Journal::default();
        for line in std::fs::read_to_string(&self.journal).unwrap().lines() {
            let (word, rest) = line.split_once(' ').unwrap();
            match word {
                "before" => journal.tags.push((rest.parse().unwrap(), None)),
                "after" => journal.tags.last_mut().unwrap().1 = Some(rest.parse().unwrap()),
                _ => journal.error = Some(rest.to_owned()),
            }
        }
        journal
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Orders it to stop, and whether it did so with nothing left.
    pub fn stop(&mut self) -> bool {
        self.child.stdin.take().unwrap().write_all(b"stop\n").unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the node could not be killed: {error}");
        }
    }
}

/// What the child does until it is killed or ordered to stop.
pub fn run() {
    let Ok(told) = std::env::var(PLAN) else { return };
    let told: Value = serde_json::from_str(&told).unwrap();
    let path = |key: &str| PathBuf::from(told[key].as_str().unwrap());
    let mut journal = File::options().append(true).open(path("journal")).unwrap();
    let mut write = |line: String| journal.write_all(line.as_bytes()).unwrap();
    let sync = if told["always"] == true { config::Sync::Always } else { config::Sync::Interval };
    let backlog_rate = told["backlog_rate"].as_u64().unwrap().try_into().unwrap();
    let outbox = config::Outbox { sync, backlog_rate, ..on_disk(&path("directory")) };
    let boot = told["boot"].as_str().unwrap().parse().unwrap();
    let started = start_as(&config(told["port"].as_u64().unwrap().try_into().unwrap(), outbox), boot);
    let (publisher, handle) = match started {
        Ok(started) => started,
        Err(error) => return write(format!("error {error}\n")),
    };

    // Its end closes standard input, so no node outlives its test.
    let (sender, orders) = sync_channel(1);
    let read =
        move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
    std::thread::Builder::new().name("orders".to_owned()).spawn(read).unwrap();
    let mut due = Instant::now();
    for track in 1.. {
        if track > told["at_once"].as_u64().unwrap() {
            due = (due + PACE).max(Instant::now());
            match orders.recv_timeout(due - Instant::now()) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(_) => break,
                Err(RecvTimeoutError::Disconnected) => std::process::exit(1),
            }
        }
        write(format!("before {}\n", now_us()));
        handle.tag(&Tag { at: SystemClock.now(), ..tag(track) });
        write(format!("after {}\n", now_us()));
    }
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.unsent, stopped.said_goodbye), (0, true), "{:?}", handle.counts());
}
