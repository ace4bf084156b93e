//! What was told of clips against what happens in them.

use std::collections::{BTreeMap, BTreeSet};

use super::truth::{Range, covered_s, is_known};

/// An activity that was told, from its start tag to its end tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What.
    pub label: String,
    /// When the start tag was made: the capture time of its frame, in seconds from the clip's first frame.
    pub at_s: f64,
    /// When it began and ended by the evidence, likewise.
    pub since_s: f64,
    /// See `since_s`.
    pub until_s: f64,
    /// Height of the box of who does it, as a part of the picture's. 0 for a group, which is no larger person.
    pub height: f64,
}

/// What counts as right.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// A start tag comes in time when it comes so many seconds after the end of what happens, or earlier.
    pub grace_s: f64,
    /// Labels that stand for each other, such as `fall` and `fallen`.
    pub same: Vec<BTreeSet<String>>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { grace_s: 2.0, same: Vec::new() }
    }
}

impl Rules {
    /// Whether two labels are equal or stand for each other.
    pub(super) fn are_same(&self, one: &str, other: &str) -> bool {
        one == other || self.same.iter().any(|group| group.contains(one) && group.contains(other))
    }
}

/// How well a label is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelScore {
    /// How often it happens.
    pub events: usize,
    /// How long after the begin of an event its tag came, in seconds, for each that was told, shortest first.
    pub delays_s: Vec<f64>,
    /// How often it was told although it did not happen.
    pub false_events: usize,
    /// How long it happens, in seconds.
    pub time_s: f64,
    /// Of this time, for how long what was told at each moment, in seconds. `None` for nothing. The label itself counts when
    /// anybody or any group is told to do it; else what the largest person is told to do; else what a group is told to do.
    pub told_s: BTreeMap<Option<String>, f64>,
    /// How long it was told although neither it nor a label that stands for it happened, in seconds of known truth.
    pub false_s: f64,
}

/// The figures of all clips together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityScore {
    /// By label, those that happen and those that were told.
    pub labels: BTreeMap<String, LabelScore>,
    /// For how long the truth is known, in seconds.
    pub time_s: f64,
}

impl LabelScore {
    /// Share of the events that were told.
    pub fn recall(&self) -> Option<f64> {
        (self.events > 0).then(|| self.delays_s.len() as f64 / self.events as f64)
    }

    /// For how long the label, which this is the score of, was told while it happened, or a label that stands for it.
    pub(super) fn right_s(&self, label: &str, rules: &Rules) -> f64 {
        let is_right = |told: &Option<String>| told.as_ref().is_some_and(|told| rules.are_same(told, label));
        // A sum of nothing would be -0.
        self.told_s.iter().filter(|(told, _)| is_right(told)).fold(0.0, |sum, (_, time_s)| sum + time_s)
    }

    /// Half of the delays are no longer, in seconds.
    pub fn median_delay_s(&self) -> Option<f64> {
        self.delays_s.get(self.delays_s.len().checked_sub(1)? / 2).copied()
    }
}

impl ActivityScore {
    /// Share of a label's time in which it was told, or a label that stands for it.
    pub fn right(&self, label: &str, rules: &Rules) -> Option<f64> {
        let score = self.labels.get(label).filter(|score| score.time_s > 0.0)?;
        Some(score.right_s(label, rules) / score.time_s)
    }

    /// How often in an hour a label was told although it did not happen.
    pub fn false_per_hour(&self, label: &str) -> Option<f64> {
        let score = self.labels.get(label).filter(|_| self.time_s > 0.0)?;
        Some(score.false_events as f64 * 3600.0 / self.time_s)
    }
}

