//! A subscriber that holds every message to the contract.
//!
//! For `spotter watch` and `spotter demo`. It runs on the caller's thread: it receives, and answers the broker, only
//! while [`Subscriber::next`] is called. A caller that stays away longer than the keep-alive time is disconnected, and
//! comes back with the next call.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;
use uuid::Uuid;

use super::PublishError;
use super::audit::{Audit, is_jpeg};
pub use super::audit::{RunSummary, Summary, Violation};
use super::dial::{Dial, Hints};
use super::link::{Client, Event, EventLoop, Fault, Incoming, step};
use super::topic::Root;
use super::wire::Message;
use crate::config;

/// Pause before a lost broker is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The link's queue: one subscription.
const REQUESTS: usize = 4;

type Step = Pin<Box<dyn Future<Output = (EventLoop, Result<Event, Fault>)> + Send>>;

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The broker was reached and has taken the subscription.
    Subscribed,
    /// A message.
    Received(Box<Received>),
    /// The broker is away, in one line; it is tried again.
    Lost(String),
    /// The broker does not let this client subscribe; trying again would not help.
    Refused(String),
}

/// A message and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Where it came.
    pub topic: String,
    /// Whether the broker had kept it for those who come later.
    pub retained: bool,
    /// The payload as it came; what is no text is only named, such as `<1024 bytes of JPEG>`.
    pub payload: String,
    /// What it says; `None` when it cannot be read as what its topic promises.
    pub message: Option<Message>,
    /// Everything that breaks the contract.
    pub violations: Vec<Violation>,
}

/// Subscribes to everything below a root.
pub struct Subscriber {
    runtime: Runtime,
    dial: Dial,
    filter: String,
    audit: Audit,
    link: Link,
    trouble: Option<String>,
}

enum Link {
    /// Not connected; to be tried at this moment.
    Down(Instant),
    /// Connecting or connected; the step under way holds the connection.
    Up(Client, Step),
}

impl Subscriber {
    /// Prepares a subscription to `<root>/#`; connects with the first call of [`Subscriber::next`].
    ///
    /// # Errors
    /// When the configured root is no topic, TLS finds no authorities to trust, or there is no event queue to be had.
    pub fn new(config: &config::Mqtt) -> Result<Self, PublishError> {
        let root = Root::new(&config.root)?;
        let dial = Dial::new(config, format!("spotter-watch-{}", Uuid::new_v4().simple()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| PublishError::Thread { thread: "watch", error })?;
        Ok(Subscriber {
            runtime,
            dial,
            filter: root.everything(),
            audit: Audit::new(root),
            link: Link::Down(Instant::now()),
            trouble: None,
        })
    }

    /// The same, for somebody who has given its settings as flags: what is said of troubles names those.
    #[must_use]
    pub fn by_flags(self) -> Self {
        Subscriber { dial: self.dial.hinting_at(Hints::Flags), ..self }
    }

    /// The next thing that happens, or `None` when nothing does within `timeout`. The same trouble with the broker is
    /// told once.
    pub fn next(&mut self, timeout: Duration) -> Option<Heard> {
        let deadline = Instant::now() + timeout;
        loop {
            let (event_loop, event) = self.wait(deadline)?;
            let heard = match event {
                Ok(event) => self.happened(event_loop, event),
                Err(fault) => self.lost(&fault),
            };
            if heard.is_some() {
                return heard;
            }
        }
    }

    /// What was received since the start.
    pub fn summary(&self) -> Summary {
        self.audit.summary()
    }

    /// The same for each run of a node, in the order in which they were met; only for the last 64.
    pub fn runs(&self) -> Vec<RunSummary> {
        self.audit.runs().collect()
    }

    fn wait(&mut self, deadline: Instant) -> Option<(EventLoop, Result<Event, Fault>)> {
        let Subscriber { runtime, dial, link, .. } = self;
        let next = async {
            loop {
                match link {
                    Link::Up(_, step) => return step.await,
                    Link::Down(until) => {
                        tokio::time::sleep_until(*until).await;
                        let (client, event_loop) = dial.link(None, REQUESTS);
                        *link = Link::Up(client, Box::pin(step(event_loop)));
                    }
                }
            }
        };
        runtime.block_on(async { tokio::time::timeout_at(deadline, next).await }).ok()
    }

    fn happened(&mut self, event_loop: EventLoop, event: Event) -> Option<Heard> {
        let Link::Up(client, under_way) = &mut self.link else { return None };
        *under_way = Box::pin(step(event_loop));
        match event {
            Event::Welcomed(_) => {
                let asked = client.subscribe(std::slice::from_ref(&self.filter));
                asked
                    .err()
                    .map(|error| Heard::Refused(format!("cannot subscribe to {}: {error}", self.filter)))
            }
            Event::Subscribed { result, .. } => {
                self.trouble = None;
                Some(match result {
                    Ok(()) => Heard::Subscribed,
                    Err(reason) => Heard::Refused(format!(
                        "{} refuses the subscription to {} ({reason})",
                        self.dial.address(),
                        self.filter
                    )),
                })
            }
            Event::Received(Incoming { topic, payload, retained, .. }) => {
                let (message, violations) = self.audit.examine(&topic, retained, &payload);
                let payload = as_text(payload);
                Some(Heard::Received(Box::new(Received { topic, retained, payload, message, violations })))
            }
            _ => None,
        }
    }

    fn lost(&mut self, fault: &Fault) -> Option<Heard> {
        self.link = Link::Down(Instant::now() + PAUSE);
        self.audit.interrupted();
        let text = self.dial.explain(fault).text;
        if self.trouble.as_ref() == Some(&text) {
            return None;
        }
        self.trouble = Some(text.clone());
        Some(Heard::Lost(text))
    }
}

/// A payload for people and logs.
fn as_text(payload: Vec<u8>) -> String {
    let what = if is_jpeg(&payload) { " of JPEG" } else { "" };
    String::from_utf8(payload).unwrap_or_else(|error| format!("<{} bytes{what}>", error.as_bytes().len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_only_named() {
        for (payload, expected) in [
            (&b"{\"a\": 1}"[..], "{\"a\": 1}"),
            (b"", ""),
            (&[0xff, 0xd8, 0xff, 0xe0, 0, 16], "<6 bytes of JPEG>"),
            (&[0x80, 1], "<2 bytes>"),
        ] {
            assert_eq!(as_text(payload.to_vec()), expected);
        }
    }
}
