//! Whether the scores of `activity` tags can be read as probabilities.
//!
//! Each score counts for as long as it was told. Tags alone are too few for a share: an activity has one start tag and
//! hardly any updates.

use super::diary::TagScore;
use super::recording::Span;
use super::score::Rules;
use super::truth::{Range, covered_s, is_known};

/// Where bins of scores begin. The last one ends at 1, which belongs to it.
const FROM: [f64; 6] = [0.0, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Scores of told activities, in bins, against the truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// In the order of [`FROM`].
    bins: [Sums; FROM.len()],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    tags: usize,
    time_s: f64,
    /// Scores times seconds.
    score_s: f64,
    right_s: f64,
}

/// The scores of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Where the range begins.
    pub from: f64,
    /// Where it ends; this value belongs to it only when it is 1.
    pub to: f64,
    /// How many start and update tags carried such a score.
    pub tags: usize,
    /// For how long activities with such a score were told, in seconds, summed over activities.
    pub time_s: f64,
    /// The mean score of this time.
    pub mean_score: Option<f64>,
    /// The share of this time in which the truth has the label, or one that stands for it.
    pub right: Option<f64>,
}

impl Calibration {
    /// Adds a clip: what happens there, its tags, and what was told of it for how long. Moments without truth are left out.
    pub fn add(&mut self, ranges: &[Range], tags: &[TagScore], told: &[Span], rules: &Rules) {
        for tag in tags.iter().filter(|tag| is_known(ranges, tag.at_s)) {
            self.bin(tag.score).tags += 1;
        }
        for span in told {
            let right = ranges.iter().filter(|range| rules.are_same(&range.label, &span.label));
            let right_s = covered_s(right, span.from_s, span.to_s);
            let time_s = covered_s(ranges, span.from_s, span.to_s);
            let bin = self.bin(span.score);
            bin.time_s += time_s;
            bin.score_s += time_s * f64::from(span.score);
            bin.right_s += right_s;
        }
    }

    fn bin(&mut self, score: f32) -> &mut Sums {
        let place = FROM.iter().rposition(|from| score >= *from as f32).unwrap_or(0);
        &mut self.bins[place]
    }

    /// From the lowest scores to the highest. The lowest bin is there only when something is in it.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let bin = |(index, sums): (usize, &Sums)| Bin {
            from: FROM[index],
            to: FROM.get(index + 1).copied().unwrap_or(1.0),
            tags: sums.tags,
            time_s: sums.time_s,
            mean_score: sums.share(sums.score_s),
            right: sums.share(sums.right_s),
        };
        let bins = self.bins.iter().enumerate().map(bin);
        bins.filter(|bin| bin.from > 0.0 || bin.tags > 0 || bin.time_s > 0.0)
    }

    /// The expected calibration error, 0..=1 (Guo et al., *On Calibration of Modern Neural Networks*, 2017): the mean over
    /// all bins of |right share - mean score|, weighed by their time. Nothing when nothing was told in known time.
    pub fn error(&self) -> Option<f64> {
        let time_s: f64 = self.bins.iter().map(|bin| bin.time_s).sum();
        let apart_s: f64 = self.bins.iter().map(|bin| (bin.right_s - bin.score_s).abs()).sum();
        (time_s > 0.0).then(|| apart_s / time_s)
    }
}

impl Sums {
    fn share(&self, part_s: f64) -> Option<f64> {
        (self.time_s > 0.0).then(|| part_s / self.time_s)
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::tests::{falls, range};
    use super::*;

    fn span(label: &str, score: f32, from_s: f64, to_s: f64) -> Span {
        Span { label: label.to_owned(), score, from_s, to_s }
    }

    fn tag(label: &str, score: f32, at_s: f64) -> TagScore {
        TagScore { label: label.to_owned(), at_s, score }
    }

    #[test]
    fn scores_count_for_as_long_as_they_were_told() {
        let ranges = [range("walk", 0.0, 4.0), range("fallen", 4.0, 10.0)];
        let told = [
            // Right for 3 s of 4.
            span("walk", 0.75, 1.0, 5.0),
            // It stands for `fallen`; 2 s are past the known truth.
            span("fall", 1.0, 8.0, 12.0),
            // Never right, and no range of bins of its own.
            span("sit", 0.25, 0.0, 2.0),
        ];
        let tags = [tag("walk", 0.75, 1.0), tag("fall", 1.0, 8.0), tag("fall", 1.0, 11.0)];
        let mut calibration = Calibration::default();
        calibration.add(&ranges, &tags, &told, &falls());
        let bins: Vec<Bin> = calibration.bins().collect();
        let figures: Vec<_> =
            bins.iter().map(|bin| (bin.from, bin.tags, bin.time_s, bin.mean_score, bin.right)).collect();
        assert_eq!(
            figures,
            [
                (0.0, 0, 2.0, Some(0.25), Some(0.0)),
                (0.5, 0, 0.0, None, None),
                (0.6, 0, 0.0, None, None),
                (0.7, 1, 4.0, Some(0.75), Some(0.75)),
                (0.8, 0, 0.0, None, None),
                (0.9, 1, 2.0, Some(1.0), Some(1.0)),
            ]
        );
        assert_eq!(bins.last().map(|bin| bin.to), Some(1.0));
        // Only the 2 s of `sit` are apart, by a quarter.
        assert_eq!(calibration.error(), Some(0.5 / 8.0));
    }

    #[test]
    fn a_score_at_the_edge_belongs_to_the_bin_that_begins_there() {
        let mut calibration = Calibration::default();
        for score in [0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
            calibration.bin(score).tags += 1;
        }
        assert_eq!(calibration.bins().map(|bin| bin.tags).collect::<Vec<_>>(), [1, 1, 1, 1, 2]);
        assert_eq!(calibration.error(), None);
    }
}
