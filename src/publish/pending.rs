//! What is to be published: tags in the outbox, of each status the newest, replies and figures.
//!
//! Written by [`super::Handle`] on the threads that recognise and capture, read by [`super::connection`]. All of it is
//! values; the lock around it is held for microseconds, never across a disk or a network.

mod change;
mod inbox;
mod pictures;
mod report;
mod retained;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::command::Request;
use super::dial::Trouble;
use super::discovery::{self, Scene};
use super::link::{Limits, Properties, QoS};
use super::outbox::lanes::Lanes;
use super::outbox::{Closing, Committing, Entry, EntryId, Gap, Outbox, Record};
use super::render::Renderer;
use super::sequence::Sequencer;
use super::settings::Settings;
use super::topic::{Root, Topic};
use super::{Accelerators, Counts, LoadedModel, Node, digest, status, wire};
use crate::clock::Clock;
use crate::config;
use crate::tag::{FrameTracks, Occupancy, Tag};
use crate::telemetry::CameraStatus;

use pictures::Pictures;
use report::Reports;
use retained::{Content, Retained};

/// Replies, figures and frames' tracks that wait to be sent, at most; past it the oldest goes.
const NOTES: usize = 256;

/// Takes a request to the daemon; whether there was room for it.
pub(super) type Daemon = Box<dyn Fn(Request) -> bool + Send>;

/// All that is to be published, and what has become of it.
pub(super) struct Pending {
    root: Root,
    node: Node,
    clock: Arc<dyn Clock>,
    renderer: Renderer,
    /// How it publishes, and how from the next connection on, where that is another way.
    mqtt: config::Mqtt,
    staged: Option<Settings>,
    /// The last words to those who will not hear of the node any more, and whether they were put.
    farewell: VecDeque<Offer>,
    took_leave: bool,
    daemon: Daemon,
    /// Requests that the daemon has not answered yet.
    asked: usize,
    sequencer: Sequencer,
    outbox: Outbox,
    lanes: Lanes,
    retained: Retained,
    /// What Home Assistant knows of.
    told: discovery::Told,
    notes: VecDeque<Note>,
    pictures: Pictures,
    /// Whether the last word was said.
    parted: bool,
    counts: Counts,
    commands: wire::CommandStats,
    reports: Reports,
    /// Why the broker refuses a topic, until it takes something there.
    refused: BTreeMap<Topic, String>,
    /// What was set aside because the broker does not take it: why, and when.
    set_aside: BTreeMap<Topic, (String, Instant)>,
    /// Why the broker does not let the node subscribe.
    unheard: Option<String>,
    /// What the broker can do.
    limits: Limits,
}

/// Something that is sent once, when the broker is there, or not at all.
struct Note {
    topic: Topic,
    payload: Vec<u8>,
    properties: Properties,
    qos: QoS,
}

/// What to send, and the ticket by which its fate is told.
#[derive(Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) ticket: Ticket,
    pub(super) topic: Topic,
    pub(super) payload: Vec<u8>,
    pub(super) properties: Properties,
    pub(super) retain: bool,
    pub(super) qos: QoS,
}

/// Names what was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ticket {
    /// A tag or a gap notice, and its topic.
    Entry(EntryId, Topic),
    Retained(Topic),
    /// A picture, by its number.
    Picture(u64, Topic),
    Note(Topic),
}

impl Ticket {
    pub(super) fn topic(&self) -> &Topic {
        match self {
            Ticket::Entry(_, topic)
            | Ticket::Retained(topic)
            | Ticket::Picture(_, topic)
            | Ticket::Note(topic) => topic,
        }
    }
}

