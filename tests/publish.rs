//! Publishing against a real broker and a foreign subscriber.
//!
//! One file above 500 lines on purpose: every test here shares one node, one tag and one way to wait for the broker.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use spotter::config::{self, Secret};
use spotter::geometry::Point;
use spotter::publish::Handle;
use spotter::publish::broker::Broker;
use spotter::publish::subscriber::{Heard, Received, Subscriber as Watcher, Summary as Watched, Violation};
use spotter::tag::{Body, Phase, Summary, Tag};
use spotter::telemetry::{CameraState, CameraStatus, Faults};

#[path = "support/contract.rs"]
mod contract;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/publisher.rs"]
mod publisher;

use contract::Contract;
use mosquitto::{Mosquitto, PATIENCE, Subscriber, wait};
use publisher::{BASE, config, name, start};

const GRACE: Duration = Duration::from_secs(10);
fn tag(track: u64, phase: Phase) -> Tag {
    let at = BASE + Duration::from_millis(40 * track);
    let summary = (phase == Phase::End).then(|| Summary {
        first_seen: at - Duration::from_secs(3),
        last_seen: at,
        best_score: 0.71,
        path: vec![Point { x: 0.2, y: 0.9 }, Point { x: 0.4, y: 0.8 }],
        labels: vec![(Arc::from("person"), 0.9), (Arc::from("dog"), 0.1)],
    });
    Tag { phase, body: Body::Object(summary), ..publisher::tag(track) }
}

fn camera(state: CameraState) -> CameraStatus {
    CameraStatus {
        camera: name("ramp"),
        state,
        since: BASE,
        reason: None,
        reconnects_last_hour: 0,
        fps_in: 25.0,
        fps_recognised: 12.0,
        dropped: 3,
        worker: None,
        pose_rate: None,
        clock: None,
        video: None,
        faults: Faults::default(),
    }
}

fn publish(handle: &Handle, tracks: std::ops::RangeInclusive<u64>) {
    tracks.for_each(|track| handle.tag(&tag(track, Phase::Start)));
}

/// Receives valid messages until `last` comes, and gives the tags.
fn tags_until(subscriber: &Subscriber, last: u64) -> Vec<Value> {
    let contract = Contract::read();
    let mut tags = Vec::new();
    while tags.last().is_none_or(|tag: &Value| tag["seq"].as_u64() < Some(last)) {
        let (topic, message) = subscriber.next();
        contract.hold(&topic, &message);
        if topic.ends_with("/tag/object") {
            tags.push(message);
        }
    }
    tags
}

fn numbers(tags: &[Value]) -> Vec<u64> {
    tags.iter().map(|tag| tag["seq"].as_u64().unwrap()).collect()
}

/// Leaves out deliveries of what was delivered before, which must have the same id.
fn without_repetitions(tags: Vec<Value>) -> Vec<Value> {
    let mut ids: BTreeMap<u64, Value> = BTreeMap::new();
    let mut once = Vec::new();
    for tag in tags {
        let id = ids.entry(tag["seq"].as_u64().unwrap()).or_insert(Value::Null);
        if id.is_null() {
            *id = tag["id"].clone();
            once.push(tag);
        } else {
            assert_eq!(*id, tag["id"]);
        }
    }
    once
}

#[test]
fn a_foreign_subscriber_gets_every_tag_in_order_and_valid() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::persistent(&broker, "spotter/v1/#", "foreign");
    let (publisher, handle) = start(&config(broker.port()));
    // What is made before is historical, and live tags overtake it on a slow machine.
    assert!(wait(|| handle.counts().connected));
    handle.camera_status(&camera(CameraState::Online));
    for track in 1..=100 {
        for phase in [Phase::Start, Phase::Update, Phase::End] {
            handle.tag(&tag(track, phase));
        }
    }
    let tags = tags_until(&subscriber, 300);
    assert_eq!(numbers(&tags), (1..=300).collect::<Vec<_>>());
    assert!(wait(|| handle.counts().acknowledged == 300), "{:?}", handle.counts());
    assert_eq!(publisher.stop(GRACE).unsent, 0);
}

