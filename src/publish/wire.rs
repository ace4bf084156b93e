//! The messages of the contract: the only types that serialise to JSON.
//!
//! `sequence`, `status` and their like fill them, `pending` sends them, and [`super::subscriber`] reads them back
//! strictly. Fields are written in the order in which they stand here. Their names and meanings are the product: change
//! one only together with the schema's version and `docs/schema/`. Until the first release the version stays 1.

mod cloudevents;
mod command;
mod discovery;
mod gap;
mod stats;
mod status;
mod tag;
mod watched;

use serde::Serialize;

pub use cloudevents::{CloudEvent, SpecVersion, attributes};
pub use command::{
    CameraRequest, CameraSwitched, ErrorCode, NoArguments, Reloaded, Reply, ReplyError, ReplySchema,
    RunningModels, SnapshotTaken,
};
pub use discovery::{
    Availability, AvailabilityMode, ChildDevice, Component, Device, DeviceDiscovery, Entry, Origin,
};
pub use gap::{Gap, GapReason, GapSchema};
pub use stats::{CameraStats, CommandStats, OutboxStats, Stats, StatsSchema};
pub use status::{
    Accelerated, Accelerators, CameraSchema, CameraState, CameraStatus, CaptureClock, ClockOf, Faults,
    LoadedModel, NodeSchema, NodeState, NodeStatus, Problem, Video,
};
pub use tag::{
    Activity, ActivitySummary, Box, Clock, Direction, Kind, LabelShare, Line, Model, Phase, Summary, Tag,
    TagSchema, Window, Zone,
};
pub use watched::{Occupancy, OccupancySchema, TrackBox, Tracks, TracksSchema};

const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";
const SHA256: &str = "^[0-9a-f]{64}$";
const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
const UTC_MICROSECONDS: &str = concat!(
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z$"
);

/// A message of the contract that a node sends by itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all messages are tags")]
pub enum Message {
    /// A tag.
    Tag(Tag),
    /// What a gap in the numbers means.
    Gap(Gap),
    /// A node's status.
    Node(NodeStatus),
    /// A camera's status.
    Camera(CameraStatus),
    /// How many are in a zone.
    Occupancy(Occupancy),
    /// Every track of a frame.
    Tracks(Tracks),
    /// A node's figures.
    Stats(Stats),
}

impl Message {
    /// The message as JSON text.
    pub fn to_json(&self) -> String {
        match self {
            Message::Tag(tag) => json(tag),
            Message::Gap(gap) => json(gap),
            Message::Node(status) => json(status),
            Message::Camera(status) => json(status),
            Message::Occupancy(occupancy) => json(occupancy),
            Message::Tracks(tracks) => json(tracks),
            Message::Stats(stats) => json(stats),
        }
    }

    /// Name and version of its format.
    pub fn schema(&self) -> &'static str {
        match self {
            Message::Tag(_) => "spotter.tag/1",
            Message::Gap(_) => "spotter.gap/1",
            Message::Node(_) => "spotter.node/1",
            Message::Camera(_) => "spotter.camera/1",
            Message::Occupancy(_) => "spotter.occupancy/1",
            Message::Tracks(_) => "spotter.tracks/1",
            Message::Stats(_) => "spotter.stats/1",
        }
    }
}

/// A value of this module as JSON text.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("it has only strings as keys and nothing that fails to serialise")
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
