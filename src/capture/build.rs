//! Builds pipelines, which [`super::stream`] runs.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

use super::branches::Branches;
use super::decoding;
use super::description::{DECODE, Pace, SINK, TAKE, describe};
use super::error::CaptureError;
use super::variants;
use crate::config::{Capture, Source};

/// What decodebin's queue takes of a burst with which a live stream begins, in bytes and frames, before it is known how old
/// that is. Afterwards it takes a few frames: [`Flow::let_burst_pass`] sees to that.
///
/// [`Flow::let_burst_pass`]: super::flow::Flow::let_burst_pass
const LARGEST_BURST: (u32, u32) = (16 << 20, 1 << 16);

/// A pipeline that does not run yet.
pub(super) struct Built {
    pub(super) pipeline: gst::Pipeline,
    /// Hands its frames out.
    pub(super) sink: AppSink,
    /// Where what the source gives passes.
    pub(super) give: gst::Pad,
    /// Where decoded frames pass.
    pub(super) take: gst::Pad,
    /// What comes there.
    pub(super) branches: Branches,
}

/// Builds the pipeline of a camera's source.
///
/// # Errors
/// When GStreamer is not usable, the pipeline cannot be built, or the decoder that is asked for is not there.
pub(super) fn build(capture: &Capture, pace: Pace) -> Result<Built, CaptureError> {
    decoding::start()?;
    let unbuildable = |reason: &str| CaptureError::unbuildable(&capture.source, reason);
    if let Source::File { path, .. } = &capture.source
        && path.to_str().is_none()
    {
        return Err(unbuildable("GStreamer opens only files whose path is UTF-8"));
    }
    decoding::check(&capture.decoder).map_err(|error| unbuildable(&error.to_string()))?;
    let element =
        gst::parse::launch(&describe(capture, pace)).map_err(|error| unbuildable(&error.to_string()))?;
    let pipeline =
        element.downcast::<gst::Pipeline>().map_err(|_| unbuildable("its text is a single element"))?;
    let taken = |name: &str| unbuildable(&format!("another element took the name `{name}`"));
    let named = |name: &str, factory: &str| {
        let element = pipeline.by_name(name)?;
        element.factory().is_some_and(|found| found.name() == factory).then_some(element)
    };
    let sink = named(SINK, "appsink").and_then(|element| element.downcast::<AppSink>().ok());
    let sink = sink.ok_or_else(|| taken(SINK))?;
    let decodebin = named(DECODE, "decodebin").ok_or_else(|| taken(DECODE))?;
    let take = named(TAKE, "videoconvert").and_then(|element| element.static_pad("sink"));
    let take = take.ok_or_else(|| taken(TAKE))?;
    let give = decodebin.static_pad("sink").expect("decodebin has its pad");
    decoding::limit(&decodebin, &capture.decoder);
    if !matches!(capture.source, Source::File { .. }) {
        let (bytes, frames) = LARGEST_BURST;
        decodebin.set_property("max-size-bytes", bytes);
        decodebin.set_property("max-size-buffers", frames);
    }
    decoding::expect_one_stream(&pipeline);
    variants::choose(&pipeline, capture.max_width);
    let branches = Branches::link(&decodebin, &take, capture.max_width);
    Ok(Built { pipeline, sink, give, take, branches })
}