#[test]
fn the_broker_is_killed_midway_and_nothing_is_lost() {
    let mut broker = Mosquitto::start("");
    let subscriber = Subscriber::persistent(&broker, "spotter/v1/+/+/tag/#", "foreign");
    let (publisher, handle) = start(&config(broker.port()));
    assert!(wait(|| handle.counts().connected));
    publish(&handle, 1..=100);
    assert!(wait(|| handle.counts().acknowledged == 100), "{:?}", handle.counts());
    // It writes its sessions to disk at every change; the subscriber has all that was acknowledged until here.
    let mut tags = tags_until(&subscriber, 100);

    broker.kill();
    assert!(wait(|| !handle.counts().connected));
    let started = Instant::now();
    publish(&handle, 101..=2000);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "1,900 tags took {took:?} while the broker was away");
    assert_eq!(handle.counts().waiting, 1900);

    broker.restart();
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    publish(&handle, 2001..=2100);
    tags.extend(tags_until(&subscriber, 2100));
    let tags = without_repetitions(tags);
    assert_eq!(numbers(&tags), (1..=2100).collect::<Vec<_>>());
    let historical = |tag: &Value| tag["historical"] == true;
    assert!(!tags[..100].iter().any(historical));
    assert!(tags[100..2000].iter().all(historical));
    assert!(!tags[2000..].iter().any(historical));
    assert_eq!(handle.counts().dropped, 0);
    assert_eq!(publisher.stop(GRACE).unsent, 0);
}

#[test]
fn killing_the_broker_under_load_loses_nothing_that_was_not_acknowledged() {
    let mut broker = Mosquitto::start("");
    let (publisher, handle) = start(&config(broker.port()));
    let mut published = 0;
    for _ in 0..3 {
        let before = handle.counts().acknowledged;
        while handle.counts().acknowledged < before + 20 {
            if handle.counts().waiting < 1000 {
                published += 1;
                publish(&handle, published..=published);
            } else {
                std::thread::yield_now();
            }
        }
        broker.kill();
        broker.restart();
    }
    let wanted = published;
    assert!(wait(|| handle.counts().acknowledged == wanted), "{wanted} {:?}", handle.counts());
    let counts = handle.counts();
    assert_eq!((counts.waiting, counts.dropped, counts.connections), (0, 0, 4));
    publisher.stop(GRACE);
}

#[test]
fn a_full_outbox_drops_the_oldest_and_counts_them() {
    let mut broker = Mosquitto::start("");
    let subscriber = Subscriber::persistent(&broker, "spotter/v1/+/+/tag/#", "foreign");
    let gaps = Subscriber::persistent(&broker, "spotter/v1/+/gap", "gaps");
    broker.kill();
    let outbox = config::Outbox { memory_tags: 50, ..config::Outbox::in_memory() };
    let (publisher, handle) = start(&config::Mqtt { outbox, ..config(broker.port()) });
    publish(&handle, 1..=120);
    let counts = handle.counts();
    assert_eq!((counts.waiting, counts.dropped), (50, 70));
    broker.restart();
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    publish(&handle, 121..=121);
    let tags = without_repetitions(tags_until(&subscriber, 121));
    assert_eq!(numbers(&tags), (71..=121).collect::<Vec<_>>());
    assert_eq!(handle.counts().dropped, 70);
    let (topic, gap) = gaps.next();
    Contract::read().hold(&topic, &gap);
    assert_eq!((&gap["first"], &gap["last"], &gap["reason"]), (&1.into(), &70.into(), &"full".into()));
    publisher.stop(GRACE);
}

