//! Home Assistant's own discovery schema, and how Home Assistant reads what a node says.
//!
//! `home_assistant/VERSION.json` is that schema, as Home Assistant itself says it; `home_assistant/schema.py` wrote it and
//! says how. `home_assistant/reads.py` reads the messages of a real broker in the order in which they came.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spotter::clock::SystemClock;
use spotter::config::{HomeAssistant, Mqtt, Profile};
use spotter::publish::{Accelerators, Handle, Node, Publisher, Scene, Settings};
use spotter::tag::{Activity, ActivitySummary, Body, Occupancy, Phase, Tag, TrackId, Window};
use spotter::telemetry::{CameraState, CameraStatus, Faults, Video};
use tempfile::TempDir;
use uuid::Uuid;

use crate::mosquitto::{Mosquitto, PATIENCE, Subscriber};
use crate::peers;
use crate::publisher::{self, BASE, name};

/// The first version of Home Assistant that knows child devices, and the last that does not.
const WITH_CHILDREN: &str = "2026.11.0";
const WITHOUT_CHILDREN: &str = "2026.10.4";

const CONFIG: &str = "homeassistant/device/edge-1/config";

/// A node that Home Assistant is told of, and everything that is said, in its order.
struct Home {
    broker: Mosquitto,
    subscriber: Subscriber,
    said: Vec<(String, Option<Value>)>,
}

fn camera(camera: &str, zones: &[&str]) -> Scene {
    let labels = || vec!["person".to_owned(), "guide dog's".to_owned()];
    Scene {
        camera: name(camera),
        zones: zones.iter().map(|zone| (name(zone), labels())).collect(),
        activities: true,
        snapshots: true,
    }
}

fn both() -> Vec<Scene> {
    vec![camera("ramp", &["door", "yard"]), camera("gate", &["way"])]
}

impl Home {
    fn new() -> Self {
        let broker = Mosquitto::start("");
        let more = [
            "spotter/v1/+/status",
            "spotter/v1/+/+/status",
            "spotter/v1/+/+/occupancy/+",
            "spotter/v1/+/+/tag/+",
        ];
        let roots = more.map(|filter| filter.replace("spotter/v1", "site/7"));
        let roots: Vec<&str> =
            roots.iter().map(String::as_str).chain(more).flat_map(|filter| ["-t", filter]).collect();
        let subscriber = Subscriber::start(broker.port(), "homeassistant/device/#", &roots);
        Home { broker, subscriber, said: Vec::new() }
    }

    fn config(&self) -> Mqtt {
        let home_assistant = HomeAssistant { enabled: true, ..HomeAssistant::default() };
        Mqtt { home_assistant, stats_interval: None, ..publisher::config(self.broker.port()) }
    }

    /// Starts a node with these cameras, all of them online and all zones with somebody in them.
    fn start(&self, config: &Mqtt, cameras: &[Scene]) -> (Publisher, Handle) {
        let node = Node {
            name: name("edge-1"),
            boot: Uuid::new_v4(),
            version: "0.1.0".to_owned(),
            models: Vec::new(),
            accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
            cameras: cameras.to_vec(),
        };
        let publisher = Publisher::start(config, node, Arc::new(SystemClock), |_| false).unwrap();
        let handle = publisher.handle();
        for scene in cameras {
            handle.camera_status(&status(scene, 0));
            for (zone, labels) in &scene.zones {
                let counts = labels.iter().map(|label| (Arc::from(label.as_str()), 1)).collect();
                let camera = scene.camera.clone();
                handle.occupancy(&Occupancy { camera, zone: zone.clone(), at: BASE, counts });
            }
        }
        (publisher, handle)
    }

    /// Listens until something was said at a topic: where it was cleared, nothing.
    fn until(&mut self, topic: &str, wanted: impl Fn(Option<&Value>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let came: Vec<&String> = self.said.iter().map(|(topic, _)| topic).collect();
            assert!(Instant::now() < deadline, "{topic}: only this came: {came:#?}");
            let (at, message) = self.subscriber.next_or_cleared();
            let found = at == topic && wanted(message.as_ref());
            self.said.push((at, message));
            if found {
                return;
            }
        }
    }

    fn until_shown(&mut self, topic: &str) {
        self.until(topic, |message| message.is_some());
    }

    fn until_cleared(&mut self, topic: &str) {
        self.until(topic, |message| message.is_none());
    }

