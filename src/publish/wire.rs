//! The messages of the contract: the only types that serialise to JSON.
//!
//! `sequence` and `status` fill them, `connection` sends them, and [`super::subscriber`] reads them back strictly.
//! Fields are written in the order in which they stand here. Their names and meanings are the product: change one only
//! together with the schema's version and `docs/schema/`. Until the first release the version stays 1.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::name::Name;

const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";
const SHA256: &str = "^[0-9a-f]{64}$";
const UTC_MICROSECONDS: &str = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$";

/// Any message of the contract.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all messages are tags")]
pub enum Message {
    /// A tag.
    Tag(Tag),
    /// A node's status.
    Node(NodeStatus),
    /// A camera's status.
    Camera(CameraStatus),
}

impl Message {
    /// The message as JSON text.
    pub fn to_json(&self) -> String {
        let text = match self {
            Message::Tag(tag) => serde_json::to_string(tag),
            Message::Node(status) => serde_json::to_string(status),
            Message::Camera(status) => serde_json::to_string(status),
        };
        text.expect("a message has only strings as keys and nothing that fails to serialise")
    }
}

/// One statement about one thing at one moment. Sent with QoS 1, never retained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "spotter.tag/1",
    extend("allOf" = [
        {
            "if": { "properties": { "kind": { "const": "object" } } },
            "then": { "required": ["track"], "properties": { "activity": false } },
            "else": { "required": ["activity"], "properties": { "summary": false } }
        },
        {
            "if": { "properties": { "phase": { "const": "end" } } },
            "then": {
                "if": { "properties": { "kind": { "const": "object" } } },
                "then": { "required": ["summary"] },
                "else": { "properties": { "activity": { "required": ["summary"] } } }
            },
            "else": { "properties": { "summary": false, "activity": { "properties": { "summary": false } } } }
        }
    ])
)]
pub struct Tag {
    /// Name and version of this format.
    pub schema: TagSchema,
    /// UUIDv7. A tag that is delivered again keeps its id.
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub id: Uuid,
    /// Which run of the node sent it.
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub boot: Uuid,
    /// Counts the node's tags from 1 without a gap, anew for each boot.
    #[schemars(range(min = 1))]
    pub seq: u64,
    /// True when the tag waited because the broker was away or refused it.
    pub historical: bool,
    /// The node that sent it.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// The camera that saw it.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// What the tag speaks of.
    pub kind: Kind,
    /// Start, update or end of what it speaks of.
    pub phase: Phase,
    /// Number of the track, unique per camera and boot. Not there for an activity of the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub track: Option<u64>,
    /// Capture time of the frame that the statement rests on: RFC 3339, UTC, microseconds.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What it is, in the words of the model.
    #[schemars(length(min = 1))]
    pub label: String,
    /// How sure, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f64,
    /// Where it is in the image.
    #[serde(rename = "box")]
    pub bbox: Box,
    /// Who says so.
    pub model: Model,
    /// Milliseconds from capture of the frame to this tag.
    #[schemars(range(min = 0.0))]
    pub latency_ms: f64,
    /// The finished track in short. Always there at the end of an object and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Summary")]
    pub summary: Option<Summary>,
    /// What an activity adds. Always there for one and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Activity")]
    pub activity: Option<Activity>,
}

/// Name and version of the tag format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TagSchema {
    /// The first version.
    #[serde(rename = "spotter.tag/1")]
    V1,
}

/// What a tag speaks of; also the last level of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A thing that is there.
    Object,
    /// Something that is done.
    Activity,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Object => "object",
            Kind::Activity => "activity",
        })
    }
}

impl std::str::FromStr for Kind {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Kind::deserialize(serde::de::IntoDeserializer::into_deserializer(text))
    }
}

/// Where a tag stands in the life of what it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Confirmed; sent once.
    Start,
    /// Changed for real, or nothing was said for a while.
    Update,
    /// Gone; follows every start.
    End,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Start => "start",
            Phase::Update => "update",
            Phase::End => "end",
        })
    }
}

/// A box in relative image coordinates: 0 to 1, origin top left, x to the right, y down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Box {
    /// Left edge.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub x: f64,
    /// Top edge.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub y: f64,
    /// Width.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub width: f64,
    /// Height.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub height: f64,
}

/// A model package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// SHA-256 of the model file, lower-case hex.
    #[schemars(regex(pattern = SHA256))]
    pub sha256: String,
}

