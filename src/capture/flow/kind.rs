//! What a pipeline turns out to be made of, and when encoded frames arrive in it, which says how old they are.

use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{Flow, JITTER_BUFFER, running_time};

/// A source that says how many bytes it has, and not more than this, is a file: it is played at its own pace. Servers of
/// live streams that say a length say an absurd one.
const LARGEST_FILE: u64 = 1 << 42;

/// A decoder waits this long at most until a burst has passed, and looks this often.
const LONGEST_BURST: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// What a pipeline turned out to be made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// Whether it gives what comes now, whether it is taken or not.
    pub(super) is_live: bool,
    /// Whether it is a file on a server.
    is_file: bool,
    has_rtp: bool,
    has_demuxer: bool,
    /// Whether the demultiplexer brings the server's clock to arrival by itself, as that of transport streams does.
    follows_arrival: bool,
    /// Whether it plays segments that it fetches as it needs them.
    has_segments: bool,
}

impl Kind {
    /// Whether frames come with time stamps by a clock of the server's own that are not repaired otherwise.
    pub(super) fn has_foreign_clock(self) -> bool {
        self.is_live
            && self.has_demuxer
            && !self.is_file
            && !self.has_rtp
            && !self.has_segments
            && !self.follows_arrival
    }
}

impl Flow {
    pub(super) fn note_kind(&self, element: &gst::Element, factory: &gst::ElementFactory) {
        let class = factory.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
        let is_demuxer = class.contains("Demuxer");
        {
            let kind = &mut self.lock().kind;
            kind.has_rtp |= factory.name() == JITTER_BUFFER;
            kind.has_segments |= is_demuxer && class.contains("Adaptive");
            kind.has_demuxer |= is_demuxer;
            kind.follows_arrival |= factory.name() == "tsdemux";
            // They do not say so.
            kind.is_live |= factory.name().starts_with("rtmp");
        }
        if is_demuxer {
            let flow = self.clone();
            element.connect_pad_added(move |_, pad| flow.note_arrivals(pad));
        }
    }

    /// Notes when encoded frames arrive.
    fn note_arrivals(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
            if !pad.current_caps().is_some_and(|caps| is_picture(&caps)) {
                return gst::PadProbeReturn::Remove;
            }
            if let Some(stamp) = running_time(pad, buffer) {
                let mut noted = flow.lock();
                if noted.kind.has_foreign_clock() {
                    noted.arrivals.encoded(stamp, flow.begun.elapsed());
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Holds what a decoder is given first until a burst has passed the demultiplexer, so that it is known how old it is.
    /// decodebin's queue takes the burst meanwhile.
    pub(super) fn let_burst_pass(&self, pad: &gst::Pad) {
        let flow = self.clone();
        let is_passing = move || {
            let noted = flow.lock();
            noted.kind.has_foreign_clock() && !noted.arrivals.has_settled(flow.begun.elapsed())
        };
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            let begun = Instant::now();
            // Who stops the pipeline waits for this probe, after a pad was made to flush.
            let is_stopped = || pad.pad_flags().contains(gst::PadFlags::FLUSHING);
            while is_passing() && begun.elapsed() < LONGEST_BURST && !is_stopped() {
                std::thread::sleep(LOOK);
            }
            let decodebin = pad.parent_element().and_then(|decoder| decoder.parent());
            for limit in ["max-size-bytes", "max-size-buffers"] {
                if let Some(decodebin) = decodebin.as_ref().filter(|element| element.has_property(limit)) {
                    // GStreamer's own again, from when decoded frames come.
                    decodebin.set_property(limit, 0_u32);
                }
            }
            gst::PadProbeReturn::Remove
        });
    }

    /// Counts data of which there need not be a frame.
    pub(super) fn note_data(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
            flow.lock().seen.data += 1;
            gst::PadProbeReturn::Ok
        });
    }

    /// Asks the source how much it has, when it gives the first of it.
    pub(super) fn look_for_a_size(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, _| {
            let size = pad.peer_query_duration::<gst::format::Bytes>();
            flow.lock().kind.is_file = size.is_some_and(|size| (1..=LARGEST_FILE).contains(&*size));
            gst::PadProbeReturn::Remove
        });
    }
}

/// Whether it takes a stream apart: also where the source of an adaptive stream is inside of decodebin, its data pass there.
pub(super) fn comes_before_decoders(factory: &gst::ElementFactory) -> bool {
    let class = factory.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
    ["Demuxer", "Depayloader", "Parser"].iter().any(|kind| class.contains(kind))
}

/// Whether caps are of something that is decoded to pictures.
fn is_picture(caps: &gst::CapsRef) -> bool {
    caps.structure(0)
        .is_some_and(|caps| caps.name().starts_with("video/") || caps.name().starts_with("image/"))
}
