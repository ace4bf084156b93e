//! A changed configuration is taken without touching what did not change: cameras, tracks, numbers and the boot go on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spotter::config::{Command, Mqtt, Profile};
use spotter::publish::{Scene, Settings};
use spotter::telemetry::{CameraState, CameraStatus, Faults};
use tempfile::TempDir;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;
#[path = "support/publisher.rs"]
mod publisher;

use contract::{Contract, Story};
use mosquitto::{Mosquitto, Subscriber, request, retained, wait};
use program::Program;
use publisher::{name, start, tag};

const PICTURE: &str =
    "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=5/1\"";

/// A camera that shows nothing to recognise, with more lines about it.
fn camera(name: &str, more: &str) -> String {
    format!("[[camera]]\nname = \"{name}\"\n{PICTURE}\n{more}\n")
}

fn zone(name: &str) -> String {
    format!("[[camera.zone]]\nname = \"{name}\"\npolygon = [[0, 0], [1, 0], [1, 1]]\nlabels = [\"person\"]\n")
}

/// A running node `edge` that takes the commands `reload` and `stats`.
struct Edge {
    folder: TempDir,
    program: Program,
}

impl Edge {
    fn start(mqtt: &str, cameras: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spotter.toml");
        write(&file, mqtt, cameras);
        let program = Program::start(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
        Edge { folder, program }
    }

    fn rewrite(&self, mqtt: &str, cameras: &[String]) {
        write(&self.folder.path().join("spotter.toml"), mqtt, cameras);
    }

    /// Stops the node, which ends well; what it logged.
    fn stop(self) -> String {
        self.program.signal("TERM");
        let ended = self.program.wait(program::PATIENCE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout + &ended.stderr
    }
}

fn write(file: &PathBuf, mqtt: &str, cameras: &[String]) {
    let text = format!("[node]\nname = \"edge\"\n{mqtt}\n{}", cameras.join("\n"));
    fs::write(file, text).unwrap();
}

fn mqtt(port: u16, more: &str) -> String {
    format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\nkeep_alive_s = 5\ncommands = [\"reload\", \"stats\"]\n{more}"
    )
}

/// Everything that was said below a root, in order; nothing in the place of what was taken away.
struct Heard {
    subscriber: Subscriber,
    contract: Contract,
    root: String,
    all: Vec<(String, Option<Value>)>,
}

impl Heard {
    fn from_now_on(port: u16, root: &str) -> Self {
        let subscriber = Subscriber::start(port, &format!("{root}/edge/#"), &[]);
        Heard { subscriber, contract: Contract::read(), root: root.to_owned(), all: Vec::new() }
    }

    /// Listens until the condition holds for a message: its topic below the node, and what it says.
    fn until(&mut self, mut condition: impl FnMut(&str, Option<&Value>) -> bool) -> Option<Value> {
        let deadline = Instant::now() + mosquitto::PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "only this was said: {:#?}", self.topics());
            let (topic, message) = self.subscriber.next_or_cleared();
            let below = topic.strip_prefix(&format!("{}/edge/", self.root)).unwrap().to_owned();
            if below.starts_with("command/") {
                continue;
            }
            message.iter().for_each(|message| self.contract.hold(&topic, message));
            let found = condition(&below, message.as_ref());
            self.all.push((below, message.clone()));
            if found {
                return message;
            }
        }
    }

    fn until_state(&mut self, topic: &str, state: &str) -> Value {
        let is = |message: Option<&Value>| message.is_some_and(|message| message["state"] == state);
        self.until(|at, message| at == topic && is(message)).unwrap()
    }

    fn at<'h>(&'h self, topic: &'h str) -> impl Iterator<Item = Option<&'h Value>> {
        self.all.iter().filter(move |(at, _)| at == topic).map(|(_, message)| message.as_ref())
    }

    /// The states at a topic, each once in a row; `gone` where it was taken away.
    fn states<'h>(&'h self, topic: &'h str) -> Vec<&'h str> {
        let mut states: Vec<&str> = self
            .at(topic)
            .map(|message| message.map_or("gone", |message| message["state"].as_str().unwrap()))
            .collect();
        states.dedup();
        states
    }

    /// Since when a camera was online: one moment, if it never stopped being so.
    fn online_since(&self, topic: &str) -> BTreeSet<String> {
        let online = self.at(topic).flatten().filter(|message| message["state"] == "online");
        online.map(|message| message["since"].to_string()).collect()
    }

