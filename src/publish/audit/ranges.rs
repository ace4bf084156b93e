//! A set of numbers, kept as ranges.

use std::collections::BTreeMap;

/// Numbers, as ranges that do not touch: first to last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `first..=last`; nothing when `last` is smaller. What is there already is not added twice.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        self.remove(first, last);
        self.0.insert(first, last);
    }

    /// Takes `first..=last` out; how many of them were there.
    pub(super) fn remove(&mut self, first: u64, last: u64) -> u64 {
        let touched: Vec<(u64, u64)> =
            self.0.range(..=last).filter(|(_, to)| **to >= first).map(|(from, to)| (*from, *to)).collect();
        let mut removed = 0;
        for (from, to) in touched {
            self.0.remove(&from);
            if from < first {
                self.0.insert(from, first - 1);
            }
            if to > last {
                self.0.insert(last + 1, to);
            }
            removed += to.min(last) - from.max(first) + 1;
        }
        removed
    }

    /// How many numbers it has.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Takes all of them out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, u64)> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_set(steps in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..12), 1..40)) {
            let mut ranges = Ranges::default();
            let mut set = BTreeSet::new();
            for (add, first, length) in steps {
                let last = first + length;
                if add {
                    ranges.add(first, last);
                    set.extend(first..=last);
                } else {
                    let before = set.len();
                    set.retain(|number| !(first..=last).contains(number));
                    prop_assert_eq!(ranges.remove(first, last), (before - set.len()) as u64);
                }
                prop_assert_eq!(ranges.count(), set.len() as u64);
            }
            let drained: BTreeSet<u64> = ranges.drain().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(drained, set);
            prop_assert_eq!(ranges.count(), 0);
        }
    }
}
