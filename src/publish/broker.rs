//! A broker inside the process, for the demo: loopback only, nothing kept, nobody asked for a login.
//!
//! It serves clients of MQTT 5 and of 3.1.1 (which `mosquitto_sub` speaks unless told otherwise) on one port. It is no
//! broker to build a site on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Error as ProtocolError, Packet, Protocol};
use rumqttd::{ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings};
use tokio::sync::oneshot;
use tracing::subscriber::NoSubscriber;

use super::PublishError;

/// How long the broker may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// A running broker. Dropping it stops it.
pub struct Broker {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on the wanted loopback port, or on a free one, and waits until it listens.
    ///
    /// # Errors
    /// When the wanted port is taken, or there is no thread to be had.
    pub fn start(port: Option<u16>) -> Result<Self, PublishError> {
        let address = free_address(port)?;
        let failed = |error| PublishError::Thread { thread: "broker", error };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let (fault, faults) = sync_channel(1);
        let run = move || {
            // rumqttd calls it an error when a client goes without a word.
            let silent = NoSubscriber::default();
            let ended =
                tracing::subscriber::with_default(silent, || runtime.block_on(serve(address, stopped)));
            if let Some(why) = ended
                && let Err(unheard) = fault.try_send(why)
            {
                tracing::error!("embedded broker: {unheard}");
            }
        };
        let thread = std::thread::Builder::new().name("broker".to_owned()).spawn(run).map_err(failed)?;
        let broker = Broker { port: address.port(), stop: Some(stop), thread: Some(thread) };
        await_listening(address, &faults)?;
        Ok(broker)
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes its port and all connections and joins its thread. rumqttd's router thread cannot be ended; it stays,
    /// asleep, until the process ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Dropping the sender is the order.
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the embedded broker's thread has panicked");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves until told to stop, or until it cannot; then it says why.
async fn serve(address: SocketAddr, stop: oneshot::Receiver<()>) -> Option<String> {
    let router = Router::new(0, router_config()).spawn();
    let mut server = Server::new(server_settings(address), router, Dialect::Unknown);
    tokio::select! {
        _ = stop => None,
        ended = server.start(LinkType::Remote) => Some(match ended {
            Ok(()) => "it ended by itself".to_owned(),
            Err(error) => error.to_string(),
        }),
    }
}

/// The MQTT version of one connection: the one with which the client greets.
///
/// rumqttd listens for one version per port, and it panics when a publish with properties, which only MQTT 5 knows,
/// has to go to a client of 3.1.1. So versions are told apart here, and properties are left out where they are unknown.
#[derive(Clone)]
enum Dialect {
    Unknown,
    V3(V4),
    V5(V5),
}

impl Protocol for Dialect {
    fn read_mut(&mut self, stream: &mut BytesMut, max_size: usize) -> Result<Packet, ProtocolError> {
        if matches!(self, Dialect::Unknown) {
            *self = if protocol_level(stream)? == 5 { Dialect::V5(V5) } else { Dialect::V3(V4) };
        }
        match self {
            Dialect::V5(v5) => v5.read_mut(stream, max_size),
            Dialect::V3(v3) => v3.read_mut(stream, max_size),
            Dialect::Unknown => Err(ProtocolError::InvalidProtocol),
        }
    }

    fn write(&self, packet: Packet, buffer: &mut BytesMut) -> Result<usize, ProtocolError> {
        match self {
            Dialect::V5(v5) => v5.write(packet, buffer),
            Dialect::V3(v3) => v3.write(without_properties(packet), buffer),
            Dialect::Unknown => Err(ProtocolError::InvalidProtocol),
        }
    }
}

/// The protocol level of the CONNECT packet at the start of a stream: after the fixed header (a byte and a remaining
/// length of one to four bytes) stands the protocol's name with its length in two bytes, then the level.
fn protocol_level(stream: &[u8]) -> Result<u8, ProtocolError> {
    let more = || ProtocolError::InsufficientBytes(1);
    let length_bytes = stream.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0).ok_or_else(more)? + 1;
    let name = stream.get(1 + length_bytes..).ok_or_else(more)?;
    let [high, low] = name.first_chunk().ok_or_else(more)?;
    let name_bytes = usize::from(u16::from_be_bytes([*high, *low]));
    name.get(2 + name_bytes).copied().ok_or_else(more)
}

fn without_properties(packet: Packet) -> Packet {
    match packet {
        Packet::Publish(publish, _) => Packet::Publish(publish, None),
        Packet::PubAck(ack, _) => Packet::PubAck(ack, None),
        Packet::PubRec(ack, _) => Packet::PubRec(ack, None),
        Packet::PubRel(ack, _) => Packet::PubRel(ack, None),
        Packet::PubComp(ack, _) => Packet::PubComp(ack, None),
        Packet::SubAck(ack, _) => Packet::SubAck(ack, None),
        Packet::UnsubAck(ack, _) => Packet::UnsubAck(ack, None),
        Packet::Disconnect(disconnect, _) => Packet::Disconnect(disconnect, None),
        other => other,
    }
}

fn router_config() -> RouterConfig {
    RouterConfig {
        max_connections: 64,
        max_outgoing_packet_count: 200,
        max_segment_size: 1024 * 1024,
        max_segment_count: 4,
        ..RouterConfig::default()
    }
}

fn server_settings(listen: SocketAddr) -> ServerSettings {
    ServerSettings {
        name: "embedded".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 5_000,
            max_payload_size: 256 * 1024,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    }
}

/// The wanted loopback address, or one that nobody uses at this moment.
fn free_address(port: Option<u16>) -> Result<SocketAddr, PublishError> {
    let port = port.unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| PublishError::Broker { port, why: error.to_string() })
}

fn await_listening(address: SocketAddr, faults: &Receiver<String>) -> Result<(), PublishError> {
    let fault = |why| PublishError::Broker { port: address.port(), why };
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match faults.try_recv() {
            Ok(why) => return Err(fault(why)),
            Err(TryRecvError::Disconnected) => return Err(fault("its thread has panicked".to_owned())),
            Err(TryRecvError::Empty) => {}
        }
        match TcpStream::connect_timeout(&address, START_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(fault(error.to_string())),
            Err(_) => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_by_the_greeting() {
        let cases: [(&[u8], Option<u8>); 6] = [
            (b"\x10\x10\x00\x04MQTT\x05\x02", Some(5)),
            (b"\x10\x10\x00\x04MQTT\x04\x02", Some(4)),
            (b"\x10\xff\x01\x00\x04MQTT\x05", Some(5)),
            (b"\x10\x10\x00\x06MQIsdp\x03", Some(3)),
            (b"\x10\x10\x00\x04MQTT", None),
            (b"\x10\xff", None),
        ];
        for (greeting, level) in cases {
            assert_eq!(protocol_level(greeting).ok(), level, "{greeting:?}");
        }
    }
}
