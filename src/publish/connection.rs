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
use super::link::{Blame, Client, Event, EventLoop, Limits, NoRoom, Publish, QoS, Reason, step};
use super::pending::Offer;
use super::shared::{Order, Shared};
use super::suspects::{HOLD, Sent, Suspects, Traffic, Use};
use super::window::Window;

/// Publishes on their way at a time; fewer when the broker says so.
const WINDOW: u16 = 64;

/// Publishes without acknowledgement that wait to be sent, at most.
const UNSENT: usize = 16;

/// The link's queue: a full window, those without acknowledgement and a disconnect fit, so it is never full.
const REQUESTS: usize = WINDOW as usize + UNSENT + 1;

/// The reason code for a packet that is too large. The standard has it for DISCONNECT alone, brokers use it elsewhere too.
const TOO_LARGE: u8 = 0x95;

/// How long what the broker refused waits before it is offered again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long the broker may take to close its side after it was told goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long suspects may take to be offered one by one.
const TRIAL: Duration = Duration::from_secs(60);

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
    Publish(Sent),
    Subscription,
}

/// How far it is known what the broker does not take; see [`super::suspects`].
#[derive(Clone, Copy, Debug)]
enum Trial {
    /// There is no suspect.
    No,
    /// Suspects are held back until here, and until the broker has taken something else.
    Holding(Instant),
    /// One message at a time, until here.
    Alone(Instant),
}

/// One connection.
pub(super) struct Connection<'a> {
    dial: &'a Dial,
    shared: &'a Arc<Shared>,
    suspects: &'a mut Suspects,
    client: Client,
    window: Window<OnItsWay>,
    /// Publishes without acknowledgement that the link has not sent yet.
    unsent: usize,
    /// What the broker can do, once it has taken this client.
    pub(super) welcome: Option<Limits>,
    trial: Trial,
    /// Messages that were sent, and those that the broker has acknowledged: one shows that it works.
    carried: Traffic,
    pub(super) taken: Traffic,
    /// Whether it ended because the broker, which answers pings, has acknowledged nothing at all.
    pub(super) unacknowledged: bool,
    /// When the broker last answered a ping.
    alive: Option<Instant>,
    /// How many were sent since suspects are offered alone.
    tried: usize,
    retry_at: Option<Instant>,
    leaving: Leaving,
    /// Whether another connection is to follow.
    moving: bool,
}

