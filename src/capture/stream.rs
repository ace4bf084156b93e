//! A running pipeline: frames out, one at a time.
//!
//! Whoever holds the stream pulls; GStreamer's own threads only decode. Buffers are mapped, not copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video::{self as gst_video, VideoColorMatrix, VideoColorRange, VideoFrameExt};

use super::description::{Pace, SINK, describe, gst_name};
use crate::clock::{Clock, Timestamp};
use crate::config::Source;
use crate::frame::{BadImage, Colorimetry, ColourMatrix, Frame, Image, PixelFormat, Planes};
use crate::name::Name;

/// A failed pipeline gives no frame and does not wake who waits for one, so that waiting goes in steps of this.
const STEP: Duration = Duration::from_millis(50);

/// How long a file may give no first frame until its pipeline is built anew, for one attempt after the other. A second
/// one says what the first kept to itself: decodebin swallows the error of an element that fails while it is being
/// plugged in, and then waits for ever.
const BEGINNINGS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(12)];

/// Said of a file that `frame_rate` cannot be used with.
const NO_STATED_RATE: &str = "it states no frame rate, so frame_rate has nothing to correct: leave that out";

/// Why a camera gives no frames. Whoever logs or publishes it says which camera.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// GStreamer itself cannot start.
    #[error("GStreamer cannot start: {0}")]
    NoGstreamer(String),
    /// The pipeline's text is wrong, or an element of it is not installed.
    #[error("the pipeline cannot be built: {reason}")]
    Unbuildable {
        /// What GStreamer says.
        reason: String,
    },
    /// An element failed.
    #[error("{source_name}: {reason}")]
    Failed {
        /// What it was reading, without credentials.
        source_name: String,
        /// What the element says, without credentials.
        reason: String,
    },
    /// A frame is not what its caps say.
    #[error("a frame cannot be read: {reason}")]
    BadFrame {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing came in time.
    #[error("{source_name}: no frame for {} s", waited.as_secs())]
    NoFrames {
        /// What it was reading, without credentials.
        source_name: String,
        /// How long nothing came.
        waited: Duration,
    },
}

/// Where the capture times of frames come from, and so how fast the frames come.
#[derive(Clone)]
pub enum Timing {
    /// A camera, or a file that plays as one: the time of day at capture.
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

/// A running pipeline. Dropping it stops the pipeline.
pub struct Stream {
    camera: Name,
    source: Source,
    timing: Timing,
    pipeline: gst::Pipeline,
    sink: AppSink,
    bus: gst::Bus,
    frames: u64,
    opened: Instant,
    /// How often the pipeline was built before.
    attempts: usize,
    /// How many times as long as the file states its recording took.
    stretch: f64,
}

impl Stream {
    /// Builds and starts the pipeline of `source`. A file whose true frame rate is known is played at it, whatever it
    /// states: capture times, pace and [`Stream::duration`] are those of the recording.
    ///
    /// # Errors
    /// When GStreamer is not usable, the pipeline's text is wrong, or an element refuses to start.
    pub fn open(camera: Name, source: &Source, timing: Timing) -> Result<Stream, CaptureError> {
        let pace = match timing {
            Timing::Live(_) => Pace::Live,
            Timing::Simulated(_) => Pace::EveryFrame,
        };
        let (pipeline, sink) = build(source, pace)?;
        number_frames(&sink);
        if let Some(rate) = true_rate(source) {
            play_as_recorded(&sink, rate);
        }
        let bus = pipeline.bus().expect("a pipeline has a bus");
        // Only these are read; the rest would pile up on the bus for as long as the camera runs.
        bus.set_sync_handler(|_, message| match message.view() {
            gst::MessageView::Error(_) => gst::BusSyncReply::Pass,
            _ => gst::BusSyncReply::Drop,
        });
        let stream = Stream {
            camera,
            source: source.clone(),
            timing,
            pipeline,
            sink,
            bus,
            frames: 0,
            opened: Instant::now(),
            attempts: 0,
            stretch: 1.0,
        };
        match stream.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(stream),
            Err(error) => Err(stream.failure().unwrap_or_else(|| stream.failed(&error.to_string()))),
        }
    }

