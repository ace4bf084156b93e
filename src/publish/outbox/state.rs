//! What the outbox knows in memory: which entries wait, where, and what is lost.
//!
//! Pure: no disk, no thread, no clock. [`super::Outbox`] calls it under a lock for microseconds; [`super::worker`] asks
//! it what to write and to read, and tells what became of it. Entries that are on disk may leave memory; then they are a
//! range in `unloaded`, and come back in order when their turn comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::announce::Gaps;
use super::gap::{Gap, GapReason};
use super::lanes::Waiting;
use super::ranges::Ranges;
use super::shelf::{Held, Shelf};
use super::{Entry, EntryId, Record};
use crate::publish::wire;

mod storing;

/// Ids of this run start here; those of rows from earlier runs are their keys, and below.
pub(super) const FIRST_ID: u64 = 1 << 63;

/// What the disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// There is none, by configuration.
    Absent,
    /// It is being opened and checked for the first time.
    Opening,
    /// It takes what is written.
    Working,
    /// It does not.
    Failing,
}

impl Disk {
    /// Whether entries wait for it: it is there, and does not fail.
    pub(super) fn keeps(self) -> bool {
        matches!(self, Disk::Opening | Disk::Working)
    }
}

/// How much may be in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Entries that are not on disk; past it the oldest go.
    pub(super) unstored: usize,
    /// And their bytes.
    pub(super) unstored_bytes: usize,
    /// Entries in each lane, and refused ones, that are on disk too; past it they are only there.
    pub(super) lane: usize,
    /// And their bytes.
    pub(super) lane_bytes: usize,
}

/// Entries to write, entries to remove, and gaps that have changed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) inserts: Vec<(u64, Arc<wire::Tag>)>,
    pub(super) removals: Vec<u64>,
    pub(super) gaps: Vec<(u64, Option<Gap>)>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.removals.is_empty() && self.gaps.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    disk: Disk,
    next_id: u64,
    /// Not on disk yet, and not to be offered before.
    fresh: Shelf,
    /// May be offered: historical ones, and those of the present.
    backlog: Shelf,
    live: Shelf,
    offered: Shelf,
    /// Wait for [`State::retry`].
    refused: Shelf,
    /// On disk only: those that belong to the backlog, and refused ones.
    unloaded: Ranges,
    withheld: Ranges,
    /// Entries in memory that are not on disk, with their sizes.
    unstored: BTreeMap<u64, usize>,
    unstored_bytes: usize,
    /// Entries on disk, perhaps, that have left.
    removing: BTreeSet<u64>,
    gaps: Gaps,
    /// Lost tags by reason; see [`GapReason::ALL`].
    pub(super) dropped: [u64; 5],
    boot: Option<uuid::Uuid>,
    /// Smallest and greatest number among the lost tags of this run.
    pub(super) lost: Option<(u64, u64)>,
}

impl State {
    pub(super) fn new(limits: Limits, disk: Disk) -> Self {
        State {
            limits,
            disk,
            next_id: FIRST_ID,
            fresh: Shelf::default(),
            backlog: Shelf::default(),
            live: Shelf::default(),
            offered: Shelf::default(),
            refused: Shelf::default(),
            unloaded: Ranges::default(),
            withheld: Ranges::default(),
            unstored: BTreeMap::new(),
            unstored_bytes: 0,
            removing: BTreeSet::new(),
            gaps: Gaps::default(),
            dropped: [0; 5],
            boot: None,
            lost: None,
        }
    }

    /// So many entries may be in memory that are not on disk; past it the oldest go.
    pub(super) fn limit_unstored(&mut self, entries: usize) {
        self.limits.unstored = entries;
        self.bound_unstored();
    }

    /// Takes a tag in, as the newest.
    pub(super) fn append(&mut self, tag: wire::Tag, now: Instant) -> EntryId {
        let id = self.next_id;
        self.next_id += 1;
        self.boot = Some(tag.boot);
        let held = Held::new(tag, now);
        self.unstored.insert(id, held.bytes);
        self.unstored_bytes += held.bytes;
        if self.disk.keeps() {
            self.fresh.insert(id, held);
        } else {
            self.release(id, held);
        }
        self.bound_unstored();
        EntryId(id)
    }

    /// The oldest of the backlog, now on offer. `None` also while it is only on disk: see [`State::wanted`].
    pub(super) fn next_backlog(&mut self) -> Option<Entry> {
        let id = self.first_of_backlog().filter(|_| self.backlog_ready())?;
        if self.first_gap() == Some(id) {
            let gap = self.gaps.offer(id)?;
            return Some(Entry { id: EntryId(id), record: Record::Gap(gap), older_waiting: self.older(id) });
        }
        let held = self.backlog.remove(id)?;
        Some(self.offer(id, held))
    }

