//! Topics: what the contract calls each stream, and back from a topic to what it speaks of.
//!
//! [`Root`] makes every [`Topic`] from checked parts, so a wildcard or an empty level cannot get into one. Knows nothing
//! of MQTT packets.

use std::fmt;

use super::wire::Kind;
use crate::config::Command;
use crate::name::Name;

/// The level below a node that commands are sent to; no camera may have this name.
pub const COMMAND: &str = "command";

/// The first part of every topic, such as `spotter/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(String);

/// A text that cannot start a topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` cannot start a topic: {why}; use levels such as spotter/v1, without + # or control characters, \
     256 bytes at most"
)]
pub struct BadRoot {
    text: String,
    why: &'static str,
}

/// A topic that a broker takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

/// What a topic speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A node's status.
    Node(Name),
    /// A node's figures.
    Stats(Name),
    /// A node's lost tags.
    Gap(Name),
    /// A camera's status: node, camera.
    Camera(Name, Name),
    /// Tags of a kind: node, camera, kind.
    Tag(Name, Name, Kind),
    /// How many are in a zone: node, camera, zone.
    Occupancy(Name, Name, Name),
    /// Tracks of every frame: node, camera.
    Tracks(Name, Name),
    /// A camera's last snapshot, which is a JPEG: node, camera.
    Snapshot(Name, Name),
    /// A request: node, and the command as it was written.
    Command(Name, String),
    /// A reply where there is no response topic: node, and the command.
    Reply(Name, String),
}

impl Root {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// When a broker would not take topics that start so, or would treat them apart (`$`).
    pub fn new(text: &str) -> Result<Self, BadRoot> {
        let why = if text.is_empty() || text.split('/').any(str::is_empty) {
            "it has an empty level"
        } else if text.contains(['+', '#']) {
            "it has a wildcard"
        } else if text.chars().any(char::is_control) {
            "it has a control character"
        } else if text.starts_with('$') {
            "$ is the broker's own"
        } else if text.len() > 256 {
            "it is too long"
        } else {
            return Ok(Root(text.to_owned()));
        };
        Err(BadRoot { text: text.chars().take(80).collect(), why })
    }

    /// The filter that matches everything below the root.
    pub fn everything(&self) -> String {
        format!("{}/#", self.0)
    }

    /// Where a node's status is kept.
    pub fn node_status(&self, node: &Name) -> Topic {
        Topic(format!("{}/{node}/status", self.0))
    }

    /// Where a camera's status is kept.
    pub fn camera_status(&self, node: &Name, camera: &Name) -> Topic {
        Topic(format!("{}/{node}/{camera}/status", self.0))
    }

    /// Where a camera's tags of one kind go.
    pub fn tag(&self, node: &Name, camera: &Name, kind: Kind) -> Topic {
        Topic(format!("{}/{node}/{camera}/tag/{kind}", self.0))
    }

    /// Where a node's figures go.
    pub fn stats(&self, node: &Name) -> Topic {
        Topic(format!("{}/{node}/stats", self.0))
    }

    /// Where it is told which tags of a node are lost.
    pub fn gap(&self, node: &Name) -> Topic {
        Topic(format!("{}/{node}/gap", self.0))
    }

    /// Where it is kept how many are in a zone.
    pub fn occupancy(&self, node: &Name, camera: &Name, zone: &Name) -> Topic {
        Topic(format!("{}/{node}/{camera}/occupancy/{zone}", self.0))
    }

    /// Where every frame's tracks go.
    pub fn tracks(&self, node: &Name, camera: &Name) -> Topic {
        Topic(format!("{}/{node}/{camera}/tracks", self.0))
    }

    /// Where a camera's last snapshot is kept.
    pub fn snapshot(&self, node: &Name, camera: &Name) -> Topic {
        Topic(format!("{}/{node}/{camera}/snapshot/jpeg", self.0))
    }

    /// Where a node hears a command.
    pub fn command(&self, node: &Name, command: Command) -> Topic {
        Topic(format!("{}/{node}/{COMMAND}/{}", self.0, command.as_str()))
    }

    /// Where it answers one that names no response topic.
    pub fn reply(&self, node: &Name, command: &str) -> Option<Topic> {
        Topic::new(&format!("{}/{node}/{COMMAND}/{command}/{REPLY}", self.0))
    }

    /// The filter for every command to a node.
    pub fn commands(&self, node: &Name) -> String {
        format!("{}/{node}/{COMMAND}/#", self.0)
    }

    /// The filters for everything retained about a node's cameras. None of them may match a command's topic: brokers
    /// deliver what two filters match twice.
    pub fn retained(&self, node: &Name) -> [String; 3] {
        ["status", "occupancy/+", "snapshot/jpeg"].map(|last| format!("{}/{node}/+/{last}", self.0))
    }

