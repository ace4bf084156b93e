//! A connection to a broker: packets out of requests, events out of packets.
//!
//! Reads while it writes, so that a broker's last words are heard even when it takes no more. Pings at the keep-alive time;
//! a broker that then says nothing for as long is gone. Stepped by [`super::EventLoop`] alone.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::look::{Listener, begins_another, look, recognize};
use super::read::{self, Acknowledge, Packet, Unreadable, Welcome};
use super::reason;
use super::socket::{self, Socket};
use super::{Event, Fault, Limits, MAX_INCOMING_BYTES, Publish, QoS, Request, Target, websocket, write};
use crate::config::MqttVersion;

/// Bytes that wait to be written, above which no further request is taken.
const MOST_UNWRITTEN: usize = 64 * 1024;

/// How long a broker that takes no more may take to say why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection.
pub(super) struct Wire {
    version: MqttVersion,
    reader: ReadHalf<Box<dyn Socket>>,
    writer: WriteHalf<Box<dyn Socket>>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Bytes to come of a message that is too large.
    passing_over: usize,
    /// Whether something was written and not flushed.
    unflushed: bool,
    farewell: Farewell,
    /// Whether the broker acknowledges messages.
    acknowledges: bool,
    last_id: u16,
    /// Numbers that the broker has not answered.
    open: BTreeSet<u16>,
    /// Numbers of messages that the next ping stands for, and those that the present one does.
    unconfirmed: Vec<u16>,
    confirming: Vec<u16>,
    keep_alive: Duration,
    ping_due: Instant,
    /// Since when an answer to a ping is owed.
    pinged: Option<Instant>,
    /// When the broker last showed that it is there: it sent something, or took a part of what is long.
    alive: Instant,
}

/// How far saying goodbye has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    No,
    Asked,
    /// This side is closed.
    Said,
}

/// Connects, and greets the broker.
pub(super) async fn connect(target: &Target) -> Result<(Wire, Limits), Fault> {
    let fault = match attempt(target).await {
        Ok(connected) => return Ok(connected),
        Err(fault) => fault,
    };
    if matches!(fault, Fault::ClosedEarly)
        && let Some(connected) = with_less(target).await
    {
        return Ok(connected);
    }
    let may_be_another = match &fault {
        Fault::ClosedEarly | Fault::WebSocket(_) | Fault::Timeout => true,
        // Perhaps in the midst of a handshake.
        Fault::Unreachable => target.web.is_some(),
        _ => false,
    };
    if may_be_another && let Some(listener) = look(target).await {
        return Err(Fault::Listener(listener));
    }
    Err(fault)
}

/// Connects and greets once.
async fn attempt(target: &Target) -> Result<(Wire, Limits), Fault> {
    let mut reached = false;
    let greeted = timeout(target.timeout, async {
        let socket = socket::encrypted(target).await?;
        let socket = match &target.web {
            Some(path) => websocket::open(socket, target, path).await?,
            None => socket,
        };
        reached = true;
        greet(socket, target).await
    })
    .await;
    match greeted {
        Ok(greeted) => greeted.map_err(Fault::before_the_welcome),
        Err(_) if reached => Err(Fault::Timeout),
        Err(_) => Err(Fault::Unreachable),
    }
}

/// Connects with a last will that wants less. A broker of MQTT 3.1.1 that keeps no retained messages, or knows no QoS 1, has no
/// word for that: it closes. When it takes this client without a will, and again not with it, the will is why.
async fn with_less(target: &Target) -> Option<(Wire, Limits)> {
    let will = target.will.as_ref().filter(|_| target.version == MqttVersion::V311)?;
    let with = |will| Target { will, ..target.clone() };
    drop(attempt(&with(None)).await.ok()?);
    let less = QoS::AtMostOnce;
    for (retain, qos) in [(will.retain, will.qos), (false, will.qos), (will.retain, less), (false, less)] {
        match attempt(&with(Some(Publish { retain, qos, ..will.clone() }))).await {
            Ok(connected) => return Some(connected),
            Err(Fault::ClosedEarly) => {}
            Err(_) => return None,
        }
    }
    None
}