/// Compares what was told of each clip with what happens there. What is told at a time of which no range speaks counts
/// neither as right nor as false.
pub fn score<'a>(clips: impl IntoIterator<Item = (&'a [Range], &'a [Told])>, rules: &Rules) -> ActivityScore {
    let mut score = ActivityScore::default();
    for (ranges, told) in clips {
        for range in ranges {
            let delay_s = told
                .iter()
                .filter(|told| is_of(told, range, rules))
                .map(|told| told.at_s - range.from_s)
                .min_by(f64::total_cmp);
            let label = score.labels.entry(range.label.clone()).or_default();
            label.events += 1;
            label.delays_s.extend(delay_s);
            label.time_s += range.to_s - range.from_s;
            for (from_s, to_s) in pieces(range, told) {
                *label.told_s.entry(told_at((from_s + to_s) / 2.0, range, told, rules)).or_default() +=
                    to_s - from_s;
            }
        }
        for told in told {
            let label = score.labels.entry(told.label.clone()).or_default();
            let is_false =
                is_known(ranges, told.at_s) && !ranges.iter().any(|range| is_of(told, range, rules));
            label.false_events += usize::from(is_false);
        }
        for (label, false_s) in false_times(ranges, told, rules) {
            score.labels.entry(label.to_owned()).or_default().false_s += false_s;
        }
        score.time_s += covered_s(ranges, 0.0, f64::INFINITY);
    }
    for label in score.labels.values_mut() {
        label.delays_s.sort_by(f64::total_cmp);
    }
    score
}

/// Whether something told speaks of what happens in a range.
fn is_of(told: &Told, range: &Range, rules: &Rules) -> bool {
    rules.are_same(&told.label, &range.label)
        && told.at_s <= range.to_s + rules.grace_s
        && told.until_s > range.from_s
}

