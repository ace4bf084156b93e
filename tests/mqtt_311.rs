//! MQTT 3.1.1 with a real mosquitto: the same topics and payloads, without properties and reasons.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use spotter::config::{Mqtt, MqttVersion, Secret};
use spotter::publish::Handle;
use spotter::publish::subscriber::{Heard, Subscriber as Watcher};
use spotter::tag::Tag;

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/publisher.rs"]
mod publisher;

use mosquitto::{Mosquitto, Subscriber, wait};
use publisher::start;

const GRACE: Duration = Duration::from_secs(10);

fn config(port: u16) -> Mqtt {
    Mqtt { version: MqttVersion::V311, ..publisher::config(port) }
}

fn publish(handle: &Handle, camera: &str, tracks: std::ops::RangeInclusive<u64>) {
    for track in tracks {
        handle.tag(&Tag { camera: publisher::name(camera), ..publisher::tag(track) });
    }
}

/// Receives tags until one has this number; repetitions are left out.
fn numbers_until(subscriber: &Subscriber, last: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.last() != Some(&last) {
        let number = subscriber.next().1["seq"].as_u64().unwrap();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

#[test]
fn a_foreign_subscriber_gets_every_tag_in_order_through_an_outage() {
    let mut broker = Mosquitto::start("");
    let subscriber = Subscriber::persistent(&broker, "spotter/v1/+/+/tag/#", "foreign");
    let (publisher, handle) = start(&config(broker.port()));
    // What is published before would be backlog, which live tags overtake.
    assert!(wait(|| handle.counts().connected));
    publish(&handle, "ramp", 1..=300);
    assert_eq!(numbers_until(&subscriber, 300), (1..=300).collect::<Vec<_>>());
    assert!(
        broker.log().contains("as spotter-edge-1-") && broker.log().contains("p2, c1"),
        "{}",
        broker.log()
    );

    assert!(wait(|| handle.counts().acknowledged == 300), "{:?}", handle.counts());
    broker.kill();
    assert!(wait(|| !handle.counts().connected));
    publish(&handle, "ramp", 301..=500);
    broker.restart();
    // What the subscriber had not acknowledged when the broker died comes again.
    let mut numbers = numbers_until(&subscriber, 500);
    numbers.retain(|number| *number > 300);
    assert_eq!(numbers, (301..=500).collect::<Vec<_>>());
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.unsent, stopped.said_goodbye), (0, true));
    assert_eq!((handle.counts().acknowledged, handle.counts().connections), (500, 2));
}

#[test]
fn a_run_that_dies_leaves_its_last_will() {
    let broker = Mosquitto::start("");
    let (publisher, handle) = start(&config(broker.port()));
    assert!(wait(|| handle.counts().connected));
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/+/status", &[]);
    assert_eq!(subscriber.next().1["state"], "online");
    drop(publisher);
    let will = subscriber.next().1;
    assert_eq!((&will["state"], &will["reason"]), (&"offline".into(), &"connection lost".into()));
}

#[test]
fn a_watcher_hears_what_is_published() {
    let broker = Mosquitto::start("");
    let mut watcher = Watcher::new(&config(broker.port())).unwrap();
    assert!(wait(|| watcher.next(Duration::from_millis(100)) == Some(Heard::Subscribed)));
    let (publisher, handle) = start(&config(broker.port()));
    publish(&handle, "ramp", 1..=20);
    assert!(wait(|| {
        watcher.next(Duration::from_millis(100));
        watcher.summary().tags == 20
    }));
    assert_eq!(watcher.summary().violations, 0);
    publisher.stop(GRACE);
}

#[test]
fn a_refused_login_is_one_clear_line() {
    let mut broker = Mosquitto::reserve("allow_anonymous false");
    let passwords = broker.folder().join("passwords");
    mosquitto::write_password_file(&passwords, "spotter", "right");
    broker.configure(&format!("password_file {}", passwords.display()));
    broker.restart();
    let login = |password: &str| Some(("spotter".to_owned(), Secret::new(password.to_owned())));
    let (publisher, handle) = start(&Mqtt { login: login("wrong"), ..config(broker.port()) });
    assert!(wait(|| handle.counts().last_error.is_some()));
    let error = handle.counts().last_error.unwrap();
    assert!(error.contains("refuses the login") && !error.contains("wrong"), "{error}");
    drop(publisher);
    let (publisher, handle) = start(&Mqtt { login: login("right"), ..config(broker.port()) });
    assert!(wait(|| handle.counts().connected), "{:?}", handle.counts());
    publisher.stop(GRACE);
}

#[test]
fn a_second_node_of_the_same_name_is_named() {
    let broker = Mosquitto::start("");
    let (first, first_handle) = start(&config(broker.port()));
    assert!(wait(|| first_handle.counts().connected));
    let (second, second_handle) = start(&config(broker.port()));
    let named =
        |handle: &Handle| handle.counts().last_error.is_some_and(|error| error.contains("second node"));
    assert!(wait(|| named(&first_handle) || named(&second_handle)));
    drop(second);
    drop(first);
}

/// The limit that the documentation names: only MQTT 5 says that a topic is denied.
#[test]
fn a_denied_topic_is_acknowledged_without_a_word() {
    let mut broker = Mosquitto::reserve("");
    let rights = broker.folder().join("rights");
    std::fs::write(&rights, "topic readwrite spotter/v1/edge-1/gate/#\n").unwrap();
    broker.configure(&format!("acl_file {}", rights.display()));
    broker.restart();
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/edge-1/gate/#", &[]);
    let (publisher, handle) = start(&config(broker.port()));
    publish(&handle, "ramp", 1..=3);
    publish(&handle, "gate", 4..=4);
    assert_eq!(numbers_until(&subscriber, 4), [4]);
    assert!(wait(|| handle.counts().acknowledged == 4), "{:?}", handle.counts());
    assert_eq!(handle.counts().refusals, 0);
    publisher.stop(GRACE);
}

/// A broker that knows 3.1.1 alone, and one that knows 5 alone, as they answer the other's greeting.
#[test]
fn a_broker_of_another_version_is_named() {
    let cases: [(MqttVersion, &[u8], &str); 2] = [
        (MqttVersion::V5, b"\x20\x02\x00\x01", "set version = \"3.1.1\" in [mqtt]"),
        (MqttVersion::V311, b"\x20\x02\x00\x01", "does not speak MQTT 3.1.1: set version = \"5\" in [mqtt]"),
    ];
    for (version, answer, end) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (publisher, handle) = start(&Mqtt { version, ..config(port) });
        let (mut connection, _) = listener.accept().unwrap();
        let mut greeting = [0; 16];
        connection.read_exact(&mut greeting).unwrap();
        connection.write_all(answer).unwrap();
        drop(connection);
        assert!(wait(|| handle.counts().last_error.is_some()));
        let error = handle.counts().last_error.unwrap();
        assert!(error.ends_with(end), "{version:?}: {error}");
        drop(publisher);
    }
}
