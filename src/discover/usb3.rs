//! USB3 Vision: the devices that the kernel lists with an interface of that class.

use std::path::Path;

use super::vision::{VisionCamera, VisionLink};

/// Class, subclass and protocol of the interface that controls a camera (USB3 Vision Specification).
const CONTROL: [&str; 3] = ["ef", "05", "00"];
/// After so many entries, no more are looked at.
const MOST: usize = 4096;

/// The cameras among the devices under `devices`.
pub(super) fn plugged_in(devices: &Path) -> Vec<VisionCamera> {
    let Ok(entries) = std::fs::read_dir(devices) else { return Vec::new() };
    let mut found = Vec::new();
    for interface in entries.take(MOST).flatten() {
        let name = interface.file_name();
        // `2-1:1.0` is an interface of the device `2-1`.
        let Some((device, _)) = name.to_str().and_then(|name| name.split_once(':')) else { continue };
        let kind = ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"];
        if kind.map(|file| attribute(&interface.path(), file)) != CONTROL {
            continue;
        }
        let device = devices.join(device);
        found.push(VisionCamera {
            vendor: attribute(&device, "manufacturer"),
            model: attribute(&device, "product"),
            serial: attribute(&device, "serial"),
            name: String::new(),
            link: VisionLink::Usb3,
        });
    }
    found.sort_by(|a, b| a.serial.cmp(&b.serial));
    found
}

/// Empty when it is not there.
fn attribute(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_with_the_class_of_cameras_are_cameras() {
        let folder = tempfile::tempdir().unwrap();
        let write = |device: &str, files: &[(&str, &str)]| {
            let place = folder.path().join(device);
            std::fs::create_dir_all(&place).unwrap();
            for (file, text) in files {
                std::fs::write(place.join(file), format!("{text}\n")).unwrap();
            }
        };
        let class = |protocol| {
            [("bInterfaceClass", "ef"), ("bInterfaceSubClass", "05"), ("bInterfaceProtocol", protocol)]
        };
        write("2-1", &[("manufacturer", "Acme"), ("product", "U3"), ("serial", "77")]);
        write("2-1:1.0", &class("00"));
        write("2-1:1.1", &class("02"));
        write("1-4", &[("product", "Webcam")]);
        write(
            "1-4:1.0",
            &[("bInterfaceClass", "0e"), ("bInterfaceSubClass", "01"), ("bInterfaceProtocol", "00")],
        );
        let found = plugged_in(folder.path());
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["Acme U3 77 at USB"]);
        assert_eq!(found[0].aravis_names(), ["Acme-U3-77", "Acme-77"]);
        assert_eq!(plugged_in(&folder.path().join("none")), []);
    }
}
