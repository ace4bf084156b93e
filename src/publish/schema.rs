//! The contract as JSON Schema, made from the wire types.
//!
//! `docs/schema/` holds what [`documents`] gives; `tests/publish_schema.rs` keeps it so.

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use super::wire;

/// Each message's name and its JSON Schema (draft 2020-12).
pub fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("tag", document::<wire::Tag>()),
        ("node", document::<wire::NodeStatus>()),
        ("camera", document::<wire::CameraStatus>()),
    ]
}

fn document<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}