#[test]
fn a_broker_that_comes_late_is_found() {
    let mut broker = Mosquitto::reserve("");
    let (publisher, handle) = start(&config(broker.port()));
    handle.camera_status(&camera(CameraState::Connecting));
    assert!(wait(|| handle.counts().last_error.is_some()));
    let error = handle.counts().last_error.unwrap();
    assert!(error.starts_with("cannot reach 127.0.0.1:"), "{error}");
    handle.camera_status(&camera(CameraState::Online));
    broker.restart();
    assert!(wait(|| handle.counts().connected));
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let mut states = BTreeMap::new();
    while states.len() < 2 {
        let (topic, message) = subscriber.next();
        Contract::read().hold(&topic, &message);
        states.insert(topic, message["state"].clone());
    }
    assert_eq!(states["spotter/v1/edge-1/status"], "online");
    assert_eq!(states["spotter/v1/edge-1/ramp/status"], "online");
    publisher.stop(GRACE);
}

#[test]
fn a_refused_login_is_one_clear_line_and_tried_again() {
    let mut broker = Mosquitto::reserve("allow_anonymous false");
    let passwords = broker.folder().join("passwords");
    mosquitto::write_password_file(&passwords, "spotter", "right");
    broker.configure(&format!("password_file {}", passwords.display()));
    broker.restart();
    let login = |password: &str| Some(("spotter".to_owned(), Secret::new(password.to_owned())));
    let (publisher, handle) = start(&config::Mqtt { login: login("wrong"), ..config(broker.port()) });
    publish(&handle, 1..=1);
    assert!(wait(|| handle.counts().last_error.is_some()));
    let error = handle.counts().last_error.unwrap();
    assert!(error.contains("refuses the login") && !error.contains("wrong"), "{error}");

    // The broker changes its mind: the login is tried again without a restart of the node.
    mosquitto::write_password_file(&passwords, "spotter", "wrong");
    broker.kill();
    broker.restart();
    assert!(wait(|| handle.counts().acknowledged == 1), "{:?}", handle.counts());
    assert_eq!(publisher.stop(GRACE).unsent, 0);
}

#[test]
fn a_topic_that_the_broker_refuses_stays_and_the_others_go_on() {
    let mut broker = Mosquitto::reserve("");
    let rights = broker.folder().join("rights");
    std::fs::write(
        &rights,
        "topic readwrite spotter/v1/edge-1/gate/#\ntopic readwrite spotter/v1/edge-1/status\n",
    )
    .unwrap();
    broker.configure(&format!("acl_file {}", rights.display()));
    broker.restart();
    let (publisher, handle) = start(&config(broker.port()));
    publish(&handle, 1..=5);
    for track in 6..=8 {
        handle.tag(&Tag { camera: name("gate"), ..tag(track, Phase::Start) });
    }
    assert!(wait(|| handle.counts().acknowledged == 3), "{:?}", handle.counts());
    assert!(wait(|| handle.counts().refusals == 5), "{:?}", handle.counts());
    let counts = handle.counts();
    assert!(
        counts.last_error.as_deref().is_some_and(|error| error.contains("(not authorized)")),
        "{counts:?}"
    );
    assert_eq!((counts.waiting, counts.dropped, counts.connected), (5, 0, true));
    let status = Subscriber::start(broker.port(), "spotter/v1/edge-1/status", &[]);
    let names_it = |message: &Value| {
        let problems = message["problems"].as_array().unwrap();
        problems.iter().any(|problem| {
            problem["code"] == "topic-refused"
                && problem["text"].as_str().unwrap().contains("/ramp/tag/object")
        })
    };
    while !names_it(&status.next().1) {}
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.unsent, stopped.said_goodbye), (5, true));
}

#[test]
fn a_broker_that_takes_little_at_a_time_gets_everything_in_order() {
    let broker = Mosquitto::start("max_inflight_messages 2");
    let subscriber = Subscriber::persistent(&broker, "spotter/v1/+/+/tag/#", "foreign");
    let (publisher, handle) = start(&config(broker.port()));
    assert!(wait(|| handle.counts().connected));
    publish(&handle, 1..=200);
    assert_eq!(numbers(&tags_until(&subscriber, 200)), (1..=200).collect::<Vec<_>>());
    assert_eq!(publisher.stop(GRACE).unsent, 0);
}

