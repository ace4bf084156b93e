//! The contract as JSON Schema and as an AsyncAPI document, made from the wire types.
//!
//! `docs/schema/` holds what [`documents`] and [`asyncapi()`] give; `tests/publish_schema.rs` keeps it so, and `spotter
//! schema` prints it. Every schema compiles in validators at their strictest: no `format`, because ajv refuses those that
//! it does not know and knows none by itself, and `properties` beside every `required`.

mod asyncapi;
mod bundle;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::wire;

pub use asyncapi::asyncapi;
pub use bundle::bundled;

/// A draft of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// Draft 7, for validators that know no later one.
    V7,
    /// Draft 2020-12, in which `docs/schema/` is written.
    V2020,
}

/// Each message's name and its JSON Schema.
pub fn documents(draft: Draft) -> Vec<(&'static str, Value)> {
    vec![
        ("tag", document::<wire::Tag>(draft)),
        ("gap", document::<wire::Gap>(draft)),
        ("node", document::<wire::NodeStatus>(draft)),
        ("camera", document::<wire::CameraStatus>(draft)),
        ("occupancy", document::<wire::Occupancy>(draft)),
        ("tracks", document::<wire::Tracks>(draft)),
        ("stats", document::<wire::Stats>(draft)),
        ("cloudevent", document::<wire::CloudEvent>(draft)),
        ("homeassistant", document::<wire::DeviceDiscovery>(draft)),
        ("request-nothing", document::<wire::NoArguments>(draft)),
        ("request-camera", document::<wire::CameraRequest>(draft)),
        ("reply-snapshot", document::<wire::Reply<wire::SnapshotTaken>>(draft)),
        ("reply-reload", document::<wire::Reply<wire::Reloaded>>(draft)),
        ("reply-camera", document::<wire::Reply<wire::CameraSwitched>>(draft)),
        ("reply-stats", document::<wire::Reply<wire::Stats>>(draft)),
        ("reply-models", document::<wire::Reply<wire::RunningModels>>(draft)),
    ]
}

fn document<T: JsonSchema>(draft: Draft) -> Value {
    let settings = match draft {
        Draft::V7 => SchemaSettings::draft07(),
        Draft::V2020 => SchemaSettings::draft2020_12(),
    };
    let without_formats = |schema: &mut Schema| {
        schema.remove("format");
    };
    let settings = settings.with_transform(RecursiveTransform(without_formats));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
