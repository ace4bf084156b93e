//! Messages that a broker will not take.
//!
//! mosquitto 2.0.11 with `max_packet_size` cuts a client of MQTT 3.1.1 that sends more, and tells one of MQTT 5 the limit; with
//! `message_size_limit` it refuses in MQTT 5 (PUBACK 0x95). What must not happen: that anything is set aside because a
//! broker flaps.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spotter::clock::SystemClock;
use spotter::config::{Command, Mqtt, MqttVersion};
use spotter::publish::{Accelerators, Answer, Handle, Node, Publisher, Request, Scene, Snapshot};
use spotter::tag::Tag;
use uuid::Uuid;

use crate::mosquitto::{Mosquitto, Subscriber, publish, request, wait};
use crate::node::on_disk;
use crate::publisher::{BASE, config, name, start, tag};
use crate::scripted::{Scripted, WELCOME_5, WELCOME_311};

const GRACE: Duration = Duration::from_secs(10);

/// More than the brokers here take.
const LARGE: usize = 30_000;
const LIMIT: &str = "max_packet_size 20000";

fn old(port: u16) -> Mqtt {
    Mqtt { version: MqttVersion::V311, ..config(port) }
}

/// A tag that no broker here takes.
fn large(track: u64) -> Tag {
    Tag { label: Arc::from("x".repeat(LARGE)), ..tag(track) }
}

/// Tags' numbers and gap notices until each number up to `last` has come, as a tag or in a gap.
fn until(subscriber: &Subscriber, last: u64) -> (Vec<u64>, Vec<Value>) {
    let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
    let lost = |gaps: &[Value]| -> u64 {
        gaps.iter().map(|gap| gap["last"].as_u64().unwrap() - gap["first"].as_u64().unwrap() + 1).sum()
    };
    while numbers.len() as u64 + lost(&gaps) < last {
        let (_, message) = subscriber.next();
        match message["schema"].as_str() {
            Some("spotter.tag/1") if !numbers.contains(&message["seq"].as_u64().unwrap()) => {
                numbers.push(message["seq"].as_u64().unwrap());
            }
            Some("spotter.gap/1") if !gaps.contains(&message) => gaps.push(message),
            _ => {}
        }
    }
    numbers.sort_unstable();
    (numbers, gaps)
}

/// The problems of the node's status with this code, once there is one.
fn problems(port: u16, code: &str) -> Vec<String> {
    let subscriber = Subscriber::start(port, "spotter/v1/edge-1/status", &[]);
    loop {
        let (_, status) = subscriber.next();
        let told = status["problems"].as_array().into_iter().flatten();
        let told: Vec<String> = told
            .filter(|problem| problem["code"] == code)
            .map(|problem| problem["text"].as_str().unwrap().to_owned())
            .collect();
        if !told.is_empty() {
            return told;
        }
    }
}

#[test]
fn a_tag_that_a_broker_of_3_1_1_cuts_for_is_set_aside_and_the_rest_goes_on() {
    let broker = Mosquitto::start(LIMIT);
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (publisher, handle) = start(&old(broker.port()));
    (1..=3).for_each(|track| handle.tag(&tag(track)));
    handle.tag(&large(4));
    (5..=10).for_each(|track| handle.tag(&tag(track)));
    let (numbers, gaps) = until(&subscriber, 10);
    assert_eq!(numbers, [1, 2, 3, 5, 6, 7, 8, 9, 10]);
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!((&gap["first"], &gap["last"], &gap["reason"]), (&json!(4), &json!(4), &json!("size")));
    let told = problems(broker.port(), "message-refused");
    assert!(
        told[0].contains("ends the connection after a message of") && told[0].contains("/tag/object"),
        "{told:?}"
    );
    // Twice with others, once alone, and then no more.
    let connections = handle.counts().connections;
    assert!((4..=6).contains(&connections), "{connections} connections");
    (11..=20).for_each(|track| handle.tag(&tag(track)));
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    assert_eq!(handle.counts().connections, connections);
    assert_eq!(publisher.stop(GRACE).unsent, 0);
}

