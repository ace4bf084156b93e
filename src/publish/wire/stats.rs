//! A node's figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{NAME, UTC_MICROSECONDS, UUID, text};
use crate::clock::Timestamp;
use crate::name::Name;

/// A node's figures since its start. Sent with QoS 0, never retained, at a fixed interval, and as the reply to the command
/// `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "spotter.stats/1")]
pub struct Stats {
    /// Name and version of this format.
    pub schema: StatsSchema,
    /// The node.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// Which run of the node speaks.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// When.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub at: Timestamp,
    /// Seconds since the start.
    #[schemars(range(min = 0.0))]
    pub uptime_s: f64,
    /// Resident memory of the process in bytes.
    pub memory_bytes: u64,
    /// How often the broker was reached.
    pub connections: u64,
    /// What has become of the tags.
    pub outbox: OutboxStats,
    /// What has become of commands.
    pub commands: CommandStats,
    /// Lines of the log lost since the start, because they could not be written.
    #[serde(default)]
    pub log_lost: u64,
    /// The cameras.
    pub cameras: Vec<CameraStats>,
}

/// Name and version of the stats format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatsSchema {
    /// The first version.
    #[serde(rename = "spotter.stats/1")]
    V1,
}

/// What has become of the tags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboxStats {
    /// Tags made since the start.
    pub published: u64,
    /// Tags that the broker has acknowledged since the start, those of earlier runs among them.
    pub acknowledged: u64,
    /// Tags that wait, those of earlier runs among them.
    pub waiting: u64,
    /// For how many seconds the oldest of them has waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0.0))]
    pub oldest_s: Option<f64>,
    /// Size of the outbox's file in bytes; 0 when it is in memory only.
    pub disk_bytes: u64,
    /// Tags dropped since the start.
    pub dropped: u64,
    /// Messages that the broker refused since the start; each is tried again.
    pub refusals: u64,
}

/// What has become of commands since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandStats {
    /// Carried out.
    pub done: u64,
    /// Refused: unknown, not listed, malformed, retained, or not possible.
    pub refused: u64,
}

/// A camera's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraStats {
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// Frames per second that the camera gave, over the last reporting period.
    #[schemars(range(min = 0.0))]
    pub fps_in: f64,
    /// Frames per second that were recognised.
    #[schemars(range(min = 0.0))]
    pub fps_recognised: f64,
    /// Frames dropped since the start.
    pub dropped: u64,
}
