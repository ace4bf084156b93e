//! How to reach a broker: a link from the configuration, and its faults in plain words.
//!
//! Used by [`super::connection`] and [`super::subscriber`]; opens no connection itself.

use std::sync::Arc;
use std::time::Duration;

use super::PublishError;
use super::link::{self, Blame, Client, EventLoop, Fault, Listener, Publish, Reason, Seen, Target, tls};
use crate::config::{self, MqttVersion};

/// How long a connection may take from the first packet to the broker's welcome.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker and how to greet it.
#[derive(Clone)]
pub(super) struct Dial {
    mqtt: config::Mqtt,
    tls: Option<tls::Connector>,
    client_id: String,
    seen: Arc<Seen>,
    hints: Hints,
}

/// Where the settings stand that a trouble advises to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hints {
    /// In the configuration.
    Configuration,
    /// In the flags of `spotter watch`, which has some of them; the others need a configuration.
    Flags,
}

/// Why a connection failed or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// One line without secrets.
    pub(super) text: String,
    /// Trying again soon would only make it worse.
    pub(super) patient: bool,
    /// Whether a message of ours may be why.
    pub(super) blame: Blame,
    /// The broker ended it without saying why.
    pub(super) without_reason: bool,
    /// The reason code that the broker gave; 0 for none.
    pub(super) code: u8,
}

impl Trouble {
    /// One that no message has caused.
    pub(super) fn new(text: String) -> Self {
        Trouble { text, patient: false, blame: Blame::None, without_reason: false, code: 0 }
    }
}

impl Dial {
    pub(super) fn new(mqtt: &config::Mqtt, client_id: String) -> Result<Self, PublishError> {
        let tls = mqtt.tls.as_ref().map(tls::connector).transpose()?;
        let dial =
            Dial { mqtt: mqtt.clone(), tls, client_id, seen: Arc::default(), hints: Hints::Configuration };
        if mqtt.insecure() {
            tracing::warn!(
                broker = %dial.address(),
                "insecure = true: the broker's certificate is not verified, so anybody may be at the other end"
            );
        }
        Ok(dial)
    }

    /// The same, whose settings stand elsewhere.
    pub(super) fn hinting_at(self, hints: Hints) -> Self {
        Dial { hints, ..self }
    }

    /// A new link that lets `requests` wait to be sent.
    pub(super) fn link(&self, will: Option<Publish>, requests: usize) -> (Client, EventLoop) {
        link::open(self.target(will, requests))
    }

    fn target(&self, will: Option<Publish>, requests: usize) -> Target {
        Target {
            version: self.mqtt.version,
            host: self.mqtt.host.clone(),
            port: self.mqtt.port,
            tls: self.tls.clone(),
            web: self.mqtt.web.clone(),
            client_id: self.client_id.clone(),
            keep_alive: self.keep_alive(),
            timeout: CONNECT_TIMEOUT,
            login: self.mqtt.login.clone(),
            will,
            requests,
            seen: Arc::clone(&self.seen),
        }
    }

    /// How often the broker is shown that the client is alive; the packet has 16 bits for it.
    pub(super) fn keep_alive(&self) -> Duration {
        self.mqtt.keep_alive.clamp(Duration::from_secs(5), Duration::from_secs(u16::MAX.into()))
    }

    /// Where the broker is, for the log.
    pub(super) fn address(&self) -> String {
        self.mqtt.address()
    }

