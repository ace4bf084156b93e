//! CloudEvents 1.0 around a message: its envelope, and its attributes for the binary mode.
//!
//! After the CloudEvents specification 1.0.2, its JSON event format and its MQTT protocol binding. In structured mode the
//! payload is the envelope with the message as `data`; in binary mode (MQTT 5 only) the payload is the message and the
//! attributes are user properties.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{UTC_MICROSECONDS, text};
use crate::clock::Timestamp;

/// The envelope of structured mode, content type `application/cloudevents+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "CloudEvents 1.0")]
pub struct CloudEvent {
    /// The version of CloudEvents.
    pub specversion: SpecVersion,
    /// The message's own id, or one made from what it says; unique with `source`.
    pub id: String,
    /// Who says so: `/<root>/<node>` or `/<root>/<node>/<camera>`.
    pub source: String,
    /// Name of the message's format, such as `spotter.tag`, and for a tag its kind and phase.
    #[serde(rename = "type")]
    pub kind: String,
    /// The moment that it speaks of.
    #[serde(with = "text")]
    #[schemars(with = "String", regex(pattern = UTC_MICROSECONDS))]
    pub time: Timestamp,
    /// What `data` is.
    pub datacontenttype: String,
    /// Name and version of the format of `data` as a URI, such as `urn:spotter:tag:1`.
    pub dataschema: String,
    /// The message.
    pub data: Value,
}

/// The version of CloudEvents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpecVersion {
    /// 1.0.
    #[serde(rename = "1.0")]
    V1,
}

/// The attributes as user properties, for binary mode; the content type is a property of its own.
pub fn attributes(event: &CloudEvent) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        pair("specversion", "1.0"),
        pair("id", &event.id),
        pair("source", &event.source),
        pair("type", &event.kind),
        pair("time", &event.time.to_string()),
        pair("dataschema", &event.dataschema),
    ]
}
