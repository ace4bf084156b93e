//! Brokers that differ: RabbitMQ 3.10.8, aedes 1.2.0, amqtt 0.12.1, mosquitto 2.0.11 and its WebSocket, and bytes for what no
//! broker of the registries does. What was seen stands in `docs/brokers.md`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;
use spotter::config::{Mqtt, MqttVersion, Pem, Tls};
use spotter::name::Name;
use spotter::publish::greet;
use spotter::publish::subscriber::{Heard, Subscriber as Watcher};
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::mosquitto::{Mosquitto, Subscriber, free_port, retained, wait};
use crate::peers::{node, python_programs};
use crate::program::spotter;
use crate::publisher::{config, start, tag};
use crate::scripted::{Packet, Scripted};

const GRACE: Duration = Duration::from_secs(10);

/// How long a broker may take to come up on a loaded machine.
const START: Duration = Duration::from_secs(120);

/// A program that is killed with its test.
struct Peer {
    child: Child,
    folder: TempDir,
}

impl Peer {
    fn start(mut command: Command, folder: TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Peer { child, folder }
    }

    /// Waits until something listens at the port.
    fn listens(&self, port: u16) {
        let deadline = std::time::Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "it does not come up:\n{}", log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("a broker could not be killed: {error}");
        }
    }
}

/// aedes, and its ports for MQTT and for WebSocket.
fn aedes() -> (Peer, u16, u16) {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        node("aedes.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node is installed");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (plain, web) = line.trim().split_once(' ').unwrap_or_else(|| panic!("aedes says `{line}`"));
    (Peer { child, folder }, plain.parse().unwrap(), web.parse().unwrap())
}