impl Pending {
    pub(super) fn new(
        config: &config::Mqtt,
        root: Root,
        node: Node,
        outbox: Outbox,
        daemon: Daemon,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut pending = Pending {
            renderer: Renderer::new(config.profile, root.clone(), node.name.clone()),
            mqtt: config.clone(),
            staged: None,
            farewell: VecDeque::new(),
            took_leave: false,
            daemon,
            asked: 0,
            sequencer: Sequencer::new(node.name.clone(), node.boot),
            root,
            outbox,
            lanes: Lanes::new(config.outbox.backlog_rate, Instant::now()),
            retained: Retained::default(),
            told: discovery::Told::default(),
            notes: VecDeque::new(),
            pictures: Pictures::default(),
            parted: false,
            counts: Counts::default(),
            commands: wire::CommandStats::default(),
            reports: Reports::new(config, clock.steady()),
            refused: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            unheard: None,
            limits: Limits::default(),
            node,
            clock,
        };
        pending.tell_node();
        pending.tell_home_assistant();
        pending
    }

    /// Numbers tags and puts them into the outbox, in this order. The last of them, if there are any: it can be waited for
    /// until the disk has all of them, without the lock.
    pub(super) fn tags(&mut self, tags: &[Tag]) -> Option<Committing> {
        let historical = !self.counts.connected;
        let messages = tags.iter().map(|tag| wire::Tag { historical, ..self.sequencer.message(tag) });
        let last = self.outbox.append_all(messages);
        self.counts.published += tags.len() as u64;
        self.look(Instant::now());
        last
    }

    #[cfg(test)]
    fn tag(&mut self, tag: &Tag) -> Option<Committing> {
        self.tags(std::slice::from_ref(tag))
    }

    /// Replaces what was to be said about a camera of the node, unless the last word was said.
    pub(super) fn camera_status(&mut self, status: &CameraStatus) {
        if self.scene(&status.camera).is_none() {
            return;
        }
        let topic = self.root.camera_status(&self.node.name, &status.camera);
        let mut message = status::camera(&self.node, status);
        message.since = self.clock.setting().time_of_day(message.since);
        self.keep(topic, wire::Message::Camera(message));
    }

    /// Replaces what was to be said about a model of the node, unless the last word was said.
    pub(super) fn model(&mut self, model: &LoadedModel) {
        let is_it = |known: &&mut LoadedModel| {
            (&known.reference.name, known.worker) == (&model.reference.name, model.worker)
        };
        if let Some(known) = self.node.models.iter_mut().find(is_it) {
            known.clone_from(model);
            self.node.accelerators = Accelerators::of(&self.node.models);
            if !self.parted {
                self.tell_node();
            }
        }
    }

    /// Replaces what was to be said about a zone of the node, unless the last word was said.
    pub(super) fn occupancy(&mut self, occupancy: &Occupancy) {
        let has = |scene: &Scene| scene.zones.iter().any(|(name, _)| *name == occupancy.zone);
        if !self.scene(&occupancy.camera).is_some_and(has) {
            return;
        }
        let topic = self.root.occupancy(&self.node.name, &occupancy.camera, &occupancy.zone);
        self.keep(topic, wire::Message::Occupancy(status::occupancy(&self.node, occupancy)));
    }

    fn keep(&mut self, topic: Topic, message: wire::Message) {
        if !self.parted {
            self.retained.set(topic, Content::Message(message));
        }
    }

    /// A frame's tracks, for those who are there now and stay so.
    pub(super) fn tracks(&mut self, tracks: &FrameTracks) {
        if self.counts.connected && !self.is_moving() {
            let topic = self.root.tracks(&self.node.name, &tracks.camera);
            let message = wire::Message::Tracks(status::tracks(&self.node, tracks));
            self.note_message(topic, &message, QoS::AtMostOnce);
        }
    }

    /// The node and its cameras go offline, as the last thing they say.
    pub(super) fn part(&mut self) {
        self.parted = true;
        let now = self.clock.now();
        let offline = self.offline(Some(now), status::STOPPED);
        self.retained.change(|message| match message {
            wire::Message::Node(status) => status.clone_from(&offline),
            wire::Message::Camera(camera) if camera.state == wire::CameraState::Offline => {}
            wire::Message::Camera(camera) => {
                camera.state = wire::CameraState::Offline;
                camera.since = now;
                camera.reason = Some(status::NODE_STOPPED.to_owned());
                (camera.fps_in, camera.fps_recognised) = (0.0, 0.0);
            }
            _ => {}
        });
    }