impl<'a> Connection<'a> {
    /// One whose last will the broker takes, by what is known of it.
    pub(super) fn new(
        dial: &'a Dial,
        shared: &'a Arc<Shared>,
        suspects: &'a mut Suspects,
        known: Limits,
    ) -> (Self, EventLoop) {
        let (client, event_loop) = dial.link(Some(last_will(shared, known)), REQUESTS);
        let connection = Connection {
            dial,
            shared,
            suspects,
            client,
            window: Window::new(WINDOW.into()),
            unsent: 0,
            welcome: None,
            trial: Trial::No,
            carried: Traffic::default(),
            taken: Traffic::default(),
            unacknowledged: false,
            alive: None,
            tried: 0,
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
                (event_loop, event) = &mut stepping => {
                    let ended = match event {
                        Ok(event) => self.handle(event),
                        Err(fault) => Some(self.end_of_connection(self.dial.explain(&fault))),
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
            && (now >= flush_until || (self.is_connected() && self.shared.pending().is_drained()))
        {
            self.shared.part();
            self.leaving = Leaving::Parting(until);
        }
        if matches!(self.leaving, Leaving::No) && self.shared.pending().is_moving() {
            if !self.is_connected() {
                return Some(Ended::Left);
            }
            self.moving = true;
            self.leaving = Leaving::Moving(now + LEAVING);
        }
        if self.retry_at.is_some_and(|at| now >= at) {
            self.retry_at = None;
            self.shared.pending().retry();
        }
        if let Trial::Holding(until) = self.trial
            && now >= until
        {
            if self.taken.reaches(self.suspects.must_carry()) {
                self.suspects.held();
                self.tried = 0;
                self.trial = Trial::Alone(now + TRIAL);
                self.shared.pending().retry();
            } else if self.window.is_empty() {
                // Nothing else goes out: the node's status once more shows whether the broker takes what is harmless.
                self.shared.pending().repeat_status();
            }
        }
        if let Trial::Alone(until) = self.trial
            && (now >= until || !self.suspects.any())
        {
            // A suspect that was not offered by then is not there any more.
            self.suspects.absolve();
            self.trial = Trial::No;
        }
        if self.is_connected()
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
            && self.is_connected()
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
        let since = self.window.oldest_since().map(Instant::from)?;
        (now >= since + self.patience()).then(|| {
            let text = format!("{} does not acknowledge what is published", self.dial.address());
            // One that answers pings is there, and does not want what it was sent.
            let is_alive = self.alive.is_some_and(|alive| alive > since);
            self.unacknowledged = is_alive && self.taken.messages == 0;
            let blame = if is_alive { Blame::Message } else { Blame::None };
            self.ended(Trouble { blame, ..Trouble::new(text) })
        })
    }

    fn is_connected(&self) -> bool {
        self.welcome.is_some()
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
        let pending = pending.filter(|_| offers && self.is_connected() && self.has_room());
        let trial = match self.trial {
            Trial::Holding(until) | Trial::Alone(until) => {
                Some(until).filter(|until| *until > Instant::now())
            }
            Trial::No => None,
        };
        let far = Instant::now() + Duration::from_secs(3600);
        [leaving, answer, self.retry_at, pending, trial].into_iter().flatten().min().unwrap_or(far)
    }

    /// How long the broker may take to acknowledge.
    fn patience(&self) -> Duration {
        2 * self.dial.keep_alive()
    }

    /// Whether one more message may go.
    fn has_room(&self) -> bool {
        let alone = self.window.is_empty() && self.unsent == 0;
        self.window.has_room() && self.unsent < UNSENT && (alone || !matches!(self.trial, Trial::Alone(_)))
    }

    /// Hands the link as much as the window has room for.
    fn offer(&mut self) -> Result<(), Trouble> {
        let limits = self.welcome.unwrap_or_default();
        while self.has_room() {
            let offer = match self.leaving {
                Leaving::No | Leaving::Flushing(..) => self.shared.pending().next(std::time::Instant::now()),
                Leaving::Moving(_) => self.shared.pending().next_before_leaving(std::time::Instant::now()),
                Leaving::TakingLeave(_) => self.shared.pending().next_farewell(),
                Leaving::Parting(_) => self.shared.pending().next_status(std::time::Instant::now()),
                Leaving::Goodbye(_) => None,
            };
            let Some(Offer { ticket, topic, payload, properties, retain, qos }) = offer else { break };
            if retain && payload.is_empty() && !limits.retains {
                // Nothing lies there that could be cleared.
                self.shared.pending().acknowledged(&ticket);
                continue;
            }
            let retain = retain && limits.retains;
            let publish = Publish { topic: topic.as_str().to_owned(), payload, qos, retain, properties };
            let sent = Sent { bytes: publish.max_bytes(), ticket };
            if let Some(why) = self.unacceptable(&sent, limits) {
                tracing::error!(bytes = sent.bytes, "{why}");
                self.shared.pending().impossible(&sent.ticket, why);
                continue;
            }
            if matches!(self.trial, Trial::Holding(_))
                && !self.shared.pending().is_status(&sent.ticket)
                && self.suspects.holds_back(&sent.ticket)
            {
                self.shared.pending().hold_back(&sent.ticket);
                continue;
            }
            self.carried.add(sent.bytes);
            self.tried += 1;
            match qos {
                QoS::AtLeastOnce => {
                    self.window.requested(OnItsWay::Publish(sent), std::time::Instant::now());
                }
                QoS::AtMostOnce => self.unsent += 1,
            }
            self.client.publish(publish).map_err(no_room)?;
        }
        Ok(())
    }

    /// Why the broker will never take a message, as far as it is known.
    fn unacceptable(&mut self, sent: &Sent, limits: Limits) -> Option<String> {
        let Sent { ticket, bytes } = sent;
        let (topic, broker) = (ticket.topic(), self.dial.address());
        if let Some(max_bytes) = limits.max_packet_bytes.filter(|max_bytes| bytes > max_bytes) {
            return Some(format!(
                "a message of {bytes} bytes for {topic} is larger than the {max_bytes} bytes that {broker} takes; it is set aside"
            ));
        }
        self.suspects.is_set_aside(sent).then(|| {
            format!(
                "{broker} ends the connection after a message of {bytes} bytes for {topic}, also when it comes alone; it is set aside"
            )
        })
    }

    fn handle(&mut self, event: Event) -> Option<Ended> {
        match event {
            Event::Welcomed(limits) => return self.welcomed(limits).err().map(Ended::Lost),
            Event::Numbered(packet_id) => self.window.numbered(packet_id),
            Event::Sent => self.unsent = self.unsent.saturating_sub(1),
            Event::Acknowledged { packet_id, refused } => self.answered(packet_id, refused),
            Event::Subscribed { packet_id, result } => self.subscribed(packet_id, result),
            Event::Received(incoming) => self.shared.received(&incoming),
            Event::Alive => self.alive = Some(Instant::now()),
        }
        None
    }

    fn welcomed(&mut self, limits: Limits) -> Result<(), Trouble> {
        if let Some(max) = limits.receive_maximum {
            self.window.narrow(max.into());
        }
        self.welcome = Some(limits);
        self.shared.pending().connected(limits);
        let waiting = self.shared.pending().counts().waiting;
        tracing::info!(broker = %self.dial.address(), waiting, "connected to the broker");
        self.suspects.welcomed();
        if self.suspects.any() {
            self.trial = Trial::Holding(Instant::now() + HOLD);
        }
        let filters = self.shared.pending().subscriptions();
        self.window.requested(OnItsWay::Subscription, std::time::Instant::now());
        self.client.subscribe(&filters).map_err(no_room)
    }

    fn answered(&mut self, packet_id: u16, refused: Option<Reason>) {
        let Some(OnItsWay::Publish(Sent { ticket, bytes })) = self.window.answered(packet_id) else { return };
        self.suspects.cleared(&ticket);
        let Some(reason) = refused else {
            self.taken.add(bytes);
            self.shared.pending().acknowledged(&ticket);
            return;
        };
        if reason.code == TOO_LARGE {
            let why = format!(
                "{} refuses a message of {bytes} bytes for {} ({reason}); it is set aside",
                self.dial.address(),
                ticket.topic()
            );
            tracing::error!(bytes, "{why}");
            return self.shared.pending().impossible(&ticket, why);
        }
        let why = format!("{} refuses {} ({reason})", self.dial.address(), ticket.topic());
        self.shared.pending().refused(&ticket, why.clone());
        if self.retry_at.is_none() {
            tracing::warn!(retry_s = RETRY_AFTER.as_secs(), "{why}");
            self.retry_at = Some(Instant::now() + RETRY_AFTER);
        }
    }

    fn subscribed(&mut self, packet_id: u16, result: Result<(), Reason>) {
        self.window.answered(packet_id);
        if let Err(reason) = result {
            let why = format!("{} does not let this node subscribe ({reason})", self.dial.address());
            self.shared.pending().unsubscribed(why);
        }
    }

    fn end_of_connection(&mut self, trouble: Trouble) -> Ended {
        if matches!(self.leaving, Leaving::Goodbye(_)) { self.said_goodbye() } else { self.ended(trouble) }
    }

    /// The connection is lost: what that says about the messages on their way.
    fn ended(&mut self, trouble: Trouble) -> Ended {
        if !self.is_connected() {
            self.suspects.failed();
        } else if trouble.blame != Blame::None {
            let pending = self.shared.pending();
            let unanswered = self.window.unanswered().filter_map(|on_its_way| match on_its_way {
                OnItsWay::Publish(sent) if !pending.is_status(&sent.ticket) => Some(sent.clone()),
                _ => None,
            });
            let used = match self.trial {
                Trial::Alone(_) => Use::Trial { is_first: self.tried == 1 },
                Trial::No | Trial::Holding(_) => Use::Usual,
            };
            self.suspects.ended(unanswered.collect(), used, self.carried, trouble.blame);
        } else {
            self.suspects.absolve();
        }
        Ended::Lost(trouble)
    }

    fn said_goodbye(&self) -> Ended {
        if self.moving { Ended::Left } else { Ended::Parted }
    }
}

fn no_room(error: NoRoom) -> Trouble {
    Trouble::new(error.to_string())
}

/// A broker refuses a client whose last will wants more than it can.
fn last_will(shared: &Shared, known: Limits) -> Publish {
    let (topic, payload, properties) = shared.pending().last_will();
    let qos = if known.acknowledges { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    Publish { topic: topic.as_str().to_owned(), payload, qos, retain: known.retains, properties }
}