    /// The oldest of the present, now on offer.
    pub(super) fn next_live(&mut self) -> Option<Entry> {
        let (id, held) = self.live.pop_first()?;
        Some(self.offer(id, held))
    }

    fn offer(&mut self, id: u64, held: Held) -> Entry {
        let older_waiting = self.older(id);
        let tag = wire::Tag { historical: held.historical, ..(*held.tag).clone() };
        self.offered.insert(id, held);
        Entry { id: EntryId(id), record: Record::Tag(tag), older_waiting }
    }

    /// How many older records wait and are not on offer.
    fn older(&self, id: u64) -> u64 {
        let in_memory = [&self.backlog, &self.live, &self.refused].map(|shelf| shelf.count_before(id));
        let on_disk = self.unloaded.count_before(id) + self.withheld.count_before(id);
        (in_memory.iter().sum::<usize>() + self.gaps.before(id)) as u64 + on_disk
    }

    fn first_gap(&self) -> Option<u64> {
        self.gaps.first(self.disk.keeps())
    }

    fn first_of_backlog(&self) -> Option<u64> {
        let unloaded = self.unloaded.first().filter(|_| self.disk == Disk::Working).map(|(first, _)| first);
        [self.first_gap(), self.backlog.first(), unloaded].into_iter().flatten().min()
    }

    fn backlog_ready(&self) -> bool {
        let first = self.first_of_backlog();
        first.is_some() && (first == self.first_gap() || first == self.backlog.first())
    }

