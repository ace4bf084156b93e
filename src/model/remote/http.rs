//! HTTP to one address: connections that are kept between calls, TLS, and how it all fails.
//!
//! REST and gRPC share it. Connections live on one thread of the process, so that they are served between calls; a caller
//! waits on its own thread.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::http::{HeaderMap, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Runtime};

use super::RemoteError;
use super::error::Fault;
use crate::config::ROOT_BUNDLES;

/// The largest answer that is read; a server must not fill the memory.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// How this program calls itself.
pub(super) const USER_AGENT: &str = concat!("spotter/", env!("CARGO_PKG_VERSION"));

/// How long a connection is kept without use. Firewalls forget one that is quiet for minutes.
const KEPT: Duration = Duration::from_secs(30);

/// How much of an answer may be on its way before it is acknowledged; HTTP/2 begins with 64 KiB.
const WINDOW_BYTES: u32 = 4 << 20;

/// The runtime of all connections to servers.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn runtime() -> Result<&'static Runtime, RemoteError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .thread_name("remote")
        .enable_all()
        .build()
        .map_err(|error| RemoteError::Thread { why: error.to_string() })?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// How to speak TLS with servers.
pub(super) type Tls = ClientConfig;

/// TLS that trusts the authorities of `ca_file`, or else the system's. When it `is_needed` for no address, none are read.
///
/// # Errors
/// When there is no authority to trust.
pub(super) fn tls(is_needed: bool, ca_file: Option<&Path>) -> Result<Tls, RemoteError> {
    let roots = if is_needed { roots(ca_file)? } else { RootCertStore::empty() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the usual versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, RemoteError> {
    let found = ROOT_BUNDLES.iter().map(Path::new).find(|path| path.exists());
    let path = ca_file.or(found).unwrap_or(Path::new(ROOT_BUNDLES[0]));
    let wrong = |why: String| RemoteError::Authorities { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        // A system's bundle may hold one that is too old to be read; the others still count.
        if let (Err(why), Some(_)) = (added, ca_file) {
            return Err(wrong(why));
        }
    }
    if roots.is_empty() { Err(wrong("it holds no certificate in PEM format".to_owned())) } else { Ok(roots) }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// At most [`MOST_BYTES`].
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The connections to one address.
pub(super) struct Connections {
    connector: HttpsConnector<HttpConnector>,
    is_grpc: bool,
    pool: Mutex<Pool>,
}

#[derive(Clone)]
struct Pool {
    client: HttpClient,
    /// Whether an answer has come: a connection may be an old one.
    has_answered: Arc<AtomicBool>,
}

impl Connections {
    /// None yet.
    pub(super) fn new(tls: &Tls, is_grpc: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let connector = if is_grpc {
            builder.enable_http2().wrap_connector(tcp)
        } else {
            builder.enable_all_versions().wrap_connector(tcp)
        };
        let pool = Mutex::new(Pool::new(&connector, is_grpc));
        Connections { connector, is_grpc, pool }
    }

    /// Sends a request and reads the answer. A request that is lost on an old connection, which the server may have closed
    /// meanwhile, is sent once more on a new one; to run a model twice does no harm.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, Fault> {
        let pool = self.pool();
        let was_old = pool.has_answered.load(Ordering::Relaxed);
        match pool.exchange(request.clone()).await {
            Err(Fault::Lost(_)) if was_old => {
                self.renew();
                self.pool().exchange(request).await
            }
            Err(Fault::Lost(why)) => {
                let protocol = if self.is_grpc { "gRPC" } else { "REST" };
                Err(Fault::Lost(format!("{why}; does it speak {protocol} on this port?")))
            }
            answer => answer,
        }
    }

    /// Waits for what uses these connections, at most so long. After that they are not trusted any more: a machine that has
    /// gone from the network does not close them.
    pub(super) async fn within<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        tokio::time::timeout(patience, call).await.unwrap_or_else(|_| {
            self.renew();
            Err(Fault::Silent(patience))
        })
    }

    fn pool(&self) -> Pool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renew(&self) {
        let fresh = Pool::new(&self.connector, self.is_grpc);
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

impl Pool {
    fn new(connector: &HttpsConnector<HttpConnector>, is_grpc: bool) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(is_grpc)
            .http2_initial_stream_window_size(WINDOW_BYTES)
            .http2_initial_connection_window_size(WINDOW_BYTES)
            .pool_idle_timeout(KEPT)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector.clone());
        Pool { client, has_answered: Arc::default() }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, Fault> {
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Fault::NoConnection(deepest(&error))
            } else {
                Fault::Lost(deepest(&error))
            }
        })?;
        let (parts, body) = response.into_parts();
        let collected = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Fault::Answer(format!("it is larger than {} MiB", MOST_BYTES >> 20))
            } else {
                Fault::Lost(deepest(&*error))
            }
        })?;
        self.has_answered.store(true, Ordering::Relaxed);
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = collected.to_bytes();
        Ok(Reply { status: parts.status, headers: parts.headers, body, trailers })
    }
}

impl Reply {
    /// What a status other than 200 means, with the server's words.
    pub(super) fn fault(&self, why: String) -> Fault {
        match self.status.as_u16() {
            404 => Fault::Unknown(why),
            429 | 502..=504 => Fault::Busy(why),
            400..=499 => Fault::Refused(why),
            500..=599 => Fault::Failed(why),
            _ => Fault::Answer(format!("HTTP status {}", self.status)),
        }
    }
}

/// The cause of all causes, which says what the system says.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
