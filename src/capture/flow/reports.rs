//! What a camera that sends RTP says of its clock: sender reports, beside the packets that they speak of.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::packets::{ticks, video_rate};
use super::{Flow, running_time};
use crate::capture::sender_clock::{Report, SenderClock};

/// The jitter buffer's pad of reports, which comes when its session is there.
const REPORTS: &str = "sink_rtcp";

impl Flow {
    /// Follows the clock of what comes through a jitter buffer, where that is video.
    pub(super) fn hear_reports(&self, jitter_buffer: &gst::Element) {
        let clock = Arc::new(Mutex::new(SenderClock::default()));
        if let Some(pad) = jitter_buffer.static_pad("src") {
            self.follow_packets(&pad, Arc::clone(&clock));
        }
        jitter_buffer.connect_pad_added(move |_, pad| {
            if pad.name() == REPORTS {
                Flow::follow_reports(pad, Arc::clone(&clock));
            }
        });
    }

    fn follow_packets(&self, pad: &gst::Pad, clock: Arc<Mutex<SenderClock>>) {
        let flow = self.clone();
        let mut rate = None;
        let probe = move |pad: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
            let Some(rate) = *rate.get_or_insert_with(|| video_rate(pad)) else {
                return gst::PadProbeReturn::Remove;
            };
            if let (Some(ticks), Some(running)) = (ticks(buffer), running_time(pad, buffer)) {
                let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
                clock.packet(ticks, rate, running);
                flow.lock().sender_begun_us = clock.begun_us();
            }
            gst::PadProbeReturn::Ok
        };
        pad.add_probe(gst::PadProbeType::BUFFER, super::stateful(probe));
    }

    fn follow_reports(pad: &gst::Pad, clock: Arc<Mutex<SenderClock>>) {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data
                && let Ok(packet) = buffer.map_readable()
                && let Some(report) = Report::read(&packet)
            {
                clock.lock().unwrap_or_else(PoisonError::into_inner).report(report);
            }
            gst::PadProbeReturn::Ok
        });
    }
}
