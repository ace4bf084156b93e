//! From a window of joints to what the person does.
//!
//! A [`SkeletonClassifier`] owns one model. It takes windows as numbers; who makes them says what joints they hold and
//! at which times. Knows nothing of tracks and nothing of the windows before.

use std::sync::Arc;

use super::BODY_JOINTS;
use super::evidence::{Classify, Motion};
use super::scores::{ActivityError, Scores, Sum};
use crate::model::{Elements, Package, Runtime, Session, SessionOptions, SkeletonSpec, TensorView};
use crate::tag::{Label, ModelRef};

/// One model that tells activities from joints, owned by one worker.
pub struct SkeletonClassifier {
    session: Session,
    scores: Scores,
    shape: [usize; 4],
    rate_hz: f32,
    labels: Arc<[Label]>,
    /// For each label what it is called in tags, and how people move.
    published: Vec<(Label, Motion)>,
    unknown: Option<usize>,
    /// Kept between runs for its memory.
    last: Vec<f32>,
    model: Arc<ModelRef>,
}

impl SkeletonClassifier {
    /// Loads the model of `package`, compares its input and output with the manifest, and runs it once on a window
    /// without a joint.
    ///
    /// # Errors
    /// When the package is for another task or for other joints, the model does not load or run, or its output is not
    /// the manifest's.
    pub fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ActivityError> {
        let spec = package.skeleton()?;
        let model = Arc::clone(package.reference());
        if spec.joints != BODY_JOINTS {
            let (model, found) = (model.name.clone(), spec.joints);
            return Err(ActivityError::Joints { model, found, expected: BODY_JOINTS });
        }
        let session = package.session(runtime, options)?;
        let labels = Arc::clone(package.labels());
        let scores = Scores::new("probabilities", Some(&spec.scores), labels.len(), session.outputs())
            .map_err(|bad| ActivityError::Output { model: model.name.clone(), bad })?;
        let mut classifier = SkeletonClassifier {
            session,
            scores,
            shape: [1, spec.steps, spec.joints, 3],
            rate_hz: spec.rate_hz,
            published: labels.iter().map(|label| published(spec, label)).collect(),
            unknown: labels.iter().position(|label| spec.unknown.as_deref() == Some(&**label)),
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

impl Classify for SkeletonClassifier {
    fn steps(&self) -> usize {
        self.shape[1]
    }

    fn rate_hz(&self) -> f32 {
        self.rate_hz
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn published(&self, index: usize) -> &Label {
        &self.published[index].0
    }

    fn motion(&self, index: usize) -> Motion {
        self.published[index].1
    }

    fn unknown(&self) -> Option<usize> {
        self.unknown
    }

    fn classify(&mut self, joints: &[f32]) -> Result<&[f32], ActivityError> {
        let input = TensorView { shape: &self.shape, elements: Elements::F32(joints) };
        let outputs = self.session.run(input)?;
        let bad = |bad| ActivityError::Output { model: self.model.name.clone(), bad };
        let scores = self.scores.of(&outputs).map_err(bad)?;
        self.scores.check(scores, Sum::One).map_err(bad)?;
        self.last.clear();
        self.last.extend_from_slice(scores);
        Ok(&self.last)
    }
}

/// What `label` is called in tags, and how people move.
fn published(spec: &SkeletonSpec, label: &Label) -> (Label, Motion) {
    let word =
        spec.published.get(&**label).map_or_else(|| Label::clone(label), |word| Label::from(word.as_str()));
    let is = |word: &Option<String>| word.as_deref() == Some(&**label);
    let motion = if is(&spec.walk) {
        Motion::Walking
    } else if is(&spec.run) {
        Motion::Running
    } else if spec.moving.iter().any(|moving| **moving == **label) {
        Motion::Moving
    } else {
        Motion::OnTheSpot
    };
    (word, motion)
}
