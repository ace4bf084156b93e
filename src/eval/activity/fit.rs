//! Finds the thresholds that are best on clips whose truth is known.
//!
//! Every candidate is tried for real: the recorded judgements go through the rules with this threshold, and what is told
//! then is scored. Labels of one classifier compete, so they are fitted in turn, and again until none changes.

mod table;

use std::collections::BTreeSet;

use super::recording::Recording;
use super::score::{ActivityScore, Rules, score};
use super::truth::Range;
use crate::config::{Activities, ActivityRule};
use crate::tag::Label;

/// Labels that raise alarms. Their events count, right and false ones; their time does not.
const ALARMS: [&str; 2] = ["fall", "fallen"];

/// Candidates are multiples of 0.05: from 0.30 to 0.95.
const TWENTIETHS: std::ops::RangeInclusive<u8> = 6..=19;

/// A smaller difference in F1 is a tie.
const TIE: f64 = 0.005;

/// Every label is fitted so often at most.
const MOST_ROUNDS: usize = 3;

/// With fewer events than this, a label keeps its threshold;
const LEAST_EVENTS: usize = 2;
/// and also with less time, unless it is fitted by events.
const LEAST_TIME_S: f64 = 5.0;

/// Thresholds before and after fitting, and what they give.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The labels that the truth names, in the order of the alphabet.
    labels: Vec<Fitted>,
    clips: usize,
    /// For how long the truth is known, in seconds.
    time_s: f64,
}

/// A label that the truth names.
#[derive(Clone, Debug, PartialEq)]
struct Fitted {
    label: String,
    verdict: Verdict,
    events: usize,
    time_s: f64,
    /// Labels that stand for it.
    others: Vec<String>,
    measure: Measure,
    before: Outcome,
    after: Outcome,
}

/// Whether a label was fitted, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fitted,
    /// The truth has too little of it.
    TooLittle,
    /// The settings do not tell it.
    Off,
    /// No model says it.
    Unknown,
}

/// What F1 is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// Events that are told, of the label and of those that stand for it.
    Events,
    /// Time that is told right.
    Time,
}

/// A rule, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outcome {
    rule: ActivityRule,
    figures: Figures,
}

/// Events or seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figures {
    /// Happened and was told.
    right: f64,
    /// Was told and did not happen.
    wrong: f64,
    /// Happened and was not told.
    missed: f64,
}

impl Figures {
    fn of(score: &ActivityScore, label: &str, measure: Measure, rules: &Rules) -> Figures {
        match measure {
            Measure::Time => score.labels.get(label).map_or_else(Figures::default, |of_label| {
                let right = of_label.right_s(label, rules);
                Figures { right, wrong: of_label.false_s, missed: (of_label.time_s - right).max(0.0) }
            }),
            Measure::Events => {
                let same = score.labels.iter().filter(|(other, _)| rules.are_same(other, label));
                same.fold(Figures::default(), |sum, (_, of_label)| Figures {
                    right: sum.right + of_label.delays_s.len() as f64,
                    wrong: sum.wrong + of_label.false_events as f64,
                    missed: sum.missed + (of_label.events - of_label.delays_s.len()) as f64,
                })
            }
        }
    }

    /// 0 when nothing happened and nothing was told.
    fn f1(&self) -> f64 {
        share(2.0 * self.right, 2.0 * self.right + self.wrong + self.missed)
    }

    fn precision(&self) -> f64 {
        share(self.right, self.right + self.wrong)
    }