/// amqtt, and its ports for MQTT and for WebSocket.
fn amqtt() -> (Peer, u16, u16) {
    let (plain, web) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("amqtt.yaml");
    let text = format!(
        "listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{plain}\n  web:\n    type: ws\n    bind: 127.0.0.1:{web}\n\
         plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(python_programs().join("amqtt"));
    command.arg("-c").arg(file);
    let peer = Peer::start(command, folder);
    peer.listens(plain);
    peer.listens(web);
    (peer, plain, web)
}

/// RabbitMQ with its MQTT plug-ins, all it has in a folder of its own and on loopback.
struct Rabbit {
    peer: Peer,
    plain: u16,
    web: u16,
    epmd: u16,
}

impl Rabbit {
    fn start() -> Self {
        let (plain, web, distribution, epmd) = (free_port(), free_port(), free_port(), free_port());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let config = path.join("rabbitmq.conf");
        let text = format!(
            "listeners.tcp = none\nmqtt.listeners.tcp.default = 127.0.0.1:{plain}\nweb_mqtt.tcp.ip = 127.0.0.1\n\
             web_mqtt.tcp.port = {web}\nmqtt.allow_anonymous = true\n"
        );
        std::fs::write(&config, text).unwrap();
        std::fs::write(path.join("plugins"), "[rabbitmq_mqtt,rabbitmq_web_mqtt].").unwrap();
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        command
            // Where it leaves a file of its own when it is killed at the wrong moment.
            .current_dir(path)
            .env("HOME", path)
            .env("RABBITMQ_NODENAME", format!("spotter{plain}@localhost"))
            .env("RABBITMQ_MNESIA_BASE", path.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", path.join("logs"))
            .env("RABBITMQ_CONFIG_FILE", &config)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path.join("plugins"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", path.join("features"))
            .env("RABBITMQ_PID_FILE", path.join("pid"))
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // Its port mapper may be killed while a node is known to it, as one is that was killed just now.
            .env("ERL_EPMD_RELAXED_COMMAND_CHECK", "1")
            // Then the script replaces itself by the server, which is killed with it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env_remove("NOTIFY_SOCKET");
        let peer = Peer::start(command, folder);
        let rabbit = Rabbit { peer, plain, web, epmd };
        rabbit.peer.listens(plain);
        rabbit.peer.listens(web);
        rabbit
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        // Its own port mapper stays behind.
        let killed = self.peer.child.kill().and_then(|()| self.peer.child.wait());
        let mapper = Command::new("epmd").args(["-port", &self.epmd.to_string(), "-kill"]).output();
        if killed.is_err() || !mapper.as_ref().is_ok_and(|mapper| mapper.status.success()) {
            eprintln!("RabbitMQ could not be stopped: {killed:?} {mapper:?}");
        }
    }
}

fn old(mqtt: Mqtt) -> Mqtt {
    Mqtt { version: MqttVersion::V311, ..mqtt }
}

fn by_web(mqtt: Mqtt, path: &str) -> Mqtt {
    Mqtt { web: Some(path.to_owned()), ..mqtt }
}

/// Publishes 30 tags by these settings, which a watcher gets without a violation.
fn tags_come(mqtt: &Mqtt, what: &str) {
    let mut watcher = Watcher::new(mqtt).unwrap();
    assert!(wait(|| watcher.next(Duration::from_millis(100)) == Some(Heard::Subscribed)), "{what}");
    let (publisher, handle) = start(mqtt);
    (1..=30).for_each(|track| handle.tag(&tag(track)));
    let all = || {
        watcher.next(Duration::from_millis(100));
        watcher.summary().tags == 30
    };
    assert!(wait(all), "{what}: {:?}", handle.counts());
    assert!(wait(|| handle.counts().acknowledged == 30), "{what}: {:?}", handle.counts());
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.unsent, stopped.said_goodbye), (0, true), "{what}");
    assert_eq!((handle.counts().connections, handle.counts().refusals), (1, 0), "{what}");
    assert_eq!(watcher.summary().violations, 0, "{what}");
}

/// Why a broker does not take this client.
fn refusal(mqtt: &Mqtt) -> String {
    greet(mqtt, &Name::new("edge-1").unwrap()).expect_err("it is taken").to_string()
}

#[test]
fn aedes_takes_tags_plain_and_by_websocket_and_wrong_ways_are_told() {
    let (_aedes, plain, web) = aedes();
    tags_come(&old(config(plain)), "aedes");
    tags_come(&by_web(old(config(web)), "/mqtt"), "aedes by WebSocket");
    let text = refusal(&config(plain));
    assert!(text.contains("set version = \"3.1.1\""), "{text}");
    let text = refusal(&old(config(web)));
    assert!(text.contains("answers as a web server does") && text.contains("use ws://"), "{text}");
    let text = refusal(&by_web(old(config(plain)), "/mqtt"));
    assert!(text.contains("speaks MQTT without WebSocket: use mqtt://"), "{text}");
}

#[test]
fn amqtt_takes_3_1_1_and_the_hint_at_it_comes_with_5() {
    let (_amqtt, plain, web) = amqtt();
    tags_come(&old(config(plain)), "amqtt");
    tags_come(&by_web(old(config(web)), "/mqtt"), "amqtt by WebSocket");
    let text = refusal(&config(plain));
    assert!(text.contains("set version = \"3.1.1\""), "{text}");
    // As it says nothing at all, it is asked how it wants to be spoken to.
    let text = refusal(&old(config(web)));
    assert!(text.contains("answers as a web server does"), "{text}");
}

#[test]
fn rabbitmq_takes_tags_keeps_no_wildcard_and_what_is_left_there_is_cleared() {
    let rabbit = Rabbit::start();
    let mqtt = old(config(rabbit.plain));
    tags_come(&mqtt, "RabbitMQ");
    tags_come(&by_web(old(config(rabbit.web)), "/ws"), "RabbitMQ by WebSocket");
    let text = refusal(&config(rabbit.plain));
    assert!(text.contains("set version = \"3.1.1\""), "{text}");
    let text = refusal(&by_web(old(config(rabbit.web)), "/mqtt"));
    assert!(text.contains("/mqtt takes no WebSocket: it answers with HTTP status 404"), "{text}");
    let text = refusal(&old(config(rabbit.web)));
    assert!(text.contains("answers as a web server does"), "{text}");
    // The node's status is kept, and given to those who ask for just that topic.
    let status = retained(rabbit.plain, "spotter/v1/edge-1/status");
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status["state"], "offline");
    assert!(
        retained(rabbit.plain, "spotter/v1/+/status").is_empty(),
        "RabbitMQ now knows wildcards: say so in the docs"
    );
    // A dot is a slash to it.
    let (publisher, handle) = start(&Mqtt { root: "site.7/v1".to_owned(), ..mqtt.clone() });
    assert!(wait(|| handle.counts().connected));
    publisher.stop(GRACE);
    let status = retained(rabbit.plain, "site/7/v1/edge-1/status");
    assert!(!status.is_empty(), "RabbitMQ now keeps dots: say so in the docs");
}

