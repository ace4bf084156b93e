//! From a source to the text of its pipeline: a pure function, so that what runs can be read, tested and tried by hand
//! with `gst-launch-1.0`.

use std::path::Path;

use super::pictures::HTTP;
use crate::config::{Capture, Genicam, Level, PacketSize, SensorLayout, Source, Transport};
use crate::frame::PixelFormat;

/// Name of the element that hands frames out.
pub(super) const SINK: &str = "frames";
/// Name of the element that speaks RTSP, where there is one.
pub(super) const RTSP: &str = "rtsp";
/// Name of the element that speaks to a GenICam camera, where there is one.
pub(super) const GENICAM: &str = "genicam";
/// Name of the element that plugs decoders.
pub(super) const DECODE: &str = "decode";
/// Name of the element that takes what was decoded.
pub(super) const TAKE: &str = "take";

/// The longest that a server may take to answer, in microseconds as GStreamer's RTSP source wants it.
const ANSWER_US: u64 = 5_000_000;
/// The same in seconds, as its HTTP source wants it, of a playlist.
const ANSWER_S: u64 = 5;
/// The longest that a stream over HTTP may pause, in seconds: longer than whoever waits for its frames waits for the
/// second one, and knows their interval from then on.
const PAUSE_S: u64 = 30;

/// How fast frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the source gives them, files as fast as they were recorded; when nobody takes a frame, a newer one replaces it.
    Live,
    /// As fast as they are taken, none left out.
    EveryFrame,
}

/// The pipeline that turns a camera's source into raw frames at an appsink.
///
/// Frames keep the decoder's size and YUV layout: `videoconvert` only passes them through unless the layout is one that
/// no [`PixelFormat`] names (RGB sources, more than 8 bit). Scaling and conversion to RGB happen once, in the model's
/// own preprocessing. What the elements named here let pass is not in the text: see `flow.rs` and `decoding.rs`; nor which
/// of decodebin's pads is linked to `videoconvert`: see `branches.rs`.
pub fn describe(capture: &Capture, pace: Pace) -> String {
    let formats: Vec<&str> = PixelFormat::ALL.map(gst_name).to_vec();
    let sink = match pace {
        Pace::Live => "max-buffers=1 drop=true sync=true",
        Pace::EveryFrame => "max-buffers=4 drop=false sync=false",
    };
    format!(
        "{} ! decodebin name={DECODE}  videoconvert name={TAKE} ! video/x-raw,format=(string){{{}}} ! appsink \
         name={SINK} {sink} qos=false",
        head(&capture.source),
        formats.join(",")
    )
}

/// What gives encoded or raw video.
fn head(source: &Source) -> String {
    match source {
        Source::File { path, .. } => format!("filesrc location={}", quoted_path(path)),
        Source::Rtsp { url, transport, verify_tls } => {
            let protocols = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            // 0 lets every certificate pass.
            let validation = if *verify_tls { "" } else { " tls-validation-flags=0" };
            format!(
                "rtspsrc name={RTSP} location={} protocols={protocols} latency=200 tcp-timeout={ANSWER_US} \
                 timeout={ANSWER_US}{validation} ! application/x-rtp,media=video",
                quoted(&url.reveal_to_rtspsrc())
            )
        }
        Source::Http { url, verify_tls } => {
            // A playlist is read as it is needed; anything else is a stream that goes on whether it is read or not.
            let is_playlist = url.path().ends_with(".m3u8");
            let (live, timeout) =
                if is_playlist { ("", ANSWER_S) } else { (" is-live=true do-timestamp=true", PAUSE_S) };
            let validation = if *verify_tls { "" } else { " ssl-strict=false" };
            format!(
                "souphttpsrc name={HTTP} location={}{live} timeout={timeout} retries=0{validation}",
                quoted(url.reveal())
            )
        }
        Source::V4l2 { device } => format!("v4l2src device={}", quoted_path(device)),
        Source::Libcamera { camera: None } => "libcamerasrc".to_owned(),
        Source::Libcamera { camera: Some(camera) } => format!("libcamerasrc camera-name={}", quoted(camera)),
        Source::Genicam(camera) => genicam(camera),
        Source::Pipeline { fragment } => fragment.clone(),
    }
}

/// Raw video of eight bits, whatever the sensor has: see `genicam.rs`.
fn genicam(camera: &Genicam) -> String {
    let Genicam {
        camera,
        pixel_format,
        width,
        height,
        frame_rate,
        exposure_us,
        gain_db,
        packet_size,
        features,
    } = camera;
    let mut text = format!("aravissrc name={GENICAM}");
    if let Some(camera) = camera {
        text += &format!(" camera-name={}", quoted(camera));
    }
    for (name, level) in [("exposure", exposure_us), ("gain", gain_db)] {
        match level {
            Some(Level::Auto) => text += &format!(" {name}-auto=on"),
            Some(Level::Fixed(value)) => text += &format!(" {name}-auto=off {name}={value}"),
            None => {}
        }
    }
    match packet_size {
        Some(PacketSize::Auto) => text += " auto-packet-size=true",
        Some(PacketSize::Bytes(bytes)) => text += &format!(" packet-size={bytes}"),
        None => {}
    }
    // The element knows no format with more bits by its name: it is asked for the one with eight, and the camera is set to
    // the other before it starts.
    let deep = pixel_format.filter(|format| format.bits > 8);
    let deep = deep.map(|format| format!("PixelFormat={}", format.name));
    let features: Vec<&str> = deep.iter().chain(features).map(String::as_str).collect();
    if !features.is_empty() {
        text += &format!(" features={}", quoted(&features.join(" ")));
    }
    let layout = pixel_format.map(|format| format.layout);
    text += &format!(" ! {}", layout.map_or("video/x-raw".to_owned(), layout_caps));
    for (name, value) in [("width", width), ("height", height)] {
        if let Some(pixels) = value {
            text += &format!(",{name}=(int){pixels}");
        }
    }
    if let Some(rate) = frame_rate {
        let milli = (rate * 1000.0).round();
        text += &format!(",framerate=(fraction){milli}/1000");
    }
    if matches!(layout, Some(SensorLayout::Bayer(_))) {
        text += " ! bayer2rgb";
    }
    text
}