    /// What `topic` speaks of; `None` when the contract has no such topic.
    pub fn address(&self, topic: &str) -> Option<Address> {
        let below = topic.strip_prefix(&self.0)?.strip_prefix('/')?;
        let levels: Vec<&str> = below.split('/').collect();
        let name = |text: &str| Name::new(text).ok();
        Some(match levels[..] {
            [node, COMMAND, ref command @ .., REPLY] if !command.is_empty() => {
                Address::Reply(name(node)?, command.join("/"))
            }
            [node, COMMAND, ref command @ ..] if !command.is_empty() => {
                Address::Command(name(node)?, command.join("/"))
            }
            [node, "status"] => Address::Node(name(node)?),
            [node, "stats"] => Address::Stats(name(node)?),
            [node, "gap"] => Address::Gap(name(node)?),
            [node, camera, "status"] => Address::Camera(name(node)?, name(camera)?),
            [node, camera, "tracks"] => Address::Tracks(name(node)?, name(camera)?),
            [node, camera, "snapshot", "jpeg"] => Address::Snapshot(name(node)?, name(camera)?),
            [node, camera, "tag", kind] => Address::Tag(name(node)?, name(camera)?, kind.parse().ok()?),
            [node, camera, "occupancy", zone] => Address::Occupancy(name(node)?, name(camera)?, name(zone)?),
            _ => return None,
        })
    }
}

/// The last level of replies where there is no response topic.
const REPLY: &str = "reply";

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Topic {
    /// A topic that somebody else names, such as a response topic; `None` when no broker would take it.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=u16::MAX as usize).contains(&text.len()) && !text.contains(['+', '#', '\0']);
        fits.then(|| Topic(text.to_owned()))
    }

    /// The topic of a message that was received.
    pub(super) fn received(text: &str) -> Self {
        Topic(text.to_owned())
    }

    /// Where Home Assistant reads about a node.
    pub(super) fn discovery(prefix: &str, node: &Name) -> Self {
        Topic(format!("{prefix}/device/{node}/config"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_cannot_spoil_a_topic() {
        for good in ["spotter/v1", "a", "site 7/spotter", "über"] {
            assert!(Root::new(good).is_ok(), "{good:?}");
        }
        let long = "x".repeat(257);
        for bad in ["", "/a", "a/", "a//b", "a/+/b", "#", "a\0b", "a\nb", "$SYS", &long] {
            assert!(Root::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn topics_lead_back_to_what_they_speak_of() {
        let root = Root::new("spotter/v1").unwrap();
        let (node, camera) = (Name::new("edge-1").unwrap(), Name::new("ramp").unwrap());
        let cases = [
            (root.node_status(&node), "spotter/v1/edge-1/status", Address::Node(node.clone())),
            (
                root.camera_status(&node, &camera),
                "spotter/v1/edge-1/ramp/status",
                Address::Camera(node.clone(), camera.clone()),
            ),
            (
                root.tag(&node, &camera, Kind::Object),
                "spotter/v1/edge-1/ramp/tag/object",
                Address::Tag(node.clone(), camera.clone(), Kind::Object),
            ),
            (root.stats(&node), "spotter/v1/edge-1/stats", Address::Stats(node.clone())),
            (root.gap(&node), "spotter/v1/edge-1/gap", Address::Gap(node.clone())),
            (
                root.occupancy(&node, &camera, &camera),
                "spotter/v1/edge-1/ramp/occupancy/ramp",
                Address::Occupancy(node.clone(), camera.clone(), camera.clone()),
            ),
            (
                root.tracks(&node, &camera),
                "spotter/v1/edge-1/ramp/tracks",
                Address::Tracks(node.clone(), camera.clone()),
            ),
            (
                root.snapshot(&node, &camera),
                "spotter/v1/edge-1/ramp/snapshot/jpeg",
                Address::Snapshot(node.clone(), camera.clone()),
            ),
            (
                root.command(&node, Command::CameraEnable),
                "spotter/v1/edge-1/command/camera/enable",
                Address::Command(node.clone(), "camera/enable".to_owned()),
            ),
            (
                root.reply(&node, "stats").unwrap(),
                "spotter/v1/edge-1/command/stats/reply",
                Address::Reply(node.clone(), "stats".to_owned()),
            ),
        ];
        for (topic, text, address) in cases {
            assert_eq!(topic.as_str(), text);
            assert_eq!(root.address(text), Some(address));
        }
        for foreign in ["spotter/v1", "spotter/v2/a/status", "spotter/v1/a/b/tag/smell", "spotter/v1/a/b/c/d"]
        {
            assert_eq!(root.address(foreign), None, "{foreign}");
        }
    }
}
