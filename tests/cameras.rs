//! A camera that is turned off and on again, and pictures of it, with a real pipeline.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use spotter::capture::{Board, Camera, Item, SnapshotError};
use spotter::clock::SystemClock;
use spotter::config;
use spotter::name::Name;
use spotter::picture::jpeg;
use spotter::telemetry::CameraState;

const PATIENCE: Duration = Duration::from_secs(30);
/// Far less than what connecting, stopping or a frame takes.
const AT_ONCE: Duration = Duration::from_millis(100);

fn config(name: &str) -> config::Camera {
    let text = format!(
        "[node]\nname = \"edge\"\n[[camera]]\nname = \"{name}\"\npipeline = \"videotestsrc is-live=true ! \
         video/x-raw,format=I420,width=160,height=120,framerate=20/1\"\n"
    );
    config::Config::parse(&text, std::path::Path::new("")).unwrap().cameras.remove(0)
}

/// Cameras, and a worker that notes what it takes from the board.
struct Bench {
    board: Arc<Board>,
    cameras: Vec<Camera>,
    states: Vec<Receiver<CameraState>>,
    worker: std::thread::JoinHandle<()>,
    taken: Arc<Taken>,
}

/// Frames since the last cut, and cuts, of each camera.
struct Taken {
    counts: Mutex<Vec<(u64, u64)>>,
    changed: Condvar,
}

impl Bench {
    fn start(names: &[&str]) -> Self {
        let counters: Vec<_> = names.iter().map(|_| Arc::default()).collect();
        let board = Arc::new(Board::new(counters.clone(), 1));
        let taken =
            Arc::new(Taken { counts: Mutex::new(vec![(0, 0); names.len()]), changed: Condvar::new() });
        let worker = {
            let (board, taken) = (Arc::clone(&board), Arc::clone(&taken));
            let work = move || {
                while let Some(item) = board.take(0) {
                    let mut counts = taken.counts.lock().unwrap();
                    match item {
                        Item::Frame(index, _) => counts[index].0 += 1,
                        Item::Cut(index) => counts[index] = (0, counts[index].1 + 1),
                        Item::Changed(..)
                        | Item::Removed(_)
                        | Item::Leaves(_)
                        | Item::Arrives(_)
                        | Item::Woken => {}
                    }
                    taken.changed.notify_all();
                }
            };
            std::thread::Builder::new().name("worker".to_owned()).spawn(work).unwrap()
        };
        let (mut cameras, mut states) = (Vec::new(), Vec::new());
        for (index, (name, counters)) in names.iter().zip(counters).enumerate() {
            let (sender, receiver) = sync_channel(100);
            states.push(receiver);
            let changed = move |status: spotter::telemetry::CameraStatus| sender.send(status.state).unwrap();
            let (board, clock) = (Arc::clone(&board), Arc::new(SystemClock));
            cameras.push(Camera::start(&config(name), index, board, counters, clock, changed).unwrap());
        }
        Bench { board, cameras, states, worker, taken }
    }

    /// Waits until the camera tells of this state.
    fn wait_for(&self, index: usize, state: CameraState) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.states[index].recv_timeout(left).unwrap() == state {
                return;
            }
        }
    }

    /// Waits until the worker has taken so many frames of a camera since its last cut, and gives how many cuts there were.
    fn wait_for_frames(&self, index: usize, frames: u64) -> u64 {
        let counts = self.taken.counts.lock().unwrap();
        let waited =
            self.taken.changed.wait_timeout_while(counts, PATIENCE, |counts| counts[index].0 < frames);
        let (counts, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "only {} frames", counts[index].0);
        counts[index].1
    }

    /// Frames since the last cut of a camera, and its cuts.
    fn counts(&self, index: usize) -> (u64, u64) {
        self.taken.counts.lock().unwrap()[index]
    }

    fn stop(self) {
        let stopping: Vec<_> = self.cameras.into_iter().map(Camera::stop).collect();
        stopping.into_iter().for_each(spotter::capture::Stopping::join);
        self.board.close();
        self.worker.join().unwrap();
    }
}

#[test]
fn a_camera_is_turned_off_and_on_and_the_other_one_goes_on() {
    let bench = Bench::start(&["ramp", "door"]);
    bench.wait_for(0, CameraState::Online);
    bench.wait_for(1, CameraState::Online);
    assert_eq!(bench.wait_for_frames(0, 3), 0);
    let remote = bench.cameras[0].remote();

    let asked = Instant::now();
    remote.set_enabled(false);
    assert!(asked.elapsed() < AT_ONCE, "asking does not wait");
    let disabled = || Err(SnapshotError::Disabled(Name::new("ramp").unwrap()));
    assert_eq!(remote.snapshot(PATIENCE).map(|frame| frame.number), disabled());
    bench.wait_for(0, CameraState::Disabled);
    bench.wait_for_frames(1, bench.counts(1).0 + 10);
    assert_eq!(bench.counts(0), (0, 1), "after the cut there is nothing");

    remote.set_enabled(true);
    bench.wait_for(0, CameraState::Online);
    assert_eq!(bench.wait_for_frames(0, 3), 1);
    let status = bench.cameras[0].health().status();
    assert_eq!(status.reconnects_last_hour, 0, "it was not lost");
    assert_eq!(bench.counts(1).1, 0, "the other one was not cut");
    // One that is off stops as well.
    remote.set_enabled(false);
    bench.wait_for(0, CameraState::Disabled);
    bench.stop();
}

#[test]
fn a_picture_comes_with_the_next_frame() {
    let bench = Bench::start(&["ramp"]);
    // Also of one that is being connected.
    let frame = bench.cameras[0].remote().snapshot(PATIENCE).unwrap();
    let next = bench.cameras[0].remote().snapshot(PATIENCE).unwrap();
    assert!(next.number > frame.number);
    let picture = image::load_from_memory(&jpeg(&frame, 85).unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (160, 120));
    let remote = bench.cameras[0].remote();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                if let Err(error) = remote.snapshot(PATIENCE) {
                    return error;
                }
            }
        });
        bench.wait_for_frames(0, 3);
        bench.stop();
        waiting.join().unwrap()
    });
    assert!(matches!(waiting, SnapshotError::Offline { .. }), "{waiting}");
}