#[test]
fn mosquitto_takes_websockets_with_and_without_tls() {
    let authority = Authority::new("test authority");
    let server = authority.sign("server", "IP:127.0.0.1");
    let (web, secure, secure_plain) = (free_port(), free_port(), free_port());
    let tls = format!("certfile {}\nkeyfile {}", server.certificate.display(), server.key.display());
    let broker = Mosquitto::start(&format!(
        "listener {web} 127.0.0.1\nprotocol websockets\nlistener {secure} 127.0.0.1\nprotocol websockets\n{tls}\n\
         listener {secure_plain} 127.0.0.1\n{tls}"
    ));
    let ca = Pem::new("ca.pem", std::fs::read_to_string(authority.certificate()).unwrap());
    let with_tls = |mqtt: Mqtt| Mqtt { tls: Some(Tls { ca: Some(ca.clone()), ..Tls::default() }), ..mqtt };
    for version in [MqttVersion::V5, MqttVersion::V311] {
        let of = |port| Mqtt { version, ..config(port) };
        tags_come(&by_web(of(web), "/mqtt"), "ws");
        tags_come(&with_tls(by_web(of(secure), "/mqtt")), "wss");
    }
    for (mqtt, expected) in [
        (config(web), "answers as a web server does"),
        (by_web(config(broker.port()), "/mqtt"), "speaks MQTT without WebSocket: use mqtt://"),
        (config(secure_plain), "speaks TLS: use mqtts://"),
        (by_web(config(secure), "/mqtt"), "speaks TLS: use wss://"),
        (with_tls(config(secure)), "use wss:// and its path"),
        (with_tls(config(broker.port())), "does it speak TLS on this port?"),
        (with_tls(by_web(config(web), "/mqtt")), "does it speak TLS on this port?"),
    ] {
        let text = refusal(&mqtt);
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn watch_speaks_the_version_that_it_is_told() {
    let (_aedes, plain, _) = aedes();
    let broker = format!("mqtt://127.0.0.1:{plain}");
    let watch = |version: &str| {
        let ended = spotter(["watch", "--broker", &broker, "--mqtt-version", version, "--seconds", "8"]);
        (ended.code, ended.stderr)
    };
    let (code, said) = watch("3.1.1");
    assert!(code == Some(0) && said.contains("subscribed to spotter/v1/#"), "{code:?} {said}");
    let (_, said) = watch("5");
    assert!(said.contains("give --mqtt-version 3.1.1"), "{said}");
}

/// A broker of MQTT 5 that says what it cannot do, and the packets it gets. It refuses a client that wants more.
fn limited(welcome: &'static [u8]) -> (Scripted, Receiver<Packet>) {
    let (sender, packets) = sync_channel(10_000);
    let (no_qos, no_retain) = (holds(welcome, &[0x24, 0]), holds(welcome, &[0x25, 0]));
    let broker = Scripted::start(move |peer| {
        let Some(greeting) = peer.packet() else { return };
        // The flags behind protocol name and version.
        let flags = greeting.body[7];
        if no_retain && flags & 0x20 != 0 {
            return peer.send(b"\x20\x03\x00\x9A\x00");
        }
        if no_qos && flags & 0x18 != 0 {
            return peer.send(b"\x20\x03\x00\x9B\x00");
        }
        peer.send(welcome);
        while let Some(packet) = peer.packet() {
            if packet.kind() == 3 {
                let (qos, retain) = packet.flags();
                if (no_qos && qos > 0) || (no_retain && retain) {
                    peer.send(if retain { b"\xE0\x01\x9A" } else { b"\xE0\x01\x9B" });
                    return peer.close();
                }
            }
            peer.acknowledge(&packet, true);
            if sender.send(packet).is_err() {
                return;
            }
        }
    });
    (broker, packets)
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn a_broker_without_retain_or_qos_1_is_served_with_what_it_has() {
    for (welcome, told) in [
        (&b"\x20\x05\x00\x00\x02\x25\x00"[..], &["keeps no retained messages"][..]),
        (b"\x20\x05\x00\x00\x02\x24\x00", &["acknowledges no messages"]),
        (
            b"\x20\x09\x00\x00\x06\x24\x00\x25\x00\x28\x00",
            &["acknowledges no messages", "keeps no retained messages", "no subscriptions with wildcards"],
        ),
    ] {
        let (broker, packets) = limited(welcome);
        let (publisher, handle) = start(&config(broker.port()));
        (1..=200).for_each(|track| handle.tag(&tag(track)));
        assert!(wait(|| handle.counts().acknowledged == 200), "{:?}", handle.counts());
        assert_eq!((handle.counts().connections, handle.counts().dropped), (1, 0), "{:?}", handle.counts());
        assert_eq!(publisher.stop(GRACE).unsent, 0);
        drop(broker);
        let packets: Vec<Packet> = packets.try_iter().collect();
        let tags = packets.iter().filter(|packet| packet.kind() == 3 && packet.topic().contains("/tag/"));
        assert_eq!(tags.count(), 200);
        let status = |packet: &&Packet| packet.kind() == 3 && packet.topic() == "spotter/v1/edge-1/status";
        for text in told {
            assert!(packets.iter().filter(status).any(|packet| packet.holds(text)), "{text}");
        }
        let subscribed = packets.iter().find(|packet| packet.kind() == 8).unwrap();
        let wildcards = !holds(welcome, &[0x28, 0]);
        assert_eq!(subscribed.holds("/#"), wildcards);
        assert!(wildcards || subscribed.holds("spotter/v1/edge-1/command/snapshot"));
    }
}

#[test]
fn what_a_broker_without_qos_1_has_not_read_comes_again() {
    // It reads three tags on each of the first connections, answers no ping, and is gone.
    let broker = Scripted::start(|peer| {
        if peer.welcome(b"\x20\x05\x00\x00\x02\x24\x00").is_none() {
            return;
        }
        let mut tags = 0;
        while let Some(packet) = peer.packet() {
            tags += usize::from(packet.kind() == 3 && packet.topic().contains("/tag/"));
            if peer.number <= 3 && tags >= 3 {
                return peer.close();
            }
            if peer.number > 3 || packet.kind() != 12 {
                peer.acknowledge(&packet, true);
            }
        }
    });
    // The first is refused for its last will by none here, so it counts.
    let (publisher, handle) = start(&config(broker.port()));
    (1..=10).for_each(|track| handle.tag(&tag(track)));
    assert!(wait(|| handle.counts().acknowledged == 10), "{:?}", handle.counts());
    assert_eq!((handle.counts().dropped, publisher.stop(GRACE).unsent), (0, 0));
}

#[test]
fn check_warns_of_a_dot_in_a_root() {
    let mqtt = |root: &str| Mqtt { root: root.to_owned(), ..Mqtt::default() };
    assert_eq!(mqtt("spotter/v1").cautions(), Vec::<String>::new());
    let cautions = mqtt("site.7/v1").cautions();
    assert!(cautions[0].starts_with("mqtt.root \"site.7/v1\" has a dot: RabbitMQ"), "{cautions:?}");
    assert!(cautions[0].contains("site/7/v1"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spotter.toml");
    let text = "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"ws://127.0.0.1:9001/ws\"\nroot = \"site.7/v1\"\n[[camera]]\n\
                name = \"ramp\"\npipeline = \"videotestsrc ! video/x-raw,width=320,height=240\"\n";
    std::fs::write(&file, text).unwrap();
    let ended = spotter(["check".as_ref(), "--config".as_ref(), file.as_os_str()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("broker ws://127.0.0.1:9001/ws"), "{}", ended.stdout);
    assert!(ended.stderr.contains("warning: mqtt.root \"site.7/v1\" has a dot"), "{}", ended.stderr);
    // Names of nodes, cameras and zones can have none.
    assert!(Name::new("gate.1").is_err());
}

#[test]
fn what_listens_there_and_is_no_broker_of_mqtt_5_is_named() {
    for (answer, expected) in [
        // A broker that does not look at the version, and welcomes in the form of 3.1.1.
        (&b"\x20\x02\x00\x00"[..], "does not speak MQTT 5: set version = \"3.1.1\""),
        (b"\x20\x02\x00\x01", "does not speak MQTT 5: set version = \"3.1.1\""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no MQTT broker: something else answers there"),
        (b"220 mail.example ESMTP\r\n", "is no MQTT broker: something else answers there"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers as a web server does"),
        (b"", "did not answer within 5 s; if it knows no MQTT 5, set version = \"3.1.1\""),
    ] {
        let broker = Scripted::start(move |peer| {
            if peer.welcome(answer).is_some() {
                peer.serve_nothing();
            }
        });
        let text = refusal(&config(broker.port()));
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_message_that_is_too_large_for_the_node_is_passed_over() {
    const BYTES: usize = 17 * 1024 * 1024;
    let broker = Mosquitto::start("");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large");
    std::fs::write(&file, vec![b'x'; BYTES]).unwrap();
    let mut left = Command::new("mosquitto_pub");
    left.args([
        "-p",
        &broker.port().to_string(),
        "-r",
        "-q",
        "1",
        "-t",
        "spotter/v1/edge-1/command/stats",
        "-f",
    ]);
    assert!(left.arg(&file).status().unwrap().success());
    let (publisher, handle) = start(&old(config(broker.port())));
    (1..=30).for_each(|track| handle.tag(&tag(track)));
    assert!(wait(|| handle.counts().acknowledged == 30), "{:?}", handle.counts());
    let stopped = publisher.stop(GRACE);
    assert_eq!((stopped.unsent, stopped.said_goodbye, handle.counts().connections), (0, true, 1));
}

#[test]
fn mosquitto_without_retain_or_qos_1_is_served_in_both_versions() {
    for (lines, told, retained) in [
        ("retain_available false", &["keeps no retained messages"][..], false),
        ("max_qos 0", &["acknowledges no messages"], true),
        (
            "retain_available false\nmax_qos 0",
            &["keeps no retained messages", "acknowledges no messages"],
            false,
        ),
    ] {
        for version in [MqttVersion::V5, MqttVersion::V311] {
            let what = format!("{lines:?}, {version:?}");
            let broker = Mosquitto::start(lines);
            let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
            let (publisher, handle) = start(&Mqtt { version, ..config(broker.port()) });
            (1..=100).for_each(|track| handle.tag(&tag(track)));
            let (mut tags, mut problems) = (BTreeSet::new(), String::new());
            while tags.len() < 100 || !told.iter().all(|text| problems.contains(text)) {
                let (_, message) = subscriber.next();
                match message["schema"].as_str() {
                    Some("spotter.tag/1") => drop(tags.insert(message["seq"].as_u64())),
                    Some("spotter.node/1") => problems = message["problems"].to_string(),
                    _ => {}
                }
            }
            assert!(wait(|| handle.counts().acknowledged == 100), "{what}: {:?}", handle.counts());
            assert_eq!((handle.counts().connections, handle.counts().dropped), (1, 0), "{what}");
            let stopped = publisher.stop(GRACE);
            assert_eq!((stopped.unsent, stopped.said_goodbye), (0, true), "{what}");
            if retained {
                assert!(
                    !crate::mosquitto::retained(broker.port(), "spotter/v1/edge-1/status").is_empty(),
                    "{what}"
                );
            }
        }
    }
}
