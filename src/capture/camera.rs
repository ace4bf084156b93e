//! A camera's control thread: connect, hand frames to the board, connect again, for as long as the daemon runs.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::Board;
use super::health::Health;
use super::remote::{FOREVER, Remote};
use super::stream::{CaptureError, Next, Stream, Timing};
use crate::clock::Clock;
use crate::config::{self, Source};
use crate::frame::Frame;
use crate::name::Name;
use crate::telemetry::{CameraState, CameraStatus, FrameCounters, Troubles};

/// How long to wait for a frame before looking at the bus and for the request to stop.
const POLL: Duration = Duration::from_millis(200);
/// A camera that gives no frame for this long, or a file for this long after one is due, is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// Pauses between attempts: the first, and the longest that doubling reaches.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A connection that gave frames for this long and then broke has worked, so that the pauses start anew.
const PROVED_BROKEN: Duration = Duration::from_secs(10);
/// The same for one that came to a clean end, as a clip from a server does.
const PROVED_ENDED: Duration = Duration::from_secs(2);
/// A file that repeats begins at most this often: building a pipeline takes more than playing one frame.
const SHORTEST_PASS: Duration = Duration::from_millis(500);

/// A running camera.
pub struct Camera {
    guard: Guard,
    thread: JoinHandle<()>,
}

