//! What runs through a pipeline: probes that count it, leave out what is not wanted before it costs anything, and note
//! what decodes it.
//!
//! The probes run on GStreamer's threads and only look, drop and count; [`super::stream`] sets them up and reads them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

mod kind;
mod packets;
mod reports;

use kind::{Kind, comes_before_decoders};

use super::arrivals::Arrivals;
use super::colour::Stated;
use super::container;
use super::decoding::{codec, is_decoder, is_hardware};
use super::endless;
use super::exif;
use super::orientations::Orientations;
use super::pick::Picker;
use super::stamps::{Stamp, Stamps};
use super::timeline::Timeline;
use crate::geometry::Orientation;

/// A stream that has had no key frame for so long is one that never has any, and is decoded as it is. Cameras that save
/// space have one in 20 seconds.
const KEY_PATIENCE: Duration = Duration::from_secs(20);

/// The element that puts the packets of RTP into order, and repairs their time stamps.
const JITTER_BUFFER: &str = "rtpjitterbuffer";

/// The demultiplexers that state when a file ends by its own times, and not how long it plays.
const STATING_ENDS: [&str; 2] = ["matroskademux", "flvdemux"];
/// Frames on their way to the sink whose capture times are known at most; of older ones nobody asks.
const MOST_ON_THE_WAY: usize = 64;

/// Later than any time stamp.
const FAR: Duration = Duration::from_secs(u64::MAX / 4);

/// What a probe answers to have its buffer dropped: it was taken care of, by doing nothing with it. (The bindings leave no
/// buffer for GStreamer 1.22 to drop.)
pub(super) const DROPPED: gst::PadProbeReturn = gst::PadProbeReturn::Handled;

/// What has come on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Pieces of data that the source gave and that demultiplexers and parsers were given, whatever is in them.
    pub data: u64,
    /// Frames that came over RTP, decoded or not: their time stamps differ. Other sources do not tell.
    pub sent: u64,
    /// Frames that were decoded, also those that were not wanted.
    pub given: u64,
    /// Wanted ones that nobody took in time.
    pub lost: u64,
    /// Those that the decoder called damaged.
    pub damaged: u64,
    /// Encoded frames that came before the first key frame.
    pub before_key: u64,
    /// Time stamps that jumped, and were replaced.
    pub time_jumps: u64,
    /// Changes of size, layout or stated frame rate.
    pub format_changes: u64,
    /// Frames of a GenICam camera that did not come whole.
    pub incomplete: u64,
}

/// The element that decodes, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoding {
    /// The element's factory.
    pub element: gst::ElementFactory,
    /// The element's own name, which no other has.
    name: glib::GString,
    /// What it decodes; `unknown` before the first data.
    pub codec: String,
    /// Whether it was given anything to decode.
    pub fed: bool,
}

impl Decoding {
    /// Whether it uses hardware.
    pub(super) fn is_hardware(&self) -> bool {
        is_hardware(&self.element)
    }
}

/// A decoder that was given something to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fed {
    /// Its factory's name.
    pub element: String,
    /// Whether it uses hardware.
    pub is_hardware: bool,
}

/// What runs through one pipeline, as its probes note it.
#[derive(Clone)]
pub(super) struct Flow {
    noted: Arc<Mutex<Noted>>,
    /// What arrivals are counted from.
    begun: Instant,
}

#[derive(Default)]
struct Noted {
    seen: Seen,
    /// Frames that went on to the sink.
    picked: u64,
    decoding: Option<Decoding>,
    orientations: Orientations,
    /// What a file says of its colours, apart from what its stream says.
    container: Stated,
    /// Whether the length that the source states is the time at which it ends, and not how long it plays.
    states_end: bool,
    /// Whether frames had no times, and whether they have got some.
    untimed: Option<Untimed>,
    kind: Kind,
    arrivals: Arrivals,
    /// What the clock of a camera that sends RTP shows at running time zero, in microseconds since 1970.
    sender_begun_us: Option<i64>,
    /// Numbers and capture times of the frames that are on their way to the sink, where these are not by the pipeline's clock.
    captured: VecDeque<(u64, Instant)>,
}

/// Frames of a file that have no time of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untimed {
    /// They have got times by their number.
    Stamped,
    /// Nothing says how many there are in a second.
    Unknown,
}

