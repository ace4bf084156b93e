//! The end of a GIF: the demultiplexer of GStreamer 1.22 (with ffmpeg 5.1) asks for more at the end of the file, for ever, and
//! never says that it has ended.
//!
//! Called by [`super::flow`].

use std::sync::atomic::{AtomicU32, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

/// The demultiplexer that never ends.
pub(super) const DEMUXER: &str = "avdemux_gif";

/// It has asked so often for what lies behind the end that it has nothing left: the last picture needs one time or two.
const IN_VAIN: u32 = 100;

/// Ends the streams of the demultiplexer `element` when it has come to the end of its file.
pub(super) fn watch(element: &gst::Element) {
    let Some(sink) = element.static_pad("sink") else { return };
    let (demuxer, asked) = (element.downgrade(), AtomicU32::new(0));
    // A probe that blocks is called before the pad pulls; it blocks only when the probe says so.
    sink.add_probe(gst::PadProbeType::PULL | gst::PadProbeType::BLOCK, move |pad, info| {
        let length = pad.peer_query_duration::<gst::format::Bytes>();
        if length.is_none_or(|length| info.offset < u64::from(length)) {
            return gst::PadProbeReturn::Pass;
        }
        if asked.fetch_add(1, Ordering::Relaxed) < IN_VAIN {
            return gst::PadProbeReturn::Pass;
        }
        for stream in demuxer.upgrade().iter().flat_map(|demuxer| demuxer.src_pads()) {
            let ended = stream.push_event(gst::event::Eos::new());
            tracing::trace!(ended, "a GIF has ended");
        }
        // It waits here until the pipeline stops.
        gst::PadProbeReturn::Ok
    });
}
