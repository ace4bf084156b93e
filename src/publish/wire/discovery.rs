//! What Home Assistant reads: one message per node, after its documentation of MQTT device discovery.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node and everything about it that Home Assistant shows. Sent with QoS 1, retained, to
/// `<prefix>/device/<node>/config`; an empty payload removes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Home Assistant device discovery")]
pub struct DeviceDiscovery {
    /// The node.
    pub device: Device,
    /// Who says so.
    pub origin: Origin,
    /// What is shown, and what is shown no more, by an id that never changes.
    pub components: BTreeMap<String, Entry>,
    /// The cameras, where each is a device of its own. Their components have ids that are unique in the whole message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub child_devices: Vec<ChildDevice>,
    /// Quality of service of the subscriptions.
    pub qos: u8,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// What tells it from others.
    pub identifiers: Vec<String>,
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Its version.
    pub sw_version: String,
}

/// A camera as a device below the node's. Home Assistant has known these since 2026.11.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChildDevice {
    /// What tells it from others.
    pub identifiers: Vec<String>,
    /// Its name.
    pub name: String,
    /// What is shown of it.
    pub components: BTreeMap<String, Entry>,
}

/// The software that sends a discovery message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub sw_version: String,
}

impl Origin {
    /// What Spotter says its name is.
    pub const NAME: &'static str = "spotter";
}

/// What Home Assistant does about one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Entry {
    /// It shows it.
    Shown(Box<Component>),
    /// It forgets it: an entry that was in a message before, and has only a platform.
    Removed {
        /// As it was.
        platform: String,
    },
}

/// One thing that Home Assistant shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// `binary_sensor`, `sensor` or `image`.
    pub platform: String,
    /// Unique among everything that Home Assistant knows.
    pub unique_id: String,
    /// Its name beside the device's.
    pub name: String,
    /// Where its state comes; not for an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub state_topic: Option<String>,
    /// How the state is found in the payload, as a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub value_template: Option<String>,
    /// Where further attributes come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub json_attributes_topic: Option<String>,
    /// How they are found in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub json_attributes_template: Option<String>,
    /// What kind of thing, such as `occupancy` or `connectivity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub device_class: Option<String>,
    /// `measurement` for counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub state_class: Option<String>,
    /// `diagnostic` for health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub entity_category: Option<String>,
    /// Its icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub icon: Option<String>,
    /// Where the JPEG comes; only for an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub image_topic: Option<String>,
    /// What the image is; only for an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub content_type: Option<String>,
    /// When it is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub availability: Vec<Availability>,
    /// How many of these must say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AvailabilityMode")]
    pub availability_mode: Option<AvailabilityMode>,
}

/// A topic that says whether a thing is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// The topic.
    pub topic: String,
    /// How `online` or `offline` is found in the payload, as a template.
    pub value_template: String,
}

/// How many availability topics must say that a thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AvailabilityMode {
    /// All.
    All,
}
