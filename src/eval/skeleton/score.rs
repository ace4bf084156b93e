//! How well a classifier's answers fit the truth.

use super::Probabilities;
use crate::tag::Label;

/// Bins of the expected calibration error.
pub const CALIBRATION_BINS: usize = 15;

/// What a classifier answered to a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Index of the true label.
    pub truth: usize,
    /// What it gave for the clip.
    pub probabilities: Probabilities,
}

impl Answer {
    /// The label with the highest probability, whatever that of `unknown` is; the first of equals.
    fn choice(&self) -> usize {
        let labels = &self.probabilities.labels;
        // `max_by` would take the last of equals.
        (1..labels.len()).fold(0, |best, index| if labels[index] > labels[best] { index } else { best })
    }

    /// The probability that it gives to its choice.
    fn confidence(&self) -> f64 {
        self.probabilities.labels.get(self.choice()).copied().unwrap_or_default()
    }

    fn is_unknown(&self) -> bool {
        self.probabilities.unknown > self.confidence()
    }

    fn is_right(&self) -> bool {
        self.choice() == self.truth
    }
}

/// How well one label is told from the others, when the best of the labels counts as the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScore {
    /// The label.
    pub label: Label,
    /// How many clips are of it.
    pub clips: usize,
    /// How many of these were answered with `unknown`.
    pub unknown: usize,
    /// How many of the answers with this label are right; nothing without such answers.
    pub precision: Option<f64>,
    /// How many of the clips of this label were answered with it; nothing without such clips.
    pub recall: Option<f64>,
    /// The harmonic mean of both: twice the right ones over clips plus answers; nothing without either.
    pub f1: Option<f64>,
}

/// How well a classifier's answers fit the truth. At least one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct SkeletonScore {
    /// How many clips.
    pub clips: usize,
    /// The share of clips whose label has the highest probability of all labels; `unknown` is not asked.
    pub accuracy: f64,
    /// The share of clips that are right with `unknown` as one more answer, which is always wrong.
    pub accuracy_with_unknown: f64,
    /// The share of clips for which `unknown` has a higher probability than any label.
    pub unknown: f64,
    /// The expected calibration error, 0..=1 (Guo et al., *On Calibration of Modern Neural Networks*, 2017): clips go
    /// into 15 bins of equal width by the probability of their best label, and the mean over all clips of
    /// |share of right answers in its bin - mean probability in its bin| is taken.
    pub ece: f64,
    /// For each label, in the classifier's order.
    pub per_class: Vec<ClassScore>,
    /// How many clips of the label of the row were answered with the label of the column, best label counting.
    pub confusion: Vec<Vec<usize>>,
}

impl SkeletonScore {
    /// Compares `answers` of a classifier with these `labels`; nothing without an answer.
    pub fn of(answers: &[Answer], labels: &[Label]) -> Option<SkeletonScore> {
        if answers.is_empty() {
            return None;
        }
        let mut confusion = vec![vec![0; labels.len()]; labels.len()];
        for answer in answers {
            confusion[answer.truth][answer.choice()] += 1;
        }
        let share = |counts: &dyn Fn(&Answer) -> bool| {
            answers.iter().filter(|answer| counts(answer)).count() as f64 / answers.len() as f64
        };
        Some(SkeletonScore {
            clips: answers.len(),
            accuracy: share(&Answer::is_right),
            accuracy_with_unknown: share(&|answer| answer.is_right() && !answer.is_unknown()),
            unknown: share(&Answer::is_unknown),
            ece: calibration_error(answers),
            per_class: (0..labels.len())
                .map(|class| class_score(class, labels, answers, &confusion))
                .collect(),
            confusion,
        })
    }
}

fn class_score(class: usize, labels: &[Label], answers: &[Answer], confusion: &[Vec<usize>]) -> ClassScore {
    let right = confusion[class][class];
    let clips: usize = confusion[class].iter().sum();
    let answered: usize = confusion.iter().map(|row| row[class]).sum();
    let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    ClassScore {
        label: labels[class].clone(),
        clips,
        unknown: answers.iter().filter(|answer| answer.truth == class && answer.is_unknown()).count(),
        precision: ratio(right, answered),
        recall: ratio(right, clips),
        f1: ratio(2 * right, clips + answered),
    }
}

/// Bin b holds the confidences in (b / 15, (b + 1) / 15].
fn calibration_error(answers: &[Answer]) -> f64 {
    // Of each bin, right answers minus confidences: the bin's size falls out of the mean over all clips.
    let mut excess = [0.0; CALIBRATION_BINS];
    for answer in answers {
        let confidence = answer.confidence();
        let bin = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
        excess[bin.clamp(1, CALIBRATION_BINS) - 1] += f64::from(u8::from(answer.is_right())) - confidence;
    }
    excess.iter().map(|excess| excess.abs()).sum::<f64>() / answers.len() as f64
}

#[cfg(test)]
mod tests;
