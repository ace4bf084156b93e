//! How to reach a broker: rumqttc's options from the configuration, and its errors in plain words.
//!
//! Used by [`super::connection`] and [`super::subscriber`]; opens no connection itself.

use std::net::Ipv6Addr;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, Event, EventLoop, MqttOptions, StateError};
use rumqttc::{NetworkOptions, Transport};

use super::PublishError;
use crate::config;

/// How long a connection may take from the first packet to the broker's welcome.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest packet taken from a broker; a tag with its summary stays far below.
const MAX_INCOMING_BYTES: u32 = 256 * 1024;

/// Where systems keep the certificate authorities they trust, as one PEM file.
const ROOT_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A broker and how to greet it.
#[derive(Clone)]
pub(super) struct Dial {
    mqtt: config::Mqtt,
    transport: Transport,
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
        let transport = if mqtt.tls { Transport::tls(system_roots()?, None, None) } else { Transport::tcp() };
        Ok(Dial { mqtt: mqtt.clone(), transport, client_id })
    }

    /// Options for a new session that the broker forgets as soon as the connection ends. Nothing is missed by that: a
    /// publisher's only state at the broker would be QoS 2, and what is unacknowledged is offered anew from here.
    pub(super) fn options(&self) -> MqttOptions {
        let host = match self.mqtt.host.parse::<Ipv6Addr>() {
            Ok(address) if !self.mqtt.tls => format!("[{address}]"),
            _ => self.mqtt.host.clone(),
        };
        let mut options = MqttOptions::new(self.client_id.clone(), host, self.mqtt.port);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
        options
            .set_transport(self.transport.clone())
            // rumqttc panics below five seconds, and the packet has 16 bits for it.
            .set_keep_alive(self.keep_alive())
            .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
            .set_max_packet_size(Some(MAX_INCOMING_BYTES))
            .set_clean_start(true)
            .set_network_options(network);
        if let Some((user, password)) = &self.mqtt.login {
            options.set_credentials(user, password.reveal());
        }
        options
    }

    /// How often the broker is shown that the client is alive, within what rumqttc takes.
    pub(super) fn keep_alive(&self) -> Duration {
        self.mqtt.keep_alive.clamp(Duration::from_secs(5), Duration::from_secs(u16::MAX.into()))
    }

    /// Host and port, for the log.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.mqtt.host, self.mqtt.port)
    }

    /// What went wrong and what to do.
    pub(super) fn explain(&self, error: &ConnectionError) -> Trouble {
        let broker = self.address();
        let text = match error {
            ConnectionError::ConnectionRefused(code) => return self.refused(*code),
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
                return self.sent_away(*reason_code, reason_string.as_deref());
            }
            ConnectionError::Timeout(_) => {
                format!("{broker} did not answer within {} s", CONNECT_TIMEOUT.as_secs())
            }
            ConnectionError::Io(error) => format!("cannot reach {broker}: {error}"),
            ConnectionError::Tls(error) => format!("TLS with {broker} failed: {error}"),
            ConnectionError::MqttState(StateError::ConnectionAborted) => {
                format!("{broker} closed the connection")
            }
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                format!("{broker} does not answer any more")
            }
            ConnectionError::NotConnAck(_) => format!("{broker} does not speak MQTT 5"),
            other => format!("connection to {broker} failed: {other}"),
        };
        Trouble { text, patient: false }
    }

    /// The same trouble, when it has come more than once soon after the broker had taken what was published. MQTT 5
    /// brokers do say when a second client takes over, but rumqttc 0.25 cannot read a DISCONNECT that has a reason and
    /// no properties, which is how mosquitto says it.
    pub(super) fn again(&self, trouble: &Trouble) -> Trouble {
        let text = format!(
            "{}, again and soon: does another client, such as a second node of the same name, have the id `{}`?",
            trouble.text, self.client_id
        );
        Trouble { text, ..*trouble }
    }

    fn refused(&self, code: ConnectReturnCode) -> Trouble {
        let broker = self.address();
        let text = match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                format!("{broker} refuses the login ({code:?}): check user and password in [mqtt]")
            }
            ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
                format!("{broker} does not speak MQTT 5")
            }
            other => format!("{broker} refuses the connection ({other:?})"),
        };
        Trouble { text, patient: false }
    }

    fn sent_away(&self, code: DisconnectReasonCode, reason: Option<&str>) -> Trouble {
        let broker = self.address();
        if code == DisconnectReasonCode::SessionTakenOver {
            let text = format!(
                "{broker} has given the id `{}` to another client: does a second node have the same name?",
                self.client_id
            );
            return Trouble { text, patient: true };
        }
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Trouble { text: format!("{broker} ended the connection ({code:?}{reason})"), patient: false }
    }
}

/// One step of an event loop, which comes back with its event. Owning the loop, the step can be kept while other things
/// are waited for: a step that is dropped half-way may lose a packet that rumqttc already counts as sent.
pub(super) async fn step(mut event_loop: EventLoop) -> (EventLoop, Result<Event, ConnectionError>) {
    let event = event_loop.poll().await;
    (event_loop, event)
}

fn system_roots() -> Result<Vec<u8>, PublishError> {
    ROOT_BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).ok_or(PublishError::NoRoots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::test_config;

    #[test]
    fn troubles_name_the_broker_and_what_to_do() {
        let dial = Dial::new(&test_config(1883), "spotter-edge-1".to_owned()).unwrap();
        let server = |reason_code, reason: Option<&str>| {
            let reason_string = reason.map(str::to_owned);
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string })
        };
        let cases = [
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized),
                "127.0.0.1:1883 refuses the login (NotAuthorized): check user and password in [mqtt]",
                false,
            ),
            (
                ConnectionError::Io(std::io::ErrorKind::ConnectionRefused.into()),
                "cannot reach 127.0.0.1:1883: connection refused",
                false,
            ),
            (
                server(DisconnectReasonCode::SessionTakenOver, None),
                "127.0.0.1:1883 has given the id `spotter-edge-1` to another client: does a second node have the \
                 same name?",
                true,
            ),
            (
                server(DisconnectReasonCode::ServerShuttingDown, Some("upgrade")),
                "127.0.0.1:1883 ended the connection (ServerShuttingDown: upgrade)",
                false,
            ),
        ];
        for (error, text, patient) in cases {
            assert_eq!(dial.explain(&error), Trouble { text: text.to_owned(), patient });
        }
    }

    #[test]
    fn options_stay_within_what_rumqttc_takes() {
        let mut config = test_config(1883);
        config.keep_alive = Duration::from_secs(1);
        config.host = "::1".to_owned();
        let options = Dial::new(&config, "x".to_owned()).unwrap().options();
        assert_eq!(options.keep_alive(), Duration::from_secs(5));
        assert_eq!(options.broker_address().0, "[::1]");
    }
}