/// A range in pieces in which what is told does not change.
fn pieces(range: &Range, told: &[Told]) -> Vec<(f64, f64)> {
    let inside = |at_s: &f64| (range.from_s..range.to_s).contains(at_s);
    let mut cuts: Vec<f64> =
        told.iter().flat_map(|told| [told.since_s, told.until_s]).filter(inside).collect();
    cuts.extend([range.from_s, range.to_s]);
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// What is told at a moment in which this happens.
fn told_at(at_s: f64, range: &Range, told: &[Told], rules: &Rules) -> Option<String> {
    let now = || told.iter().filter(|told| (told.since_s..told.until_s).contains(&at_s));
    now()
        .find(|told| told.label == range.label)
        .or_else(|| now().find(|told| rules.are_same(&told.label, &range.label)))
        .or_else(|| now().max_by(|one, other| one.height.total_cmp(&other.height)))
        .map(|told| told.label.clone())
}

/// For how long each label was told although it did not happen. Two people who are told to do the same count once.
fn false_times<'a>(ranges: &[Range], told: &'a [Told], rules: &Rules) -> BTreeMap<&'a str, f64> {
    let mut in_order: Vec<&Told> = told.iter().collect();
    in_order.sort_by(|one, other| one.since_s.total_cmp(&other.since_s));
    // Of each label, until when its time has been counted, and its false time.
    let mut counted: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for told in in_order {
        let (until_s, false_s) = counted.entry(&told.label).or_default();
        let (from_s, to_s) = (told.since_s.max(*until_s), told.until_s);
        if to_s > from_s {
            let right = ranges.iter().filter(|range| rules.are_same(&range.label, &told.label));
            *false_s += covered_s(ranges, from_s, to_s) - covered_s(right, from_s, to_s);
            *until_s = to_s;
        }
    }
    counted.into_iter().map(|(label, (_, false_s))| (label, false_s)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn range(label: &str, from_s: f64, to_s: f64) -> Range {
        Range { from_s, to_s, label: label.to_owned() }
    }

    fn told(label: &str, at_s: f64, since_s: f64, until_s: f64) -> Told {
        Told { label: label.to_owned(), at_s, since_s, until_s, height: 0.5 }
    }

    /// `fall` and `fallen` stand for each other.
    pub fn falls() -> Rules {
        Rules { same: vec![["fall", "fallen"].map(str::to_owned).into()], ..Rules::default() }
    }

    #[test]
    fn events_delays_and_times_are_those_of_the_tags() {
        let ranges = [range("stand", 0.0, 2.0), range("fall", 2.0, 3.0), range("fallen", 3.0, 8.0)];
        let tags = [told("stand", 1.0, 0.5, 2.5), told("fallen", 4.0, 3.5, 8.0), told("wave", 1.5, 1.0, 1.5)];
        let score = score([(&ranges[..], &tags[..])], &falls());
        let fall = &score.labels["fall"];
        assert_eq!((fall.events, fall.delays_s.as_slice(), fall.false_events), (1, &[2.0][..], 0));
        assert_eq!((score.right("fall", &falls()), fall.told_s[&None]), (Some(0.0), 0.5));
        let fallen = &score.labels["fallen"];
        assert_eq!((fallen.recall(), fallen.median_delay_s()), (Some(1.0), Some(1.0)));
        assert_eq!(score.right("fallen", &falls()), Some(0.9));
        assert_eq!(score.right("stand", &falls()), Some(0.75));
        assert_eq!((score.labels["wave"].false_events, score.time_s), (1, 8.0));
        assert_eq!(score.false_per_hour("wave"), Some(450.0));
    }

    #[test]
    fn labels_that_stand_for_each_other_do_so_in_events_and_time() {
        let ranges = [range("fall", 2.0, 3.0)];
        let early = [told("fallen", 3.5, 2.5, 6.0)];
        let score_of = |rules: &Rules, tags: &[Told]| score([(&ranges[..], tags)], rules);
        assert_eq!(score_of(&falls(), &early).labels["fall"].recall(), Some(1.0));
        assert_eq!(score_of(&falls(), &early).right("fall", &falls()), Some(0.5));
        assert_eq!(score_of(&Rules::default(), &early).labels["fall"].recall(), Some(0.0));
        let late = [told("fallen", 5.1, 2.5, 6.0)];
        assert_eq!(score_of(&falls(), &late).labels["fall"].recall(), Some(0.0));
    }

    #[test]
    fn what_no_range_speaks_of_is_neither_right_nor_false() {
        let ranges = [range("walk", 4.0, 6.0)];
        let tags = [told("run", 1.0, 0.5, 3.0), told("run", 5.0, 3.5, 7.0), told("walk", 9.0, 8.0, 10.0)];
        let score = score([(&ranges[..], &tags[..])], &Rules::default());
        assert_eq!((score.labels["run"].false_events, score.labels["walk"].false_events), (1, 0));
        assert_eq!(score.labels["walk"].told_s, [(Some("run".to_owned()), 2.0)].into());
    }

    #[test]
    fn time_that_a_label_is_told_falsely_counts_once_and_only_where_the_truth_is_known() {
        let ranges = [range("walk", 2.0, 4.0), range("fallen", 4.0, 8.0)];
        let tags = [
            told("walk", 1.5, 1.0, 6.0),
            told("walk", 5.5, 5.0, 7.0),
            told("fall", 4.5, 3.5, 5.0),
            told("sit", 9.0, 8.5, f64::INFINITY),
        ];
        let score = score([(&ranges[..], &tags[..])], &falls());
        let false_s = |label: &str| score.labels[label].false_s;
        assert_eq!((false_s("walk"), false_s("fall"), false_s("sit")), (3.0, 0.5, 0.0));
        assert_eq!(score.labels["fallen"].right_s("fallen", &falls()), 1.0);
    }

    #[test]
    fn of_several_people_the_one_who_does_it_counts_and_else_the_largest() {
        let ranges = [range("walk", 0.0, 2.0), range("sit", 1.0, 3.0)];
        let tags = [
            Told { height: 0.9, ..told("stand", 0.5, 0.0, 3.0) },
            Told { height: 0.2, ..told("run", 0.5, 0.0, 3.0) },
            Told { height: 0.1, ..told("walk", 0.5, 0.0, 2.0) },
        ];
        let score = score([(&ranges[..], &tags[..])], &Rules::default());
        assert_eq!(score.labels["walk"].told_s, [(Some("walk".to_owned()), 2.0)].into());
        assert_eq!(score.labels["sit"].told_s, [(Some("stand".to_owned()), 2.0)].into());
        assert_eq!(score.time_s, 3.0);
    }
}
