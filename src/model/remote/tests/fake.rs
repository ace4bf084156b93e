//! A server of either protocol that does as it is told, on a free port of this machine.

#[path = "../../../../tests/support/certificates.rs"]
mod certificates;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::{HeaderMap, Request, Response};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub(super) use certificates::{Authority, Signed};

use crate::model::remote::{grpc, http};

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Rest,
    Grpc,
}

/// What a server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Answer {
        status: u16,
        headers: Fields,
        body: Bytes,
        trailers: Fields,
    },
    /// More than is read.
    TooLarge,
    Silence,
    /// Ends the connection, or the stream of HTTP/2, without an answer.
    Cut,
}

impl Act {
    pub(super) fn json(status: u16, body: &str) -> Self {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Act::Answer { status, headers: Vec::new(), body, trailers: Vec::new() }
    }

    /// One output, and raw bytes after it.
    pub(super) fn binary(output: &str, raw: &[u8]) -> Self {
        let json = format!(r#"{{"outputs": [{output}]}}"#);
        let headers = vec![("inference-header-content-length", json.len().to_string())];
        let body = [json.as_bytes(), raw].concat().into();
        Act::Answer { status: 200, headers, body, trailers: Vec::new() }
    }

    pub(super) fn message(message: &impl Message) -> Self {
        let trailers = vec![("grpc-status", "0".to_owned())];
        Act::Answer { status: 200, headers: Vec::new(), body: grpc::frame(message), trailers }
    }

    /// A status of gRPC and no message.
    pub(super) fn status(code: u8, words: &str) -> Self {
        let headers = vec![("grpc-status", code.to_string()), ("grpc-message", words.to_owned())];
        Act::Answer { status: 200, headers, body: Bytes::new(), trailers: Vec::new() }
    }
}

/// Names and values.
type Fields = Vec<(&'static str, String)>;

fn header_map(fields: Fields) -> HeaderMap {
    fields.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

type Script = dyn Fn(usize, &str) -> Act + Send + Sync;

/// A running server. It ends when it is dropped.
pub(super) struct Fake {
    pub(super) address: String,
    pub(super) port: u16,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

struct Shared {
    speaks: Speaks,
    tls: Option<TlsAcceptor>,
    script: Box<Script>,
    asked: AtomicUsize,
    last_request: Mutex<(String, Bytes)>,
}

impl Fake {
    /// One that is told the number of the request, from 1.
    pub(super) fn start(speaks: Speaks, script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        Self::serve(speaks, None, Box::new(move |number, _| script(number)))
    }

    /// One that is told the path.
    pub(super) fn start_by_path(
        speaks: Speaks,
        script: impl Fn(&str) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::serve(speaks, None, Box::new(move |_, path| script(path)))
    }

    pub(super) fn start_encrypted(
        speaks: Speaks,
        signed: &Signed,
        script: impl Fn(usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let chain = vec![CertificateDer::from_pem_file(&signed.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&signed.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = match speaks {
            Speaks::Rest => vec![b"http/1.1".to_vec()],
            Speaks::Grpc => vec![b"h2".to_vec()],
        };
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::serve(speaks, Some(tls), Box::new(move |number, _| script(number)))
    }

    fn serve(speaks: Speaks, tls: Option<TlsAcceptor>, script: Box<Script>) -> Self {
        let scheme = match (speaks, &tls) {
            (Speaks::Rest, None) => "http",
            (Speaks::Rest, Some(_)) => "https",
            (Speaks::Grpc, None) => "grpc",
            (Speaks::Grpc, Some(_)) => "grpcs",
        };
        let (asked, last_request) = Default::default();
        let shared = Arc::new(Shared { speaks, tls, script, asked, last_request });
        let mut fake = Fake { address: String::new(), port: 0, shared, serving: None };
        fake.resume();
        fake.address = format!("{scheme}://127.0.0.1:{}", fake.port);
        fake
    }

    /// Listens again on the same port.
    pub(super) fn resume(&mut self) {
        let runtime = http::runtime().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&self.shared);
        self.serving = Some(runtime.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(Arc::clone(&shared).connection(socket));
            }
        }));
    }

    /// Ends with all its connections, which takes effect before this returns.
    pub(super) fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let ended = http::runtime().unwrap().block_on(serving);
            assert!(ended.is_err_and(|error| error.is_cancelled()));
        }
    }

    /// How many requests have come.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Path and body.
    pub(super) fn last_request(&self) -> (String, Bytes) {
        self.shared.last_request.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, socket: tokio::net::TcpStream) {
        match self.tls.clone() {
            None => self.speak(socket).await,
            Some(tls) => {
                if let Ok(socket) = tls.accept(socket).await {
                    self.speak(socket).await;
                }
            }
        }
    }

    async fn speak(self: Arc<Self>, socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let speaks = self.speaks;
        let service = service_fn(move |request| Arc::clone(&self).answer(request));
        let socket = TokioIo::new(socket);
        let ended = match speaks {
            Speaks::Rest => http1::Builder::new().serve_connection(socket, service).await,
            Speaks::Grpc => http2::Builder::new(TokioExecutor::new()).serve_connection(socket, service).await,
        };
        // Clients go when they like.
        ended.unwrap_or_default();
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, std::io::Error> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
        *self.last_request.lock().unwrap() = (path.clone(), body);
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        match (self.script)(number, &path) {
            Act::Answer { status, headers, body, trailers } => {
                let body = Full::new(body).with_trailers(async move { Some(Ok(header_map(trailers))) });
                let mut response = Response::new(body.boxed_unsync());
                *response.status_mut() = status.try_into().unwrap();
                *response.headers_mut() = header_map(headers);
                Ok(response)
            }
            Act::TooLarge => {
                let body = Full::new(Bytes::from(vec![0; http::MOST_BYTES + 1]));
                Ok(Response::new(body.boxed_unsync()))
            }
            Act::Silence => pending().await,
            Act::Cut => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
