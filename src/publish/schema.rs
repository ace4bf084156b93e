//! The contract as JSON Schema and as an AsyncAPI document, made from the wire types.
//!
//! `docs/schema/` holds what [`documents`] and [`asyncapi()`] give; `tests/publish_schema.rs` keeps it so, and `spotter
//! schema` prints it.

mod asyncapi;

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use super::wire;

pub use asyncapi::asyncapi;

/// Each message's name and its JSON Schema (draft 2020-12).
pub fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("tag", document::<wire::Tag>()),
        ("gap", document::<wire::Gap>()),
        ("node", document::<wire::NodeStatus>()),
        ("camera", document::<wire::CameraStatus>()),
        ("occupancy", document::<wire::Occupancy>()),
        ("tracks", document::<wire::Tracks>()),
        ("stats", document::<wire::Stats>()),
        ("cloudevent", document::<wire::CloudEvent>()),
        ("homeassistant", document::<wire::DeviceDiscovery>()),
        ("request-nothing", document::<wire::NoArguments>()),
        ("request-camera", document::<wire::CameraRequest>()),
        ("reply-snapshot", document::<wire::Reply<wire::SnapshotTaken>>()),
        ("reply-reload", document::<wire::Reply<wire::Reloaded>>()),
        ("reply-camera", document::<wire::Reply<wire::CameraSwitched>>()),
        ("reply-stats", document::<wire::Reply<wire::Stats>>()),
        ("reply-models", document::<wire::Reply<wire::RunningModels>>()),
    ]
}

fn document<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}
