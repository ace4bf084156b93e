//! What a camera shows now: how many are in a zone, and every track of a frame.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Box, LabelShare, NAME, UTC_MICROSECONDS, UUID, text};
use crate::clock::Timestamp;
use crate::name::Name;

/// How many are in a zone. Sent with QoS 1, retained, when it changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "spotter.occupancy/1")]
pub struct Occupancy {
    /// Name and version of this format.
    pub schema: OccupancySchema,
    /// The node that runs the camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// Which run of the node speaks.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// The zone.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub zone: Name,
    /// Since when.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub at: Timestamp,
    /// Things inside by label, every label that the zone looks for.
    pub counts: BTreeMap<String, u32>,
}

/// Name and version of the occupancy format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OccupancySchema {
    /// The first version.
    #[serde(rename = "spotter.occupancy/1")]
    V1,
}

/// Every track of a frame. Sent with QoS 0, never retained, only for cameras that are set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "spotter.tracks/1")]
pub struct Tracks {
    /// Name and version of this format.
    pub schema: TracksSchema,
    /// The node that runs the camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// Which run of the node speaks.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// Capture time of the frame.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub at: Timestamp,
    /// Number of the frame since the camera was connected, counting those that were dropped.
    pub frame: u64,
    /// Its confirmed tracks.
    pub tracks: Vec<TrackBox>,
}

/// Name and version of the tracks format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TracksSchema {
    /// The first version.
    #[serde(rename = "spotter.tracks/1")]
    V1,
}

/// One track in a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackBox {
    /// Number of the track, unique per camera and boot.
    #[schemars(range(min = 1))]
    pub track: u64,
    /// What it is.
    pub label: String,
    /// How sure, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f64,
    /// Where it is.
    #[serde(rename = "box")]
    pub bbox: Box,
    /// What it does, as far as that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LabelShare")]
    pub activity: Option<LabelShare>,
}