    /// Builds the pipeline of `source` and throws it away: whether its text is right and its elements are installed.
    ///
    /// # Errors
    /// When GStreamer is not usable or the pipeline cannot be built.
    pub fn check(source: &Source) -> Result<(), CaptureError> {
        build(source, Pace::Live).map(drop)
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
                None if self.sink.is_eos() && self.frames == 0 => {
                    return Err(self.failed("it ended without a frame: it is no video, or an empty one"));
                }
                None if self.sink.is_eos() => return Ok(Next::End),
                None if self.begins_in_vain() => self.begin_again()?,
                None if Instant::now() >= deadline => return Ok(Next::Idle),
                None => {}
            }
        }
    }

    /// Whether a file should have given a frame by now.
    fn begins_in_vain(&self) -> bool {
        let is_file = matches!(self.source, Source::File { .. });
        let patience = BEGINNINGS.get(self.attempts);
        is_file && self.frames == 0 && patience.is_some_and(|patience| self.opened.elapsed() >= *patience)
    }

    fn begin_again(&mut self) -> Result<(), CaptureError> {
        tracing::debug!(camera = %self.camera, "no first frame: building the pipeline anew");
        let mut again = Stream::open(self.camera.clone(), &self.source, self.timing.clone())?;
        again.attempts = self.attempts + 1;
        *self = again;
        Ok(())
    }

    /// How long the source plays; nothing for a live one, or before its first frame.
    pub fn duration(&self) -> Option<Duration> {
        let stated = Duration::from(self.pipeline.query_duration::<gst::ClockTime>()?);
        Some(stated.mul_f64(self.stretch))
    }

    fn frame(&mut self, sample: &gst::Sample) -> Result<Frame, CaptureError> {
        let bad = |reason: String| CaptureError::BadFrame { reason };
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else {
            return Err(bad("it has no data or no caps".to_owned()));
        };
        if let Some(rate) = true_rate(&self.source) {
            let stated = stated_rate(caps).ok_or_else(|| self.failed(NO_STATED_RATE))?;
            self.stretch = stated / rate;
        }
        let at = self.capture_time(sample, &buffer);
        let number = buffer.offset();
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| bad(error.to_string()))?;
        let image = image(buffer, &info).map_err(bad)?;
        self.frames += 1;
        Ok(Frame { camera: self.camera.clone(), number, at, image })
    }

    fn capture_time(&self, sample: &gst::Sample, buffer: &gst::Buffer) -> Timestamp {
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let running = segment.zip(buffer.pts()).and_then(|(segment, pts)| segment.to_running_time(pts));
        match &self.timing {
            Timing::Simulated(start) => match running {
                Some(running) => *start + Duration::from(running),
                None => *start,
            },
            Timing::Live(clock) => {
                let now = clock.now();
                let age = running
                    .zip(self.pipeline.current_running_time())
                    .and_then(|(captured, now)| now.checked_sub(captured))
                    .map_or(Duration::ZERO, Duration::from);
                // A source with a clock of its own may claim anything; older than this is not believed.
                if age < Duration::from_secs(10) { now - age } else { now }
            }
        }
    }

    /// The first error on the bus.
    fn failure(&self) -> Option<CaptureError> {
        let message = self.bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => {
                let text = error.error().to_string();
                // The element's own detail follows the last colon of the debug text, after file and line.
                let detail = error.debug().and_then(|debug| debug.rsplit('\n').next().map(str::to_owned));
                let reason = match detail.as_deref() {
                    Some(detail) if detail.contains("reason not-linked") && self.frames == 0 => {
                        "there is no video in it".to_owned()
                    }
                    // The HTTP source of GStreamer 1.22 keeps the reason to itself.
                    Some("streaming stopped, reason error (-5)")
                        if matches!(self.source, Source::Http { .. }) =>
                    {
                        "cannot connect, or the connection broke".to_owned()
                    }
                    Some(detail) if !detail.is_empty() && detail.len() < 200 && !detail.contains(".c(") => {
                        format!("{text} ({detail})")
                    }
                    _ => text,
                };
                Some(self.failed(&reason))
            }
            _ => None,
        }
    }

    fn failed(&self, reason: &str) -> CaptureError {
        CaptureError::Failed {
            source_name: self.source.to_string(),
            reason: self.source.redact(&one_line(reason)),
        }
    }

    /// The error of a camera from which nothing came for `waited`.
    pub fn silent(&self, waited: Duration) -> CaptureError {
        CaptureError::NoFrames { source_name: self.source.to_string(), waited }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(camera = %self.camera, %error, "the pipeline did not stop cleanly");
        }
        self.bus.unset_sync_handler();
    }
}

