//! The board: the newest frame of every camera, where worker threads find it.
//!
//! Cameras never wait for workers: a frame that nobody took yet is replaced by the next and counted as dropped. A worker
//! takes from its cameras in turn, so a fast camera does not starve a slow one. Cameras come, change and go while workers
//! take: a camera keeps its index for as long as it is there, and what changes about it comes to its worker in order with
//! its frames.
//!
//! Each camera has one worker at a time. Where there are several, one that has nothing to do takes over a camera whose frame waits
//! for a busy one that has others, and a worker that cannot work lends its cameras to the others: the old worker hears
//! [`Item::Leaves`], and once it has [left](Board::left) the camera somebody hears [`Item::Arrives`], the same one if the camera
//! is to stay after all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config;
use crate::frame::Frame;
use crate::telemetry::{FrameCounters, Pulse};

/// A frame that waits so long for a busy worker may be taken by another that has nothing to do,
const WAITS: Duration = Duration::from_millis(150);
/// with its camera, which then stays for so long at least.
const STAYS: Duration = Duration::from_secs(10);

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
    /// Another worker is to have the camera with this index, which is told by [`Board::left`].
    Leaves(usize),
    /// The camera with this index comes from another worker.
    Arrives(usize),
    /// Nothing: somebody has [woken](Board::wake) the worker.
    Woken,
}

/// The newest frame of every camera. Holds at most one frame and one change per camera; a newer one replaces it, and
/// replaced frames are counted.
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
    takers: Vec<Arc<Pulse>>,
}

struct State {
    slots: Vec<Slot>,
    workers: Vec<Worker>,
    open: bool,
}

#[derive(Clone, Copy, Default)]
struct Worker {
    /// The slot that it looks at first.
    next: usize,
    /// Whether it can recognise nothing now.
    is_out: bool,
    /// Whether it is to look around although there is nothing for it.
    is_woken: bool,
}

/// A camera's place.
#[derive(Default)]
struct Slot {
    counters: Arc<FrameCounters>,
    occupant: Occupant,
    /// Who has it, who is to have it as a rule, and who is to have it next.
    worker: usize,
    home: usize,
    to: Option<usize>,
    /// Whether its worker has not heard yet that it comes.
    arrives: bool,
    moved: Option<Instant>,
    /// What waits for the worker, in this order.
    change: Option<Arc<config::Camera>>,
    cut: bool,
    frame: Option<Frame>,
    /// Since when the worker has taken no frame although there was one.
    waits: Option<Instant>,
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
    /// A board with one place for each camera, which counts its frames, for so many workers, one at least. Worker
    /// `i % workers` has camera `i` first.
    pub fn new(counters: Vec<Arc<FrameCounters>>, workers: usize) -> Self {
        let workers = workers.max(1);
        let slot = |(index, counters): (usize, _)| {
            let mut slot = Slot { counters, occupant: Occupant::Camera, ..Slot::default() };
            slot.home = index % workers;
            slot.give(slot.home, workers);
            slot
        };
        let slots = counters.into_iter().enumerate().map(slot).collect();
        let takers = match workers {
            1 => vec![Arc::new(Pulse::new("recognize"))],
            _ => (1..=workers).map(|number| Arc::new(Pulse::new(format!("recognize-{number}")))).collect(),
        };
        let state = State { slots, workers: vec![Worker::default(); workers], open: true };
        Board { state: Mutex::new(state), changed: Condvar::new(), takers }
    }

    /// Makes place for a camera; its index. The worker `after` hears of it before its first frame, which is that of an
    /// earlier camera of the same name, or without one the worker with the fewest cameras.
    pub fn add(
        &self,
        camera: Arc<config::Camera>,
        counters: Arc<FrameCounters>,
        after: Option<usize>,
    ) -> usize {
        let mut state = self.lock();
        let home = state.least_busy(None).unwrap_or(0);
        let worker = after.unwrap_or(home);
        let to = (state.workers[worker].is_out && worker != home).then_some(home);
        let mut slot =
            Slot { counters, occupant: Occupant::Camera, home, to, change: Some(camera), ..Slot::default() };
        slot.give(worker, state.workers.len());
        let free = state.slots.iter().position(|slot| slot.occupant == Occupant::Nobody);
        let index = free.unwrap_or_else(|| {
            state.slots.push(Slot::default());
            state.slots.len() - 1
        });
        state.slots[index] = slot;
        drop(state);
        self.changed.notify_all();
        index
    }

