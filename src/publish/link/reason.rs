//! The reason codes of MQTT 5 and the return codes of MQTT 3.1.1, in plain words.
//!
//! Pure. Codes that no version names are kept as numbers: a broker may be newer than this.

use std::fmt;

use crate::config::visible;

/// The broker does not speak this version of MQTT.
pub(super) const UNSUPPORTED_VERSION: u8 = 0x84;

/// Characters of a broker's own words that are repeated, at most.
const MOST_CHARACTERS: usize = 200;

/// Why a broker does not want something: a reason code of MQTT 5 and what the broker adds to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Reason {
    /// As the standard has it.
    pub(in super::super) code: u8,
    /// The broker's own words.
    pub(in super::super) text: Option<String>,
    /// Where the client is sent instead.
    pub(in super::super) server: Option<String>,
}

/// Whether a message of ours may be why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Blame {
    /// The broker, the network or another client is.
    None,
    /// The broker ended it and gave a reason that says nothing.
    Doubtful,
    /// The broker ended it, without a reason or with one that speaks of a message.
    Message,
}

impl Reason {
    /// A code without further words.
    #[cfg(test)]
    pub(in super::super) fn of(code: u8) -> Self {
        Reason { code, text: None, server: None }
    }

    /// What this reason for the end of a connection says about our messages. Codes that speak of the broker itself, of
    /// another client or of time say that none is at fault; those of a usual end say nothing at all.
    pub(in super::super) fn blame(&self) -> Blame {
        match self.code {
            0x00 | 0x98 => Blame::Doubtful,
            0x04 | 0x88..=0x8E | 0x9C | 0x9D | 0x9F | 0xA0 => Blame::None,
            _ => Blame::Message,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match words(self.code) {
            Some(words) => f.write_str(words)?,
            None => write!(f, "reason code 0x{:02x}", self.code)?,
        }
        let words = |text: &String| visible(&text.chars().take(MOST_CHARACTERS).collect::<String>());
        self.text.iter().try_for_each(|text| write!(f, ": {}", words(text)))
    }
}

fn words(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "normal disconnection",
        0x04 => "disconnection with the last will",
        0x10 => "no matching subscribers",
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        UNSUPPORTED_VERSION => "unsupported protocol version",
        0x85 => "client id not valid",
        0x86 => "bad user name or password",
        0x87 => "not authorized",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8A => "banned",
        0x8B => "server shutting down",
        0x8C => "bad authentication method",
        0x8D => "keep-alive timeout",
        0x8E => "session taken over",
        0x8F => "topic filter invalid",
        0x90 => "topic name invalid",
        0x91 => "packet identifier in use",
        0x92 => "packet identifier not found",
        0x93 => "receive maximum exceeded",
        0x94 => "topic alias invalid",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x99 => "payload format invalid",
        0x9A => "retain not supported",
        0x9B => "QoS not supported",
        0x9C => "use another server",
        0x9D => "server moved",
        0x9E => "shared subscriptions not supported",
        0x9F => "connection rate exceeded",
        0xA0 => "maximum connect time",
        0xA1 => "subscription identifiers not supported",
        0xA2 => "wildcard subscriptions not supported",
        _ => return None,
    })
}

/// The reason code of MQTT 5 that means the same as a return code of MQTT 3.1.1's CONNACK. MQTT 5 names none below 0x80 but
/// success, so a broker that answers MQTT 5 in the older form is understood too.
pub(super) fn of_return_code(code: u8) -> u8 {
    match code {
        1 => UNSUPPORTED_VERSION,
        2 => 0x85,
        3 => 0x88,
        4 => 0x86,
        5 => 0x87,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_with_the_brokers_own_behind_them() {
        let told = Reason { text: Some("upgrade".to_owned()), ..Reason::of(0x8B) };
        assert_eq!(told.to_string(), "server shutting down: upgrade");
        let long = Reason { text: Some(format!("two\nlines{}", " ".repeat(300))), ..Reason::of(0x8B) };
        let long = long.to_string();
        assert!(!long.contains('\n') && long.len() < 300, "{long:?}");
        assert_eq!(Reason::of(0x8E).to_string(), "session taken over");
        assert_eq!(Reason::of(0xEE).to_string(), "reason code 0xee");
    }

    #[test]
    fn only_some_reasons_may_blame_a_message() {
        for code in [0x80, 0x81, 0x82, 0x87, 0x90, 0x95, 0x97, 0xEE] {
            assert_eq!(Reason::of(code).blame(), Blame::Message, "{code:#x}");
        }
        for code in [0x89, 0x8A, 0x8B, 0x8D, 0x8E, 0x9C, 0x9D, 0x9F, 0xA0] {
            assert_eq!(Reason::of(code).blame(), Blame::None, "{code:#x}");
        }
        for code in [0x00, 0x98] {
            assert_eq!(Reason::of(code).blame(), Blame::Doubtful, "{code:#x}");
        }
    }

    #[test]
    fn both_versions_refuse_alike() {
        for (old, new) in [(1, 0x84), (2, 0x85), (3, 0x88), (4, 0x86), (5, 0x87), (0x87, 0x87), (0, 0)] {
            assert_eq!(of_return_code(old), new);
        }
    }
}
