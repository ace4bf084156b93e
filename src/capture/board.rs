//! The board: the newest frame of every camera, where worker threads find it.
//!
//! Cameras never wait for workers: a frame that nobody took yet is replaced by the next and counted as dropped. Workers
//! take from the cameras in turn, so a fast camera does not starve a slow one. Cameras come, change and go while workers
//! take: a camera keeps its index for as long as it is there, and what changes about it comes to the worker in order with
//! its frames.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::config;
use crate::frame::Frame;
use crate::telemetry::{FrameCounters, Pulse};

/// What a worker takes from the board.
#[derive(Debug)]
pub enum Item {
    /// A frame of the camera with this index.
    Frame(usize, Frame),
    /// The camera with this index was lost, restarted or ended: what follows is a new scene.
    Cut(usize),
    /// The camera with this index is new, or is to be looked at like this from now on.
    Changed(usize, Arc<config::Camera>),
    /// The camera with this index is there no more; another one may get the index.
    Removed(usize),
}

/// The newest frame of every camera. Holds at most one frame and one change per camera; a newer one replaces it, and
/// replaced frames are counted.
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
    taker: Arc<Pulse>,
}

struct State {
    slots: Vec<Slot>,
    /// The slot to look at first.
    next: usize,
    open: bool,
}

/// A camera's place.
#[derive(Default)]
struct Slot {
    counters: Arc<FrameCounters>,
    occupant: Occupant,
    /// What waits for the worker, in this order.
    change: Option<Arc<config::Camera>>,
    cut: bool,
    frame: Option<Frame>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Occupant {
    /// None, and the worker knows it.
    #[default]
    Nobody,
    Camera,
    /// A camera that has gone, which the worker is to hear.
    Gone,
}

impl Board {
    /// A board with one place for each camera, which counts its frames.
    pub fn new(counters: Vec<Arc<FrameCounters>>) -> Self {
        let slot = |counters| Slot { counters, occupant: Occupant::Camera, ..Slot::default() };
        let slots = counters.into_iter().map(slot).collect();
        let state = Mutex::new(State { slots, next: 0, open: true });
        Board { state, changed: Condvar::new(), taker: Arc::new(Pulse::new("recognize")) }
    }

    /// Makes place for a camera; its index. The worker hears of it before its first frame.
    pub fn add(&self, camera: Arc<config::Camera>, counters: Arc<FrameCounters>) -> usize {
        let slot = Slot { counters, occupant: Occupant::Camera, change: Some(camera), ..Slot::default() };
        let mut state = self.lock();
        let free = state.slots.iter().position(|slot| slot.occupant == Occupant::Nobody);
        let index = free.unwrap_or_else(|| {
            state.slots.push(Slot::default());
            state.slots.len() - 1
        });
        state.slots[index] = slot;
        drop(state);
        self.changed.notify_one();
        index
    }

    /// The camera at `index` is to be looked at like this, from its next frame on.
    pub fn change(&self, index: usize, camera: Arc<config::Camera>) {
        self.lock().slots[index].change = Some(camera);
        self.changed.notify_one();
    }

    /// Takes away the place of the camera at `index`, which must give no frame any more; one that still waits there is
    /// dropped and counted.
    pub fn remove(&self, index: usize) {
        let slot = &mut self.lock().slots[index];
        slot.drop_frame();
        *slot = Slot { occupant: Occupant::Gone, ..Slot::default() };
        self.changed.notify_one();
    }

    /// The counters of the camera at `index`.
    pub fn counters(&self, index: usize) -> Arc<FrameCounters> {
        Arc::clone(&self.lock().slots[index].counters)
    }

    /// Puts a frame of camera `index`; one that still waits there is dropped and counted. Nothing once it was removed.
    pub fn put(&self, index: usize, frame: Frame) {
        self.write(index, |slot| slot.frame = Some(frame));
    }

    /// Notes that camera `index` was lost, restarted or ended; a frame that still waits there is dropped and counted.
    /// Nothing once it was removed.
    pub fn cut(&self, index: usize) {
        self.write(index, |slot| slot.cut = true);
    }

