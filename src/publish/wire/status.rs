//! What a node and its cameras are doing: retained, so only the newest counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Clock, NAME, SHA256, UTC_MICROSECONDS, UUID, optional_text, text};
use crate::clock::Timestamp;
use crate::name::Name;

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
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// Since when it is in this state. Not in a last will, which is written before the connection is lost.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
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
    /// `unsynchronised` while nothing says that the node's clock is right. Not there when a time server has set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Clock")]
    pub clock: Option<Clock>,
    /// What is wrong or unsafe, for as long as it is.
    pub problems: Vec<Problem>,
}

/// Something that is wrong or unsafe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// What, for programs, such as `insecure-tls`, `topic-refused`, `outbox-disk`, `outbox-corrupt`, `tags-lost`,
    /// `accelerator-fallback`.
    #[schemars(length(min = 1))]
    pub code: String,
    /// What, for people: one line without secrets.
    pub text: String,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The number of the worker that it runs for, from 1. Not there where it runs for all of them alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1))]
    pub worker: Option<usize>,
    /// What it runs on: `cpu`, or the name of an accelerator in the node's configuration.
    #[schemars(regex(pattern = NAME))]
    pub on: String,
    /// What it was to run on, best first.
    pub asked: Vec<String>,
    /// Why it does not run on the first of these, one line for each that was passed over. Not there when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub why: Option<String>,
    /// Whether it runs now. Not when the node is offline, nor when its accelerator has failed and nothing else has taken over
    /// yet: then `why` says more.
    pub running: bool,
    /// Since when it runs there, or began to when it does not run now.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub since: Timestamp,
    /// Loading it, running it for the first time and trying it, in milliseconds.
    #[schemars(range(min = 0.0))]
    pub start_ms: f64,
    /// The accelerator, when it runs on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Accelerated")]
    pub accelerated: Option<Accelerated>,
}

/// How a model runs on an accelerator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accelerated {
    /// ONNX Runtime's name of the execution provider, or `oip` for a server on another machine.
    pub provider: String,
    /// SHA-256 of the provider's plug-in library, lower-case hex. Not there when the provider is built into the runtime library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = SHA256))]
    pub library_sha256: Option<String>,
    /// The device, as its provider describes it, or name and version of the server. Not there when the provider does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub device: Option<String>,
    /// The server's address. When it is there, pictures of the cameras leave the node for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub address: Option<String>,
    /// The model as the provider compiled it for the device: `loaded` from the disk, compiled and `stored` there, or `rebuilt`
    /// because what was there did not do. Not there when none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub compiled: Option<String>,
    /// The share of the model's nodes that run there, from 0 to 1; the CPU runs the others.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub nodes_share: f64,
    /// The share of the time of a run that is spent there, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub time_share: f64,
    /// How far what it computed there was from what it computes on the CPU, when it began to run there.
    pub self_test: String,
}

/// What a node computes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accelerators {
    /// All that the configuration asks for, in the order in which its models do.
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
    #[schemars(with = "String", regex(pattern = UUID))]
    pub boot: Uuid,
    /// The camera.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = NAME))]
    pub camera: Name,
    /// What it is doing.
    pub state: CameraState,
    /// Since when.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub since: Timestamp,
    /// Why; always there when it is stalled, frozen or offline.
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
    /// The number of the worker that recognises its frames, from 1. Not there where the node has one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1))]
    pub worker: Option<usize>,
    /// Poses per second and person, over the last reporting period: fewer than asked for when the time does not
    /// suffice. Not there when nobody was in the picture, or activities are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0.0))]
    pub pose_rate: Option<f64>,
    /// What it gives and what decodes it. Not there before its first frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Video")]
    pub video: Option<Video>,
    /// Which clock its capture times are by. Not there before its first frame, or for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CaptureClock")]
    pub clock: Option<CaptureClock>,
    /// What went wrong since the node's start.
    #[serde(default)]
    pub faults: Faults,
}

/// Which clock a camera's capture times (`at`) are by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureClock {
    /// Whose.
    pub by: ClockOf,
    /// The camera's clock less the node's, in seconds: below zero by the time that frames are on their way, where both are
    /// right. Not there when the camera does not tell its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub difference_s: Option<f64>,
}

/// Whose clock capture times are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockOf {
    /// The node's: when frames arrive, less the time that is known to have passed since capture.
    Arrival,
    /// The camera's, as its RTCP sender reports tell it.
    Sender,
}

/// What a camera gives and what decodes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// How it is encoded, such as `h264`, `h265`, `jpeg`; `raw` when it is not.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The GStreamer element that decodes it. Not there when there is nothing to decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub decoder: Option<String>,
    /// Whether that is hardware.
    pub hardware: bool,
}

/// What went wrong with a camera since the node's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// Connections made anew.
    pub reconnects: u64,
    /// Times that everything of the camera was forgotten, after several connections in a row without a second frame.
    pub rebuilds: u64,
    /// Pipelines that did not start or stop in time and were left to themselves.
    pub abandoned: u64,
    /// Time stamps that jumped or ran backwards.
    pub time_jumps: u64,
    /// Changes of size, layout or stated frame rate while connected.
    pub format_changes: u64,
    /// Frames that the decoder gave as damaged; none of them is used.
    pub damaged: u64,
    /// Frames that came before the first key frame of a connection, which cannot be decoded.
    pub before_key: u64,
    /// Frames of a GenICam camera that did not come whole, by the gaps in its own time stamps. Older nodes do not have it.
    #[serde(default)]
    pub incomplete: u64,
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
    /// Connected, but no frame has come for longer than its frames usually take.
    Stalled,
    /// Frames arrive, but they all show the same.
    Frozen,
    /// The last attempt failed, or the source has ended; the reason says which.
    Offline,
    /// Switched off.
    Disabled,
}
