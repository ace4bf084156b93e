//! A link to a broker: the same values for MQTT 5 and MQTT 3.1.1, over TCP, TLS and WebSocket.
//!
//! [`super::connection`] and [`super::subscriber`] speak to brokers through this alone. MQTT 3.1.1 has no properties, so
//! they are left out there, and it has no way to say that a publish was refused: a broker whose rights deny a topic
//! acknowledges what comes there like everything else (mosquitto does) or cuts the connection. Whoever wants refusals
//! named speaks MQTT 5.
//!
//! `read` and `write` are the packets, `socket` is what they go through, `wire` a connection, `look` finds out what listens
//! where no broker answers. Why this is no library: `docs/decisions/0018-mqtt-client.md`.

mod accept_any_certificate;
mod look;
mod read;
mod reason;
mod socket;
pub(super) mod tls;
mod websocket;
mod wire;
mod write;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub(super) use look::{Listener, Seen};
pub(super) use reason::{Blame, Reason};
use wire::Wire;

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

/// What a broker can do, as it says itself in MQTT 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Publishes on their way at a time.
    pub(super) receive_maximum: Option<u16>,
    /// Bytes in a packet.
    pub(super) max_packet_bytes: Option<usize>,
    /// Whether it acknowledges messages (QoS 1). Where it does not, they are sent without, and a ping that it answers
    /// behind them stands for the acknowledgement: brokers read in order.
    pub(super) acknowledges: bool,
    /// Whether it keeps retained messages.
    pub(super) retains: bool,
    /// Whether it takes subscriptions with wildcards.
    pub(super) wildcards: bool,
}

impl Default for Limits {
    /// A broker that says nothing of limits has none.
    fn default() -> Self {
        Limits {
            receive_maximum: None,
            max_packet_bytes: None,
            acknowledges: true,
            retains: true,
            wildcards: true,
        }
    }
}

/// What happens on a link.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// The broker takes this client.
    Welcomed(Limits),
    /// The oldest request that waits for a number has it: a publish with [`QoS::AtLeastOnce`], or a subscription.
    Numbered(u16),
    /// The oldest publish with [`QoS::AtMostOnce`] was sent.
    Sent,
    /// The broker has answered a publish; why it does not want it.
    Acknowledged { packet_id: u16, refused: Option<Reason> },
    /// The broker has answered a subscription; why it does not take it.
    Subscribed { packet_id: u16, result: Result<(), Reason> },
    /// A message has come. It is acknowledged already.
    Received(Incoming),
    /// The broker has answered a ping.
    Alive,
}

/// Why a link failed or ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// The broker refuses user and password.
    Login(Reason),
    /// It speaks another version of MQTT.
    Version,
    /// It refuses the connection for another reason.
    Refused(Reason),
    /// It ended the connection and said why.
    SentAway(Reason),
    /// It was reached, and its welcome did not come in time.
    Timeout,
    /// Nothing was reached in time.
    Unreachable,
    /// It does not answer any more.
    Silent,
    /// It closed the connection without a word.
    Closed,
    /// It closed the connection before its welcome.
    ClosedEarly,
    /// Something else listens there than the address says.
    Listener(Listener),
    /// It does not take the WebSocket; why.
    WebSocket(String),
    /// TLS, before it was established.
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
            Fault::SentAway(reason) => Fault::Refused(reason),
            Fault::Closed => Fault::ClosedEarly,
            Fault::Io(error) if tls::inner(&error).is_none() && is_end(&error) => Fault::ClosedEarly,
            other => other,
        }
    }

    /// Whether a message of ours may be why. Only when the other side ended the connection.
    pub(super) fn blame(&self) -> Blame {
        match self {
            Fault::Closed => Blame::Message,
            Fault::SentAway(reason) => reason.blame(),
            Fault::Io(error) if is_end(error) => Blame::Message,
            _ => Blame::None,
        }
    }
}

/// Whether the other side has closed.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind())
}

/// Where to connect and as whom.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) version: MqttVersion,
    /// A name or an address, an IPv6 one without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// How to speak TLS, if at all.
    pub(super) tls: Option<tls::Connector>,
    /// The path to ask for by WebSocket, if by that.
    pub(super) web: Option<String>,
    pub(super) client_id: String,
    pub(super) keep_alive: Duration,
    /// How long it may take from the first packet to the broker's welcome.
    pub(super) timeout: Duration,
    pub(super) login: Option<(String, Secret)>,
    /// What the broker publishes when the link ends without a goodbye.
    pub(super) will: Option<Publish>,
    /// Requests that wait to be sent, at most.
    pub(super) requests: usize,
    /// What was seen listening there.
    pub(super) seen: Arc<Seen>,
}

/// What is asked of a link.
#[derive(Debug)]
enum Request {
    Publish(Publish),
    Subscribe(Vec<String>),
    Disconnect,
}

/// Takes requests; cheap. Nothing is sent while the link's [`EventLoop`] is not stepped.
pub(super) struct Client(mpsc::Sender<Request>);

/// The link itself.
pub(super) struct EventLoop {
    target: Target,
    requests: mpsc::Receiver<Request>,
    wire: Option<Box<Wire>>,
    events: VecDeque<Event>,
    /// Why it has ended, to be told after the events that came before.
    fault: Option<Fault>,
}

/// Prepares a link with a new session that the broker forgets as soon as the link ends. Nothing is missed by that: a
/// publisher's only state at the broker would be QoS 2, and what is unacknowledged is offered anew from here.
pub(super) fn open(target: Target) -> (Client, EventLoop) {
    let (sender, requests) = mpsc::channel(target.requests);
    (Client(sender), EventLoop { target, requests, wire: None, events: VecDeque::new(), fault: None })
}

/// One step of a link, which comes back with its event. Owning the link, the step can be kept while other things are
/// waited for.
pub(super) async fn step(mut event_loop: EventLoop) -> (EventLoop, Result<Event, Fault>) {
    let stepped = event_loop.next().await;
    (event_loop, stepped)
}

impl EventLoop {
    async fn next(&mut self) -> Result<Event, Fault> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            match &mut self.wire {
                None => {
                    let (wire, limits) = wire::connect(&self.target).await?;
                    self.wire = Some(Box::new(wire));
                    return Ok(Event::Welcomed(limits));
                }
                Some(wire) => {
                    self.fault = wire.turn(&mut self.requests, &mut self.events).await.err();
                }
            }
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
        self.ask(Request::Publish(publish))
    }

    /// Asks for what matches the filters, all in one request. Never waits.
    pub(super) fn subscribe(&self, filters: &[String]) -> Result<(), NoRoom> {
        self.ask(Request::Subscribe(filters.to_vec()))
    }

    /// Says goodbye after what was asked for before. Never waits.
    pub(super) fn disconnect(&self) -> Result<(), NoRoom> {
        self.ask(Request::Disconnect)
    }

    fn ask(&self, request: Request) -> Result<(), NoRoom> {
        self.0.try_send(request).map_err(|_| NoRoom)
    }
}

#[cfg(test)]
mod tests;