/// A broker that ends the connection after a large message: it says so with these bytes, and then closes so many
/// connections before the welcome.
fn cuts(welcome: &'static [u8], goodbye: &'static [u8], away: usize) -> Scripted {
    let left = AtomicUsize::new(0);
    Scripted::start(move |peer| {
        if left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return peer.close();
        }
        if peer.welcome(welcome).is_none() {
            return;
        }
        while let Some(packet) = peer.packet() {
            if packet.kind() == 3 && packet.holds(&"x".repeat(LARGE)) {
                left.store(away, SeqCst);
                peer.send(goodbye);
                return peer.close();
            }
            peer.acknowledge(&packet, welcome == WELCOME_5);
        }
    })
}

#[test]
fn a_broker_that_says_nothing_or_is_away_after_each_end_is_not_blocked_either() {
    let brokers =
        [(MqttVersion::V5, cuts(WELCOME_5, b"\xE0\x00", 0)), (MqttVersion::V311, cuts(WELCOME_311, b"", 3))];
    let nodes = brokers.each_ref().map(|(version, broker)| {
        let (publisher, handle) = start(&Mqtt { version: *version, ..config(broker.port()) });
        handle.tags(&[tag(1), large(2), tag(3), tag(4)]);
        (publisher, handle)
    });
    // The pauses between its attempts grow up to a quarter of a minute.
    let begun = Instant::now();
    for (publisher, handle) in nodes {
        while handle.counts().waiting > 0 {
            assert!(begun.elapsed() < Duration::from_secs(400), "{:?}", handle.counts());
            std::thread::park_timeout(Duration::from_millis(50));
        }
        assert_eq!(handle.counts().dropped, 1, "{:?}", handle.counts());
        assert_eq!(publisher.stop(GRACE).unsent, 0);
    }
}

#[test]
fn a_broker_that_takes_qos_1_and_acknowledges_nothing_is_served_without() {
    for (version, welcome) in [(MqttVersion::V311, WELCOME_311), (MqttVersion::V5, WELCOME_5)] {
        let broker = Scripted::start(move |peer| {
            if peer.welcome(welcome).is_none() {
                return;
            }
            while let Some(packet) = peer.packet() {
                if packet.kind() != 3 {
                    peer.acknowledge(&packet, version == MqttVersion::V5);
                }
            }
        });
        let keep_alive = Duration::from_secs(5);
        let (publisher, handle) = start(&Mqtt { keep_alive, version, ..config(broker.port()) });
        (1..=10).for_each(|track| handle.tag(&tag(track)));
        assert!(wait(|| handle.counts().acknowledged == 10), "{:?}", handle.counts());
        assert_eq!((handle.counts().connections, handle.counts().dropped), (3, 0), "{:?}", handle.counts());
        assert_eq!(publisher.stop(GRACE).unsent, 0);
    }
}

#[test]
fn an_outbox_with_such_a_tag_from_an_earlier_run_is_not_blocked() {
    let mut broker = Mosquitto::reserve(LIMIT);
    let folder = tempfile::tempdir().unwrap();
    let config = Mqtt { outbox: on_disk(folder.path()), ..old(broker.port()) };
    // Nobody is there yet.
    let (publisher, handle) = start(&config);
    handle.tags(&[large(1), tag(2), large(3), tag(4)]);
    let stopped = publisher.stop(Duration::from_secs(2));
    assert_eq!((stopped.unsent, stopped.kept), (4, true));
    broker.restart();
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    let (publisher, handle) = start(&config);
    let (numbers, gaps) = until(&subscriber, 4);
    assert_eq!(numbers, [2, 4]);
    assert!(gaps.iter().all(|gap| gap["reason"] == "size"), "{gaps:?}");
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    assert_eq!(publisher.stop(GRACE).unsent, 0);
    drop(subscriber);
    // The next run has nothing left that it could stumble over.
    let (publisher, handle) = start(&config);
    assert!(wait(|| handle.counts().connected));
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.said_goodbye, handle.counts().connections), (true, 1));
}

#[test]
fn mqtt_5_with_a_limit_or_a_refusal_needs_no_trial() {
    for (lines, told) in
        [(LIMIT, "larger than the 20000 bytes"), ("message_size_limit 20000", "packet too large")]
    {
        let broker = Mosquitto::start(lines);
        let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
        let (publisher, handle) = start(&config(broker.port()));
        handle.tags(&[tag(1), large(2), tag(3)]);
        let (numbers, gaps) = until(&subscriber, 3);
        assert_eq!((numbers, gaps[0]["reason"].as_str()), (vec![1, 3], Some("size")), "{lines}");
        let problems = problems(broker.port(), "message-refused");
        assert!(problems[0].contains(told), "{problems:?}");
        assert_eq!(handle.counts().connections, 1);
        publisher.stop(GRACE);
    }
}

