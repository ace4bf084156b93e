//! One visit to the broker: connect as the configuration says, say goodbye.
//!
//! For `doctor`. It takes an id of its own, so that a node which runs meanwhile keeps its connection.

use std::time::{Duration, Instant};

use super::PublishError;
use super::dial::Dial;
use super::link::{Event, Fault, Listener, step, tls};
use super::settings::Settings;
use crate::config;
use crate::name::Name;

/// How long the broker may take in all: its welcome, and a look at what listens there instead.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take to close its side.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why the broker could not be greeted; texts in one line, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The settings are of no use.
    #[error(transparent)]
    Settings(#[from] PublishError),
    /// The broker is not there, or does not answer.
    #[error("{0}")]
    Away(String),
    /// It is there, and one of both does not trust the other.
    #[error("{0}")]
    Tls(String),
    /// It refuses user and password.
    #[error("{0}")]
    Login(String),
    /// It does not want this node for another reason, or is no broker.
    #[error("{0}")]
    Unwelcome(String),
}

impl GreetError {
    /// Of a fault before the welcome, explained by `text`; `encrypted` is whether TLS was asked for.
    fn of(fault: &Fault, text: String, encrypted: bool) -> Self {
        match fault {
            Fault::Login(_) => GreetError::Login(text),
            Fault::Handshake(_) | Fault::ClosedEarly if encrypted => GreetError::Tls(text),
            Fault::Listener(Listener::Tls) => GreetError::Tls(text),
            Fault::Io(error) | Fault::Handshake(error) if tls::inner(error).is_some() => {
                GreetError::Tls(text)
            }
            Fault::Io(_) | Fault::Handshake(_) | Fault::Timeout | Fault::Unreachable | Fault::Silent => {
                GreetError::Away(text)
            }
            _ => GreetError::Unwelcome(text),
        }
    }
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
        tokio::time::timeout(PATIENCE, visit(&dial, mqtt.tls.is_some())).await.unwrap_or_else(|_| {
            let text = format!("{} did not answer within {} s", dial.address(), PATIENCE.as_secs());
            Err(GreetError::Away(text))
        })
    });
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    greeted
}

async fn visit(dial: &Dial, encrypted: bool) -> Result<Duration, GreetError> {
    let begun = Instant::now();
    let (client, mut event_loop) = dial.link(None, 2);
    loop {
        let (came_back, event) = step(event_loop).await;
        event_loop = came_back;
        match event {
            Ok(Event::Welcomed(_)) => break,
            Ok(_) => {}
            Err(fault) => return Err(GreetError::of(&fault, dial.explain(&fault).text, encrypted)),
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::publish::link::Reason;

    #[test]
    fn faults_before_the_welcome_are_told_apart() {
        let kind = |fault: Fault, encrypted| match GreetError::of(&fault, String::new(), encrypted) {
            GreetError::Settings(_) => "settings",
            GreetError::Away(_) => "away",
            GreetError::Tls(_) => "tls",
            GreetError::Login(_) => "login",
            GreetError::Unwelcome(_) => "unwelcome",
        };
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (fault, encrypted, expected) in [
            (Fault::Login(Reason::of(0x87)), true, "login"),
            (Fault::Io(refused()), false, "away"),
            (Fault::Io(refused()), true, "away"),
            (Fault::Timeout, true, "away"),
            (Fault::Unreachable, false, "away"),
            (Fault::Handshake(io::ErrorKind::UnexpectedEof.into()), true, "tls"),
            (Fault::ClosedEarly, true, "tls"),
            (Fault::ClosedEarly, false, "unwelcome"),
            (Fault::Version, false, "unwelcome"),
            (Fault::Refused(Reason::of(0x89)), false, "unwelcome"),
            (Fault::Listener(Listener::Web), false, "unwelcome"),
            (Fault::Listener(Listener::Tls), false, "tls"),
        ] {
            let text = format!("{fault:?}");
            assert_eq!(kind(fault, encrypted), expected, "{text}");
        }
    }
}