    /// What went wrong and what to do.
    pub(super) fn explain(&self, fault: &Fault) -> Trouble {
        let broker = self.address();
        let text = match fault {
            Fault::Login(reason) => {
                format!("{broker} refuses the login ({reason}): check user and password in [mqtt]")
            }
            Fault::Version => {
                format!("{broker} does not speak MQTT {}: {}", self.version(), self.other_version())
            }
            Fault::Refused(reason) => {
                format!("{broker} refuses the connection ({reason}){}", self.advice(reason))
            }
            Fault::SentAway(reason) => self.sent_away(reason),
            Fault::Timeout => format!(
                "{broker} did not answer within {} s{}",
                CONNECT_TIMEOUT.as_secs(),
                self.hint_at_the_old_version()
            ),
            Fault::Unreachable => {
                format!("cannot reach {broker}: nothing answered within {} s", CONNECT_TIMEOUT.as_secs())
            }
            Fault::Silent => format!("{broker} does not answer any more"),
            Fault::Closed => format!("{broker} closed the connection without a reason"),
            Fault::ClosedEarly => self.closed_early(),
            Fault::Listener(listener) => self.other_listener(*listener),
            Fault::WebSocket(why) => format!("{broker} takes no WebSocket: {why}"),
            Fault::Handshake(error) | Fault::Io(error) => match &self.mqtt.tls {
                Some(tls) if matches!(fault, Fault::Handshake(_)) || tls::inner(error).is_some() => {
                    format!("TLS with {broker} failed: {}", tls::explain(error, tls))
                }
                _ if fault.blame() == Blame::Message => {
                    format!("the connection to {broker} was cut: {error}")
                }
                _ => format!("cannot reach {broker}: {error}"),
            },
            Fault::Unreadable(why) => format!("{broker} sends what cannot be read: {why}"),
            Fault::Other(why) => format!("connection to {broker} failed: {why}"),
        };
        let text = match self.hints {
            Hints::Configuration => text,
            Hints::Flags => text.replace(" in [mqtt]", " in [mqtt] of a file for --config"),
        };
        let code = match fault {
            Fault::Refused(reason) | Fault::SentAway(reason) => reason.code,
            _ => 0,
        };
        let blame = fault.blame();
        Trouble {
            text,
            patient: matches!(code, TAKEN_OVER | BANNED | MOVED),
            blame,
            without_reason: blame == Blame::Message && !matches!(fault, Fault::SentAway(_)),
            code,
        }
    }

    /// The same trouble, when it has come more than once soon after the broker had taken what was published, and the broker
    /// gave no reason: brokers of MQTT 3.1.1 have no way to say that another client has taken the id.
    pub(super) fn again(&self, trouble: &Trouble) -> Trouble {
        let text = format!(
            "{}, again and soon: does another client, such as a second node of the same name, have the id `{}`?",
            trouble.text, self.client_id
        );
        Trouble { text, ..trouble.clone() }
    }

    fn sent_away(&self, reason: &Reason) -> String {
        let broker = self.address();
        if reason.code == TAKEN_OVER {
            return format!(
                "{broker} has given the id `{}` to another client: does a second node have the same name?",
                self.client_id
            );
        }
        format!("{broker} ended the connection ({reason}){}", self.advice(reason))
    }

    /// What to do about a reason, where that is known.
    fn advice(&self, reason: &Reason) -> String {
        match reason.code {
            0x87 => "; check what this user may publish and subscribe to".to_owned(),
            SHUTTING_DOWN => "; it is tried again until it is back".to_owned(),
            KEEP_ALIVE => {
                "; it has heard nothing from this node for one and a half times keep_alive_s".to_owned()
            }
            BANNED => "; it has banned this client or its address".to_owned(),
            ANOTHER_SERVER | MOVED => match &reason.server {
                Some(server) => format!("; it names {server}: {} to that", self.broker_setting()),
                None => format!("; {} to the new one", self.broker_setting()),
            },
            _ => String::new(),
        }
    }

