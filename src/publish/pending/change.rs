//! What is pending while the node changes: other cameras, other settings, another broker.
//!
//! Part of [`super::Pending`]. What a connection is made of is changed between two connections, by the thread that
//! publishes ([`Pending::adopt`]); until then everything is said as before. Numbers, the outbox and what is retained go on.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Content, Lanes, Offer, Pending, Renderer, Ticket};
use crate::name::Name;
use crate::publish::dial::Dial;
use crate::publish::discovery::{self, Scene};
use crate::publish::link::{Properties, QoS};
use crate::publish::settings::{Settings, moves, reconnects, same_broker};
use crate::publish::topic::Topic;
use crate::publish::{status, wire};

impl Pending {
    /// The node has these cameras from now on, and publishes by these settings as soon as the connection allows it.
    pub(in crate::publish) fn change(&mut self, settings: Settings, cameras: Vec<Scene>) {
        self.show(cameras);
        let mqtt = &settings.mqtt;
        self.mqtt.commands.clone_from(&mqtt.commands);
        self.mqtt.snapshot_max_bytes = mqtt.snapshot_max_bytes;
        if self.mqtt.stats_interval != mqtt.stats_interval {
            self.mqtt.stats_interval = mqtt.stats_interval;
            self.reports.every(mqtt.stats_interval);
        }
        if self.mqtt.outbox != mqtt.outbox {
            self.mqtt.outbox.clone_from(&mqtt.outbox);
            self.outbox.configure(&mqtt.outbox);
            self.lanes = Lanes::new(mqtt.outbox.backlog_rate, Instant::now());
        }
        self.took_leave = false;
        self.staged = reconnects(&self.mqtt, &settings.mqtt).then_some(settings);
    }

    /// Whether there are settings that only another connection can use.
    pub(in crate::publish) fn is_moving(&self) -> bool {
        self.staged.is_some()
    }

    /// Whether everybody who asked over the present connection is answered.
    pub(in crate::publish) fn is_answered(&self) -> bool {
        self.asked == 0 && self.notes.is_empty() && self.pictures.is_empty()
    }

    /// What goes out before the connection is left: what is retained, and replies. Tags wait for the next one.
    pub(in crate::publish) fn next_before_leaving(&mut self, now: Instant) -> Option<Offer> {
        self.next_status(now).or_else(|| self.next_note()).or_else(|| self.next_picture())
    }

    /// Takes leave of those who will not hear of the node any more: it goes offline for those who listen, and nothing is
    /// left for those who come later.
    pub(in crate::publish) fn take_leave(&mut self) {
        self.farewell.clear();
        let Some(settings) = &self.staged else { return };
        if !moves(&self.mqtt, &settings.mqtt) {
            return;
        }
        let node = self.root.node_status(&self.node.name);
        let offline = self.offline(Some(self.clock.now()), status::MOVED);
        let (payload, properties) = self.renderer.message(&wire::Message::Node(offline), self.clock.now());
        let offer = |topic: Topic, payload, properties| Offer {
            ticket: Ticket::Retained(topic.clone()),
            topic,
            payload,
            properties,
            retain: true,
            qos: QoS::AtLeastOnce,
        };
        self.farewell.push_back(offer(node.clone(), payload, properties));
        let stays = same_broker(&self.mqtt, &settings.mqtt);
        let (shown, shows) = (&self.mqtt.home_assistant, &settings.mqtt.home_assistant);
        if stays && shown.enabled && shows.enabled && shown.prefix == shows.prefix {
            // Home Assistant is shown the new topics first: what is left is cleared by the next connection.
            return;
        }
        let mut left: BTreeSet<Topic> = self.retained.topics().cloned().chain(self.topics()).collect();
        left.remove(&node);
        // It forgets what is shown before nothing more is said of it, unless it is to know of the node from now on.
        let shown = left
            .take(&self.discovery_topic())
            .filter(|_| !(stays && shows.enabled && shown.prefix == shows.prefix));
        let cleared = shown.into_iter().chain(left).chain([node]);
        self.farewell.extend(cleared.map(|topic| offer(topic, Vec::new(), Properties::default())));
        self.took_leave = true;
    }

    /// The next of the last words.
    pub(in crate::publish) fn next_farewell(&mut self) -> Option<Offer> {
        self.farewell.pop_front()
    }

    /// Takes over settings that wait, between two connections; how to reach the broker from now on.
    pub(in crate::publish) fn adopt(&mut self) -> Option<Dial> {
        let Settings { mqtt, root, dial } = self.staged.take()?;
        self.farewell.clear();
        let took_leave = std::mem::take(&mut self.took_leave);
        let stays = same_broker(&self.mqtt, &mqtt);
        let shown = self.mqtt.home_assistant.enabled.then(|| self.discovery_topic());
        if moves(&self.mqtt, &mqtt) {
            // Nobody was there to take leave of.
            let mut left = if stays && !took_leave { self.topics() } else { BTreeSet::new() };
            left.extend(self.retained.cleared().filter(|_| stays && !took_leave).cloned());
            self.root = root.clone();
            let node = &self.node.name;
            self.retained.move_to(|message| match message {
                wire::Message::Node(_) => Some(root.node_status(node)),
                wire::Message::Camera(status) => Some(root.camera_status(node, &status.camera)),
                wire::Message::Occupancy(occupancy) => {
                    Some(root.occupancy(node, &occupancy.camera, &occupancy.zone))
                }
                _ => None,
            });
            left.into_iter().for_each(|topic| self.retained.set(topic, Content::Cleared));
        }
        self.renderer = Renderer::new(mqtt.profile, root, self.node.name.clone());
        self.reports.insecure = mqtt.insecure();
        self.mqtt = mqtt;
        let shows = self.mqtt.home_assistant.enabled.then(|| self.discovery_topic());
        if !stays || shows != shown {
            // Home Assistant is another, or forgets all.
            self.told = discovery::Told::default();
            shown
                .filter(|_| stays)
                .into_iter()
                .for_each(|topic| self.retained.set(topic, Content::Withdrawn));
        }
        self.tell_node();
        self.tell_home_assistant();
        Some(dial)
    }

    /// Shows these cameras, and clears what is retained about those, and about zones, that are no more.
    fn show(&mut self, cameras: Vec<Scene>) {
        if self.node.cameras == cameras {
            return;
        }
        let before = self.topics();
        self.node.cameras = cameras;
        let now = self.topics();
        for topic in before.difference(&now) {
            self.forget_pictures(topic);
            self.retained.set(topic.clone(), Content::Cleared);
        }
        self.tell_node();
        self.tell_home_assistant();
    }

    /// Every topic of the contract at which something may be retained.
    fn topics(&self) -> BTreeSet<Topic> {
        let (root, node) = (&self.root, &self.node.name);
        let mut topics = BTreeSet::from([root.node_status(node)]);
        for Scene { camera, zones, snapshots, .. } in &self.node.cameras {
            topics.insert(root.camera_status(node, camera));
            topics.extend(zones.iter().map(|(zone, _)| root.occupancy(node, camera, zone)));
            topics.extend(snapshots.then(|| root.snapshot(node, camera)));
        }
        topics
    }

    /// The camera of this name, if the node has it.
    pub(super) fn scene(&self, camera: &Name) -> Option<&Scene> {
        self.node.cameras.iter().find(|scene| scene.camera == *camera)
    }
}