/// The caps of a sensor's samples of eight bits.
pub(super) fn layout_caps(layout: SensorLayout) -> String {
    let (media, format) = match layout {
        SensorLayout::Mono => ("raw", "GRAY8"),
        SensorLayout::Bayer(order) => ("bayer", order),
        SensorLayout::Rgb => ("raw", "RGB"),
        SensorLayout::Bgr => ("raw", "BGR"),
        SensorLayout::Uyvy => ("raw", "UYVY"),
        SensorLayout::Yuy2 => ("raw", "YUY2"),
    };
    format!("video/x-{media},format=(string){format}")
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

/// A path as one value. GStreamer takes quotes off a value that begins with one, so that a relative path begins with `./`.
fn quoted_path(path: &Path) -> String {
    quoted(&if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() }.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SensorFormat;

    #[test]
    fn sources_become_pipelines() {
        let base = Path::new("/srv");
        let text =
            |source| describe(&Capture::of(Source::parse(source, base).expect("a source")), Pace::Live);
        insta::assert_snapshot!(text("a b\"c\\.avi"), @r#"filesrc location="/srv/a b\"c\\.avi" ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("rtsp://me:pw@cam/1"), @r#"rtspsrc name=rtsp location="rtsp://me:pw@cam/1" protocols=tcp latency=200 tcp-timeout=5000000 timeout=5000000 ! application/x-rtp,media=video ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("http://cam/mjpeg"), @r#"souphttpsrc name=http location="http://cam/mjpeg" is-live=true do-timestamp=true timeout=30 retries=0 ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("https://cam/live/index.m3u8?token=1"), @r#"souphttpsrc name=http location="https://cam/live/index.m3u8?token=1" timeout=5 retries=0 ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("libcamera:imx219"), @r#"libcamerasrc camera-name="imx219" ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
        insta::assert_snapshot!(text("/dev/video0"), @r#"v4l2src device="/dev/video0" ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=1 drop=true sync=true qos=false"#);
    }

    #[test]
    fn what_gstreamer_would_read_otherwise_is_written_otherwise() {
        let head = |source| head(&source);
        let rtsp = head(Source::parse("rtsp://me@cam/a@b", Path::new("")).unwrap());
        assert!(rtsp.contains("location=\"rtsp://me:@cam/a@b\""), "{rtsp}");
        let file = |path: &str| Source::File { path: path.into(), repeat: false, frame_rate: None };
        assert_eq!(head(file("\"a\".avi")), r#"filesrc location="./\"a\".avi""#);
        assert_eq!(head(file("/\"a\".avi")), r#"filesrc location="/\"a\".avi""#);
    }

    #[test]
    fn genicam_cameras_are_set_before_they_start() {
        let format = |name| SensorFormat::parse(name).ok();
        let camera = Some("192.0.2.7".to_owned());
        let plain = Genicam { camera: camera.clone(), pixel_format: format("Mono8"), ..Genicam::default() };
        insta::assert_snapshot!(genicam(&plain), @r#"aravissrc name=genicam camera-name="192.0.2.7" ! video/x-raw,format=(string)GRAY8"#);
        let full = Genicam {
            camera,
            pixel_format: format("BayerRG12"),
            width: Some(640),
            height: Some(480),
            frame_rate: Some(12.5),
            exposure_us: Some(Level::Fixed(5000.0)),
            gain_db: Some(Level::Auto),
            packet_size: Some(PacketSize::Bytes(9000)),
            features: vec!["BalanceWhiteAuto=Continuous".to_owned()],
        };
        insta::assert_snapshot!(genicam(&full), @r#"aravissrc name=genicam camera-name="192.0.2.7" exposure-auto=off exposure=5000 gain-auto=on packet-size=9000 features="PixelFormat=BayerRG12 BalanceWhiteAuto=Continuous" ! video/x-bayer,format=(string)rggb,width=(int)640,height=(int)480,framerate=(fraction)12500/1000 ! bayer2rgb"#);
        insta::assert_snapshot!(genicam(&Genicam::default()), @"aravissrc name=genicam ! video/x-raw");
    }

    #[test]
    fn replay_drops_nothing() {
        let fragment = Source::Pipeline { fragment: "videotestsrc num-buffers=3".to_owned() };
        insta::assert_snapshot!(describe(&Capture::of(fragment), Pace::EveryFrame), @"videotestsrc num-buffers=3 ! decodebin name=decode  videoconvert name=take ! video/x-raw,format=(string){I420,NV12,Y42B,Y444,GRAY8} ! appsink name=frames max-buffers=4 drop=false sync=false qos=false");
    }
}
