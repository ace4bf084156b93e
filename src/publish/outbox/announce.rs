//! The gaps that nobody has acknowledged yet. Few, so all of them are in memory, and on disk as well.

use std::collections::{BTreeMap, BTreeSet};

use super::gap::Gap;

/// So many gaps at most. Past it, the two that are closest together become one, which then also names tags that were
/// delivered: better than to be silent about lost ones.
pub(super) const MOST_GAPS: usize = 1024;

/// Gaps by the id of the entry whose place they take.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    all: BTreeMap<u64, Gap>,
    waiting: BTreeSet<u64>,
    offered: BTreeSet<u64>,
    /// Changed since they were written.
    dirty: BTreeSet<u64>,
    /// Gaps given up unannounced, because there were too many.
    pub(super) given_up: u64,
}

impl Gaps {
    /// Those that the file has.
    pub(super) fn restore(&mut self, gaps: impl IntoIterator<Item = (u64, Gap)>) {
        for (id, gap) in gaps {
            self.waiting.insert(id);
            self.all.insert(id, gap);
        }
    }

    /// A tag is lost, in this place. It joins a waiting gap next to it.
    pub(super) fn add(&mut self, id: u64, gap: Gap) {
        let before = self.waiting.range(..id).next_back().copied();
        let after = self.waiting.range(id..).next().copied();
        let mut place = id;
        if let Some(before) = before
            && let Some(earlier) = self.all.get_mut(&before)
            && earlier.leads_to(&gap)
        {
            earlier.last = gap.last;
            place = before;
        } else if let Some(after) = after
            && let Some(later) = self.all.get_mut(&after)
            && gap.leads_to(later)
        {
            later.first = gap.first;
            self.dirty.insert(after);
            return;
        } else {
            self.all.insert(id, gap);
            self.waiting.insert(id);
        }
        self.dirty.insert(place);
        if let Some(after) = after
            && let (Some(gap), Some(later)) = (self.all.get(&place), self.all.get(&after))
            && gap.leads_to(later)
        {
            self.join(place, after);
        }
        if self.all.len() > MOST_GAPS {
            self.make_room();
        }
    }

    /// The later one becomes part of the earlier.
    fn join(&mut self, earlier: u64, later: u64) {
        if let Some(joined) = self.remove(later)
            && let Some(gap) = self.all.get_mut(&earlier)
        {
            gap.last = joined.last;
            self.dirty.insert(earlier);
        }
    }

    fn make_room(&mut self) {
        let ids: Vec<u64> = self.waiting.iter().copied().collect();
        let hole = |pair: &[u64]| {
            let (earlier, later) = (self.all.get(&pair[0])?, self.all.get(&pair[1])?);
            earlier.is_like(later).then(|| (later.first.saturating_sub(earlier.last), pair[0], pair[1]))
        };
        match ids.windows(2).filter_map(hole).min() {
            Some((_, earlier, later)) => self.join(earlier, later),
            None => {
                if let Some(oldest) = ids.first() {
                    self.remove(*oldest);
                    self.given_up += 1;
                }
            }
        }
    }

    fn remove(&mut self, id: u64) -> Option<Gap> {
        self.waiting.remove(&id);
        self.offered.remove(&id);
        let gap = self.all.remove(&id)?;
        self.dirty.insert(id);
        Some(gap)
    }

    /// The place of the oldest that may be offered: only one that the file has as it is, unless there is no file. Else
    /// a power cut could bring back a tag that was called lost.
    pub(super) fn first(&self, must_be_written: bool) -> Option<u64> {
        self.waiting.iter().find(|id| !must_be_written || !self.dirty.contains(id)).copied()
    }

    /// Offers it.
    pub(super) fn offer(&mut self, id: u64) -> Option<Gap> {
        self.waiting.remove(&id);
        self.offered.insert(id);
        self.all.get(&id).cloned()
    }

    /// The broker has it, or never will. Whether it was a gap on offer.
    pub(super) fn finish(&mut self, id: u64) -> bool {
        self.offered.contains(&id) && self.remove(id).is_some()
    }

