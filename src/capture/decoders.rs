//! Which elements and decoders are installed, and which decoders really make a frame.
//!
//! For `doctor`. Being installed says little about a hardware decoder: its device may be missing, or closed to this user,
//! so each one is given a short clip.

use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::apart::apart;
use super::decoding::{all, is_decoder, is_hardware, start};
use super::error::CaptureError;
use crate::config::Source;

/// How long a decoder may take for its first frame.
const FRAME: Duration = Duration::from_secs(4);
/// The same with setting it up and taking it down.
const TRIAL: Duration = Duration::from_secs(8);

/// Two frames of a test picture, 320x240, per codec: name, caps, what cuts it into frames, bytes. Each was made by
/// `gst-launch-1.0 videotestsrc pattern=ball num-buffers=2 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 !
/// ENCODER ! filesink location=CODEC.bin`, with the encoders
/// `x264enc key-int-max=2 option-string=bframes=0 ! video/x-h264,stream-format=byte-stream,profile=main`,
/// `x265enc key-int-max=2 ! video/x-h265,stream-format=byte-stream` and `jpegenc quality=50`.
const CLIPS: [(&str, &str, &str, &[u8]); 3] = [
    (
        "h264",
        "video/x-h264,stream-format=(string)byte-stream,alignment=(string)au",
        "h264parse ! ",
        include_bytes!("decoders/h264.bin"),
    ),
    (
        "h265",
        "video/x-h265,stream-format=(string)byte-stream,alignment=(string)au",
        "h265parse ! ",
        include_bytes!("decoders/h265.bin"),
    ),
    ("jpeg", "image/jpeg", "jpegparse ! ", include_bytes!("decoders/jpeg.bin")),
];

/// An installed decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderInfo {
    /// What it decodes: one of [`DecoderInfo::CODECS`].
    pub codec: &'static str,
    /// The GStreamer element.
    pub element: String,
    /// Whether it uses hardware.
    pub hardware: bool,
    /// Whether it made a frame of a test picture, or why not.
    pub works: Result<(), String>,
}

impl DecoderInfo {
    /// The codecs that are tried.
    pub const CODECS: [&str; 3] = ["h264", "h265", "jpeg"];
}

/// Every installed decoder of the usual cameras' codecs, each tried; best first by GStreamer's rank.
///
/// # Errors
/// When GStreamer does not start.
pub fn decoders() -> Result<Vec<DecoderInfo>, CaptureError> {
    start()?;
    let mut found = Vec::new();
    for (codec, caps, parse, bytes) in CLIPS {
        let Ok(wanted) = caps.parse::<gst::Caps>() else { continue };
        let mut factories: Vec<_> =
            all().filter(|factory| is_decoder(factory) && factory.can_sink_any_caps(&wanted)).collect();
        factories.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
        factories.dedup_by_key(|factory| factory.name());
        for factory in factories {
            let element = factory.name().to_string();
            let text = format!(
                "appsrc name=clip format=time caps=\"{caps}\" ! {parse}{element} ! appsink name=frames sync=false"
            );
            let works = apart(&format!("try-{element}"), || TRIAL, move || decode(&text, bytes))
                .unwrap_or_else(|_| Err(format!("it hangs for {} s", TRIAL.as_secs())));
            found.push(DecoderInfo { codec, element, hardware: is_hardware(&factory), works });
        }
    }
    Ok(found)
}

