//! CLEAR MOT and identity measures, as `py-motmetrics` and the MOTChallenge compute them.
//!
//! CLEAR MOT: Bernardin and Stiefelhagen, *Evaluating Multiple Object Tracking Performance*, 2008. IDF1: Ristani et al.,
//! *Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking*, 2016. A box of the truth and a
//! hypothesis may match when their IoU is at least 0.5.

use std::collections::BTreeMap;

use crate::track::{Pair, assign};

use super::Row;

/// The IoU from which on two boxes may be the same thing.
const MIN_IOU: f64 = 0.5;
/// Within a frame as many boxes as possible are matched, and only then as well as possible: more than the sum of all IoU.
const ONE_MATCH: f64 = 1000.0;

/// What a comparison counted. Scores of several sequences add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MotScore {
    /// Boxes of the truth.
    pub truth: usize,
    /// Boxes that the tracker reported.
    pub hypotheses: usize,
    /// Boxes of the truth that were matched on their frame.
    pub matches: usize,
    /// How often a thing was matched to another track than before.
    pub switches: usize,
    /// Boxes that are matched when every thing may have only one track, and every track only one thing.
    pub identity_matches: usize,
    /// Sum of the IoU of `matches`.
    pub iou_sum: f64,
}

impl MotScore {
    /// Boxes of the truth that nothing was matched to.
    pub fn misses(&self) -> usize {
        self.truth - self.matches
    }

    /// Boxes that the tracker reported where nothing is.
    pub fn false_positives(&self) -> usize {
        self.hypotheses - self.matches
    }

    /// Multiple object tracking accuracy, 1 at best, below 0 when there are more errors than things.
    pub fn mota(&self) -> f64 {
        let errors = self.misses() + self.false_positives() + self.switches;
        1.0 - ratio(errors as f64, self.truth)
    }

    /// Multiple object tracking precision: the mean IoU of matched boxes, 0.5..=1. `py-motmetrics` prints 1 minus this.
    pub fn motp(&self) -> f64 {
        ratio(self.iou_sum, self.matches)
    }

    /// The share of boxes with the right identity, 0..=1.
    pub fn idf1(&self) -> f64 {
        ratio(2.0 * self.identity_matches as f64, self.truth + self.hypotheses)
    }
}

impl std::iter::Sum for MotScore {
    fn sum<I: Iterator<Item = MotScore>>(scores: I) -> MotScore {
        scores.fold(MotScore::default(), |a, b| MotScore {
            truth: a.truth + b.truth,
            hypotheses: a.hypotheses + b.hypotheses,
            matches: a.matches + b.matches,
            switches: a.switches + b.switches,
            identity_matches: a.identity_matches + b.identity_matches,
            iou_sum: a.iou_sum + b.iou_sum,
        })
    }
}

/// Zero when there is nothing to divide by.
fn ratio(part: f64, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}

/// Compares what a tracker reported with the truth. On a frame, an id has at most one box on either side.
pub fn evaluate(truth: &[Row], hypotheses: &[Row]) -> MotScore {
    let mut frames: BTreeMap<u32, (Vec<&Row>, Vec<&Row>)> = BTreeMap::new();
    for row in truth {
        frames.entry(row.frame).or_default().0.push(row);
    }
    for row in hypotheses {
        frames.entry(row.frame).or_default().1.push(row);
    }
    let mut score = MotScore { truth: truth.len(), hypotheses: hypotheses.len(), ..MotScore::default() };
    let mut track_of: BTreeMap<i64, i64> = BTreeMap::new();
    let mut together: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for (truth, hypotheses) in frames.values() {
        match_frame(truth, hypotheses, &mut track_of, &mut score);
        for (thing, track, _) in close_pairs(truth, hypotheses) {
            *together.entry((truth[thing].id, hypotheses[track].id)).or_default() += 1;
        }
    }
    score.identity_matches = identity_matches(&together);
    score
}

/// All pairs of boxes on a frame that may match, as indices and IoU.
fn close_pairs<'a>(
    truth: &'a [&Row],
    hypotheses: &'a [&Row],
) -> impl Iterator<Item = (usize, usize, f64)> + 'a {
    truth.iter().enumerate().flat_map(move |(thing, a)| {
        hypotheses
            .iter()
            .enumerate()
            .map(move |(track, b)| (thing, track, a.bbox.iou(&b.bbox)))
            .filter(|(_, _, iou)| *iou >= MIN_IOU)
    })
}

/// Matches the boxes of a frame: what was matched before stays so while it may; the rest is matched as well as possible.
/// `track_of` is the last match of each thing, however long ago.
fn match_frame(truth: &[&Row], hypotheses: &[&Row], track_of: &mut BTreeMap<i64, i64>, score: &mut MotScore) {
    let mut thing_taken = vec![false; truth.len()];
    let mut track_taken = vec![false; hypotheses.len()];
    for (thing, track, iou) in close_pairs(truth, hypotheses) {
        let same = track_of.get(&truth[thing].id) == Some(&hypotheses[track].id);
        if same && !track_taken[track] {
            thing_taken[thing] = true;
            track_taken[track] = true;
            score.matches += 1;
            score.iou_sum += iou;
        }
    }
    let rest: Vec<Pair> = close_pairs(truth, hypotheses)
        .filter(|&(thing, track, _)| !thing_taken[thing] && !track_taken[track])
        .map(|(left, right, iou)| Pair { left, right, weight: ONE_MATCH + iou })
        .collect();
    for (thing, track) in assign(&rest) {
        let (thing, track) = (truth[thing], hypotheses[track]);
        score.matches += 1;
        score.iou_sum += thing.bbox.iou(&track.bbox);
        let before = track_of.insert(thing.id, track.id);
        if before.is_some_and(|before| before != track.id) {
            score.switches += 1;
        }
    }
}