/// The pipeline of `source`, stopped, and the sink that hands its frames out.
fn build(source: &Source, pace: Pace) -> Result<(gst::Pipeline, AppSink), CaptureError> {
    gst::init().map_err(|error| CaptureError::NoGstreamer(error.to_string()))?;
    let unbuildable =
        |reason: String| CaptureError::Unbuildable { reason: source.redact(&one_line(&reason)) };
    let element =
        gst::parse::launch(&describe(source, pace)).map_err(|error| unbuildable(error.to_string()))?;
    let pipeline = element
        .downcast::<gst::Pipeline>()
        .map_err(|_| unbuildable("its text is a single element".to_owned()))?;
    let sink = pipeline
        .by_name(SINK)
        .and_then(|element| element.downcast::<AppSink>().ok())
        .ok_or_else(|| unbuildable(format!("another element took the name `{SINK}`")))?;
    Ok((pipeline, sink))
}

/// The frames per second that a file was recorded at, when its configuration says so.
fn true_rate(source: &Source) -> Option<f64> {
    match source {
        Source::File { frame_rate, .. } => *frame_rate,
        _ => None,
    }
}

/// The frames per second that `caps` state; nothing when they vary, which caps write as 0.
fn stated_rate(caps: &gst::CapsRef) -> Option<f64> {
    let rate: gst::Fraction = caps.structure(0)?.get("framerate").ok()?;
    (rate.numer() > 0).then(|| f64::from(rate.numer()) / f64::from(rate.denom()))
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

/// Writes into each frame how many came before it, so that those which the sink drops leave gaps that can be counted.
fn number_frames(sink: &AppSink) {
    let pad = sink.static_pad("sink").expect("a sink has its pad");
    let number = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut() {
            buffer.make_mut().set_offset(number.fetch_add(1, Ordering::Relaxed));
        }
        gst::PadProbeReturn::Ok
    });
}

