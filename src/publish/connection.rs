//! One connection to the broker, from the first packet to the last.
//!
//! It offers what [`super::pending`] has, at most a window of it at a time, and tells it what the broker answers. It is
//! started by [`super::mqtt`] with a new rumqttc event loop each time: the outbox is the one memory of what is
//! unacknowledged, and an old loop would bring back publishes, packet ids and events of the connection before. It must
//! not wait for room in rumqttc's queue: the task that polls the event loop is the one that empties it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, LastWill, LastWillProperties, Packet, PubAck, PubAckReason, PublishProperties,
};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use tokio::sync::watch;
use tokio::time::Instant;

use super::dial::{Dial, Trouble, step};
use super::pending::{Offer, Ticket};
use super::shared::{Order, Shared};
use super::window::Window;

/// Publishes on their way at a time; fewer when the broker says so.
const WINDOW: u16 = 64;

/// rumqttc's queue: a full window and a disconnect fit, so it is never full.
const REQUESTS: usize = WINDOW as usize + 1;

/// How long what the broker refused waits before it is offered again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long the broker may take to close its side after it was told goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As ordered, after the retained offline statuses were acknowledged.
    Parted,
    /// As ordered, without a word: the broker will publish the last will.
    Abandoned,
    /// By the broker or the network.
    Lost(Trouble),
}

/// How far leaving has come.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    No,
    /// Tags still go out until here.
    Flushing(Instant, Instant),
    /// Only the offline statuses still go out, until here.
    Parting(Instant),
    /// DISCONNECT is out; the broker closes.
    Goodbye(Instant),
}

/// One connection.
pub(super) struct Connection<'a> {
    dial: &'a Dial,
    shared: &'a Arc<Shared>,
    client: AsyncClient,
    window: Window<Ticket>,
    connected: bool,
    /// Whether the broker has acknowledged anything, which shows that it works.
    pub(super) proved: bool,
    max_packet_bytes: Option<usize>,
    retry_at: Option<Instant>,
    leaving: Leaving,
}

impl<'a> Connection<'a> {
    pub(super) fn new(dial: &'a Dial, shared: &'a Arc<Shared>) -> (Self, EventLoop) {
        let mut options = dial.options();
        options.set_last_will(last_will(shared)).set_outgoing_inflight_upper_limit(WINDOW);
        let (client, event_loop) = AsyncClient::new(options, REQUESTS);
        let connection = Connection {
            dial,
            shared,
            client,
            window: Window::new(WINDOW.into()),
            connected: false,
            proved: false,
            max_packet_bytes: None,
            retry_at: None,
            leaving: Leaving::No,
        };
        (connection, event_loop)
    }

