//! The program as a whole: footage in, tags at a foreign subscriber of a real broker.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;

use contract::{Contract, Story};
use mosquitto::{Mosquitto, Subscriber, publish, publish_retained};
use program::{PATIENCE, Program, spotter};

/// A running node `edge` whose camera `ramp` shows the source that these lines of configuration name.
fn run(broker: &Mosquitto, source: &str) -> (TempDir, Program) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spotter.toml");
    let config = format!(
        "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\nkeep_alive_s = 5\n[[camera]]\n\
         name = \"ramp\"\n{source}\n",
        broker.port()
    );
    fs::write(&path, config).unwrap();
    let program = Program::start(["run".as_ref(), "--config".as_ref(), path.as_os_str()]);
    (folder, program)
}

fn looped(footage: &Path) -> String {
    format!("source = \"{}\"\nloop = true", footage.display())
}

/// Everything that a camera can be told to say.
const EVERYTHING: &str = "tracks = true\n\
    [[camera.zone]]\nname = \"middle\"\npolygon = [[0.2, 0.2], [0.9, 0.2], [0.9, 0.9], [0.2, 0.9]]\nmin_dwell_s = 0.5\n\
    [[camera.line]]\nname = \"kerb\"\nfrom = [0.5, 0.1]\nto = [0.5, 0.95]";

/// A camera that shows nothing to recognise.
const TEST_PICTURE: &str =
    "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=5/1\"";

/// What a subscriber has received, every message of which was valid.
struct Received<'s> {
    subscriber: &'s Subscriber,
    contract: Contract,
    tags: Vec<Value>,
}

impl<'s> Received<'s> {
    fn by(subscriber: &'s Subscriber) -> Self {
        Received { subscriber, contract: Contract::read(), tags: Vec::new() }
    }

    /// Receives until the condition holds for a message, and gives that.
    fn until(&mut self, mut condition: impl FnMut(&str, &Value) -> bool) -> Value {
        loop {
            let (topic, message) = self.subscriber.next();
            self.contract.hold(&topic, &message);
            if topic.starts_with("spotter/v1/edge/ramp/tag/") {
                self.tags.push(message.clone());
            }
            if condition(&topic, &message) {
                return message;
            }
        }
    }
}

fn is_start(topic: &str, message: &Value) -> bool {
    topic.ends_with("/tag/object") && message["phase"] == "start"
}

fn is_node(topic: &str, message: &Value, state: &str, reason: Option<&str>) -> bool {
    topic == "spotter/v1/edge/status" && message["state"] == state && message["reason"].as_str() == reason
}

#[test]
fn footage_becomes_tags_at_a_foreign_subscriber_and_every_start_has_an_end() {
    let Some(vtest) = footage::vtest() else { return };
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let address = format!("mqtt://127.0.0.1:{}", broker.port());
    let mut watch = Program::start(["watch", "--broker", &address]);
    let (_folder, program) = run(&broker, &format!("{}\n{EVERYTHING}", looped(&vtest)));

    let mut received = Received::by(&subscriber);
    let mut seen = BTreeSet::new();
    let last_levels = |topic: &str| topic.split('/').skip(3).collect::<Vec<_>>().join("/");
    received.until(|topic, message| is_node(topic, message, "online", None));
    received.until(|topic, message| topic.ends_with("/ramp/status") && message["state"] == "online");
    let mut starts = 0;
    received.until(|topic, message| {
        starts += usize::from(is_start(topic, message));
        seen.insert(last_levels(topic));
        let all = [
            "stats",
            "ramp/tracks",
            "ramp/occupancy/middle",
            "ramp/tag/zone",
            "ramp/tag/line",
            "ramp/tag/activity",
        ];
        starts >= 5 && all.into_iter().all(|topic| seen.contains(topic))
    });
    watch.line(|line| line.contains("ramp") && line.contains("person #") && line.contains("start"));
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);

    received.until(|topic, message| is_node(topic, message, "offline", Some("stopped")));
    let story = Story::of(received.tags);
    story.hold();
    assert!(story.phase("start").filter(|tag| tag["label"] == "person").count() >= 3);
    assert!(story.tags.iter().all(|tag| tag["historical"] == false));

    // State is kept for those who come later, and tags are not.
    let late = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let mut left: Vec<(String, Value, Value)> = Vec::new();
    for _ in 0..3 {
        let (topic, message) = late.next();
        assert!(message["counts"].as_object().is_none_or(|counts| counts["person"] == 0), "{message}");
        left.push((topic, message["state"].clone(), message["reason"].clone()));
    }
    left.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(left.remove(0).0, "spotter/v1/edge/ramp/occupancy/middle");
    assert_eq!(
        left[0],
        ("spotter/v1/edge/ramp/status".to_owned(), "offline".into(), "the node stopped".into())
    );
    assert_eq!(left[1], ("spotter/v1/edge/status".to_owned(), "offline".into(), "stopped".into()));

    watch.line(|line| line.contains("offline: stopped"));
    watch.signal("INT");
    let watched = watch.wait(PATIENCE);
    assert_eq!(watched.code, Some(0), "{}\n{}", watched.stdout, watched.stderr);
    assert!(watched.stderr.contains(" 0 violations"), "{}", watched.stderr);
}