    /// What waits to be offered.
    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            backlog: self.first_of_backlog().is_some(),
            backlog_ready: self.backlog_ready(),
            live_since: self.live.first().and_then(|id| self.live.get(id)).map(|held| held.since),
        }
    }

    pub(super) fn acknowledged(&mut self, id: EntryId) {
        if let Some(held) = self.offered.remove(id.0) {
            self.leave(id.0, &held);
        } else {
            self.gaps.finish(id.0);
        }
    }

    pub(super) fn refused(&mut self, id: EntryId) {
        let Some(mut held) = self.offered.remove(id.0) else {
            self.gaps.refuse(id.0);
            return;
        };
        held.historical = true;
        self.refused.insert(id.0, held);
        if self.disk == Disk::Working && self.refused.exceeds(self.limits.lane, self.limits.lane_bytes) {
            let (stored, unstored): (Vec<_>, Vec<_>) =
                self.refused.take_all().partition(|(_, held)| held.stored);
            for (id, held) in unstored {
                self.refused.insert(id, held);
            }
            for (id, _) in stored {
                self.withhold(id);
            }
        }
    }

    pub(super) fn discard(&mut self, id: EntryId) {
        if let Some(held) = self.offered.remove(id.0) {
            self.leave(id.0, &held);
            self.lose(id.0, &held.tag, GapReason::Size);
        } else {
            self.gaps.finish(id.0);
        }
    }

    pub(super) fn retry(&mut self) {
        self.gaps.retry();
        let mut withheld = std::mem::take(&mut self.withheld);
        self.unloaded.absorb(&mut withheld);
        let refused = self.refused.take_all().collect();
        self.join_all(refused);
    }

    pub(super) fn withdraw(&mut self) {
        self.gaps.withdraw();
        self.retry();
        for held in self.fresh.values_mut() {
            held.historical = true;
        }
        let all = self.offered.take_all().chain(self.live.take_all()).collect();
        self.join_all(all);
    }

    /// An entry that was delivered or dropped leaves memory, and the disk with the next commit.
    fn leave(&mut self, id: u64, held: &Held) {
        self.forget_unstored(id);
        if held.stored || held.attempted {
            self.removing.insert(id);
        }
    }

    fn forget_unstored(&mut self, id: u64) {
        if let Some(bytes) = self.unstored.remove(&id) {
            self.unstored_bytes -= bytes;
        }
    }

    fn lose(&mut self, id: u64, tag: &wire::Tag, reason: GapReason) {
        self.dropped[reason.index()] += 1;
        if self.boot == Some(tag.boot) {
            let (first, last) = self.lost.unwrap_or((tag.seq, tag.seq));
            self.lost = Some((first.min(tag.seq), last.max(tag.seq)));
        }
        self.gaps.add(id, Gap::of(tag, reason));
    }

    /// A tag may be offered from now on.
    fn release(&mut self, id: u64, held: Held) {
        if held.historical {
            self.join_backlog(id, held);
            return;
        }
        self.live.insert(id, held);
        if self.disk == Disk::Working && self.live.exceeds(self.limits.lane, self.limits.lane_bytes) {
            // Many at once, so that they are one range.
            let first = self.live.take_first(self.live.count().div_ceil(2));
            self.join_all(first);
        }
    }

    /// Entries join the backlog: first those that must stay in memory, so that no range on disk comes to span them.
    fn join_all(&mut self, entries: Vec<(u64, Held)>) {
        let (stored, unstored): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, held)| held.stored);
        for (id, held) in unstored.into_iter().chain(stored) {
            self.join_backlog(id, held);
        }
    }

    fn join_backlog(&mut self, id: u64, mut held: Held) {
        held.historical = true;
        let behind = self.unloaded.first().is_some_and(|(first, _)| first < id);
        if held.stored && behind && self.disk == Disk::Working {
            self.unload(id);
            return;
        }
        self.backlog.insert(id, held);
        self.bound_backlog();
    }

    /// What is too much in memory is on disk only from now on, the newest first.
    fn bound_backlog(&mut self) {
        while self.disk == Disk::Working
            && self.backlog.exceeds(self.limits.lane, self.limits.lane_bytes)
            && let Some(last) = self.backlog.last_stored()
        {
            self.backlog.remove(last);
            self.unload(last);
        }
    }

    fn unload(&mut self, id: u64) {
        let mut unloaded = std::mem::take(&mut self.unloaded);
        unloaded.insert(id, |first, last| self.is_free(first, last) && !self.withheld.touches(first, last));
        self.unloaded = unloaded;
    }

    fn withhold(&mut self, id: u64) {
        let mut withheld = std::mem::take(&mut self.withheld);
        withheld.insert(id, |first, last| self.is_free(first, last) && !self.unloaded.touches(first, last));
        self.withheld = withheld;
    }

    /// Whether no entry in memory, and none that is about to leave the disk, has one of these ids.
    fn is_free(&self, first: u64, last: u64) -> bool {
        self.shelves().iter().all(|shelf| !shelf.touches(first, last))
            && self.removing.range(first..=last).next().is_none()
    }

    fn shelves(&self) -> [&Shelf; 5] {
        [&self.fresh, &self.backlog, &self.live, &self.offered, &self.refused]
    }

    fn find(&mut self, id: u64) -> Option<&mut Held> {
        let State { fresh, backlog, live, offered, refused, .. } = self;
        [fresh, backlog, live, offered, refused].into_iter().find_map(|shelf| shelf.get_mut(id))
    }

    /// Takes an entry out of wherever it waits, on offer excepted.
    fn take_waiting(&mut self, id: u64) -> Option<Held> {
        let State { fresh, backlog, live, refused, .. } = self;
        [fresh, backlog, live, refused].into_iter().find_map(|shelf| shelf.remove(id))
    }

    pub(super) fn disk(&self) -> Disk {
        self.disk
    }

    /// Whether an entry is on disk, or has left.
    pub(super) fn is_stored(&self, id: EntryId) -> bool {
        !self.unstored.contains_key(&id.0)
    }

    /// How many records the broker has not acknowledged.
    pub(super) fn count(&self) -> u64 {
        let in_memory = self.shelves().iter().map(|shelf| shelf.count()).sum::<usize>() + self.gaps.count();
        in_memory as u64 + self.unloaded.count() + self.withheld.count()
    }

    /// Gaps among them.
    pub(super) fn gaps(&self) -> usize {
        self.gaps.count()
    }

    /// Entries in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.shelves().iter().map(|shelf| shelf.count()).sum()
    }

    /// Gaps that were given up.
    pub(super) fn unannounced(&self) -> u64 {
        self.gaps.given_up
    }

    /// Since when the oldest entry in memory waits.
    pub(super) fn oldest_since(&self) -> Option<Instant> {
        let firsts =
            self.shelves().into_iter().filter_map(|shelf| shelf.first().and_then(|id| shelf.get(id)));
        firsts.map(|held| held.since).min()
    }

    pub(super) fn is_drained(&self) -> bool {
        let shelves = [&self.fresh, &self.backlog, &self.live, &self.offered];
        shelves.iter().all(|shelf| shelf.count() == 0)
            && (self.unloaded.count() == 0 || self.disk == Disk::Failing)
            && self.gaps.is_drained()
    }
}