    fn topics(&self) -> Vec<String> {
        let told = |message: &Value| message["state"].as_str().unwrap_or("said").to_owned();
        let line = |(topic, message): &(String, Option<Value>)| {
            format!("{topic}: {}", message.as_ref().map_or("gone".to_owned(), told))
        };
        self.all.iter().map(line).collect()
    }

    fn boots(&self) -> BTreeSet<String> {
        self.all.iter().filter_map(|(_, message)| message.as_ref()).map(|m| m["boot"].to_string()).collect()
    }

    fn tags(&self) -> impl Iterator<Item = Value> {
        self.all.iter().filter(|(topic, _)| topic.contains("/tag/")).filter_map(|(_, tag)| tag.clone())
    }
}

#[test]
fn a_camera_that_did_not_change_goes_on_and_others_come_change_and_go() {
    let Some(footage) = footage::vtest() else { return };
    let broker = Mosquitto::start("");
    let port = broker.port();
    let mut heard = Heard::from_now_on(port, "spotter/v1");
    let street = format!(
        "[[camera]]\nname = \"street\"\nsource = \"{}\"\nloop = true\ntracks = true\n{}",
        footage.display(),
        zone("kerb")
    );
    let first = [street.clone(), camera("ramp", &zone("door")), camera("gate", &zone("lane"))];
    let edge = Edge::start(&mqtt(port, ""), &first);
    heard.until_state("ramp/status", "online");
    heard.until_state("gate/status", "online");
    let several = |message: Option<&Value>| message.unwrap()["tracks"].as_array().unwrap().len() >= 3;
    heard.until(|topic, message| topic == "street/tracks" && several(message));

    edge.rewrite(&mqtt(port, ""), &[street, camera("ramp", &zone("yard")), camera("lot", "")]);
    let reply = request(port, "spotter/v1/edge/command/reload", "");
    assert_eq!(reply["result"], json!({ "cameras": 3 }), "{reply}");
    heard.until_state("lot/status", "connecting");
    let reloaded = heard.all.len();
    let mut frames = 0;
    heard.until(|topic, _| {
        frames += usize::from(topic == "street/tracks");
        frames >= 10
    });
    heard.until_state("lot/status", "online");
    for topic in ["gate/status", "gate/occupancy/lane", "ramp/occupancy/door"] {
        assert!(wait(|| retained(port, &format!("spotter/v1/edge/{topic}")).is_empty()), "{topic}");
    }
    assert!(!retained(port, "spotter/v1/edge/ramp/occupancy/yard").is_empty());
    let log = edge.stop();
    let mut there = BTreeSet::from(["status", "street/status", "ramp/status", "lot/status"]);
    heard.until(|topic, message| {
        let went = message.is_some_and(|message| message["state"] == "offline");
        there.retain(|left| !(went && *left == topic));
        there.is_empty()
    });
    assert!(
        log.contains("unchanged: street; changed: ramp; started: lot; removed: gate"),
        "it says what it did:\n{log}"
    );

    assert_eq!(heard.boots().len(), 1, "one boot");
    for untouched in ["street/status", "ramp/status"] {
        assert_eq!(heard.states(untouched), ["connecting", "online", "offline"], "{untouched}");
        assert_eq!(heard.online_since(untouched).len(), 1, "{untouched}");
    }
    assert_eq!(heard.states("gate/status").last(), Some(&"gone"));
    assert_eq!(heard.states("lot/status"), ["connecting", "online", "offline"]);
    assert_eq!(heard.at("ramp/occupancy/door").last(), Some(None));
    // Tracks go on over the change, under their numbers.
    let ids = |(_, message): &(String, Option<Value>)| -> BTreeSet<u64> {
        let tracks = message.as_ref().unwrap()["tracks"].as_array().unwrap();
        tracks.iter().map(|track| track["track"].as_u64().unwrap()).collect()
    };
    let (before, after) = heard.all.split_at(reloaded);
    let of_street = |(topic, _): &&(String, Option<Value>)| topic == "street/tracks";
    let before = ids(before.iter().rfind(of_street).unwrap());
    let after: BTreeSet<u64> = after.iter().filter(of_street).take(3).flat_map(ids).collect();
    assert!(!before.is_disjoint(&after), "{before:?} and then {after:?}");
    let frames: Vec<u64> =
        heard.at("street/tracks").flatten().map(|message| message["frame"].as_u64().unwrap()).collect();
    assert!(frames.is_sorted_by(|a, b| a < b), "{frames:?}");
    // No number is missing, and what begins ends once.
    Story::of(heard.tags()).hold();
}

