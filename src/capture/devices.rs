//! The cameras that the kernel has as Video4Linux devices, by GStreamer's device monitor: for `spotter discover`.

use std::path::PathBuf;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::decoding::start;
use super::error::CaptureError;

/// A Video4Linux device that gives video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoDevice {
    /// Its node, such as `/dev/video0`.
    pub device: PathBuf,
    /// What it calls itself.
    pub name: String,
}

/// The Video4Linux devices that capture video, in the order of their nodes. Those that only give metadata, put out or convert
/// video are not among them.
///
/// # Errors
/// When GStreamer does not start, or lacks what lists devices.
pub fn video_devices() -> Result<Vec<VideoDevice>, CaptureError> {
    start()?;
    let provider = gst::DeviceProviderFactory::by_name("v4l2deviceprovider").ok_or_else(|| {
        CaptureError::Unbuildable {
            reason: "the GStreamer plug-in video4linux2 is missing: apt install gstreamer1.0-plugins-good"
                .to_owned(),
        }
    })?;
    let mut found: Vec<VideoDevice> = provider
        .devices()
        .iter()
        .filter_map(|device| {
            let properties = device.properties()?;
            let class = device.device_class();
            video_device(&class, &device.display_name(), &properties)
        })
        .collect();
    found.sort_by(|a, b| number(a).cmp(&number(b)).then_with(|| a.device.cmp(&b.device)));
    found.dedup_by(|a, b| a.device == b.device);
    Ok(found)
}

/// A device that GStreamer lists, when it is a source of video.
fn video_device(class: &str, name: &str, properties: &gst::StructureRef) -> Option<VideoDevice> {
    if class != "Video/Source" {
        return None;
    }
    // By its name since GStreamer 1.24, before only with a prefix.
    let path =
        ["api.v4l2.path", "device.path"].into_iter().find_map(|key| properties.get::<String>(key).ok())?;
    path.starts_with("/dev/").then(|| VideoDevice { device: path.into(), name: name.to_owned() })
}

/// 10 comes after 9.
fn number(device: &VideoDevice) -> Option<u32> {
    device.device.to_str()?.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_video_are_cameras_and_nothing_else_is() {
        start().unwrap();
        let with = |key: &str, path: &str| gst::Structure::builder("properties").field(key, path).build();
        let camera = with("device.path", "/dev/video10");
        let found = video_device("Video/Source", "Webcam", &camera).unwrap();
        assert_eq!(
            (found.device.to_str(), found.name.as_str(), number(&found)),
            (Some("/dev/video10"), "Webcam", Some(10))
        );
        let newer = with("api.v4l2.path", "/dev/video2");
        assert!(video_device("Video/Source", "Webcam", &newer).is_some());
        assert_eq!(video_device("Video/Sink", "Webcam", &camera), None);
        assert_eq!(video_device("Video/Source", "Screen", &with("window", "1")), None);
    }

    #[test]
    fn this_machine_is_asked() {
        let found = video_devices().unwrap();
        assert!(found.iter().all(|device| device.device.starts_with("/dev")), "{found:?}");
    }
}
