//! Packets to a broker, in both versions of MQTT.
//!
//! Pure. Only what a publisher and a subscriber with QoS 0 and 1 send.

use bytes::{BufMut, BytesMut};

use super::{MAX_INCOMING_BYTES, Properties, Publish, QoS, Target};
use crate::config::MqttVersion;

/// A client's greeting.
pub(super) fn connect(to: &mut BytesMut, target: &Target) {
    let is_v5 = target.version == MqttVersion::V5;
    // A last will has 16 bits for its length.
    let will = target.will.as_ref().filter(|will| will.payload.len() <= usize::from(u16::MAX));
    let mut body = BytesMut::new();
    text(&mut body, "MQTT");
    body.put_u8(if is_v5 { 5 } else { 4 });
    // A new session.
    let mut flags = 0b10;
    if let Some(will) = will {
        flags |= 0b100 | (qos_bits(will.qos) << 3) | (u8::from(will.retain) << 5);
    }
    if target.login.is_some() {
        flags |= 0b1100_0000;
    }
    body.put_u8(flags);
    body.put_u16(target.keep_alive.as_secs().try_into().unwrap_or(u16::MAX));
    if is_v5 {
        let mut limits = BytesMut::new();
        limits.put_u8(MAXIMUM_PACKET_SIZE);
        limits.put_u32(MAX_INCOMING_BYTES);
        with_length(&mut body, &limits);
    }
    text(&mut body, &target.client_id);
    if let Some(will) = will {
        if is_v5 {
            properties(&mut body, &will.properties);
        }
        text(&mut body, &will.topic);
        binary(&mut body, &will.payload);
    }
    if let Some((user, password)) = &target.login {
        text(&mut body, user);
        text(&mut body, password.reveal());
    }
    to.put_u8(0x10);
    with_length(to, &body);
}

/// A message. `packet_id` is 0 when nothing acknowledges it.
pub(super) fn publish(to: &mut BytesMut, version: MqttVersion, publish: &Publish, qos: QoS, packet_id: u16) {
    let mut head = BytesMut::new();
    text(&mut head, &publish.topic);
    if qos == QoS::AtLeastOnce {
        head.put_u16(packet_id);
    }
    if version == MqttVersion::V5 {
        properties(&mut head, &publish.properties);
    }
    to.put_u8(0x30 | (qos_bits(qos) << 1) | u8::from(publish.retain));
    length(to, head.len() + publish.payload.len());
    to.extend_from_slice(&head);
    to.extend_from_slice(&publish.payload);
}

/// Asks for what matches the filters, with QoS 1.
pub(super) fn subscribe(to: &mut BytesMut, version: MqttVersion, filters: &[String], packet_id: u16) {
    let mut body = BytesMut::new();
    body.put_u16(packet_id);
    if version == MqttVersion::V5 {
        body.put_u8(0);
    }
    for filter in filters {
        text(&mut body, filter);
        body.put_u8(1);
    }
    to.put_u8(0x82);
    with_length(to, &body);
}

/// Acknowledges a message with QoS 1.
pub(super) fn puback(to: &mut BytesMut, packet_id: u16) {
    acknowledge(to, 0x40, packet_id);
}

/// The first answer to a message with QoS 2, which nobody asked for.
pub(super) fn pubrec(to: &mut BytesMut, packet_id: u16) {
    acknowledge(to, 0x50, packet_id);
}

/// The second one.
pub(super) fn pubcomp(to: &mut BytesMut, packet_id: u16) {
    acknowledge(to, 0x70, packet_id);
}

fn acknowledge(to: &mut BytesMut, first: u8, packet_id: u16) {
    to.put_slice(&[first, 2]);
    to.put_u16(packet_id);
}

/// Whether you are there.
pub(super) fn ping(to: &mut BytesMut) {
    to.put_slice(&[0xC0, 0]);
}

/// Goodbye: the last will is not to be published. The short form, which both versions have.
pub(super) fn disconnect(to: &mut BytesMut) {
    to.put_slice(&[0xE0, 0]);
}

const MAXIMUM_PACKET_SIZE: u8 = 0x27;

fn qos_bits(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
    }
}

