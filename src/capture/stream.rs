//! A running pipeline: frames out, one at a time.
//!
//! Whoever holds the stream pulls; GStreamer's own threads only decode. Buffers are mapped, not copied.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

use super::branches::Branches;
use super::build::{Built, build};
use super::decoding;
use super::description::Pace;
use super::error::CaptureError;
use super::flow::{Fed, Flow, Seen, Untimed, Wanted, stated_rate};
use super::genicam;
use super::heard::{Heard, Notes};
use super::layout::Layout;
use super::pictures::{self, Polling};
use super::reason::{Failure, without_video};
use super::sender_clock::Taken;
use crate::clock::{Clock, ClockOf, Timestamp};
use crate::config::{Capture, Source};
use crate::frame::{Frame, Image, Mask, PixelFormat};
use crate::geometry::Orientation;
use crate::name::Name;
use crate::telemetry::{CaptureClock, Video};

/// A failed pipeline gives no frame and does not wake who waits for one, so that waiting goes in steps of this.
const STEP: Duration = Duration::from_millis(50);

/// How long a file may give no first frame until its pipeline is built anew, for one attempt after the other. A second
/// one says what the first kept to itself: decodebin swallows the error of an element that fails while it is being
/// plugged in, and then waits for ever.
const BEGINNINGS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(12)];

/// Said of a file that `frame_rate` cannot be used with.
const NO_STATED_RATE: &str = "it states no frame rate, so frame_rate has nothing to correct: leave that out";

/// Said of a file whose frames have no times.
const NO_TIMES: &str = "its frames have no times of their own; say how many there are in a second: frame_rate in the \
                        configuration, --frame-rate for a replay";

/// How often an address that gives a single picture is asked for the next, unless the configuration says otherwise.
const POLL: Duration = Duration::from_secs(1);

/// Where the capture times of frames come from, and so how fast the frames come.
#[derive(Clone)]
pub enum Timing {
    /// A camera, or a file that plays as one: the moment of capture by the steady clock.
    Live(Arc<dyn Clock>),
    /// A file that is gone through as fast as it can be: this start, plus the frame's place in the file.
    Simulated(Timestamp),
}

/// What [`Stream::next`] found.
#[derive(Debug)]
pub enum Next {
    /// A frame.
    Frame(Frame),
    /// None yet.
    Idle,
    /// The source has ended.
    End,
}

/// How pictures come.
#[derive(Clone, Copy, PartialEq)]
struct Format {
    /// Width and height as they are shown.
    size: (u32, u32),
    /// The same as they are decoded.
    stored: (u32, u32),
    orientation: Orientation,
    pixels: PixelFormat,
    /// Stated frames per second.
    rate: gst::Fraction,
}

/// A running pipeline. Dropping it stops the pipeline.
pub struct Stream {
    camera: Name,
    capture: Capture,
    timing: Timing,
    pipeline: gst::Pipeline,
    sink: AppSink,
    bus: gst::Bus,
    flow: Flow,
    heard: Heard,
    /// Asks for one picture after the other, where an address gives single ones.
    polling: Option<Polling>,
    branches: Branches,
    taken: Taken,
    mask: Mask,
    /// Of the last frame.
    layout: Option<Layout>,
    format: Option<Format>,
    frames: u64,
    lost: u64,
    format_changes: u64,
    opened: Instant,
    /// How often the pipeline was built before.
    attempts: usize,
    /// How many times as long as the file states its recording took.
    stretch: f64,
    /// When the first frame is shown by the file's own times, which need not begin at 0.
    begins: Duration,
}

impl Format {
    fn of(image: &Image, orientation: Orientation, rate: gst::Fraction) -> Self {
        let (size, stored) = ((image.width(), image.height()), image.stored_size());
        Format { size, stored, orientation, pixels: image.format(), rate }
    }
}