/// A finished track in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// When the thing was first seen, before it was confirmed.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub first_seen: Timestamp,
    /// When it was last seen.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub last_seen: Timestamp,
    /// Seconds between the two.
    #[schemars(range(min = 0.0))]
    pub duration_s: f64,
    /// The best score of a single frame.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub best_score: f64,
    /// Where its foot point (middle of the lower edge) went: x and y in relative image coordinates, oldest first.
    #[schemars(length(max = 32))]
    pub path: Vec<[f64; 2]>,
    /// Every label considered with its share of the evidence, best first.
    #[schemars(length(min = 1))]
    pub labels: Vec<LabelShare>,
}

/// What somebody does, or what goes on in the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// When it began, by the evidence: before it was confirmed. Together with camera, track, model and label it tells
    /// one activity from another.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The time that the evidence for this tag was taken from.
    pub window: Window,
    /// What else it could have been, best first.
    #[schemars(length(max = 3))]
    pub alternatives: Vec<LabelShare>,
    /// The finished activity in short. Always there at the end and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ActivitySummary")]
    pub summary: Option<ActivitySummary>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its first moment.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub from: Timestamp,
    /// Its last moment.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub to: Timestamp,
}

/// A finished activity in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivitySummary {
    /// When it ended, by the evidence: before that was certain.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub ended: Timestamp,
    /// Seconds from `since` to `ended`.
    #[schemars(range(min = 0.0))]
    pub duration_s: f64,
    /// The best of its scores, which are smoothed over time.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub best_score: f64,
}

/// A label and its share of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelShare {
    /// The label.
    pub label: String,
    /// Its share, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f64,
}

/// A node's status. Sent with QoS 1, retained, and left with the broker as the node's last will.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "spotter.node/1")]
pub struct NodeStatus {
    /// Name and version of this format.
    pub schema: NodeSchema,
    /// The node.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// Whether it is there. While it is offline, what its cameras' statuses say is out of date.
    pub state: NodeState,
    /// Which run of the node speaks.
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub boot: Uuid,
    /// Since when it is in this state. Not in a last will, which is written before the connection is lost.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// Why it is offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<String>,
    /// Spotter's version.
    pub version: String,
    /// The models it runs.
    pub models: Vec<LoadedModel>,
    /// What it computes on.
    pub accelerators: Accelerators,
}

/// Name and version of the node status format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeSchema {
    /// The first version.
    #[serde(rename = "spotter.node/1")]
    V1,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Connected to the broker.
    Online,
    /// Stopped, or its connection was lost; the reason says which.
    Offline,
}

/// A model package in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadedModel {
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// SHA-256 of the model file, lower-case hex.
    #[schemars(regex(pattern = SHA256))]
    pub sha256: String,
    /// What it is for, such as `detect`.
    pub task: String,
}

/// What a node computes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accelerators {
    /// What the configuration asks for, best first.
    pub asked: Vec<String>,
    /// What is in use.
    pub used: String,
}

/// A camera's status. Sent with QoS 1, retained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "spotter.camera/1")]
pub struct CameraStatus {
    /// Name and version of this format.
    pub schema: CameraSchema,
    /// The node that runs the camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// Which run of the node speaks.
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub boot: Uuid,
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// What it is doing.
    pub state: CameraState,
    /// Since when.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS), extend("format" = "date-time"))]
    pub since: Timestamp,
    /// Why; always there when it is offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<String>,
    /// Connections made anew within the last hour.
    pub reconnects_last_hour: u32,
    /// Frames per second that the camera gave, over the last reporting period.
    #[schemars(range(min = 0.0))]
    pub fps_in: f64,
    /// Frames per second that were recognised, over the last reporting period.
    #[schemars(range(min = 0.0))]
    pub fps_recognised: f64,
    /// Frames dropped since start because a newer one came before they were recognised.
    pub dropped: u64,
    /// Poses per second and person, over the last reporting period: fewer than asked for when the time does not
    /// suffice. Not there when nobody was in the picture, or activities are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0.0))]
    pub pose_rate: Option<f64>,
}

/// Name and version of the camera status format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CameraSchema {
    /// The first version.
    #[serde(rename = "spotter.camera/1")]
    V1,
}

/// What a camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// It is being connected and has given no frame yet.
    Connecting,
    /// Frames arrive.
    Online,
    /// The last attempt failed, or the source has ended; the reason says which.
    Offline,
}

/// Serialises what prints and parses as text.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The same for a field that may be left out.
mod optional_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        super::text::deserialize(deserializer).map(Some)
    }
}