/// Runs a clip through a pipeline, up to its first frame.
fn decode(text: &str, bytes: &'static [u8]) -> Result<(), String> {
    let element = gst::parse::launch(text).map_err(|error| error.to_string())?;
    let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| "it makes no pipeline".to_owned())?;
    let source = pipeline.by_name("clip").and_then(|element| element.downcast::<AppSrc>().ok());
    let sink = pipeline.by_name("frames").and_then(|element| element.downcast::<AppSink>().ok());
    let (Some(source), Some(sink)) = (source, sink) else { return Err("it makes no pipeline".to_owned()) };
    let mut buffer = gst::Buffer::from_slice(bytes);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    let started = pipeline.set_state(gst::State::Playing).is_ok();
    let fed = started && source.push_buffer(buffer).and_then(|_| source.end_of_stream()).is_ok();
    let wait = gst::ClockTime::try_from(FRAME).ok();
    let given = if fed { sink.try_pull_sample(wait) } else { None };
    let why = given.is_none().then(|| {
        let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match error.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => error.error().to_string(),
            _ if started => "it gives no frame".to_owned(),
            _ => "it does not start".to_owned(),
        }
    });
    if let Err(error) = pipeline.set_state(gst::State::Null) {
        tracing::debug!(%error, "a decoder that was tried did not stop cleanly");
    }
    why.map_or(Ok(()), |why| Err(why.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// An element that sources need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementInfo {
    /// Its name.
    pub name: &'static str,
    /// The Debian package that brings it.
    pub package: &'static str,
    /// Whether it is installed.
    pub installed: bool,
    /// Whether one of the sources cannot do without it.
    pub needed: bool,
}

/// GStreamer's version, and the elements that cameras are taken with, each with whether `sources` need it.
///
/// # Errors
/// When GStreamer does not start.
pub fn elements(sources: &[&Source]) -> Result<(String, Vec<ElementInfo>), CaptureError> {
    start()?;
    const BASE: &str = "gstreamer1.0-plugins-base";
    const GOOD: &str = "gstreamer1.0-plugins-good";
    const BAD: &str = "gstreamer1.0-plugins-bad";
    let any = |fits: fn(&Source) -> bool| sources.iter().any(|source| fits(source));
    let rtsp = any(|source| matches!(source, Source::Rtsp { .. }));
    let http = any(|source| matches!(source, Source::Http { .. }));
    let hls = any(|source| source.url().is_some_and(|url| url.path().ends_with(".m3u8")));
    let v4l2 = any(|source| matches!(source, Source::V4l2 { .. }));
    let genicam = any(|source| matches!(source, Source::Genicam(_)));
    let libcamera = any(|source| matches!(source, Source::Libcamera { .. }));
    let table = [
        ("decodebin", BASE, true),
        ("videoconvert", BASE, true),
        ("appsink", BASE, true),
        ("rtspsrc", GOOD, rtsp),
        ("rtph264depay", GOOD, rtsp),
        ("rtph265depay", GOOD, false),
        ("rtpjpegdepay", GOOD, false),
        ("h264parse", BAD, rtsp),
        ("h265parse", BAD, false),
        ("souphttpsrc", GOOD, http),
        ("multipartdemux", GOOD, false),
        ("hlsdemux", BAD, hls),
        ("v4l2src", GOOD, v4l2),
        ("libcamerasrc", "gstreamer1.0-libcamera", libcamera),
        ("aravissrc", "libaravis-0.8-0", genicam),
        ("bayer2rgb", BAD, genicam),
    ];
    let infos = table.map(|(name, package, needed)| {
        let installed = gst::ElementFactory::find(name).is_some();
        ElementInfo { name, package, installed, needed }
    });
    Ok((gst::version_string().to_string(), infos.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_tried() {
        let found = decoders().unwrap();
        for (codec, element) in [("h264", "avdec_h264"), ("h265", "avdec_h265"), ("jpeg", "jpegdec")] {
            let one = found.iter().find(|found| found.codec == codec && found.element == element);
            let one = one.unwrap_or_else(|| panic!("{element} in {found:?}"));
            assert_eq!((one.hardware, &one.works), (false, &Ok(())), "{element}");
        }
    }

    #[test]
    fn what_does_not_decode_says_why() {
        start().unwrap();
        let text = "appsrc name=clip format=time caps=image/jpeg ! jpegdec ! appsink name=frames sync=false";
        assert!(decode(text, b"no picture at all").is_err());
        assert!(decode("nosuchelement ! fakesink", b"").unwrap_err().contains("nosuchelement"));
    }

    #[test]
    fn elements_are_needed_by_those_who_use_them() {
        let source = Source::parse("rtsp://cam/1", std::path::Path::new("")).unwrap();
        let needed = |sources: &[&Source], name| {
            elements(sources).unwrap().1.iter().any(|info| info.name == name && info.needed)
        };
        assert!(needed(&[], "appsink") && !needed(&[], "rtspsrc"));
        assert!(needed(&[&source], "rtspsrc") && !needed(&[&source], "v4l2src"));
    }
}