#[test]
fn the_program_moves_to_another_broker_as_the_same_boot_or_not_at_all() {
    let (old, new) = (Mosquitto::start(""), Mosquitto::start(""));
    let mut heard = Heard::from_now_on(old.port(), "spotter/v1");
    let cameras = [camera("ramp", &zone("door"))];
    let edge = Edge::start(&mqtt(old.port(), ""), &cameras);
    let online = heard.until_state("ramp/status", "online");

    // Everything that is wrong is said, also what the file does not show.
    let wrong = format!("{}colour = \"red\"\n", zone("door").replace("person", "unicorn"));
    let gone = "[[camera]]\nname = \"gate\"\nsource = \"nowhere.mp4\"\n".to_owned();
    edge.rewrite(&mqtt(old.port(), "profile = \"loud\""), &[camera("ramp", &wrong), gone]);
    let refused = request(old.port(), "spotter/v1/edge/command/reload", "");
    let message = refused["error"]["message"].as_str().unwrap();
    for said in
        ["mqtt.profile is \"loud\"", "colour is unknown", "unicorn", "nowhere.mp4, which is not there"]
    {
        assert!(message.contains(said), "{said}:\n{message}");
    }
    let stats = request(old.port(), "spotter/v1/edge/command/stats", "");
    assert_eq!(stats["boot"], online["boot"], "the old one goes on");

    // Starting anew with a folder that another node has would be the end.
    let taken = tempfile::tempdir().unwrap();
    let lock = fs::File::create(taken.path().join("outbox.lock")).unwrap();
    lock.try_lock().unwrap();
    let outbox = format!("[mqtt.outbox]\ndirectory = \"{}\"", taken.path().display());
    edge.rewrite(&mqtt(old.port(), &outbox), &cameras);
    let refused = request(old.port(), "spotter/v1/edge/command/reload", "");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("another process has this outbox open"), "{refused}");

    let mut arrived = Heard::from_now_on(new.port(), "site/7");
    edge.rewrite(&mqtt(new.port(), "root = \"site/7\"\nstats_interval_s = 5"), &cameras);
    let reply = request(old.port(), "spotter/v1/edge/command/reload", "");
    assert_eq!(reply["result"], json!({ "cameras": 1 }), "who has asked is answered there: {reply}");
    let parted = heard.until_state("status", "offline");
    assert_eq!(parted["reason"], "moved");
    heard.until(|topic, message| topic == "status" && message.is_none());
    assert!(retained(old.port(), "spotter/v1/edge/#").is_empty(), "nothing is left behind");
    let status = arrived.until_state("ramp/status", "online");
    assert_eq!((&status["boot"], &status["since"]), (&online["boot"], &online["since"]));
    assert!(
        !retained(new.port(), "site/7/edge/ramp/occupancy/door").is_empty(),
        "all that is retained is there"
    );
    // Figures come with the connection, and then every five seconds.
    for _ in 0..2 {
        arrived.until(|topic, _| topic == "stats");
    }

    // A process has one runtime library.
    let library = format!("[runtime]\nonnxruntime = \"other.so\"\n{}", mqtt(new.port(), "root = \"site/7\""));
    edge.rewrite(&library, &cameras);
    let refused = request(new.port(), "site/7/edge/command/reload", "");
    assert_eq!(
        refused["error"]["message"],
        format!(
            "runtime.onnxruntime is {} and was not set at the start: another library takes a restart of the process",
            edge.folder.path().join("other.so").display()
        ),
        "{refused}"
    );

    // Other models and their runtime need a new start; that is said, and done.
    let runtime = format!("[runtime]\nthreads = 1\n{}", mqtt(new.port(), "root = \"site/7\""));
    edge.rewrite(&runtime, &cameras);
    let reply = request(new.port(), "site/7/edge/command/reload", "");
    assert_eq!((&reply["result"], &reply["boot"]), (&json!({ "cameras": 1 }), &online["boot"]));
    arrived.until(|topic, message| topic == "status" && message.unwrap()["boot"] != online["boot"]);
    let log = edge.stop();
    assert!(log.contains("the node starts anew (runtime changed)"), "{log}");
}

