//! A link to a broker: the same values for MQTT 5 and MQTT 3.1.1.
//!
//! [`super::connection`] and [`super::subscriber`] speak to brokers through this alone; `v5` and `v4` translate to and
//! from rumqttc's two clients. MQTT 3.1.1 has no properties, so they are left out there, and it has no way to say that a
//! publish was refused: a broker whose rights deny a topic acknowledges what comes there like everything else (mosquitto
//! does) or cuts the connection. Whoever wants refusals named speaks MQTT 5.

mod accept_any_certificate;
pub(super) mod tls;
mod v4;
mod v5;

use std::io;
use std::time::Duration;

use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

use super::PublishError;
use crate::config::{MqttVersion, Secret};

/// Largest packet taken from a broker: a node gets its own cameras' pictures back when it looks for those that it should
/// clear.
const MAX_INCOMING_BYTES: u32 = 16 * 1024 * 1024;

/// How surely a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QoS {
    /// Sent once and never acknowledged.
    AtMostOnce,
    /// Acknowledged.
    AtLeastOnce,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Not sent in MQTT 3.1.1.
    pub(super) properties: Properties,
}

/// What MQTT 5 says about a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    pub(super) content_type: Option<String>,
    /// Whether the payload is UTF-8 text (payload format indicator).
    pub(super) utf8: bool,
    /// After so long, in whole seconds, the broker delivers it no more.
    pub(super) expiry: Option<Duration>,
    pub(super) user: Vec<(String, String)>,
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Vec<u8>>,
}

impl Properties {
    /// At least as many bytes as they take in a packet.
    fn max_bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, |text| 3 + text.len());
        let user: usize = self.user.iter().map(|(key, value)| 5 + key.len() + value.len()).sum();
        let correlation = self.correlation.as_ref().map_or(0, |data| 3 + data.len());
        // The length itself takes four bytes at most, the format two, the expiry five.
        11 + text(&self.content_type) + text(&self.response_topic) + user + correlation
    }
}

impl Publish {
    /// At least as many bytes as its packet has.
    pub(super) fn max_bytes(&self) -> usize {
        // The fixed header takes five bytes at most, the topic's length two, the packet id two.
        9 + self.topic.len() + self.properties.max_bytes() + self.payload.len()
    }
}

/// A message that was received.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Incoming {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether the broker had kept it.
    pub(super) retained: bool,
    pub(super) qos: QoS,
    /// Empty in MQTT 3.1.1.
    pub(super) properties: Properties,
}

/// What happens on a link.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// The broker takes this client, and so much: publishes on their way, bytes in a packet.
    Welcomed { receive_maximum: Option<u16>, max_packet_bytes: Option<usize> },
    /// The oldest request that waits for a number has it: a publish with [`QoS::AtLeastOnce`], or a subscription.
    Numbered(u16),
    /// The oldest publish with [`QoS::AtMostOnce`] was sent.
    Sent,
    /// The broker has answered a publish; why it does not want it.
    Acknowledged { packet_id: u16, refused: Option<String> },
    /// The broker has answered a subscription; why it does not take it.
    Subscribed { packet_id: u16, result: Result<(), String> },
    /// A message has come. It is acknowledged already.
    Received(Incoming),
    /// Nothing that matters here.
    Nothing,
}

/// Why a link failed or ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// The broker refuses user and password.
    Login(String),
    /// It speaks another version of MQTT.
    Version,
    /// It refuses the connection for another reason.
    Refused(String),
    /// Another client has the same id.
    TakenOver,
    /// It ended the connection and said why.
    SentAway(String),
    /// Its welcome did not come in time.
    Timeout,
    /// It does not answer any more.
    Silent,
    /// It closed the connection without a word.
    Closed,
    /// It closed the connection before its welcome.
    ClosedEarly,
    /// The network or TLS, before TLS was established.
    Handshake(io::Error),
    /// The network, or TLS in it.
    Io(io::Error),
    /// What came cannot be read.
    Unreadable(String),
    /// Anything else.
    Other(String),
}

impl Fault {
    /// What it means before the broker's welcome.
    fn before_the_welcome(self) -> Self {
        match self {
            // A broker of another version answers the greeting in its own.
            Fault::Unreadable(_) => Fault::Version,
            Fault::Closed => Fault::ClosedEarly,
            Fault::Io(error) if tls::inner(&error).is_none() && is_end(&error) => Fault::ClosedEarly,
            other => other,
        }
    }
}

/// Whether the other side has closed.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind())
}

