//! GenICam cameras by Aravis's element: which one is meant, what it can give, and what its buffers need before others have
//! them.
//!
//! The element hands out memory that it fills again and frees with the connection, so that each buffer is copied here, where
//! it leaves the element. It gives camera time where the pipeline's is needed, skips what came in part without a word, and
//! knows samples of 8 bits only.

use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::decoding;
use super::description::{GENICAM, layout_caps};
use super::error::CaptureError;
use super::flow::{DROPPED, Flow, stateful};
use super::gaps::Gaps;
use super::heard::Notes;
use super::reason::Failure;
use crate::config::{Capture, Genicam, SensorFormat, SensorLayout, Source};
use crate::discover::{self, VisionCamera};

/// How long cameras are listened for.
const ANSWERING: Duration = Duration::from_secs(1);
/// How many of the cameras that are there an error names.
const MOST_NAMED: usize = 5;
/// What a camera is asked for when nothing is configured, best first: colour in one byte before colour in more, then grey.
const PREFERENCE: &[SensorLayout] = &[
    SensorLayout::Bayer("rggb"),
    SensorLayout::Bayer("grbg"),
    SensorLayout::Bayer("gbrg"),
    SensorLayout::Bayer("bggr"),
    SensorLayout::Uyvy,
    SensorLayout::Yuy2,
    SensorLayout::Rgb,
    SensorLayout::Bgr,
    SensorLayout::Mono,
];

/// The same capture with the camera and the pixel format named as the element needs them. Asks the networks, and the camera
/// when its format is not configured.
///
/// # Errors
/// When there is no such camera, it cannot be opened, or it has no format that plays.
pub(super) fn settle(capture: &Capture) -> Result<Capture, CaptureError> {
    let Source::Genicam(camera) = &capture.source else { return Ok(capture.clone()) };
    installed(&capture.source)?;
    let mut settled = camera.clone();
    let candidates = addresses(camera).map_err(|why| CaptureError::failed(&capture.source, &why))?;
    let is_one = candidates.len() == 1;
    if camera.pixel_format.is_some() && is_one {
        settled.camera = candidates.into_iter().next();
    } else {
        let (name, format) = ask(&capture.source, &candidates)?;
        settled.camera = Some(name);
        settled.pixel_format = camera.pixel_format.or(Some(format));
    }
    Ok(Capture { source: Source::Genicam(settled), ..capture.clone() })
}

/// Whether there is what speaks to such cameras.
fn installed(source: &Source) -> Result<(), CaptureError> {
    decoding::start()?;
    if gst::ElementFactory::find("aravissrc").is_some() {
        return Ok(());
    }
    Err(CaptureError::unbuildable(source, "GStreamer has no aravissrc: apt install libaravis-0.8-0"))
}

/// The same source without the camera's name, so that its pipeline can be built and nothing is opened: the element opens a
/// camera as soon as it is told its name.
///
/// # Errors
/// When nothing that speaks to such cameras is installed.
pub(super) fn unopened(capture: &Capture) -> Result<Capture, CaptureError> {
    let Source::Genicam(camera) = &capture.source else { return Ok(capture.clone()) };
    installed(&capture.source)?;
    let source = Source::Genicam(Genicam { camera: None, ..camera.clone() });
    Ok(Capture { source, ..capture.clone() })
}

/// By what names Aravis may know the camera, to be tried one after the other.
fn addresses(camera: &Genicam) -> Result<Vec<String>, String> {
    let Some(name) = &camera.camera else { return first().map(|camera| camera.aravis_names()) };
    // An address is asked without asking all networks.
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Ok(vec![name.clone()]);
    }
    let mut others = Vec::new();
    match discover::vision_camera(ANSWERING, |found| {
        let is_it = found.is_called(name);
        if !is_it {
            others.push(found.to_string());
        }
        is_it
    }) {
        Some(found) => Ok(found.aravis_names()),
        // A host's name, perhaps.
        None if name.contains('.') => Ok(vec![name.clone()]),
        None => Err(format!("no such camera answers{}", there_are(&others))),
    }
}

