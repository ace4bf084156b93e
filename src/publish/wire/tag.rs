//! A tag on the wire.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::status::ClockOf;
use super::{NAME, SHA256, UTC_MICROSECONDS, UUID, text};
use crate::clock::Timestamp;
use crate::name::Name;

/// One statement about one thing at one moment. Sent with QoS 1, never retained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "spotter.tag/1",
    extend("allOf" = [
        {
            "if": { "properties": { "kind": { "const": "activity" } } },
            "then": { "properties": { "activity": true }, "required": ["activity"] },
            "else": {
                "properties": { "track": true, "tracks": false, "activity": false }, "required": ["track"]
            }
        },
        {
            "if": { "properties": { "tracks": true }, "required": ["tracks"] },
            "then": { "properties": { "track": false } }
        },
        {
            "if": { "properties": { "kind": { "const": "zone" } } },
            "then": { "properties": { "zone": true }, "required": ["zone"] },
            "else": { "properties": { "zone": false } }
        },
        {
            "if": { "properties": { "kind": { "const": "line" } } },
            "then": { "properties": { "line": true }, "required": ["line"] },
            "else": { "properties": { "line": false } }
        },
        {
            "if": { "properties": { "kind": { "const": "object" }, "phase": { "const": "end" } } },
            "then": { "properties": { "summary": true }, "required": ["summary"] },
            "else": { "properties": { "summary": false } }
        },
        {
            "if": { "properties": { "phase": { "const": "end" } } },
            "then": { "properties": { "activity": {
                "type": "object", "properties": { "summary": true }, "required": ["summary"]
            } } },
            "else": { "properties": { "activity": { "type": "object", "properties": { "summary": false } } } }
        }
    ])
)]
pub struct Tag {
    /// Name and version of this format.
    pub schema: TagSchema,
    /// UUIDv7. A tag that is delivered again keeps its id.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub id: Uuid,
    /// Which run of the node sent it.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// Counts the node's tags from 1 without a gap, anew for each boot.
    #[schemars(range(min = 1))]
    pub seq: u64,
    /// True when the tag waited because the broker was away or refused it.
    pub historical: bool,
    /// How many older tags of this boot's node waited to be delivered when this one was sent: those that come later than
    /// newer ones. Not there when none did; then every smaller number has been sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub waiting: Option<u64>,
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
    /// Number of the track, unique per camera and boot. Not there for an activity of a group or of the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub track: Option<u64>,
    /// Numbers of the tracks in a group, as they are at this moment, ascending. Always there for an activity of a group and
    /// only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<u64>", length(min = 2), inner(range(min = 1)), extend("uniqueItems" = true))]
    pub tracks: Option<Vec<u64>>,
    /// Capture time of the frame that the statement rests on: RFC 3339, UTC, microseconds.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
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
    /// `unsynchronised` when nothing said that the node's clock was right: then no time in the tag is certain, while
    /// durations and `latency_ms` are right all the same. Not there when a time server had set the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Clock")]
    pub clock: Option<Clock>,
    /// Whose clock `at` is by: `sender` for the camera's own, as its RTCP sender reports tell it. Not there for the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClockOf")]
    pub at_by: Option<ClockOf>,
    /// The finished track in short. Always there at the end of an object and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Summary")]
    pub summary: Option<Summary>,
    /// What an activity adds. Always there for one and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Activity")]
    pub activity: Option<Activity>,
    /// What a zone adds. Always there for one and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Zone")]
    pub zone: Option<Zone>,
    /// What a line adds. Always there for one and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Line")]
    pub line: Option<Line>,
}

/// Name and version of the tag format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TagSchema {
    /// The first version.
    #[serde(rename = "spotter.tag/1")]
    V1,
}

/// What is to be known about the clock that times are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Nothing said that the node's clock was right.
    Unsynchronised,
}

/// What a tag speaks of; also the last level of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A thing that is there.
    Object,
    /// Something that is done.
    Activity,
    /// A thing inside a zone.
    Zone,
    /// A thing that crosses a line.
    Line,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Object => "object",
            Kind::Activity => "activity",
            Kind::Zone => "zone",
            Kind::Line => "line",
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
    /// What it ran on: `cpu`, or the name of an accelerator in the node's configuration. Not in tags that Spotter kept from
    /// before it had accelerators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub on: Option<String>,
}

/// A finished track in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// When the thing was first seen, before it was confirmed.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub first_seen: Timestamp,
    /// When it was last seen.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
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

/// What somebody or a group does, or what goes on in the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// When it began, by the evidence: before it was confirmed. Together with camera, track, model and label it tells
    /// one activity from another; of groups, whose tracks may change, no two begin at the same microsecond.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
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

/// A thing inside a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The zone.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub name: Name,
    /// Seconds that it has been inside.
    #[schemars(range(min = 0.0))]
    pub dwell_s: f64,
    /// Things of this label that are inside now.
    pub inside: u32,
}

/// A thing that crosses a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The line.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub name: Name,
    /// Which way.
    pub direction: Direction,
}

/// Which way a line was crossed, seen by somebody who looks along it from its first point to its second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the left to the right.
    In,
    /// From the right to the left.
    Out,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its first moment.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub from: Timestamp,
    /// Its last moment.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub to: Timestamp,
}

/// A finished activity in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivitySummary {
    /// When it ended, by the evidence: before that was certain.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
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