async fn greet(socket: Box<dyn Socket>, target: &Target) -> Result<(Wire, Limits), Fault> {
    let (reader, writer) = tokio::io::split(socket);
    let now = Instant::now();
    let mut wire = Wire {
        version: target.version,
        reader,
        writer,
        incoming: BytesMut::with_capacity(4096),
        outgoing: BytesMut::new(),
        passing_over: 0,
        unflushed: false,
        farewell: Farewell::No,
        acknowledges: true,
        last_id: 0,
        open: BTreeSet::new(),
        unconfirmed: Vec::new(),
        confirming: Vec::new(),
        keep_alive: target.keep_alive,
        ping_due: now + target.keep_alive,
        pinged: None,
        alive: now,
    };
    write::connect(&mut wire.outgoing, target);
    wire.writer.write_all(&wire.outgoing).await.map_err(Fault::Io)?;
    wire.writer.flush().await.map_err(Fault::Io)?;
    wire.outgoing.clear();
    loop {
        if let Some(listener) = recognize(&wire.incoming) {
            return Err(Fault::Listener(listener));
        }
        if begins_another(&wire.incoming) {
            return Err(Fault::Listener(Listener::Other));
        }
        match wire.packet()? {
            Some(Packet::Welcome(Ok(Welcome { mut limits, keep_alive }))) => {
                if let Some(will) = &target.will {
                    // A broker that was seen to acknowledge nothing gets a last will without QoS 1.
                    limits.acknowledges &= will.qos == QoS::AtLeastOnce;
                    // One of MQTT 3.1.1 does not say that it keeps nothing: see `with_less`.
                    limits.retains &= will.retain || target.version == MqttVersion::V5;
                }
                wire.acknowledges = limits.acknowledges;
                // Zero switches it off, which is no reason to trust a dead connection.
                wire.keep_alive = keep_alive.filter(|wanted| !wanted.is_zero()).unwrap_or(wire.keep_alive);
                wire.ping_due = Instant::now() + wire.keep_alive;
                return Ok((wire, limits));
            }
            Some(Packet::Welcome(Err(reason))) => {
                return Err(match reason.code {
                    reason::UNSUPPORTED_VERSION => Fault::Version,
                    0x86 | 0x87 => Fault::Login(reason),
                    _ => Fault::Refused(reason),
                });
            }
            Some(Packet::Goodbye(reason)) => return Err(Fault::SentAway(reason)),
            Some(other) => return Err(Fault::Unreadable(format!("{other:?} before the welcome"))),
            None => {}
        }
        if wire.reader.read_buf(&mut wire.incoming).await.map_err(Fault::Io)? == 0 {
            return Err(Fault::Closed);
        }
    }
}

/// What a turn has done.
enum Done {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Asked(Option<Request>),
    Waited,
}

