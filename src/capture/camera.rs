//! A camera's control thread: connect, hand frames to the board, connect again, for as long as the daemon runs.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::Board;
use super::stream::{CaptureError, Next, Stream, Timing};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Source};
use crate::name::Name;
use crate::telemetry::{CameraState, CameraStatus, FrameCounters};

/// How long to wait for a frame before looking at the bus and for the request to stop.
const POLL: Duration = Duration::from_millis(200);
/// A camera that gives no frame for this long is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// Pauses between attempts: the first, and the longest that doubling reaches.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A running camera.
pub struct Camera {
    health: Arc<Health>,
    /// Dropping it asks the thread to stop.
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Camera {
    /// Starts the control thread of the camera at `index` of the board. `changed` hears of every change of state, on
    /// the camera's thread; it must not block.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        config: &config::Camera,
        index: usize,
        board: Arc<Board>,
        counters: Arc<FrameCounters>,
        clock: Arc<dyn Clock>,
        changed: impl Fn(CameraStatus) + Send + 'static,
    ) -> std::io::Result<Camera> {
        let health = Arc::new(Health::new(config.name.clone(), counters, clock.now()));
        let (stop, stopped) = sync_channel(0);
        let control = Control {
            name: config.name.clone(),
            source: config.source.clone(),
            index,
            board,
            health: Arc::clone(&health),
            clock,
            stopped,
            changed: Box::new(changed),
        };
        let thread = std::thread::Builder::new()
            .name(format!("camera-{}", config.name))
            .spawn(move || control.run())?;
        Ok(Camera { health, stop, thread })
    }

    /// How it is.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether its thread runs. It ends only by [`Camera::stop`], so otherwise it has panicked.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Asks the thread to stop; [`Stopping::join`] waits for it, so that many cameras stop side by side.
    pub fn stop(self) -> Stopping {
        drop(self.stop);
        Stopping { name: self.health.camera.clone(), thread: self.thread }
    }
}

/// A camera on its way to its end.
pub struct Stopping {
    name: Name,
    thread: JoinHandle<()>,
}

impl Stopping {
    /// Waits for the camera's thread.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!(camera = %self.name, "the camera's thread had panicked");
        }
    }
}

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
    reconnects: VecDeque<Timestamp>,
    /// Moment and counters (captured, recognised) of the last report with rates, and its rates.
    reported: (Timestamp, u64, u64),
    rates: (f32, f32),
}

impl Health {
    fn new(camera: Name, counters: Arc<FrameCounters>, now: Timestamp) -> Self {
        let state = HealthState {
            state: CameraState::Connecting,
            since: now,
            reason: None,
            reconnects: VecDeque::new(),
            reported: (now, 0, 0),
            rates: (0.0, 0.0),
        };
        Health { camera, counters, state: Mutex::new(state) }
    }

    /// The camera.
    pub fn camera(&self) -> &Name {
        &self.camera
    }

    /// The status now; rates cover the time since the last call that was a second or more ago.
    pub fn status(&self, now: Timestamp) -> CameraStatus {
        let mut state = self.lock();
        state.forget_reconnects(now);
        let (then, captured, recognised) = state.reported;
        let period = now.since(then);
        if period >= Duration::from_secs(1) {
            let counts = (self.counters.captured().get(), self.counters.recognised().get());
            let per_second = |count: u64| count as f32 / period.as_secs_f32();
            state.rates = (per_second(counts.0 - captured), per_second(counts.1 - recognised));
            state.reported = (now, counts.0, counts.1);
        }
        CameraStatus {
            camera: self.camera.clone(),
            state: state.state,
            since: state.since,
            reason: state.reason.clone(),
            reconnects_last_hour: u32::try_from(state.reconnects.len()).unwrap_or(u32::MAX),
            fps_in: state.rates.0,
            fps_recognised: state.rates.1,
            dropped: self.counters.dropped().get(),
        }
    }

    fn set(&self, new: CameraState, reason: Option<String>, now: Timestamp) {
        let mut state = self.lock();
        if state.state != new {
            state.since = now;
        }
        if new == CameraState::Connecting && state.state == CameraState::Offline {
            state.reconnects.push_back(now);
            state.forget_reconnects(now);
        }
        (state.state, state.reason) = (new, reason);
    }

