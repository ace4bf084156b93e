//! Packets from a broker, in both versions of MQTT.
//!
//! Pure. Every form that MQTT 5 allows is read: a reason code that is left out means success, a length of properties that
//! is left out means none, and a property or a reason that is not known here is passed over. Brokers differ in which form
//! they send: mosquitto 2.1 ends a session that was taken over with `e0 01 8e`.

use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::reason::{self, Reason};
use super::{Incoming, Limits, MAX_INCOMING_BYTES, Properties, QoS};
use crate::config::MqttVersion;

/// A packet, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Packet {
    /// The answer to the greeting: what the broker can do, or why it does not want this client.
    Welcome(Result<Welcome, Reason>),
    Message(Incoming, Acknowledge),
    /// A message was taken, or why not.
    Published(u16, Result<(), Reason>),
    Released(u16),
    Subscribed(u16, Result<(), Reason>),
    Pong,
    Goodbye(Reason),
    /// Something that means nothing here.
    Other,
    /// A message of this many bytes in all, which are still to be passed over: more than is taken.
    TooLarge(usize),
}

/// What a broker says about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Welcome {
    pub(super) limits: Limits,
    /// What it wants instead of the keep-alive time that was asked for.
    pub(super) keep_alive: Option<Duration>,
}

/// How a message is to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledge {
    Not,
    Once(u16),
    Twice(u16),
}

/// Why bytes are no packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

/// Takes the next whole packet out of what has come; nothing when there is none yet.
pub(super) fn next(from: &mut BytesMut, version: MqttVersion) -> Result<Option<Packet>, Unreadable> {
    let Some((head_bytes, body_bytes)) = lengths(from)? else { return Ok(None) };
    if body_bytes > MAX_INCOMING_BYTES as usize {
        return match from[0] >> 4 {
            3 => Ok(Some(Packet::TooLarge(head_bytes + body_bytes))),
            _ => Err(Unreadable(format!("a packet of {body_bytes} bytes"))),
        };
    }
    if from.len() < head_bytes + body_bytes {
        from.reserve(head_bytes + body_bytes - from.len());
        return Ok(None);
    }
    let mut packet = from.split_to(head_bytes + body_bytes);
    let first = packet[0];
    packet.advance(head_bytes);
    let is_v5 = version == MqttVersion::V5;
    read(first, &mut Bytes(&packet), is_v5).map(Some)
}

/// How many bytes a packet's head has, and how many follow it.
fn lengths(from: &[u8]) -> Result<Option<(usize, usize)>, Unreadable> {
    let mut length = 0;
    for (index, byte) in from.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((index + 2, length)));
        }
    }
    if from.len() > 4 { Err(Unreadable("a length of more than four bytes".to_owned())) } else { Ok(None) }
}

fn read(first: u8, body: &mut Bytes<'_>, is_v5: bool) -> Result<Packet, Unreadable> {
    let cut = |what: &str| Unreadable(format!("a {what} that is cut short"));
    Ok(match first >> 4 {
        2 => welcome(body, is_v5).ok_or_else(|| cut("CONNACK"))?,
        3 => message(first, body, is_v5).ok_or_else(|| cut("PUBLISH"))?,
        4 => {
            let packet_id = body.u16().ok_or_else(|| cut("PUBACK"))?;
            Packet::Published(packet_id, success(body.reason(is_v5)))
        }
        6 => Packet::Released(body.u16().ok_or_else(|| cut("PUBREL"))?),
        9 => subscribed(body, is_v5).ok_or_else(|| cut("SUBACK"))?,
        13 => Packet::Pong,
        14 if is_v5 => Packet::Goodbye(body.reason(true)),
        5 | 7 | 11 | 15 => Packet::Other,
        other => return Err(Unreadable(format!("a packet of type {other}, which brokers do not send"))),
    })
}

fn success(reason: Reason) -> Result<(), Reason> {
    if reason.code < 0x80 { Ok(()) } else { Err(reason) }
}

