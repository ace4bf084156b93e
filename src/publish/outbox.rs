//! The outbox: where tags wait until the broker has acknowledged them.
//!
//! [`super::pending`] puts tags in and the connection takes them out. [`Outbox`] is the seam behind which a durable one
//! will stand; [`MemoryOutbox`] forgets when the process ends.

use std::collections::BTreeMap;

use super::wire;

/// Names an entry for as long as it is in the outbox. Later entries have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId(u64);

/// A tag on offer to the broker.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    pub(super) tag: wire::Tag,
}

/// What an outbox holds and has lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Depth {
    /// Tags that the broker has not acknowledged.
    pub(super) waiting: usize,
    /// Tags dropped because there was no room, or because they were too large for the broker.
    pub(super) dropped: u64,
    /// The smallest and the greatest number among the dropped; tags between them may have been delivered.
    pub(super) lost: Option<(u64, u64)>,
}

/// Keeps tags in order until each is acknowledged. No call waits for a disk or a network.
pub(super) trait Outbox: Send {
    /// Takes a tag in, as the newest. When there is no room, the oldest goes, counted.
    fn append(&mut self, tag: wire::Tag);

    /// The oldest tag that may be offered and is not on offer; from now on it is.
    fn next(&mut self) -> Option<Entry>;

    /// The broker has it: the entry leaves. One that has left already (dropped meanwhile) is no error.
    fn acknowledged(&mut self, id: EntryId);

    /// The broker did not want it: the entry stays, out of the way of later ones, until [`Outbox::retry`].
    fn refused(&mut self, id: EntryId);

    /// No broker like this one will ever take it: the entry leaves and counts as dropped.
    fn discard(&mut self, id: EntryId);

    /// Refused entries may be offered again, as historical.
    fn retry(&mut self);

    /// The connection is gone, and every offer with it: all entries wait to be offered again, as historical.
    fn withdraw(&mut self);

    /// What it holds and has lost.
    fn depth(&self) -> Depth;

    /// Whether every entry that may be offered has been and is acknowledged.
    fn is_drained(&self) -> bool;
}

/// An outbox of bounded size in memory. When it is full, the oldest tag that is not on offer goes, and only if all are
/// on offer the oldest of these.
#[derive(Debug)]
pub(super) struct MemoryOutbox {
    capacity: usize,
    next_id: u64,
    waiting: BTreeMap<EntryId, wire::Tag>,
    offered: BTreeMap<EntryId, wire::Tag>,
    refused: BTreeMap<EntryId, wire::Tag>,
    dropped: u64,
    lost: Option<(u64, u64)>,
}

impl MemoryOutbox {
    /// An empty outbox for so many tags, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        MemoryOutbox {
            capacity: capacity.max(1),
            next_id: 0,
            waiting: BTreeMap::new(),
            offered: BTreeMap::new(),
            refused: BTreeMap::new(),
            dropped: 0,
            lost: None,
        }
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.offered.len() + self.refused.len()
    }

    fn drop_oldest(&mut self) {
        let waits_longer = match (self.waiting.first_key_value(), self.refused.first_key_value()) {
            (Some((waiting, _)), Some((refused, _))) => waiting < refused,
            (waiting, _) => waiting.is_some(),
        };
        let victim = if waits_longer { self.waiting.pop_first() } else { self.refused.pop_first() }
            .or_else(|| self.offered.pop_first());
        if let Some((_, tag)) = victim {
            self.count_lost(&tag);
        }
    }

    fn count_lost(&mut self, tag: &wire::Tag) {
        self.dropped += 1;
        let (first, last) = self.lost.unwrap_or((tag.seq, tag.seq));
        self.lost = Some((first.min(tag.seq), last.max(tag.seq)));
    }
}

impl Outbox for MemoryOutbox {
    fn append(&mut self, tag: wire::Tag) {
        if self.len() >= self.capacity {
            self.drop_oldest();
        }
        self.waiting.insert(EntryId(self.next_id), tag);
        self.next_id += 1;
    }

    fn next(&mut self) -> Option<Entry> {
        let (id, tag) = self.waiting.pop_first()?;
        self.offered.insert(id, tag.clone());
        Some(Entry { id, tag })
    }

    fn acknowledged(&mut self, id: EntryId) {
        self.offered.remove(&id);
    }

    fn refused(&mut self, id: EntryId) {
        if let Some(tag) = self.offered.remove(&id) {
            self.refused.insert(id, tag);
        }
    }

    fn discard(&mut self, id: EntryId) {
        if let Some(tag) = self.offered.remove(&id) {
            self.count_lost(&tag);
        }
    }

    fn retry(&mut self) {
        for (id, mut tag) in std::mem::take(&mut self.refused) {
            tag.historical = true;
            self.waiting.insert(id, tag);
        }
    }

    fn withdraw(&mut self) {
        self.retry();
        self.waiting.append(&mut self.offered);
        for tag in self.waiting.values_mut() {
            tag.historical = true;
        }
    }

