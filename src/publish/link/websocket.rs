//! MQTT in a WebSocket: its packets as one stream of bytes in binary messages, whose borders mean nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::socket::Socket;
use super::{Fault, Target, is_end};

/// Bytes in one message, at most: brokers limit frames, and what a slow network takes is to be seen bit by bit.
const MOST_IN_A_MESSAGE: usize = 16 * 1024;

/// Asks for a WebSocket that speaks MQTT.
pub(super) async fn open(
    socket: Box<dyn Socket>,
    target: &Target,
    path: &str,
) -> Result<Box<dyn Socket>, Fault> {
    let scheme = if target.tls.is_some() { "wss" } else { "ws" };
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let address = format!("{scheme}://{host}:{}{path}", target.port);
    let mut request = address.into_client_request().map_err(|error| Fault::Other(error.to_string()))?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    match tokio_tungstenite::client_async(request, socket).await {
        Ok((stream, _)) => Ok(Box::new(WebSocket { stream, unread: Bytes::new() })),
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: Error) -> Fault {
    match error {
        Error::Http(response) => {
            Fault::WebSocket(format!("it answers with HTTP status {}", response.status()))
        }
        Error::Io(error) if is_end(&error) => Fault::ClosedEarly,
        Error::Io(error) => Fault::Io(error),
        Error::ConnectionClosed | Error::AlreadyClosed => Fault::ClosedEarly,
        other => Fault::WebSocket(other.to_string()),
    }
}

struct WebSocket {
    stream: WebSocketStream<Box<dyn Socket>>,
    /// What has come of a message and was not read yet.
    unread: Bytes,
}

fn failed(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Text(_))) => {
                    let why = "a WebSocket message of text, where MQTT sends bytes";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Some(Ok(_)) => {}
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(failed(error))),
            }
        }
        let bytes = self.unread.len().min(to.remaining());
        to.put_slice(&self.unread[..bytes]);
        self.unread.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(failed)?;
        let from = &from[..from.len().min(MOST_IN_A_MESSAGE)];
        let message = Message::Binary(Bytes::copy_from_slice(from));
        Pin::new(&mut self.stream).start_send(message).map_err(failed)?;
        Poll::Ready(Ok(from.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(failed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(failed)
    }
}
