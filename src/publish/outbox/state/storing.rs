//! What [`super::State`] and the disk have to do with each other: what is to be written and read, what must go, and what
//! becomes of entries when the disk fails or comes back. Called by [`super::super::worker`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::super::gap::{Gap, GapReason};
use super::super::ranges::Ranges;
use super::super::row::Row;
use super::super::shelf::Held;
use super::{Batch, Disk, State};

impl State {
    /// Drops the oldest entries that are not on disk when there are too many of them; none that is on offer.
    pub(super) fn bound_unstored(&mut self) {
        let reason = if self.disk == Disk::Absent { GapReason::Full } else { GapReason::Disk };
        while self.unstored.len() > self.limits.unstored || self.unstored_bytes > self.limits.unstored_bytes {
            let oldest = self.unstored.keys().find(|id| !self.offered.contains(**id)).copied();
            let Some((id, held)) = oldest.and_then(|id| Some((id, self.take_waiting(id)?))) else { return };
            self.leave(id, &held);
            self.lose(id, &held.tag, reason);
        }
    }

    /// Without a disk: drops what is older than this.
    pub(in crate::publish::outbox) fn expire_unstored(&mut self, born_before: Instant) {
        while let Some(id) = self.unstored.keys().find(|id| !self.offered.contains(**id)).copied() {
            let is_old = self.find(id).is_some_and(|held| held.since < born_before);
            let Some(held) = is_old.then(|| self.take_waiting(id)).flatten() else { return };
            self.leave(id, &held);
            self.lose(id, &held.tag, GapReason::Age);
        }
    }

    /// What is to be written: at most so many new entries, and everything else.
    pub(in crate::publish::outbox) fn batch(&mut self, most: usize) -> Batch {
        let ids: Vec<u64> = self.unstored.keys().take(most).copied().collect();
        let mut inserts = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(held) = self.find(id) {
                held.attempted = true;
                inserts.push((id, Arc::clone(&held.tag)));
            }
        }
        Batch { inserts, removals: self.removing.iter().copied().collect(), gaps: self.gaps.changes() }
    }

    /// How many entries are not on disk, and whether anything else is to be written.
    pub(in crate::publish::outbox) fn unwritten(&self) -> (usize, bool) {
        (self.unstored.len(), !self.removing.is_empty() || self.gaps.is_dirty())
    }

    /// The batch is on disk. Whether that brought something to offer.
    pub(in crate::publish::outbox) fn written(&mut self, batch: &Batch) -> bool {
        for id in &batch.removals {
            self.removing.remove(id);
        }
        self.gaps.written(&batch.gaps);
        for (id, _) in &batch.inserts {
            self.forget_unstored(*id);
            if let Some(held) = self.find(*id) {
                held.stored = true;
            }
        }
        for (id, _) in &batch.inserts {
            if let Some(held) = self.fresh.remove(*id) {
                self.release(*id, held);
            }
        }
        !batch.inserts.is_empty() || !batch.gaps.is_empty()
    }

    /// The first range that is to be read, when the backlog in memory is low.
    pub(in crate::publish::outbox) fn wanted(&self) -> Option<(u64, u64)> {
        let low =
            2 * self.backlog.count() < self.limits.lane && 2 * self.backlog.bytes() < self.limits.lane_bytes;
        let next = self.unloaded.first().filter(|_| self.disk == Disk::Working)?;
        (low || self.backlog.first().is_none_or(|first| next.0 < first)).then_some(next)
    }

    /// Rows that were read from the start of a range, and whether it has no more. Whether that brought something.
    pub(in crate::publish::outbox) fn loaded(
        &mut self,
        range: (u64, u64),
        rows: Vec<(u64, Row)>,
        is_all: bool,
        now: Instant,
    ) -> bool {
        if self.unloaded.first().is_none_or(|(first, _)| first != range.0) {
            // Older entries have come back meanwhile: they are first.
            return false;
        }
        let read = rows.last().map(|(id, _)| *id);
        for (id, row) in rows {
            if !self.unloaded.take(id) {
                continue;
            }
            match row.tag {
                Some(tag) => self.backlog.insert(id, Held::stored(tag, now)),
                None => self.lose_unreadable(id),
            }
        }
        let rest = self.unloaded.first();
        if is_all && rest.is_some_and(|(first, last)| last == range.1 && Some(first) >= read) {
            // The file has fewer rows than were counted.
            self.dropped[GapReason::Corrupt.index()] += self.unloaded.forget_first();
        }
        self.bound_backlog();
        true
    }

    fn lose_unreadable(&mut self, id: u64) {
        self.dropped[GapReason::Corrupt.index()] += 1;
        self.removing.insert(id);
    }

    /// Drops rows at the start of the file as long as `is_excess` says so, but none that is on offer.
    pub(in crate::publish::outbox) fn drop_oldest(
        &mut self,
        rows: Vec<(u64, Row)>,
        reason: GapReason,
        mut is_excess: impl FnMut(&Row) -> bool,
    ) {
        for (id, row) in rows {
            if self.offered.contains(id) || self.removing.contains(&id) {
                continue;
            }
            if !is_excess(&row) {
                return;
            }
            if self.take_waiting(id).is_none() && !self.unloaded.take(id) {
                self.withheld.take(id);
            }
            self.forget_unstored(id);
            match row.tag {
                Some(tag) => {
                    self.removing.insert(id);
                    self.lose(id, &tag, reason);
                }
                None => self.lose_unreadable(id),
            }
        }
    }

    /// The disk has failed: what waited for it is offered all the same.
    pub(in crate::publish::outbox) fn disk_failed(&mut self) {
        if self.disk == Disk::Failing {
            return;
        }
        self.disk = Disk::Failing;
        for (id, held) in self.fresh.take_all() {
            self.release(id, held);
        }
    }

    /// The disk takes what is written. `present` are the entries on disk out of those that are to be removed.
    pub(in crate::publish::outbox) fn disk_works(&mut self, present: BTreeSet<u64>) {
        self.disk = Disk::Working;
        self.removing.retain(|id| present.contains(id));
    }

    /// Entries that are to be removed from the disk.
    pub(in crate::publish::outbox) fn removing(&self) -> Vec<u64> {
        self.removing.iter().copied().collect()
    }

    /// The file has rows of earlier runs.
    pub(in crate::publish::outbox) fn restore(
        &mut self,
        rows: Option<(u64, u64, u64)>,
        gaps: Vec<(u64, Gap)>,
    ) {
        if let Some((first, last, count)) = rows {
            self.unloaded.push(first, last, count);
        }
        self.gaps.restore(gaps);
    }

    /// The file is new and empty: what is in memory is written again. How many entries were only on disk.
    pub(in crate::publish::outbox) fn start_over(&mut self) -> u64 {
        let gone = self.unloaded.count() + self.withheld.count();
        (self.unloaded, self.withheld) = (Ranges::default(), Ranges::default());
        self.removing.clear();
        self.gaps.start_over();
        let State { fresh, backlog, live, offered, refused, unstored, .. } = self;
        for shelf in [fresh, backlog, live, offered, refused] {
            for (id, held) in shelf.iter_mut() {
                held.stored = false;
                unstored.insert(*id, held.bytes);
            }
        }
        self.unstored_bytes = self.unstored.values().sum();
        self.dropped[GapReason::Corrupt.index()] += gone;
        gone
    }
}
