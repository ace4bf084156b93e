//! A short look at a camera: does it connect, what does it give, how fast, what goes wrong.
//!
//! For `doctor` and `probe`, which have no board and no control thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::apart::apart;
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
    /// Frames per second by their capture times, also those that the configuration drops; nothing when one frame came.
    pub frame_rate: Option<f64>,
    /// What was counted.
    pub seen: Seen,
    /// Whether the source ended meanwhile.
    pub ended: bool,
}

/// Connects to a camera, waits for its first frame and then counts for `measure`, or until there are two; all within
/// `patience`. What hangs is left to itself.
///
/// # Errors
/// When the camera cannot be reached, gives no frame, fails while it is looked at, or its pipeline hangs.
pub fn probe(
    camera: &Name,
    capture: &Capture,
    measure: Duration,
    patience: Duration,
) -> Result<Probe, CaptureError> {
    let work = {
        let (camera, capture) = (camera.clone(), capture.clone());
        move || look(camera, &capture, measure, patience)
    };
    let limit = patience + GRACE;
    apart(&format!("probe-{camera}"), || limit, work).unwrap_or_else(|_| {
        Err(CaptureError::Hangs { source_name: capture.source.to_string(), what: "answer", limit })
    })
}

fn look(
    camera: Name,
    capture: &Capture,
    measure: Duration,
    patience: Duration,
) -> Result<Probe, CaptureError> {
    let begun = Instant::now();
    let mut stream = Stream::open(camera, capture, Timing::Live(Arc::new(SystemClock)))?;
    let mut first: Option<(Frame, Duration)> = None;
    let mut last: Option<(u64, Timestamp)> = None;
    let mut ended = false;
    while begun.elapsed() < patience {
        let measured = first.as_ref().is_some_and(|(_, after)| begun.elapsed() >= *after + measure);
        if measured && last.is_some() {
            break;
        }
        match stream.next(STEP)? {
            Next::Frame(frame) if first.is_none() => first = Some((frame, begun.elapsed())),
            Next::Frame(frame) => last = Some((frame.number, frame.at)),
            Next::Idle => {}
            Next::End => {
                ended = true;
                break;
            }
        }
    }
    let (Some((first, first_frame_after)), Some(video)) = (first, stream.video()) else {
        return Err(stream.silent(begun.elapsed()));
    };
    let frame_rate = last.and_then(|(number, at)| {
        let seconds = at.since(first.at).as_secs_f64();
        (seconds > 0.0).then(|| number.saturating_sub(first.number) as f64 / seconds)
    });
    Ok(Probe { video, first_frame_after, first, frame_rate, seen: stream.seen(), ended })
}
