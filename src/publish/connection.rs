//! One connection to the broker, from the first packet to the last.
//!
//! It offers what [`super::pending`] has, at most a window of it at a time, and tells it what the broker answers. It is
//! started by [`super::mqtt`] with a new link each time: the outbox is the one memory of what is unacknowledged, and an
//! old link would bring back publishes, packet ids and events of the connection before. It must not wait for room in the
//! link's queue: the task that steps the link is the one that empties it.
//!
//! What the node subscribes to is asked for right after the welcome, before anything is offered, and takes a place in the
//! window like a publish, because subscriptions and publishes share their packet ids.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::dial::{Dial, Trouble};
use super::link::{Client, Event, EventLoop, NoRoom, Publish, QoS, step};
use super::pending::{Offer, Ticket};
use super::shared::{Order, Shared};
use super::window::Window;

/// Publishes on their way at a time; fewer when the broker says so.
const WINDOW: u16 = 64;

/// Publishes without acknowledgement that wait to be sent, at most.
const UNSENT: usize = 16;

/// The link's queue: a full window, those without acknowledgement and a disconnect fit, so it is never full.
const REQUESTS: usize = WINDOW as usize + UNSENT + 1;

/// How long what the broker refused waits before it is offered again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long the broker may take to close its side after it was told goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long it may take to leave a connection for another one.
const LEAVING: Duration = Duration::from_secs(5);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As ordered, after the retained offline statuses were acknowledged.
    Parted,
    /// To go on with other settings, in order when the broker let it.
    Left,
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
    /// For another connection: whoever has asked is still answered, until here.
    Moving(Instant),
    /// And what is left here is taken back.
    TakingLeave(Instant),
    /// Only the offline statuses still go out, until here.
    Parting(Instant),
    /// DISCONNECT is out; the broker closes.
    Goodbye(Instant),
}

/// What the broker has to answer.
#[derive(Debug)]
enum OnItsWay {
    Publish(Ticket),
    Subscription,
}

/// One connection.
pub(super) struct Connection<'a> {
    dial: &'a Dial,
    shared: &'a Arc<Shared>,
    client: Client,
    window: Window<OnItsWay>,
    /// Publishes without acknowledgement that the link has not sent yet.
    unsent: usize,
    connected: bool,
    /// Whether the broker has acknowledged anything, which shows that it works.
    pub(super) proved: bool,
    max_packet_bytes: Option<usize>,
    retry_at: Option<Instant>,
    leaving: Leaving,
    /// Whether another connection is to follow.
    moving: bool,
}

impl<'a> Connection<'a> {
    pub(super) fn new(dial: &'a Dial, shared: &'a Arc<Shared>) -> (Self, EventLoop) {
        let (client, event_loop) = dial.link(Some(last_will(shared)), WINDOW, REQUESTS);
        let connection = Connection {
            dial,
            shared,
            client,
            window: Window::new(WINDOW.into()),
            unsent: 0,
            connected: false,
            proved: false,
            max_packet_bytes: None,
            retry_at: None,
            leaving: Leaving::No,
            moving: false,
        };
        (connection, event_loop)
    }