#[test]
fn no_tag_is_lost_or_numbered_twice_while_settings_change() {
    let (near, far) = (Mosquitto::start(""), Mosquitto::start(""));
    let root = "spotter/v1".to_owned();
    let contract = Contract::read();
    let near_by = Subscriber::start(near.port(), "+/+/edge-1/#", &[]);
    let far_away = Subscriber::start(far.port(), "+/+/edge-1/#", &[]);
    let base = Mqtt { stats_interval: None, root, ..publisher::config(near.port()) };
    let (publisher, handle) = start(&base);
    let scene =
        |camera| Scene { camera: name(camera), zones: Vec::new(), activities: false, snapshots: false };
    handle.camera_status(&status());

    let changes: [&dyn Fn(&mut Mqtt); 6] = [
        &|mqtt| mqtt.commands.extend([Command::Stats]),
        &|mqtt| mqtt.profile = Profile::CloudEventsBinary,
        &|mqtt| mqtt.outbox.memory_tags = 5000,
        &|mqtt| mqtt.root = "site/7".to_owned(),
        &|mqtt| mqtt.port = far.port(),
        &|mqtt| mqtt.root = "site/8".to_owned(),
    ];
    let stop = AtomicBool::new(false);
    let (handed, slowest) = std::thread::scope(|scope| {
        let hand_in = scope.spawn(|| {
            let (mut handed, mut slowest) = (0, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                handed += 1;
                let begun = Instant::now();
                handle.tag(&tag(handed));
                slowest = slowest.max(begun.elapsed());
                std::thread::park_timeout(Duration::from_millis(3));
            }
            (handed, slowest)
        });
        let mut mqtt = base;
        for (index, change) in changes.into_iter().enumerate() {
            let before = handle.counts();
            change(&mut mqtt);
            let cameras = vec![scene("ramp"), scene(["gate", "yard"][index % 2])];
            publisher.change(Settings::new(&mqtt, &name("edge-1")).unwrap(), cameras);
            // Tags go on to be acknowledged, over another connection where it takes one.
            let reconnects = !matches!(index, 0 | 2);
            let goes_on = || {
                let now = handle.counts();
                let again = now.connections > before.connections || !reconnects;
                again && now.connected && now.acknowledged > before.acknowledged + 20
            };
            assert!(wait(goes_on), "change {index}: {before:?}, then {:?}", handle.counts());
        }
        stop.store(true, Ordering::Relaxed);
        hand_in.join().unwrap()
    });
    assert!(slowest < Duration::from_secs(1), "nobody waits for the broker: {slowest:?}");
    let connections = handle.counts().connections;
    assert_eq!(connections, 5, "one at first, and four that were needed");
    let stopped = publisher.stop(Duration::from_secs(20));
    assert_eq!((stopped.unsent, stopped.said_goodbye), (0, true));

    let mut tags: BTreeMap<u64, Value> = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut hear = |subscriber: &Subscriber, last: &dyn Fn(&str, Option<&Value>) -> bool| {
        loop {
            let (topic, message) = subscriber.next_or_cleared();
            let done = last(&topic, message.as_ref());
            if let Some(message) = message {
                contract.hold(&topic, &message);
                if let Some(seq) = message["seq"].as_u64() {
                    let again = tags.insert(seq, message.clone());
                    assert!(again.is_none_or(|before| before["id"] == message["id"]));
                    places.entry(topic.split("/edge-1/").next().unwrap().to_owned()).or_insert(seq);
                }
            }
            if done {
                break;
            }
        }
    };
    // It leaves the near broker by its second root, and the far one by its third.
    hear(&near_by, &|topic, message| topic == "site/7/edge-1/status" && message.is_none());
    hear(&far_away, &|topic, message| {
        topic == "site/8/edge-1/status" && message.is_some_and(|message| message["state"] == "offline")
    });
    assert_eq!(tags.keys().copied().collect::<Vec<_>>(), (1..=handed).collect::<Vec<_>>());
    let boots: BTreeSet<&str> = tags.values().map(|tag| tag["boot"].as_str().unwrap()).collect();
    assert_eq!(boots.len(), 1);
    let order: Vec<&str> = {
        let mut order: Vec<(&str, u64)> = places.iter().map(|(root, seq)| (root.as_str(), *seq)).collect();
        order.sort_by_key(|(_, seq)| *seq);
        order.into_iter().map(|(root, _)| root).collect()
    };
    assert_eq!(order, ["spotter/v1", "site/7", "site/8"]);
    assert!(retained(near.port(), "#").is_empty(), "nothing is left at the first broker");
    assert!(retained(far.port(), "site/7/edge-1/#").is_empty(), "nor at the second's first root");
    assert!(!retained(far.port(), "site/8/edge-1/ramp/status").is_empty());
}

fn status() -> CameraStatus {
    CameraStatus {
        camera: name("ramp"),
        state: CameraState::Online,
        since: publisher::BASE,
        reason: None,
        reconnects_last_hour: 0,
        fps_in: 25.0,
        fps_recognised: 25.0,
        dropped: 0,
        worker: None,
        pose_rate: None,
        clock: None,
        video: None,
        faults: Faults::default(),
    }
}