fn welcome(body: &mut Bytes<'_>, is_v5: bool) -> Option<Packet> {
    body.u8()?;
    let code = reason::of_return_code(body.u8()?);
    if is_v5 && code == 0 && body.0.is_empty() {
        // Only MQTT 3.1.1 welcomes without properties: this broker has not looked at the version, and would take the
        // properties of a message for its payload.
        return Some(Packet::Welcome(Err(Reason { code: reason::UNSUPPORTED_VERSION, ..Reason::default() })));
    }
    let stated = body.properties(is_v5);
    if code != 0 {
        return Some(Packet::Welcome(Err(stated.reason(code))));
    }
    let limits = Limits {
        receive_maximum: stated.receive_maximum,
        max_packet_bytes: stated.maximum_packet_size.and_then(|bytes| bytes.try_into().ok()),
        acknowledges: stated.maximum_qos != Some(0),
        retains: stated.retain_available != Some(0),
        wildcards: stated.wildcards_available != Some(0),
    };
    let keep_alive = stated.server_keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
    Some(Packet::Welcome(Ok(Welcome { limits, keep_alive })))
}

fn message(first: u8, body: &mut Bytes<'_>, is_v5: bool) -> Option<Packet> {
    let topic = body.text()?;
    let acknowledge = match (first >> 1) & 0b11 {
        0 => Acknowledge::Not,
        1 => Acknowledge::Once(body.u16()?),
        2 => Acknowledge::Twice(body.u16()?),
        _ => return None,
    };
    let properties = body.properties(is_v5).message;
    let qos = if acknowledge == Acknowledge::Not { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let payload = body.0.to_vec();
    Some(Packet::Message(Incoming { topic, payload, retained: first & 1 == 1, qos, properties }, acknowledge))
}

fn subscribed(body: &mut Bytes<'_>, is_v5: bool) -> Option<Packet> {
    let packet_id = body.u16()?;
    let stated = body.properties(is_v5);
    let refused = body.0.iter().find(|code| **code >= 0x80);
    Some(Packet::Subscribed(packet_id, refused.map_or(Ok(()), |code| Err(stated.reason(*code)))))
}

/// What properties say, as far as it matters here.
#[derive(Default)]
struct Stated {
    receive_maximum: Option<u16>,
    maximum_packet_size: Option<u32>,
    maximum_qos: Option<u8>,
    retain_available: Option<u8>,
    wildcards_available: Option<u8>,
    server_keep_alive: Option<u16>,
    reason: Option<String>,
    server: Option<String>,
    message: Properties,
}

impl Stated {
    fn reason(self, code: u8) -> Reason {
        Reason { code, text: self.reason, server: self.server }
    }
}

/// What is left of a packet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn text(&mut self) -> Option<String> {
        self.binary().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn length(&mut self) -> Option<usize> {
        let mut length = 0;
        for index in 0..4 {
            let byte = self.u8()?;
            length |= usize::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(length);
            }
        }
        None
    }

    /// A reason code and its properties, both of which may be left out.
    fn reason(&mut self, is_v5: bool) -> Reason {
        let code = if is_v5 { self.u8().unwrap_or(0) } else { 0 };
        self.properties(is_v5).reason(code)
    }

    /// Properties with their length, which may be left out where they end a packet.
    fn properties(&mut self, is_v5: bool) -> Stated {
        let mut stated = Stated::default();
        if is_v5 && let Some(length) = self.length() {
            let mut properties = Bytes(self.take(length.min(self.0.len())).unwrap_or_default());
            while properties.property(&mut stated).is_some() {}
        }
        stated
    }

    /// The next property; nothing at the end, and at one that is not known, behind which nothing can be read.
    fn property(&mut self, stated: &mut Stated) -> Option<()> {
        match self.u8()? {
            0x01 => stated.message.utf8 = self.u8()? == 1,
            0x02 => stated.message.expiry = Some(Duration::from_secs(self.u32()?.into())),
            0x03 => stated.message.content_type = Some(self.text()?),
            0x08 => stated.message.response_topic = Some(self.text()?),
            0x09 => stated.message.correlation = Some(self.binary()?.to_vec()),
            0x0B => drop(self.length()?),
            0x13 => stated.server_keep_alive = Some(self.u16()?),
            0x1C => stated.server = Some(self.text()?),
            0x1F => stated.reason = Some(self.text()?),
            0x21 => stated.receive_maximum = Some(self.u16()?),
            0x24 => stated.maximum_qos = Some(self.u8()?),
            0x25 => stated.retain_available = Some(self.u8()?),
            0x26 => stated.message.user.push((self.text()?, self.text()?)),
            0x27 => stated.maximum_packet_size = Some(self.u32()?),
            0x28 => stated.wildcards_available = Some(self.u8()?),
            0x17 | 0x19 | 0x29 | 0x2A => drop(self.u8()?),
            0x22 | 0x23 => drop(self.u16()?),
            0x11 | 0x18 => drop(self.u32()?),
            0x12 | 0x15 | 0x16 | 0x1A => drop(self.binary()?),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], version: MqttVersion) -> Vec<Packet> {
        let mut from = BytesMut::from(bytes);
        let packets = std::iter::from_fn(|| next(&mut from, version).unwrap()).collect();
        assert!(from.is_empty(), "{bytes:02x?} leaves {from:02x?}");
        packets
    }

    fn v5(bytes: &[u8]) -> Packet {
        all(bytes, MqttVersion::V5).pop().unwrap()
    }

    #[test]
    fn every_form_of_disconnect_is_read() {
        let reason = |code, text: Option<&str>| {
            Packet::Goodbye(Reason { text: text.map(str::to_owned), ..Reason::of(code) })
        };
        for (bytes, expected) in [
            (&b"\xE0\x00"[..], reason(0x00, None)),
            (b"\xE0\x01\x8E", reason(0x8E, None)),
            (b"\xE0\x02\x8E\x00", reason(0x8E, None)),
            (b"\xE0\x01\x8B", reason(0x8B, None)),
            (b"\xE0\x07\x87\x05\x1F\x00\x02no", reason(0x87, Some("no"))),
            // Codes and properties that no standard has yet.
            (b"\xE0\x01\xEE", reason(0xEE, None)),
            (b"\xE0\x08\x81\x06\x1F\x00\x01a\x7F\x00", reason(0x81, Some("a"))),
            // A length that promises more than there is.
            (b"\xE0\x02\x95\x09", reason(0x95, None)),
        ] {
            assert_eq!(v5(bytes), expected, "{bytes:02x?}");
        }
        let moved = Reason { server: Some("b:1".to_owned()), ..Reason::of(0x9D) };
        assert_eq!(v5(b"\xE0\x08\x9D\x06\x1C\x00\x03b:1"), Packet::Goodbye(moved));
        let mut old = BytesMut::from(&b"\xE0\x00"[..]);
        assert!(next(&mut old, MqttVersion::V311).is_err(), "brokers of 3.1.1 do not say goodbye");
    }

    #[test]
    fn every_form_of_an_acknowledgement_is_read() {
        let refused = |code, text: Option<&str>| Reason { text: text.map(str::to_owned), ..Reason::of(code) };
        for (bytes, expected) in [
            (&b"\x40\x02\x00\x07"[..], Ok(())),
            (b"\x40\x03\x00\x07\x10", Ok(())),
            (b"\x40\x03\x00\x07\x97", Err(refused(0x97, None))),
            (b"\x40\x04\x00\x07\x87\x00", Err(refused(0x87, None))),
            (b"\x40\x0A\x00\x07\x87\x06\x1F\x00\x03acl", Err(refused(0x87, Some("acl")))),
            (b"\x40\x03\x00\x07\xC1", Err(refused(0xC1, None))),
        ] {
            assert_eq!(v5(bytes), Packet::Published(7, expected), "{bytes:02x?}");
        }
        for (bytes, version, expected) in [
            (&b"\x90\x04\x00\x07\x00\x01"[..], MqttVersion::V5, Ok(())),
            (b"\x90\x05\x00\x07\x00\x01\x87", MqttVersion::V5, Err(refused(0x87, None))),
            (b"\x90\x04\x00\x07\x01\x80", MqttVersion::V311, Err(refused(0x80, None))),
            (b"\x90\x04\x00\x07\x00\xE1", MqttVersion::V5, Err(refused(0xE1, None))),
        ] {
            assert_eq!(all(bytes, version), [Packet::Subscribed(7, expected)], "{bytes:02x?}");
        }
        assert_eq!(
            all(b"\x40\x02\x00\x01\xD0\x00", MqttVersion::V311),
            [Packet::Published(1, Ok(())), Packet::Pong]
        );
        assert_eq!(v5(b"\xF0\x00"), Packet::Other);
        assert_eq!(v5(b"\xF0\x02\x18\x00"), Packet::Other);
    }

    #[test]
    fn a_welcome_says_what_the_broker_can() {
        let free = Limits::default();
        let welcome = |limits, keep_alive: Option<u64>| {
            let keep_alive = keep_alive.map(Duration::from_secs);
            Packet::Welcome(Ok(Welcome { limits, keep_alive }))
        };
        assert_eq!(all(b"\x20\x02\x00\x00", MqttVersion::V311), [welcome(free, None)]);
        assert_eq!(v5(b"\x20\x03\x00\x00\x00"), welcome(free, None));
        let narrow = Limits {
            receive_maximum: Some(20),
            max_packet_bytes: Some(1000),
            acknowledges: false,
            retains: false,
            wildcards: false,
        };
        let bytes =
            b"\x20\x14\x00\x00\x11\x21\x00\x14\x27\x00\x00\x03\xE8\x24\x00\x25\x00\x28\x00\x13\x00\x3C";
        assert_eq!(v5(bytes), welcome(narrow, Some(60)));
        for (bytes, version, code) in [
            (&b"\x20\x02\x00\x01"[..], MqttVersion::V5, 0x84),
            (b"\x20\x02\x00\x00", MqttVersion::V5, 0x84),
            (b"\x20\x02\x00\x05", MqttVersion::V311, 0x87),
            (b"\x20\x03\x00\x86\x00", MqttVersion::V5, 0x86),
            (b"\x20\x02\x00\x9D", MqttVersion::V5, 0x9D),
        ] {
            assert_eq!(all(bytes, version), [Packet::Welcome(Err(Reason::of(code)))], "{bytes:02x?}");
        }
    }

    #[test]
    fn messages_come_whole_or_not_yet() {
        let whole = b"\x33\x10\x00\x03a/b\x00\x09\x06\x7D\x08\x00\x01r!{}";
        for bytes in 0..whole.len() {
            let mut from = BytesMut::from(&whole[..bytes]);
            assert_eq!(next(&mut from, MqttVersion::V5), Ok(None), "{bytes}");
        }
        let Packet::Message(message, acknowledge) = v5(whole) else { panic!("no message") };
        assert_eq!((message.topic.as_str(), &*message.payload, message.retained), ("a/b", &b"{}"[..], true));
        assert_eq!(acknowledge, Acknowledge::Once(9));
        for bad in [&b"\x20\x80\x80\x80\x80\x01"[..], b"\x32\x01\x00", b"\x00\x00", b"\x36\x03\x00\x01a"] {
            assert!(next(&mut BytesMut::from(bad), MqttVersion::V5).is_err(), "{bad:02x?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_one_to_pass_over() {
        let mut from = BytesMut::from(&b"\x33\x81\x80\x80\x08\x00\x03a/b"[..]);
        assert_eq!(
            next(&mut from, MqttVersion::V311),
            Ok(Some(Packet::TooLarge(5 + MAX_INCOMING_BYTES as usize + 1)))
        );
        assert!(next(&mut BytesMut::from(&b"\x90\x81\x80\x80\x08"[..]), MqttVersion::V311).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, is_v5: bool) {
            let version = if is_v5 { MqttVersion::V5 } else { MqttVersion::V311 };
            let mut from = BytesMut::from(&bytes[..]);
            while let Ok(Some(packet)) = next(&mut from, version) {
                if let Packet::TooLarge(bytes) = packet {
                    from.advance(bytes.min(from.len()));
                }
            }
        }
    }
}