    /// Connects and publishes until the connection ends or an order to end it was carried out.
    pub(super) async fn run(&mut self, event_loop: EventLoop, orders: &mut watch::Receiver<Order>) -> Ended {
        let mut stepping = pin!(step(event_loop));
        loop {
            self.shared.pulse.beat();
            let order = *orders.borrow_and_update();
            if let Some(ended) = self.obey(order).or_else(|| self.advance(Instant::now())) {
                return ended;
            }
            let deadline = self.next_deadline();
            tokio::select! {
                (mut event_loop, event) = &mut stepping => {
                    let ended = match event {
                        Ok(event) => self.handle(event),
                        Err(fault) => {
                            // Acknowledgements that came just before the end are still worth having.
                            for event in event_loop.last_events() {
                                self.handle(event);
                            }
                            Some(self.end_of_connection(self.dial.explain(&fault)))
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
            (
                Leaving::No | Leaving::Moving(_) | Leaving::TakingLeave(_),
                Order::Stop { flush_until, until },
            ) => {
                self.moving = false;
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
        if matches!(self.leaving, Leaving::No) && self.shared.pending().is_moving() {
            if !self.connected {
                return Some(Ended::Left);
            }
            self.moving = true;
            self.leaving = Leaving::Moving(now + LEAVING);
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
        if let Leaving::Moving(until) = self.leaving
            && self.window.is_empty()
            && self.unsent == 0
            && self.shared.pending().is_answered()
        {
            self.shared.pending().take_leave();
            self.leaving = Leaving::TakingLeave(until);
            if let Err(trouble) = self.offer() {
                return Some(Ended::Lost(trouble));
            }
        }
        if let Leaving::Parting(until) | Leaving::TakingLeave(until) = self.leaving
            && self.connected
            && self.window.is_empty()
        {
            if self.client.disconnect().is_err() {
                return Some(if self.moving { Ended::Left } else { Ended::Abandoned });
            }
            self.leaving = Leaving::Goodbye(until.min(now + GOODBYE));
        }
        match self.leaving {
            Leaving::Parting(until) if now >= until => return Some(Ended::Abandoned),
            Leaving::Moving(until) | Leaving::TakingLeave(until) if now >= until => return Some(Ended::Left),
            Leaving::Goodbye(until) if now >= until => return Some(self.said_goodbye()),
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
            Leaving::Flushing(until, _)
            | Leaving::Moving(until)
            | Leaving::TakingLeave(until)
            | Leaving::Parting(until)
            | Leaving::Goodbye(until) => Some(until),
        };
        let answer = self.window.oldest_since().map(|since| Instant::from(since) + self.patience());
        let pending = self.shared.pending().next_due(std::time::Instant::now()).map(Instant::from);
        let offers = matches!(self.leaving, Leaving::No | Leaving::Flushing(..));
        let pending = pending.filter(|_| offers && self.connected && self.window.has_room());
        let far = Instant::now() + Duration::from_secs(3600);
        [leaving, answer, self.retry_at, pending].into_iter().flatten().min().unwrap_or(far)
    }

    /// How long the broker may take to acknowledge.
    fn patience(&self) -> Duration {
        2 * self.dial.keep_alive()
    }

    /// Hands the link as much as the window has room for.
    fn offer(&mut self) -> Result<(), Trouble> {
        while self.window.has_room() && self.unsent < UNSENT {
            let offer = match self.leaving {
                Leaving::No | Leaving::Flushing(..) => self.shared.pending().next(std::time::Instant::now()),
                Leaving::Moving(_) => self.shared.pending().next_before_leaving(),
                Leaving::TakingLeave(_) => self.shared.pending().next_farewell(),
                Leaving::Parting(_) => self.shared.pending().next_status(std::time::Instant::now()),
                Leaving::Goodbye(_) => None,
            };
            let Some(Offer { ticket, topic, payload, properties, retain, qos }) = offer else { break };
            let publish = Publish { topic: topic.as_str().to_owned(), payload, qos, retain, properties };
            let bytes = publish.max_bytes();
            if let Some(max_bytes) = self.max_packet_bytes
                && bytes > max_bytes
            {
                let why =
                    format!("a message for {topic} is larger than the {max_bytes} bytes the broker takes");
                tracing::error!(%topic, bytes, max_bytes, "message too large for the broker, dropped");
                self.shared.pending().impossible(&ticket, why);
                continue;
            }
            match qos {
                QoS::AtLeastOnce => {
                    self.window.requested(OnItsWay::Publish(ticket), std::time::Instant::now());
                }
                QoS::AtMostOnce => self.unsent += 1,
            }
            self.client.publish(publish).map_err(no_room)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Option<Ended> {
        match event {
            Event::Welcomed { receive_maximum, max_packet_bytes } => {
                return self.welcomed(receive_maximum, max_packet_bytes).err().map(Ended::Lost);
            }
            Event::Numbered(packet_id) => self.window.numbered(packet_id),
            Event::Sent => self.unsent = self.unsent.saturating_sub(1),
            Event::Acknowledged { packet_id, refused } => self.answered(packet_id, refused),
            Event::Subscribed { packet_id, result } => self.subscribed(packet_id, result),
            Event::Received(incoming) => self.shared.received(&incoming),
            Event::Nothing => {}
        }
        None
    }

    fn welcomed(
        &mut self,
        receive_maximum: Option<u16>,
        max_packet_bytes: Option<usize>,
    ) -> Result<(), Trouble> {
        if let Some(max) = receive_maximum {
            self.window.narrow(max.into());
        }
        self.max_packet_bytes = max_packet_bytes;
        self.connected = true;
        self.shared.pending().connected();
        let waiting = self.shared.pending().counts().waiting;
        tracing::info!(broker = %self.dial.address(), waiting, "connected to the broker");
        let filters = self.shared.pending().subscriptions();
        self.window.requested(OnItsWay::Subscription, std::time::Instant::now());
        self.client.subscribe(&filters).map_err(no_room)
    }

    fn answered(&mut self, packet_id: u16, refused: Option<String>) {
        let Some(OnItsWay::Publish(ticket)) = self.window.answered(packet_id) else { return };
        let Some(reason) = refused else {
            self.proved = true;
            self.shared.pending().acknowledged(&ticket);
            return;
        };
        let why = format!("{} refuses {} ({reason})", self.dial.address(), ticket.topic());
        self.shared.pending().refused(&ticket, why.clone());
        if self.retry_at.is_none() {
            tracing::warn!(retry_s = RETRY_AFTER.as_secs(), "{why}");
            self.retry_at = Some(Instant::now() + RETRY_AFTER);
        }
    }

    fn subscribed(&mut self, packet_id: u16, result: Result<(), String>) {
        self.window.answered(packet_id);
        if let Err(reason) = result {
            let why = format!("{} does not let this node subscribe ({reason})", self.dial.address());
            self.shared.pending().unsubscribed(why);
        }
    }

    fn end_of_connection(&self, trouble: Trouble) -> Ended {
        if matches!(self.leaving, Leaving::Goodbye(_)) { self.said_goodbye() } else { Ended::Lost(trouble) }
    }

    fn said_goodbye(&self) -> Ended {
        if self.moving { Ended::Left } else { Ended::Parted }
    }
}

fn no_room(error: NoRoom) -> Trouble {
    Trouble { text: error.to_string(), patient: false }
}

fn last_will(shared: &Shared) -> Publish {
    let (topic, payload, properties) = shared.pending().last_will();
    Publish { topic: topic.as_str().to_owned(), payload, qos: QoS::AtLeastOnce, retain: true, properties }
}