#[test]
fn recognition_goes_on_while_the_broker_is_dead_and_no_tag_is_lost() {
    let Some(vtest) = footage::vtest() else { return };
    let mut broker = Mosquitto::start("");
    let subscriber = Subscriber::persistent(&broker, "spotter/v1/edge/#", "foreign");
    let (_folder, program) = run(&broker, &looped(&vtest));
    let mut received = Received::by(&subscriber);
    for _ in 0..3 {
        received.until(is_start);
    }
    broker.kill();
    let before = received.tags.len();
    refuse(broker.port(), 5);
    broker.restart();
    let is_tag = |topic: &str| topic.contains("/tag/");
    received.until(|topic, message| is_tag(topic) && message["historical"] == true);
    received.until(|topic, message| is_tag(topic) && message["historical"] == false);
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    received.until(|topic, message| is_node(topic, message, "offline", Some("stopped")));

    let story = Story::of(received.tags);
    story.hold();
    // What was recognised during the outage is one stretch, and waited.
    let late: Vec<usize> = (0..story.tags.len()).filter(|&n| story.tags[n]["historical"] == true).collect();
    assert!(late.len() >= 2, "{} tags have waited", late.len());
    assert_eq!(late.last().unwrap() - late[0] + 1, late.len(), "{late:?}");
    assert!(late[0] + 1 >= before, "{late:?}, but {before} tags had come before");
}

/// Listens in a dead broker's place and hangs up, until the node has tried so many times.
fn refuse(port: u16, attempts: usize) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut seen = 0;
    while seen < attempts {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut hello = [0; 512];
        let length = stream.read(&mut hello).unwrap_or(0);
        // The subscriber tries too; the node's last will names its topic.
        let will = b"spotter/v1/edge/status";
        seen += usize::from(hello[..length].windows(will.len()).any(|window| window == will));
    }
}

#[test]
fn a_file_that_ends_leaves_its_camera_offline_and_no_track_open() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.avi");
    fs::write(&clip, footage::clip(&fs::read(vtest).unwrap(), 40)).unwrap();
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (_folder, program) = run(&broker, &format!("source = \"{}\"", clip.display()));
    let mut received = Received::by(&subscriber);
    let (mut open, mut tracks, mut offline) = (0, 0, false);
    while !offline || open > 0 || tracks == 0 {
        received.until(|topic, message| {
            let phase = if topic.ends_with("/tag/object") { message["phase"].as_str() } else { None };
            match phase {
                Some("start") => (open, tracks) = (open + 1, tracks + 1),
                Some("end") => open -= 1,
                _ => {}
            }
            offline |= topic.ends_with("/ramp/status") && message["state"] == "offline";
            true
        });
    }
    let late = Subscriber::start(broker.port(), "spotter/v1/edge/ramp/status", &[]);
    let ended = format!("{} has ended", clip.display());
    assert_eq!(late.next().1["reason"], ended.as_str());
    // The node goes on.
    program.signal("TERM");
    assert_eq!(program.wait(PATIENCE).code, Some(0));
    received.until(|topic, message| is_node(topic, message, "offline", Some("stopped")));
    Story::of(received.tags).hold();
}

/// `timeout` signals its child and then the group that the child is in.
#[test]
fn a_signal_that_comes_twice_at_once_is_one_request() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (_folder, program) = run(&broker, TEST_PICTURE);
    let mut received = Received::by(&subscriber);
    received.until(|topic, message| topic.ends_with("/ramp/status") && message["state"] == "online");
    program.signal("TERM");
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    received.until(|topic, message| is_node(topic, message, "offline", Some("stopped")));
}