impl Stream {
    /// Builds and starts a camera's pipeline. A file whose true frame rate is known is played at it, whatever it states:
    /// capture times, pace and [`Stream::duration`] are those of the recording.
    ///
    /// # Errors
    /// When GStreamer is not usable, the pipeline's text is wrong, or an element refuses to start.
    pub fn open(camera: Name, capture: &Capture, timing: Timing) -> Result<Stream, CaptureError> {
        let pace = match timing {
            Timing::Live(_) => Pace::Live,
            Timing::Simulated(_) => Pace::EveryFrame,
        };
        let settled = genicam::settle(capture)?;
        let Built { pipeline, sink, give, take, branches } = build(&settled, pace)?;
        let is_file = matches!(capture.source, Source::File { .. });
        let wanted = match pace {
            Pace::Live => Wanted {
                rate: capture.max_frame_rate,
                true_rate: true_rate(&capture.source),
                key_frames_only: capture.key_frames_only,
                repaired: !is_file,
                stamped: is_file,
            },
            Pace::EveryFrame => Wanted {
                rate: None,
                true_rate: true_rate(&capture.source),
                key_frames_only: false,
                repaired: false,
                stamped: is_file,
            },
        };
        let flow = Flow::watch(&pipeline, &give, &take, wanted);
        genicam::attend(&pipeline, &settled.source, &flow);
        let heard = Heard::listen(&pipeline, &give);
        let is_stream = capture.source.url().is_some_and(|url| !url.path().ends_with(".m3u8"));
        let polling = is_stream.then(|| pictures::watch(&pipeline, capture.poll.unwrap_or(POLL))).flatten();
        if let Some(rate) = true_rate(&capture.source) {
            play_as_recorded(&sink, rate);
        }
        let bus = pipeline.bus().expect("a pipeline has a bus");
        // Only these are read; the rest would pile up on the bus for as long as the camera runs.
        let hears = heard.clone();
        bus.set_sync_handler(move |_, message| match message.view() {
            gst::MessageView::Error(_) => gst::BusSyncReply::Pass,
            gst::MessageView::Element(message) => {
                hears.hear(message);
                gst::BusSyncReply::Drop
            }
            _ => gst::BusSyncReply::Drop,
        });
        let stream = Stream {
            camera,
            mask: Mask::new(capture.masks.clone()),
            capture: capture.clone(),
            timing,
            pipeline,
            sink,
            bus,
            flow,
            heard,
            polling,
            branches,
            taken: Taken::default(),
            layout: None,
            format: None,
            frames: 0,
            lost: 0,
            format_changes: 0,
            opened: Instant::now(),
            attempts: 0,
            stretch: 1.0,
            begins: Duration::ZERO,
        };
        match stream.start() {
            Ok(()) => Ok(stream),
            Err(error) => Err(stream.failure().unwrap_or_else(|| stream.failed(&error.to_string()))),
        }
    }

    /// Starts the pipeline. A live one says so when it pauses, in which it gives nothing yet.
    fn start(&self) -> Result<(), gst::StateChangeError> {
        let paused = self.pipeline.set_state(gst::State::Paused)?;
        if paused == gst::StateChangeSuccess::NoPreroll {
            self.flow.set_live();
        }
        self.pipeline.set_state(gst::State::Playing).map(drop)
    }

    /// Builds a camera's pipeline and throws it away: whether its text is right and its elements are installed.
    ///
    /// # Errors
    /// When GStreamer is not usable, the pipeline cannot be built, or the decoder that is asked for is not there.
    pub fn check(capture: &Capture) -> Result<(), CaptureError> {
        build(&genicam::unopened(capture)?, Pace::Live).map(drop)
    }

