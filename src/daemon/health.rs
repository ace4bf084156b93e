//! The health endpoint: answers `/healthz` and `/readyz` over HTTP to this machine.
//!
//! `/healthz` is 200 while every thread makes progress, `/readyz` is 200 while the daemon does what it is for; else both are
//! 503 and say why. At most [`CONNECTIONS`] are served at a time, others wait in the socket's own queue; each is one
//! request and has [`PATIENCE`].

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

use super::pulses::Stuck;
use super::vitals::{Stage, Vitals};

/// Served at a time.
const CONNECTIONS: usize = 16;
/// How long one connection may last.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long its request may be on its way.
const REQUEST: Duration = Duration::from_secs(2);
/// The most that a request's head may have.
const MAX_HEAD_BYTES: usize = 8192;

/// Why there is no health endpoint.
#[derive(Debug, thiserror::Error)]
#[error("health.listen: cannot listen on {address}: {error}")]
pub struct HealthError {
    address: SocketAddr,
    error: std::io::Error,
}

/// Looks whether an endpoint could listen there now.
///
/// # Errors
/// When the address is not to be had.
pub(super) fn try_out(address: SocketAddr) -> Result<(), HealthError> {
    TcpListener::bind(address).map(drop).map_err(|error| HealthError { address, error })
}

/// The endpoint, until it is dropped.
pub(super) struct Endpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens there.
    ///
    /// # Errors
    /// When the address is not to be had, or the operating system gives no thread.
    pub(super) fn start(address: SocketAddr, vitals: Arc<Vitals>) -> Result<Self, HealthError> {
        let failed = |error| HealthError { address, error };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let served = runtime.block_on(async {
                tokio::select! {
                    served = accept(listener, vitals) => served,
                    // Dropping the other end is as good.
                    _ = stopped => Ok(()),
                }
            });
            runtime.shutdown_background();
            if let Err(error) = served {
                tracing::error!(%address, %error, "the health endpoint has ended");
            }
        };
        let thread = std::thread::Builder::new().name("health".to_owned()).spawn(serve).map_err(failed)?;
        tracing::info!(%address, "health endpoint");
        Ok(Endpoint { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread `health` has panicked");
        }
    }
}

async fn accept(listener: TcpListener, vitals: Arc<Vitals>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, for one: not to be tried again in a tight loop.
                tracing::debug!(%error, "a connection to the health endpoint is lost");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let vitals = Arc::clone(&vitals);
        tokio::spawn(async move {
            let respond = service_fn(|request: Request<Incoming>| {
                let response = respond(&request, &vitals);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST)
                .keep_alive(false)
                .max_buf_size(MAX_HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), respond);
            match tokio::time::timeout(PATIENCE, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a request to the health endpoint is wrong"),
                Err(_) => tracing::debug!("a connection to the health endpoint takes too long"),
            }
            drop(place);
        });
    }
}

fn respond<B>(request: &Request<B>, vitals: &Vitals) -> Response<Full<Bytes>> {
    let (status, body) = match request.uri().path() {
        "/healthz" => healthy(&vitals.stuck(Instant::now())),
        "/readyz" => ready(vitals.stage()),
        _ => (StatusCode::NOT_FOUND, json!({ "status": "not found", "paths": ["/healthz", "/readyz"] })),
    };
    let allowed = [Method::GET, Method::HEAD].contains(request.method());
    let (status, body) = if allowed || status == StatusCode::NOT_FOUND {
        (status, body)
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, json!({ "status": "method not allowed" }))
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    let mut header = |name, value: &'static str| response.headers_mut().insert(name, value.parse().ok()?);
    header(CONTENT_TYPE, "application/json");
    header(CACHE_CONTROL, "no-store");
    if status == StatusCode::METHOD_NOT_ALLOWED {
        header(ALLOW, "GET, HEAD");
    }
    response
}

fn healthy(stuck: &[Stuck]) -> (StatusCode, Value) {
    if stuck.is_empty() {
        return (StatusCode::OK, json!({ "status": "ok" }));
    }
    let threads: Vec<Value> = stuck
        .iter()
        .map(|Stuck { thread, since }| json!({ "thread": thread, "stuck_s": since.as_secs() }))
        .collect();
    (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "stuck", "threads": threads }))
}

fn ready(stage: Stage) -> (StatusCode, Value) {
    let (status, word) = match stage {
        Stage::Starting { .. } | Stage::Leaving => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Stage::Ready => (StatusCode::OK, "ready"),
        Stage::Reloading => (StatusCode::OK, "reloading"),
        Stage::Stopping { .. } | Stage::Ended => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    (status, json!({ "status": word }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status code and body of an answer.
    fn answer(method: &str, path: &str, vitals: &Vitals) -> (u16, Option<String>) {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let response = respond(&request, vitals);
        let allow = response.headers().get(ALLOW).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), allow)
    }

    #[test]
    fn readiness_is_the_stage_of_the_service() {
        let vitals = Vitals::new();
        let is_ready = || answer("GET", "/readyz", &vitals).0;
        assert_eq!(is_ready(), 503, "starting");
        vitals.ready();
        assert_eq!(is_ready(), 200);
        vitals.reloading();
        assert_eq!(is_ready(), 200, "the old configuration goes on meanwhile");
        vitals.leaving();
        assert_eq!(is_ready(), 503, "its daemon ends");
        vitals.starting();
        assert_eq!(is_ready(), 503, "and the next one is not there");
        vitals.ready();
        assert_eq!(is_ready(), 200);
        vitals.stopping();
        assert_eq!(is_ready(), 503);
    }

    #[test]
    fn what_is_stuck_is_named() {
        assert_eq!(healthy(&[]), (StatusCode::OK, json!({ "status": "ok" })));
        let stuck = Stuck { thread: "camera-\"x\"".to_owned(), since: Duration::from_millis(21_900) };
        let threads = json!([{ "thread": "camera-\"x\"", "stuck_s": 21 }]);
        let told = json!({ "status": "stuck", "threads": threads });
        assert_eq!(healthy(&[stuck]), (StatusCode::SERVICE_UNAVAILABLE, told));
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let vitals = Vitals::new();
        assert_eq!(answer("HEAD", "/healthz?verbose=1", &vitals), (200, None));
        assert_eq!(answer("POST", "/healthz", &vitals), (405, Some("GET, HEAD".to_owned())));
        assert_eq!(answer("GET", "/", &vitals), (404, None));
        assert_eq!(answer("DELETE", "/healthz/", &vitals), (404, None));
    }
}
