//! A model that runs on another machine: a blocking client of the Open Inference Protocol, version 2.
//!
//! NVIDIA Triton, OpenVINO Model Server, MLServer and KServe speak it, over gRPC and over REST. [`Server`] is called by the
//! threads that run models, never from within a tokio runtime. It keeps no model and no frame. Where several addresses are
//! given, any fault of one has the next one asked: a server that answers with an error may be the only one that is wrong.

mod error;
mod grpc;
mod http;
mod messages;
mod rest;
mod tensor;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::config::ServerAddress;
pub use error::RemoteError;
use error::{Asked, Fault};
use grpc::Grpc;
use http::Connections;
use rest::Rest;

use super::values::Elements;

/// A server, or several that serve the same models. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.address()).finish()
    }
}

struct Shared {
    endpoints: Vec<Endpoint>,
    /// Which endpoint has answered last.
    last: AtomicUsize,
    timeout: Duration,
    runtime: &'static Runtime,
}

/// One address.
struct Endpoint {
    address: String,
    connections: Connections,
    protocol: Protocol,
}

enum Protocol {
    Rest(Rest),
    Grpc(Grpc),
}

/// The input of one run.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its name in the model.
    pub name: &'a str,
    /// Dimensions.
    pub shape: &'a [usize],
    /// Elements, row-major; as many as the shape says.
    pub elements: Elements<'a>,
}

/// One output of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name in the model.
    pub name: String,
    /// Dimensions, none of them negative.
    pub shape: Vec<i64>,
    /// Elements, row-major; as many as the shape says.
    pub values: OwnedValues,
}

/// The elements of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValues {
    /// 32 bit floating point. A server without a way to write NaN or an infinity in JSON gives null; that is NaN here.
    F32(Vec<f32>),
    /// 64 bit integers.
    I64(Vec<i64>),
    /// 32 bit integers.
    I32(Vec<i32>),
    /// Elements of another type, which are not kept: its name in the protocol's words, such as `BYTES`.
    Other(String),
}

impl Server {
    /// A server at each of `addresses`, at least one. `timeout` is for one call, all addresses together. `ca_file` holds the
    /// certificate authorities to trust, in PEM format; without it those of the system are trusted. Connects to nothing.
    ///
    /// # Errors
    /// When the authorities cannot be read.
    pub fn new(
        addresses: &[ServerAddress],
        timeout: Duration,
        ca_file: Option<&Path>,
    ) -> Result<Self, RemoteError> {
        let tls = http::tls(addresses.iter().any(ServerAddress::is_encrypted), ca_file)?;
        let endpoints = addresses.iter().map(|address| Endpoint::new(address, &tls)).collect();
        let last = AtomicUsize::new(0);
        Ok(Server(Arc::new(Shared { endpoints, last, timeout, runtime: http::runtime()? })))
    }

    /// Name and version of the server software, such as `triton 2.61.0`, of the first address that answers.
    ///
    /// # Errors
    /// When no address gives it.
    pub fn software(&self) -> Result<String, RemoteError> {
        self.ask(Asked::Server, async |endpoint, patience| match &endpoint.protocol {
            Protocol::Rest(rest) => rest.software(&endpoint.connections).await,
            Protocol::Grpc(grpc) => grpc.software(&endpoint.connections, patience).await,
        })
    }

    /// Asks whether the model can run.
    ///
    /// # Errors
    /// When no address answers, has such a model, and says that it is ready.
    pub fn ready(&self, model: &str) -> Result<(), RemoteError> {
        self.ask(Asked::Model(model), async |endpoint, patience| match &endpoint.protocol {
            Protocol::Rest(rest) => rest.ready(&endpoint.connections, model).await,
            Protocol::Grpc(grpc) => grpc.ready(&endpoint.connections, model, patience).await,
        })
    }

    /// Runs the model once and gives its outputs, in the server's order.
    ///
    /// # Errors
    /// When no address gives an answer of the protocol in time.
    pub fn infer(&self, model: &str, input: Input<'_>) -> Result<Vec<Output>, RemoteError> {
        self.ask(Asked::Model(model), async |endpoint, patience| match &endpoint.protocol {
            Protocol::Rest(rest) => rest.infer(&endpoint.connections, model, &input).await,
            Protocol::Grpc(grpc) => grpc.infer(&endpoint.connections, model, &input, patience).await,
        })
    }

    /// The address that has answered last; the first before any has.
    pub fn address(&self) -> String {
        self.0.endpoints[self.0.last.load(Ordering::Relaxed)].address.clone()
    }

    /// Asks one address after the other, beginning with the one that has answered last. Each may take an equal share of the
    /// time that is left, which it is given.
    fn ask<T>(
        &self,
        asked: Asked<'_>,
        question: impl AsyncFn(&Endpoint, Duration) -> Result<T, Fault>,
    ) -> Result<T, RemoteError> {
        let Shared { endpoints, last, timeout, runtime } = &*self.0;
        let begun = Instant::now();
        let first = last.load(Ordering::Relaxed);
        let mut errors = Vec::new();
        for (left, index) in (1..=endpoints.len()).rev().zip((0..endpoints.len()).cycle().skip(first)) {
            let endpoint = &endpoints[index];
            let share = timeout.saturating_sub(begun.elapsed()) / u32::try_from(left).unwrap_or(u32::MAX);
            let answer = runtime.block_on(endpoint.connections.within(share, question(endpoint, share)));
            match answer {
                Ok(answer) => {
                    last.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(fault) => errors.push(fault.at(&endpoint.address, asked)),
            }
        }
        Err(RemoteError::all(errors))
    }
}

impl Endpoint {
    fn new(address: &ServerAddress, tls: &http::Tls) -> Self {
        let connections = Connections::new(tls, address.is_grpc());
        let protocol = if address.is_grpc() {
            Protocol::Grpc(Grpc::new(address.base().clone()))
        } else {
            Protocol::Rest(Rest::new(address.base().clone()))
        };
        Endpoint { address: address.name().to_owned(), connections, protocol }
    }
}

impl Elements<'_> {
    /// The type's name in the protocol.
    fn datatype(&self) -> &'static str {
        match self {
            Elements::F32(_) => "FP32",
            Elements::U8(_) => "UINT8",
            Elements::I32(_) => "INT32",
        }
    }
}