/// Properties of a message, or of a last will, with their length.
fn properties(to: &mut BytesMut, properties: &Properties) {
    let Properties { content_type, utf8, expiry, user, response_topic, correlation } = properties;
    let mut body = BytesMut::new();
    if *utf8 {
        body.put_slice(&[0x01, 1]);
    }
    if let Some(expiry) = expiry {
        body.put_u8(0x02);
        body.put_u32(expiry.as_secs().try_into().unwrap_or(u32::MAX));
    }
    for (identifier, value) in [(0x03, content_type), (0x08, response_topic)] {
        if let Some(value) = value {
            body.put_u8(identifier);
            text(&mut body, value);
        }
    }
    if let Some(correlation) = correlation {
        body.put_u8(0x09);
        binary(&mut body, correlation);
    }
    for (key, value) in user {
        body.put_u8(0x26);
        text(&mut body, key);
        text(&mut body, value);
    }
    with_length(to, &body);
}

fn text(to: &mut BytesMut, text: &str) {
    binary(to, text.as_bytes());
}

/// Bytes behind 16 bits for their length. What is longer is cut: nothing of ours is.
fn binary(to: &mut BytesMut, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(u16::MAX.into())];
    to.put_u16(bytes.len() as u16);
    to.put_slice(bytes);
}

fn with_length(to: &mut BytesMut, body: &[u8]) {
    length(to, body.len());
    to.put_slice(body);
}

/// A variable byte integer: seven bits in each byte, the lowest first.
fn length(to: &mut BytesMut, mut length: usize) {
    loop {
        let low = (length & 0x7F) as u8;
        length >>= 7;
        if length == 0 {
            return to.put_u8(low);
        }
        to.put_u8(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::Secret;

    fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        bytes.to_vec()
    }

    fn message(topic: &str, payload: &[u8]) -> Publish {
        Publish {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties { utf8: true, ..Properties::default() },
        }
    }

    fn target(version: MqttVersion) -> Target {
        Target {
            version,
            host: "localhost".to_owned(),
            port: 1883,
            tls: None,
            web: None,
            client_id: "c".to_owned(),
            keep_alive: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            login: Some(("me".to_owned(), Secret::new("pw".to_owned()))),
            will: Some(message("w", b"x")),
            requests: 4,
            seen: Arc::default(),
        }
    }

    #[test]
    fn packets_are_as_the_standards_have_them() {
        let cases: [(Vec<u8>, &[u8]); 7] = [
            (
                written(|to| connect(to, &target(MqttVersion::V311))),
                b"\x10\x1B\0\x04MQTT\x04\xEE\0\x1E\0\x01c\0\x01w\0\x01x\0\x02me\0\x02pw",
            ),
            (
                written(|to| connect(to, &target(MqttVersion::V5))),
                b"\x10\x24\0\x04MQTT\x05\xEE\0\x1E\x05\x27\x01\0\0\0\0\x01c\x02\x01\x01\0\x01w\0\x01x\0\x02me\0\x02pw",
            ),
            (
                written(|to| {
                    publish(to, MqttVersion::V5, &message("a/b", b"{}"), QoS::AtLeastOnce, 0x0102)
                }),
                b"\x33\x0C\0\x03a/b\x01\x02\x02\x01\x01{}",
            ),
            (
                written(|to| publish(to, MqttVersion::V311, &message("a", b"{}"), QoS::AtMostOnce, 0)),
                b"\x31\x05\0\x01a{}",
            ),
            (written(|to| subscribe(to, MqttVersion::V5, &["a/#".to_owned()], 7)), b"\x82\x09\0\x07\0\0\x03a/#\x01"),
            (written(|to| puback(to, 9)), b"\x40\x02\0\x09"),
            (written(disconnect), b"\xE0\0"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(bytes, expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_packet_is_never_larger_than_its_estimate() {
        let many = Properties {
            content_type: Some("application/json".to_owned()),
            utf8: true,
            expiry: Some(Duration::from_secs(1)),
            user: vec![("a".repeat(300), "b".repeat(20)), ("node".to_owned(), "edge-1".to_owned())],
            response_topic: Some("r".repeat(100)),
            correlation: Some(vec![0; 64]),
        };
        for properties in [Properties::default(), many] {
            for payload_bytes in [0, 100, 20_000] {
                let message = Publish {
                    properties: properties.clone(),
                    ..message("spotter/v1/x", &vec![0; payload_bytes])
                };
                let size = written(|to| publish(to, MqttVersion::V5, &message, QoS::AtLeastOnce, 1)).len();
                let estimate = message.max_bytes();
                assert!(size <= estimate && estimate <= size + 32, "{size} {estimate}");
            }
        }
    }

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7F]),
            (128, &[0x80, 1]),
            (16_383, &[0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 1]),
        ] {
            assert_eq!(written(|to| length(to, value)), expected);
        }
    }
}
