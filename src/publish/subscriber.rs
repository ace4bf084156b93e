//! A subscriber that holds every message to the contract.
//!
//! For `spotter watch` and `spotter demo`. It runs on the caller's thread: it receives, and answers the broker, only
//! while [`Subscriber::next`] is called. A caller that stays away longer than the keep-alive time is disconnected, and
//! comes back with the next call.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use uuid::Uuid;

use super::PublishError;
use super::audit::Audit;
pub use super::audit::{Summary, Violation};
use super::dial::{Dial, step};
use super::topic::Root;
use super::wire::Message;
use crate::config;

/// Pause before a lost broker is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// rumqttc's queue: one subscription.
const REQUESTS: usize = 4;

type Step = Pin<Box<dyn Future<Output = (EventLoop, Result<Event, ConnectionError>)> + Send>>;

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
    /// The payload as it came.
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
    Up(AsyncClient, Step),
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

    /// The next thing that happens, or `None` when nothing does within `timeout`. The same trouble with the broker is
    /// told once.
    pub fn next(&mut self, timeout: Duration) -> Option<Heard> {
        let deadline = Instant::now() + timeout;
        loop {
            let (event_loop, event) = self.wait(deadline)?;
            let heard = match event {
                Ok(event) => self.happened(event_loop, &event),
                Err(error) => self.lost(&error),
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

    fn wait(&mut self, deadline: Instant) -> Option<(EventLoop, Result<Event, ConnectionError>)> {
        let Subscriber { runtime, dial, link, .. } = self;
        let next = async {
            loop {
                match link {
                    Link::Up(_, step) => return step.await,
                    Link::Down(until) => {
                        tokio::time::sleep_until(*until).await;
                        let (client, event_loop) = AsyncClient::new(dial.options(), REQUESTS);
                        *link = Link::Up(client, Box::pin(step(event_loop)));
                    }
                }
            }
        };
        runtime.block_on(async { tokio::time::timeout_at(deadline, next).await }).ok()
    }

    fn happened(&mut self, event_loop: EventLoop, event: &Event) -> Option<Heard> {
        let Link::Up(client, under_way) = &mut self.link else { return None };
        *under_way = Box::pin(step(event_loop));
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                let asked = client.try_subscribe(self.filter.as_str(), QoS::AtLeastOnce);
                asked
                    .err()
                    .map(|error| Heard::Refused(format!("cannot subscribe to {}: {error}", self.filter)))
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                self.trouble = None;
                let refusal =
                    answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                Some(match refusal {
                    None => Heard::Subscribed,
                    Some(code) => Heard::Refused(format!(
                        "{} refuses the subscription to {} ({code:?})",
                        self.dial.address(),
                        self.filter
                    )),
                })
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let (message, violations) = self.audit.examine(&topic, publish.retain, &publish.payload);
                let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                Some(Heard::Received(Box::new(Received {
                    topic,
                    retained: publish.retain,
                    payload,
                    message,
                    violations,
                })))
            }
            _ => None,
        }
    }

    fn lost(&mut self, error: &ConnectionError) -> Option<Heard> {
        self.link = Link::Down(Instant::now() + PAUSE);
        self.audit.interrupted();
        let text = self.dial.explain(error).text;
        if self.trouble.as_ref() == Some(&text) {
            return None;
        }
        self.trouble = Some(text.clone());
        Some(Heard::Lost(text))
    }
}