    /// Connects and publishes until the connection ends or an order to end it was carried out.
    pub(super) async fn run(&mut self, event_loop: EventLoop, orders: &mut watch::Receiver<Order>) -> Ended {
        let mut stepping = pin!(step(event_loop));
        loop {
            let order = *orders.borrow_and_update();
            if let Some(ended) = self.obey(order).or_else(|| self.advance(Instant::now())) {
                return ended;
            }
            let deadline = self.next_deadline();
            tokio::select! {
                (mut event_loop, event) = &mut stepping => {
                    let ended = match event {
                        Ok(event) => self.handle(event),
                        Err(error) => {
                            // Acknowledgements that came just before the end are still worth having.
                            for event in event_loop.state.events.drain(..) {
                                self.handle(event);
                            }
                            Some(self.end_of_connection(self.dial.explain(&error)))
                        }
                    };
                    if let Some(ended) = ended {
                        return ended;
                    }
                    stepping.set(step(event_loop));
                }
                changed = orders.changed() => if changed.is_err() {
                    return Ended::Abandoned;
                },
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn obey(&mut self, order: Order) -> Option<Ended> {
        match (self.leaving, order) {
            (_, Order::Abandon) => return Some(Ended::Abandoned),
            (Leaving::No, Order::Stop { flush_until, until }) => {
                self.leaving = Leaving::Flushing(flush_until.into(), until.into());
            }
            _ => {}
        }
        None
    }

    /// Does what is due now.
    fn advance(&mut self, now: Instant) -> Option<Ended> {
        if let Leaving::Flushing(flush_until, until) = self.leaving
            && (now >= flush_until || (self.connected && self.shared.pending().is_drained()))
        {
            self.shared.part();
            self.leaving = Leaving::Parting(until);
        }
        if self.retry_at.is_some_and(|at| now >= at) {
            self.retry_at = None;
            self.shared.pending().retry();
        }
        if self.connected
            && let Err(trouble) = self.offer()
        {
            return Some(Ended::Lost(trouble));
        }
        if let Leaving::Parting(until) = self.leaving
            && self.connected
            && self.window.is_empty()
        {
            if self.client.try_disconnect().is_err() {
                return Some(Ended::Abandoned);
            }
            self.leaving = Leaving::Goodbye(until.min(now + GOODBYE));
        }
        match self.leaving {
            Leaving::Parting(until) if now >= until => return Some(Ended::Abandoned),
            Leaving::Goodbye(until) if now >= until => return Some(Ended::Parted),
            _ => {}
        }
        let silent =
            self.window.oldest_since().is_some_and(|since| now >= Instant::from(since) + self.patience());
        silent.then(|| {
            let text = format!("{} does not acknowledge what is published", self.dial.address());
            Ended::Lost(Trouble { text, patient: false })
        })
    }

    /// When something is due next.
    fn next_deadline(&self) -> Instant {
        let leaving = match self.leaving {
            Leaving::No => None,
            Leaving::Flushing(until, _) | Leaving::Parting(until) | Leaving::Goodbye(until) => Some(until),
        };
        let answer = self.window.oldest_since().map(|since| Instant::from(since) + self.patience());
        let far = Instant::now() + Duration::from_secs(3600);
        [leaving, answer, self.retry_at].into_iter().flatten().min().unwrap_or(far)
    }

    /// How long the broker may take to acknowledge.
    fn patience(&self) -> Duration {
        2 * self.dial.keep_alive()
    }

    /// Hands rumqttc as much as the window has room for.
    fn offer(&mut self) -> Result<(), Trouble> {
        while self.window.has_room() {
            let offer = match self.leaving {
                Leaving::No | Leaving::Flushing(..) => self.shared.pending().next(),
                Leaving::Parting(_) => self.shared.pending().next_status(),
                Leaving::Goodbye(_) => None,
            };
            let Some(Offer { ticket, topic, message, retain }) = offer else { break };
            let payload = message.to_json();
            if let Some(max_bytes) = self.max_packet_bytes
                && topic.as_str().len() + payload.len() + PACKET_OVERHEAD_BYTES > max_bytes
            {
                let why =
                    format!("a message for {topic} is larger than the {max_bytes} bytes the broker takes");
                tracing::error!(%topic, bytes = payload.len(), max_bytes, "message too large for the broker, dropped");
                self.shared.pending().impossible(&ticket, why);
                continue;
            }
            self.window.requested(ticket, std::time::Instant::now());
            let requested = self.client.try_publish_with_properties(
                topic.as_str(),
                QoS::AtLeastOnce,
                retain,
                payload,
                properties(),
            );
            if let Err(error) = requested {
                return Err(Trouble { text: format!("MQTT client: {error}"), patient: false });
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Option<Ended> {
        match event {
            Event::Incoming(Packet::ConnAck(welcome)) => self.welcomed(&welcome),
            Event::Incoming(Packet::PubAck(answer)) => self.answered(&answer),
            Event::Outgoing(Outgoing::Publish(packet_id)) => self.window.numbered(packet_id),
            _ => {}
        }
        None
    }

    fn welcomed(&mut self, welcome: &ConnAck) {
        let limits = welcome.properties.as_ref();
        if let Some(max) = limits.and_then(|limits| limits.receive_max) {
            self.window.narrow(max.into());
        }
        self.max_packet_bytes =
            limits.and_then(|limits| limits.max_packet_size).and_then(|max| max.try_into().ok());
        self.connected = true;
        self.shared.pending().connected();
        let waiting = self.shared.pending().counts().waiting;
        tracing::info!(broker = %self.dial.address(), waiting, "connected to the broker");
    }

    fn answered(&mut self, answer: &PubAck) {
        let Some(ticket) = self.window.answered(answer.pkid) else { return };
        match answer.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                self.proved = true;
                self.shared.pending().acknowledged(&ticket);
            }
            reason => {
                let what = match &ticket {
                    Ticket::Tag(_) => "a tag".to_owned(),
                    Ticket::Status(topic) => topic.to_string(),
                };
                let why = format!("{} refuses {what} ({reason:?})", self.dial.address());
                self.shared.pending().refused(&ticket, why.clone());
                if self.retry_at.is_none() {
                    tracing::warn!(retry_s = RETRY_AFTER.as_secs(), "{why}");
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                }
            }
        }
    }

    fn end_of_connection(&self, trouble: Trouble) -> Ended {
        if matches!(self.leaving, Leaving::Goodbye(_)) { Ended::Parted } else { Ended::Lost(trouble) }
    }
}

/// More than the fixed header, the topic's length, the packet id and the properties of a publish take.
const PACKET_OVERHEAD_BYTES: usize = 64;

fn properties() -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/json".to_owned()),
        ..PublishProperties::default()
    }
}

fn last_will(shared: &Shared) -> LastWill {
    let (topic, message) = shared.pending().last_will();
    let properties = LastWillProperties {
        delay_interval: None,
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some("application/json".to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    LastWill::new(topic.as_str(), message.to_json(), QoS::AtLeastOnce, true, Some(properties))
}