    /// How Home Assistant of this version reads all of it; there is no fault in it.
    fn read(&self, version: &str) -> Read {
        let (read, faults) = self.read_with_faults(version);
        assert!(faults.is_empty(), "{faults:#?}");
        read
    }

    fn read_with_faults(&self, version: &str) -> (Read, Vec<String>) {
        let folder = TempDir::new().unwrap();
        let messages = folder.path().join("messages");
        let mut lines = String::new();
        for (topic, message) in &self.said {
            let payload = message.as_ref().map(Value::to_string).unwrap_or_default();
            writeln!(lines, "{}", json!({ "topic": topic, "payload": payload })).unwrap();
        }
        fs::write(&messages, lines).unwrap();
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/home_assistant");
        let output = Command::new(peers::python_programs().join("python"))
            .arg(beside.join("reads.py"))
            .arg(beside.join(format!("{version}.json")))
            .arg(&messages)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let read = Read {
            devices: serde_json::from_value(said["devices"].clone()).unwrap(),
            rows: serde_json::from_value(said["rows"].clone()).unwrap(),
        };
        (read, serde_json::from_value(said["faults"].clone()).unwrap())
    }
}

/// What Home Assistant has at the end.
struct Read {
    /// Names of entities by the name of their device.
    devices: BTreeMap<String, Vec<String>>,
    /// By its id, each state with its attributes that an entity has had.
    rows: BTreeMap<String, Vec<(String, Value)>>,
}

impl Read {
    fn of(&self, id: &str) -> &[(String, Value)] {
        let found: Vec<_> = self.rows.iter().filter(|(known, _)| known.starts_with(id)).collect();
        assert_eq!(found.len(), 1, "{id}: {:?}", self.rows.keys());
        found[0].1
    }

    fn states(&self, id: &str) -> Vec<&str> {
        self.of(id).iter().map(|(state, _)| state.as_str()).collect()
    }
}

/// A camera online, with figures as they are after so many reports.
fn status(scene: &Scene, reports: u64) -> CameraStatus {
    CameraStatus {
        camera: scene.camera.clone(),
        state: CameraState::Online,
        since: BASE,
        reason: None,
        reconnects_last_hour: 0,
        fps_in: 24.9 + reports as f32 / 10.0,
        fps_recognised: 12.0 + reports as f32 / 10.0,
        dropped: reports,
        worker: None,
        pose_rate: Some(4.0 + reports as f32 / 10.0),
        video: Some(Video {
            codec: "h264".to_owned(),
            size: (1280, 720),
            decoder: Some("avdec_h264".to_owned()),
            hardware: false,
        }),
        clock: None,
        faults: Faults::default(),
    }
}

fn activity(track: u64, label: &str, phase: Phase, number: u64) -> Tag {
    let at = BASE + Duration::from_secs(number);
    let summary = (phase == Phase::End).then_some(ActivitySummary {
        ended: at,
        duration: Duration::from_secs(number),
        best_score: 0.9,
    });
    let window = Window { from: BASE, to: at };
    let activity =
        Activity { since: BASE + Duration::from_secs(track), window, alternatives: Vec::new(), summary };
    Tag {
        phase,
        track: Some(TrackId(track)),
        tracks: Vec::new(),
        at,
        label: Arc::from(label),
        score: 0.5 + number as f32 / 100.0,
        body: Body::Activity(activity),
        ..publisher::tag(track)
    }
}

const GRACE: Duration = Duration::from_secs(20);

#[test]
fn each_camera_is_a_device_below_the_nodes_and_every_message_is_valid() {
    let mut home = Home::new();
    let (publisher, _handle) = home.start(&home.config(), &both());
    home.until_shown("spotter/v1/edge-1/gate/occupancy/way");
    publisher.stop(GRACE);
    home.until("spotter/v1/edge-1/gate/status", |status| {
        status.is_some_and(|status| status["state"] == "offline")
    });
    let read = home.read(WITH_CHILDREN);
    let entities = |device: &str| read.devices[device].len();
    assert_eq!(read.devices.keys().collect::<Vec<_>>(), ["Spotter edge-1", "gate", "ramp"]);
    assert_eq!((entities("Spotter edge-1"), entities("gate"), entities("ramp")), (1, 7, 11));
    assert!(read.devices["ramp"].contains(&"door person count".to_owned()), "{:?}", read.devices);
    // What is said first is what to show.
    assert_eq!(home.said[0].0, CONFIG);
    assert_eq!(
        read.states("spotter_edge-1_ramp_door_person_count"),
        ["unavailable", "unknown", "1", "unavailable"]
    );
    assert_eq!(
        read.states("spotter_edge-1_ramp_yard_guide_dog_s_occupancy"),
        ["unavailable", "unknown", "on", "unavailable"]
    );
    assert_eq!(read.states("spotter_edge-1_connectivity"), ["unknown", "on", "off"]);
    // The schema finds faults where there are some: what an older Home Assistant says of this.
    let (_, faults) = home.read_with_faults(WITHOUT_CHILDREN);
    assert!(faults.iter().any(|fault| fault.contains("child_devices")), "{faults:?}");
}

