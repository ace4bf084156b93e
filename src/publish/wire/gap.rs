//! What a gap in the numbers means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{NAME, UUID, text};
use crate::name::Name;

/// Tags that are lost for good. Sent with QoS 1, never retained, in the place of the tags, so that whoever counts knows
/// that nothing else is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "spotter.gap/1")]
pub struct Gap {
    /// Name and version of this format.
    pub schema: GapSchema,
    /// A notice that is delivered again keeps its id.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub id: Uuid,
    /// The node whose tags they were.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// The run whose tags they were.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// The number of the first lost tag.
    #[schemars(range(min = 1))]
    pub first: u64,
    /// The number of the last; every one between the two is lost.
    #[schemars(range(min = 1))]
    pub last: u64,
    /// Why.
    pub reason: GapReason,
}

/// Name and version of the gap format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GapSchema {
    /// The first version.
    #[serde(rename = "spotter.gap/1")]
    V1,
}

/// Why tags are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GapReason {
    /// The outbox was full; the oldest went.
    Full,
    /// They had waited for too long.
    Age,
    /// The disk took nothing, and neither did the memory.
    Disk,
    /// The broker takes no message of that size.
    Size,
    /// The outbox's file was damaged.
    Corrupt,
}
