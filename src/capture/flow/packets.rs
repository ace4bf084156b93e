//! Packets of RTP: which frames they belong to, by their time stamps.

use std::time::Instant;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{Flow, stateful};
use crate::capture::timeline::Packets;

impl Flow {
    /// Counts frames of RTP by their time stamps, and those that jump, before a jitter buffer repairs them.
    pub(super) fn count_packets(&self, pad: &gst::Pad) {
        let flow = self.clone();
        let mut packets = Packets::default();
        let mut rate = None;
        let begun = Instant::now();
        let probe = move |pad: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
            // Of a list, which is of one moment, the first says enough.
            let packet = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => Some(buffer.as_ref()),
                Some(gst::PadProbeData::BufferList(list)) => list.get(0),
                _ => None,
            };
            // Caps come before packets, and those of sound are not looked at each time.
            let rate = *rate.get_or_insert_with(|| video_rate(pad));
            if let (Some(ticks), Some(rate)) = (packet.and_then(ticks), rate)
                && let Some(frame) = packets.next(ticks, rate, begun.elapsed())
            {
                let seen = &mut flow.lock().seen;
                seen.sent += 1;
                seen.time_jumps += u64::from(frame.jumped);
            }
            gst::PadProbeReturn::Ok
        };
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, stateful(probe));
    }
}

/// The ticks per second of RTP's time stamps, when it carries video.
pub(super) fn video_rate(pad: &gst::Pad) -> Option<u32> {
    let caps = pad.current_caps()?;
    let stream =
        caps.structure(0).filter(|stream| stream.get("media").is_ok_and(|media: &str| media == "video"))?;
    u32::try_from(stream.get::<i32>("clock-rate").ok()?).ok().filter(|rate| *rate > 0)
}

/// A packet's time stamp (RFC 3550, section 5.1).
pub(super) fn ticks(packet: &gst::BufferRef) -> Option<u32> {
    let mut bytes = [0; 4];
    (packet.copy_to_slice(4, &mut bytes) == Ok(())).then(|| u32::from_be_bytes(bytes))
}