fn first() -> Result<VisionCamera, String> {
    discover::vision_camera(ANSWERING, |_| true).ok_or_else(|| {
        "no GigE Vision camera answers on this machine's networks, and no USB3 Vision camera is there"
            .to_owned()
    })
}

fn there_are(others: &[String]) -> String {
    if others.is_empty() {
        return "; nor does any other on this machine's networks or USB".to_owned();
    }
    let more = if others.len() > MOST_NAMED { " and others" } else { "" };
    let named: Vec<_> = others.iter().take(MOST_NAMED).map(String::as_str).collect();
    format!("; there are {}{more}", named.join(", "))
}

/// The first of these names that Aravis opens, and the best format of that camera.
fn ask(source: &Source, names: &[String]) -> Result<(String, SensorFormat), CaptureError> {
    let mut failure = None;
    for name in names {
        match offers(source, name) {
            Ok(caps) => {
                let format = best(&caps).ok_or_else(|| {
                    CaptureError::failed(
                        source,
                        "it has no pixel format that plays; see pixel_format in the documentation",
                    )
                })?;
                return Ok((name.clone(), format));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| CaptureError::failed(source, "it has no name")))
}

/// What a camera can give. It is opened and closed again, and nothing of it is changed: caps that nothing has keep the element
/// from setting any.
fn offers(source: &Source, name: &str) -> Result<gst::Caps, CaptureError> {
    let failed = |why: String| CaptureError::failed(source, &why);
    let element = gst::parse::launch(&format!("aravissrc name={GENICAM} ! video/x-none ! fakesink"))
        .map_err(|error| failed(error.to_string()))?;
    let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| failed("no pipeline".to_owned()))?;
    let aravis = pipeline.by_name(GENICAM).expect("it stands in the text");
    aravis.set_property("camera-name", name);
    let opened = pipeline.set_state(gst::State::Paused);
    let caps = opened.as_ref().ok().and_then(|_| aravis.static_pad("src")).map(|pad| pad.query_caps(None));
    let message = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    // What it says of a stop is of no use here.
    pipeline.set_state(gst::State::Null).ok();
    match (caps, message.as_ref().map(|message| message.view())) {
        (Some(caps), _) => Ok(caps),
        (None, Some(gst::MessageView::Error(message))) => {
            let (capture, notes) = (Capture::of(source.clone()), Notes::default());
            Err(Failure { message, capture: &capture, at_first: true, notes }.reason())
        }
        (None, _) => Err(failed("it cannot be opened".to_owned())),
    }
}

/// The first of the preferred layouts that these caps have.
fn best(offered: &gst::Caps) -> Option<SensorFormat> {
    let has = |layout: &&SensorLayout| {
        layout_caps(**layout).parse::<gst::Caps>().is_ok_and(|caps| caps.can_intersect(offered))
    };
    SensorFormat::of_layout(*PREFERENCE.iter().find(has)?)
}

/// Puts a probe where buffers leave the element, when the pipeline has one.
pub(super) fn attend(pipeline: &gst::Pipeline, source: &Source, flow: &Flow) {
    let Source::Genicam(Genicam { pixel_format, .. }) = source else { return };
    let Some(pad) = pipeline.by_name(GENICAM).and_then(|element| element.static_pad("src")) else { return };
    let bits = pixel_format.map_or(8, |format| format.bits);
    let (whole, flow) = (pipeline.downgrade(), flow.clone());
    let mut gaps = Gaps::default();
    let probe = move |pad: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
        let Some(given) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        if let Some(taken) = given.pts() {
            flow.add_incomplete(gaps.next(Duration::from(taken)));
        }
        let Some(mut owned) = own(given, pad, bits) else { return DROPPED };
        // A camera's clock runs at its own pace: the element would come to wait for it, with all its buffers full.
        if let Some(element) = pad.parent_element() {
            element.set_base_time(gst::ClockTime::ZERO);
        }
        let now = whole.upgrade().and_then(|pipeline: gst::Pipeline| pipeline.current_running_time());
        if let Some(buffer) = owned.get_mut() {
            buffer.set_pts(now);
            buffer.set_dts(gst::ClockTime::NONE);
            buffer.set_duration(gst::ClockTime::NONE);
        }
        *given = owned;
        gst::PadProbeReturn::Ok
    };
    pad.add_probe(gst::PadProbeType::BUFFER, stateful(probe));
}

