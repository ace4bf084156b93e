//! What Home Assistant is told about a node: connectivity, occupancy, last activity and snapshot of each camera.
//!
//! Pure. Called by [`super::pending`]. Fields and values are those of Home Assistant's documentation of MQTT device
//! discovery and of the platforms `binary_sensor`, `sensor` and `image`; `tests/field/home_assistant.rs` holds messages
//! against its own schema.

mod template;

use std::collections::BTreeMap;

use super::topic::{Root, Topic};
use super::wire::{self, Availability, AvailabilityMode, ChildDevice, Component, DeviceDiscovery, Entry};
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
        for (id, entry) in entries(message) {
            if let Entry::Shown(component) = entry {
                self.platforms.entry(id.clone()).or_insert_with(|| component.platform.clone());
            }
        }
        self.platforms.len() > before
    }

    /// Adds to a message what Home Assistant is to forget, for as long as the node runs: nobody says when it has. A
    /// component is known by its id alone, so one of a camera that is gone is forgotten beside those of the node.
    pub(super) fn complete(&mut self, message: &mut DeviceDiscovery) {
        self.note(message);
        for (id, platform) in &self.platforms {
            if !entries(message).any(|(shown, _)| shown == id) {
                let removed = Entry::Removed { platform: platform.clone() };
                message.components.insert(id.clone(), removed);
            }
        }
    }
}

/// Every component of a message, those of child devices too.
fn entries(message: &DeviceDiscovery) -> impl Iterator<Item = (&String, &Entry)> {
    message.components.iter().chain(message.child_devices.iter().flat_map(|child| &child.components))
}

/// The discovery message of a node with these cameras: each a device of its own below the node's, or all of them parts of
/// the one device, which is all that Home Assistant knows before 2026.11.
pub(super) fn device(root: &Root, node: &Node, scenes: &[Scene], child_devices: bool) -> DeviceDiscovery {
    let maker = Maker { root, node: &node.name, child_devices };
    let mut components = entry(maker.node_connectivity());
    let mut children = Vec::new();
    for scene in scenes {
        let of_camera = maker.of_camera(scene).into_iter().flat_map(entry);
        if child_devices {
            children.push(ChildDevice {
                identifiers: vec![maker.id(&[scene.camera.as_str()])],
                name: scene.camera.to_string(),
                components: of_camera.collect(),
            });
        } else {
            components.extend(of_camera);
        }
    }
    DeviceDiscovery {
        device: wire::Device {
            identifiers: vec![maker.id(&[])],
            name: format!("Spotter {}", node.name),
            manufacturer: "Spotter".to_owned(),
            model: "Edge video tagger".to_owned(),
            sw_version: node.version.clone(),
        },
        origin: wire::Origin { name: wire::Origin::NAME.to_owned(), sw_version: node.version.clone() },
        components,
        child_devices: children,
        qos: 1,
    }
}

fn entry(component: Component) -> BTreeMap<String, Entry> {
    BTreeMap::from([(component.unique_id.clone(), Entry::Shown(Box::new(component)))])
}

struct Maker<'a> {
    root: &'a Root,
    node: &'a Name,
    child_devices: bool,
}

