//! Requests to a node, and its replies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{LoadedModel, NAME, SHA256, UTC_MICROSECONDS, UUID, text};
use crate::clock::Timestamp;
use crate::name::Name;

/// The request of commands that need nothing: `reload`, `stats`, `models`. An empty payload means the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

/// The request of commands about a camera: `snapshot`, `camera/enable`, `camera/disable`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraRequest {
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
}

/// The answer to a request. Sent with QoS 1 to the request's response topic, with its correlation data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "properties": { "result": true }, "required": ["result"] },
    { "properties": { "error": true }, "required": ["error"] }
]))]
pub struct Reply<T> {
    /// Name and version of this format.
    pub schema: ReplySchema,
    /// The node that answers.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub node: Name,
    /// Which run of the node answers.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// The command, as the request's topic ends.
    pub command: String,
    /// What came of it, when it was carried out.
    #[serde(default = "none::<T>", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "T")]
    pub result: Option<T>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReplyError")]
    pub error: Option<ReplyError>,
}

fn none<T>() -> Option<T> {
    None
}

/// Name and version of the reply format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReplySchema {
    /// The first version.
    #[serde(rename = "spotter.reply/1")]
    V1,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// There is no such command.
    Unknown,
    /// The configuration does not list it.
    NotAllowed,
    /// The request is not what the command wants.
    Malformed,
    /// The request was retained: it may be years old.
    Retained,
    /// Too much was asked for at once.
    Busy,
    /// It was tried and failed.
    Failed,
}

/// A snapshot was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTaken {
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// Where the JPEG was published, retained.
    pub topic: String,
    /// Capture time.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub at: Timestamp,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the JPEG, lower-case hex.
    #[schemars(regex(pattern = SHA256))]
    pub sha256: String,
}

/// A camera was switched on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraSwitched {
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// Whether it is on now. A restart of the node forgets it.
    pub enabled: bool,
}

/// The configuration was read again, and the node goes on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reloaded {
    /// How many cameras it has.
    pub cameras: u64,
}

/// The models that a node runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunningModels {
    /// The models.
    pub models: Vec<LoadedModel>,
}
