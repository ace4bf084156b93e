//! From a message to what an MQTT packet carries, in the configured profile.
//!
//! Pure. Called by [`super::pending`]; [`super::audit`] opens the envelopes again.

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::digest;
use super::link::Properties;
use super::topic::Root;
use super::wire::{self, CloudEvent, Message, SpecVersion};
use crate::clock::Timestamp;
use crate::config::Profile;
use crate::name::Name;

/// After so long nobody wants a frame's tracks any more.
const TRACKS_EXPIRY: Duration = Duration::from_secs(10);
/// The same for a node's figures.
const STATS_EXPIRY: Duration = Duration::from_secs(300);
/// The same for a reply.
pub(super) const REPLY_EXPIRY: Duration = Duration::from_secs(300);

const JSON: &str = "application/json";
const CLOUD_EVENTS_JSON: &str = "application/cloudevents+json";

/// Renders the messages of one node.
#[derive(Clone, Debug)]
pub(super) struct Renderer {
    profile: Profile,
    root: Root,
    node: Name,
}

impl Renderer {
    pub(super) fn new(profile: Profile, root: Root, node: Name) -> Self {
        Renderer { profile, root, node }
    }

    /// A message as payload and properties. `now` is the moment of messages that name none.
    pub(super) fn message(&self, message: &Message, now: Timestamp) -> (Vec<u8>, Properties) {
        let native = message.to_json();
        let mut properties = self.properties(message.schema());
        properties.expiry = match message {
            Message::Tracks(_) => Some(TRACKS_EXPIRY),
            Message::Stats(_) => Some(STATS_EXPIRY),
            _ => None,
        };
        match self.profile {
            Profile::Native => (native.into_bytes(), properties),
            Profile::CloudEvents => {
                properties.content_type = Some(CLOUD_EVENTS_JSON.to_owned());
                (wire::json(&self.event(message, &native, now)).into_bytes(), properties)
            }
            Profile::CloudEventsBinary => {
                properties.user.extend(wire::attributes(&self.event(message, &native, now)));
                (native.into_bytes(), properties)
            }
        }
    }

    /// What MQTT 5 says about a JSON text of this format.
    pub(super) fn properties(&self, schema: &str) -> Properties {
        let user = [("schema", schema), ("node", self.node.as_str())];
        Properties {
            content_type: Some(JSON.to_owned()),
            utf8: true,
            user: user.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            ..Properties::default()
        }
    }

    fn event(&self, message: &Message, native: &str, now: Timestamp) -> CloudEvent {
        let About { id, camera, time, detail } = about(message, native);
        let (name, version) = message.schema().split_once('/').unwrap_or((message.schema(), "1"));
        let camera = camera.map(|camera| format!("/{camera}")).unwrap_or_default();
        CloudEvent {
            specversion: SpecVersion::V1,
            id: id.to_string(),
            source: format!("/{}/{}{camera}", self.root, self.node),
            kind: detail.map_or_else(|| name.to_owned(), |detail| format!("{name}.{detail}")),
            time: time.unwrap_or(now),
            datacontenttype: JSON.to_owned(),
            dataschema: format!("urn:{}:{version}", name.replace('.', ":")),
            data: serde_json::from_str(native).expect("it was written as JSON a moment ago"),
        }
    }
}

/// What an envelope says about a message.
struct About<'a> {
    id: Uuid,
    camera: Option<&'a Name>,
    time: Option<Timestamp>,
    detail: Option<String>,
}

fn about<'a>(message: &'a Message, native: &str) -> About<'a> {
    let of_text = || digest::id(Sha256::new().chain_update(native));
    let (id, camera, time) = match message {
        Message::Tag(tag) => (tag.id, Some(&tag.camera), Some(tag.at)),
        Message::Gap(gap) => (gap.id, None, None),
        Message::Node(status) => (of_text(), None, status.since),
        Message::Camera(status) => (of_text(), Some(&status.camera), Some(status.since)),
        Message::Occupancy(occupancy) => (of_text(), Some(&occupancy.camera), Some(occupancy.at)),
        Message::Tracks(tracks) => (of_text(), Some(&tracks.camera), Some(tracks.at)),
        Message::Stats(stats) => (of_text(), None, Some(stats.at)),
    };
    let detail = match message {
        Message::Tag(tag) => Some(format!("{}.{}", tag.kind, tag.phase)),
        _ => None,
    };
    About { id, camera, time, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::test_tags;

    fn rendered(profile: Profile) -> (String, Properties) {
        let node = Name::new("edge-1").unwrap();
        let renderer = Renderer::new(profile, Root::new("spotter/v1").unwrap(), node);
        let tag = test_tags(1..=1).next().unwrap();
        let (payload, properties) = renderer.message(&Message::Tag(tag), Timestamp::EPOCH);
        (String::from_utf8(payload).unwrap(), properties)
    }

    #[test]
    fn a_tag_in_an_envelope_is_the_same_tag() {
        let (native, said) = rendered(Profile::Native);
        assert_eq!(said.content_type.as_deref(), Some("application/json"));
        let (payload, properties) = rendered(Profile::CloudEvents);
        assert_eq!(properties.content_type.as_deref(), Some("application/cloudevents+json"));
        let event: CloudEvent = serde_json::from_str(&payload).unwrap();
        assert_eq!(event.data, serde_json::from_str::<serde_json::Value>(&native).unwrap());
        insta::assert_snapshot!(
            [&event.source, &event.kind, &event.dataschema].map(String::as_str).join("\n"),
            @r"
        /spotter/v1/edge-1/ramp
        spotter.tag.object.start
        urn:spotter:tag:1
        "
        );
        assert_eq!(event.id, event.data["id"]);
    }

    #[test]
    fn binary_mode_leaves_the_payload_alone() {
        let (native, _) = rendered(Profile::Native);
        let (payload, properties) = rendered(Profile::CloudEventsBinary);
        assert_eq!(payload, native);
        let names: Vec<&str> = properties.user.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["schema", "node", "specversion", "id", "source", "type", "time", "dataschema"]);
    }
}
