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
    fn of<T: JsonSchema>(draft: Draft, name: &'static str) -> (&'static str, Value) {
        (name, document::<T>(draft, name))
    }
    vec![
        of::<wire::Tag>(draft, "tag"),
        of::<wire::Gap>(draft, "gap"),
        of::<wire::NodeStatus>(draft, "node"),
        of::<wire::CameraStatus>(draft, "camera"),
        of::<wire::Occupancy>(draft, "occupancy"),
        of::<wire::Tracks>(draft, "tracks"),
        of::<wire::Stats>(draft, "stats"),
        of::<wire::CloudEvent>(draft, "cloudevent"),
        of::<wire::DeviceDiscovery>(draft, "homeassistant"),
        of::<wire::NoArguments>(draft, "request-nothing"),
        of::<wire::CameraRequest>(draft, "request-camera"),
        of::<wire::Reply<wire::SnapshotTaken>>(draft, "reply-snapshot"),
        of::<wire::Reply<wire::Reloaded>>(draft, "reply-reload"),
        of::<wire::Reply<wire::CameraSwitched>>(draft, "reply-camera"),
        of::<wire::Reply<wire::Stats>>(draft, "reply-stats"),
        of::<wire::Reply<wire::RunningModels>>(draft, "reply-models"),
    ]
}

/// A schema whose identity is the name of its file, so that validators can hold all of them at a time.
fn document<T: JsonSchema>(draft: Draft, name: &str) -> Value {
    let settings = match draft {
        Draft::V7 => SchemaSettings::draft07(),
        Draft::V2020 => SchemaSettings::draft2020_12(),
    };
    let without_formats = |schema: &mut Schema| {
        schema.remove("format");
    };
    let settings = settings.with_transform(RecursiveTransform(without_formats));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("{name}.json").into());
    schema.to_value()
}
