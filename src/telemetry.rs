//! Health and counters: what every stage counts and what the status messages say.
//!
//! A leaf: stages write here, [`crate::publish`] reads. Counters are plain atomics, so counting never blocks a stage.

mod log;
mod pulse;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::clock::{ClockOf, Timestamp};
use crate::name::Name;

pub use log::{LOG, LogLosses};
pub use pulse::Pulse;

/// What a camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraState {
    /// The pipeline is being built and has given no frame yet.
    Connecting,
    /// Frames arrive.
    Online,
    /// Connected, but no frame has come for longer than its frames usually take.
    Stalled,
    /// Frames arrive, but they all show the same.
    Frozen,
    /// The last attempt failed, or the source has ended; the reason says which.
    Offline,
    /// Somebody has turned it off.
    Disabled,
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CameraState::Connecting => "connecting",
            CameraState::Online => "online",
            CameraState::Stalled => "stalled",
            CameraState::Frozen => "frozen",
            CameraState::Offline => "offline",
            CameraState::Disabled => "disabled",
        })
    }
}

/// A camera's health at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraStatus {
    /// The camera.
    pub camera: Name,
    /// What it is doing.
    pub state: CameraState,
    /// Since when, by the steady clock.
    pub since: Timestamp,
    /// Why, in one line without secrets; always there when it is stalled, frozen or offline.
    pub reason: Option<String>,
    /// Connections that were made anew within the last hour.
    pub reconnects_last_hour: u32,
    /// Frames per second that the camera gave, over the last reporting period.
    pub fps_in: f32,
    /// Frames per second that were recognised, over the last reporting period.
    pub fps_recognised: f32,
    /// Frames dropped since start because a newer one came before they were recognised.
    pub dropped: u64,
    /// The number of the worker that recognises its frames, from 1; nothing where there is one only.
    pub worker: Option<usize>,
    /// Poses per second and person over the last reporting period; nothing when nobody was there to be looked at.
    pub pose_rate: Option<f32>,
    /// What it gives; nothing before the first frame.
    pub video: Option<Video>,
    /// Which clock its capture times are by; nothing before the first frame, or for a file.
    pub clock: Option<CaptureClock>,
    /// What went wrong since start.
    pub faults: Faults,
}

/// Which clock a camera's capture times are by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaptureClock {
    /// Whose.
    pub by: ClockOf,
    /// The camera's clock less this machine's, in seconds, where the camera tells its own.
    pub differs_s: Option<f64>,
}

/// What a camera gives and what decodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// How it is encoded, such as `h264`; `raw` when it is not.
    pub codec: String,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The GStreamer element that decodes it; nothing when there is nothing to decode.
    pub decoder: Option<String>,
    /// Whether that is hardware.
    pub hardware: bool,
}

/// What went wrong with a camera since start, each counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Connections made anew.
    pub reconnects: u64,
    /// Times that everything of the camera was forgotten, after several connections in a row without a second frame.
    pub rebuilds: u64,
    /// Pipelines that did not start or stop in time and were left to themselves.
    pub abandoned: u64,
    /// Time stamps that jumped or ran backwards.
    pub time_jumps: u64,
    /// Changes of size, layout or stated frame rate while connected.
    pub format_changes: u64,
    /// Frames that the decoder gave as damaged; none of them is used.
    pub damaged: u64,
    /// Frames that came before the first key frame of a connection, which cannot be decoded.
    pub before_key: u64,
    /// Frames of a GenICam camera that did not come whole, by the gaps in its own time stamps.
    pub incomplete: u64,
}

/// One camera's frame counters since start.
#[derive(Debug, Default)]
pub struct FrameCounters {
    captured: Counter,
    recognised: Counter,
    dropped: Counter,
    poses: Counter,
    person_time_us: Counter,
    faults: FaultCounters,
    /// The number of the worker, from 1; 0 where there is one only.
    worker: AtomicUsize,
}