    /// The camera at `index` is to be looked at like this, from its next frame on.
    pub fn change(&self, index: usize, camera: Arc<config::Camera>) {
        self.lock().slots[index].change = Some(camera);
        self.changed.notify_all();
    }

    /// Takes away the place of the camera at `index`, which must give no frame any more; one that still waits there is
    /// dropped and counted. The worker that hears of it.
    pub fn remove(&self, index: usize) -> usize {
        let slot = &mut self.lock().slots[index];
        slot.drop_frame();
        let Slot { worker, arrives, .. } = *slot;
        *slot = Slot { occupant: Occupant::Gone, worker, arrives, ..Slot::default() };
        self.changed.notify_all();
        worker
    }

    /// The counters of the camera at `index`.
    pub fn counters(&self, index: usize) -> Arc<FrameCounters> {
        Arc::clone(&self.lock().slots[index].counters)
    }

    /// Puts a frame of camera `index`; one that still waits there is dropped and counted. Nothing once it was removed.
    pub fn put(&self, index: usize, frame: Frame) {
        self.write(index, |slot| {
            let since = slot.waits.unwrap_or_else(Instant::now);
            (slot.waits, slot.frame) = (Some(since), Some(frame));
        });
    }

    /// Notes that camera `index` was lost, restarted or ended; a frame that still waits there is dropped and counted.
    /// Nothing once it was removed.
    pub fn cut(&self, index: usize) {
        self.write(index, |slot| (slot.waits, slot.cut) = (None, true));
    }

    fn write(&self, index: usize, write: impl FnOnce(&mut Slot)) {
        let slot = &mut self.lock().slots[index];
        if slot.occupant == Occupant::Camera {
            slot.drop_frame();
            write(slot);
            self.changed.notify_all();
        }
    }