#[test]
fn without_child_devices_an_older_home_assistant_reads_it_too() {
    let mut home = Home::new();
    let mut config = home.config();
    config.home_assistant.child_devices = false;
    let (publisher, _handle) = home.start(&config, &both());
    home.until_shown("spotter/v1/edge-1/gate/occupancy/way");
    for version in [WITHOUT_CHILDREN, WITH_CHILDREN] {
        let read = home.read(version);
        assert_eq!(read.devices.keys().collect::<Vec<_>>(), ["Spotter edge-1"]);
        assert_eq!(read.devices["Spotter edge-1"].len(), 19);
        assert!(read.devices["Spotter edge-1"].contains(&"ramp door person count".to_owned()));
    }
    // Home Assistant was updated: the same entities, below devices of their own.
    publisher.change(Settings::new(&home.config(), &name("edge-1")).unwrap(), both());
    home.until(CONFIG, |message| message.is_some_and(|message| message.get("child_devices").is_some()));
    home.until_shown("spotter/v1/edge-1/gate/occupancy/way");
    let read = home.read(WITH_CHILDREN);
    assert_eq!(read.devices.len(), 3);
    assert_eq!(read.devices.values().map(Vec::len).sum::<usize>(), 19);
    publisher.stop(GRACE);
}

#[test]
fn what_is_gone_is_taken_out_of_the_discovery_before_its_state_is_cleared() {
    let gone = [
        "spotter/v1/edge-1/ramp/occupancy/door",
        "spotter/v1/edge-1/gate/status",
        "spotter/v1/edge-1/gate/occupancy/way",
    ];
    let fewer = || vec![camera("ramp", &["yard"])];
    // At a start, and by a reload.
    for restarts in [true, false] {
        let mut home = Home::new();
        let (publisher, _handle) = home.start(&home.config(), &both());
        home.until_shown("spotter/v1/edge-1/gate/occupancy/way");
        let publisher = if restarts {
            publisher.stop(GRACE);
            home.start(&home.config(), &fewer()).0
        } else {
            publisher.change(Settings::new(&home.config(), &name("edge-1")).unwrap(), fewer());
            publisher
        };
        let cleared =
            |home: &Home, topic: &str| home.said.iter().any(|(at, message)| at == topic && message.is_none());
        while !gone.iter().all(|topic| cleared(&home, topic)) {
            let said = home.subscriber.next_or_cleared();
            home.said.push(said);
        }
        let place = |wanted: &dyn Fn(&str, Option<&Value>) -> bool| {
            home.said.iter().position(|(topic, message)| wanted(topic, message.as_ref())).unwrap()
        };
        let forgets = |topic: &str, message: Option<&Value>| {
            let of_gate = |(id, entry): (&String, &Value)| {
                id.contains("_gate_") && entry.as_object().unwrap().len() == 1
            };
            topic == CONFIG
                && message
                    .is_some_and(|message| message["components"].as_object().unwrap().iter().any(of_gate))
        };
        let first_cleared = place(&|topic, message| message.is_none() && gone.contains(&topic));
        assert!(place(&forgets) < first_cleared, "{:#?}", home.said);
        let read = home.read(WITH_CHILDREN);
        assert_eq!(read.devices.keys().collect::<Vec<_>>(), ["Spotter edge-1", "ramp"]);
        publisher.stop(GRACE);
    }
}