/// A buffer of 8 bits a sample that belongs to nobody else.
fn own(given: &gst::Buffer, pad: &gst::Pad, bits: u32) -> Option<gst::Buffer> {
    let data = given.map_readable().ok()?;
    if bits <= 8 {
        return Some(gst::Buffer::from_mut_slice(data.as_slice().to_vec()));
    }
    let caps = pad.current_caps()?;
    let frame = caps.structure(0)?;
    let size = |name: &str| frame.get::<i32>(name).ok().and_then(|pixels| usize::try_from(pixels).ok());
    reduced(&data, (size("width")?, size("height")?), bits).map(gst::Buffer::from_mut_slice)
}

/// The upper 8 of `bits` bits of samples of two bytes each, lowest byte first; lines begin at multiples of 4 bytes on both
/// sides. Nothing when the data are too short.
fn reduced(data: &[u8], (width, height): (usize, usize), bits: u32) -> Option<Vec<u8>> {
    let (from, to) = ((2 * width).next_multiple_of(4), width.next_multiple_of(4));
    let mut out = vec![0; to.checked_mul(height)?];
    for (line, row) in data.chunks(from.max(1)).zip(out.chunks_mut(to.max(1))).take(height) {
        for (pair, sample) in line.get(..2 * width)?.chunks_exact(2).zip(row) {
            let value = u16::from_le_bytes([pair[0], pair[1]]) >> (bits - 8);
            *sample = u8::try_from(value).unwrap_or(u8::MAX);
        }
    }
    (data.len() >= from * height.saturating_sub(1) + 2 * width).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_samples_keep_their_upper_bits() {
        // Two lines of three pixels of 12 bits: 6 bytes of samples in 8, 3 in 4.
        let line = [0xff, 0x0f, 0x00, 0x08, 0x10, 0x00, 0xaa, 0xaa];
        let data = [line, line].concat();
        let row = [0xff, 0x80, 0x01, 0];
        assert_eq!(reduced(&data, (3, 2), 12), Some([row, row].concat()));
        // The last line may lack what fills it up.
        assert_eq!(reduced(&data[..14], (3, 2), 12), Some([row, row].concat()));
        assert_eq!(reduced(&data[..13], (3, 2), 12), None);
        assert_eq!(reduced(&[], (3, 2), 12), None);
        // More than the bits that were stated is as bright as it goes.
        assert_eq!(reduced(&[0xff, 0xff, 0, 0], (1, 1), 10), Some(vec![0xff, 0, 0, 0]));
    }

    #[test]
    fn colour_comes_before_grey_and_one_byte_before_more() {
        gst::init().unwrap();
        let size = "width=(int)[ 1, 2048 ], height=(int)[ 1, 2048 ]";
        let best = |formats: &[&str]| {
            let text: Vec<_> = formats.iter().map(|format| format!("{format}, {size}")).collect();
            best(&text.join("; ").parse().unwrap()).map(|format| format.name)
        };
        let (mono, rgb, bayer) = (
            "video/x-raw, format=(string)GRAY8",
            "video/x-raw, format=(string)RGB",
            "video/x-bayer, format=(string)gbrg",
        );
        assert_eq!(best(&[mono, rgb, bayer]), Some("BayerGB8"));
        assert_eq!(best(&[mono, rgb]), Some("RGB8"));
        assert_eq!(best(&[mono]), Some("Mono8"));
        assert_eq!(best(&["video/x-raw, format=(string)GRAY16_LE"]), None);
    }
}