impl Wire {
    /// Does the next thing that can be done: reads, writes, takes a request, or pings.
    pub(super) async fn turn(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Fault> {
        let takes = self.outgoing.len() < MOST_UNWRITTEN && self.farewell == Farewell::No;
        let writes = !self.outgoing.is_empty() || self.unflushed || self.farewell == Farewell::Asked;
        let due = self.due();
        let Wire { reader, writer, incoming, outgoing, farewell, .. } = self;
        // Whichever is first; the others have then done nothing.
        let done = tokio::select! {
            read = reader.read_buf(incoming) => Done::Read(read),
            wrote = write(writer, outgoing, *farewell), if writes => Done::Wrote(wrote),
            request = requests.recv(), if takes => Done::Asked(request),
            () = sleep_until(due) => Done::Waited,
        };
        match done {
            Done::Read(Ok(0)) => Err(Fault::Closed),
            Done::Read(Ok(_)) => {
                self.alive = Instant::now();
                self.understand(events)
            }
            Done::Read(Err(error)) => Err(Fault::Io(error)),
            Done::Wrote(Ok(0)) if self.outgoing.is_empty() => {
                self.unflushed = false;
                if self.farewell == Farewell::Asked {
                    self.farewell = Farewell::Said;
                }
                Ok(())
            }
            Done::Wrote(Ok(bytes)) => {
                self.outgoing.advance(bytes);
                self.unflushed = true;
                if !self.outgoing.is_empty() {
                    self.alive = Instant::now();
                }
                Ok(())
            }
            Done::Wrote(Err(error)) => Err(self.last_words(error, events).await),
            Done::Asked(Some(request)) => {
                self.take(request, events);
                Ok(())
            }
            // Nobody is there any more who could ask.
            Done::Asked(None) => Err(Fault::Other("the link was given up".to_owned())),
            Done::Waited => self.ping_or_give_up(),
        }
    }

    /// The next packet that has come whole.
    fn packet(&mut self) -> Result<Option<Packet>, Fault> {
        loop {
            let passed = self.passing_over.min(self.incoming.len());
            self.incoming.advance(passed);
            self.passing_over -= passed;
            if self.passing_over > 0 {
                return Ok(None);
            }
            match read::next(&mut self.incoming, self.version) {
                Ok(Some(Packet::TooLarge(bytes))) => {
                    tracing::warn!(
                        bytes,
                        most = MAX_INCOMING_BYTES,
                        "a message from the broker is too large: passed over"
                    );
                    self.passing_over = bytes;
                }
                Ok(packet) => return Ok(packet),
                Err(Unreadable(why)) => return Err(Fault::Unreadable(why)),
            }
        }
    }

    fn understand(&mut self, events: &mut VecDeque<Event>) -> Result<(), Fault> {
        while let Some(packet) = self.packet()? {
            match packet {
                Packet::Published(packet_id, result) => {
                    self.open.remove(&packet_id);
                    events.push_back(Event::Acknowledged { packet_id, refused: result.err() });
                }
                Packet::Subscribed(packet_id, result) => {
                    self.open.remove(&packet_id);
                    events.push_back(Event::Subscribed { packet_id, result });
                }
                Packet::Message(incoming, acknowledge) => {
                    match acknowledge {
                        Acknowledge::Not => {}
                        Acknowledge::Once(packet_id) => write::puback(&mut self.outgoing, packet_id),
                        Acknowledge::Twice(packet_id) => write::pubrec(&mut self.outgoing, packet_id),
                    }
                    events.push_back(Event::Received(incoming));
                }
                Packet::Released(packet_id) => write::pubcomp(&mut self.outgoing, packet_id),
                Packet::Pong => {
                    self.pinged = None;
                    events.push_back(Event::Alive);
                    for packet_id in self.confirming.drain(..) {
                        self.open.remove(&packet_id);
                        events.push_back(Event::Acknowledged { packet_id, refused: None });
                    }
                    if !self.unconfirmed.is_empty() {
                        self.ping();
                    }
                }
                Packet::Goodbye(reason) => return Err(Fault::SentAway(reason)),
                Packet::Welcome(_) => return Err(Fault::Unreadable("a second CONNACK".to_owned())),
                // The latter is passed over before.
                Packet::Other | Packet::TooLarge(_) => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, request: Request, events: &mut VecDeque<Event>) {
        match request {
            Request::Publish(publish) => self.publish(&publish, events),
            Request::Subscribe(filters) => {
                let packet_id = self.next_id();
                write::subscribe(&mut self.outgoing, self.version, &filters, packet_id);
                events.push_back(Event::Numbered(packet_id));
            }
            Request::Disconnect => {
                write::disconnect(&mut self.outgoing);
                self.farewell = Farewell::Asked;
            }
        }
    }

    fn publish(&mut self, publish: &Publish, events: &mut VecDeque<Event>) {
        match publish.qos {
            QoS::AtMostOnce => {
                write::publish(&mut self.outgoing, self.version, publish, QoS::AtMostOnce, 0);
                events.push_back(Event::Sent);
            }
            QoS::AtLeastOnce => {
                let packet_id = self.next_id();
                let qos = if self.acknowledges { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                write::publish(&mut self.outgoing, self.version, publish, qos, packet_id);
                events.push_back(Event::Numbered(packet_id));
                if !self.acknowledges {
                    self.unconfirmed.push(packet_id);
                    if self.pinged.is_none() {
                        self.ping();
                    }
                }
            }
        }
    }

    /// A number that nothing on its way has.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && self.open.insert(self.last_id) {
                return self.last_id;
            }
        }
    }

    fn ping(&mut self) {
        write::ping(&mut self.outgoing);
        let now = Instant::now();
        self.confirming.append(&mut self.unconfirmed);
        self.pinged = Some(now);
        self.ping_due = now + self.keep_alive;
    }

    /// When to ping, or to give up.
    fn due(&self) -> Instant {
        self.pinged.map_or(self.ping_due, |pinged| pinged.max(self.alive) + self.keep_alive)
    }

    fn ping_or_give_up(&mut self) -> Result<(), Fault> {
        if self.pinged.is_some() {
            return Err(Fault::Silent);
        }
        self.ping();
        Ok(())
    }

    /// Why a broker takes no more, when it says so.
    async fn last_words(&mut self, error: io::Error, events: &mut VecDeque<Event>) -> Fault {
        let words = async {
            while self.reader.read_buf(&mut self.incoming).await.is_ok_and(|bytes| bytes > 0) {
                self.understand(events)?;
            }
            Ok(())
        };
        match timeout(LAST_WORDS, words).await {
            Ok(Err(fault)) => fault,
            Ok(Ok(())) | Err(_) => Fault::Io(error),
        }
    }
}

/// Writes some of it; flushes when nothing is left, and closes this side when that was the goodbye.
async fn write(
    writer: &mut WriteHalf<Box<dyn Socket>>,
    outgoing: &BytesMut,
    farewell: Farewell,
) -> io::Result<usize> {
    if !outgoing.is_empty() {
        return match writer.write(outgoing).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            bytes => Ok(bytes),
        };
    }
    writer.flush().await?;
    if farewell == Farewell::Asked {
        writer.shutdown().await?;
    }
    Ok(0)
}