/// The counters of [`Faults`].
#[derive(Debug, Default)]
pub struct FaultCounters {
    /// See [`Faults::reconnects`].
    pub reconnects: Counter,
    /// See [`Faults::rebuilds`].
    pub rebuilds: Counter,
    /// See [`Faults::abandoned`].
    pub abandoned: Counter,
    /// See [`Faults::time_jumps`].
    pub time_jumps: Counter,
    /// See [`Faults::format_changes`].
    pub format_changes: Counter,
    /// See [`Faults::damaged`].
    pub damaged: Counter,
    /// See [`Faults::before_key`].
    pub before_key: Counter,
    /// See [`Faults::incomplete`].
    pub incomplete: Counter,
}

impl FaultCounters {
    /// The numbers now.
    pub fn now(&self) -> Faults {
        Faults {
            reconnects: self.reconnects.get(),
            rebuilds: self.rebuilds.get(),
            abandoned: self.abandoned.get(),
            time_jumps: self.time_jumps.get(),
            format_changes: self.format_changes.get(),
            damaged: self.damaged.get(),
            before_key: self.before_key.get(),
            incomplete: self.incomplete.get(),
        }
    }
}

impl FrameCounters {
    /// Frames that the camera gave and the pipeline decoded.
    pub fn captured(&self) -> &Counter {
        &self.captured
    }

    /// Frames that went through detection.
    pub fn recognised(&self) -> &Counter {
        &self.recognised
    }

    /// Frames replaced by a newer one before they were recognised, in the pipeline or on the board.
    pub fn dropped(&self) -> &Counter {
        &self.dropped
    }

    /// Poses that were taken.
    pub fn poses(&self) -> &Counter {
        &self.poses
    }

    /// How long people were there to be looked at, in microseconds, summed over people.
    pub fn person_time_us(&self) -> &Counter {
        &self.person_time_us
    }

    /// The number of the worker that recognises its frames, from 1; nothing where there is one only.
    pub fn worker(&self) -> Option<usize> {
        Some(self.worker.load(Ordering::Relaxed)).filter(|number| *number > 0)
    }

    /// Notes which of several workers recognises its frames, from 1.
    pub fn set_worker(&self, number: usize) {
        self.worker.store(number, Ordering::Relaxed);
    }

    /// What went wrong.
    pub fn faults(&self) -> &FaultCounters {
        &self.faults
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps one thing's troubles rare in the log: each is said once, and the same one again only once per
/// [`Troubles::PERIOD`], with how often it came meanwhile.
#[derive(Debug, Default)]
pub struct Troubles {
    text: String,
    said: Option<Instant>,
    repeated: u64,
}

impl Troubles {
    /// Between two mentions of the same trouble.
    pub const PERIOD: Duration = Duration::from_secs(600);

    /// Hears of a trouble. When it is to be said, gives how often the one before was heard without being said.
    pub fn hear(&mut self, text: &str, now: Instant) -> Option<u64> {
        let fresh = self.said.is_some_and(|said| now.saturating_duration_since(said) < Self::PERIOD);
        if fresh && self.text == text {
            self.repeated += 1;
            return None;
        }
        let repeated = self.repeated;
        *self = Troubles { text: text.to_owned(), said: Some(now), repeated: 0 };
        Some(repeated)
    }

    /// The trouble is over: the next is said, even if it is the same.
    pub fn settle(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_said_once_per_period_with_a_count() {
        let begun = Instant::now();
        let mut troubles = Troubles::default();
        // When, what, and how often the one before came unsaid.
        for (at_s, text, said) in [
            (0, "refused", Some(0)),
            (1, "refused", None),
            (30, "refused", None),
            (31, "no route", Some(2)),
            (32, "refused", Some(0)),
            (500, "refused", None),
            (632, "refused", Some(1)),
            (700, "refused", None),
        ] {
            assert_eq!(troubles.hear(text, begun + Duration::from_secs(at_s)), said, "at {at_s} s");
        }
        troubles.settle();
        assert_eq!(troubles.hear("refused", begun + Duration::from_secs(701)), Some(1));
    }
}