/// Which frames pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// At most so many per second.
    pub rate: Option<f64>,
    /// Frames per second as they were recorded, where their caps state another rate.
    pub true_rate: Option<f64>,
    /// Only key frames are decoded.
    pub key_frames_only: bool,
    /// Whether time stamps are repaired and what is damaged is left out: not for files, which are played as they are.
    pub repaired: bool,
    /// Whether frames that come without a time get one by their number: only those of files.
    pub stamped: bool,
}

impl Flow {
    /// Puts probes into a pipeline that does not run yet: where what the source gives passes `given`, where decoded frames
    /// pass `taken`, and at each decoder, those that are plugged later among them.
    pub(super) fn watch(
        pipeline: &gst::Pipeline,
        given: &gst::Pad,
        taken: &gst::Pad,
        wanted: Wanted,
    ) -> Flow {
        let flow = Flow { noted: Arc::default(), begun: Instant::now() };
        for element in pipeline.iterate_recurse() {
            // Elements come and go while nobody has started anything; what cannot be listed has no decoder.
            let Ok(element) = element else { break };
            flow.added(&element, wanted);
        }
        let plugged = flow.clone();
        pipeline.connect_deep_element_added(move |_, _, element| plugged.added(element, wanted));
        let removed = flow.clone();
        pipeline.connect_deep_element_removed(move |_, _, element| removed.removed(element));
        flow.note_data(given);
        flow.look_for_a_size(given);
        flow.note_events(taken);
        flow.count(taken, wanted);
        flow
    }

    /// Counts frames that the camera took and that did not come whole.
    pub(super) fn add_incomplete(&self, frames: u64) {
        self.lock().seen.incomplete += frames;
    }

    /// The numbers now, as far as probes know them.
    pub(super) fn seen(&self) -> Seen {
        self.lock().seen
    }

    /// The pipeline turned out to be live when it was started.
    pub(super) fn set_live(&self) {
        self.lock().kind.is_live = true;
    }

    /// What the clock of a camera that sends RTP shows at running time zero, in microseconds since 1970; nothing while it has
    /// not told.
    pub(super) fn sender_begun_us(&self) -> Option<i64> {
        self.lock().sender_begun_us
    }

    /// When the frame of this number was captured, where that is not by the pipeline's clock.
    pub(super) fn captured(&self, number: u64) -> Option<Instant> {
        let mut noted = self.lock();
        while noted.captured.front().is_some_and(|(first, _)| *first < number) {
            noted.captured.pop_front();
        }
        noted.captured.front().filter(|(first, _)| *first == number).map(|(_, at)| *at)
    }

    /// What decodes; nothing for raw video, or before a decoder was chosen.
    pub(super) fn decoding(&self) -> Option<Decoding> {
        self.lock().decoding.clone()
    }

    /// The decoder, once it was given something.
    pub(super) fn fed(&self) -> Option<Fed> {
        let decoding = self.decoding().filter(|decoding| decoding.fed)?;
        Some(Fed { element: decoding.element.name().to_string(), is_hardware: decoding.is_hardware() })
    }

    /// Whether frames had no times of their own.
    pub(super) fn untimed(&self) -> Option<Untimed> {
        self.lock().untimed
    }

    /// What its file says of the colours.
    pub(super) fn container(&self) -> Stated {
        self.lock().container
    }

    /// How frame `number` is to be shown, as its source says. Frames are asked for in order.
    pub(super) fn orientation(&self, number: u64) -> Orientation {
        self.lock().orientations.of(number)
    }

    /// Whether the length that the source states is the time at which it ends.
    pub(super) fn states_end(&self) -> bool {
        self.lock().states_end
    }