    /// The worker of the camera at `index` has put down what it knows of it, so that the next one can take that up.
    pub fn left(&self, index: usize) {
        let mut state = self.lock();
        let workers = state.workers.len();
        let slot = &mut state.slots[index];
        if slot.occupant != Occupant::Nobody {
            // Meanwhile it may have gone, or be to stay.
            let to = slot.to.take().unwrap_or(slot.worker);
            slot.give(to, workers);
            (slot.arrives, slot.moved) = (true, Some(Instant::now()));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether a worker can recognise nothing for now. While it cannot, others have its cameras, if there are any that can;
    /// afterwards it has its own again.
    pub fn set_out(&self, worker: usize, is_out: bool) {
        let mut state = self.lock();
        state.workers[worker].is_out = is_out;
        for index in 0..state.slots.len() {
            let Slot { occupant, worker: has, home, to, .. } = state.slots[index];
            if occupant != Occupant::Camera {
                continue;
            }
            if !is_out && home == worker {
                state.slots[index].to = (has != worker).then_some(worker);
            } else if state.workers[to.unwrap_or(has)].is_out {
                state.slots[index].to = state.least_busy(None).filter(|able| *able != has);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Gives a worker [`Item::Woken`] once, before anything else.
    pub fn wake(&self, worker: usize) {
        self.lock().workers[worker].is_woken = true;
        self.changed.notify_all();
    }

    /// The pulse of each worker: it is busy with what it took until it comes back for more.
    pub fn takers(&self) -> &[Arc<Pulse>] {
        &self.takers
    }

    /// Waits for the next item for a worker, from its cameras in turn; nothing once the board is closed.
    pub fn take(&self, worker: usize) -> Option<Item> {
        self.takers[worker].rest();
        let item = self.wait(worker);
        self.takers[worker].beat();
        item
    }

    fn wait(&self, worker: usize) -> Option<Item> {
        let mut state = self.lock();
        loop {
            if !state.open {
                return None;
            }
            if let Some(item) = state.pick(worker) {
                return Some(item);
            }
            state = match state.ask_for_one(worker, Instant::now()) {
                Asked::Camera => {
                    self.changed.notify_all();
                    self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
                Asked::Later(wait) => {
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                Asked::Nothing => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
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
    /// The time that it has waited goes on with the next one.
    fn drop_frame(&mut self) {
        if self.frame.take().is_some() {
            self.counters.dropped().increment();
        }
    }

    /// One of several `workers` has it, which its counters tell.
    fn give(&mut self, worker: usize, workers: usize) {
        self.worker = worker;
        if workers > 1 {
            self.counters.set_worker(worker + 1);
        }
    }
}

/// What came of asking for another worker's camera.
enum Asked {
    /// One will come.
    Camera,
    /// One may be asked for after this time.
    Later(Duration),
    /// There is none to be asked for.
    Nothing,
}

impl State {
    /// Removals go first: a camera that went may come again under its name at another index, and the old one must have
    /// ended then. Of one camera changes do: a new one that cannot be connected is cut before anybody has heard of it.
    fn pick(&mut self, worker: usize) -> Option<Item> {
        if std::mem::take(&mut self.workers[worker].is_woken) {
            return Some(Item::Woken);
        }
        let is_mine = |slot: &Slot| slot.worker == worker;
        if let Some(index) = self.slots.iter().position(|slot| is_mine(slot) && slot.arrives) {
            self.slots[index].arrives = false;
            return Some(Item::Arrives(index));
        }
        if let Some(index) =
            self.slots.iter().position(|slot| is_mine(slot) && slot.occupant == Occupant::Gone)
        {
            self.slots[index].occupant = Occupant::Nobody;
            return Some(Item::Removed(index));
        }
        let count = self.slots.len();
        let next = self.workers[worker].next;
        for index in (next..next + count).map(|i| i % count) {
            let slot = &mut self.slots[index];
            if !is_mine(slot) {
                continue;
            }
            if slot.to.is_some_and(|to| to != worker) {
                return Some(Item::Leaves(index));
            }
            if let Some(camera) = slot.change.take() {
                return Some(Item::Changed(index, camera));
            }
            if std::mem::take(&mut slot.cut) {
                return Some(Item::Cut(index));
            }
            if let Some(frame) = slot.frame.take() {
                slot.waits = None;
                self.workers[worker].next = (index + 1) % count;
                return Some(Item::Frame(index, frame));
            }
        }
        None
    }

    /// Asks for the camera of another worker whose frame has waited for long, as one that has nothing to do.
    fn ask_for_one(&mut self, worker: usize, now: Instant) -> Asked {
        let is_coming = |slot: &Slot| slot.to == Some(worker);
        if self.workers.len() == 1 || self.workers[worker].is_out || self.slots.iter().any(is_coming) {
            return Asked::Nothing;
        }
        let mut soonest: Option<Duration> = None;
        let has = |worker: usize, slots: &[Slot]| {
            slots.iter().filter(|slot| slot.occupant == Occupant::Camera && slot.worker == worker).count()
        };
        for index in 0..self.slots.len() {
            // Its last camera would only leave the other without anything to do.
            let is_last = has(self.slots[index].worker, &self.slots) < 2;
            let slot = &mut self.slots[index];
            let may_move = slot.worker != worker && slot.to.is_none() && !slot.arrives && !is_last;
            let Some(since) = slot.waits.filter(|_| may_move) else { continue };
            let waits = WAITS.saturating_sub(now.saturating_duration_since(since));
            let stays = slot
                .moved
                .map_or(Duration::ZERO, |moved| STAYS.saturating_sub(now.saturating_duration_since(moved)));
            let left = waits.max(stays);
            if left.is_zero() {
                slot.to = Some(worker);
                return Asked::Camera;
            }
            soonest = Some(soonest.map_or(left, |soonest| soonest.min(left)));
        }
        soonest.map_or(Asked::Nothing, Asked::Later)
    }

    /// The worker with the fewest cameras, now and soon, of those that can work and are not `but`.
    fn least_busy(&self, but: Option<usize>) -> Option<usize> {
        let able =
            (0..self.workers.len()).filter(|worker| !self.workers[*worker].is_out && but != Some(*worker));
        able.min_by_key(|worker| {
            let has =
                |slot: &&Slot| slot.occupant == Occupant::Camera && slot.to.unwrap_or(slot.worker) == *worker;
            self.slots.iter().filter(has).count()
        })
    }
}

#[cfg(test)]
mod tests;
