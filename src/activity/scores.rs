//! One score per label, as classifiers give them, and what can go wrong with the models of activities.

use crate::model::{BadOutput, Expected, Outputs, PackageError, SessionError, TensorInfo, Wanted};

/// Probabilities may be off by this: models compute in 32 bits, and some in 16.
const SLACK: f32 = 0.01;

/// Why a model of activities gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum ActivityError {
    /// The package is for another task.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The model does not load or run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The model's outputs are not what its manifest says.
    #[error("model `{model}`: {bad}")]
    Output {
        /// The package's name.
        model: String,
        /// Which output, with what was found and what was expected.
        bad: BadOutput,
    },
    /// The model takes other values than those of a posture window.
    #[error("model `{model}` takes {found} values a step, but a posture window has {expected}")]
    Values {
        /// The package's name.
        model: String,
        /// The values that it takes.
        found: usize,
        /// The values that there are.
        expected: usize,
    },
    /// The model takes other joints than those of a body.
    #[error("model `{model}` takes {found} joints, but a body has {expected}")]
    Joints {
        /// The package's name.
        model: String,
        /// The joints that it takes.
        found: usize,
        /// The joints that there are.
        expected: usize,
    },
}

/// What the probabilities of a model sum to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// 1.
    One,
    /// 1 or less: what is missing is that it is none of the labels.
    AtMostOne,
}

/// The output of a classifier: f32 `[1, K]` or `[K]` for K labels.
pub(super) struct Scores(Expected);

impl Scores {
    /// Compares the output `name`, or the only one, with the number of labels.
    pub fn new(
        family: &'static str,
        name: Option<&str>,
        labels: usize,
        declared: &[TensorInfo],
    ) -> Result<Self, BadOutput> {
        let shapes: [&[_]; 2] = [&[Some(1), Some(labels)], &[Some(labels)]];
        let why = format!("{labels} labels");
        let expected = Expected::new(family, name, declared, (Wanted::Floats, &shapes), why);
        expected.map(Scores).map_err(|bad| match bad {
            BadOutput::Ambiguous { found, .. } => BadOutput::Ambiguous { key: "scores", found },
            bad => bad,
        })
    }

    /// The numbers of a run.
    pub fn of<'o>(&self, outputs: &'o Outputs<'_>) -> Result<&'o [f32], BadOutput> {
        self.0.floats(outputs).map(|(_, scores)| scores)
    }

    /// Refuses what is no distribution, as a manifest that takes logits for probabilities gives it.
    pub fn check(&self, probabilities: &[f32], expected: Sum) -> Result<(), BadOutput> {
        let sum: f32 = probabilities.iter().sum();
        let least = probabilities.iter().copied().fold(0.0, f32::min);
        let (fits, expected) = match expected {
            Sum::One => ((sum - 1.0).abs() <= SLACK, "1"),
            Sum::AtMostOne => (sum <= 1.0 + SLACK, "at most 1"),
        };
        if fits && least >= -SLACK {
            Ok(())
        } else {
            Err(self.0.bad_scores(expected, format!("{sum} in all, {least} the least")))
        }
    }
}

/// `exp(logit / temperature)`, made to sum to 1, in place. Without a finite logit, none of the results is a number.
pub(super) fn softmax(logits: &mut [f32], temperature: f32) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = ((*logit - most) / temperature).exp();
        sum += *logit;
    }
    for share in logits {
        *share /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_temperature_is_less_sure() {
        for (temperature, expected) in
            [(1.0, [0.09003, 0.24473, 0.66524]), (2.0, [0.18632, 0.30720, 0.50648])]
        {
            let mut scores = [101.0, 102.0, 103.0];
            softmax(&mut scores, temperature);
            for (found, expected) in scores.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{scores:?} at {temperature}");
            }
        }
        let mut masked = [f32::NEG_INFINITY, 3.0];
        softmax(&mut masked, 1.0);
        assert_eq!(masked, [0.0, 1.0]);
    }
}
