//! A camera's control thread: connect, hand frames to the board, connect again, for as long as it is told to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backoff::{Backoff, End};
use super::fallback::Fallback;
use super::first_frame::{FirstFrame, Missed};
use super::freeze::Freeze;
use super::rhythm::{Life, Rhythm};
use super::undecoded::{Share, Undecoded};
use crate::capture::apart::{Late, apart};
use crate::capture::board::Board;
use crate::capture::error::CaptureError;
use crate::capture::flow::Seen;
use crate::capture::health::Health;
use crate::capture::remote::{FOREVER, Remote};
use crate::capture::room::Taken;
use crate::capture::still::Still;
use crate::capture::stream::{Next, Stream, Timing};
use crate::clock::Clock;
use crate::config::{self, Source};
use crate::frame::Frame;
use crate::name::Name;
use crate::telemetry::{CameraState, CameraStatus, Pulse, Troubles};

/// How long to wait for a frame before looking at the bus and for the request to stop.
const POLL: Duration = Duration::from_millis(200);
/// A pipeline that does not start within this is abandoned. What a server does not answer fails sooner.
const STARTING: Duration = Duration::from_secs(15);
/// A pipeline that does not stop within this is abandoned; the second is for a camera that is to stop itself.
const STOPPING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));
/// While so many abandoned pipelines of a camera hang, none is opened: each holds a thread and memory.
const MOST_ABANDONED: usize = 3;
/// A file that repeats begins at most this often: building a pipeline takes more than playing one frame.
const SHORTEST_PASS: Duration = Duration::from_millis(500);
/// After so many connections in a row without a second frame, all that was learned of the camera is forgotten.
const FORGIVING: u32 = 5;

/// The thread's own.
pub(super) struct Control {
    pub(super) name: Name,
    pub(super) config: config::Capture,
    pub(super) index: usize,
    pub(super) board: Arc<Board>,
    pub(super) remote: Remote,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) changed: Box<dyn Fn(CameraStatus) + Send>,
    pub(super) pulse: Arc<Pulse>,
    /// Held by each thread that opens or closes a pipeline, also by those that are abandoned.
    pub(super) held: Arc<()>,
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

/// What is known of the camera from one connection to the next. The pipeline is built from nothing for each.
struct Learned {
    /// Of the frames that are decoded.
    rhythm: Rhythm,
    /// Of those that come through, which are fewer when fewer are wanted.
    wanted: Rhythm,
    still: Still,
    freeze: Freeze,
    undecoded: Undecoded,
    fallback: Fallback,
    first_frame: FirstFrame,
    /// Connections in a row without a second frame.
    failures: u32,
}

impl Learned {
    fn new(config: &config::Capture) -> Self {
        let interval = |rate: f64| Duration::from_secs_f64(rate.recip());
        let given = match config.source {
            Source::File { frame_rate: Some(rate), .. } => Some(interval(rate)),
            Source::Http { .. } => config.poll,
            _ => None,
        };
        let now = Instant::now();
        Learned {
            rhythm: Rhythm::new(given, now),
            wanted: Rhythm::new(config.max_frame_rate.map(interval).max(given), now),
            still: Still::default(),
            freeze: Freeze::new(config.frozen_after),
            undecoded: Undecoded::new(now),
            fallback: Fallback::default(),
            first_frame: FirstFrame::new(matches!(config.source, Source::File { .. })),
            failures: 0,
        }
    }
}

/// One connection.
struct Connection<'c> {
    control: &'c Control,
    learned: &'c mut Learned,
    /// Whether coming online is news.
    news: &'c mut bool,
    begun: Instant,
    /// When the first frame and the last came.
    played: Option<(Instant, Instant)>,
    counted: Seen,
    /// Frames that came through.
    taken: u64,
    /// Whether the first frame may take long, in which case few decoded frames mean nothing before it.
    hopes: bool,
}

impl Control {
    pub(super) fn run(self) {
        let mut troubles = Troubles::default();
        loop {
            let wish = self.remote.wishes().now();
            if wish.stopped {
                return;
            }
            if wish.disabled {
                tracing::info!(camera = %self.name, "disabled");
                self.set(CameraState::Disabled, None);
                self.pulse.rest();
                self.remote.wishes().wait(wish, FOREVER);
            } else {
                self.set(CameraState::Connecting, None);
                self.keep_connected(&mut troubles);
                // Also when it is on again already. One that is stopped has no place on the board any more.
                if !self.remote.wishes().now().stopped {
                    self.board.cut(self.index);
                }
            }
        }
    }