    fn broker_setting(&self) -> &'static str {
        match self.hints {
            Hints::Configuration => "set broker in [mqtt]",
            Hints::Flags => "set --broker",
        }
    }

    fn hint_at_the_old_version(&self) -> String {
        match self.mqtt.version {
            MqttVersion::V5 => format!("; if it knows no MQTT 5, {}", self.other_version()),
            MqttVersion::V311 => String::new(),
        }
    }

    /// A broker that wants a certificate may have closed before its alert could be read.
    fn closed_early(&self) -> String {
        let broker = self.address();
        let version = self.hint_at_the_old_version();
        match &self.mqtt.tls {
            None => format!(
                "{broker} closed the connection without a welcome; if it wants TLS, use {}://{version}",
                self.scheme(true, self.mqtt.web.is_some())
            ),
            Some(tls) if tls.identity.is_none() => format!(
                "TLS with {broker} failed: it closed the connection after the handshake, perhaps because it wants {}",
                tls::WANTS_CERTIFICATE
            ),
            Some(_) => format!(
                "TLS with {broker} failed: it closed the connection after the handshake; does it accept this node's \
                 certificate?"
            ),
        }
    }

    fn other_listener(&self, listener: Listener) -> String {
        let broker = self.address();
        let (tls, web) = (self.mqtt.tls.is_some(), self.mqtt.web.is_some());
        match listener {
            Listener::Tls => format!("{broker} speaks TLS: use {}://", self.scheme(true, web)),
            Listener::Web => format!(
                "{broker} answers as a web server does: if that is the broker's WebSocket, use {}:// and its path, such as \
                 /mqtt or /ws",
                self.scheme(tls, true)
            ),
            Listener::Mqtt => format!(
                "{broker} speaks MQTT without WebSocket: use {}:// and no path",
                self.scheme(tls, false)
            ),
            Listener::Other => {
                format!("{broker} is no MQTT broker: something else answers there; is the port right?")
            }
        }
    }

    fn scheme(&self, tls: bool, web: bool) -> &'static str {
        match (tls, web) {
            (false, false) => "mqtt",
            (true, false) => "mqtts",
            (false, true) => "ws",
            (true, true) => "wss",
        }
    }

    fn version(&self) -> &'static str {
        match self.mqtt.version {
            MqttVersion::V5 => "5",
            MqttVersion::V311 => "3.1.1",
        }
    }

    fn other_version(&self) -> &'static str {
        match (self.hints, self.mqtt.version) {
            (Hints::Configuration, MqttVersion::V5) => "set version = \"3.1.1\" in [mqtt]",
            (Hints::Configuration, MqttVersion::V311) => "set version = \"5\" in [mqtt]",
            (Hints::Flags, MqttVersion::V5) => "give --mqtt-version 3.1.1",
            (Hints::Flags, MqttVersion::V311) => "give --mqtt-version 5",
        }
    }
}

