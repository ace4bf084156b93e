//! A camera's health: what it is doing since when and why, and how many frames it gives.
//!
//! Its control thread writes it, the daemon reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::name::Name;
use crate::telemetry::{CameraState, CameraStatus, CaptureClock, FrameCounters, Video};

/// A camera's health, as its thread writes it and the daemon reads it.
pub struct Health {
    camera: Name,
    counters: Arc<FrameCounters>,
    state: Mutex<HealthState>,
}

struct HealthState {
    state: CameraState,
    since: Timestamp,
    reason: Option<String>,
    video: Option<Video>,
    clock: Option<CaptureClock>,
    reconnects: VecDeque<Instant>,
    /// Moment and counts of the last report with rates, and its rates.
    reported: (Instant, Counts),
    rates: Rates,
}

/// The counters that rates are made of.
#[derive(Clone, Copy, Default)]
struct Counts {
    captured: u64,
    recognised: u64,
    poses: u64,
    person_time_us: u64,
}

#[derive(Clone, Copy, Default)]
struct Rates {
    fps_in: f32,
    fps_recognised: f32,
    pose_rate: Option<f32>,
}

impl Counts {
    fn of(counters: &FrameCounters) -> Self {
        Counts {
            captured: counters.captured().get(),
            recognised: counters.recognised().get(),
            poses: counters.poses().get(),
            person_time_us: counters.person_time_us().get(),
        }
    }

    /// What has come in `period` since `then`.
    fn rates(&self, then: &Counts, period: Duration) -> Rates {
        let per_second = |count: u64| count as f32 / period.as_secs_f32();
        let person_time_us = self.person_time_us - then.person_time_us;
        Rates {
            fps_in: per_second(self.captured - then.captured),
            fps_recognised: per_second(self.recognised - then.recognised),
            pose_rate: (person_time_us > 0)
                .then(|| (self.poses - then.poses) as f32 * 1e6 / person_time_us as f32),
        }
    }
}

impl Health {
    pub(super) fn new(camera: Name, counters: Arc<FrameCounters>, now: Timestamp) -> Self {
        let state = HealthState {
            state: CameraState::Connecting,
            since: now,
            reason: None,
            video: None,
            clock: None,
            reconnects: VecDeque::new(),
            reported: (Instant::now(), Counts::default()),
            rates: Rates::default(),
        };
        Health { camera, counters, state: Mutex::new(state) }
    }

    /// The camera.
    pub fn camera(&self) -> &Name {
        &self.camera
    }

    /// The status now; rates cover the time since the last call that was a second or more ago.
    pub fn status(&self) -> CameraStatus {
        self.status_at(Instant::now())
    }

    fn status_at(&self, now: Instant) -> CameraStatus {
        let mut state = self.lock();
        state.forget_reconnects(now);
        let (then, counted) = state.reported;
        let period = now.saturating_duration_since(then);
        if period >= Duration::from_secs(1) {
            let counts = Counts::of(&self.counters);
            state.rates = counts.rates(&counted, period);
            state.reported = (now, counts);
        }
        CameraStatus {
            camera: self.camera.clone(),
            state: state.state,
            since: state.since,
            reason: state.reason.clone(),
            reconnects_last_hour: u32::try_from(state.reconnects.len()).unwrap_or(u32::MAX),
            fps_in: state.rates.fps_in,
            fps_recognised: state.rates.fps_recognised,
            dropped: self.counters.dropped().get(),
            worker: self.counters.worker(),
            pose_rate: state.rates.pose_rate,
            video: state.video.clone(),
            clock: state.clock,
            faults: self.counters.faults().now(),
        }
    }

    /// What it is doing, and why.
    pub fn state(&self) -> (CameraState, Option<String>) {
        let state = self.lock();
        (state.state, state.reason.clone())
    }

    /// Its counters.
    pub(super) fn counters(&self) -> &FrameCounters {
        &self.counters
    }

    /// Notes a change of state.
    pub(super) fn set(&self, new: CameraState, reason: Option<String>, now: Timestamp) {
        let mut state = self.lock();
        if state.state != new {
            state.since = now;
        }
        if new == CameraState::Connecting && state.state == CameraState::Offline {
            self.counters.faults().reconnects.increment();
            // Not by the clock of the world, which somebody may set.
            let now = Instant::now();
            state.reconnects.push_back(now);
            state.forget_reconnects(now);
        }
        (state.state, state.reason) = (new, reason);
    }

    /// Notes what it gives.
    pub(super) fn set_video(&self, video: Option<Video>) {
        self.lock().video = video;
    }

    /// Notes which clock its capture times are by.
    pub(super) fn set_clock(&self, clock: Option<CaptureClock>) {
        self.lock().clock = clock;
    }

    /// No panic leaves the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthState {
    /// Keeps the last hour's; with pauses of half a second and more there are never many.
    fn forget_reconnects(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > Duration::from_secs(3600);
        while self.reconnects.front().is_some_and(is_old) {
            self.reconnects.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_reconnects_are_of_the_time_that_has_passed() {
        let health = Health::new(Name::new("ramp").unwrap(), Arc::default(), Timestamp::EPOCH);
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        for _ in 0..3 {
            health.set(CameraState::Offline, None, Timestamp::EPOCH);
            health.set(CameraState::Connecting, None, Timestamp::EPOCH);
        }
        health.counters().captured().add(20);
        health.counters().recognised().add(10);
        assert_eq!(health.status_at(after(900)).fps_in, 0.0, "it is too early to say");
        let status = health.status_at(after(2000));
        assert_eq!(status.reconnects_last_hour, 3);
        assert!(
            (9.9..10.2).contains(&status.fps_in) && (4.9..5.1).contains(&status.fps_recognised),
            "{status:?}"
        );
        assert_eq!(health.status_at(after(2100)).fps_in, status.fps_in);
        let status = health.status_at(after(3_602_000));
        assert_eq!((status.fps_in, status.reconnects_last_hour, status.faults.reconnects), (0.0, 0, 3));
    }
}