#[test]
fn the_last_will_tells_of_a_node_that_was_killed() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (_folder, mut program) = run(&broker, TEST_PICTURE);
    let mut received = Received::by(&subscriber);
    let online = received.until(|topic, message| is_node(topic, message, "online", None));
    program.kill();
    let will = received.until(|topic, message| is_node(topic, message, "offline", Some("connection lost")));
    assert_eq!(will["boot"], online["boot"]);
    let late = Subscriber::start(broker.port(), "spotter/v1/edge/status", &[]);
    assert_eq!(late.next().1, will);
}

#[test]
fn watch_names_what_breaks_the_contract() {
    let broker = Mosquitto::start("");
    let address = format!("mqtt://127.0.0.1:{}", broker.port());
    let status = "{\"schema\":\"spotter.node/1\",\"node\":\"old\",\"state\":\"offline\",\"reason\":\"stopped\",\
                  \"boot\":\"a8dd82ee-1335-4d23-aafc-1688d3333785\",\"version\":\"0.1.0\",\"models\":[],\
                  \"accelerators\":{\"asked\":[\"cpu\"],\"used\":\"cpu\"},\"problems\":[]}";
    publish_retained(broker.port(), "spotter/v1/old/status", status);
    // What is published, and what is said about it.
    let cases = [
        ("spotter/v1/edge/ramp/tag/object", "not json", "not a valid message: "),
        ("spotter/v1/edge/status", "{\"schema\":\"spotter.node/1\"}", "not a valid message: "),
        ("spotter/v1/edge/ramp/mood", "{}", "the contract has no such topic"),
    ];
    for (topic, payload, said) in cases {
        let mut watch = Program::start(["watch", "--broker", &address]);
        // It listens as soon as it prints what was retained, which is as it should be.
        watch.line(|line| line.contains("offline: stopped"));
        publish(broker.port(), topic, payload);
        let line = watch.line(|line| line.starts_with(&format!("  ! {topic}: ")));
        assert!(line.contains(said), "{line}");
        watch.signal("TERM");
        let ended = watch.wait(PATIENCE);
        assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(" 1 violations"), "{}", ended.stderr);
    }
}

#[test]
fn watch_ends_after_its_time_and_says_that_there_is_no_broker() {
    let port = mosquitto::free_port().to_string();
    let ended = spotter(["watch", "--seconds", "1", "--broker", &format!("mqtt://127.0.0.1:{port}")]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stderr.replace(&port, "<port>"), @"
    cannot reach 127.0.0.1:<port>: Connection refused (os error 111); trying again
    0 messages, 0 tags (0 starts, 0 updates, 0 ends; 0 late, 0 repeated), 0 violations
    ");
}

#[test]
fn the_demo_shows_tags_of_people_and_how_to_subscribe() {
    let Some(_) = footage::vtest() else { return };
    let mut demo = Program::start(["demo", "--seconds", "8"]);
    let hint = demo.line(|line| line.contains("mosquitto_sub"));
    // The command does what it says.
    let words: Vec<&str> = hint.split_whitespace().collect();
    let ["mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", "'spotter/v1/#'", "-v"] = words[..] else {
        panic!("{hint}");
    };
    let foreign = Subscriber::start(port.parse().unwrap(), "spotter/v1/#", &[]);
    let contract = Contract::read();
    loop {
        let (topic, message) = foreign.next();
        contract.hold(&topic, &message);
        if is_start(&topic, &message) {
            break;
        }
    }
    let ended = demo.wait(PATIENCE);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let people = |phase: &str| {
        let of_person = |line: &&str| line.contains("person #") && line.contains(&format!("  {phase} "));
        ended.stdout.lines().filter(of_person).count()
    };
    assert!(people("start") >= 3, "{}", ended.stdout);
    assert_eq!(people("start"), people("end"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" 0 violations"), "{}", ended.stdout);
}

#[test]
fn without_footage_the_demo_draws_people_who_are_seen() {
    let ended = spotter(["demo", "--generated", "--seconds", "10"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let starts = |line: &&str| line.contains("person #") && line.contains("  start ");
    assert!(ended.stdout.lines().any(|line| starts(&line)), "{}", ended.stdout);
}