    /// No panic leaves the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthState {
    /// Keeps the last hour's; with pauses of half a second and more there are never many.
    fn forget_reconnects(&mut self, now: Timestamp) {
        while self.reconnects.front().is_some_and(|&at| now.since(at) > Duration::from_secs(3600)) {
            self.reconnects.pop_front();
        }
    }
}

/// Why a connection is over.
enum Over {
    /// The daemon asked.
    Stopped,
    /// The file has ended.
    Ended,
    /// It broke, after this many frames.
    Broken(CaptureError, u64),
}

struct Control {
    name: Name,
    source: Source,
    index: usize,
    board: Arc<Board>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
    stopped: Receiver<()>,
    changed: Box<dyn Fn(CameraStatus) + Send>,
}

impl Control {
    fn run(self) {
        let mut pause = PAUSES.0;
        self.set(CameraState::Connecting, None);
        loop {
            let over = self.play();
            if !matches!(over, Over::Stopped) {
                self.board.cut(self.index, self.clock.now());
            }
            match over {
                Over::Stopped => return,
                // From end to start in one breath: the camera stays online.
                Over::Ended if matches!(self.source, Source::File { repeat: true, .. }) => continue,
                Over::Ended => {
                    let ended = format!("{} has ended", self.source);
                    tracing::info!(camera = %self.name, "{ended}");
                    self.set(CameraState::Offline, Some(ended));
                    if matches!(self.source, Source::File { .. }) {
                        self.pause(Duration::MAX);
                        return;
                    }
                }
                Over::Broken(error, frames) => {
                    // A connection that worked starts the pauses anew.
                    if frames > 0 {
                        pause = PAUSES.0;
                    }
                    tracing::warn!(camera = %self.name, retry_in_s = pause.as_secs_f32(), "{error}");
                    self.set(CameraState::Offline, Some(error.to_string()));
                }
            }
            if self.pause(pause) {
                return;
            }
            pause = (pause * 2).min(PAUSES.1);
            self.set(CameraState::Connecting, None);
        }
    }

    /// One connection, from opening to its end.
    fn play(&self) -> Over {
        // That the camera gave on this connection, taken or not.
        let mut frames = 0;
        let mut stream =
            match Stream::open(self.name.clone(), &self.source, Timing::Live(Arc::clone(&self.clock))) {
                Ok(stream) => stream,
                Err(error) => return Over::Broken(error, frames),
            };
        let mut last = Instant::now();
        loop {
            if self.pause(Duration::ZERO) {
                return Over::Stopped;
            }
            match stream.next(POLL) {
                Ok(Next::Frame(frame)) => {
                    if frames == 0 && self.health.lock().state != CameraState::Online {
                        tracing::info!(camera = %self.name, image = ?frame.image, "online");
                        self.set(CameraState::Online, None);
                    }
                    let counters = &self.health.counters;
                    counters.captured().add(frame.number + 1 - frames);
                    counters.dropped().add(frame.number - frames);
                    frames = frame.number + 1;
                    last = Instant::now();
                    self.board.put(self.index, frame);
                }
                Ok(Next::Idle) if last.elapsed() >= SILENCE => {
                    return Over::Broken(stream.silent(last.elapsed()), frames);
                }
                Ok(Next::Idle) => {}
                Ok(Next::End) => return Over::Ended,
                Err(error) => return Over::Broken(error, frames),
            }
        }
    }

    fn set(&self, state: CameraState, reason: Option<String>) {
        let now = self.clock.now();
        self.health.set(state, reason, now);
        (self.changed)(self.health.status(now));
    }

    /// Waits; true when the daemon asks to stop.
    fn pause(&self, duration: Duration) -> bool {
        // A duration without end would overflow the deadline.
        let duration = duration.min(Duration::from_secs(u64::from(u32::MAX)));
        self.stopped.recv_timeout(duration) != Err(RecvTimeoutError::Timeout)
    }
}