#[test]
fn a_message_too_large_for_the_broker_is_counted_and_does_not_stop_the_others() {
    let broker = Mosquitto::start("max_packet_size 700");
    let (publisher, handle) = start(&config(broker.port()));
    for track in 1..=3 {
        handle.tag(&tag(track, Phase::Start));
        handle.tag(&tag(track, Phase::End));
    }
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    let counts = handle.counts();
    // Three tags, and a notice for each that is lost.
    assert_eq!((counts.acknowledged, counts.dropped, counts.connections), (6, 3, 1), "{counts:?}");
    assert!(counts.last_error.is_some_and(|error| error.contains("larger than the 700 bytes")));
    publisher.stop(GRACE);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_one_clear_line() {
    let mut broker = Mosquitto::reserve("");
    mosquitto::write_self_signed_certificate(broker.folder());
    let path = broker.folder().display();
    broker.configure(&format!("certfile {path}/certificate.pem\nkeyfile {path}/key.pem"));
    broker.restart();
    let (publisher, handle) =
        start(&config::Mqtt { tls: Some(config::Tls::default()), ..config(broker.port()) });
    publish(&handle, 1..=1);
    assert!(wait(|| handle.counts().last_error.is_some()));
    let error = handle.counts().last_error.unwrap();
    assert!(error.starts_with("TLS with 127.0.0.1:") && error.contains("certificate"), "{error}");
    assert_eq!(handle.counts().connections, 0);
    drop(publisher);
}

#[test]
fn stopping_keeps_to_the_grace_when_the_broker_does_not_answer() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (publisher, handle) = start(&config(silent.local_addr().unwrap().port()));
    publish(&handle, 1..=1);
    let (_connection, _) = silent.accept().unwrap();
    let started = Instant::now();
    let stopped = publisher.stop(Duration::from_millis(300));
    assert_eq!((stopped.unsent, stopped.said_goodbye), (1, false));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_run_that_dies_leaves_its_last_will() {
    let broker = Mosquitto::start("");
    let (publisher, handle) = start(&config(broker.port()));
    assert!(wait(|| handle.counts().connected));
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/+/status", &[]);
    assert_eq!(subscriber.next().1["state"], "online");
    drop(publisher);
    let (topic, will) = subscriber.next();
    Contract::read().hold(&topic, &will);
    assert_eq!((&will["state"], &will["reason"]), (&"offline".into(), &"connection lost".into()));
    assert_eq!(will.get("since"), None);
}

#[test]
fn stopping_sends_what_waits_and_says_goodbye() {
    let broker = Mosquitto::start("");
    let (publisher, handle) = start(&config(broker.port()));
    handle.camera_status(&camera(CameraState::Online));
    publish(&handle, 1..=500);
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.unsent, stopped.said_goodbye), (0, true));
    assert_eq!(handle.counts().acknowledged, 500);

    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let mut left = BTreeMap::new();
    while left.len() < 2 {
        let (topic, message) = subscriber.next();
        Contract::read().hold(&topic, &message);
        left.insert(topic, (message["state"].clone(), message["reason"].clone()));
    }
    assert_eq!(left["spotter/v1/edge-1/status"], ("offline".into(), "stopped".into()));
    assert_eq!(left["spotter/v1/edge-1/ramp/status"], ("offline".into(), "the node stopped".into()));
}

#[test]
fn stopping_without_a_broker_does_not_use_up_the_grace() {
    let broker = Mosquitto::reserve("");
    let (publisher, handle) = start(&config(broker.port()));
    publish(&handle, 1..=7);
    assert!(wait(|| handle.counts().last_error.is_some()));
    let started = Instant::now();
    let stopped = publisher.stop(PATIENCE);
    assert_eq!((stopped.unsent, stopped.said_goodbye), (7, false));
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
}

#[test]
fn a_second_node_of_the_same_name_is_named() {
    let broker = Mosquitto::start("");
    let (first, first_handle) = start(&config(broker.port()));
    assert!(wait(|| first_handle.counts().connected));
    let (second, second_handle) = start(&config(broker.port()));
    assert!(wait(|| second_handle.counts().connected));
    let named =
        |handle: &Handle| handle.counts().last_error.is_some_and(|error| error.contains("second node"));
    assert!(wait(|| named(&first_handle) || named(&second_handle)));
    drop(second);
    drop(first);
}

