//! What listens where no broker answers: one that wants TLS, a WebSocket, or plain MQTT.
//!
//! Brokers that are spoken to in the wrong way mostly close without a word. Then the port is spoken to in the other ways,
//! without login and will, and what it answers is kept for a while, so that a broker that is away is not asked each time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::socket::{self, Socket};
use super::{Target, tls, write};
use crate::config::{MqttVersion, Tls};

/// How long each way may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long what was seen counts.
const KEPT: Duration = Duration::from_secs(60);

/// What listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Listener {
    /// Something that speaks TLS.
    Tls,
    /// A web server, such as a broker's WebSocket.
    Web,
    /// A broker without WebSocket.
    Mqtt,
    /// Something else, such as SSH.
    Other,
}

/// What was seen, and when.
#[derive(Debug, Default)]
pub(in super::super) struct Seen(Mutex<Option<(Instant, Option<Listener>)>>);

/// What the first bytes of an answer show.
pub(super) fn recognize(answer: &[u8]) -> Option<Listener> {
    match answer {
        [b'H', b'T', b'T', b'P', b'/', ..] => Some(Listener::Web),
        // A handshake, or an alert, of any version from SSL 3 to TLS 1.3.
        [0x15 | 0x16, 0x03, 0..=4, ..] => Some(Listener::Tls),
        _ => None,
    }
}

/// Whether the first bytes are none of a broker, in any version, and will be none that [`recognize`] knows.
pub(super) fn begins_another(answer: &[u8]) -> bool {
    // CONNACK, a DISCONNECT that refuses, AUTH; TLS; HTTP.
    answer.first().is_some_and(|first| ![0x20, 0xE0, 0xF0, 0x15, 0x16, b'H'].contains(first))
}

/// What listens at the target, where that is something else than the target says.
pub(super) async fn look(target: &Target) -> Option<Listener> {
    let seen = *target.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, listener)) = seen.filter(|(at, _)| at.elapsed() < KEPT) {
        return listener;
    }
    let listener = look_anew(target).await;
    *target.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), listener));
    listener
}

async fn look_anew(target: &Target) -> Option<Listener> {
    if target.tls.is_none()
        && let Some(hello) = hello(&target.host)
    {
        let plain = Target { tls: None, ..target.clone() };
        if ask(&plain, &hello).await.is_some_and(|answer| recognize(&answer) == Some(Listener::Tls)) {
            return Some(Listener::Tls);
        }
    }
    match target.web {
        None => {
            let host =
                if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
            let request = format!(
                "GET /mqtt HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: c3BvdHRlciBsb29rcyBoZQ==\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Protocol: mqtt\r\n\r\n",
                host, target.port
            );
            ask(target, request.as_bytes()).await.and_then(|answer| recognize(&answer))
        }
        Some(_) => {
            let asking = Target {
                version: MqttVersion::V311,
                client_id: format!("{}-look", target.client_id),
                login: None,
                will: None,
                ..target.clone()
            };
            let mut greeting = BytesMut::new();
            write::connect(&mut greeting, &asking);
            let answer = ask(target, &greeting).await?;
            answer.starts_with(&[0x20, 2]).then_some(Listener::Mqtt)
        }
    }
}

/// The first words of a TLS client.
fn hello(host: &str) -> Option<Vec<u8>> {
    let config = tls::connector(&Tls { insecure: true, ..Tls::default() }).ok()?;
    let mut client = ClientConnection::new(config, ServerName::try_from(host.to_owned()).ok()?).ok()?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello).ok()?;
    Some(hello)
}

/// Says something to the target, over TLS where it has that, and gives the beginning of the answer.
async fn ask(target: &Target, words: &[u8]) -> Option<Vec<u8>> {
    let answer = async {
        let mut socket: Box<dyn Socket> = socket::encrypted(target).await.ok()?;
        socket.write_all(words).await.ok()?;
        socket.flush().await.ok()?;
        let mut answer = Vec::with_capacity(64);
        while answer.len() < 5 && socket.read_buf(&mut answer).await.ok()? > 0 {
            // A CONNACK of 3.1.1 has four bytes.
            if answer.len() == 4 && answer[0] == 0x20 {
                break;
            }
        }
        Some(answer)
    };
    tokio::time::timeout(PATIENCE, answer).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_known_by_their_first_bytes() {
        for (answer, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Some(Listener::Web)),
            (b"\x15\x03\x01\0\x02\x02\x46", Some(Listener::Tls)),
            (b"\x16\x03\x03\0\x7A\x02", Some(Listener::Tls)),
            (b"\x20\x02\0\0", None),
            (b"", None),
        ] {
            assert_eq!(recognize(answer), expected, "{answer:02x?}");
            assert!(!begins_another(answer));
        }
        for stranger in
            [&b"SSH-2.0-OpenSSH_9.2"[..], b"220 mail.example ESMTP", b"* OK IMAP", b"\x05\x00", b"\0"]
        {
            assert!(recognize(stranger).is_none() && begins_another(stranger), "{stranger:02x?}");
        }
        assert_eq!(hello("localhost").unwrap()[..2], [0x16, 0x03]);
    }
}