    /// The broker did not want it. One that is not on offer is no error.
    pub(super) fn refuse(&mut self, id: u64) {
        self.offered.remove(&id);
    }

    /// All may be offered again.
    pub(super) fn withdraw(&mut self) {
        self.offered.clear();
        self.waiting = self.all.keys().copied().collect();
    }

    /// The refused may be offered again.
    pub(super) fn retry(&mut self) {
        self.waiting = self.all.keys().filter(|id| !self.offered.contains(id)).copied().collect();
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// How many wait before `id` and are not on offer.
    pub(super) fn before(&self, id: u64) -> usize {
        self.all.range(..id).count() - self.offered.range(..id).count()
    }

    /// Whether every one that may be offered is acknowledged.
    pub(super) fn is_drained(&self) -> bool {
        self.waiting.is_empty() && self.offered.is_empty()
    }

    /// Whether the file lacks something.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What the file does not have yet: the gap, or that it is gone.
    pub(super) fn changes(&self) -> Vec<(u64, Option<Gap>)> {
        self.dirty.iter().map(|id| (*id, self.all.get(id).cloned())).collect()
    }

    /// The file has these now.
    pub(super) fn written(&mut self, changes: &[(u64, Option<Gap>)]) {
        for (id, written) in changes {
            if self.all.get(id) == written.as_ref() {
                self.dirty.remove(id);
            }
        }
    }

    /// The file has none of them.
    pub(super) fn start_over(&mut self) {
        self.dirty = self.all.keys().copied().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::outbox::GapReason;
    use crate::publish::test_tags;

    fn gap(seq: u64, reason: GapReason) -> Gap {
        Gap::of(&test_tags(seq..=seq).next().unwrap(), reason)
    }

    fn named(gaps: &Gaps) -> Vec<(u64, u64, u64)> {
        gaps.all.iter().map(|(id, gap)| (*id, gap.first, gap.last)).collect()
    }

    #[test]
    fn neighbours_of_one_reason_join() {
        let mut gaps = Gaps::default();
        for (id, reason) in
            [(11, GapReason::Age), (12, GapReason::Age), (14, GapReason::Age), (15, GapReason::Full)]
        {
            gaps.add(id, gap(id - 10, reason));
        }
        assert_eq!(named(&gaps), [(11, 1, 2), (14, 4, 4), (15, 5, 5)]);
        gaps.add(13, gap(3, GapReason::Age));
        assert_eq!(named(&gaps), [(11, 1, 4), (15, 5, 5)]);
        assert_eq!(gaps.changes().iter().filter(|(_, gap)| gap.is_none()).count(), 1);
        gaps.written(&gaps.changes());
        assert_eq!(gaps.changes(), []);
    }

    #[test]
    fn one_on_offer_does_not_grow() {
        let mut gaps = Gaps::default();
        gaps.add(11, gap(1, GapReason::Full));
        assert_eq!(gaps.first(false).and_then(|id| gaps.offer(id)).map(|gap| gap.last), Some(1));
        gaps.add(12, gap(2, GapReason::Full));
        assert_eq!(named(&gaps), [(11, 1, 1), (12, 2, 2)]);
        assert_eq!((gaps.first(false), gaps.first(true), gaps.before(13)), (Some(12), None, 1));
        gaps.written(&gaps.changes());
        assert_eq!(gaps.first(true), Some(12));
        assert!(gaps.finish(11) && !gaps.finish(11));
        assert!(!gaps.is_drained());
    }

    #[test]
    fn there_are_never_too_many() {
        let mut gaps = Gaps::default();
        for n in 0..2 * MOST_GAPS as u64 {
            gaps.add(100 + 2 * n, gap(1 + 2 * n, GapReason::Full));
        }
        assert_eq!((gaps.count(), gaps.given_up), (MOST_GAPS, 0));
        let (first, last) = (named(&gaps)[0].1, named(&gaps)[MOST_GAPS - 1].2);
        assert_eq!((first, last), (1, 4 * MOST_GAPS as u64 - 1));
    }
}
