//! Which entries are on disk only: as ranges, because there may be millions.

use std::collections::BTreeMap;

/// Disjoint ranges of keys with the number of entries in each. A range may have holes: keys that nobody has any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    /// First key to last key and count.
    ranges: BTreeMap<u64, (u64, u64)>,
    count: u64,
}

impl Ranges {
    /// A range that stands after all others.
    pub(super) fn push(&mut self, first: u64, last: u64, count: u64) {
        if count > 0 {
            self.ranges.insert(first, (last, count));
            self.count += count;
        }
    }

    /// Adds one entry. It joins its neighbours when `is_free` says that no other entry is between.
    pub(super) fn insert(&mut self, key: u64, is_free: impl Fn(u64, u64) -> bool) {
        let before = self.ranges.range(..key).next_back().map(|(first, range)| (*first, *range));
        let after = self.ranges.range(key..).next().map(|(first, range)| (*first, *range));
        let (mut first, mut last, mut count) = (key, key, 1);
        if let Some((start, (end, others))) = before
            && (end >= key || end + 1 == key || is_free(end + 1, key - 1))
        {
            self.ranges.remove(&start);
            (first, last, count) = (start, end.max(key), others + 1);
        }
        if let Some((start, (end, others))) = after
            && (last + 1 == start || is_free(last + 1, start - 1))
        {
            self.ranges.remove(&start);
            (last, count) = (end, count + others);
        }
        self.ranges.insert(first, (last, count));
        self.count += 1;
    }

    /// How many entries.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many entries in the ranges that begin before `key`.
    pub(super) fn count_before(&self, key: u64) -> u64 {
        self.ranges.range(..key).map(|(_, (_, count))| count).sum()
    }

    /// The first range: a lower bound of the lowest key, and its last key.
    pub(super) fn first(&self) -> Option<(u64, u64)> {
        self.ranges.first_key_value().map(|(first, (last, _))| (*first, *last))
    }

    /// Whether a range reaches into these keys.
    pub(super) fn touches(&self, first: u64, last: u64) -> bool {
        self.ranges.range(..=last).next_back().is_some_and(|(_, (end, _))| *end >= first)
    }

    /// Takes one entry out together with every key before it in its range: those have no entry. Whether it was in.
    pub(super) fn take(&mut self, key: u64) -> bool {
        let found = self.ranges.range(..=key).next_back().map(|(first, range)| (*first, *range));
        let Some((first, (last, count))) = found.filter(|(_, (last, _))| *last >= key) else { return false };
        self.ranges.remove(&first);
        self.count -= 1;
        if key < last && count > 1 {
            self.ranges.insert(key + 1, (last, count - 1));
        } else {
            self.count -= count - 1;
        }
        true
    }

    /// Forgets the first range, of which no entry could be found. How many were expected.
    pub(super) fn forget_first(&mut self) -> u64 {
        let Some((_, (_, count))) = self.ranges.pop_first() else { return 0 };
        self.count -= count;
        count
    }

    /// Moves everything out of `other` into this.
    pub(super) fn absorb(&mut self, other: &mut Ranges) {
        for (first, (last, count)) in std::mem::take(other).ranges {
            self.push(first, last, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ranges: &Ranges) -> Vec<(u64, u64, u64)> {
        ranges.ranges.iter().map(|(first, (last, count))| (*first, *last, *count)).collect()
    }

    #[test]
    fn neighbours_join_when_nobody_is_between() {
        let mut ranges = Ranges::default();
        let taken = |first: u64, last: u64| !(first..=last).contains(&6);
        for key in [3, 4, 8, 5, 1] {
            ranges.insert(key, taken);
        }
        assert_eq!(shown(&ranges), [(1, 5, 4), (8, 8, 1)]);
        assert_eq!((ranges.count(), ranges.count_before(8), ranges.first()), (5, 4, Some((1, 5))));
        assert!(ranges.touches(5, 7) && ranges.touches(2, 2) && !ranges.touches(6, 7));
    }

    #[test]
    fn taking_passes_over_holes() {
        let mut ranges = Ranges::default();
        ranges.push(1, 100, 3);
        assert!(ranges.take(40) && !ranges.take(40) && ranges.take(60));
        assert_eq!(shown(&ranges), [(61, 100, 1)]);
        assert!(ranges.take(70));
        assert_eq!((ranges.count(), ranges.first()), (0, None));
    }
}
