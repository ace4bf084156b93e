//! A short look at a camera: does it connect, what does it give, how fast, does it go on, what goes wrong.
//!
//! For `doctor` and `probe`, which have no board and no control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::apart::apart;
use super::camera::rhythm::{LEAST_LOSS, STALLED_INTERVALS};
use super::error::CaptureError;
use super::flow::Seen;
use super::stream::{Next, Stream, Timing};
use crate::clock::{SystemClock, Timestamp};
use crate::config::Capture;
use crate::frame::Frame;
use crate::name::Name;
use crate::telemetry::Video;

/// How long a pipeline may take to start and to stop beside what it is watched for.
const GRACE: Duration = Duration::from_secs(5);
/// How often the time is looked at while no frame comes.
const STEP: Duration = Duration::from_millis(100);

/// What a camera gave while it was looked at.
#[derive(Debug)]
pub struct Probe {
    /// What comes and what decodes it.
    pub video: Video,
    /// From the start of the pipeline to its first frame.
    pub first_frame_after: Duration,
    /// That frame; masks are blacked out.
    pub first: Frame,
    /// Frames per second by their capture times, also those that the configuration drops; by when they came, where it drops
    /// all but the first. Nothing when one frame came.
    pub frame_rate: Option<f64>,
    /// What was counted.
    pub seen: Seen,
    /// Whether the source ended meanwhile.
    pub ended: bool,
    /// For how long no frame had come in the end, when that is more than a pause, or only one had come.
    pub silent: Option<Duration>,
}

/// Connects to a camera and waits up to `patience` for its first frame, and anew whenever data come that have no key frame
/// yet. From then on it counts for `measure`, and to the next frame after that, for which it waits up to `patience` again.
/// What hangs is left to itself.
///
/// # Errors
/// When the camera cannot be reached, gives no frame, fails while it is looked at, or its pipeline hangs.
pub fn probe(
    camera: &Name,
    capture: &Capture,
    measure: Duration,
    patience: Duration,
) -> Result<Probe, CaptureError> {
    let course = Course::new(measure, patience);
    let until = Until::new(course.until());
    let work = {
        let (camera, capture, until) = (camera.clone(), capture.clone(), until.clone());
        move || look(camera, &capture, course, &until)
    };
    let limit = || until.get() + GRACE;
    apart(&format!("probe-{camera}"), limit, work).unwrap_or_else(|_| {
        let source_name = capture.source.to_string();
        Err(CaptureError::Hangs { source_name, what: "answer", limit: limit() })
    })
}

fn look(camera: Name, capture: &Capture, mut course: Course, until: &Until) -> Result<Probe, CaptureError> {
    let begun = Instant::now();
    let mut stream = Stream::open(camera, capture, Timing::Live(Arc::new(SystemClock)))?;
    let mut first: Option<(Frame, Duration)> = None;
    let mut last: Option<(u64, Timestamp)> = None;
    let mut ended = false;
    let mut now = begun.elapsed();
    while !ended && !course.is_over(now) {
        let next = stream.next(STEP)?;
        now = begun.elapsed();
        match next {
            Next::Frame(frame) if first.is_none() => first = Some((frame, now)),
            Next::Frame(frame) => last = Some((frame.number, frame.at)),
            Next::Idle => {}
            Next::End => ended = true,
        }
        course.see(stream.seen(), first.is_some(), now);
        until.set(course.until());
    }
    // What is left is to stop the pipeline.
    until.set(now);
    let (Some((first, first_frame_after)), Some(video)) = (first, stream.video()) else {
        return Err(stream.silent(now));
    };
    let by_capture_times = last.and_then(|(number, at)| {
        let seconds = at.since(first.at).as_secs_f64();
        (seconds > 0.0).then(|| number.saturating_sub(first.number) as f64 / seconds)
    });
    let frame_rate = by_capture_times.or_else(|| course.frame_rate());
    let silent = if ended { None } else { course.silence(now) };
    Ok(Probe { video, first_frame_after, first, frame_rate, seen: stream.seen(), ended, silent })
}

/// Until when a look may take, since its start; told to whoever waits for it.
#[derive(Clone)]
struct Until(Arc<AtomicU64>);

impl Until {
    fn new(time: Duration) -> Self {
        let until = Until(Arc::default());
        until.set(time);
        until
    }