    fn depth(&self) -> Depth {
        Depth { waiting: self.len(), dropped: self.dropped, lost: self.lost }
    }

    fn is_drained(&self) -> bool {
        self.waiting.is_empty() && self.offered.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::publish::test_tags;

    fn offered(outbox: &mut MemoryOutbox) -> Vec<(u64, bool)> {
        std::iter::from_fn(|| outbox.next()).map(|entry| (entry.tag.seq, entry.tag.historical)).collect()
    }

    #[test]
    fn a_lost_connection_brings_everything_unacknowledged_back_in_order() {
        let mut outbox = MemoryOutbox::new(10);
        test_tags(1..=4).for_each(|tag| outbox.append(tag));
        let first = outbox.next().unwrap();
        let second = outbox.next().unwrap();
        outbox.acknowledged(first.id);
        outbox.refused(second.id);
        outbox.withdraw();
        test_tags(5..=5).for_each(|tag| outbox.append(tag));
        assert_eq!(offered(&mut outbox), [(2, true), (3, true), (4, true), (5, false)]);
        assert!(!outbox.is_drained());
    }

    #[test]
    fn a_refused_tag_stays_out_of_the_way_until_it_is_tried_again() {
        let mut outbox = MemoryOutbox::new(10);
        test_tags(1..=3).for_each(|tag| outbox.append(tag));
        let first = outbox.next().unwrap();
        outbox.refused(first.id);
        assert_eq!(offered(&mut outbox), [(2, false), (3, false)]);
        outbox.retry();
        assert_eq!(offered(&mut outbox), [(1, true)]);
        assert_eq!(outbox.depth().waiting, 3);
    }

    #[test]
    fn a_full_outbox_drops_the_oldest_that_is_not_on_offer_and_knows_which() {
        let mut outbox = MemoryOutbox::new(3);
        test_tags(1..=3).for_each(|tag| outbox.append(tag));
        let first = outbox.next().unwrap();
        test_tags(4..=5).for_each(|tag| outbox.append(tag));
        assert_eq!(outbox.depth(), Depth { waiting: 3, dropped: 2, lost: Some((2, 3)) });
        outbox.acknowledged(first.id);
        assert_eq!(offered(&mut outbox), [(4, false), (5, false)]);

        let mut tiny = MemoryOutbox::new(1);
        test_tags(1..=1).for_each(|tag| tiny.append(tag));
        let on_offer = tiny.next().unwrap();
        test_tags(2..=2).for_each(|tag| tiny.append(tag));
        tiny.acknowledged(on_offer.id);
        assert_eq!(tiny.depth(), Depth { waiting: 1, dropped: 1, lost: Some((1, 1)) });
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append,
        Offer,
        Acknowledge,
        Refuse,
        Retry,
        Withdraw,
    }

    proptest! {
        #[test]
        fn every_tag_is_acknowledged_or_waits_or_is_counted(
            capacity in 1usize..6,
            steps in prop::collection::vec(
                prop_oneof![
                    4 => Just(Step::Append),
                    3 => Just(Step::Offer),
                    2 => Just(Step::Acknowledge),
                    1 => Just(Step::Refuse),
                    1 => Just(Step::Retry),
                    1 => Just(Step::Withdraw),
                ],
                0..80,
            ),
        ) {
            let mut outbox = MemoryOutbox::new(capacity);
            let mut appended = 0;
            let mut on_offer: Vec<Entry> = Vec::new();
            let mut acknowledged = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Append => {
                        appended += 1;
                        test_tags(appended..=appended).for_each(|tag| outbox.append(tag));
                    }
                    Step::Offer => on_offer.extend(outbox.next()),
                    Step::Acknowledge if !on_offer.is_empty() => {
                        let entry = on_offer.remove(0);
                        outbox.acknowledged(entry.id);
                        acknowledged.insert(entry.tag.seq);
                    }
                    Step::Refuse if !on_offer.is_empty() => outbox.refused(on_offer.remove(0).id),
                    Step::Retry => outbox.retry(),
                    Step::Withdraw => {
                        outbox.withdraw();
                        on_offer.clear();
                    }
                    Step::Acknowledge | Step::Refuse => {}
                }
                prop_assert!(outbox.depth().waiting <= capacity);
            }
            outbox.withdraw();
            let depth = outbox.depth();
            let left: Vec<u64> = offered(&mut outbox).into_iter().map(|(seq, _)| seq).collect();
            prop_assert!(left.is_sorted());
            prop_assert_eq!(left.len(), depth.waiting);
            let (first, last) = depth.lost.unwrap_or((1, 0));
            for seq in 1..=appended {
                let accounted = left.contains(&seq) || acknowledged.contains(&seq) || (first..=last).contains(&seq);
                prop_assert!(accounted, "{} is nowhere", seq);
            }
            prop_assert!(left.iter().all(|seq| !acknowledged.contains(seq)));
        }
    }
}
