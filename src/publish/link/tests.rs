//! Both versions against the embedded broker, and what is written against what is read.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::config::{Mqtt, Outbox};
use crate::publish::broker::Broker;
use crate::publish::dial::Dial;

/// Those of a JSON text.
fn json() -> Properties {
    Properties { content_type: Some("application/json".to_owned()), utf8: true, ..Properties::default() }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Steps a link until an event gives something.
async fn until<T>(mut event_loop: EventLoop, mut find: impl FnMut(Event) -> Option<T>) -> (EventLoop, T) {
    let found = async {
        loop {
            let (came_back, event) = step(event_loop).await;
            event_loop = came_back;
            if let Some(found) = find(event.unwrap()) {
                return (event_loop, found);
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the broker answers in time")
}

#[test]
fn both_versions_number_send_and_receive_alike() {
    let broker = Broker::start(None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for version in [MqttVersion::V5, MqttVersion::V311] {
        let mqtt = Mqtt {
            host: "127.0.0.1".to_owned(),
            port: broker.port(),
            version,
            outbox: Outbox::in_memory(),
            ..Mqtt::default()
        };
        let dial = Dial::new(&mqtt, format!("test-{version:?}")).unwrap();
        let properties = Properties {
            expiry: Some(Duration::from_secs(60)),
            user: vec![("schema".to_owned(), "spotter.tag/1".to_owned())],
            response_topic: Some("reply/here".to_owned()),
            correlation: Some(b"\x00\xff".to_vec()),
            ..json()
        };
        let message = |qos, payload: &str| Publish {
            topic: format!("test/{version:?}/a"),
            payload: payload.as_bytes().to_vec(),
            qos,
            retain: false,
            properties: properties.clone(),
        };
        runtime.block_on(async {
            let (client, event_loop) = dial.link(None, 8);
            let welcomed = |event| matches!(event, Event::Welcomed(_)).then_some(());
            let (event_loop, ()) = until(event_loop, welcomed).await;
            client.subscribe(&[format!("test/{version:?}/#"), "other".to_owned()]).unwrap();
            client.publish(message(QoS::AtMostOnce, "zero")).unwrap();
            client.publish(message(QoS::AtLeastOnce, "one")).unwrap();
            let mut order = Vec::new();
            let (mut subscribed, mut acknowledged, mut received) = (None, None, Vec::new());
            let (event_loop, ()) = until(event_loop, |event| {
                match event {
                    Event::Numbered(packet_id) => order.push(Some(packet_id)),
                    Event::Sent => order.push(None),
                    Event::Acknowledged { packet_id, refused } => acknowledged = Some((packet_id, refused)),
                    Event::Subscribed { packet_id, result } => subscribed = Some((packet_id, result)),
                    Event::Received(incoming) => received.push(incoming),
                    Event::Welcomed(_) | Event::Alive => {}
                }
                (received.len() == 2 && acknowledged.is_some() && subscribed.is_some()).then_some(())
            })
            .await;
            // Requests are numbered in their order, and the one without acknowledgement has no number.
            assert_eq!(order, [Some(1), None, Some(2)], "{version:?}");
            assert_eq!(subscribed, Some((1, Ok(()))));
            assert_eq!(acknowledged, Some((2, None)));
            let expected = match version {
                MqttVersion::V5 => properties.clone(),
                MqttVersion::V311 => Properties::default(),
            };
            for (incoming, payload) in received.iter().zip(["zero", "one"]) {
                assert_eq!(incoming.payload, payload.as_bytes());
                assert_eq!(
                    (incoming.topic.as_str(), incoming.retained),
                    (&*format!("test/{version:?}/a"), false)
                );
                // What is left of the time to expiry is the broker's to say.
                let without_expiry =
                    |properties: &Properties| Properties { expiry: None, ..properties.clone() };
                assert_eq!(without_expiry(&incoming.properties), without_expiry(&expected));
            }
            assert_eq!(received[1].qos, QoS::AtLeastOnce);
            client.disconnect().unwrap();
            let ended = tokio::time::timeout(PATIENCE, step_to_the_end(event_loop)).await;
            assert!(ended.is_ok(), "the broker closes");
        });
    }
    broker.stop();
}

async fn step_to_the_end(mut event_loop: EventLoop) {
    loop {
        let (came_back, event) = step(event_loop).await;
        event_loop = came_back;
        if event.is_err() {
            return;
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-zA-Z0-9/_.{}\u{e4}\u{1f600} -]{0,80}").expect("a regular expression")
}

fn any_properties() -> impl Strategy<Value = Properties> {
    let seconds = || (0..=u32::MAX).prop_map(|seconds| Duration::from_secs(seconds.into()));
    let bytes = proptest::collection::vec(any::<u8>(), 0..80);
    (
        proptest::option::of(text()),
        any::<bool>(),
        proptest::option::of(seconds()),
        proptest::collection::vec((text(), text()), 0..4),
        proptest::option::of(text()),
        proptest::option::of(bytes),
    )
        .prop_map(|(content_type, utf8, expiry, user, response_topic, correlation)| Properties {
            content_type,
            utf8,
            expiry,
            user,
            response_topic,
            correlation,
        })
}

fn any_publish() -> impl Strategy<Value = Publish> {
    let payload = proptest::collection::vec(any::<u8>(), 0..20_000);
    (text(), payload, any::<bool>(), any::<bool>(), any_properties()).prop_map(
        |(topic, payload, acknowledged, retain, properties)| Publish {
            topic,
            payload,
            qos: if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce },
            retain,
            properties,
        },
    )
}

fn any_version() -> impl Strategy<Value = MqttVersion> {
    any::<bool>().prop_map(|is_v5| if is_v5 { MqttVersion::V5 } else { MqttVersion::V311 })
}

/// Packets out of what comes in pieces of this many bytes.
fn in_pieces(bytes: &[u8], size: usize, version: MqttVersion) -> Result<Vec<read::Packet>, read::Unreadable> {
    let (mut from, mut packets, mut passing_over) = (BytesMut::new(), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        from.extend_from_slice(piece);
        loop {
            let passed = from.len().min(passing_over);
            from.advance(passed);
            passing_over -= passed;
            let Some(packet) = read::next(&mut from, version)? else { break };
            if let read::Packet::TooLarge(bytes) = packet {
                passing_over = bytes;
            }
            packets.push(packet);
        }
    }
    Ok(packets)
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written_in_whatever_pieces_it_comes(
        messages in proptest::collection::vec((any_publish(), 1..=u16::MAX), 1..4),
        version in any_version(),
        size in 1..5000_usize,
    ) {
        let mut bytes = BytesMut::new();
        for (message, packet_id) in &messages {
            write::publish(&mut bytes, version, message, message.qos, *packet_id);
        }
        let packets = in_pieces(&bytes, size, version).unwrap();
        let expected: Vec<_> = messages
            .into_iter()
            .map(|(Publish { topic, payload, qos, retain, properties }, packet_id)| {
                let properties = if version == MqttVersion::V5 { properties } else { Properties::default() };
                let acknowledge = match qos {
                    QoS::AtMostOnce => read::Acknowledge::Not,
                    QoS::AtLeastOnce => read::Acknowledge::Once(packet_id),
                };
                read::Packet::Message(Incoming { topic, payload, retained: retain, qos, properties }, acknowledge)
            })
            .collect();
        prop_assert_eq!(packets, expected);
    }

    #[test]
    fn packets_with_wrong_bytes_are_packets_or_refused(
        message in any_publish(),
        version in any_version(),
        wrong in proptest::collection::vec((0..200_usize, any::<u8>()), 1..6),
        cut in 0..200_usize,
    ) {
        let heads: [&[u8]; 4] = [
            b"\x20\x09\x00\x00\x06\x24\x00\x25\x00\x28\x00",
            b"\x40\x0A\x00\x07\x87\x06\x1F\x00\x03acl",
            b"\x90\x05\x00\x07\x00\x01\x87",
            b"\xE0\x0B\x8B\x09\x1F\x00\x06update",
        ];
        let mut bytes = BytesMut::from(&heads.concat()[..]);
        write::publish(&mut bytes, version, &message, message.qos, 7);
        let length = bytes.len();
        for (at, byte) in wrong {
            bytes[at % length] = byte;
        }
        bytes.truncate(length - cut.min(length));
        // The same packets up to the same fault, in whatever pieces they come.
        let whole = in_pieces(&bytes, length, version);
        prop_assert_eq!(in_pieces(&bytes, 1, version), whole);
    }
}
