//! From a source to the text of its pipeline: a pure function, so that what runs can be read, tested and tried by hand
//! with `gst-launch-1.0`.

use crate::config::{Source, Transport};
use crate::frame::PixelFormat;

/// Name of the element that hands frames out.
pub(super) const SINK: &str = "frames";

/// How fast frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the source gives them, files as fast as they were recorded; when nobody takes a frame, a newer one replaces it.
    Live,
    /// As fast as they are taken, none left out.
    EveryFrame,
}

/// The pipeline that turns `source` into raw frames at an appsink.
///
/// Frames keep the decoder's size and YUV layout: `videoconvert` only passes them through unless the layout is one that
/// no [`PixelFormat`] names (RGB sources, more than 8 bit). Scaling and conversion to RGB happen once, in the model's
/// own preprocessing.
pub fn describe(source: &Source, pace: Pace) -> String {
    let head = match source {
        Source::File { path, .. } => {
            format!("filesrc location={} ! decodebin", quoted(&path.to_string_lossy()))
        }
        Source::Rtsp { url, transport } => {
            let protocols = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            let location = quoted(url.reveal());
            format!(
                "rtspsrc location={location} protocols={protocols} latency=200 ! application/x-rtp,media=video ! decodebin"
            )
        }
        Source::Http { url } => {
            format!(
                "souphttpsrc location={} is-live=true do-timestamp=true timeout=10 retries=0 ! decodebin",
                quoted(url.reveal())
            )
        }
        Source::V4l2 { device } => {
            format!("v4l2src device={} ! decodebin", quoted(&device.to_string_lossy()))
        }
        Source::Pipeline { fragment } => format!("{fragment} ! decodebin"),
    };
    let formats: Vec<&str> = PixelFormat::ALL.map(gst_name).to_vec();
    let sink = match pace {
        Pace::Live => "max-buffers=1 drop=true sync=true",
        Pace::EveryFrame => "max-buffers=4 drop=false sync=false",
    };
    format!(
        "{head} ! videoconvert ! video/x-raw,format=(string){{{}}} ! appsink name={SINK} {sink} qos=false",
        formats.join(",")
    )
}

/// The format's name in GStreamer caps.
pub(super) fn gst_name(format: PixelFormat) -> &'static str {
    match format {
        PixelFormat::I420 => "I420",
        PixelFormat::Nv12 => "NV12",
        PixelFormat::Y42b => "Y42B",
        PixelFormat::Y444 => "Y444",
        PixelFormat::Gray8 => "GRAY8",
    }
}

/// `text` as one value of a pipeline description.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn sources_become_pipelines() {
        let base = Path::new("/srv");
        let text = |source| describe(&Source::parse(source, base).expect("a source"), Pace::Live);
        insta::assert_snapshot!(text("a b\"c\\.avi"), @r#"filesrc location="/srv/a b\"c\\.avi" ! decodebin ! videoconvert ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("rtsp://me:pw@cam/1"), @r#"rtspsrc location="rtsp://me:pw@cam/1" protocols=tcp latency=200 ! application/x-rtp,media=video ! decodebin ! videoconvert ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("http://cam/mjpeg"), @r#"souphttpsrc location="http://cam/mjpeg" is-live=true do-timestamp=true timeout=10 retries=0 ! decodebin ! videoconvert ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("/dev/video0"), @r#"v4l2src device="/dev/video0" ! decodebin ! videoconvert ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
    }

    #[test]
    fn replay_drops_nothing() {
        let fragment = Source::Pipeline { fragment: "videotestsrc num-buffers=3".to_owned() };
        insta::assert_snapshot!(describe(&fragment, Pace::EveryFrame), @"videotestsrc num-buffers=3 ! decodebin ! videoconvert ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=4 drop=false sync=false qos=false");
    }
}