    /// Waits up to `timeout` for the next frame.
    ///
    /// # Errors
    /// When an element of the pipeline has failed, a frame cannot be read, the source ended without any, or it is a file
    /// whose true frame rate is known and that states none.
    pub fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        let deadline = Instant::now() + timeout;
        loop {
            let step = deadline.saturating_duration_since(Instant::now()).min(STEP);
            let step = gst::ClockTime::try_from(step).expect("a step is short");
            if let Some(sample) = self.sink.try_pull_sample(step) {
                return self.frame(&sample).map(Next::Frame);
            }
            match self.failure() {
                Some(error) => return Err(error),
                None if self.branches.lacks_video() => {
                    return Err(without_video(&self.capture, &self.notes()));
                }
                None if self.sink.is_eos() => return self.end(),
                None if self.begins_in_vain() => self.begin_again()?,
                None if Instant::now() >= deadline => return Ok(Next::Idle),
                None => {}
            }
        }
    }

    /// The source has ended.
    fn end(&self) -> Result<Next, CaptureError> {
        match self.notes().came.and_then(|came| came.why_ended()) {
            Some(why) => Err(self.failed(&why)),
            None if self.frames == 0 => {
                Err(self.failed("it ended without a frame: it is no video, or an empty one"))
            }
            None => Ok(Next::End),
        }
    }

    /// Whether a file should have given a frame by now. Who plays it as a camera connects anew by himself.
    fn begins_in_vain(&self) -> bool {
        let is_file =
            matches!(self.capture.source, Source::File { .. }) && matches!(self.timing, Timing::Simulated(_));
        let patience = BEGINNINGS.get(self.attempts);
        is_file && self.frames == 0 && patience.is_some_and(|patience| self.opened.elapsed() >= *patience)
    }

    fn begin_again(&mut self) -> Result<(), CaptureError> {
        tracing::debug!(camera = %self.camera, "no first frame: building the pipeline anew");
        let mut again = Stream::open(self.camera.clone(), &self.capture, self.timing.clone())?;
        again.attempts = self.attempts + 1;
        *self = again;
        Ok(())
    }

    /// How long the source plays; nothing for a live one, or before its first frame.
    pub fn duration(&self) -> Option<Duration> {
        let stated = Duration::from(self.pipeline.query_duration::<gst::ClockTime>()?);
        // Matroska and FLV state when its last frame ends: hours, in a part of a long recording. What is shorter than the time of the
        // first frame is how long the part plays.
        let plays = if self.flow.states_end() { stated.checked_sub(self.begins) } else { None };
        let stated = plays.filter(|plays| !plays.is_zero()).unwrap_or(stated);
        Some(stated.mul_f64(self.stretch))
    }

    fn frame(&mut self, sample: &gst::Sample) -> Result<Frame, CaptureError> {
        let bad = |reason: String| CaptureError::BadFrame { reason };
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else {
            return Err(bad("it has no data or no caps".to_owned()));
        };
        // Written by `flow.rs`: the number among those given, and among those picked.
        let (number, picked) = (buffer.offset(), buffer.offset_end());
        let untimed = self.flow.untimed();
        if untimed == Some(Untimed::Unknown) {
            return Err(self.failed(NO_TIMES));
        }
        if let Some(rate) = true_rate(&self.capture.source) {
            match stated_rate(caps) {
                Some(stated) => self.stretch = stated / rate,
                // The second frame shows whether it has a time.
                None if number > 0 && untimed.is_none() => return Err(self.failed(NO_STATED_RATE)),
                None => {}
            }
        }
        if self.frames == 0 {
            self.begins = buffer.pts().map(Duration::from).unwrap_or_default();
        }
        let (at, by) = self.capture_time(sample, &buffer);
        let layout = match self.layout.take().filter(|layout| layout.is_of(caps)) {
            Some(layout) => layout,
            None => Layout::of(caps, &self.flow).map_err(bad)?,
        };
        let layout = self.layout.insert(layout);
        let rate = layout.rate();
        let orientation = self.flow.orientation(number).then(self.capture.orientation);
        let image = layout.image(buffer, orientation).map_err(bad)?;
        let format = Format::of(&image, orientation, rate);
        match self.format.replace(format) {
            None => self.begin()?,
            Some(before) if before != format => {
                let camera = &self.camera;
                tracing::info!(%camera, ?image, ?rate, "the picture has another size, layout or frame rate now");
                self.format_changes += 1;
            }
            Some(_) => {}
        }
        self.frames += 1;
        self.lost = picked.saturating_sub(self.frames - 1);
        let image = self.mask.apply(image);
        Ok(Frame { camera: self.camera.clone(), number, at, by, image })
    }

    /// When a frame was captured, and by whose clock.
    fn capture_time(&mut self, sample: &gst::Sample, buffer: &gst::Buffer) -> (Timestamp, ClockOf) {
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let running = segment.zip(buffer.pts()).and_then(|(segment, pts)| segment.to_running_time(pts));
        let running = running.map(Duration::from);
        let clock = match &self.timing {
            Timing::Simulated(start) => return (*start + running.unwrap_or_default(), ClockOf::Arrival),
            Timing::Live(clock) => clock,
        };
        // One right after the other, since they are compared.
        let (now, running_now) = (clock.steady(), self.pipeline.current_running_time().map(Duration::from));
        if let Some(captured) = self.flow.captured(buffer.offset()) {
            return (now - captured.elapsed(), ClockOf::Arrival);
        }
        let (Some(running), Some(running_now)) = (running, running_now) else {
            return (now, ClockOf::Arrival);
        };
        // A source with a clock of its own may claim anything; older than this is not believed.
        let age = running_now.saturating_sub(running);
        let at = if age < Duration::from_secs(10) { now - age } else { now };
        // The time of day at running time zero.
        let begun = clock.setting().time_of_day(now - running_now).as_micros();
        let differs_us = self.flow.sender_begun_us().map(|sender| sender.saturating_sub(begun));
        let later_us = self.taken.correction_us(differs_us, running);
        (Timestamp::from_micros(at.as_micros() + later_us), self.taken.clock().by)
    }

    /// The first error on the bus.
    fn failure(&self) -> Option<CaptureError> {
        let message = self.bus.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        let (capture, notes) = (&self.capture, self.notes());
        Some(Failure { message: error, capture, at_first: self.frames == 0, notes }.reason())
    }

    /// What was heard beside frames.
    fn notes(&self) -> Notes {
        Notes { came: self.polling.as_ref().map(Polling::came), ..self.heard.notes() }
    }

    /// At the first frame: what decodes must be what was asked for, also in a pipeline that brings its own decoder.
    fn begin(&self) -> Result<(), CaptureError> {
        let Some(decoding) = self.flow.decoding() else { return Ok(()) };
        if decoding::allows(&self.capture.decoder, &decoding.element) {
            return Ok(());
        }
        let element = decoding.element.name();
        Err(self.failed(&format!("{element} decodes it, which the key decoder does not allow")))
    }

    /// What has come so far.
    pub fn seen(&self) -> Seen {
        Seen { lost: self.lost, format_changes: self.format_changes, ..self.flow.seen() }
    }

    /// What comes and what decodes it; nothing before the first frame.
    pub fn video(&self) -> Option<Video> {
        let size = self.format?.stored;
        let decoding = self.flow.decoding();
        let raw = || "raw".to_owned();
        Some(Video {
            codec: decoding.as_ref().map_or_else(raw, |decoding| decoding.codec.clone()),
            size,
            decoder: decoding.as_ref().map(|decoding| decoding.element.name().to_string()),
            hardware: decoding.is_some_and(|decoding| decoding.is_hardware()),
        })
    }

    /// The decoder, once it was given something.
    pub(super) fn fed(&self) -> Option<Fed> {
        self.flow.fed()
    }

    /// Which clock capture times are by; nothing before the first frame, or for a file.
    pub(super) fn clock(&self) -> Option<CaptureClock> {
        let is_file = matches!(self.capture.source, Source::File { .. });
        (self.frames > 0 && !is_file).then(|| self.taken.clock())
    }

    fn failed(&self, reason: &str) -> CaptureError {
        CaptureError::failed(&self.capture.source, reason)
    }

    /// The error of a camera that has shown the same picture for `same` and is connected anew for that.
    pub fn frozen(&self, same: Duration) -> CaptureError {
        CaptureError::Frozen { source_name: self.capture.source.to_string(), same }
    }

    /// The error of a camera that has sent so many frames lately, of which few were decoded.
    pub(super) fn undecoded(&self, decoded: u64, sent: u64) -> CaptureError {
        CaptureError::Undecoded { source_name: self.capture.source.to_string(), decoded, sent }
    }

    /// The error of a camera from which nothing came for `waited`.
    pub fn silent(&self, waited: Duration) -> CaptureError {
        match self.notes().came.and_then(|came| came.why_none()) {
            Some(why) => self.failed(&format!("no frame for {} s: {why}", waited.as_secs())),
            None => CaptureError::NoFrames { source_name: self.capture.source.to_string(), waited },
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It changes the state of an element.
        drop(self.polling.take());
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(camera = %self.camera, %error, "the pipeline did not stop cleanly");
        }
        self.bus.unset_sync_handler();
    }
}

/// The frames per second that a file was recorded at, when its configuration says so.
fn true_rate(source: &Source) -> Option<f64> {
    match source {
        Source::File { frame_rate, .. } => *frame_rate,
        _ => None,
    }
}

/// Plays `true_rate` frames in a second, where their caps state another rate: the segment's rate, by which GStreamer
/// divides time stamps for its clock, is what it would be after a seek to that speed. Where they state none, nothing
/// changes; [`Stream::next`] refuses the frames.
fn play_as_recorded(sink: &AppSink, true_rate: f64) {
    let pad = sink.static_pad("sink").expect("a sink has its pad");
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        // Caps come before the segment.
        let stated = pad.current_caps().and_then(|caps| stated_rate(&caps));
        if let (Some(event), Some(stated)) = (info.event_mut(), stated)
            && let gst::EventView::Segment(segment) = event.view()
        {
            let mut changed = segment.segment().clone();
            changed.set_rate(changed.rate() * true_rate / stated);
            *event = gst::event::Segment::builder(&changed).seqnum(event.seqnum()).build();
        }
        gst::PadProbeReturn::Ok
    });
}

#[cfg(test)]
mod tests;
