//! The outbox: where tags wait until the broker has acknowledged them, on disk if there is one.
//!
//! `pending` puts tags in and the connection takes them out. A tag is committed before it is offered, and leaves
//! the disk after it was acknowledged. No call waits for the disk, except [`Committing::wait`] and [`Closing::wait`]: a
//! thread of its own owns the file (`worker`) and writes in groups. What must be dropped leaves a [`Gap`] in its place,
//! which is offered like a tag. When the disk fails, tags go through memory; when that is full too, the oldest leave a
//! gap.
//!
//! Two lanes, see [`lanes`]: the backlog of what has waited, in order, and what is of the present, in order. Bounded in
//! memory whatever the backlog: what is not next is only on disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::wire;
use crate::clock::Clock;
use crate::config;

mod age;
mod annex;
mod announce;
mod check;
mod closing;
mod files;
mod gap;
pub mod lanes;
mod ranges;
mod row;
mod shelf;
mod state;
mod store;
mod worker;

use check::Check;
pub use closing::{Closing, LEAST_TO_CLOSE};
pub use files::FILE;
use files::Folder;
pub use gap::{Gap, GapReason};
use lanes::{Lane, Lanes, Waiting};
use state::{Disk, Limits, State};
use store::StoreError;
use worker::{Bounds, Worker};

/// Bytes in memory of entries that are not on disk.
const MOST_UNSTORED_BYTES: usize = 32 * 1024 * 1024;

/// Entries in memory that are on disk too, in each lane, and their bytes.
const LANE: usize = 2048;
const LANE_BYTES: usize = 4 * 1024 * 1024;

/// An empty file larger than this is made small.
const SHRINK_ABOVE: u64 = 16 * 1024 * 1024;

/// Names an entry for as long as it is in the outbox, in this run. Later entries have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(u64);

#[cfg(test)]
impl EntryId {
    /// One for tests of what only passes ids on.
    pub(super) fn test(id: u64) -> Self {
        EntryId(id)
    }
}

/// What waits in the outbox.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all records are tags")]
pub enum Record {
    /// A tag; `historical` says whether it has waited.
    Tag(wire::Tag),
    /// Says that tags are lost, in their place.
    Gap(Gap),
}

/// A record on offer to the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name, for telling what became of it.
    pub id: EntryId,
    /// What to send.
    pub record: Record,
    /// How many older records wait and are not on offer: they will come later.
    pub older_waiting: u64,
}

/// What an outbox holds and has lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Tags that the broker has not acknowledged.
    pub waiting: u64,
    /// Gaps that it has not.
    pub gaps: usize,
    /// Tags among them in memory.
    pub in_memory: usize,
    /// The size of the file.
    pub disk_bytes: u64,
    /// For how long the oldest has waited, by the outbox's own clock (`age`); a few seconds old itself.
    pub oldest: Option<Duration>,
    /// Tags lost since start, by the place of the reason in [`GapReason::ALL`].
    pub dropped: [u64; 5],
    /// The smallest and the greatest number among the lost tags of this run; tags between them may have been delivered.
    pub lost: Option<(u64, u64)>,
}

impl Depth {
    /// All lost tags.
    pub fn dropped_tags(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

/// Something wrong with the outbox, for the node's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `outbox-disk`, `outbox-corrupt` or `outbox-gaps`.
    pub code: &'static str,
    /// What a person should know.
    pub text: String,
}

/// Why there is no outbox.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Two daemons, one folder.
    #[error("outbox.directory: {0}: another process has this outbox open")]
    InUse(PathBuf),
    /// The operating system gave no thread.
    #[error("cannot start the thread `outbox`: {0}")]
    Thread(std::io::Error),
}

/// What the outbox and its thread share.
pub(super) struct Shared {
    desk: Mutex<Desk>,
    /// For the thread: something is to be done.
    work: Condvar,
    /// For [`Committing`] and [`Closing`]: something was committed, or will not be.
    settled: Condvar,
    /// That of the file, when it is opened.
    check: Arc<Check>,
    /// Something can be offered that could not before.
    notify: Box<dyn Fn() + Send + Sync>,
}