/// Dropping it asks the camera's thread to stop.
struct Guard(Remote);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.stop();
    }
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
        let remote = Remote::new(Arc::new(Health::new(config.name.clone(), counters, clock.now())));
        let control = Control {
            name: config.name.clone(),
            source: config.source.clone(),
            index,
            board,
            remote: remote.clone(),
            clock,
            changed: Box::new(changed),
        };
        let thread = std::thread::Builder::new()
            .name(format!("camera-{}", config.name))
            .spawn(move || control.run())?;
        Ok(Camera { guard: Guard(remote), thread })
    }

    /// How it is.
    pub fn health(&self) -> &Health {
        self.guard.0.health()
    }

    /// What asks things of it from other threads.
    pub fn remote(&self) -> Remote {
        self.guard.0.clone()
    }

    /// Whether its thread runs. It ends only by [`Camera::stop`], so otherwise it has panicked.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Asks the thread to stop; [`Stopping::join`] waits for it, so that many cameras stop side by side.
    pub fn stop(self) -> Stopping {
        let name = self.health().camera().clone();
        drop(self.guard);
        Stopping { name, thread: self.thread }
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

/// Why a connection is over.
enum Over {
    /// It is to stop, or to be off.
    Unwanted,
    /// The source has ended.
    Ended,
    /// It broke.
    Broken(CaptureError),
}

/// The pauses between attempts.
struct Backoff {
    next: Duration,
}

impl Backoff {
    fn new() -> Self {
        Backoff { next: PAUSES.0 }
    }

    /// The pause after a connection that gave frames for `played`; it worked when that is `proved` or more.
    fn after(&mut self, played: Duration, proved: Duration) -> Duration {
        if played >= proved {
            self.next = PAUSES.0;
        }
        let pause = self.next;
        self.next = (pause * 2).min(PAUSES.1);
        pause
    }
}

struct Control {
    name: Name,
    source: Source,
    index: usize,
    board: Arc<Board>,
    remote: Remote,
    clock: Arc<dyn Clock>,
    changed: Box<dyn Fn(CameraStatus) + Send>,
}

impl Control {
    fn run(self) {
        let mut troubles = Troubles::default();
        loop {
            let wish = self.remote.wishes().now();
            if wish.stopped {
                return;
            }
            if wish.disabled {
                tracing::info!(camera = %self.name, "disabled");
                self.board.cut(self.index);
                self.set(CameraState::Disabled, None);
                self.remote.wishes().wait(wish, FOREVER);
            } else {
                self.set(CameraState::Connecting, None);
                self.keep_connected(&mut troubles);
            }
        }
    }

    /// Connects again and again until that is not wanted any more.
    fn keep_connected(&self, troubles: &mut Troubles) {
        let mut backoff = Backoff::new();
        // Coming online is news once, and after every trouble that was said.
        let mut news = true;
        loop {
            let begun = Instant::now();
            let (over, played) = self.play(&mut news);
            let repeats = matches!((&over, &self.source), (Over::Ended, Source::File { repeat: true, .. }));
            // Before the cut, which takes a frame that still waits off the board: it may be the file's only one.
            if repeats && self.pause(SHORTEST_PASS.saturating_sub(begun.elapsed())) {
                return;
            }
            if !matches!(over, Over::Unwanted) {
                self.board.cut(self.index);
            }
            let (trouble, proved) = match over {
                Over::Unwanted => return,
                // The camera stays online.
                Over::Ended if repeats => continue,
                Over::Ended if matches!(self.source, Source::File { .. }) => {
                    tracing::info!(camera = %self.name, "{}", self.ended());
                    self.set(CameraState::Offline, Some(self.ended()));
                    self.pause(FOREVER);
                    return;
                }
                Over::Ended => (self.ended(), PROVED_ENDED),
                Over::Broken(error) => (error.to_string(), PROVED_BROKEN),
            };
            let pause = backoff.after(played, proved);
            if let Some(repeated) = troubles.hear(&trouble, Instant::now()) {
                tracing::warn!(camera = %self.name, repeated, retry_in_s = pause.as_secs_f32(), "{trouble}");
                news = true;
            }
            self.set(CameraState::Offline, Some(trouble));
            if self.pause(pause) {
                return;
            }
            self.set(CameraState::Connecting, None);
        }
    }

    /// One connection, from opening to its end, and how long it gave frames.
    fn play(&self, news: &mut bool) -> (Over, Duration) {
        let mut stream =
            match Stream::open(self.name.clone(), &self.source, Timing::Live(Arc::clone(&self.clock))) {
                Ok(stream) => stream,
                Err(error) => return (Over::Broken(error), Duration::ZERO),
            };
        // That the camera gave on this connection, taken or not.
        let mut frames = 0;
        let mut first = None;
        let mut last = Instant::now();
        let silence = SILENCE + interval(&self.source);
        let over = loop {
            if self.pause(Duration::ZERO) {
                break Over::Unwanted;
            }
            match stream.next(POLL) {
                Ok(Next::Frame(frame)) => {
                    if frames == 0 && self.health().state().0 != CameraState::Online {
                        self.online(&frame, news);
                    }
                    let counters = self.health().counters();
                    counters.captured().add(frame.number + 1 - frames);
                    counters.dropped().add(frame.number - frames);
                    frames = frame.number + 1;
                    last = Instant::now();
                    first.get_or_insert(last);
                    self.remote.snapshots().put(&frame);
                    self.board.put(self.index, frame);
                }
                Ok(Next::Idle) if last.elapsed() >= silence => {
                    break Over::Broken(stream.silent(last.elapsed()));
                }
                Ok(Next::Idle) => {}
                Ok(Next::End) => break Over::Ended,
                Err(error) => break Over::Broken(error),
            }
        };
        (over, first.map_or(Duration::ZERO, |first| last - first))
    }

    fn ended(&self) -> String {
        format!("{} has ended", self.source)
    }

    fn online(&self, frame: &Frame, news: &mut bool) {
        if std::mem::take(news) {
            tracing::info!(camera = %self.name, image = ?frame.image, "online");
        } else {
            tracing::debug!(camera = %self.name, image = ?frame.image, "online again");
        }
        self.set(CameraState::Online, None);
    }

    fn set(&self, state: CameraState, reason: Option<String>) {
        let now = self.clock.now();
        self.health().set(state, reason, now);
        if state == CameraState::Offline {
            self.remote.snapshots().fail();
        }
        (self.changed)(self.health().status(now));
    }

    fn health(&self) -> &Health {
        self.remote.health()
    }

    /// Waits; true when the camera is to stop or to be off.
    fn pause(&self, duration: Duration) -> bool {
        let wish = self.remote.wishes().now();
        !wish.runs() || !self.remote.wishes().wait(wish, duration).runs()
    }
}

/// The time between two frames, as far as the source's configuration says.
fn interval(source: &Source) -> Duration {
    match source {
        Source::File { frame_rate: Some(rate), .. } => Duration::from_secs_f64(rate.recip()),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_connection_has_worked() {
        let mut backoff = Backoff::new();
        let (broken, ended) = (PROVED_BROKEN, PROVED_ENDED);
        // Seconds of frames, what proves that it worked, and the pause in milliseconds.
        for (played_s, proved, pause_ms) in [
            (0, broken, 500),
            (0, broken, 1000),
            (9, broken, 2000),
            (10, broken, 500),
            (0, broken, 1000),
            (1, ended, 2000),
            (3, ended, 500),
            (3, ended, 500),
            (0, ended, 1000),
            (0, ended, 2000),
            (0, ended, 4000),
            (0, ended, 8000),
            (0, ended, 16_000),
            (0, ended, 30_000),
            (0, broken, 30_000),
            (3600, broken, 500),
        ] {
            let pause = backoff.after(Duration::from_secs(played_s), proved);
            assert_eq!(pause.as_millis(), pause_ms, "{played_s} s, {proved:?}");
        }
    }
}
