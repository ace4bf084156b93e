//! Health and counters: what every stage counts and what the status messages say.
//!
//! A leaf: stages write here, [`crate::publish`] reads. Counters are plain atomics, so counting never blocks a stage.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::name::Name;

/// What a camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraState {
    /// The pipeline is being built and has given no frame yet.
    Connecting,
    /// Frames arrive.
    Online,
    /// The last attempt failed, or the source has ended; the reason says which.
    Offline,
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CameraState::Connecting => "connecting",
            CameraState::Online => "online",
            CameraState::Offline => "offline",
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
    /// Since when.
    pub since: Timestamp,
    /// Why, in one line without secrets; always there when it is offline.
    pub reason: Option<String>,
    /// Connections that were made anew within the last hour.
    pub reconnects_last_hour: u32,
    /// Frames per second that the camera gave, over the last reporting period.
    pub fps_in: f32,
    /// Frames per second that were recognised, over the last reporting period.
    pub fps_recognised: f32,
    /// Frames dropped since start because a newer one came before they were recognised.
    pub dropped: u64,
}

/// One camera's frame counters since start.
#[derive(Debug, Default)]
pub struct FrameCounters {
    captured: Counter,
    recognised: Counter,
    dropped: Counter,
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