    fn set(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// How a look goes on. All times are since its start. Pure.
#[derive(Debug)]
struct Course {
    measure: Duration,
    patience: Duration,
    /// When the wait for the first frame began, and what had come before a key frame until then.
    hoped: (Duration, u64),
    /// Whole frames that were decoded until the first was there, and when that was.
    first: Option<(u64, Duration)>,
    /// The same of the last.
    last: (u64, Duration),
}

impl Course {
    fn new(measure: Duration, patience: Duration) -> Self {
        let never = (0, Duration::ZERO);
        Course { measure, patience, hoped: (Duration::ZERO, 0), first: None, last: never }
    }

    /// So much has come; `has_frame` is whether a frame that is wanted was among it.
    fn see(&mut self, seen: Seen, has_frame: bool, now: Duration) {
        // What is damaged is no sign of life.
        let whole = seen.given.saturating_sub(seen.damaged);
        match self.first {
            None if has_frame => {
                self.last = (whole, now);
                self.first = Some(self.last);
            }
            None if seen.before_key > self.hoped.1 => self.hoped = (now, seen.before_key),
            Some(_) if whole > self.last.0 => self.last = (whole, now),
            _ => {}
        }
    }

    /// When it is over at the latest, as far as is known.
    fn until(&self) -> Duration {
        let counted = self.first.map(|(_, at)| at + self.measure);
        counted.unwrap_or(self.hoped.0) + self.patience
    }

    fn is_over(&self, now: Duration) -> bool {
        let counted = self.first.map(|(_, at)| at + self.measure).filter(|counted| now >= *counted);
        let is_told = counted.is_some_and(|counted| {
            self.last.1 >= counted || self.interval().is_some() && self.silence(now).is_some()
        });
        is_told || now >= self.until()
    }

    /// Between two frames; nothing when one came.
    fn interval(&self) -> Option<Duration> {
        let (first, began) = self.first?;
        let (last, at) = self.last;
        (last > first).then(|| (at - began).div_f64((last - first) as f64))
    }

    /// Frames per second by when they came.
    fn frame_rate(&self) -> Option<f64> {
        let interval = self.interval().filter(|interval| !interval.is_zero())?;
        Some(interval.as_secs_f64().recip())
    }

    /// For how long none has come, when that is more than a pause, or only one came.
    fn silence(&self, now: Duration) -> Option<Duration> {
        self.first?;
        let quiet = now.saturating_sub(self.last.1);
        // By then the daemon has told the camera as stalled, and a fast one as lost.
        let pause = |interval: Duration| interval.mul_f64(STALLED_INTERVALS).max(LEAST_LOSS);
        self.interval().is_none_or(|interval| quiet >= pause(interval)).then_some(quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: Duration = Duration::from_secs(3);
    const PATIENCE: Duration = Duration::from_secs(12);

    /// When a look is over, and how long nothing had come then, in milliseconds: of a camera whose whole frames have come at
    /// these.
    fn over(frames: impl IntoIterator<Item = u64>) -> (u64, Option<u64>) {
        let mut frames = frames.into_iter().peekable();
        let mut course = Course::new(MEASURE, PATIENCE);
        let mut seen = Seen::default();
        for ms in (0..).step_by(100) {
            let now = Duration::from_millis(ms);
            while frames.next_if(|at| *at <= ms).is_some() {
                seen.given += 1;
            }
            course.see(seen, seen.given > 0, now);
            if course.is_over(now) {
                return (ms, course.silence(now).map(|silent| silent.as_millis() as u64));
            }
        }
        unreachable!("a look has an end")
    }

    #[test]
    fn a_camera_without_a_frame_is_waited_for_no_longer_than_it_may_take_for_the_first() {
        assert_eq!(over([]), (12_000, None));
    }

    #[test]
    fn data_without_a_key_frame_are_a_sign_that_a_frame_will_come() {
        let mut course = Course::new(MEASURE, PATIENCE);
        let seen = |before_key| Seen { before_key, ..Seen::default() };
        course.see(seen(5), false, Duration::from_secs(11));
        course.see(seen(5), false, Duration::from_secs(12));
        assert!(!course.is_over(Duration::from_millis(22_900)));
        assert!(course.is_over(Duration::from_secs(23)));
    }

    #[test]
    fn a_stream_that_goes_on_is_looked_at_to_the_next_frame() {
        assert_eq!(over((200..).step_by(100)), (3200, None));
        // One every eight seconds.
        assert_eq!(over((1000..).step_by(8000)), (9000, None));
        // A pause of 5.5 s.
        assert_eq!(over((0..2000).step_by(100).chain([7400])), (7400, None));
    }

    #[test]
    fn a_stream_that_stops_is_silent() {
        assert_eq!(over([500]), (15_500, Some(15_000)), "after one frame");
        assert_eq!(over((0..=1000).step_by(100)), (7000, Some(6000)));
        assert_eq!(over((0..=2000).step_by(2000)), (12_000, Some(10_000)), "a slow one has longer pauses");
    }

    #[test]
    fn damaged_frames_are_no_sign_of_life() {
        let mut course = Course::new(MEASURE, PATIENCE);
        for second in 0..=15 {
            let seen = Seen { given: 1 + second, damaged: second, ..Seen::default() };
            course.see(seen, true, Duration::from_secs(second));
        }
        assert_eq!(course.silence(PATIENCE + MEASURE), Some(PATIENCE + MEASURE));
    }

    #[test]
    fn the_rate_is_that_of_all_frames_also_when_one_alone_is_wanted() {
        let mut course = Course::new(MEASURE, PATIENCE);
        for tenth in 0..=30 {
            let seen = Seen { given: 1 + tenth, ..Seen::default() };
            course.see(seen, true, Duration::from_millis(100 * tenth));
        }
        assert!(course.is_over(MEASURE));
        assert!(course.frame_rate().is_some_and(|rate| (rate - 10.0).abs() < 0.01), "{course:?}");
    }
}
