//! A broker inside the process, for the demo: loopback only, nothing kept, nobody asked for a login.
//!
//! rumqttd speaks each MQTT version on a port of its own, so there are two: Spotter connects to the first (MQTT 5), and
//! clients that are not told a version (`mosquitto_sub`) to the second (3.1.1). It is no broker to build a site on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::{ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings};
use tokio::sync::oneshot;

use super::PublishError;

/// How long the broker may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// A running broker. Dropping it stops it.
pub struct Broker {
    port: u16,
    port_v3: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on the wanted loopback ports, or on free ones, and waits until it listens.
    ///
    /// # Errors
    /// When a wanted port is taken, or there is no thread to be had.
    pub fn start(port: Option<u16>, port_v3: Option<u16>) -> Result<Self, PublishError> {
        // Both are held until both are known, so that they differ.
        let (v5, v3) = (reserve(port)?, reserve(port_v3)?);
        let addresses = [local_address(&v5)?, local_address(&v3)?];
        drop((v5, v3));
        let failed = |error| PublishError::Thread { thread: "broker", error };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let (fault, faults) = sync_channel(1);
        let run = move || {
            let fault_text = runtime.block_on(serve(addresses, stopped));
            if let Some(text) = fault_text
                && fault.send(text.clone()).is_err()
            {
                tracing::error!("embedded broker: {text}");
            }
        };
        let thread = std::thread::Builder::new().name("broker".to_owned()).spawn(run).map_err(failed)?;
        let broker = Broker {
            port: addresses[0].port(),
            port_v3: addresses[1].port(),
            stop: Some(stop),
            thread: Some(thread),
        };
        for address in addresses {
            await_listening(address, &faults)?;
        }
        Ok(broker)
    }

    /// The loopback port for MQTT 5.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The loopback port for MQTT 3.1.1.
    pub fn port_v3(&self) -> u16 {
        self.port_v3
    }

    /// Closes its ports and all connections and joins its thread. rumqttd's router thread cannot be ended; it stays,
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
async fn serve(addresses: [SocketAddr; 2], stop: oneshot::Receiver<()>) -> Option<String> {
    let router = Router::new(0, router_config()).spawn();
    let mut v5 = Server::new(server_settings("broker-v5", addresses[0]), router.clone(), V5);
    let mut v3 = Server::new(server_settings("broker-v3", addresses[1]), router, V4);
    tokio::select! {
        _ = stop => None,
        ended = v5.start(LinkType::Remote) => Some(format!("{ended:?}")),
        ended = v3.start(LinkType::Remote) => Some(format!("{ended:?}")),
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

fn server_settings(name: &str, listen: SocketAddr) -> ServerSettings {
    ServerSettings {
        name: name.to_owned(),
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

fn reserve(port: Option<u16>) -> Result<TcpListener, PublishError> {
    let port = port.unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| PublishError::Broker { port, why: error.to_string() })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, PublishError> {
    listener.local_addr().map_err(|error| PublishError::Broker { port: 0, why: error.to_string() })
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
