//! How to reach a broker: a link from the configuration, and its faults in plain words.
//!
//! Used by [`super::connection`] and [`super::subscriber`]; opens no connection itself.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::PublishError;
use super::link::{self, Client, EventLoop, Fault, Publish, Target, tls};
use crate::config::{self, MqttVersion};

/// How long a connection may take from the first packet to the broker's welcome.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker and how to greet it.
#[derive(Clone)]
pub(super) struct Dial {
    mqtt: config::Mqtt,
    tls: Option<tls::Connector>,
    client_id: String,
}

/// Why a connection failed or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// One line without secrets.
    pub(super) text: String,
    /// Trying again soon would only make it worse.
    pub(super) patient: bool,
}

impl Dial {
    pub(super) fn new(mqtt: &config::Mqtt, client_id: String) -> Result<Self, PublishError> {
        let tls = mqtt.tls.as_ref().map(tls::connector).transpose()?;
        let dial = Dial { mqtt: mqtt.clone(), tls, client_id };
        if mqtt.insecure() {
            tracing::warn!(
                broker = %dial.address(),
                "insecure = true: the broker's certificate is not verified, so anybody may be at the other end"
            );
        }
        Ok(dial)
    }

    /// A new link that lets `window` publishes be on their way and `requests` wait to be sent.
    pub(super) fn link(&self, will: Option<Publish>, window: u16, requests: usize) -> (Client, EventLoop) {
        link::open(self.target(will, window, requests))
    }

    fn target(&self, will: Option<Publish>, window: u16, requests: usize) -> Target<'_> {
        let host = match self.mqtt.host.parse::<Ipv6Addr>() {
            Ok(address) if self.mqtt.tls.is_none() => format!("[{address}]"),
            _ => self.mqtt.host.clone(),
        };
        Target {
            version: self.mqtt.version,
            host,
            port: self.mqtt.port,
            tls: self.tls.clone(),
            client_id: &self.client_id,
            keep_alive: self.keep_alive(),
            timeout: CONNECT_TIMEOUT,
            login: self.mqtt.login.as_ref().map(|(user, password)| (user.as_str(), password)),
            will,
            window,
            requests,
        }
    }

    /// How often the broker is shown that the client is alive: rumqttc panics below five seconds, and the packet has 16
    /// bits for it.
    pub(super) fn keep_alive(&self) -> Duration {
        self.mqtt.keep_alive.clamp(Duration::from_secs(5), Duration::from_secs(u16::MAX.into()))
    }

    /// Host and port, for the log.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.mqtt.host, self.mqtt.port)
    }

    /// What went wrong and what to do.
    pub(super) fn explain(&self, fault: &Fault) -> Trouble {
        let broker = self.address();
        let text = match fault {
            Fault::Login(code) => {
                format!("{broker} refuses the login ({code}): check user and password in [mqtt]")
            }
            Fault::Version => {
                format!("{broker} does not speak MQTT {}: {}", self.version(), self.other_version())
            }
            Fault::Refused(code) => format!("{broker} refuses the connection ({code})"),
            Fault::TakenOver => return self.taken_over(),
            Fault::SentAway(why) => format!("{broker} ended the connection ({why})"),
            Fault::Timeout => format!("{broker} did not answer within {} s", CONNECT_TIMEOUT.as_secs()),
            Fault::Silent => format!("{broker} does not answer any more"),
            Fault::Closed => format!("{broker} closed the connection"),
            Fault::ClosedEarly => self.closed_early(),
            Fault::Handshake(error) | Fault::Io(error) => match &self.mqtt.tls {
                Some(tls) if matches!(fault, Fault::Handshake(_)) || tls::inner(error).is_some() => {
                    format!("TLS with {broker} failed: {}", tls::explain(error, tls))
                }
                _ => format!("cannot reach {broker}: {error}"),
            },
            Fault::Unreadable(why) => format!("{broker} sends what cannot be read: {why}"),
            Fault::Other(why) => format!("connection to {broker} failed: {why}"),
        };
        Trouble { text, patient: false }
    }

    /// The same trouble, when it has come more than once soon after the broker had taken what was published. MQTT 5
    /// brokers do say when a second client takes over, but rumqttc 0.25 cannot read a DISCONNECT that has a reason and
    /// no properties, which is how mosquitto says it; brokers of MQTT 3.1.1 just close.
    pub(super) fn again(&self, trouble: &Trouble) -> Trouble {
        let text = format!(
            "{}, again and soon: does another client, such as a second node of the same name, have the id `{}`?",
            trouble.text, self.client_id
        );
        Trouble { text, ..*trouble }
    }

    fn taken_over(&self) -> Trouble {
        let text = format!(
            "{} has given the id `{}` to another client: does a second node have the same name?",
            self.address(),
            self.client_id
        );
        Trouble { text, patient: true }
    }

    /// A broker that wants a certificate may have closed before its alert could be read.
    fn closed_early(&self) -> String {
        let broker = self.address();
        match &self.mqtt.tls {
            None => {
                let version = match self.mqtt.version {
                    MqttVersion::V5 => "; if it knows no MQTT 5, set version = \"3.1.1\" in [mqtt]",
                    MqttVersion::V311 => "",
                };
                format!(
                    "{broker} closed the connection without a welcome; if it wants TLS, use mqtts://{version}"
                )
            }
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

    fn version(&self) -> &'static str {
        match self.mqtt.version {
            MqttVersion::V5 => "5",
            MqttVersion::V311 => "3.1.1",
        }
    }

    fn other_version(&self) -> &'static str {
        match self.mqtt.version {
            MqttVersion::V5 => "set version = \"3.1.1\" in [mqtt]",
            MqttVersion::V311 => "set version = \"5\" in [mqtt]",
        }
    }
}

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
        let cases = [
            (
                Fault::Login("NotAuthorized".to_owned()),
                "127.0.0.1:1883 refuses the login (NotAuthorized): check user and password in [mqtt]",
                false,
            ),
            (
                Fault::Io(std::io::ErrorKind::ConnectionRefused.into()),
                "cannot reach 127.0.0.1:1883: connection refused",
                false,
            ),
            (
                Fault::TakenOver,
                "127.0.0.1:1883 has given the id `spotter-edge-1` to another client: does a second node have the \
                 same name?",
                true,
            ),
            (
                Fault::SentAway("ServerShuttingDown: upgrade".to_owned()),
                "127.0.0.1:1883 ended the connection (ServerShuttingDown: upgrade)",
                false,
            ),
            (
                Fault::Version,
                "127.0.0.1:1883 does not speak MQTT 5: set version = \"3.1.1\" in [mqtt]",
                false,
            ),
            (
                Fault::ClosedEarly,
                "127.0.0.1:1883 closed the connection without a welcome; if it wants TLS, use mqtts://; if it knows no \
                 MQTT 5, set version = \"3.1.1\" in [mqtt]",
                false,
            ),
        ];
        for (fault, text, patient) in cases {
            assert_eq!(dial.explain(&fault), Trouble { text: text.to_owned(), patient });
        }
    }

    #[test]
    fn a_link_stays_within_what_rumqttc_takes() {
        let mut config = test_config(1883);
        config.keep_alive = Duration::from_secs(1);
        config.host = "::1".to_owned();
        let dialled = dial(&config);
        let target = dialled.target(None, 1, 1);
        assert_eq!((target.keep_alive, target.host.as_str()), (Duration::from_secs(5), "[::1]"));
        // A certificate has addresses without brackets.
        config.tls = Some(Tls { insecure: true, ..Tls::default() });
        assert_eq!(dial(&config).target(None, 1, 1).host, "::1");
    }
}