impl Maker<'_> {
    fn id(&self, parts: &[&str]) -> String {
        let parts: Vec<&str> = ["spotter", self.node.as_str()].iter().chain(parts).copied().collect();
        unique(&parts)
    }

    fn component(&self, platform: &str, id: &[&str], name: String) -> Component {
        Component { platform: platform.to_owned(), unique_id: self.id(id), name, ..Component::default() }
    }

    /// The name of a camera's component. Home Assistant shows the name of its device before it.
    fn named(&self, camera: &Name, what: &str) -> String {
        if self.child_devices { what.to_owned() } else { format!("{camera} {what}") }
    }

    fn of_camera(&self, scene: &Scene) -> Vec<Component> {
        let mut components = vec![self.camera_connectivity(&scene.camera)];
        components.extend(scene.activities.then(|| self.last_activity(&scene.camera)));
        components.extend(scene.snapshots.then(|| self.snapshot(&scene.camera)));
        for (zone, labels) in &scene.zones {
            for label in labels {
                components.push(self.count(&scene.camera, zone, label));
                components.push(self.occupied(&scene.camera, zone, label));
            }
        }
        components
    }

    /// Whether the node is there.
    fn node_connectivity(&self) -> Component {
        let attributes = template::attributes(&format!(
            "{}, computes_on=(m.accelerators | default({{}})).used | default(none), \
             models=m.models | default([]) | map(attribute='name') | list, \
             problems=m.problems | default([]) | map(attribute='code') | list",
            template::fields("m", &["version", "since", "reason"])
        ));
        self.connectivity(
            &["connectivity"],
            "Connection".to_owned(),
            self.root.node_status(self.node),
            attributes,
        )
    }

    /// Whether a camera is there. What its status says counts for nothing while the node is away. Figures that change
    /// with every status are left out: each change would be a row in Home Assistant's database.
    fn camera_connectivity(&self, camera: &Name) -> Component {
        let attributes = template::attributes(&format!(
            "{}, camera_state=m.state | default(none), **dict({})",
            template::fields("m", &["since", "reason"]),
            template::fields("(m.video | default({}))", &["codec", "width", "height", "decoder"])
        ));
        let topic = self.root.camera_status(self.node, camera);
        let id = [camera.as_str(), "connectivity"];
        Component {
            availability: vec![self.node_is_there()],
            ..self.connectivity(&id, self.named(camera, "connection"), topic, attributes)
        }
    }

    fn connectivity(&self, id: &[&str], name: String, status: Topic, attributes: String) -> Component {
        Component {
            state_topic: Some(status.to_string()),
            value_template: Some(template::value("'ON' if m.state == 'online' else 'OFF'")),
            json_attributes_topic: Some(status.to_string()),
            json_attributes_template: Some(attributes),
            device_class: Some("connectivity".to_owned()),
            entity_category: Some("diagnostic".to_owned()),
            ..self.component("binary_sensor", id, name)
        }
    }

    /// What somebody began to do last. Updates and ends of activities come every few seconds and change nothing. Who it was,
    /// when, and how sure changes with everybody on a busy square, so it is left to the tags.
    fn last_activity(&self, camera: &Name) -> Component {
        let topic = self.root.tag(self.node, camera, wire::Kind::Activity).to_string();
        Component {
            state_topic: Some(topic.clone()),
            value_template: Some(template::at_start(
                "m.label",
                "this.state if this.state not in ('unknown', 'unavailable') else 'None'",
            )),
            json_attributes_topic: Some(topic),
            json_attributes_template: Some(template::attributes(
                "model=(m.model | default({})).name | default(none), \
                 model_version=(m.model | default({})).version | default(none)",
            )),
            icon: Some("mdi:human-greeting".to_owned()),
            ..self.watched("sensor", &[camera.as_str(), "last_activity"], "last activity", camera)
        }
    }

    fn snapshot(&self, camera: &Name) -> Component {
        let id = [camera.as_str(), "snapshot"];
        Component {
            image_topic: Some(self.root.snapshot(self.node, camera).to_string()),
            content_type: Some("image/jpeg".to_owned()),
            ..self.component("image", &id, self.named(camera, "snapshot"))
        }
    }

    /// How many of a label are in a zone.
    fn count(&self, camera: &Name, zone: &Name, label: &str) -> Component {
        let id = [camera.as_str(), zone.as_str(), label, "count"];
        Component {
            state_topic: Some(self.root.occupancy(self.node, camera, zone).to_string()),
            value_template: Some(template::value(&format!("m.counts[{}] | default('')", quoted(label)))),
            state_class: Some("measurement".to_owned()),
            icon: Some("mdi:counter".to_owned()),
            ..self.watched("sensor", &id, &format!("{zone} {label} count"), camera)
        }
    }

    /// Whether any of a label is in a zone.
    fn occupied(&self, camera: &Name, zone: &Name, label: &str) -> Component {
        let id = [camera.as_str(), zone.as_str(), label, "occupancy"];
        let counted = format!("'ON' if (m.counts[{}] | default(0)) > 0 else 'OFF'", quoted(label));
        Component {
            state_topic: Some(self.root.occupancy(self.node, camera, zone).to_string()),
            value_template: Some(template::value(&counted)),
            device_class: Some("occupancy".to_owned()),
            ..self.watched("binary_sensor", &id, &format!("{zone} {label}"), camera)
        }
    }

    /// A component that means something only while node and camera are there.
    fn watched(&self, platform: &str, id: &[&str], what: &str, camera: &Name) -> Component {
        let topic = self.root.camera_status(self.node, camera);
        Component {
            availability: vec![self.node_is_there(), Self::is_there(&topic)],
            availability_mode: Some(AvailabilityMode::All),
            ..self.component(platform, id, self.named(camera, what))
        }
    }

    fn node_is_there(&self) -> Availability {
        Self::is_there(&self.root.node_status(self.node))
    }

    fn is_there(topic: &Topic) -> Availability {
        let value_template = template::value("'online' if m.state == 'online' else 'offline'");
        Availability { topic: topic.to_string(), value_template }
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

    fn message(scenes: &[Scene], child_devices: bool) -> DeviceDiscovery {
        device(&Root::new("spotter/v1").unwrap(), &test_node(), scenes, child_devices)
    }

    #[test]
    fn a_node_as_home_assistant_is_told_of_it() {
        insta::assert_snapshot!("cameras_as_devices", wire::json(&message(&[scene()], true)));
        insta::assert_snapshot!("one_device", wire::json(&message(&[scene()], false)));
    }

    #[test]
    fn a_component_has_one_id_in_both_forms() {
        let ids = |message: &DeviceDiscovery| {
            entries(message)
                .map(|(id, entry)| {
                    let Entry::Shown(component) = entry else { panic!("{id} is not shown") };
                    assert_eq!(*id, component.unique_id);
                    (id.clone(), component.platform.clone())
                })
                .collect::<BTreeMap<String, String>>()
        };
        let (children, flat) = (message(&[scene()], true), message(&[scene()], false));
        assert_eq!(ids(&children), ids(&flat));
        assert_eq!((ids(&flat).len(), children.components.len(), children.child_devices.len()), (8, 1, 1));
        assert_ne!(children.child_devices[0].identifiers, children.device.identifiers);
    }

    #[test]
    fn what_is_shown_no_more_is_forgotten_and_may_come_again() {
        for (before, after) in [(true, true), (false, false), (false, true), (true, false)] {
            let mut told = Told::default();
            let mut completed = |scenes: &[Scene], child_devices| {
                let mut message = message(scenes, child_devices);
                told.complete(&mut message);
                // As a later run finds it.
                serde_json::from_str::<DeviceDiscovery>(&wire::json(&message)).unwrap()
            };
            let full = completed(&[scene()], before);
            assert_eq!(full, message(&[scene()], before));
            // A camera that becomes a device of its own, or part of the one device, is not forgotten.
            assert_eq!(completed(&[scene()], after), message(&[scene()], after));
            let empty = completed(&[], after);
            assert_eq!((empty.components.len(), empty.child_devices.len()), (8, 0));
            let id = unique(&["spotter", "edge-1", "ramp", "connectivity"]);
            assert_eq!(empty.components[&id], Entry::Removed { platform: "binary_sensor".to_owned() });
            assert_eq!(completed(&[scene()], after), message(&[scene()], after));
            let later = |found: &DeviceDiscovery| {
                let mut later = Told::default();
                let news = later.note(found);
                let mut again = message(&[], after);
                later.complete(&mut again);
                (news, again)
            };
            assert_eq!(later(&full), (true, empty.clone()));
            assert_eq!(
                later(&empty),
                (true, message(&[], after)),
                "the node itself is shown, and the rest was forgotten"
            );
        }
    }

    #[test]
    fn whatever_has_attributes_has_a_template_for_them() {
        // Home Assistant keeps an attribute template that a later message leaves out.
        for child_devices in [false, true] {
            for (id, entry) in entries(&message(&[scene()], child_devices)) {
                let Entry::Shown(component) = entry else { panic!("{id} is not shown") };
                let has = (&component.json_attributes_topic, &component.json_attributes_template);
                assert_eq!(has.0.is_some(), has.1.is_some(), "{id}");
                assert!(component.value_template.is_some() || component.image_topic.is_some(), "{id}");
            }
        }
    }

    #[test]
    fn labels_cannot_leave_their_template() {
        assert_eq!(quoted("it's"), r"'it\'s'");
        assert!(unique(&["a b", "ü", "c-d"]).starts_with("a_b___c-d_"));
        assert_ne!(unique(&["a_b", "c"]), unique(&["a", "b_c"]));
    }
}
