//! Topics: what the contract calls each stream, and back from a topic to what it speaks of.
//!
//! [`Root`] makes every [`Topic`] from checked parts, so a wildcard or an empty level cannot get into one. Knows nothing
//! of MQTT packets.

use std::fmt;

use super::wire::Kind;
use crate::name::Name;

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
    /// A camera's status: node, camera.
    Camera(Name, Name),
    /// Tags of a kind: node, camera, kind.
    Tag(Name, Name, Kind),
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

    /// What `topic` speaks of; `None` when the contract has no such topic.
    pub fn address(&self, topic: &str) -> Option<Address> {
        let below = topic.strip_prefix(&self.0)?.strip_prefix('/')?;
        let levels: Vec<&str> = below.split('/').collect();
        let name = |text: &str| Name::new(text).ok();
        match levels[..] {
            [node, "status"] => Some(Address::Node(name(node)?)),
            [node, camera, "status"] => Some(Address::Camera(name(node)?, name(camera)?)),
            [node, camera, "tag", kind] => Some(Address::Tag(name(node)?, name(camera)?, kind.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Topic {
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