/// A node whose camera gives pictures, and who asks for them.
struct Studio {
    publisher: Publisher,
    handle: Handle,
    requests: Receiver<Request>,
}

impl Studio {
    fn open(mqtt: Mqtt) -> Self {
        let (sender, requests) = sync_channel(8);
        let node = Node {
            name: name("edge-1"),
            boot: Uuid::new_v4(),
            version: "0.1.0".to_owned(),
            models: Vec::new(),
            accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
            cameras: vec![Scene {
                camera: name("ramp"),
                zones: Vec::new(),
                activities: false,
                snapshots: true,
            }],
        };
        let mqtt = Mqtt { commands: [Command::Snapshot].into(), ..mqtt };
        let publisher =
            Publisher::start(&mqtt, node, Arc::new(SystemClock), move |asked| sender.try_send(asked).is_ok());
        let publisher = publisher.unwrap();
        let handle = publisher.handle();
        assert!(wait(|| handle.counts().connected), "{:?}", handle.counts());
        Studio { publisher, handle, requests }
    }

    /// Gives a picture of this size to the next request.
    fn give(&self, bytes: usize) {
        let asked = self.requests.recv_timeout(GRACE).unwrap();
        let jpeg = [&[0xFF, 0xD8, 0xFF, 0xE0][..], &vec![0; bytes - 4]].concat();
        self.handle.answer(&asked, Ok(Answer::Snapshot(Snapshot { at: BASE, size: (4, 3), jpeg })));
    }
}

#[test]
fn a_picture_that_a_broker_cuts_for_dies_and_its_reply_says_so() {
    let broker = Mosquitto::start(LIMIT);
    let replies = Subscriber::start(broker.port(), "spotter/v1/edge-1/command/snapshot/reply", &[]);
    let studio = Studio::open(old(broker.port()));
    let ask = || publish(broker.port(), "spotter/v1/edge-1/command/snapshot", r#"{"camera":"ramp"}"#);
    ask();
    studio.give(LARGE);
    let (_, reply) = replies.next();
    assert_eq!(reply["error"]["code"], "failed", "{reply}");
    let message = reply["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("30000 bytes was not published") && message.contains("had not acknowledged"),
        "{message}"
    );
    let told = problems(broker.port(), "message-refused");
    assert!(told[0].contains("a picture of 30000 bytes"), "{told:?}");
    assert!(wait(|| studio.handle.counts().connected));
    assert_eq!(studio.handle.counts().connections, 2, "it was sent once");
    assert_eq!(studio.handle.picture_bytes(), Some(15_000), "the next one is smaller");
    ask();
    studio.give(15_000);
    let (_, reply) = replies.next();
    assert_eq!(reply["result"]["bytes"], 15_000, "{reply}");
    assert_eq!(studio.handle.counts().connections, 2);
    studio.publisher.stop(GRACE);
}

#[test]
fn the_reply_to_a_snapshot_comes_when_the_broker_has_the_picture() {
    for (lines, limit) in [(LIMIT, Some(18_976)), ("message_size_limit 20000", None)] {
        let broker = Mosquitto::start(lines);
        let studio = Studio::open(Mqtt { snapshot_max_bytes: Some(25_000), ..config(broker.port()) });
        assert_eq!(studio.handle.picture_bytes(), Some(limit.unwrap_or(25_000)));
        let ask = |bytes| {
            std::thread::scope(|scope| {
                let topic = "spotter/v1/edge-1/command/snapshot";
                let reply = scope.spawn(|| request(broker.port(), topic, r#"{"camera":"ramp"}"#));
                studio.give(bytes);
                reply.join().unwrap()
            })
        };
        let reply = ask(LARGE);
        assert_eq!(reply["error"]["code"], "failed", "{lines}: {reply}");
        let reply = ask(10_000);
        assert_eq!(reply["result"]["bytes"], 10_000, "{lines}: {reply}");
        assert_eq!(
            crate::mosquitto::retained(broker.port(), "spotter/v1/edge-1/ramp/snapshot/jpeg").len(),
            10_000
        );
        assert_eq!(studio.handle.counts().connections, 1);
        studio.publisher.stop(GRACE);
    }
}

/// A cable that is cut and mended, between a node and its broker, whatever is on its way.
struct Cable {
    port: u16,
    cut: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Cable {
    /// Cuts each connection when the client has sent so many bytes over it, until [`Cable::mend`].
    fn cutting_after(broker: u16, bytes: fn(usize) -> usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, stopping) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicBool>::default());
        let (cuts, stops) = (Arc::clone(&cut), Arc::clone(&stopping));
        let run = move || {
            for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let most = if cuts.load(Ordering::SeqCst) { bytes(number) } else { usize::MAX };
                named(move || pass(from, to, most));
                named(move || pass(server, client, usize::MAX));
            }
        };
        Cable { port, cut, stopping, thread: Some(named(run)) }
    }

    fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn named(work: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::Builder::new().name("cable".to_owned()).spawn(work).unwrap()
}

fn pass(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let (mut buffer, mut passed) = ([0; 4096], 0);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        passed += read;
        if passed > most || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // The other direction may have closed it.
        drop(stream.shutdown(Shutdown::Both));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the cable has panicked");
        }
    }
}