#[test]
fn a_change_of_profile_root_or_of_home_assistant_itself_is_read_without_a_fault() {
    let mut home = Home::new();
    let (publisher, _handle) = home.start(&home.config(), &both());
    home.until_shown("spotter/v1/edge-1/gate/occupancy/way");
    let enveloped = |message: Option<&Value>| message.is_some_and(|message| message["specversion"] == "1.0");
    let plain = |message: Option<&Value>| message.is_some_and(|message| message.get("specversion").is_none());
    let mut config = home.config();
    let change = |config: &Mqtt| publisher.change(Settings::new(config, &name("edge-1")).unwrap(), both());
    for profile in [Profile::CloudEvents, Profile::CloudEventsBinary, Profile::CloudEvents, Profile::Native] {
        config.profile = profile;
        change(&config);
        let before = home.said.len();
        match profile {
            Profile::CloudEvents => home.until("spotter/v1/edge-1/gate/occupancy/way", enveloped),
            Profile::Native | Profile::CloudEventsBinary => {
                home.until("spotter/v1/edge-1/gate/occupancy/way", plain)
            }
        }
        let first = home.said[before..].iter().find(|(topic, _)| topic != "spotter/v1/edge-1/status");
        assert_eq!(first.map(|(topic, _)| topic.as_str()), Some(CONFIG), "{profile:?}");
    }
    let read = home.read(WITH_CHILDREN);
    assert_eq!(read.of("spotter_edge-1_gate_connectivity").last().unwrap().0, "on");
    assert_eq!(read.states("spotter_edge-1_ramp_door_person_count").last(), Some(&"1"));

    config.root = "site/7".to_owned();
    change(&config);
    home.until_shown("site/7/edge-1/gate/occupancy/way");
    home.until_cleared("spotter/v1/edge-1/gate/occupancy/way");
    let shows_new = |(topic, message): &(String, Option<Value>)| {
        topic == CONFIG && message.as_ref().is_some_and(|message| message.to_string().contains("site/7"))
    };
    let is_old = |(topic, message): &(String, Option<Value>)| {
        topic.starts_with("spotter/v1/edge-1/") && message.is_none()
    };
    assert!(home.said.iter().position(shows_new) < home.said.iter().position(is_old));
    assert_eq!(home.read(WITH_CHILDREN).devices.len(), 3);

    config.home_assistant.enabled = false;
    change(&config);
    home.until_cleared(CONFIG);
    assert_eq!(home.read(WITH_CHILDREN).devices.len(), 0);
    publisher.stop(GRACE);
}

#[test]
fn figures_and_updates_write_no_rows_into_its_database() {
    let mut home = Home::new();
    let scenes = vec![camera("ramp", &[])];
    let (publisher, handle) = home.start(&home.config(), &scenes);
    home.until_shown("spotter/v1/edge-1/ramp/status");
    // Two people, each told again and again.
    handle.tag(&activity(1, "walk", Phase::Start, 0));
    handle.tag(&activity(2, "stand", Phase::Start, 1));
    for number in 1..=20 {
        handle.camera_status(&status(&scenes[0], number));
        home.until("spotter/v1/edge-1/ramp/status", |status| {
            status.is_some_and(|status| status["dropped"] == number)
        });
        handle.tag(&activity(1, "walk", Phase::Update, 1 + number));
        handle.tag(&activity(2, "stand", Phase::Update, 1 + number));
    }
    handle.tag(&activity(1, "walk", Phase::End, 30));
    // Who does the same writes nothing, either.
    handle.tag(&activity(4, "fall", Phase::Start, 31));
    handle.tag(&activity(3, "fall", Phase::Start, 32));
    home.until("spotter/v1/edge-1/ramp/tag/activity", |tag| tag.is_some_and(|tag| tag["track"] == 3));
    handle.camera_status(&CameraStatus {
        state: CameraState::Stalled,
        since: BASE + Duration::from_secs(40),
        reason: Some("no frame for 3 s".to_owned()),
        ..status(&scenes[0], 21)
    });
    home.until("spotter/v1/edge-1/ramp/status", |status| {
        status.is_some_and(|status| status["state"] == "stalled")
    });
    let read = home.read(WITH_CHILDREN);
    let camera = read.of("spotter_edge-1_ramp_connectivity");
    assert_eq!(
        read.states("spotter_edge-1_ramp_connectivity"),
        ["unavailable", "unknown", "on", "off"],
        "{camera:?}"
    );
    let attributes = &camera[2].1;
    assert_eq!((&attributes["codec"], &attributes["width"]), (&json!("h264"), &json!(1280)));
    assert_eq!(camera[3].1["reason"], "no frame for 3 s");
    let last = read.of("spotter_edge-1_ramp_last_activity");
    let states: Vec<_> = last.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["unavailable", "unknown", "walk", "stand", "fall", "unavailable"], "{last:?}");
    assert!(
        last[2..5].iter().all(|(_, with)| *with == json!({ "model": "test", "model_version": "1" })),
        "{last:?}"
    );
    publisher.stop(GRACE);
}
