//! Which of decodebin's pads goes on to the sink.
//!
//! Pads come and go: several at a time, where there is sound or more than one picture, and in groups, one after the other,
//! when an adaptive stream changes its variant or a transport stream its programme. A text that links decodebin
//! (`decodebin ! videoconvert`) is linked once, so that the second group would be its end. Video is chosen by its width
//! ([`width_order`]); what is not chosen is dropped at its pad, and sound is not even decoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::variants::width_order;

/// decodebin's pads and which of them is linked. Handlers of GStreamer's threads hold it too.
#[derive(Clone)]
pub(super) struct Branches(Arc<Mutex<State>>);

struct State {
    /// Where what is chosen goes on.
    take: gst::Pad,
    max_width: u32,
    /// Pads of video that are there, of groups that are complete.
    videos: Vec<gst::Pad>,
    /// Those of the group that comes.
    coming: Vec<gst::Pad>,
    chosen: Option<gst::Pad>,
    /// Whether a group was complete, and there has been no video.
    lacks_video: bool,
}

impl Branches {
    /// Links the pads of `decodebin` to `take` as they come and go.
    pub(super) fn link(decodebin: &gst::Element, take: &gst::Pad, max_width: u32) -> Self {
        let branches = Branches(Arc::new(Mutex::new(State {
            take: take.clone(),
            max_width,
            videos: Vec::new(),
            coming: Vec::new(),
            chosen: None,
            lacks_video: false,
        })));
        decodebin.connect("autoplug-continue", false, |values| {
            let caps = values.get(2)?.get::<gst::Caps>().ok()?;
            let is_sound = caps.structure(0).is_some_and(|caps| caps.name().starts_with("audio/"));
            Some((!is_sound).to_value())
        });
        let added = branches.clone();
        decodebin.connect_pad_added(move |_, pad| added.added(pad));
        let complete = branches.clone();
        decodebin.connect_no_more_pads(move |_| complete.complete());
        let removed = branches.clone();
        decodebin.connect_pad_removed(move |_, pad| removed.removed(pad));
        branches
    }

    /// Whether all that the source gives is known, and there is no video in it.
    pub(super) fn lacks_video(&self) -> bool {
        self.lock().lacks_video
    }

    fn added(&self, pad: &gst::Pad) {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let branches = self.clone();
        let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(data, move |pad, _| {
            let is_chosen = branches.lock().chosen.as_ref() == Some(pad);
            // Else nothing is linked, which the source would be told of.
            if is_chosen { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Handled }
        });
        if is_video(pad) {
            self.lock().coming.push(pad.clone());
        }
    }

    /// All pads of a group are there, and none has given data yet.
    fn complete(&self) {
        let mut state = self.lock();
        let coming = std::mem::take(&mut state.coming);
        if !coming.is_empty() {
            state.release();
            state.choose(&coming);
            state.videos.extend(coming);
        }
        state.lacks_video = state.videos.is_empty();
    }

    fn removed(&self, pad: &gst::Pad) {
        let mut state = self.lock();
        state.videos.retain(|video| video != pad);
        state.coming.retain(|video| video != pad);
        if state.chosen.take_if(|chosen| chosen == pad).is_some() {
            let left = state.videos.clone();
            state.choose(&left);
        }
    }

    /// Steps are small, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Unlinks what was chosen; it may be gone already.
    fn release(&mut self) {
        if let Some(chosen) = self.chosen.take()
            && let Err(error) = chosen.unlink(&self.take)
        {
            tracing::debug!(%error, "a pad of decodebin was unlinked already");
        }
    }

    /// Links the first of those that are wanted most.
    fn choose(&mut self, videos: &[gst::Pad]) {
        let mut best: Option<&gst::Pad> = None;
        let order = |pad: &gst::Pad| width_order(width(pad), self.max_width);
        for pad in videos {
            if best.is_none_or(|best| order(pad) > order(best)) {
                best = Some(pad);
            }
        }
        let Some(best) = best else { return };
        match best.link(&self.take) {
            Ok(_) => self.chosen = Some(best.clone()),
            Err(error) => tracing::warn!(pad = %best.name(), %error, "what was decoded does not link"),
        }
    }
}

fn caps(pad: &gst::Pad) -> gst::Caps {
    pad.current_caps().unwrap_or_else(|| pad.query_caps(None))
}

fn is_video(pad: &gst::Pad) -> bool {
    caps(pad).structure(0).is_some_and(|caps| caps.name() == "video/x-raw")
}

fn width(pad: &gst::Pad) -> Option<u32> {
    let width = caps(pad).structure(0)?.get::<i32>("width").ok()?;
    u32::try_from(width).ok()
}