/// What is under the lock.
pub(super) struct Desk {
    state: State,
    /// Other bounds, for the thread.
    bounds: Option<Bounds>,
    stop: bool,
    /// The file is closed, or there was none.
    closed: bool,
    /// Somebody has waited in vain for the disk, which has not answered since.
    overdue: bool,
    /// It was said that the disk has not taken the last tags.
    late_told: bool,
    disk: Option<String>,
    corrupt: Option<String>,
    bytes: u64,
    oldest: Option<Duration>,
}

impl Shared {
    fn new(limits: Limits, disk: Disk, notify: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let desk = Desk {
            state: State::new(limits, disk),
            bounds: None,
            stop: false,
            closed: disk == Disk::Absent,
            overdue: false,
            late_told: false,
            disk: None,
            corrupt: None,
            bytes: 0,
            oldest: None,
        };
        Arc::new(Shared {
            desk: Mutex::new(desk),
            work: Condvar::new(),
            settled: Condvar::new(),
            check: Arc::default(),
            notify,
        })
    }

    /// Every change is complete in itself, so a panic elsewhere leaves it sound.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_work<'d>(&self, desk: MutexGuard<'d, Desk>, at_most: Duration) -> MutexGuard<'d, Desk> {
        self.work.wait_timeout(desk, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    fn settled(&self) {
        self.settled.notify_all();
    }

    fn tell(&self, offers: bool) {
        if offers {
            (self.notify)();
        }
    }
}

/// The outbox. When it is dropped, everything is written and the file closed; see [`Outbox::close`].
pub struct Outbox {
    shared: Arc<Shared>,
    max_age: Duration,
    sync: config::Sync,
    thread: Option<JoinHandle<()>>,
}

/// A tag on its way to the disk.
#[must_use = "with `sync = \"always\"` the tag is to be waited for"]
pub struct Committing {
    shared: Arc<Shared>,
    id: EntryId,
    sync: config::Sync,
}

impl Committing {
    /// Whether whoever publishes is to wait for the disk.
    pub fn is_awaited(&self) -> bool {
        self.sync == config::Sync::Always
    }

