//! What MQTT 5's DISCONNECT says, in each of its forms, and what Spotter sends.
//!
//! mosquitto 2.1 and RabbitMQ 4.3 send a reason without properties (`e0 01 8e`); Debian has neither, so bytes stand for them.
//! mosquitto 2.0.11 takes over for real, without a word even in MQTT 5.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use spotter::config::{Mqtt, MqttVersion};
use spotter::publish::Handle;

use crate::mosquitto::{Mosquitto, wait};
use crate::publisher::{config, start, tag};
use crate::scripted::{Scripted, WELCOME_5};

const GRACE: Duration = Duration::from_secs(10);

/// The trouble of a node whose broker says this after the first message, and then closes.
fn trouble_after(last_words: &'static [u8]) -> String {
    let broker = Scripted::start(move |peer| {
        if peer.number > 1 {
            // The trouble stays as it is while the next connection waits for its welcome.
            return peer.serve_nothing();
        }
        if peer.welcome(WELCOME_5).is_none() {
            return;
        }
        while let Some(packet) = peer.packet() {
            peer.acknowledge(&packet, true);
            if packet.kind() == 3 {
                peer.send(last_words);
                peer.close();
            }
        }
    });
    let (publisher, handle) = start(&config(broker.port()));
    assert!(wait(|| handle.counts().last_error.is_some()), "nothing is told");
    let text = handle.counts().last_error.unwrap();
    drop(publisher);
    text
}

#[test]
fn every_form_of_disconnect_is_named() {
    for (last_words, expected) in [
        (&b"\xE0\x01\x8E"[..], "has given the id `spotter-edge-1-"),
        (b"\xE0\x02\x8E\x00", "has given the id `spotter-edge-1-"),
        (b"\xE0\x01\x8B", "ended the connection (server shutting down); it is tried again"),
        (b"\xE0\x0B\x8B\x09\x1F\x00\x06update", "(server shutting down: update)"),
        (b"\xE0\x01\x8D", "(keep-alive timeout); it has heard nothing from this node"),
        (b"\xE0\x01\x87", "(not authorized); check what this user may publish"),
        (b"\xE0\x0A\x9D\x08\x1C\x00\x05other", "(server moved); it names other: set broker"),
        (b"\xE0\x01\x9C", "(use another server); set broker"),
        (b"\xE0\x01\x95", "(packet too large)"),
        (b"\xE0\x01\x98", "(administrative action)"),
        (b"\xE0\x01\x89", "(server busy)"),
        (b"\xE0\x00", "(normal disconnection)"),
        // A reason that no standard has yet, and a property that none has.
        (b"\xE0\x01\xC5", "(reason code 0xc5)"),
        (b"\xE0\x04\x8B\x02\x7E\x01", "(server shutting down)"),
        // No word at all, as after a cut cable or a broker that was killed.
        (b"", "closed the connection without a reason"),
    ] {
        let text = trouble_after(last_words);
        assert!(text.contains(expected), "{last_words:02x?}: {text}");
        let is_take_over = expected.contains("has given the id");
        assert_eq!(text.contains("second node"), is_take_over, "{text}");
    }
}

#[test]
fn acknowledgements_of_every_form_are_read() {
    for answer in [&[0x40, 3][..], &[0x40, 4], &[0x40, 9]] {
        let length = answer[1];
        let broker = Scripted::start(move |peer| {
            if peer.welcome(WELCOME_5).is_none() {
                return;
            }
            while let Some(packet) = peer.packet() {
                if packet.kind() != 3 {
                    peer.acknowledge(&packet, true);
                    // Extended authentication that nobody asked for, in its shortest form.
                    peer.send(b"\xF0\x00");
                    continue;
                }
                let [high, low] = packet.id().to_be_bytes();
                match length {
                    3 => peer.send(&[0x40, 3, high, low, 0x10]),
                    4 => peer.send(&[0x40, 4, high, low, 0, 0]),
                    _ => peer.send(&[0x40, 9, high, low, 0, 5, 0x1F, 0, 2, b'o', b'k']),
                }
            }
        });
        let (publisher, handle) = start(&config(broker.port()));
        (1..=20).for_each(|track| handle.tag(&tag(track)));
        assert!(wait(|| handle.counts().acknowledged == 20), "{length}: {:?}", handle.counts());
        assert_eq!(handle.counts().connections, 1, "{:?}", handle.counts());
        assert!(publisher.stop(GRACE).said_goodbye);
    }
}

#[test]
fn what_a_node_says_at_its_end_is_well_formed() {
    for (version, welcome) in
        [(MqttVersion::V5, WELCOME_5), (MqttVersion::V311, crate::scripted::WELCOME_311)]
    {
        let (sender, ends) = sync_channel(8);
        let broker = Scripted::start(move |peer| {
            if peer.welcome(welcome).is_none() {
                return;
            }
            let mut last = None;
            while let Some(packet) = peer.packet() {
                peer.acknowledge(&packet, version == MqttVersion::V5);
                last = Some((packet.first, packet.body));
            }
            sender.send(last).unwrap();
        });
        let (publisher, handle) = start(&Mqtt { version, ..config(broker.port()) });
        handle.tag(&tag(1));
        assert!(wait(|| handle.counts().acknowledged == 1), "{:?}", handle.counts());
        assert!(publisher.stop(GRACE).said_goodbye);
        // The packet and nothing behind it: then this side has closed.
        assert_eq!(ends.recv_timeout(GRACE).unwrap(), Some((0xE0, Vec::new())), "{version:?}");
    }
}

#[test]
fn mosquitto_2_0_takes_over_without_a_word_and_a_second_node_is_suspected() {
    let broker = Mosquitto::start("");
    let (first, first_handle) = start(&config(broker.port()));
    assert!(wait(|| first_handle.counts().connected));
    let (second, second_handle) = start(&config(broker.port()));
    // Each throws the other out, until one has been thrown out twice.
    let told = |handle: &Handle| handle.counts().last_error.filter(|text| text.contains("second node"));
    let text = || told(&first_handle).or_else(|| told(&second_handle));
    assert!(wait(|| text().is_some()), "{:?}", first_handle.counts());
    drop((first, second));
}
