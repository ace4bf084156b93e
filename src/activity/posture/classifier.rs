//! From a window of boxes and joints to how somebody holds themselves.

use std::sync::Arc;

use super::window::VALUES;
use crate::activity::scores::{ActivityError, Scores, Sum};
use crate::model::{Elements, Package, PostureSpec, Runtime, Session, SessionOptions, TensorView};
use crate::tag::{Label, ModelRef};

/// A classifier of a person's boxes and joints over time.
pub trait ClassifyPosture {
    /// Steps of a window.
    fn steps(&self) -> usize;

    /// Steps per second.
    fn rate_hz(&self) -> f32;

    /// The labels that the scores belong to.
    fn labels(&self) -> &[Label];

    /// The places of the labels that mean something to those who ask.
    fn roles(&self) -> Roles;

    /// The probability of each label, 0..=1; they sum to 1. `window` is what [`super::PostureWindow`] says.
    ///
    /// # Errors
    /// When the model fails.
    fn classify(&mut self, window: &[f32]) -> Result<&[f32], ActivityError>;
}

/// Places of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// On their feet: they stand, walk or run.
    pub up: usize,
    /// They lie.
    pub lie: usize,
    /// They fall, or have just fallen.
    pub fall: usize,
}

/// One model that tells postures, owned by one worker.
pub struct PostureClassifier {
    session: Session,
    scores: Scores,
    shape: [usize; 3],
    rate_hz: f32,
    labels: Arc<[Label]>,
    roles: Roles,
    /// Kept between runs for its memory.
    last: Vec<f32>,
    model: Arc<ModelRef>,
}

impl PostureClassifier {
    /// Loads the model of `package`, compares its input and output with the manifest, and runs it once on a window
    /// without a box.
    ///
    /// # Errors
    /// When the package is for another task or takes other values, the model does not load or run, or its output is not
    /// the manifest's.
    pub fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ActivityError> {
        let spec = package.posture()?;
        let model = Arc::clone(package.reference());
        if spec.values != VALUES {
            let (model, found) = (model.name.clone(), spec.values);
            return Err(ActivityError::Values { model, found, expected: VALUES });
        }
        let session = package.session(runtime, options)?;
        let labels = Arc::clone(package.labels());
        let scores = Scores::new("probabilities", Some(&spec.scores), labels.len(), session.outputs())
            .map_err(|bad| ActivityError::Output { model: model.name.clone(), bad })?;
        let mut classifier = PostureClassifier {
            session,
            scores,
            shape: [1, spec.steps, spec.values],
            rate_hz: spec.rate_hz,
            roles: roles(spec, &labels),
            labels,
            last: Vec::new(),
            model,
        };
        let nobody = vec![0.0; classifier.shape.iter().product()];
        classifier.classify(&nobody)?;
        Ok(classifier)
    }

    /// Who makes the scores.
    pub fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }
}

impl ClassifyPosture for PostureClassifier {
    fn steps(&self) -> usize {
        self.shape[1]
    }

    fn rate_hz(&self) -> f32 {
        self.rate_hz
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn roles(&self) -> Roles {
        self.roles
    }

    fn classify(&mut self, window: &[f32]) -> Result<&[f32], ActivityError> {
        let input = TensorView { shape: &self.shape, elements: Elements::F32(window) };
        let outputs = self.session.run(input)?;
        let bad = |bad| ActivityError::Output { model: self.model.name.clone(), bad };
        let scores = self.scores.of(&outputs).map_err(bad)?;
        self.scores.check(scores, Sum::One).map_err(bad)?;
        self.last.clear();
        self.last.extend_from_slice(scores);
        Ok(&self.last)
    }
}

/// Where the labels of the manifest's roles are; the package has checked that they are labels.
fn roles(spec: &PostureSpec, labels: &[Label]) -> Roles {
    let place = |role: &str| labels.iter().position(|label| **label == *role).unwrap_or_default();
    Roles { up: place(&spec.up), lie: place(&spec.lie), fall: place(&spec.fall) }
}