    /// With [`config::Sync::Always`]: waits until the tag, and with it every older one, is on disk, the disk fails, or the
    /// time is over. Whether it is on disk. A disk on which somebody has waited in vain, or a file that takes that long to
    /// be checked, is not waited for again before it has answered. Must not be called under a lock that the publisher
    /// needs.
    pub fn wait(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut desk = self.shared.desk();
        loop {
            let stored = desk.state.is_stored(self.id);
            let hopeless = desk.closed || desk.overdue || !desk.state.disk().keeps();
            if self.sync == config::Sync::Interval || stored || hopeless {
                return stored;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                desk.overdue = true;
                return false;
            }
            desk = self.shared.settled.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether an outbox could be opened in this folder; it is made where there is none.
///
/// # Errors
/// When an outbox is open there, of this process or of another.
pub fn try_out(directory: &Path) -> Result<(), OutboxError> {
    take(directory).map(drop)
}

/// The folder, for this process alone, unless the disk fails: then it is tried again later.
fn take(directory: &Path) -> Result<Folder, OutboxError> {
    let mut folder = Folder::new(directory.to_path_buf());
    match folder.take() {
        Err(StoreError::InUse) => Err(OutboxError::InUse(directory.to_path_buf())),
        Ok(()) | Err(_) => Ok(folder),
    }
}

impl Outbox {
    /// Opens the outbox. The file itself is opened and checked by the thread; until then tags wait in memory. `notify` is
    /// called, without a lock, when something can be offered that could not before.
    ///
    /// # Errors
    /// When another process has the folder, or there is no thread to be had. A disk that fails is no error: see
    /// [`Outbox::problems`].
    pub fn open(
        config: &config::Outbox,
        clock: Arc<dyn Clock>,
        notify: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, OutboxError> {
        let limits = Limits {
            unstored: config.memory_tags.max(1),
            unstored_bytes: MOST_UNSTORED_BYTES,
            lane: LANE,
            lane_bytes: LANE_BYTES,
        };
        let disk = if config.directory.is_some() { Disk::Opening } else { Disk::Absent };
        let shared = Shared::new(limits, disk, Box::new(notify));
        let mut outbox = Outbox { shared, max_age: config.max_age, sync: config.sync, thread: None };
        if let Some(directory) = &config.directory {
            let folder = take(directory)?;
            let worker = Worker::new(Arc::clone(&outbox.shared), Box::new(folder), clock, bounds(config));
            let thread = std::thread::Builder::new().name("outbox".to_owned());
            outbox.thread = Some(thread.spawn(move || worker.run()).map_err(OutboxError::Thread)?);
        }
        Ok(outbox)
    }

    /// Keeps to other limits from now on. The folder stays what it is.
    pub fn configure(&mut self, config: &config::Outbox) {
        (self.max_age, self.sync) = (config.max_age, config.sync);
        let mut desk = self.shared.desk();
        desk.state.limit_unstored(config.memory_tags.max(1));
        desk.bounds = Some(bounds(config));
        drop(desk);
        self.shared.work.notify_one();
    }

    /// Takes a tag in, as the newest. Its `historical` says whether it belongs to the backlog. It is offered after it was
    /// committed.
    pub fn append(&self, tag: wire::Tag) -> Committing {
        self.take_in(tag, std::iter::empty())
    }

    /// Takes tags in as [`Outbox::append`] does, in this order and at once, so that one commit has them all. The last of
    /// them, if there are any.
    pub fn append_all(&self, tags: impl IntoIterator<Item = wire::Tag>) -> Option<Committing> {
        let mut tags = tags.into_iter();
        tags.next().map(|first| self.take_in(first, tags))
    }

    fn take_in(&self, first: wire::Tag, others: impl Iterator<Item = wire::Tag>) -> Committing {
        let now = Instant::now();
        let mut desk = self.shared.desk();
        if desk.state.disk() == Disk::Absent
            && let Some(born_before) = now.checked_sub(self.max_age)
        {
            desk.state.expire_unstored(born_before);
        }
        // When others wait for the next commit already, the thread knows when that is.
        let is_first = desk.state.unwritten().0 == 0;
        let first = desk.state.append(first, now);
        let id = others.fold(first, |_, tag| desk.state.append(tag, now));
        let direct = !desk.state.disk().keeps();
        drop(desk);
        if is_first {
            self.shared.work.notify_one();
        }
        self.shared.tell(direct);
        Committing { shared: Arc::clone(&self.shared), id, sync: self.sync }
    }

    /// The record to send next by these lanes, if one may be sent now; from now on it is on offer.
    pub fn next(&self, lanes: &mut Lanes, now: Instant) -> Option<Entry> {
        let desk = self.shared.desk();
        let waiting = desk.state.waiting();
        let lane = lanes.next(now, waiting)?;
        self.change_of(desk, |state| match lane {
            Lane::Backlog => state.next_backlog(),
            Lane::Live => state.next_live(),
        })
    }

    /// Whether what waits outlives the process.
    pub fn is_kept(&self) -> bool {
        self.shared.desk().state.disk().keeps()
    }

    /// What waits to be offered, for [`Lanes::next_due`].
    pub fn waiting(&self) -> Waiting {
        self.shared.desk().state.waiting()
    }

    /// The broker has it: the entry leaves. One that is not on offer is no error.
    pub fn acknowledged(&self, id: EntryId) {
        self.change(|state| state.acknowledged(id));
    }

    /// The broker did not want it: the entry stays, out of the way of later ones, until [`Outbox::retry`].
    pub fn refused(&self, id: EntryId) {
        self.change(|state| state.refused(id));
    }

    /// No broker like this one will ever take it: the entry leaves, and a tag leaves a gap.
    pub fn discard(&self, id: EntryId) {
        self.change(|state| state.discard(id));
    }

    /// Refused entries may be offered again, as historical.
    pub fn retry(&self) {
        self.change(State::retry);
    }

    /// The connection is gone, and every offer with it: all entries wait to be offered again, as historical.
    pub fn withdraw(&self) {
        self.change(State::withdraw);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.change_of(self.shared.desk(), change);
    }

    /// Changes the state, and wakes the thread when that makes work for it.
    fn change_of<T>(&self, mut desk: MutexGuard<'_, Desk>, change: impl FnOnce(&mut State) -> T) -> T {
        let has_work = |state: &State| (state.wanted().is_some(), state.unwritten().1);
        let before = has_work(&desk.state);
        let result = change(&mut desk.state);
        let after = has_work(&desk.state);
        drop(desk);
        if (after.0 && !before.0) || (after.1 && !before.1) {
            self.shared.work.notify_one();
        }
        result
    }

    /// What it holds and has lost.
    pub fn depth(&self) -> Depth {
        let desk = self.shared.desk();
        let in_memory = desk.state.oldest_since().map(|since| since.elapsed());
        Depth {
            waiting: desk.state.count() - desk.state.gaps() as u64,
            gaps: desk.state.gaps(),
            in_memory: desk.state.in_memory(),
            disk_bytes: desk.bytes,
            oldest: if desk.state.count() == 0 { None } else { desk.oldest.max(in_memory) },
            dropped: desk.state.dropped,
            lost: desk.state.lost,
        }
    }

    /// What is wrong, for as long as it is; damage is told until the process ends.
    pub fn problems(&self) -> Vec<Problem> {
        let desk = self.shared.desk();
        let unannounced = desk.state.unannounced();
        let gaps = (unannounced > 0).then(|| format!("{unannounced} gaps were too many to be announced"));
        let problem = |code, text: Option<String>| text.map(|text| Problem { code, text });
        let disk = desk.disk.as_ref().map(|why| format!("tags wait in memory only: {why}"));
        let all = [
            problem("outbox-disk", disk),
            problem("outbox-corrupt", desk.corrupt.clone()),
            problem("outbox-gaps", gaps),
        ];
        all.into_iter().flatten().collect()
    }

    /// Whether every entry that may be offered has been and is acknowledged. Refused ones wait for another time.
    pub fn is_drained(&self) -> bool {
        self.shared.desk().state.is_drained()
    }

    /// Writes everything and closes the file, from now on; what is appended later is lost. When the file is still being
    /// checked by then, what it does not have goes into an annex.
    pub fn close(&self) -> Closing {
        self.shared.desk().stop = true;
        self.shared.work.notify_one();
        Closing { shared: Arc::clone(&self.shared) }
    }

    /// Whether its thread runs, if it has one. Before [`Outbox::close`] it does not end, so otherwise it has panicked.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_none_or(|thread| !thread.is_finished())
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.close().wait(LEAST_TO_CLOSE);
        if thread.join().is_err() {
            tracing::error!("the outbox's thread has panicked");
        }
        let desk = self.shared.desk();
        if desk.late_told && desk.state.unwritten().0 == 0 {
            tracing::warn!("the disk has taken the newest tags after all");
        }
    }
}

fn bounds(config: &config::Outbox) -> Bounds {
    let commit_interval = match config.sync {
        config::Sync::Interval => config.commit_interval,
        config::Sync::Always => Duration::ZERO,
    };
    Bounds {
        max_bytes: config.max_bytes,
        max_age: config.max_age,
        shrink_above: SHRINK_ABOVE,
        commit_interval,
    }
}

#[cfg(test)]
mod tests;