    fn recall(&self) -> f64 {
        share(self.right, self.right + self.missed)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Fits the thresholds of all labels that the truth of `clips` names. `known` are the labels that the models say.
///
/// The best threshold of a label has the highest F1: of its time; or of events for `fall`, `fallen` and what stands for them by
/// `rules`. Ties, and that is all within 0.005 of the best, go to the threshold of `options`, then to the nearest to it,
/// then to the higher one.
pub fn fit(clips: &[(&[Range], &Recording)], options: &Activities, known: &[Label], rules: &Rules) -> Fit {
    let labels: BTreeSet<&str> =
        clips.iter().flat_map(|(ranges, _)| ranges.iter().map(|range| &*range.label)).collect();
    let before = play(clips, options, rules);
    let verdicts: Vec<(&str, Measure, Verdict)> = labels
        .into_iter()
        .map(|label| {
            let measure = measure(label, rules);
            (label, measure, verdict(&before, label, measure, options, known))
        })
        .collect();
    let mut fitted = options.clone();
    for _ in 0..MOST_ROUNDS {
        let last = fitted.clone();
        for (label, measure, _) in verdicts.iter().filter(|(.., verdict)| *verdict == Verdict::Fitted) {
            let configured = options.of(label);
            let f1 = |threshold: f32| {
                fitted.labels.insert((*label).to_owned(), ActivityRule { threshold, ..configured });
                Figures::of(&play(clips, &fitted, rules), label, *measure, rules).f1()
            };
            let threshold = best(configured.threshold, f1);
            fitted.labels.insert((*label).to_owned(), ActivityRule { threshold, ..configured });
        }
        if fitted == last {
            break;
        }
    }
    let after = play(clips, &fitted, rules);
    let outcome = |(label, measure, verdict): (&str, Measure, Verdict)| {
        let outcome = |options: &Activities, score: &ActivityScore| Outcome {
            rule: options.of(label),
            figures: Figures::of(score, label, measure, rules),
        };
        let others = before.labels.keys().filter(|other| *other != label && rules.are_same(other, label));
        Fitted {
            label: label.to_owned(),
            verdict,
            events: before.labels.get(label).map_or(0, |of_label| of_label.events),
            time_s: before.labels.get(label).map_or(0.0, |of_label| of_label.time_s),
            others: others.cloned().collect(),
            measure,
            before: outcome(options, &before),
            after: outcome(&fitted, &after),
        }
    };
    Fit { labels: verdicts.into_iter().map(outcome).collect(), clips: clips.len(), time_s: before.time_s }
}

/// What the clips give under these settings.
fn play(clips: &[(&[Range], &Recording)], options: &Activities, rules: &Rules) -> ActivityScore {
    let diaries: Vec<_> = clips.iter().map(|(_, recording)| recording.tell(options)).collect();
    score(clips.iter().zip(&diaries).map(|((ranges, _), diary)| (*ranges, diary.told())), rules)
}

fn measure(label: &str, rules: &Rules) -> Measure {
    let is_alarm = ALARMS.iter().any(|alarm| rules.are_same(alarm, label));
    if is_alarm { Measure::Events } else { Measure::Time }
}

fn verdict(
    score: &ActivityScore,
    label: &str,
    measure: Measure,
    options: &Activities,
    known: &[Label],
) -> Verdict {
    let is_enough = score.labels.get(label).is_some_and(|of_label| {
        of_label.events >= LEAST_EVENTS && (measure == Measure::Events || of_label.time_s >= LEAST_TIME_S)
    });
    if !known.iter().any(|known| **known == *label) {
        Verdict::Unknown
    } else if !(options.enabled && options.of(label).enabled) {
        Verdict::Off
    } else if is_enough {
        Verdict::Fitted
    } else {
        Verdict::TooLittle
    }
}

/// The best threshold by `f1`, which is asked for every candidate.
fn best(configured: f32, mut f1: impl FnMut(f32) -> f64) -> f32 {
    let candidates = TWENTIETHS.map(|twentieths| f32::from(twentieths) / 20.0).chain([configured]);
    let tried: Vec<(f32, f64)> = candidates.map(|threshold| (threshold, f1(threshold))).collect();
    let highest = tried.iter().map(|(_, f1)| *f1).fold(0.0, f64::max);
    let ties = tried.iter().filter(|(_, f1)| *f1 >= highest - TIE).map(|(threshold, _)| *threshold);
    // In steps of 0.001, so that equal distances are equal in floating point.
    let distance = |threshold: f32| ((threshold - configured).abs() * 1000.0).round();
    let nearest = ties
        .min_by(|one, other| distance(*one).total_cmp(&distance(*other)).then_with(|| other.total_cmp(one)));
    nearest.unwrap_or(configured)
}

#[cfg(test)]
mod tests;