    fn added(&self, element: &gst::Element, wanted: Wanted) {
        let Some(factory) = element.factory() else { return };
        self.note_kind(element, &factory);
        let Some(pad) = element.static_pad("sink") else { return };
        if factory.name() == container::DEMUXER {
            let flow = self.clone();
            container::watch(element, move |stated| flow.lock().container = stated);
        }
        if factory.name() == endless::DEMUXER {
            endless::watch(element);
        }
        if STATING_ENDS.contains(&factory.name().as_str()) {
            self.lock().states_end = true;
        }
        if factory.name() == JITTER_BUFFER && wanted.repaired {
            self.count_packets(&pad);
            self.hear_reports(element);
        }
        if comes_before_decoders(&factory) {
            self.note_data(&pad);
        }
        if !is_decoder(&factory) {
            return;
        }
        let (name, codec) = (element.name(), "unknown".to_owned());
        self.lock().decoding = Some(Decoding { element: factory, name, codec, fed: false });
        self.name(&pad);
        if wanted.repaired || wanted.key_frames_only {
            self.sift(&pad, wanted);
        }
        if wanted.repaired {
            self.let_burst_pass(&pad);
        }
        self.feed(&pad);
        self.look_at_pictures(&pad);
    }

    /// Takes note of how a JPEG says that it is to be shown.
    fn look_at_pictures(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
            let mut noted = flow.lock();
            if noted.decoding.as_ref().is_some_and(|decoding| decoding.codec == "jpeg") {
                let stated = buffer.map_readable().ok().and_then(|bytes| exif::orientation(&bytes));
                noted.orientations.set_of_picture(stated);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Takes note of how a source says that its frames are to be shown.
    fn note_events(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &info.data {
                flow.lock().orientations.hear(event);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// decodebin takes a decoder out again that does not link, or whose successor it has plugged already.
    fn removed(&self, element: &gst::Element) {
        self.lock().decoding.take_if(|decoding| decoding.name == element.name());
    }

    /// Notes what a decoder decodes.
    fn name(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            flow.hear(info);
            gst::PadProbeReturn::Ok
        });
    }

    /// Notes the first that a decoder is given, after what is left out before it.
    fn feed(&self, pad: &gst::Pad) {
        let flow = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Some(decoding) = &mut flow.lock().decoding {
                decoding.fed = true;
            }
            gst::PadProbeReturn::Remove
        });
    }

    fn hear(&self, info: &gst::PadProbeInfo<'_>) {
        if let Some(gst::PadProbeData::Event(event)) = &info.data
            && let gst::EventView::Caps(caps) = event.view()
            && let Some(decoding) = &mut self.lock().decoding
        {
            decoding.codec = codec(caps.caps());
        }
    }

    /// Lets only that into a decoder which it can decode, and which is wanted.
    fn sift(&self, pad: &gst::Pad, wanted: Wanted) {
        let flow = self.clone();
        let mut begun: Option<Instant> = None;
        let mut has_key = false;
        let probe = move |_: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
            let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            has_key |= is_key;
            if is_key {
                return gst::PadProbeReturn::Ok;
            }
            let waited = begun.get_or_insert_with(Instant::now).elapsed();
            if !has_key && waited < KEY_PATIENCE {
                flow.lock().seen.before_key += 1;
                return DROPPED;
            }
            if wanted.key_frames_only && has_key { DROPPED } else { gst::PadProbeReturn::Ok }
        };
        pad.add_probe(gst::PadProbeType::BUFFER, stateful(probe));
    }

    /// Counts decoded frames and drops those that are not wanted. Each that passes has its number among those given as
    /// offset, and that among those picked as end of offset, so that those which the sink drops can be counted.
    fn count(&self, pad: &gst::Pad, wanted: Wanted) {
        let flow = self.clone();
        let mut timeline = Timeline::default();
        let mut stamps = wanted.stamped.then(Stamps::default);
        let mut picker = Picker::new(wanted.rate);
        let begun = self.begun;
        let probe = move |pad: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
            let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
            let mut noted = flow.lock();
            let Noted { seen, picked, orientations, untimed, kind, arrivals, captured, .. } = &mut *noted;
            let number = seen.given;
            seen.given += 1;
            orientations.begin(number);
            let is_damaged = gst::BufferFlags::CORRUPTED | gst::BufferFlags::DECODE_ONLY;
            if wanted.repaired && buffer.flags().intersects(is_damaged) {
                seen.damaged += 1;
                return DROPPED;
            }
            if let Some(stamps) = &mut stamps {
                let rate = pad.current_caps().and_then(|caps| stated_rate(&caps)).or(wanted.true_rate);
                match stamps.next(buffer.pts().map(Duration::from), rate) {
                    Stamp::Kept => {}
                    Stamp::Made(at) => {
                        buffer.make_mut().set_pts(gst::ClockTime::from_nseconds(at.as_nanos() as u64));
                        *untimed = Some(Untimed::Stamped);
                    }
                    Stamp::Missing => *untimed = Some(Untimed::Unknown),
                }
            }
            let given = running_time(pad, buffer);
            let is_foreign = wanted.repaired && kind.has_foreign_clock();
            let mut age = None;
            let at = if wanted.repaired {
                let arrived = begun.elapsed();
                // A foreign clock may show anything in the beginning.
                let stamp = timeline.next(given, arrived, || if is_foreign { FAR } else { now(pad) });
                seen.time_jumps += u64::from(stamp.jumped);
                if is_foreign {
                    age = arrivals.age(given, stamp.at, stamp.jumped, arrived);
                    if age.is_none() {
                        return DROPPED;
                    }
                }
                Some(stamp.at)
            } else {
                given
            };
            let recorded_at = at.map(|at| at.mul_f64(stretch(pad, wanted.true_rate)));
            if recorded_at.is_some_and(|at| !picker.wants(at)) {
                return DROPPED;
            }
            // The sink is not to wait for a frame that is there.
            let at = if is_foreign { Some(now(pad)) } else { at };
            if let Some(at) = at.filter(|_| at != given) {
                shift(pad, buffer, given, at);
            }
            if let Some(age) = age {
                let arrived = Instant::now();
                captured.push_back((number, arrived.checked_sub(age).unwrap_or(arrived)));
                if captured.len() > MOST_ON_THE_WAY {
                    captured.pop_front();
                }
            }
            let buffer = buffer.make_mut();
            buffer.set_offset(number);
            buffer.set_offset_end(*picked);
            *picked += 1;
            gst::PadProbeReturn::Ok
        };
        pad.add_probe(gst::PadProbeType::BUFFER, stateful(probe));
    }

    /// Numbers are whole after every step, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A probe with state of its own. GStreamer calls those of a pad one after the other, but does not promise it.
