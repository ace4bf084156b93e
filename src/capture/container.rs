//! What an MP4 file says of how its video is to be shown, which the demultiplexer of GStreamer 1.22 misreads. Of the
//! colours in the box `colr` it takes the flag for full range from the byte before it, so that every file has limited range, and
//! what the stream says itself is not looked at any more. Of the eight ways in which a display matrix shows a picture it knows
//! seven, and of the film's own matrix none.
//!
//! The demultiplexer's bytes are read until it has found its streams, and what it states is put right where it hands its
//! streams on. Called by [`super::flow`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::colour::{self, Stated};
use super::header::Header;
use super::orientations;

/// The demultiplexer of MP4 and its relatives.
pub(super) const DEMUXER: &str = "qtdemux";

/// What is known of the file.
#[derive(Debug, Default)]
struct Known {
    header: Header,
    /// Whether the streams are known, so that what follows is no header any more.
    over: bool,
}

/// Puts right what the demultiplexer `element` states of orientations, and takes what it states of colours off its caps, and
/// hands it to `hear`.
pub(super) fn watch(element: &gst::Element, hear: impl Fn(Stated) + Send + Sync + Clone + 'static) {
    let Some(sink) = element.static_pad("sink") else { return };
    let known = Arc::new(Mutex::new(Known::default()));
    let reading = Arc::clone(&known);
    sink.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        let mut known = lock(&reading);
        if known.over {
            return gst::PadProbeReturn::Remove;
        }
        let mut look = |buffer: &gst::BufferRef| {
            if let Ok(bytes) = buffer.map_readable() {
                known.header.look(&bytes);
            }
        };
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => look(buffer),
            Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(look),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    element.connect_pad_added(move |_, pad| {
        if !pad.name().starts_with("video_") {
            return;
        }
        let (known, hear) = (Arc::clone(&known), hear.clone());
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let Some(event) = info.event_mut() else { return gst::PadProbeReturn::Ok };
            let mut known = lock(&known);
            let mended = match event.view() {
                gst::EventView::Caps(caps) => {
                    known.over = true;
                    without_colours(caps, &known.header, &hear)
                }
                gst::EventView::Tag(tags) => with_orientation(tags, &known.header),
                _ => None,
            };
            if let Some(mended) = mended {
                *event = mended;
            }
            gst::PadProbeReturn::Ok
        });
    });
}

/// The caps without colours, which `hear` gets; nothing where they have none.
fn without_colours(event: &gst::event::Caps, header: &Header, hear: impl Fn(Stated)) -> Option<gst::Event> {
    let found = colour::stated(event.caps());
    if found == Stated::default() {
        return None;
    }
    hear(Stated { full_range: header.full_range(), ..found });
    let mut silent = event.caps_owned();
    silent.make_mut().structure_mut(0)?.remove_field("colorimetry");
    Some(gst::event::Caps::builder(&silent).seqnum(event.seqnum()).build())
}

/// The tags of the stream with the orientation that the header states; nothing where it states none.
fn with_orientation(event: &gst::event::Tag, header: &Header) -> Option<gst::Event> {
    let orientation = header.orientation()?;
    let mut tags = event.tag_owned();
    if tags.scope() != gst::TagScope::Stream {
        return None;
    }
    orientations::state(tags.make_mut(), orientation);
    Some(gst::event::Tag::builder(tags).seqnum(event.seqnum()).build())
}

/// Steps are whole after each, so a poisoned lock is as good as any.
fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
