//! What is to be published: tags in the outbox, and of each status the newest.
//!
//! Written by [`super::Handle`] on the threads that recognise and capture, read by [`super::connection`]. All of it is
//! values; the lock around it is held for microseconds, never across a disk or a network.

use std::time::{Duration, Instant};

use super::outbox::{Depth, EntryId, Outbox};
use super::sequence::Sequencer;
use super::topic::{Root, Topic};
use super::{Counts, Node, status, wire};
use crate::clock::Timestamp;
use crate::tag::Tag;
use crate::telemetry::CameraStatus;

/// How often losses are put into the log.
const LOSS_REPORT_PERIOD: Duration = Duration::from_secs(60);

/// All that is to be published, and what has become of it.
pub(super) struct Pending {
    root: Root,
    node: Node,
    sequencer: Sequencer,
    outbox: Box<dyn Outbox>,
    /// The newest status of the node (first) and of each camera: as many as there are cameras, and one.
    statuses: Vec<Status>,
    /// Whether the last word was said.
    parted: bool,
    connected: bool,
    connections: u64,
    published: u64,
    acknowledged: u64,
    refusals: u64,
    last_error: Option<String>,
    losses: LossReports,
}

/// A retained message, which only its newest version is worth.
struct Status {
    topic: Topic,
    message: wire::Message,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unsent,
    /// Handed to the connection; whether it has arrived is the connection's to know.
    Sent,
    Refused,
}

/// What to send, and the ticket by which its fate is told.
#[derive(Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) ticket: Ticket,
    pub(super) topic: Topic,
    pub(super) message: wire::Message,
    pub(super) retain: bool,
}

/// Names what was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ticket {
    Tag(EntryId),
    Status(Topic),
}

/// Tags lost since the last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) tags: u64,
    pub(super) total: u64,
}

/// Says losses once per period.
#[derive(Default)]
struct LossReports {
    reported: u64,
    last: Option<Instant>,
}

impl Pending {
    pub(super) fn new(root: Root, node: Node, outbox: Box<dyn Outbox>, now: Timestamp) -> Self {
        let online = Status {
            topic: root.node_status(&node.name),
            message: wire::Message::Node(status::online(&node, now)),
            standing: Standing::Unsent,
        };
        Pending {
            sequencer: Sequencer::new(node.name.clone(), node.boot),
            root,
            node,
            outbox,
            statuses: vec![online],
            parted: false,
            connected: false,
            connections: 0,
            published: 0,
            acknowledged: 0,
            refusals: 0,
            last_error: None,
            losses: LossReports::default(),
        }
    }

    /// Numbers a tag and puts it into the outbox.
    pub(super) fn tag(&mut self, tag: &Tag) {
        let mut message = self.sequencer.message(tag);
        message.historical = !self.connected;
        self.published += 1;
        self.outbox.append(message);
    }

    /// Replaces what was to be said about a camera, unless the last word was said.
    pub(super) fn camera_status(&mut self, status: &CameraStatus) {
        if self.parted {
            return;
        }
        let topic = self.root.camera_status(&self.node.name, &status.camera);
        self.set_status(topic, wire::Message::Camera(status::camera(&self.node, status)));
    }

    /// The node and its cameras go offline, as the last thing they say.
    pub(super) fn part(&mut self, now: Timestamp) {
        self.parted = true;
        for status in &mut self.statuses {
            match &mut status.message {
                wire::Message::Node(node) => *node = status::offline(&self.node, Some(now), status::STOPPED),
                wire::Message::Camera(camera) if camera.state == wire::CameraState::Offline => {}
                wire::Message::Camera(camera) => {
                    camera.state = wire::CameraState::Offline;
                    camera.since = now;
                    camera.reason = Some(status::NODE_STOPPED.to_owned());
                    (camera.fps_in, camera.fps_recognised) = (0.0, 0.0);
                }
                wire::Message::Tag(_) => {}
            }
            status.standing = Standing::Unsent;
        }
    }

    fn set_status(&mut self, topic: Topic, message: wire::Message) {
        let standing = Standing::Unsent;
        match self.statuses.iter_mut().find(|status| status.topic == topic) {
            Some(status) => (status.message, status.standing) = (message, standing),
            None => self.statuses.push(Status { topic, message, standing }),
        }
    }

