//! What Home Assistant is told about a node: connectivity, occupancy, last activity and snapshot of each camera.
//!
//! Pure. Called by [`super::pending`]. Fields and values are those of Home Assistant's documentation of MQTT device
//! discovery and of the platforms `binary_sensor`, `sensor` and `image`.

use std::collections::BTreeMap;

use super::topic::{Root, Topic};
use super::wire::{self, Availability, AvailabilityMode, Component, DeviceDiscovery, Entry};
use super::{Node, digest};
use crate::name::Name;

/// A camera as Home Assistant is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The camera.
    pub camera: Name,
    /// Its zones, and the labels that are counted in each.
    pub zones: Vec<(Name, Vec<String>)>,
    /// Whether activities are recognised.
    pub activities: bool,
    /// Whether the command `snapshot` is allowed, so that there may be a picture.
    pub snapshots: bool,
}

/// How a message of the node is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    /// Whether messages lie inside a CloudEvents envelope.
    pub(super) enveloped: bool,
}

impl Reader {
    /// The template for a field, such as `state` or `counts['person']`.
    fn field(self, field: &str) -> String {
        format!("{{{{ {}.{field} }}}}", self.root())
    }

    fn root(self) -> &'static str {
        if self.enveloped { "value_json.data" } else { "value_json" }
    }
}

/// All that Home Assistant was told of: it keeps what a message leaves out until it is told to forget it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Platforms by the ids of components.
    platforms: BTreeMap<String, String>,
}

impl Told {
    /// Notes what a message shows; whether some of it was not known.
    pub(super) fn note(&mut self, message: &DeviceDiscovery) -> bool {
        let before = self.platforms.len();
        for (id, entry) in &message.components {
            if let Entry::Shown(component) = entry {
                self.platforms.entry(id.clone()).or_insert_with(|| component.platform.clone());
            }
        }
        self.platforms.len() > before
    }

    /// Adds to a message what Home Assistant is to forget, for as long as the node runs: nobody says when it has.
    pub(super) fn complete(&mut self, message: &mut DeviceDiscovery) {
        self.note(message);
        for (id, platform) in &self.platforms {
            let removed = || Entry::Removed { platform: platform.clone() };
            message.components.entry(id.clone()).or_insert_with(removed);
        }
    }
}

/// The discovery message of a node with these cameras.
pub(super) fn device(root: &Root, node: &Node, scenes: &[Scene], reader: Reader) -> DeviceDiscovery {
    let maker = Maker { root, node: &node.name, reader };
    let mut components = BTreeMap::new();
    let mut add = |component: Component| {
        components.insert(component.unique_id.clone(), Entry::Shown(Box::new(component)))
    };
    add(maker.connectivity(None, &root.node_status(&node.name)));
    for scene in scenes {
        add(maker.connectivity(Some(&scene.camera), &root.camera_status(&node.name, &scene.camera)));
        if scene.activities {
            add(maker.last_activity(&scene.camera));
        }
        if scene.snapshots {
            add(maker.snapshot(&scene.camera));
        }
        for (zone, labels) in &scene.zones {
            for label in labels {
                add(maker.count(&scene.camera, zone, label));
                add(maker.occupied(&scene.camera, zone, label));
            }
        }
    }
    DeviceDiscovery {
        device: wire::Device {
            identifiers: vec![unique(&["spotter", node.name.as_str()])],
            name: format!("Spotter {}", node.name),
            manufacturer: "Spotter".to_owned(),
            model: "Edge video tagger".to_owned(),
            sw_version: node.version.clone(),
        },
        origin: wire::Origin { name: wire::Origin::NAME.to_owned(), sw_version: node.version.clone() },
        components,
        qos: 1,
    }
}

struct Maker<'a> {
    root: &'a Root,
    node: &'a Name,
    reader: Reader,
}

