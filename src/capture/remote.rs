//! What others ask of a camera while its control thread runs: to stop, to be off for a while, to give a picture.
//!
//! Asking never waits for the camera, except for the picture, which comes with its next frame.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::health::Health;
use crate::frame::Frame;
use crate::name::Name;
use crate::telemetry::CameraState;

/// Longer than any process runs, and no overflow of a deadline.
pub(super) const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The camera is turned off.
    #[error("camera {0} is disabled")]
    Disabled(Name),
    /// The camera gives no frames.
    #[error("camera {camera} is offline: {reason}")]
    Offline {
        /// The camera.
        camera: Name,
        /// Why, without credentials.
        reason: String,
    },
    /// No frame came in time.
    #[error("camera {camera} gave no frame within {} ms", waited.as_millis())]
    NoFrame {
        /// The camera.
        camera: Name,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// Asks things of a camera, from any thread. Cheap to clone; of no effect once the camera has been stopped.
#[derive(Clone)]
pub struct Remote {
    health: Arc<Health>,
    wishes: Arc<Wishes>,
    snapshots: Arc<Snapshots>,
}

impl Remote {
    pub(super) fn new(health: Arc<Health>) -> Self {
        Remote { health, wishes: Arc::default(), snapshots: Arc::default() }
    }

    /// The camera.
    pub fn camera(&self) -> &Name {
        self.health.camera()
    }

    /// How it is.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Turns the camera off, or on again, which connects it at once. Does not wait for either: the camera's status tells
    /// when it is done.
    pub fn set_enabled(&self, enabled: bool) {
        self.wishes.change(|wish| {
            if wish.disabled == enabled {
                wish.disabled = !enabled;
                wish.turns += 1;
            }
        });
        if !enabled {
            self.snapshots.fail();
        }
    }

    /// The next frame that the camera gives; its bytes are shared, not copied. Waits up to `timeout`.
    ///
    /// # Errors
    /// When the camera is disabled or offline, or becomes so, and when no frame comes in time.
    pub fn snapshot(&self, timeout: Duration) -> Result<Frame, SnapshotError> {
        let camera = || self.health.camera().clone();
        let offline =
            |reason: &str| Err(SnapshotError::Offline { camera: camera(), reason: reason.to_owned() });
        let usable = || match (self.wishes.now(), self.health.state()) {
            (Wish { stopped: true, .. }, _) => offline("it is being stopped"),
            (Wish { disabled: true, .. }, _) => Err(SnapshotError::Disabled(camera())),
            (_, (CameraState::Offline, reason)) => offline(reason.as_deref().unwrap_or("it gives no frames")),
            // One that was disabled is about to be connected.
            (
                _,
                (
                    CameraState::Connecting
                    | CameraState::Online
                    | CameraState::Stalled
                    | CameraState::Frozen
                    | CameraState::Disabled,
                    _,
                ),
            ) => Ok(()),
        };
        match self.snapshots.wait(timeout, usable)? {
            Some(frame) => Ok(frame),
            None => Err(SnapshotError::NoFrame { camera: camera(), waited: timeout }),
        }
    }

    pub(super) fn stop(&self) {
        self.wishes.change(|wish| wish.stopped = true);
        self.snapshots.fail();
    }

    /// What the control thread listens to.
    pub(super) fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// Where the control thread leaves pictures.
    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }
}

/// What the control thread is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// To end.
    pub stopped: bool,
    /// To be off.
    pub disabled: bool,
    /// How often it was turned off or on: a pause ends for who turns it off and on at once.
    turns: u64,
}

impl Wish {
    /// Whether the camera is to give frames.
    pub(super) fn runs(self) -> bool {
        !self.stopped && !self.disabled
    }
}

/// The newest wish; older ones count no more.
#[derive(Default)]
pub(super) struct Wishes {
    wish: Mutex<Wish>,
    changed: Condvar,
}

impl Wishes {
    /// The wish now.
    pub(super) fn now(&self) -> Wish {
        *self.lock()
    }

    /// Waits until the wish is another than `known`, or `timeout` has passed; the wish then.
    pub(super) fn wait(&self, known: Wish, timeout: Duration) -> Wish {
        let guard = self.lock();
        let waited = self.changed.wait_timeout_while(guard, timeout, |wish| *wish == known);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// A wish is never half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where frames are left for those who wait for one. While nobody waits, a frame costs one look at a number.
#[derive(Default)]
pub(super) struct Snapshots {
    waiting: AtomicUsize,
    newest: Mutex<Newest>,
    changed: Condvar,
}

#[derive(Default)]
struct Newest {
    /// Grows with each frame that was left here, and each time that there is none to wait for.
    count: u64,
    /// Only there while somebody waits, so that a decoder's buffer is not kept from it.
    frame: Option<Frame>,
}

impl Snapshots {
    /// Leaves a frame for those who wait.
    pub(super) fn put(&self, frame: &Frame) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.tell(Some(frame.clone()));
        }
    }

    /// Tells those who wait that they wait in vain.
    pub(super) fn fail(&self) {
        self.tell(None);
    }

