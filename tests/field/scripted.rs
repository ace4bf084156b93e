//! A broker that does what a test says, byte by byte: for what no broker of the registries does, or none any more.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a script waits for a packet.
const PATIENCE: Duration = Duration::from_secs(60);

/// Welcomes a client of MQTT 5 without limits.
pub const WELCOME_5: &[u8] = b"\x20\x03\x00\x00\x00";
/// And one of MQTT 3.1.1.
pub const WELCOME_311: &[u8] = b"\x20\x02\x00\x00";

/// The broker: each connection is served by the script on a thread of its own.
pub struct Scripted {
    port: u16,
    connections: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One connection to it.
pub struct Peer {
    stream: TcpStream,
    stopping: Arc<AtomicBool>,
    /// Which connection this is, from 1.
    pub number: usize,
}

/// A packet of the client.
#[derive(Debug)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Packet {
    /// Its type, such as 3 for PUBLISH.
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    fn number_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.body[at], self.body[at + 1]])
    }

    /// The topic of a PUBLISH.
    pub fn topic(&self) -> String {
        String::from_utf8(self.body[2..2 + usize::from(self.number_at(0))].to_vec()).unwrap()
    }

    /// QoS and retain flag of a PUBLISH.
    pub fn flags(&self) -> (u8, bool) {
        ((self.first >> 1) & 3, self.first & 1 == 1)
    }

    /// The packet id of a PUBLISH with QoS 1, or of a SUBSCRIBE.
    pub fn id(&self) -> u16 {
        match self.kind() {
            3 => self.number_at(2 + usize::from(self.number_at(0))),
            _ => self.number_at(0),
        }
    }

    /// Whether its bytes hold this text.
    pub fn holds(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn named(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name("scripted".to_owned()).spawn(work).unwrap()
}

impl Scripted {
    pub fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, stopping) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, stops, script) = (Arc::clone(&connections), Arc::clone(&stopping), Arc::new(script));
        let serve = move || {
            let mut threads = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if stops.load(Ordering::SeqCst) {
                    break;
                }
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let mut peer = Peer { stream, stopping: Arc::clone(&stops), number };
                let script = Arc::clone(&script);
                threads.push(named(move || script(&mut peer)));
            }
            threads.into_iter().for_each(|thread| {
                if thread.join().is_err() {
                    eprintln!("a script has panicked");
                }
            });
        };
        Scripted { port, connections, stopping, thread: Some(named(serve)) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often it was connected to.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        if woken && self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the scripted broker has panicked");
        }
    }
}

impl Peer {
    /// Exactly so many bytes; nothing when the client has left or the test is over.
    fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let deadline = std::time::Instant::now() + PATIENCE;
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) => return None,
                Ok(read) => filled += read,
                Err(error)
                    if [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut]
                        .contains(&error.kind()) =>
                {
                    if self.stopping.load(Ordering::SeqCst) || std::time::Instant::now() > deadline {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
        Some(bytes)
    }

    /// The next packet; nothing when the client has left.
    pub fn packet(&mut self) -> Option<Packet> {
        let first = self.bytes(1)?[0];
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.bytes(1)?[0];
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(Packet { first, body: self.bytes(length)? })
    }

    /// Sends bytes; a client that has left does not get them.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            eprintln!("the client has left");
        }
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        if self.stream.shutdown(Shutdown::Both).is_err() {
            eprintln!("the client has closed");
        }
    }

    /// Waits for the greeting and answers it.
    pub fn welcome(&mut self, answer: &[u8]) -> Option<Packet> {
        let greeting = self.packet()?;
        self.send(answer);
        Some(greeting)
    }

    /// Acknowledges what wants that, as a broker of this version does.
    pub fn acknowledge(&mut self, packet: &Packet, is_v5: bool) {
        let [high, low] = match packet.kind() {
            3 if packet.flags().0 == 1 => packet.id().to_be_bytes(),
            8 => packet.id().to_be_bytes(),
            12 => return self.send(b"\xD0\x00"),
            _ => return,
        };
        match (packet.kind(), is_v5) {
            (3, _) => self.send(&[0x40, 2, high, low]),
            (_, true) => self.send(&[0x90, 4, high, low, 0, 1]),
            (_, false) => self.send(&[0x90, 3, high, low, 1]),
        }
    }

    /// Takes what comes and answers nothing.
    pub fn serve_nothing(&mut self) {
        while self.packet().is_some() {}
    }

    /// Serves until the client has left.
    pub fn serve(&mut self, is_v5: bool) {
        while let Some(packet) = self.packet() {
            self.acknowledge(&packet, is_v5);
        }
    }
}
