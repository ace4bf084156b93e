//! A short look at a camera: does it connect, what does it give, how fast, does it go on, what goes wrong.
//!
//! For `doctor` and `probe`, which have no board and no control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::apart::apart;
use super::camera::first_frame::Patience;
use super::camera::rhythm::{LEAST_LOSS, Life, Rhythm, STALLED_INTERVALS};
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

/// Connects to a camera and waits for its first frame as long as the daemon does after misses: while nothing comes, while
/// data come, and anew whenever encoded frames come before a key frame. From then on it counts for `measure`, and to the
/// next frame after that, until the daemon would call the camera stalled or lost. What hangs is left to itself.
///
/// # Errors
/// When the camera cannot be reached, gives no frame, fails while it is looked at, or its pipeline hangs.
pub fn probe(camera: &Name, capture: &Capture, measure: Duration) -> Result<Probe, CaptureError> {
    let begun = Instant::now();
    let course = Course::new(measure, begun);
    let until = Until::new(course.until() - begun);
    let work = {
        let (camera, capture, until) = (camera.clone(), capture.clone(), until.clone());
        move || look(camera, &capture, begun, course, &until)
    };
    let limit = || until.get() + GRACE;
    apart(&format!("probe-{camera}"), limit, work).unwrap_or_else(|_| {
        let source_name = capture.source.to_string();
        Err(CaptureError::Hangs { source_name, what: "answer", limit: limit() })
    })
}