    /// Connects again and again until that is not wanted any more.
    fn keep_connected(&self, troubles: &mut Troubles) {
        let mut backoff = Backoff::default();
        let mut learned = Learned::new(&self.config);
        // Coming online is news once, and after every trouble that was said.
        let mut news = true;
        let source = &self.config.source;
        loop {
            let begun = Instant::now();
            let (over, played) = self.connect(&mut learned, &mut news);
            let repeats = matches!((&over, source), (Over::Ended, Source::File { repeat: true, .. }));
            // Before the cut, which takes a frame that still waits off the board: it may be the file's only one.
            if repeats && self.pause(SHORTEST_PASS.saturating_sub(begun.elapsed())) {
                return;
            }
            if !matches!(over, Over::Unwanted) {
                self.board.cut(self.index);
            }
            let (trouble, end) = match over {
                Over::Unwanted => return,
                // The camera stays online.
                Over::Ended if repeats => continue,
                Over::Ended if matches!(source, Source::File { .. }) => {
                    tracing::info!(camera = %self.name, "{}", self.ended());
                    self.set(CameraState::Offline, Some(self.ended()));
                    self.pause(FOREVER);
                    return;
                }
                Over::Ended => (self.ended(), End::Broken),
                Over::Broken(error) if error.is_refusal() => (error.to_string(), End::Refused),
                Over::Broken(error) => (error.to_string(), End::Broken),
            };
            self.forgive(&mut learned, played);
            let pause = backoff.after(end, begun.elapsed(), played);
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

    /// After several connections in a row without a second frame, nothing that was learned of the camera is worth keeping.
    fn forgive(&self, learned: &mut Learned, played: Duration) {
        learned.failures = if played.is_zero() { learned.failures + 1 } else { 0 };
        if learned.failures >= FORGIVING {
            tracing::debug!(camera = %self.name, failures = FORGIVING, "beginning from nothing");
            self.health().counters().faults().rebuilds.increment();
            // That hardware has failed was learned of this machine, not of the camera.
            let fallback = std::mem::take(&mut learned.fallback);
            *learned = Learned { fallback, ..Learned::new(&self.config) };
        }
    }

    /// One connection, from opening to its end, and how long it gave frames.
    fn connect(&self, learned: &mut Learned, news: &mut bool) -> (Over, Duration) {
        let (mut stream, room) = match self.open(learned.fallback.capture(&self.config)) {
            Ok(opened) => opened,
            Err(over) => return (over, Duration::ZERO),
        };
        let begun = Instant::now();
        let patience = learned.first_frame.patience();
        learned.rhythm.begin(begun, patience);
        learned.wanted.begin(begun, patience);
        learned.freeze.begin();
        learned.undecoded.begin(begun, Share::default());
        let mut connection = Connection {
            control: self,
            learned,
            news,
            begun,
            played: None,
            counted: Seen::default(),
            taken: 0,
            hopes: patience.hopes(),
        };
        let over = connection.run(&mut stream);
        let played = connection.played.map(|(first, last)| last - first);
        if !matches!(over, Over::Unwanted)
            && learned.fallback.hear(&self.config, stream.fed(), played.is_some())
            && let Some(reason) = learned.fallback.reason()
        {
            tracing::warn!(camera = %self.name, "{reason}");
        }
        self.close(stream, room);
        (over, played.unwrap_or_default())
    }

    /// Opens a pipeline; its room is given back when both are dropped.
    fn open(&self, capture: config::Capture) -> Result<(Stream, Taken), Over> {
        let hanging = Arc::strong_count(&self.held) - 1;
        if hanging >= MOST_ABANDONED {
            let source_name = self.config.source.to_string();
            return Err(Over::Broken(CaptureError::Crowded { source_name, hanging }));
        }
        let room = Taken::take(&capture.source).map_err(Over::Broken)?;
        let (name, clock) = (self.name.clone(), Arc::clone(&self.clock));
        let limit = || if self.wanted() { STARTING } else { Duration::ZERO };
        let open = move || (Stream::open(name, &capture, Timing::Live(clock)), room);
        match self.apart("camera-open", limit, open) {
            Ok((Ok(stream), room)) => Ok((stream, room)),
            Ok((Err(error), _)) => Err(Over::Broken(error)),
            Err(_) if !self.wanted() => Err(Over::Unwanted),
            Err(_) => Err(Over::Broken(self.hangs("start", STARTING))),
        }
    }

    fn close(&self, stream: Stream, room: Taken) {
        let limit = || if self.remote.wishes().now().stopped { STOPPING.1 } else { STOPPING.0 };
        if self.apart("camera-close", limit, move || drop((stream, room))).is_err() {
            let error = self.hangs("stop", limit());
            tracing::warn!(camera = %self.name, "{error}; it is left to itself");
        }
    }

    /// Does `work` on a thread of its own, which holds [`Control::held`] until it is done.
    fn apart<T: Send + 'static>(
        &self,
        thread: &str,
        limit: impl Fn() -> Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Late> {
        let held = Arc::clone(&self.held);
        // Held until what was done is dropped: a pipeline that comes too late may hang once more then.
        apart(thread, limit, move || (work(), held)).map(|(done, _)| done)
    }

    /// A pipeline that hangs is counted as abandoned.
    fn hangs(&self, what: &'static str, limit: Duration) -> CaptureError {
        self.health().counters().faults().abandoned.increment();
        CaptureError::Hangs { source_name: self.config.source.to_string(), what, limit }
    }

    fn ended(&self) -> String {
        format!("{} has ended", self.config.source)
    }

    fn set(&self, state: CameraState, reason: Option<String>) {
        self.health().set(state, reason, self.clock.steady());
        if state == CameraState::Offline {
            self.remote.snapshots().fail();
        }
        (self.changed)(self.health().status());
    }

    fn health(&self) -> &Health {
        self.remote.health()
    }

    fn wanted(&self) -> bool {
        self.remote.wishes().now().runs()
    }

    /// Waits; true when the camera is to stop or to be off.
    fn pause(&self, duration: Duration) -> bool {
        let wish = self.remote.wishes().now();
        self.pulse.rest();
        let wish = if wish.runs() { self.remote.wishes().wait(wish, duration) } else { wish };
        self.pulse.beat();
        !wish.runs()
    }
}

impl Connection<'_> {
    fn run(&mut self, stream: &mut Stream) -> Over {
        loop {
            self.control.pulse.beat();
            let next = stream.next(POLL);
            // That may have hung, and its place on the board may be another's now.
            if !self.control.wanted() {
                return Over::Unwanted;
            }
            match next {
                Ok(Next::Frame(frame)) => self.take(frame, stream),
                Ok(Next::Idle) => {}
                Ok(Next::End) => return Over::Ended,
                Err(error) => return Over::Broken(error),
            }
            let now = Instant::now();
            self.control.health().set_clock(stream.clock());
            if self.count(stream.seen(), now) {
                self.tell_format(stream);
            }
            // What is damaged is no sign of life: a decoder that has lost its way may never find it again.
            match self.learned.rhythm.see(self.counted.given - self.counted.damaged, now) {
                Life::Flowing => {}
                Life::Stalled(waited) => self.stall(waited),
                Life::Lost(waited) => return self.lost(waited, stream),
            }
            // What is decoded and never comes through, for whatever reason, is as bad as nothing.
            if let Life::Lost(waited) = self.learned.wanted.see(self.taken, now) {
                return self.lost(waited, stream);
            }
            if !self.control.config.key_frames_only
                && (self.played.is_some() || !self.hopes)
                && let Some(share) = self.learned.undecoded.see(share(self.counted), now)
            {
                return Over::Broken(stream.undecoded(share.decoded, share.sent));
            }
            if let Some(frozen) = self.learned.freeze.exhausts(now) {
                return Over::Broken(stream.frozen(frozen));
            }
        }
    }

    fn lost(&mut self, waited: Duration, stream: &Stream) -> Over {
        if self.played.is_none() {
            let missed = if stream.seen().data > 0 { Missed::Frames } else { Missed::Everything };
            self.learned.first_frame.missed(missed);
        }
        Over::Broken(stream.silent(waited))
    }

    /// A frame goes on to the board, unless it is the one of minutes ago.
    fn take(&mut self, frame: Frame, stream: &Stream) {
        let (control, now) = (self.control, Instant::now());
        if self.played.is_none() {
            self.learned.first_frame.came(now - self.begun);
            if self.hopes {
                self.learned.undecoded.begin(now, share(stream.seen()));
            }
        }
        let (first, _) = self.played.unwrap_or((now, now));
        self.played = Some((first, now));
        self.taken += 1;
        control.remote.snapshots().put(&frame);
        if let Some(same) = self.same(&frame, now) {
            if self.learned.freeze.same(now) {
                self.freeze(same, stream);
            }
            return;
        }
        self.learned.freeze.moves(now - first);
        if control.health().state().0 != CameraState::Online {
            self.online(&frame, stream);
        }
        control.board.put(control.index, frame);
    }

    /// For how long the picture has been the same, when that is too long.
    fn same(&mut self, frame: &Frame, now: Instant) -> Option<Duration> {
        // A file shows what was recorded.
        if matches!(self.control.config.source, Source::File { .. }) {
            return None;
        }
        let limit = self.control.config.frozen_after?;
        self.learned.still.look(&frame.image, now).filter(|same| *same >= limit)
    }

    fn freeze(&mut self, same: Duration, stream: &Stream) {
        let reason = format!("the same picture for {} s", same.as_secs());
        tracing::warn!(camera = %self.control.name, "{reason}");
        *self.news = true;
        self.control.board.cut(self.control.index);
        self.control.health().set_video(stream.video());
        self.control.set(CameraState::Frozen, Some(reason));
    }

    fn stall(&mut self, waited: Duration) {
        if matches!(self.control.health().state().0, CameraState::Online | CameraState::Frozen) {
            let usual = self.learned.rhythm.usual().unwrap_or_default().as_secs_f32();
            let reason =
                format!("no frame for {:.1} s, usually one every {usual:.2} s", waited.as_secs_f32());
            tracing::info!(camera = %self.control.name, "stalled: {reason}");
            *self.news = true;
            // What follows may be frozen still.
            self.learned.freeze.begin();
            self.control.set(CameraState::Stalled, Some(reason));
        }
    }

    fn online(&mut self, frame: &Frame, stream: &Stream) {
        let (name, video) = (&self.control.name, stream.video());
        if std::mem::take(self.news) {
            tracing::info!(camera = %name, image = ?frame.image, ?video, "online");
        } else {
            tracing::debug!(camera = %name, image = ?frame.image, "online again");
        }
        self.control.health().set_video(video);
        self.control.set(CameraState::Online, self.learned.fallback.reason());
    }

    /// Pictures are of another format now, and go on.
    fn tell_format(&self, stream: &Stream) {
        let health = self.control.health();
        health.set_video(stream.video());
        let (state, reason) = health.state();
        self.control.set(state, reason);
    }

    /// Adds to the camera's counters what has come since the last look; whether the format is another one.
    fn count(&mut self, seen: Seen, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.counted, seen);
        for rhythm in [&mut self.learned.rhythm, &mut self.learned.wanted] {
            if seen.before_key > before.before_key {
                rhythm.hope(now);
            }
            // Of what is decoded frames are made, and those that are damaged or do not come through are no sign of life.
            if seen.data > before.data && seen.given == before.given {
                rhythm.hear(now);
            }
        }
        let counters = self.control.health().counters();
        let faults = counters.faults();
        for (counter, now, then) in [
            (counters.captured(), seen.given, before.given),
            (counters.dropped(), seen.lost, before.lost),
            (&faults.damaged, seen.damaged, before.damaged),
            (&faults.before_key, seen.before_key, before.before_key),
            (&faults.time_jumps, seen.time_jumps, before.time_jumps),
            (&faults.format_changes, seen.format_changes, before.format_changes),
            (&faults.incomplete, seen.incomplete, before.incomplete),
        ] {
            counter.add(now - then);
        }
        seen.format_changes > before.format_changes
    }
}

/// How many frames came, and how many of them were decoded, or could not be for want of a key frame.
fn share(Seen { sent, given, before_key, .. }: Seen) -> Share {
    Share { sent, decoded: given + before_key }
}