/// Where to connect and as whom.
pub(super) struct Target<'a> {
    pub(super) version: MqttVersion,
    pub(super) host: String,
    pub(super) port: u16,
    /// How to speak TLS, if at all.
    pub(super) tls: Option<tls::Connector>,
    pub(super) client_id: &'a str,
    pub(super) keep_alive: Duration,
    /// How long it may take from the first packet to the broker's welcome.
    pub(super) timeout: Duration,
    pub(super) login: Option<(&'a str, &'a Secret)>,
    /// What the broker publishes when the link ends without a goodbye.
    pub(super) will: Option<Publish>,
    /// Publishes on their way at a time.
    pub(super) window: u16,
    /// Requests that wait to be sent, at most.
    pub(super) requests: usize,
}

impl Target<'_> {
    fn network(&self) -> NetworkOptions {
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(self.timeout.as_secs());
        network
    }

    fn transport(&self) -> Transport {
        match &self.tls {
            Some(connector) => Transport::tls_with_config(TlsConfiguration::Rustls(connector.clone())),
            None => Transport::tcp(),
        }
    }
}

/// Takes requests; cheap. Nothing is sent while the link's [`EventLoop`] is not stepped.
pub(super) enum Client {
    V5(rumqttc::v5::AsyncClient),
    V4(rumqttc::AsyncClient),
}

/// The link itself.
pub(super) struct EventLoop {
    wire: Wire,
    welcomed: bool,
}

enum Wire {
    V5(Box<rumqttc::v5::EventLoop>),
    V4(Box<rumqttc::EventLoop>),
}

/// Prepares a link with a new session that the broker forgets as soon as the link ends. Nothing is missed by that: a
/// publisher's only state at the broker would be QoS 2, and what is unacknowledged is offered anew from here.
pub(super) fn open(target: Target<'_>) -> (Client, EventLoop) {
    let (client, wire) = match target.version {
        MqttVersion::V5 => {
            let (client, event_loop) = v5::open(target);
            (Client::V5(client), Wire::V5(Box::new(event_loop)))
        }
        MqttVersion::V311 => {
            let (client, event_loop) = v4::open(target);
            (Client::V4(client), Wire::V4(Box::new(event_loop)))
        }
    };
    (client, EventLoop { wire, welcomed: false })
}

/// One step of a link, which comes back with its event. Owning the link, the step can be kept while other things are
/// waited for: a step that is dropped half-way may lose a packet that rumqttc already counts as sent.
pub(super) async fn step(mut event_loop: EventLoop) -> (EventLoop, Result<Event, Fault>) {
    let stepped = match &mut event_loop.wire {
        Wire::V5(wire) => wire.poll().await.map(v5::event).map_err(v5::fault),
        Wire::V4(wire) => wire.poll().await.map(v4::event).map_err(v4::fault),
    };
    let stepped = match stepped {
        Ok(event) => {
            event_loop.welcomed |= matches!(event, Event::Welcomed { .. });
            Ok(event)
        }
        Err(fault) => Err(if event_loop.welcomed { fault } else { fault.before_the_welcome() }),
    };
    (event_loop, stepped)
}

impl EventLoop {
    /// Events that came just before the link ended.
    pub(super) fn last_events(&mut self) -> Vec<Event> {
        match &mut self.wire {
            Wire::V5(wire) => wire.state.events.drain(..).map(v5::event).collect(),
            Wire::V4(wire) => wire.state.events.drain(..).map(v4::event).collect(),
        }
    }
}

/// The queue of requests is full, or the link is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the MQTT client takes no request")]
pub(super) struct NoRoom;

impl Client {
    /// Asks for a message to be sent. Never waits.
    pub(super) fn publish(&self, publish: Publish) -> Result<(), NoRoom> {
        match self {
            Client::V5(client) => v5::publish(client, publish),
            Client::V4(client) => v4::publish(client, publish),
        }
    }

    /// Asks for what matches the filters, all in one request. Never waits.
    pub(super) fn subscribe(&self, filters: &[String]) -> Result<(), NoRoom> {
        match self {
            Client::V5(client) => v5::subscribe(client, filters),
            Client::V4(client) => v4::subscribe(client, filters),
        }
    }

    /// Says goodbye after what was asked for before. Never waits.
    pub(super) fn disconnect(&self) -> Result<(), NoRoom> {
        let asked = match self {
            Client::V5(client) => client.try_disconnect().is_ok(),
            Client::V4(client) => client.try_disconnect().is_ok(),
        };
        if asked { Ok(()) } else { Err(NoRoom) }
    }
}

#[cfg(test)]
mod tests;