fn look(
    camera: Name,
    capture: &Capture,
    begun: Instant,
    mut course: Course,
    until: &Until,
) -> Result<Probe, CaptureError> {
    let mut stream = Stream::open(camera, capture, Timing::Live(Arc::new(SystemClock)))?;
    let mut first: Option<(Frame, Duration)> = None;
    let mut last: Option<(u64, Timestamp)> = None;
    let mut ended = false;
    let mut now = Instant::now();
    while !ended && !course.is_over(now) {
        let next = stream.next(STEP)?;
        now = Instant::now();
        match next {
            Next::Frame(frame) if first.is_none() => first = Some((frame, now - begun)),
            Next::Frame(frame) => last = Some((frame.number, frame.at)),
            Next::Idle => {}
            Next::End => ended = true,
        }
        course.see(stream.seen(), first.is_some(), now);
        until.set(course.until() - begun);
    }
    // What is left is to stop the pipeline.
    until.set(now - begun);
    let (Some((first, first_frame_after)), Some(video)) = (first, stream.video()) else {
        return Err(stream.silent(now - begun));
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

/// How a look goes on. Pure.
#[derive(Debug)]
struct Course {
    measure: Duration,
    /// Whether frames come, as the daemon has it.
    rhythm: Rhythm,
    life: Life,
    seen: Seen,
    /// Whole frames that were decoded until the first was there, and when that was.
    first: Option<(u64, Instant)>,
    /// The same of the last.
    last: (u64, Instant),
}

impl Course {
    fn new(measure: Duration, begun: Instant) -> Self {
        let mut rhythm = Rhythm::new(None, begun);
        rhythm.begin(begun, Patience::MOST);
        let (life, seen) = (Life::Flowing, Seen::default());
        Course { measure, rhythm, life, seen, first: None, last: (0, begun) }
    }

    /// So much has come; `has_frame` is whether a frame that is wanted was among it.
    fn see(&mut self, seen: Seen, has_frame: bool, now: Instant) {
        let before = std::mem::replace(&mut self.seen, seen);
        if seen.before_key > before.before_key {
            self.rhythm.hope(now);
        }
        if seen.data > before.data && seen.given == before.given {
            self.rhythm.hear(now);
        }
        // What is damaged is no sign of life.
        let whole = seen.given.saturating_sub(seen.damaged);
        self.life = self.rhythm.see(whole, now);
        match self.first {
            None if has_frame => {
                self.last = (whole, now);
                self.first = Some(self.last);
            }
            Some(_) if whole > self.last.0 => self.last = (whole, now),
            _ => {}
        }
    }

    /// When frames have been counted for long enough.
    fn counted(&self) -> Option<Instant> {
        self.first.map(|(_, at)| at + self.measure)
    }

    /// When it is over at the latest, as far as is known.
    fn until(&self) -> Instant {
        let lost = self.rhythm.lost_at();
        self.counted().map_or(lost, |counted| counted.max(lost))
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.counted() {
            None => matches!(self.life, Life::Lost(_)),
            Some(counted) => now >= counted && (self.last.1 >= counted || self.silence(now).is_some()),
        }
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

    /// For how long none has come, when that is more than a pause.
    fn silence(&self, now: Instant) -> Option<Duration> {
        self.first?;
        let quiet = now.saturating_duration_since(self.rhythm.heard());
        // By then the daemon has told the camera as stalled, and a fast one as lost.
        let pause = |interval: Duration| interval.mul_f64(STALLED_INTERVALS).max(LEAST_LOSS);
        let is_pause = self.interval().is_none_or(|interval| quiet < pause(interval));
        let is_lost = matches!(self.life, Life::Lost(_));
        (is_lost || !is_pause).then(|| now.saturating_duration_since(self.last.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: Duration = Duration::from_secs(3);

    /// When a look is over, and how long nothing had come then, in milliseconds: of a camera whose whole frames have come at
    /// these, and data every second until `data_s`.
    fn over_with(frames: impl IntoIterator<Item = u64>, data_s: u64) -> (u64, Option<u64>) {
        let mut frames = frames.into_iter().peekable();
        let begun = Instant::now();
        let mut course = Course::new(MEASURE, begun);
        let mut seen = Seen::default();
        for ms in (0..).step_by(100) {
            let now = begun + Duration::from_millis(ms);
            seen.data += u64::from(ms % 1000 == 0 && ms <= data_s * 1000);
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

    fn over(frames: impl IntoIterator<Item = u64>) -> (u64, Option<u64>) {
        over_with(frames, 0)
    }

    #[test]
    fn a_camera_without_a_frame_is_waited_for_as_long_as_the_daemon_waits_at_most() {
        assert_eq!(over([]), (15_000, None));
        assert_eq!(over_with([], 3), (18_000, None), "data came");
        assert_eq!(over_with([], 100), (30_000, None), "data come");
        assert_eq!(over_with((25_000..).step_by(100), 100), (28_000, None), "and a frame in the end");
    }

    #[test]
    fn data_without_a_key_frame_are_a_sign_that_a_frame_will_come() {
        let begun = Instant::now();
        let mut course = Course::new(MEASURE, begun);
        let mut see = |before_key, second| {
            let now = begun + Duration::from_secs(second);
            course.see(Seen { before_key, ..Seen::default() }, false, now);
            course.is_over(now)
        };
        assert!(!see(5, 14));
        assert!(!see(5, 28));
        assert!(see(5, 29));
    }

    #[test]
    fn a_stream_that_goes_on_is_looked_at_to_the_next_frame() {
        assert_eq!(over((200..).step_by(100)), (3200, None));
        // One every eight seconds, and one every 18.
        assert_eq!(over((1000..).step_by(8000)), (9000, None));
        assert_eq!(over((1000..).step_by(18_000)), (19_000, None));
        assert_eq!(over_with((1000..).step_by(28_000), 100), (29_000, None), "between which data come");
        // A pause of 5.5 s.
        assert_eq!(over((0..2000).step_by(100).chain([7400])), (7400, None));
    }

    #[test]
    fn a_stream_that_stops_is_silent() {
        assert_eq!(over([500]), (20_500, Some(20_000)), "after one frame");
        assert_eq!(over((0..=1000).step_by(100)), (7000, Some(6000)));
        assert_eq!(over_with((0..=1000).step_by(100), 100), (13_000, Some(12_000)), "while data come");
        assert_eq!(over((0..=2000).step_by(2000)), (12_000, Some(10_000)), "a slow one has longer pauses");
    }

    #[test]
    fn damaged_frames_are_no_sign_of_life() {
        let begun = Instant::now();
        let mut course = Course::new(MEASURE, begun);
        for second in 0..=20 {
            let now = begun + Duration::from_secs(second);
            let seen = Seen { given: 1 + second, damaged: second, data: second, ..Seen::default() };
            course.see(seen, true, now);
            assert_eq!(course.is_over(now), second == 20, "{second}");
        }
    }

    #[test]
    fn the_rate_is_that_of_all_frames_also_when_one_alone_is_wanted() {
        let begun = Instant::now();
        let mut course = Course::new(MEASURE, begun);
        for tenth in 0..=30 {
            let seen = Seen { given: 1 + tenth, ..Seen::default() };
            course.see(seen, true, begun + Duration::from_millis(100 * tenth));
        }
        assert!(course.is_over(begun + MEASURE));
        assert!(course.frame_rate().is_some_and(|rate| (rate - 10.0).abs() < 0.01), "{course:?}");
    }
}
