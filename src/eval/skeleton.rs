//! How good a skeleton classifier is, on clips of one person's joints whose activity is known.
//!
//! A file of clips is read ([`read`]), each clip is put before the classifier window by window ([`answer`]), and its
//! answers are compared with the truth ([`SkeletonScore`]). Only [`answer`] meets a model, and that as a function, so
//! that everything here can be tested without one.

mod clips;
mod npy;
mod score;
mod windows;

pub use clips::{CLIP_RATE_HZ, Clip, DataError, read};
pub use score::{Answer, CALIBRATION_BINS, ClassScore, SkeletonScore};

use crate::tag::Label;

/// What a classifier gives for one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    /// Of each label, in the classifier's order.
    pub labels: Vec<f64>,
    /// That it is none of them.
    pub unknown: f64,
}

impl Probabilities {
    /// Those of a classifier whose `scores` hold one for `unknown`, if any, at this index.
    pub fn of(scores: &[f32], unknown: Option<usize>) -> Self {
        let labels = scores.iter().enumerate().filter(|&(index, _)| Some(index) != unknown);
        Probabilities {
            labels: labels.map(|(_, &score)| f64::from(score)).collect(),
            unknown: unknown.map_or(0.0, |index| f64::from(scores[index])),
        }
    }
}

/// Labels of the data that the classifier does not have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the data has {}, which the model does not know; it knows: {known}", quoted(labels))]
pub struct UnknownLabels {
    /// Each of them, once, in the data's order.
    labels: Vec<String>,
    known: String,
}

fn quoted(labels: &[String]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| format!("\"{}\"", label.escape_debug())).collect();
    quoted.join(", ")
}

/// The place of each clip's label among the classifier's `labels`.
///
/// # Errors
/// When the data has labels that the classifier does not have.
pub fn truths(clips: &[Clip], labels: &[Label]) -> Result<Vec<usize>, UnknownLabels> {
    let mut unknown: Vec<String> = Vec::new();
    let mut truths = Vec::new();
    for clip in clips {
        match labels.iter().position(|label| **label == *clip.label) {
            Some(index) => truths.push(index),
            None if unknown.contains(&clip.label) => {}
            None => unknown.push(clip.label.clone()),
        }
    }
    if unknown.is_empty() {
        return Ok(truths);
    }
    Err(UnknownLabels { labels: unknown, known: labels.join(", ") })
}

/// What `classify` answers to each clip, whose true labels are `truths`. It takes windows of `steps` bodies at
/// [`CLIP_RATE_HZ`], f32 `[steps, 13, 3]`: x, y and whether the joint was seen (1) or not (0).
///
/// A clip that is shorter than a window fills its end, and what is before it was not seen. A longer one gives as few
/// windows as cover it, evenly spread, and the mean of their probabilities counts.
///
/// # Errors
/// Those of `classify`.
pub fn answer<E>(
    clips: &[Clip],
    truths: &[usize],
    steps: usize,
    mut classify: impl FnMut(&[f32]) -> Result<Probabilities, E>,
) -> Result<Vec<Answer>, E> {
    let mut answers = Vec::with_capacity(clips.len());
    for (clip, &truth) in clips.iter().zip(truths) {
        let windows = windows::of(&clip.bodies, steps);
        let share = 1.0 / windows.len() as f64;
        let mut mean = Probabilities { labels: Vec::new(), unknown: 0.0 };
        for window in windows {
            let found = classify(&window)?;
            mean.labels.resize(found.labels.len(), 0.0);
            mean.labels.iter_mut().zip(&found.labels).for_each(|(mean, found)| *mean += share * found);
            mean.unknown += share * found.unknown;
        }
        answers.push(Answer { truth, probabilities: mean });
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{BODY_JOINTS, Position};

    fn clip(label: &str, frames: usize) -> Clip {
        let body = |frame| [Position { x: frame as f32, y: 0.5 }; BODY_JOINTS];
        Clip { label: label.to_owned(), bodies: (0..frames).map(body).collect() }
    }

    #[test]
    fn the_mean_of_the_windows_counts() {
        let clips = [clip("walk", 2), clip("run", 6)];
        let labels = ["run".into(), "walk".into()];
        let truths = truths(&clips, &labels).unwrap();
        assert_eq!(truths, [1, 0]);
        // What is answered depends on the first body that was seen.
        let classify = |window: &[f32]| {
            let first = window.chunks(3).find(|joint| joint[2] == 1.0).expect("a joint was seen")[0];
            let run = f64::from(first) / 10.0;
            Ok::<_, ()>(Probabilities { labels: vec![run, 0.75 - run], unknown: 0.25 })
        };
        let answers = answer(&clips, &truths, 4, classify).unwrap();
        let found: Vec<(usize, f64)> =
            answers.iter().map(|answer| (answer.truth, answer.probabilities.labels[0])).collect();
        // Six bodies are the windows from 0 and from 2.
        assert_eq!(found, [(1, 0.0), (0, 0.1)]);
        assert_eq!(answers[1].probabilities.unknown, 0.25);
    }

    #[test]
    fn unknown_is_taken_out_of_the_scores() {
        for (unknown, expected) in [
            (Some(1), (vec![0.5, 0.25], 0.25)),
            (None, (vec![0.5, 0.25, 0.25], 0.0)),
            (Some(0), (vec![0.25, 0.25], 0.5)),
        ] {
            let found = Probabilities::of(&[0.5, 0.25, 0.25], unknown);
            assert_eq!((found.labels, found.unknown), expected, "{unknown:?}");
        }
    }

    #[test]
    fn labels_that_the_model_does_not_have_are_named() {
        let clips = [clip("walk", 1), clip("fly", 1), clip("s\nwim", 1), clip("fly", 1)];
        let error = truths(&clips, &["run".into(), "walk".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"the data has "fly", "s\nwim", which the model does not know; it knows: run, walk"#
        );
    }
}
