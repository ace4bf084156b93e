//! Optimal assignment of tracks to detections.
//!
//! The pairs that may match at all are few: things that stand apart never compete. So the pairs fall into small groups
//! that share no track and no detection, and each group is solved on its own with the Hungarian method (Kuhn 1955,
//! Munkres 1957). The sum over the groups is the optimum over all, at a fraction of the cost.

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

/// A pair that may match.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    /// Index on the left side, such as a track.
    pub left: usize,
    /// Index on the right side, such as a detection.
    pub right: usize,
    /// What matching the two is worth; only a positive weight may match.
    pub weight: f64,
}

/// Steps per unit of weight: the Hungarian method wants whole numbers.
const STEPS: f64 = 1_000_000.0;

/// The one-to-one matching with the greatest sum of weights, as `(left, right)` in order of the groups' first pair.
/// Equal sums are resolved by the order of `pairs`, the same way every time.
pub(crate) fn assign(pairs: &[Pair]) -> Vec<(usize, usize)> {
    let mut matches = Vec::new();
    let mut left = Compact::default();
    let mut right = Compact::default();
    for group in groups(pairs) {
        if let [only] = group[..] {
            matches.push((only.left, only.right));
            continue;
        }
        left.fill(group.iter().map(|pair| pair.left));
        right.fill(group.iter().map(|pair| pair.right));
        let transposed = left.len() > right.len();
        let (rows, columns) = if transposed { (right.len(), left.len()) } else { (left.len(), right.len()) };
        let mut weights = Matrix::new(rows, columns, 0i64);
        for pair in &group {
            let (l, r) = (left.position(pair.left), right.position(pair.right));
            let cell = if transposed { (r, l) } else { (l, r) };
            #[allow(clippy::cast_possible_truncation, reason = "weights are of the order of 1")]
            let weight = (pair.weight * STEPS) as i64;
            weights[cell] = weight.max(1);
        }
        let (_, columns_of_rows) = kuhn_munkres(&weights);
        for (row, column) in columns_of_rows.into_iter().enumerate() {
            if weights[(row, column)] > 0 {
                let (l, r) = if transposed { (column, row) } else { (row, column) };
                matches.push((left.0[l], right.0[r]));
            }
        }
    }
    matches
}

/// The distinct indices of one side of a group, ascending.
#[derive(Default)]
struct Compact(Vec<usize>);

impl Compact {
    fn fill(&mut self, indices: impl Iterator<Item = usize>) {
        self.0.clear();
        self.0.extend(indices);
        self.0.sort_unstable();
        self.0.dedup();
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn position(&self, index: usize) -> usize {
        self.0.binary_search(&index).expect("filled from the same group")
    }
}

/// Splits the pairs with a positive weight into groups that share no index, in order of their first pair.
fn groups(pairs: &[Pair]) -> Vec<Vec<Pair>> {
    let usable = |pair: &&Pair| pair.weight > 0.0;
    let lefts = pairs.iter().map(|pair| pair.left + 1).max().unwrap_or(0);
    let rights = pairs.iter().map(|pair| pair.right + 1).max().unwrap_or(0);
    let mut forest = Forest((0..lefts + rights).collect());
    for pair in pairs.iter().filter(usable) {
        forest.join(pair.left, lefts + pair.right);
    }
    let mut group_of_root = vec![None; lefts + rights];
    let mut groups: Vec<Vec<Pair>> = Vec::new();
    for pair in pairs.iter().filter(usable) {
        let slot = &mut group_of_root[forest.root(pair.left)];
        let index = *slot.get_or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[index].push(*pair);
    }
    groups
}

/// Disjoint sets: every element points towards the root of its set.
struct Forest(Vec<usize>);

impl Forest {
    fn root(&mut self, mut element: usize) -> usize {
        while self.0[element] != element {
            self.0[element] = self.0[self.0[element]];
            element = self.0[element];
        }
        element
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(list: &[(usize, usize, f64)]) -> Vec<Pair> {
        list.iter().map(|&(left, right, weight)| Pair { left, right, weight }).collect()
    }

    #[test]
    fn takes_the_best_sum_not_the_best_pair() {
        let cases: [(&[(usize, usize, f64)], &[(usize, usize)]); 5] = [
            (&[], &[]),
            (&[(3, 7, 0.1)], &[(3, 7)]),
            (&[(0, 0, 0.9), (0, 1, 0.8), (1, 0, 0.8)], &[(0, 1), (1, 0)]),
            (&[(0, 0, 0.5), (1, 0, 0.6), (2, 0, 0.4)], &[(1, 0)]),
            (&[(0, 0, 0.0), (1, 1, -1.0), (2, 2, f64::NAN)], &[]),
        ];
        for (list, expected) in cases {
            assert_eq!(assign(&pairs(list)), expected, "{list:?}");
        }
    }

    /// The greatest sum by trying everything.
    fn best_sum(pairs: &[Pair]) -> f64 {
        let Some((first, rest)) = pairs.split_first() else { return 0.0 };
        let compatible: Vec<Pair> = rest
            .iter()
            .filter(|pair| pair.left != first.left && pair.right != first.right)
            .copied()
            .collect();
        best_sum(rest).max(first.weight + best_sum(&compatible))
    }

    proptest! {
        #[test]
        fn is_one_to_one_and_optimal(weights in prop::collection::vec(0.0f64..1.0, 16), gate in 0.0f64..0.8) {
            let all: Vec<Pair> = weights
                .iter()
                .enumerate()
                .filter(|(_, weight)| **weight > gate)
                .map(|(i, &weight)| Pair { left: i / 4, right: i % 4, weight })
                .collect();
            let matches = assign(&all);
            let mut lefts: Vec<_> = matches.iter().map(|m| m.0).collect();
            let mut rights: Vec<_> = matches.iter().map(|m| m.1).collect();
            lefts.sort_unstable();
            rights.sort_unstable();
            lefts.dedup();
            rights.dedup();
            prop_assert_eq!((lefts.len(), rights.len()), (matches.len(), matches.len()));
            let sum: f64 = matches.iter().map(|&(l, r)| weights[l * 4 + r]).sum();
            prop_assert!((sum - best_sum(&all)).abs() < 1e-4);
        }
    }
}
