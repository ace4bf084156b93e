//! A camera as the daemon runs it, and all that comes of it: frames, cuts, statuses.

#![allow(dead_code, reason = "every test uses its own part")]

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spotter::capture::{Board, Camera, Item, Remote};
use spotter::clock::{ClockOf, SystemClock};
use spotter::config;
use spotter::frame::{Frame, Image};
use spotter::telemetry::{CameraState, CameraStatus, Faults};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Size of the pictures that the test camera gives when nothing else is asked for.
pub const SIZE: (u32, u32) = (320, 240);

/// A frame, as far as tests look at it.
#[derive(Clone, Copy, Debug)]
pub struct Shot {
    pub size: (u32, u32),
    /// How far its capture time was from the time when it came.
    pub age_s: f64,
    /// Whose clock that is by.
    pub by: ClockOf,
    /// Whether it shows the test camera's room.
    pub room: bool,
}

/// What a camera gave.
#[derive(Debug, Default)]
pub struct Given {
    pub shots: Vec<Shot>,
    pub statuses: Vec<CameraStatus>,
    pub cuts: usize,
}

impl Given {
    pub fn is(&self, state: CameraState) -> bool {
        self.statuses.last().is_some_and(|status| status.state == state)
    }

    /// Why it is offline, if it is.
    pub fn offline(&self) -> Option<&str> {
        self.statuses.last().filter(|_| self.is(CameraState::Offline))?.reason.as_deref()
    }
}

/// A camera as the daemon runs it, and what comes of it.
pub struct Watched {
    camera: Option<Camera>,
    board: Arc<Board>,
    pub given: Arc<(Mutex<Given>, Condvar)>,
    worker: Option<JoinHandle<()>>,
}

impl Watched {
    /// Starts a camera with these lines of configuration.
    pub fn start(keys: &str) -> Self {
        let text = format!("[node]\nname = \"edge\"\n[[camera]]\nname = \"test\"\n{keys}\n");
        let config =
            config::Config::parse(&text, Path::new("")).unwrap_or_else(|error| panic!("{keys}: {error}"));
        let counters = Arc::default();
        let board = Arc::new(Board::new(vec![Arc::clone(&counters)], 1));
        let given = Arc::new((Mutex::new(Given::default()), Condvar::new()));
        let (takes, notes) = (Arc::clone(&board), Arc::clone(&given));
        let work = move || {
            while let Some(item) = takes.take(0) {
                let shot = match &item {
                    Item::Frame(_, frame) => Some(Shot::of(frame)),
                    Item::Cut(_) => None,
                    Item::Changed(..)
                    | Item::Removed(_)
                    | Item::Leaves(_)
                    | Item::Arrives(_)
                    | Item::Woken => continue,
                };
                let mut given = notes.0.lock().unwrap();
                match shot {
                    Some(shot) => given.shots.push(shot),
                    None => given.cuts += 1,
                }
                notes.1.notify_all();
            }
        };
        let worker = std::thread::Builder::new().name("worker".to_owned()).spawn(work).unwrap();
        let notes = Arc::clone(&given);
        let changed = move |status: CameraStatus| {
            notes.0.lock().unwrap().statuses.push(status);
            notes.1.notify_all();
        };
        let takes = Arc::clone(&board);
        let camera =
            Camera::start(&config.cameras[0], 0, takes, counters, Arc::new(SystemClock), changed).unwrap();
        Watched { camera: Some(camera), board, given, worker: Some(worker) }
    }

    /// Starts one with this source.
    pub fn of(source: &str) -> Self {
        Self::start(&format!("source = \"{source}\""))
    }

    /// Waits until something holds for what it has given; panics when that takes too long.
    pub fn wait<T>(&self, what: &str, mut holds: impl FnMut(&Given) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut given = self.given.0.lock().unwrap();
        loop {
            if let Some(found) = holds(&given) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let (next, waited) = self.given.1.wait_timeout(given, left).unwrap();
            given = next;
            if waited.timed_out() {
                let (shots, last) = (given.shots.len(), given.shots.last());
                panic!("no {what}: {shots} frames, the last {last:?}; {:#?}", given.statuses);
            }
        }
    }

    /// Waits for so many more frames of which this holds.
    pub fn frames(&self, count: usize, what: &str, wanted: impl Fn(&Shot) -> bool) {
        let before = self.given.0.lock().unwrap().shots.len();
        self.wait(what, |given| {
            (given.shots[before..].iter().filter(|shot| wanted(shot)).count() >= count).then_some(())
        });
    }

    /// Waits for three frames that show the test camera's room.
    pub fn shows_the_room(&self) {
        self.frames(3, "pictures of the room", |shot| shot.room && shot.size == SIZE);
    }

    /// Waits until it is offline, and gives the reason.
    pub fn offline(&self) -> String {
        self.wait("failure", |given| given.offline().map(str::to_owned))
    }

    /// Waits until it tells of this state, and gives the status that did.
    pub fn told(&self, state: CameraState) -> CameraStatus {
        let what = format!("{state}");
        self.wait(&what, |given| given.statuses.iter().find(|status| status.state == state).cloned())
    }

    /// Whatever it tells next within this time.
    pub fn tells(&self, within: Duration) -> Option<CameraStatus> {
        let given = self.given.0.lock().unwrap();
        let before = given.statuses.len();
        let waited =
            self.given.1.wait_timeout_while(given, within, |given| given.statuses.len() == before).unwrap();
        waited.0.statuses.get(before).cloned()
    }

    /// What asks things of it.
    pub fn remote(&self) -> Remote {
        self.camera.as_ref().unwrap().remote()
    }

    /// Stops it, and gives how long that took.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        if let Some(camera) = self.camera.take() {
            camera.stop().join();
        }
        begun.elapsed()
    }

    /// What has gone wrong so far.
    pub fn faults(&self) -> Faults {
        self.remote().health().status().faults
    }

    /// Panics when it had to connect more than once.
    pub fn was_never_lost(&self) {
        let given = self.given.0.lock().unwrap();
        let connections =
            given.statuses.iter().filter(|status| status.state == CameraState::Connecting).count();
        assert_eq!((connections, given.cuts), (1, 0), "{:#?}", given.statuses);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop();
        self.board.close();
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            eprintln!("the worker has panicked");
        }
    }
}

impl Shot {
    fn of(frame: &Frame) -> Self {
        let now = spotter::clock::Clock::now(&SystemClock);
        let age_s = (now.as_micros() - frame.at.as_micros()) as f64 / 1e6;
        let size = (frame.image.width(), frame.image.height());
        Shot { size, age_s, by: frame.by, room: shows_the_room(&frame.image) }
    }
}

/// Whether a picture has the room's brightness on the wall and on the floor: a damaged or half decoded one has not.
fn shows_the_room(image: &Image) -> bool {
    let rgb = image.to_rgb();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mean = |row: usize| {
        let row = &rgb[row * width * 3..(row + 1) * width * 3];
        row.iter().map(|value| f64::from(*value)).sum::<f64>() / row.len() as f64
    };
    // Luma 178 and 119 of 16 to 235.
    [(height / 5, 188.0), (height * 11 / 20, 141.0 - 16.0)]
        .iter()
        .all(|(row, expected)| (mean(*row) - expected).abs() < 25.0)
}