#[test]
fn a_cable_that_flaps_convicts_no_message() {
    let broker = Mosquitto::start("");
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
    // Always in the middle of what is sent, at another place each time, and sometimes again and again at the same one.
    let cable =
        Cable::cutting_after(broker.port(), |number| [1500, 1500, 1500, 2500, 4000, 1800][number % 6]);
    let (publisher, handle) = start(&old(cable.port));
    let mut track = 0;
    while handle.counts().connections < 6 {
        let connections = handle.counts().connections;
        (0..5).for_each(|_| {
            track += 1;
            handle.tag(&tag(track));
        });
        assert!(wait(|| handle.counts().connections > connections), "{:?}", handle.counts());
    }
    cable.mend();
    let (numbers, gaps) = until(&subscriber, track);
    assert_eq!((numbers, gaps), ((1..=track).collect::<Vec<_>>(), Vec::<Value>::new()));
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    assert_eq!((handle.counts().dropped, publisher.stop(GRACE).unsent), (0, 0));
}

#[test]
fn a_broker_that_takes_nothing_for_a_while_loses_nothing() {
    for (is_v5, welcome) in [(false, WELCOME_311), (true, WELCOME_5)] {
        let taken = Arc::new(AtomicBool::new(false));
        let takes = Arc::clone(&taken);
        // A full disk, say: every message is the end of the connection. Then one by one: the second message is.
        let broker = Scripted::start(move |peer| {
            if peer.welcome(welcome).is_none() {
                return;
            }
            let mut messages = 0;
            while let Some(packet) = peer.packet() {
                if packet.kind() == 3 {
                    messages += 1;
                    if !takes.load(Ordering::SeqCst) && messages > peer.number % 2 {
                        return peer.close();
                    }
                }
                peer.acknowledge(&packet, is_v5);
            }
        });
        let version = if is_v5 { MqttVersion::V5 } else { MqttVersion::V311 };
        let (publisher, handle) = start(&Mqtt { version, ..config(broker.port()) });
        (1..=20).for_each(|track| handle.tag(&tag(track)));
        assert!(wait(|| broker.connections() >= 5), "{:?}", handle.counts());
        taken.store(true, Ordering::SeqCst);
        assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
        assert_eq!((handle.counts().acknowledged, handle.counts().dropped), (20, 0));
        publisher.stop(GRACE);
    }
}

#[test]
fn refusals_that_may_pass_are_told_and_tried_again() {
    for (code, words) in [
        (0x87, "not authorized"),
        (0x97, "quota exceeded"),
        (0x90, "topic name invalid"),
        (0x83, "implementation specific"),
    ] {
        let broker = Scripted::start(move |peer| {
            if peer.welcome(WELCOME_5).is_none() {
                return;
            }
            while let Some(packet) = peer.packet() {
                if packet.kind() == 3 && packet.topic().contains("/tag/") {
                    let [high, low] = packet.id().to_be_bytes();
                    peer.send(&[0x40, 3, high, low, code]);
                } else {
                    peer.acknowledge(&packet, true);
                }
            }
        });
        let (publisher, handle) = start(&config(broker.port()));
        handle.tag(&tag(1));
        assert!(wait(|| handle.counts().refusals == 1), "{:?}", handle.counts());
        let counts = handle.counts();
        assert!(counts.last_error.as_ref().is_some_and(|error| error.contains(words)), "{counts:?}");
        assert_eq!((counts.waiting, counts.dropped, counts.connections), (1, 0, 1));
        drop(publisher);
    }
}