    /// What to send next: a changed status before any tag.
    pub(super) fn next(&mut self) -> Option<Offer> {
        self.next_status().or_else(|| {
            let entry = self.outbox.next()?;
            Some(Offer {
                ticket: Ticket::Tag(entry.id),
                topic: self.root.tag(&entry.tag.node, &entry.tag.camera, entry.tag.kind),
                message: wire::Message::Tag(entry.tag),
                retain: false,
            })
        })
    }

    /// The next changed status.
    pub(super) fn next_status(&mut self) -> Option<Offer> {
        let status = self.statuses.iter_mut().find(|status| status.standing == Standing::Unsent)?;
        status.standing = Standing::Sent;
        Some(Offer {
            ticket: Ticket::Status(status.topic.clone()),
            topic: status.topic.clone(),
            message: status.message.clone(),
            retain: true,
        })
    }

    /// The broker has it.
    pub(super) fn acknowledged(&mut self, ticket: &Ticket) {
        if let Ticket::Tag(id) = ticket {
            self.acknowledged += 1;
            self.outbox.acknowledged(*id);
        }
    }

    /// The broker does not want it now.
    pub(super) fn refused(&mut self, ticket: &Ticket, why: String) {
        self.refusals += 1;
        self.last_error = Some(why);
        match ticket {
            Ticket::Tag(id) => self.outbox.refused(*id),
            Ticket::Status(topic) => {
                // A newer version may already wait under the same topic: it is tried in its own right.
                for status in &mut self.statuses {
                    if status.topic == *topic && status.standing == Standing::Sent {
                        status.standing = Standing::Refused;
                    }
                }
            }
        }
    }

    /// The broker can never take it.
    pub(super) fn impossible(&mut self, ticket: &Ticket, why: String) {
        self.last_error = Some(why);
        if let Ticket::Tag(id) = ticket {
            self.outbox.discard(*id);
        }
    }

    /// What was refused may be tried again.
    pub(super) fn retry(&mut self) {
        self.outbox.retry();
        for status in &mut self.statuses {
            if status.standing == Standing::Refused {
                status.standing = Standing::Unsent;
            }
        }
    }

