//! One visit to the broker: connect as the configuration says, say goodbye.
//!
//! For `doctor`. It takes an id of its own, so that a node which runs meanwhile keeps its connection.

use std::time::{Duration, Instant};

use super::PublishError;
use super::dial::Dial;
use super::link::{Event, step};
use super::settings::Settings;
use crate::config;
use crate::name::Name;

/// How long the broker may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to close its side.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why the broker could not be greeted.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The settings are of no use.
    #[error(transparent)]
    Settings(#[from] PublishError),
    /// The broker is not there, or does not want this node; in one line, without secrets.
    #[error("{0}")]
    Unwelcome(String),
}

/// Connects to the broker once with the node's settings, publishes nothing and leaves. Gives how long the welcome took.
///
/// # Errors
/// When the settings cannot be used, the broker is away, or it does not let the node in.
pub fn greet(mqtt: &config::Mqtt, node: &Name) -> Result<Duration, GreetError> {
    // What a node would refuse to start with is refused here.
    drop(Settings::new(mqtt, node)?);
    let dial = Dial::new(mqtt, format!("spotter-{node}-doctor-{}", std::process::id()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| PublishError::Thread { thread: "greet", error })?;
    let greeted = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, visit(&dial)).await.unwrap_or_else(|_| {
            Err(format!("{} did not answer within {} s", dial.address(), PATIENCE.as_secs()))
        })
    });
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    greeted.map_err(GreetError::Unwelcome)
}

async fn visit(dial: &Dial) -> Result<Duration, String> {
    let begun = Instant::now();
    let (client, mut event_loop) = dial.link(None, 1, 2);
    loop {
        let (came_back, event) = step(event_loop).await;
        event_loop = came_back;
        match event {
            Ok(Event::Welcomed { .. }) => break,
            Ok(_) => {}
            Err(fault) => return Err(dial.explain(&fault).text),
        }
    }
    let took = begun.elapsed();
    if client.disconnect().is_ok() {
        let leaving = async {
            while let (came_back, Ok(_)) = step(event_loop).await {
                event_loop = came_back;
            }
        };
        // One that does not close its side has let this node in all the same.
        if tokio::time::timeout(GOODBYE, leaving).await.is_err() {
            tracing::debug!("the broker did not close its side");
        }
    }
    Ok(took)
}