/// Reason codes with a meaning of their own here.
const BANNED: u8 = 0x8A;
const SHUTTING_DOWN: u8 = 0x8B;
const KEEP_ALIVE: u8 = 0x8D;
const TAKEN_OVER: u8 = 0x8E;
const ANOTHER_SERVER: u8 = 0x9C;
const MOVED: u8 = 0x9D;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Tls;
    use crate::publish::test_config;

    fn dial(config: &config::Mqtt) -> Dial {
        Dial::new(config, "spotter-edge-1".to_owned()).unwrap()
    }

    #[test]
    fn troubles_name_the_broker_and_what_to_do() {
        let dial = dial(&test_config(1883));
        let with = |code, text: Option<&str>, server: Option<&str>| Reason {
            code,
            text: text.map(str::to_owned),
            server: server.map(str::to_owned),
        };
        let cases = [
            (
                Fault::Login(Reason::of(0x87)),
                "127.0.0.1:1883 refuses the login (not authorized): check user and password in [mqtt]",
            ),
            (
                Fault::Io(std::io::ErrorKind::ConnectionRefused.into()),
                "cannot reach 127.0.0.1:1883: connection refused",
            ),
            (
                Fault::Io(std::io::ErrorKind::ConnectionReset.into()),
                "the connection to 127.0.0.1:1883 was cut: connection reset",
            ),
            (
                Fault::SentAway(Reason::of(0x8E)),
                "127.0.0.1:1883 has given the id `spotter-edge-1` to another client: does a second node have the \
                 same name?",
            ),
            (
                Fault::SentAway(with(0x8B, Some("upgrade"), None)),
                "127.0.0.1:1883 ended the connection (server shutting down: upgrade); it is tried again until it is back",
            ),
            (
                Fault::SentAway(Reason::of(0x8D)),
                "127.0.0.1:1883 ended the connection (keep-alive timeout); it has heard nothing from this node for one and a \
                 half times keep_alive_s",
            ),
            (
                Fault::SentAway(with(0x9D, None, Some("b.example:1883"))),
                "127.0.0.1:1883 ended the connection (server moved); it names b.example:1883: set broker in [mqtt] to that",
            ),
            (
                Fault::Refused(Reason::of(0x9C)),
                "127.0.0.1:1883 refuses the connection (use another server); set broker in [mqtt] to the new one",
            ),
            (Fault::Closed, "127.0.0.1:1883 closed the connection without a reason"),
            (Fault::Version, "127.0.0.1:1883 does not speak MQTT 5: set version = \"3.1.1\" in [mqtt]"),
            (Fault::Unreachable, "cannot reach 127.0.0.1:1883: nothing answered within 5 s"),
            (
                Fault::Listener(Listener::Other),
                "127.0.0.1:1883 is no MQTT broker: something else answers there; is the port right?",
            ),
            (
                Fault::Timeout,
                "127.0.0.1:1883 did not answer within 5 s; if it knows no MQTT 5, set version = \"3.1.1\" in [mqtt]",
            ),
            (
                Fault::ClosedEarly,
                "127.0.0.1:1883 closed the connection without a welcome; if it wants TLS, use mqtts://; if it knows no \
                 MQTT 5, set version = \"3.1.1\" in [mqtt]",
            ),
            (Fault::Listener(Listener::Tls), "127.0.0.1:1883 speaks TLS: use mqtts://"),
            (
                Fault::Listener(Listener::Web),
                "127.0.0.1:1883 answers as a web server does: if that is the broker's WebSocket, use ws:// and its path, \
                 such as /mqtt or /ws",
            ),
        ];
        for (fault, text) in cases {
            assert_eq!(dial.explain(&fault).text, text);
        }
    }

    #[test]
    fn a_subscriber_with_flags_hears_of_flags() {
        let dial = dial(&test_config(1883)).hinting_at(Hints::Flags);
        for (fault, text) in [
            (Fault::Version, "127.0.0.1:1883 does not speak MQTT 5: give --mqtt-version 3.1.1"),
            (
                Fault::Timeout,
                "127.0.0.1:1883 did not answer within 5 s; if it knows no MQTT 5, give --mqtt-version 3.1.1",
            ),
            (
                Fault::Login(Reason::of(0x87)),
                "127.0.0.1:1883 refuses the login (not authorized): check user and password in [mqtt] of a file for --config",
            ),
            (
                Fault::Refused(Reason::of(0x9C)),
                "127.0.0.1:1883 refuses the connection (use another server); set --broker to the new one",
            ),
        ] {
            assert_eq!(dial.explain(&fault).text, text);
        }
    }

    #[test]
    fn only_some_ends_may_be_a_messages_fault_or_are_no_use_to_try_again_soon() {
        let dial = dial(&test_config(1883));
        let io = |kind: std::io::ErrorKind| Fault::Io(kind.into());
        for (fault, patient, blame, without_reason) in [
            (Fault::Closed, false, Blame::Message, true),
            (io(std::io::ErrorKind::ConnectionReset), false, Blame::Message, true),
            (io(std::io::ErrorKind::ConnectionRefused), false, Blame::None, false),
            (io(std::io::ErrorKind::TimedOut), false, Blame::None, false),
            (Fault::Silent, false, Blame::None, false),
            (Fault::SentAway(Reason::of(0x8E)), true, Blame::None, false),
            (Fault::SentAway(Reason::of(0x8B)), false, Blame::None, false),
            (Fault::SentAway(Reason::of(0x9D)), true, Blame::None, false),
            (Fault::SentAway(Reason::of(0x98)), false, Blame::Doubtful, false),
            (Fault::SentAway(Reason::of(0x95)), false, Blame::Message, false),
        ] {
            let trouble = dial.explain(&fault);
            assert_eq!(
                (trouble.patient, trouble.blame, trouble.without_reason),
                (patient, blame, without_reason),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn an_address_is_dialled_as_it_stands() {
        let mut config = test_config(1883);
        config.keep_alive = Duration::from_secs(1);
        config.host = "::1".to_owned();
        let dialled = dial(&config);
        let target = dialled.target(None, 1);
        assert_eq!((target.keep_alive, target.host.as_str()), (Duration::from_secs(5), "::1"));
        config.web = Some("/mqtt".to_owned());
        assert_eq!(dial(&config).address(), "ws://[::1]:1883/mqtt");
        config.tls = Some(Tls { insecure: true, ..Tls::default() });
        assert_eq!(dial(&config).address(), "wss://[::1]:1883/mqtt");
        for path in ["/mqtt?X-Amz-Signature=Zk3pAssw0rd", "/user=me&password=Zk3pAssw0rd"] {
            config.web = Some(path.to_owned());
            let dialled = dial(&config);
            assert_eq!(dialled.target(None, 1).web.as_deref(), Some(path));
            assert!(!dialled.address().contains("Zk3p"), "{}", dialled.address());
        }
        config.web = Some("/mqtt".to_owned());
        let text = dial(&config).explain(&Fault::Listener(Listener::Mqtt)).text;
        assert!(text.ends_with("without WebSocket: use mqtts:// and no path"), "{text}");
    }
}
