//! The board: the newest frame of every camera, where worker threads find it.
//!
//! Cameras never wait for workers: a frame that nobody took yet is replaced by the next and counted as dropped. Workers
//! take from the cameras in turn, so a fast camera does not starve a slow one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::frame::Frame;
use crate::telemetry::{FrameCounters, Pulse};

/// What a worker takes from the board.
#[derive(Debug)]
pub enum Item {
    /// A frame of the camera with this index.
    Frame(usize, Frame),
    /// The camera with this index was lost, restarted or ended: what follows is a new scene.
    Cut(usize),
}

/// The newest frame of every camera. Holds at most one frame per camera; a newer one replaces it and is counted.
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
    counters: Vec<Arc<FrameCounters>>,
    taker: Arc<Pulse>,
}

struct State {
    slots: Vec<Slot>,
    /// The slot to look at first.
    next: usize,
    open: bool,
}

#[derive(Default)]
struct Slot {
    /// Comes before `frame`.
    cut: bool,
    frame: Option<Frame>,
}

impl Board {
    /// A board with one place for each camera, which counts its frames.
    pub fn new(counters: Vec<Arc<FrameCounters>>) -> Self {
        let slots = counters.iter().map(|_| Slot::default()).collect();
        let state = Mutex::new(State { slots, next: 0, open: true });
        let taker = Arc::new(Pulse::new("recognize"));
        Board { state, changed: Condvar::new(), counters, taker }
    }

    /// Puts a frame of camera `index`; one that still waits there is dropped and counted.
    pub fn put(&self, index: usize, frame: Frame) {
        let replaced = self.lock().slots[index].frame.replace(frame);
        self.count(index, replaced.as_ref());
        self.changed.notify_one();
    }

    /// Notes that camera `index` was lost, restarted or ended; a frame that still waits there is dropped and counted.
    pub fn cut(&self, index: usize) {
        let replaced = {
            let slot = &mut self.lock().slots[index];
            slot.cut = true;
            slot.frame.take()
        };
        self.count(index, replaced.as_ref());
        self.changed.notify_one();
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

    fn count(&self, index: usize, replaced: Option<&Frame>) {
        if replaced.is_some() {
            self.counters[index].dropped().increment();
        }
    }

    /// No panic leaves the state half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pick(&mut self) -> Option<Item> {
        let count = self.slots.len();
        for index in (self.next..self.next + count).map(|i| i % count) {
            let slot = &mut self.slots[index];
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
    use crate::clock::Timestamp;
    use crate::frame::{Colorimetry, ColourMatrix, Image, PixelFormat};
    use crate::name::Name;

    fn frame(number: u64) -> Frame {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let image =
            Image::new(PixelFormat::Gray8, (1, 1), colorimetry, [1, 0, 0], Arc::new(vec![vec![0]])).unwrap();
        Frame { camera: Name::new("c").unwrap(), number, at: Timestamp::EPOCH, image }
    }

    fn board(cameras: usize) -> (Board, Vec<Arc<FrameCounters>>) {
        let counters: Vec<_> = (0..cameras).map(|_| Arc::default()).collect();
        (Board::new(counters.clone()), counters)
    }

    fn taken(board: &Board) -> (usize, Option<u64>) {
        match board.take().unwrap() {
            Item::Frame(index, frame) => (index, Some(frame.number)),
            Item::Cut(index) => (index, None),
        }
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
}