/// The greatest number of boxes that a one-to-one assignment of things to tracks explains.
fn identity_matches(together: &BTreeMap<(i64, i64), usize>) -> usize {
    let things = distinct(together.keys().map(|pair| pair.0));
    let tracks = distinct(together.keys().map(|pair| pair.1));
    let pairs: Vec<Pair> = together
        .iter()
        .map(|((thing, track), &frames)| Pair {
            left: things[thing],
            right: tracks[track],
            weight: frames as f64,
        })
        .collect();
    let chosen = assign(&pairs);
    let mut frames = 0;
    for ((thing, track), count) in together {
        if chosen.contains(&(things[thing], tracks[track])) {
            frames += count;
        }
    }
    frames
}

/// Numbers the ids from 0, in ascending order.
fn distinct(ids: impl Iterator<Item = i64>) -> BTreeMap<i64, usize> {
    let ids: std::collections::BTreeSet<i64> = ids.collect();
    ids.into_iter().enumerate().map(|(index, id)| (id, index)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::PixelBox;
    use super::*;

    /// Boxes of 20 x 40 pixels from (frames, id, left).
    fn rows(list: &[(std::ops::RangeInclusive<u32>, i64, f64)]) -> Vec<Row> {
        let row = |frame, id, left| Row {
            frame,
            id,
            bbox: PixelBox { left, top: 0.0, width: 20.0, height: 40.0 },
            score: 1.0,
        };
        list.iter()
            .flat_map(|(frames, id, left)| frames.clone().map(move |frame| row(frame, *id, *left)))
            .collect()
    }

    /// The expected figures are those of `py-motmetrics` 1.4.0 for the same boxes: switches, false positives, misses,
    /// identity matches, MOTA, IDF1, and 1 minus its MOTP.
    fn check(truth: &[Row], hypotheses: &[Row], counts: [usize; 4], ratios: [f64; 3]) {
        let score = evaluate(truth, hypotheses);
        let counted = [score.switches, score.false_positives(), score.misses(), score.identity_matches];
        assert_eq!(counted, counts);
        for (found, expected) in [score.mota(), score.idf1(), score.motp()].into_iter().zip(ratios) {
            assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
    }

    #[test]
    fn two_that_swap_and_swap_back() {
        let truth = rows(&[(1..=6, 1, 40.0), (1..=6, 2, 80.0)]);
        let hypotheses = rows(&[
            (1..=2, 11, 42.0),
            (1..=2, 12, 82.0),
            (3..=4, 12, 42.0),
            (3..=4, 11, 82.0),
            (5..=6, 11, 42.0),
            (5..=6, 12, 82.0),
        ]);
        check(&truth, &hypotheses, [4, 0, 0, 8], [0.666_667, 0.666_667, 0.818_182]);
    }

    #[test]
    fn a_match_is_kept_though_another_fits_better() {
        let truth = rows(&[(1..=5, 1, 0.0)]);
        let hypotheses = rows(&[(1..=1, 7, 0.0), (2..=5, 7, 5.0), (2..=4, 8, 1.0)]);
        check(&truth, &hypotheses, [0, 3, 0, 5], [0.4, 0.769_231, 0.68]);
    }

    #[test]
    fn gaps_false_alarms_and_a_new_number() {
        let truth = rows(&[(1..=8, 1, 0.0), (3..=6, 2, 100.0)]);
        let hypotheses = rows(&[
            (1..=3, 1, 1.0),
            (6..=8, 2, 2.0),
            (4..=5, 3, 104.0),
            (1..=1, 4, 300.0),
            (5..=5, 4, 300.0),
        ]);
        check(&truth, &hypotheses, [1, 2, 4, 5], [0.416_667, 0.454_545, 0.812_771]);
    }

    #[test]
    fn many_matches_come_before_good_ones() {
        let truth = rows(&[(1..=1, 1, 0.0), (1..=1, 2, 6.0)]);
        let hypotheses = rows(&[(1..=1, 5, 6.0), (1..=1, 6, 11.0)]);
        check(&truth, &hypotheses, [0, 0, 0, 2], [1.0, 1.0, 0.569_231]);
    }

    #[test]
    fn nothing_reported_and_nothing_there() {
        let some = rows(&[(1..=3, 1, 0.0)]);
        check(&some, &[], [0, 0, 3, 0], [0.0, 0.0, 0.0]);
        let score = evaluate(&[], &some);
        assert_eq!((score.false_positives(), score.misses()), (3, 0));
    }

    #[test]
    fn scores_add_up() {
        let truth = rows(&[(1..=4, 1, 0.0)]);
        let score = evaluate(&truth, &truth);
        let sum: MotScore = [score, score].into_iter().sum();
        assert_eq!((sum.truth, sum.identity_matches, sum.mota(), sum.idf1()), (8, 8, 1.0, 1.0));
    }
}