    /// What to send next: what has changed, then replies and pictures, then tags.
    pub(super) fn next(&mut self, now: Instant) -> Option<Offer> {
        self.report(now);
        self.next_before_leaving(now).or_else(|| {
            let Entry { id, record, older_waiting } = self.outbox.next(&mut self.lanes, now)?;
            let (topic, message) = match record {
                Record::Tag(mut tag) => {
                    tag.waiting = (older_waiting > 0).then_some(older_waiting);
                    (self.root.tag(&tag.node, &tag.camera, tag.kind), wire::Message::Tag(tag))
                }
                Record::Gap(gap) => (self.root.gap(&gap.node), wire::Message::Gap(notice(&gap))),
            };
            let (payload, properties) = self.renderer.message(&message, self.clock.now());
            let ticket = Ticket::Entry(id, topic.clone());
            Some(Offer { ticket, topic, payload, properties, retain: false, qos: QoS::AtLeastOnce })
        })
    }

    /// When to ask again although nothing new has come.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let tags = self.lanes.next_due(now, self.outbox.waiting());
        [tags, self.reports.next_due(), self.retained.next_due()].into_iter().flatten().min()
    }

    /// The next retained message that has changed.
    pub(super) fn next_status(&mut self, now: Instant) -> Option<Offer> {
        let (topic, content) = self.retained.next(now)?;
        let (payload, properties) = match content {
            Content::Message(message) => self.renderer.message(&message, self.clock.now()),
            Content::Discovery(device) => {
                (wire::json(&device).into_bytes(), self.renderer.properties("homeassistant.device"))
            }
            Content::Withdrawn | Content::Cleared => (Vec::new(), Properties::default()),
        };
        let ticket = Ticket::Retained(topic.clone());
        Some(Offer { ticket, topic, payload, properties, retain: true, qos: QoS::AtLeastOnce })
    }

    fn next_note(&mut self) -> Option<Offer> {
        let Note { topic, payload, properties, qos } = self.notes.pop_front()?;
        Some(Offer { ticket: Ticket::Note(topic.clone()), topic, payload, properties, retain: false, qos })
    }

    fn note_message(&mut self, topic: Topic, message: &wire::Message, qos: QoS) {
        let (payload, properties) = self.renderer.message(message, self.clock.now());
        self.note(Note { topic, payload, properties, qos });
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() == NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
    }

    /// The broker has it.
    pub(super) fn acknowledged(&mut self, ticket: &Ticket) {
        self.refused.remove(ticket.topic());
        match ticket {
            Ticket::Entry(id, _) => {
                self.counts.acknowledged += 1;
                self.outbox.acknowledged(*id);
            }
            Ticket::Retained(topic) => {
                self.set_aside.remove(topic);
                self.retained.done(topic);
            }
            Ticket::Picture(id, topic) => {
                self.set_aside.remove(topic);
                self.picture_acknowledged(*id);
            }
            Ticket::Note(_) => {}
        }
    }

    /// The broker does not want it now.
    pub(super) fn refused(&mut self, ticket: &Ticket, why: String) {
        self.counts.refusals += 1;
        self.refused.insert(ticket.topic().clone(), why.clone());
        if let Ticket::Picture(id, _) = ticket {
            self.picture_refused(*id, &why);
        }
        self.counts.last_error = Some(why);
        self.hold_back(ticket);
    }

    /// The node's status goes out once more.
    pub(super) fn repeat_status(&mut self) {
        let topic = self.root.node_status(&self.node.name);
        self.retained.repeat(&topic);
    }

    /// Whether it is the node's status.
    pub(super) fn is_status(&self, ticket: &Ticket) -> bool {
        matches!(ticket, Ticket::Retained(topic) if *topic == self.root.node_status(&self.node.name))
    }

    /// It is not to be offered before [`Pending::retry`].
    pub(super) fn hold_back(&mut self, ticket: &Ticket) {
        match ticket {
            Ticket::Entry(id, _) => self.outbox.refused(*id),
            Ticket::Retained(topic) => self.retained.refused(topic),
            Ticket::Picture(..) | Ticket::Note(_) => {}
        }
    }

    /// The broker can never take it.
    pub(super) fn impossible(&mut self, ticket: &Ticket, why: String) {
        self.set_aside(ticket.topic().clone(), why.clone());
        match ticket {
            Ticket::Entry(id, _) => self.outbox.discard(*id),
            Ticket::Picture(id, _) => self.picture_refused(*id, &why),
            Ticket::Retained(topic) => self.retained.done(topic),
            Ticket::Note(_) => {}
        }
        self.counts.last_error = Some(why);
    }

    /// Tells for a while that a message is not sent.
    fn set_aside(&mut self, topic: Topic, why: String) {
        self.set_aside.insert(topic, (why, Instant::now()));
    }

    /// What was refused may be tried again.
    pub(super) fn retry(&mut self) {
        self.outbox.retry();
        self.retained.retry();
    }

    /// The broker is there: tags are live from now on.
    pub(super) fn connected(&mut self, limits: Limits) {
        if self.limits != limits {
            self.limits = limits;
            if !self.parted {
                self.tell_node();
            }
        }
        self.counts.connected = true;
        self.counts.connections += 1;
        self.counts.last_error = None;
        self.reports.connected();
    }

    /// The broker is away: what it has not acknowledged is offered anew to the next connection, statuses too.
    pub(super) fn disconnected(&mut self, trouble: Option<&Trouble>) {
        self.counts.connected = false;
        let why = trouble.map(|trouble| trouble.text.clone());
        self.counts.last_error = why.or(self.counts.last_error.take());
        self.outbox.withdraw();
        self.retained.send_all();
        self.notes.clear();
        self.pictures_lost(trouble);
        self.refused.clear();
        self.unheard = None;
    }

    /// Whether no tag is left that the broker might still take.
    pub(super) fn is_drained(&self) -> bool {
        self.outbox.is_drained() && self.notes.is_empty()
    }

    pub(super) fn last_will(&self) -> (Topic, Vec<u8>, Properties) {
        let will = self.offline(None, status::CONNECTION_LOST);
        let (payload, properties) = self.renderer.message(&wire::Message::Node(will), self.clock.now());
        (self.root.node_status(&self.node.name), payload, properties)
    }

    /// The end: the outbox writes what is left and closes its file, which can be waited for without the lock.
    pub(super) fn close(&self) -> Closing {
        self.outbox.close()
    }

    /// Whether what waits outlives the process.
    pub(super) fn is_kept(&self) -> bool {
        self.outbox.is_kept()
    }

    /// Whether the outbox works.
    pub(super) fn is_running(&self) -> bool {
        self.outbox.is_running()
    }

    pub(super) fn counts(&self) -> Counts {
        let depth = self.outbox.depth();
        Counts { waiting: depth.waiting, dropped: depth.dropped_tags(), ..self.counts.clone() }
    }

    fn tell_home_assistant(&mut self) {
        if self.mqtt.home_assistant.enabled {
            let child_devices = self.mqtt.home_assistant.child_devices;
            let mut device = discovery::device(&self.root, &self.node, &self.node.cameras, child_devices);
            self.told.complete(&mut device);
            self.retained.set(self.discovery_topic(), Content::Discovery(device));
        }
    }

    fn discovery_topic(&self) -> Topic {
        Topic::discovery(&self.mqtt.home_assistant.prefix, &self.node.name)
    }
}

/// A gap as it is told.
fn notice(gap: &Gap) -> wire::Gap {
    wire::Gap {
        schema: wire::GapSchema::V1,
        id: gap_id(gap),
        node: gap.node.clone(),
        boot: gap.boot,
        first: gap.first,
        last: gap.last,
        reason: gap.reason,
    }
}

/// The same for the same gap, so that a notice that is delivered again keeps it.
fn gap_id(gap: &Gap) -> Uuid {
    let hash = Sha256::new()
        .chain_update(gap.boot.as_bytes())
        .chain_update(gap.first.to_be_bytes())
        .chain_update(gap.last.to_be_bytes());
    digest::id(hash)
}

#[cfg(test)]
mod tests;