pub(super) fn stateful(
    probe: impl FnMut(&gst::Pad, &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn + Send + 'static,
) -> impl Fn(&gst::Pad, &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn + Send + Sync + 'static {
    let probe = Mutex::new(probe);
    move |pad, info| probe.lock().unwrap_or_else(PoisonError::into_inner)(pad, info)
}

/// The frames per second that `caps` state; nothing when they vary, which caps write as 0.
pub(super) fn stated_rate(caps: &gst::CapsRef) -> Option<f64> {
    let rate: gst::Fraction = caps.structure(0)?.get("framerate").ok()?;
    (rate.numer() > 0).then(|| f64::from(rate.numer()) / f64::from(rate.denom()))
}

/// How many times as long as the time stamps say it takes to play frames of which `true_rate` were recorded in a second.
fn stretch(pad: &gst::Pad, true_rate: Option<f64>) -> f64 {
    // Caps are asked for only where that matters: this is done for each frame.
    let stretch = true_rate.and_then(|recorded| Some(stated_rate(&*pad.current_caps()?)? / recorded));
    stretch.unwrap_or(1.0)
}

/// The pipeline's running time; zero before it plays.
fn now(pad: &gst::Pad) -> Duration {
    let now = pad.parent_element().and_then(|element| element.current_running_time());
    now.map(Duration::from).unwrap_or_default()
}

/// When a buffer is to be shown, by the pipeline's running time.
fn running_time(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<Duration> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(buffer.pts()?).map(Duration::from)
}

/// Moves a buffer to another running time.
fn shift(pad: &gst::Pad, buffer: &mut gst::Buffer, from: Option<Duration>, to: Duration) {
    let to = gst::ClockTime::from_nseconds(to.as_nanos() as u64);
    let pts = match (buffer.pts(), from) {
        (Some(pts), Some(from)) => {
            let from = gst::ClockTime::from_nseconds(from.as_nanos() as u64);
            (pts + to).checked_sub(from)
        }
        _ => pad.sticky_event::<gst::event::Segment>(0).and_then(|event| {
            event.segment().downcast_ref::<gst::ClockTime>()?.position_from_running_time(to)
        }),
    };
    let buffer = buffer.make_mut();
    buffer.set_pts(pts);
    buffer.set_dts(gst::ClockTime::NONE);
}
