//! What comes to a node: commands, Home Assistant's birth, and what earlier runs left at the broker.
//!
//! Part of [`super::Pending`]. Called on the thread that publishes, so nothing here takes long.

use std::time::{Duration, Instant};

use super::{Content, Note, Pending};
use crate::config;
use crate::publish::command::{Ask, ReplyTo, Request, Understood, understand};
use crate::publish::discovery::Scene;
use crate::publish::link::{Incoming, QoS};
use crate::publish::render::REPLY_EXPIRY;
use crate::publish::topic::{Address, Topic};
use crate::publish::{Answer, wire};

/// How long what an earlier configuration left waits to be cleared. Until then the node has heard what that configuration
/// showed to Home Assistant, has told it what to forget, and Home Assistant has done so.
pub(super) const HEARD: Duration = Duration::from_secs(2);

/// What Home Assistant says when it is there.
const BIRTH: &[u8] = b"online";

impl Pending {
    /// What the node subscribes to on every connection.
    pub(in crate::publish) fn subscriptions(&self) -> Vec<String> {
        let mut filters = Vec::new();
        if self.limits.wildcards {
            filters.push(self.root.commands(&self.node.name));
        } else {
            let topic = |command| self.root.command(&self.node.name, command).to_string();
            filters.extend(config::Command::ALL.into_iter().map(topic));
        }
        // Home Assistant may have been told more of this node by an earlier configuration.
        filters.push(self.discovery_topic().to_string());
        if self.limits.wildcards {
            filters.extend(self.root.retained(&self.node.name));
        }
        filters.extend(self.mqtt.home_assistant.enabled.then(|| self.birth_topic()));
        filters
    }

    /// The broker does not let the node subscribe, which matters when somebody is to be heard.
    pub(in crate::publish) fn unsubscribed(&mut self, why: String) {
        if self.mqtt.commands.is_empty() && !self.mqtt.home_assistant.enabled {
            tracing::debug!("{why}");
            return;
        }
        tracing::warn!("{why}");
        self.unheard = Some(why);
    }

    /// A message has come for this node.
    pub(in crate::publish) fn received(&mut self, incoming: &Incoming) {
        if incoming.topic == self.birth_topic() {
            if self.mqtt.home_assistant.enabled && incoming.payload == BIRTH {
                tracing::debug!("Home Assistant is there: telling it about this node again");
                self.tell_home_assistant();
            }
            return;
        }
        if incoming.topic == self.discovery_topic().as_str() {
            self.found_discovery(incoming);
            return;
        }
        match self.root.address(&incoming.topic) {
            Some(Address::Command(node, name)) if node == self.node.name => self.command(&name, incoming),
            Some(address)
                if incoming.retained && !incoming.payload.is_empty() && self.is_left_over(&address) =>
            {
                tracing::info!(topic = incoming.topic, "clearing what an earlier configuration left");
                self.retained.clear(Topic::received(&incoming.topic), Instant::now() + HEARD);
            }
            _ => {}
        }
    }

    /// Whether a retained topic of this node is about a camera or a zone that it has no more.
    fn is_left_over(&self, address: &Address) -> bool {
        match address {
            Address::Camera(node, camera) => *node == self.node.name && self.scene(camera).is_none(),
            Address::Snapshot(node, camera) => {
                *node == self.node.name && self.scene(camera).is_none_or(|scene| !scene.snapshots)
            }
            Address::Occupancy(node, camera, zone) => {
                let has = |scene: &Scene| scene.zones.iter().any(|(name, _)| name == zone);
                *node == self.node.name && !self.scene(camera).is_some_and(has)
            }
            _ => false,
        }
    }