impl Maker<'_> {
    fn component(&self, platform: &str, id: &[&str], name: String) -> Component {
        let id: Vec<&str> = ["spotter", self.node.as_str()].iter().chain(id).copied().collect();
        Component { platform: platform.to_owned(), unique_id: unique(&id), name, ..Component::default() }
    }

    /// Whether a node or a camera is there.
    fn connectivity(&self, camera: Option<&Name>, status: &Topic) -> Component {
        let (id, name) = match camera {
            None => (vec!["connectivity"], "Connection".to_owned()),
            Some(camera) => (vec![camera.as_str(), "connectivity"], format!("{camera} connection")),
        };
        let state = format!("{{{{ 'ON' if {}.state == 'online' else 'OFF' }}}}", self.reader.root());
        Component {
            state_topic: Some(status.to_string()),
            value_template: Some(state),
            json_attributes_topic: Some(status.to_string()),
            json_attributes_template: self.reader.enveloped.then(|| self.attributes()),
            device_class: Some("connectivity".to_owned()),
            entity_category: Some("diagnostic".to_owned()),
            // What a camera's status says counts for nothing while the node is away.
            availability: if camera.is_some() { vec![self.node_is_there()] } else { Vec::new() },
            ..self.component("binary_sensor", &id, name)
        }
    }

    fn last_activity(&self, camera: &Name) -> Component {
        let topic = self.root.tag(self.node, camera, wire::Kind::Activity).to_string();
        let name = format!("{camera} last activity");
        Component {
            state_topic: Some(topic.clone()),
            value_template: Some(self.reader.field("label")),
            json_attributes_topic: Some(topic),
            json_attributes_template: self.reader.enveloped.then(|| self.attributes()),
            icon: Some("mdi:human-greeting".to_owned()),
            ..self.watched("sensor", &[camera.as_str(), "last_activity"], name, camera)
        }
    }

    fn snapshot(&self, camera: &Name) -> Component {
        Component {
            image_topic: Some(self.root.snapshot(self.node, camera).to_string()),
            content_type: Some("image/jpeg".to_owned()),
            ..self.component("image", &[camera.as_str(), "snapshot"], format!("{camera} snapshot"))
        }
    }

    /// How many of a label are in a zone.
    fn count(&self, camera: &Name, zone: &Name, label: &str) -> Component {
        let id = [camera.as_str(), zone.as_str(), label, "count"];
        Component {
            state_topic: Some(self.root.occupancy(self.node, camera, zone).to_string()),
            value_template: Some(self.reader.field(&format!("counts[{}]", quoted(label)))),
            state_class: Some("measurement".to_owned()),
            icon: Some("mdi:counter".to_owned()),
            ..self.watched("sensor", &id, format!("{camera} {zone} {label} count"), camera)
        }
    }

    /// Whether any of a label is in a zone.
    fn occupied(&self, camera: &Name, zone: &Name, label: &str) -> Component {
        let id = [camera.as_str(), zone.as_str(), label, "occupancy"];
        let counted = format!("{}.counts[{}]", self.reader.root(), quoted(label));
        Component {
            state_topic: Some(self.root.occupancy(self.node, camera, zone).to_string()),
            value_template: Some(format!("{{{{ 'ON' if {counted} > 0 else 'OFF' }}}}")),
            device_class: Some("occupancy".to_owned()),
            ..self.watched("binary_sensor", &id, format!("{camera} {zone} {label}"), camera)
        }
    }

    /// A component that means something only while node and camera are there.
    fn watched(&self, platform: &str, id: &[&str], name: String, camera: &Name) -> Component {
        let camera = Availability {
            topic: self.root.camera_status(self.node, camera).to_string(),
            value_template: self.online(),
        };
        Component {
            availability: vec![self.node_is_there(), camera],
            availability_mode: Some(AvailabilityMode::All),
            ..self.component(platform, id, name)
        }
    }

    fn node_is_there(&self) -> Availability {
        Availability { topic: self.root.node_status(self.node).to_string(), value_template: self.online() }
    }

    fn online(&self) -> String {
        format!("{{{{ 'online' if {}.state == 'online' else 'offline' }}}}", self.reader.root())
    }

    fn attributes(&self) -> String {
        format!("{{{{ {} | tojson }}}}", self.reader.root())
    }
}

/// An id out of parts: readable, with `_` for what Home Assistant does not take in one, and a hash of the parts, because
/// `a_b` and `c` read as `a` and `b_c` do.
fn unique(parts: &[&str]) -> String {
    let readable = parts.join("_").replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
    format!("{readable}_{}", digest::short(&parts.join("\0")))
}

/// A label as a text of a template.
fn quoted(label: &str) -> String {
    format!("'{}'", label.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::test_node;

    fn scene() -> Scene {
        let name = |text| Name::new(text).unwrap();
        Scene {
            camera: name("ramp"),
            zones: vec![(name("door"), vec!["person".to_owned(), "guide dog".to_owned()])],
            activities: true,
            snapshots: true,
        }
    }

    fn discovery(enveloped: bool) -> DeviceDiscovery {
        let root = Root::new("spotter/v1").unwrap();
        device(&root, &test_node(), &[scene()], Reader { enveloped })
    }

    #[test]
    fn a_node_as_home_assistant_is_told_of_it() {
        insta::assert_snapshot!(wire::json(&discovery(false)));
    }

    #[test]
    fn ids_are_unique_and_messages_inside_envelopes_are_found() {
        let discovery = discovery(true);
        assert_eq!(discovery.components.len(), 8);
        for (id, entry) in &discovery.components {
            let Entry::Shown(component) = entry else { panic!("{id} is not shown") };
            assert_eq!(*id, component.unique_id);
            let templates = [&component.value_template, &component.json_attributes_template];
            for template in templates.into_iter().flatten() {
                assert!(template.contains("value_json.data"), "{template}");
            }
        }
    }

    #[test]
    fn what_is_shown_no_more_is_forgotten_and_may_come_again() {
        let message = |scenes: &[Scene]| {
            device(&Root::new("spotter/v1").unwrap(), &test_node(), scenes, Reader { enveloped: false })
        };
        let mut told = Told::default();
        let mut completed = |scenes: &[Scene]| {
            let mut message = message(scenes);
            told.complete(&mut message);
            // As a later run finds it.
            serde_json::from_str::<DeviceDiscovery>(&wire::json(&message)).unwrap()
        };
        let full = completed(&[scene()]);
        assert_eq!(full, message(&[scene()]));
        let empty = completed(&[]);
        assert_eq!(empty.components.len(), 8);
        let id = unique(&["spotter", "edge-1", "ramp", "connectivity"]);
        assert_eq!(empty.components[&id], Entry::Removed { platform: "binary_sensor".to_owned() });
        assert_eq!(completed(&[scene()]), full);
        let after = |found: &DeviceDiscovery| {
            let mut later = Told::default();
            let news = later.note(found);
            let mut again = message(&[]);
            later.complete(&mut again);
            (news, again)
        };
        assert_eq!(after(&full), (true, empty.clone()));
        assert_eq!(
            after(&empty),
            (true, message(&[])),
            "the node itself is shown, and the rest was forgotten"
        );
    }

    #[test]
    fn labels_cannot_leave_their_template() {
        assert_eq!(quoted("it's"), r"'it\'s'");
        assert!(unique(&["a b", "ü", "c-d"]).starts_with("a_b___c-d_"));
        assert_ne!(unique(&["a_b", "c"]), unique(&["a", "b_c"]));
    }
}