    /// The broker is there: tags are live from now on.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.connections += 1;
        self.last_error = None;
    }

    /// The broker is away: what it has not acknowledged is offered anew to the next connection, statuses too.
    pub(super) fn disconnected(&mut self, why: Option<String>) {
        self.connected = false;
        self.last_error = why.or(self.last_error.take());
        self.outbox.withdraw();
        for status in &mut self.statuses {
            status.standing = Standing::Unsent;
        }
    }

    /// Whether no tag is left that the broker might still take.
    pub(super) fn is_drained(&self) -> bool {
        self.outbox.is_drained()
    }

    pub(super) fn last_will(&self) -> (Topic, wire::Message) {
        let will = status::offline(&self.node, None, status::CONNECTION_LOST);
        (self.root.node_status(&self.node.name), wire::Message::Node(will))
    }

    pub(super) fn counts(&self) -> Counts {
        let Depth { waiting, dropped, lost } = self.outbox.depth();
        Counts {
            published: self.published,
            acknowledged: self.acknowledged,
            waiting,
            dropped,
            lost,
            refusals: self.refusals,
            connected: self.connected,
            connections: self.connections,
            last_error: self.last_error.clone(),
        }
    }

    /// Losses that the log has not been told of, once per period.
    pub(super) fn unreported_loss(&mut self, now: Instant) -> Option<Loss> {
        let total = self.outbox.depth().dropped;
        let due = self.losses.last.is_none_or(|last| now.duration_since(last) >= LOSS_REPORT_PERIOD);
        if total == self.losses.reported || !due {
            return None;
        }
        let tags = total - self.losses.reported;
        self.losses = LossReports { reported: total, last: Some(now) };
        Some(Loss { tags, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::publish::outbox::MemoryOutbox;
    use crate::publish::{test_node, test_tag};
    use crate::telemetry::CameraState;

    fn pending(capacity: usize) -> Pending {
        let root = Root::new("spotter/v1").unwrap();
        Pending::new(root, test_node(), Box::new(MemoryOutbox::new(capacity)), Timestamp::EPOCH)
    }

    fn camera_status(state: CameraState, dropped: u64) -> CameraStatus {
        CameraStatus {
            camera: Name::new("ramp").unwrap(),
            state,
            since: Timestamp::EPOCH,
            reason: None,
            reconnects_last_hour: 0,
            fps_in: 25.0,
            fps_recognised: 12.0,
            dropped,
            pose_rate: None,
        }
    }

    fn topics(pending: &mut Pending) -> Vec<String> {
        std::iter::from_fn(|| pending.next()).map(|offer| offer.topic.to_string()).collect()
    }

    #[test]
    fn statuses_go_before_tags_and_only_the_newest_of_each() {
        let mut pending = pending(10);
        pending.tag(&test_tag());
        pending.camera_status(&camera_status(CameraState::Connecting, 0));
        pending.camera_status(&camera_status(CameraState::Online, 7));
        let node = pending.next().unwrap();
        assert_eq!((node.topic.as_str(), node.retain), ("spotter/v1/edge-1/status", true));
        let camera = pending.next().unwrap();
        let wire::Message::Camera(status) = &camera.message else { panic!("{camera:?}") };
        assert_eq!((status.state, status.dropped), (wire::CameraState::Online, 7));
        let tag = pending.next().unwrap();
        assert_eq!((tag.topic.as_str(), tag.retain), ("spotter/v1/edge-1/ramp/tag/object", false));
        assert_eq!(pending.next(), None);
    }

    #[test]
    fn every_connection_is_told_every_status() {
        let mut pending = pending(10);
        pending.camera_status(&camera_status(CameraState::Online, 0));
        pending.connected();
        let all = ["spotter/v1/edge-1/status", "spotter/v1/edge-1/ramp/status"];
        assert_eq!(topics(&mut pending), all);
        pending.disconnected(Some("gone".to_owned()));
        assert_eq!(pending.counts().last_error.as_deref(), Some("gone"));
        pending.connected();
        assert_eq!(topics(&mut pending), all);
        assert_eq!(pending.counts().last_error, None);
    }

    #[test]
    fn a_tag_is_historical_when_it_was_made_while_the_broker_was_away() {
        let mut pending = pending(10);
        pending.tag(&test_tag());
        pending.connected();
        pending.tag(&test_tag());
        let historical: Vec<bool> = std::iter::from_fn(|| pending.next())
            .filter_map(|offer| match offer.message {
                wire::Message::Tag(tag) => Some(tag.historical),
                _ => None,
            })
            .collect();
        assert_eq!(historical, [true, false]);
    }

    #[test]
    fn a_refused_status_is_tried_again_unless_a_newer_one_was() {
        let mut pending = pending(10);
        let node = pending.next().unwrap();
        pending.refused(&node.ticket, "no".to_owned());
        assert_eq!(pending.next(), None);
        pending.retry();
        assert_eq!(pending.next().unwrap().ticket, node.ticket);
        assert_eq!(pending.counts().refusals, 1);
    }

    #[test]
    fn at_the_end_everybody_is_offline() {
        let mut pending = pending(10);
        pending.camera_status(&camera_status(CameraState::Online, 0));
        topics(&mut pending);
        pending.part(Timestamp::from_micros(5));
        pending.camera_status(&camera_status(CameraState::Online, 0));
        let reasons: Vec<Option<String>> = std::iter::from_fn(|| pending.next_status())
            .map(|offer| match offer.message {
                wire::Message::Node(node) => node.reason,
                wire::Message::Camera(camera) => camera.reason,
                wire::Message::Tag(_) => panic!("no tag was published"),
            })
            .collect();
        assert_eq!(reasons, [Some("stopped".to_owned()), Some("the node stopped".to_owned())]);
    }

    #[test]
    fn losses_are_reported_once_per_period() {
        let mut pending = pending(1);
        let start = Instant::now();
        pending.tag(&test_tag());
        assert_eq!(pending.unreported_loss(start), None);
        pending.tag(&test_tag());
        assert_eq!(pending.unreported_loss(start), Some(Loss { tags: 1, total: 1 }));
        pending.tag(&test_tag());
        pending.tag(&test_tag());
        assert_eq!(pending.unreported_loss(start + Duration::from_secs(59)), None);
        assert_eq!(
            pending.unreported_loss(start + Duration::from_secs(60)),
            Some(Loss { tags: 2, total: 3 })
        );
    }
}