    fn write(&self, index: usize, write: impl FnOnce(&mut Slot)) {
        let slot = &mut self.lock().slots[index];
        if slot.occupant == Occupant::Camera {
            slot.drop_frame();
            write(slot);
            self.changed.notify_one();
        }
    }

    /// The pulse of the worker: it is busy with what it took until it comes back for more.
    pub fn taker(&self) -> &Arc<Pulse> {
        &self.taker
    }

    /// Waits for the next item, from the cameras in turn; nothing once the board is closed.
    pub fn take(&self) -> Option<Item> {
        self.taker.rest();
        let item = self.wait();
        self.taker.beat();
        item
    }

    fn wait(&self) -> Option<Item> {
        let mut state = self.lock();
        loop {
            if !state.open {
                return None;
            }
            if let Some(item) = state.pick() {
                return Some(item);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends every [`Board::take`], now and later.
    pub fn close(&self) {
        self.lock().open = false;
        self.changed.notify_all();
    }

    /// No panic leaves the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn drop_frame(&mut self) {
        if self.frame.take().is_some() {
            self.counters.dropped().increment();
        }
    }
}

impl State {
    /// Removals go first: a camera that went may come again under its name at another index, and the old one must have
    /// ended then. Of one camera changes do: a new one that cannot be connected is cut before anybody has heard of it.
    fn pick(&mut self) -> Option<Item> {
        if let Some(index) = self.slots.iter().position(|slot| slot.occupant == Occupant::Gone) {
            self.slots[index].occupant = Occupant::Nobody;
            return Some(Item::Removed(index));
        }
        let count = self.slots.len();
        for index in (self.next..self.next + count).map(|i| i % count) {
            let slot = &mut self.slots[index];
            if let Some(camera) = slot.change.take() {
                return Some(Item::Changed(index, camera));
            }
            if std::mem::take(&mut slot.cut) {
                return Some(Item::Cut(index));
            }
            if let Some(frame) = slot.frame.take() {
                self.next = (index + 1) % count;
                return Some(Item::Frame(index, frame));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockOf, Timestamp};
    use crate::frame::{Colorimetry, ColourMatrix, Image, PixelFormat};
    use crate::name::Name;

    fn frame(number: u64) -> Frame {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let image =
            Image::new(PixelFormat::Gray8, (1, 1), colorimetry, [1, 0, 0], Arc::new(vec![vec![0]])).unwrap();
        Frame { camera: Name::new("c").unwrap(), number, at: Timestamp::EPOCH, by: ClockOf::Arrival, image }
    }

    fn board(cameras: usize) -> (Board, Vec<Arc<FrameCounters>>) {
        let counters: Vec<_> = (0..cameras).map(|_| Arc::default()).collect();
        (Board::new(counters.clone()), counters)
    }

    fn taken(board: &Board) -> (usize, Option<u64>) {
        match board.take().unwrap() {
            Item::Frame(index, frame) => (index, Some(frame.number)),
            Item::Cut(index) => (index, None),
            other => panic!("{other:?}"),
        }
    }

    /// A camera with this name.
    fn camera(name: &str) -> Arc<config::Camera> {
        let text =
            format!("[node]\nname = \"n\"\n[[camera]]\nname = \"{name}\"\npipeline = \"videotestsrc\"\n");
        let mut config = config::Config::parse(&text, std::path::Path::new("")).unwrap();
        Arc::new(config.cameras.remove(0))
    }

    /// Everything that waits, in short.
    fn all(board: &Board) -> Vec<String> {
        let pick = || board.lock().pick();
        let told = |item| match item {
            Item::Frame(index, frame) => format!("{index}: frame {}", frame.number),
            Item::Cut(index) => format!("{index}: cut"),
            Item::Changed(index, camera) => format!("{index}: {}", camera.name),
            Item::Removed(index) => format!("{index}: removed"),
        };
        std::iter::from_fn(pick).map(told).collect()
    }

    #[test]
    fn the_newest_frame_wins_and_the_loss_is_counted() {
        let (board, counters) = board(1);
        for number in 0..5 {
            board.put(0, frame(number));
        }
        assert_eq!(taken(&board), (0, Some(4)));
        assert_eq!(counters[0].dropped().get(), 4);
    }

    #[test]
    fn cameras_take_turns() {
        let (board, _) = board(3);
        for index in 0..3 {
            board.put(index, frame(index as u64));
        }
        assert_eq!(taken(&board).0, 0);
        // The fast camera is back at once, and still waits for the others.
        board.put(0, frame(9));
        assert_eq!([taken(&board).0, taken(&board).0, taken(&board).0], [1, 2, 0]);
    }

    #[test]
    fn a_cut_comes_before_what_follows_it() {
        let (board, counters) = board(1);
        board.put(0, frame(1));
        board.cut(0);
        board.put(0, frame(2));
        assert_eq!([taken(&board), taken(&board)], [(0, None), (0, Some(2))]);
        assert_eq!(counters[0].dropped().get(), 1);
    }

    #[test]
    fn closing_wakes_a_waiting_worker() {
        let (board, _) = board(1);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| board.take().is_none());
            board.close();
            assert!(worker.join().unwrap());
        });
    }

    #[test]
    fn a_change_comes_before_the_frames_that_follow_it_and_the_newest_counts() {
        let (board, counters) = board(2);
        board.put(0, frame(1));
        board.change(0, camera("a"));
        board.change(0, camera("b"));
        board.put(1, frame(7));
        board.cut(0);
        board.put(0, frame(2));
        assert_eq!(all(&board), ["0: b", "0: cut", "0: frame 2", "1: frame 7"]);
        assert_eq!(counters[0].dropped().get(), 1);
    }

    #[test]
    fn cameras_come_and_go_and_the_others_keep_their_index() {
        let (board, counters) = board(3);
        board.put(1, frame(1));
        board.put(2, frame(2));
        board.remove(1);
        assert_eq!(counters[1].dropped().get(), 1);
        // The worker does not know yet that the place is free.
        let counted: Arc<FrameCounters> = Arc::default();
        assert_eq!(board.add(camera("gate"), Arc::clone(&counted)), 3);
        board.put(3, frame(3));
        board.put(3, frame(4));
        assert_eq!(counted.dropped().get(), 1);
        assert_eq!(all(&board), ["1: removed", "2: frame 2", "3: gate", "3: frame 4"]);
        // Now it does.
        assert_eq!(board.add(camera("yard"), Arc::default()), 1);
        board.put(1, frame(5));
        board.put(0, frame(6));
        assert_eq!(all(&board), ["0: frame 6", "1: yard", "1: frame 5"]);
        assert!(Arc::ptr_eq(&board.counters(3), &counted));
    }

    #[test]
    fn a_camera_that_is_lost_before_the_worker_heard_of_it_is_heard_of_first_and_after_its_end_not_at_all() {
        let (board, _) = board(0);
        let index = board.add(camera("gate"), Arc::default());
        board.cut(index);
        board.put(index, frame(1));
        assert_eq!(all(&board), ["0: gate", "0: cut", "0: frame 1"]);
        board.remove(index);
        board.cut(index);
        board.put(index, frame(2));
        assert_eq!(all(&board), ["0: removed"]);
        board.cut(index);
        assert_eq!(all(&board), [""; 0]);
    }

    #[test]
    fn a_camera_that_goes_before_the_worker_heard_of_it_is_only_removed() {
        let (board, _) = board(0);
        assert_eq!(board.add(camera("gate"), Arc::default()), 0);
        board.put(0, frame(1));
        board.remove(0);
        assert_eq!(all(&board), ["0: removed"]);
        assert_eq!(all(&board), [""; 0]);
    }

    #[test]
    fn the_old_one_of_a_name_has_gone_before_the_new_one_comes() {
        let (board, _) = board(3);
        board.remove(2);
        assert_eq!(board.add(camera("c"), Arc::default()), 3);
        board.put(0, frame(1));
        assert_eq!(all(&board), ["2: removed", "0: frame 1", "3: c"]);
    }
}