/// A mapped buffer is a picture's bytes.
struct Mapped(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl Planes for Mapped {
    fn plane(&self, index: usize) -> &[u8] {
        u32::try_from(index).ok().and_then(|index| self.0.plane_data(index).ok()).unwrap_or_default()
    }
}

fn image(buffer: gst::Buffer, info: &gst_video::VideoInfo) -> Result<Image, String> {
    let name = info.format().to_str();
    let format = PixelFormat::ALL
        .into_iter()
        .find(|&format| gst_name(format) == name.as_str())
        .ok_or_else(|| format!("it came as {name}"))?;
    let colorimetry = Colorimetry {
        matrix: match info.colorimetry().matrix() {
            VideoColorMatrix::Bt709 => ColourMatrix::Bt709,
            VideoColorMatrix::Bt2020 => ColourMatrix::Bt2020,
            _ => ColourMatrix::Bt601,
        },
        full_range: info.colorimetry().range() == VideoColorRange::Range0_255,
    };
    let frame = gst_video::VideoFrame::from_buffer_readable(buffer, info)
        .map_err(|_| "its buffer cannot be mapped".to_owned())?;
    let mut strides = [0; 3];
    for (stride, &found) in strides.iter_mut().zip(frame.plane_stride()) {
        *stride = usize::try_from(found).map_err(|_| "its rows run upwards".to_owned())?;
    }
    Image::new(format, (info.width(), info.height()), colorimetry, strides, Arc::new(Mapped(frame)))
        .map_err(|error: BadImage| error.to_string())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn stream(fragment: &str, timing: Timing) -> Stream {
        let source = Source::Pipeline { fragment: fragment.to_owned() };
        Stream::open(Name::new("test").unwrap(), &source, timing).unwrap()
    }

    /// Numbers and capture times of the frames up to the end.
    fn rest(stream: &mut Stream) -> Vec<(u64, i64)> {
        let mut frames = Vec::new();
        loop {
            match stream.next(Duration::from_secs(10)).unwrap() {
                Next::Frame(frame) => frames.push((frame.number, frame.at.as_micros())),
                Next::Idle => panic!("nothing for ten seconds"),
                Next::End => return frames,
            }
        }
    }

    #[test]
    fn simulated_time_gives_every_frame_its_place_in_the_file() {
        let fragment = "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48,framerate=10/1";
        let mut stream = stream(fragment, Timing::Simulated(Timestamp::from_micros(7)));
        let expected: Vec<(u64, i64)> = (0..5).map(|n| (n, 7 + 100_000 * n as i64)).collect();
        assert_eq!(rest(&mut stream), expected);
    }

    #[test]
    fn frames_that_nobody_took_leave_a_gap_in_the_numbers() {
        let fragment = "videotestsrc num-buffers=40 ! video/x-raw,width=64,height=48,framerate=200/1";
        let mut stream = stream(fragment, Timing::Live(Arc::new(SystemClock)));
        let Next::Frame(first) = stream.next(Duration::from_secs(10)).unwrap() else { panic!("a frame") };
        let deadline = Instant::now() + Duration::from_secs(10);
        let played = || stream.pipeline.query_position::<gst::ClockTime>().unwrap_or_default();
        while played() < gst::ClockTime::from_mseconds(150) {
            assert!(Instant::now() < deadline, "the pipeline does not go on");
            std::thread::yield_now();
        }
        let numbers: Vec<u64> = rest(&mut stream).into_iter().map(|(number, _)| number).collect();
        assert!(numbers[0] > first.number + 1, "{numbers:?}");
        assert!(numbers.is_sorted() && numbers.last() == Some(&39), "{numbers:?}");
    }

    #[test]
    fn a_true_frame_rate_needs_a_stated_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uneven.mkv");
        // Frames of 10 per second whose file says that they are unevenly spaced.
        let text = format!(
            "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc ! \
             capssetter caps=image/jpeg,width=64,height=48,framerate=0/1 replace=true ! matroskamux ! \
             appsink name={SINK} sync=false"
        );
        gst::init().unwrap();
        let writer = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = writer.by_name(SINK).unwrap().downcast::<AppSink>().unwrap();
        writer.set_state(gst::State::Playing).unwrap();
        let mut bytes = Vec::new();
        while let Ok(sample) = sink.pull_sample() {
            bytes.extend_from_slice(&sample.buffer().unwrap().map_readable().unwrap());
        }
        writer.set_state(gst::State::Null).unwrap();
        std::fs::write(&path, bytes).unwrap();

        let open = |frame_rate| {
            let source = Source::File { path: path.clone(), repeat: false, frame_rate };
            Stream::open(Name::new("test").unwrap(), &source, Timing::Simulated(Timestamp::EPOCH)).unwrap()
        };
        assert_eq!(rest(&mut open(None)).len(), 5);
        let error = open(Some(7.0)).next(Duration::from_secs(10)).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {NO_STATED_RATE}", path.display()));
    }

    #[test]
    fn what_cannot_be_built_is_one_line() {
        let source = Source::Pipeline { fragment: "nosuchelement".to_owned() };
        let error = Stream::open(Name::new("test").unwrap(), &source, Timing::Simulated(Timestamp::EPOCH));
        let text = error.err().expect("no such element").to_string();
        assert!(text.contains("no element \"nosuchelement\"") && !text.contains('\n'), "{text}");
    }
}