    /// What a node shows no more, or all of it when it shows itself no more, is taken back from Home Assistant.
    fn found_discovery(&mut self, incoming: &Incoming) {
        let found = serde_json::from_slice::<wire::DeviceDiscovery>(&incoming.payload).ok();
        let ours = found.filter(|device| incoming.retained && device.origin.name == wire::Origin::NAME);
        let Some(device) = ours else { return };
        if !self.mqtt.home_assistant.enabled {
            tracing::info!("taking this node back from Home Assistant");
            self.retained.set(self.discovery_topic(), Content::Withdrawn);
        } else if self.told.note(&device) {
            tracing::info!("telling Home Assistant to forget what an earlier configuration showed");
            self.tell_home_assistant();
        }
    }

    fn birth_topic(&self) -> String {
        format!("{}/status", self.mqtt.home_assistant.prefix)
    }

    fn command(&mut self, name: &str, incoming: &Incoming) {
        let named = incoming.properties.response_topic.as_deref();
        let reply = ReplyTo {
            command: name.chars().take(80).collect(),
            topic: match named {
                Some(named) => Topic::new(named),
                None => self.root.reply(&self.node.name, name),
            },
            correlation: incoming.properties.correlation.clone(),
        };
        match understand(name, incoming, &self.mqtt.commands) {
            Err(error) => self.refuse(&reply, error),
            Ok(Understood::Stats) => {
                let stats = self.stats();
                self.succeed(&reply, stats);
            }
            Ok(Understood::Models) => {
                let models = wire::RunningModels { models: self.models() };
                self.succeed(&reply, models);
            }
            Ok(Understood::Daemon(ask)) => {
                tracing::info!(command = name, "carrying out a command");
                let taken = (self.daemon)(Request { ask, reply: reply.clone() });
                self.asked += usize::from(taken);
                if !taken {
                    let message = "other commands are still being carried out; ask again".to_owned();
                    self.refuse(&reply, wire::ReplyError { code: wire::ErrorCode::Busy, message });
                }
            }
        }
    }

    /// The daemon has carried out a request, or could not.
    pub(in crate::publish) fn answer(&mut self, request: &Request, answer: Result<Answer, String>) {
        let Request { ask, reply } = request;
        self.asked = self.asked.saturating_sub(1);
        match (answer, ask) {
            (Err(message), _) => {
                self.refuse(reply, wire::ReplyError { code: wire::ErrorCode::Failed, message });
            }
            (Ok(Answer::Snapshot(snapshot)), Ask::Snapshot(camera)) => {
                self.picture(reply.clone(), camera, snapshot);
            }
            (Ok(Answer::Reloaded(cameras)), _) => {
                self.succeed(reply, wire::Reloaded { cameras: cameras as u64 });
            }
            (Ok(_), Ask::Switch { camera, on }) => {
                self.succeed(reply, wire::CameraSwitched { camera: camera.clone(), enabled: *on });
            }
            (Ok(answer), _) => tracing::error!(?ask, ?answer, "an answer to another question"),
        }
    }

    pub(super) fn succeed<T: serde::Serialize>(&mut self, reply: &ReplyTo, result: T) {
        self.commands.done += 1;
        self.reply(reply, Some(result), None);
    }

    pub(super) fn refuse(&mut self, reply: &ReplyTo, error: wire::ReplyError) {
        self.commands.refused += 1;
        tracing::warn!(command = reply.command, code = ?error.code, "command refused: {}", error.message);
        self.reply::<wire::NoArguments>(reply, None, Some(error));
    }

    fn reply<T: serde::Serialize>(
        &mut self,
        to: &ReplyTo,
        result: Option<T>,
        error: Option<wire::ReplyError>,
    ) {
        let Some(topic) = to.topic.clone() else { return };
        let reply = wire::Reply {
            schema: wire::ReplySchema::V1,
            node: self.node.name.clone(),
            boot: self.node.boot,
            command: to.command.clone(),
            result,
            error,
        };
        let mut properties = self.renderer.properties("spotter.reply/1");
        properties.expiry = Some(REPLY_EXPIRY);
        properties.correlation = to.correlation.clone();
        let payload = wire::json(&reply).into_bytes();
        self.note(Note { topic, payload, properties, qos: QoS::AtLeastOnce });
    }
}