/// What a watcher receives until the condition holds.
fn watch(watcher: &mut Watcher, mut until: impl FnMut(&Received) -> bool) -> Vec<Received> {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    while Instant::now() < deadline {
        match watcher.next(Duration::from_millis(100)) {
            Some(Heard::Received(received)) => {
                let done = until(&received);
                all.push(*received);
                if done {
                    return all;
                }
            }
            Some(Heard::Refused(why)) => panic!("{why}"),
            Some(Heard::Subscribed | Heard::Lost(_)) | None => {}
        }
    }
    panic!("the watcher waited for {PATIENCE:?} and has {}", watcher.summary());
}

fn subscribed(watcher: &mut Watcher) {
    assert!(wait(|| watcher.next(Duration::from_millis(100)) == Some(Heard::Subscribed)));
}

#[test]
fn the_embedded_broker_serves_spotter_and_foreign_subscribers() {
    let broker = Broker::start(None).unwrap();
    let old = Subscriber::start(broker.port(), "spotter/v1/+/+/tag/#", &[]);
    let new = Subscriber::start(broker.port(), "spotter/v1/+/+/tag/#", &["-V", "5"]);
    let mut watcher = Watcher::new(&config(broker.port())).unwrap();
    subscribed(&mut watcher);
    let (publisher, handle) = start(&config(broker.port()));
    assert!(wait(|| handle.counts().connected));
    for track in 1..=50 {
        handle.tag(&tag(track, Phase::Start));
        handle.tag(&tag(track, Phase::End));
    }
    for subscriber in [old, new] {
        assert_eq!(numbers(&tags_until(&subscriber, 100)), (1..=100).collect::<Vec<_>>());
    }
    let received = watch(&mut watcher, |received| received.payload.contains("\"seq\":100,"));
    assert!(received.iter().all(|received| received.violations.is_empty() && received.message.is_some()));
    let Watched { tags, starts, ends, violations, .. } = watcher.summary();
    assert_eq!((tags, starts, ends, violations), (100, 50, 50, 0));
    assert!(publisher.stop(GRACE).said_goodbye);
    let late = Subscriber::start(broker.port(), "spotter/v1/+/status", &[]);
    assert_eq!(late.next().1["state"], "offline");
    let port = broker.port();
    broker.stop();
    assert!(Broker::start(Some(port)).is_ok(), "the port is free again");
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Broker::start(Some(port)).err().unwrap().to_string();
    assert!(error.starts_with(&format!("embedded broker: cannot listen on 127.0.0.1:{port}: ")), "{error}");
}

#[test]
fn a_watcher_follows_a_node_through_an_outage_and_names_what_breaks_the_contract() {
    let mut broker = Mosquitto::start("");
    let mut watcher = Watcher::new(&config(broker.port())).unwrap();
    subscribed(&mut watcher);
    let (publisher, handle) = start(&config(broker.port()));
    publish(&handle, 1..=10);
    watch(&mut watcher, |received| received.payload.contains("\"seq\":10,"));
    broker.kill();
    assert!(wait(|| matches!(watcher.next(Duration::from_millis(100)), Some(Heard::Lost(_)))));
    publish(&handle, 11..=20);
    broker.restart();
    subscribed(&mut watcher);
    assert!(wait(|| handle.counts().waiting == 0));
    publish(&handle, 21..=30);
    let received = watch(&mut watcher, |received| received.payload.contains("\"seq\":30,"));
    assert!(received.iter().all(|received| received.violations.is_empty()), "{received:?}");

    mosquitto::publish(broker.port(), "spotter/v1/edge-1/ramp/tag/object", "not json");
    let received = watch(&mut watcher, |received| received.payload == "not json").pop().unwrap();
    assert!(matches!(received.violations[..], [Violation::Malformed(_)]), "{received:?}");
    publisher.stop(GRACE);
}