    fn tell(&self, frame: Option<Frame>) {
        let mut newest = self.lock();
        newest.count += 1;
        // Who waited may have gone since: the number changes only under this lock.
        newest.frame = frame.filter(|_| self.waiting.load(Ordering::Acquire) > 0);
        drop(newest);
        self.changed.notify_all();
    }

    /// Waits for a frame for as long as it is of use; nothing after `timeout`.
    fn wait<E>(&self, timeout: Duration, usable: impl Fn() -> Result<(), E>) -> Result<Option<Frame>, E> {
        let deadline = Instant::now() + timeout.min(FOREVER);
        let mut newest = self.lock();
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let found = loop {
            if let Err(error) = usable() {
                break Err(error);
            }
            let before = newest.count;
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout_while(newest, left, |newest| newest.count == before);
            newest = waited.unwrap_or_else(PoisonError::into_inner).0;
            if newest.count == before {
                break usable().map(|()| None);
            }
            if let Some(frame) = &newest.frame {
                break Ok(Some(frame.clone()));
            }
        };
        if self.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            newest.frame = None;
        }
        found
    }

    /// Frames are put in whole, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockOf, Timestamp};
    use crate::frame::{Colorimetry, ColourMatrix, Image, PixelFormat};
    use crate::telemetry::FrameCounters;

    const LONG: Duration = Duration::from_secs(60);

    fn frame(number: u64) -> Frame {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let image =
            Image::new(PixelFormat::Gray8, (1, 1), colorimetry, [1, 0, 0], Arc::new(vec![vec![0]])).unwrap();
        Frame { camera: name(), number, at: Timestamp::EPOCH, by: ClockOf::Arrival, image }
    }

    fn name() -> Name {
        Name::new("ramp").unwrap()
    }

    fn remote(state: CameraState) -> Remote {
        let health = Health::new(name(), Arc::new(FrameCounters::default()), Timestamp::EPOCH);
        health.set(state, None, Timestamp::EPOCH);
        Remote::new(Arc::new(health))
    }

    /// Runs `act` again and again until `snapshot` has its answer.
    fn meanwhile(remote: &Remote, act: impl Fn()) -> Result<u64, SnapshotError> {
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| remote.snapshot(LONG).map(|frame| frame.number));
            while !asked.is_finished() {
                act();
                std::thread::yield_now();
            }
            asked.join().unwrap()
        })
    }

    #[test]
    fn a_picture_is_a_frame_that_came_after_it_was_asked_for() {
        let remote = remote(CameraState::Online);
        remote.snapshots().put(&frame(1));
        assert!(remote.snapshots().lock().frame.is_none(), "nobody has asked");
        // Often, since a frame can come at the moment at which nobody waits any more.
        for number in 2..500 {
            assert_eq!(meanwhile(&remote, || remote.snapshots().put(&frame(number))), Ok(number));
            assert!(remote.snapshots().lock().frame.is_none(), "it is not kept");
        }
    }

    #[test]
    fn there_is_no_picture_of_what_gives_none() {
        let offline = |reason: &str| SnapshotError::Offline { camera: name(), reason: reason.to_owned() };
        let number = |remote: &Remote| remote.snapshot(LONG).map(|frame| frame.number);
        let asked = remote(CameraState::Online);
        asked.set_enabled(false);
        assert_eq!(number(&asked), Err(SnapshotError::Disabled(name())));
        asked.stop();
        assert_eq!(number(&asked), Err(offline("it is being stopped")));
        assert_eq!(number(&remote(CameraState::Offline)), Err(offline("it gives no frames")));
        let waited = Duration::from_millis(1);
        let connecting = remote(CameraState::Connecting);
        let found = connecting.snapshot(waited).map(|frame| frame.number);
        assert_eq!(found, Err(SnapshotError::NoFrame { camera: name(), waited }));
        let lost = remote(CameraState::Online);
        let found = meanwhile(&lost, || {
            lost.health.set(CameraState::Offline, Some("no route".to_owned()), Timestamp::EPOCH);
            lost.snapshots().fail();
        });
        assert_eq!(found, Err(offline("no route")));
    }

    #[test]
    fn only_the_newest_wish_counts() {
        let remote = remote(CameraState::Online);
        let known = remote.wishes().now();
        assert!(known.runs());
        assert_eq!(remote.wishes().wait(known, Duration::ZERO), known);
        remote.set_enabled(false);
        let off = remote.wishes().wait(known, LONG);
        assert_eq!(off, Wish { stopped: false, disabled: true, turns: 1 });
        remote.set_enabled(true);
        let on = remote.wishes().wait(off, LONG);
        assert_eq!((on, on.runs()), (Wish { stopped: false, disabled: false, turns: 2 }, true));
        // Off and on again before anybody looks is not nothing.
        remote.set_enabled(false);
        remote.set_enabled(true);
        assert_eq!(remote.wishes().wait(on, LONG), Wish { turns: 4, ..on });
        remote.set_enabled(true);
        assert_eq!(remote.wishes().now().turns, 4, "it is on already");
        remote.stop();
        assert!(remote.wishes().wait(Wish { turns: 4, ..on }, LONG).stopped);
    }
}
