//! What the classifiers of windows share: one model, one input of numbers, one probability per label.

use std::sync::Arc;

use super::scores::{ActivityError, Scores, Sum};
use crate::frame::Image;
use crate::model::{
    Answer, Elements, Package, Runtime, Session, SessionOptions, TensorView, Testable, waves,
};
use crate::tag::{Label, ModelRef};

/// One model with an input of `AXES` axes, f32 `[1, steps, ...]`, owned by one worker.
pub(super) struct WindowClassifier<const AXES: usize> {
    session: Session,
    scores: Scores,
    shape: [usize; AXES],
    rate_hz: f32,
    labels: Arc<[Label]>,
    /// Kept between runs for its memory.
    last: Vec<f32>,
    model: Arc<ModelRef>,
}

impl<const AXES: usize> WindowClassifier<AXES> {
    /// Loads the model of `package`, compares its output `scores` with the labels, and runs it once on a window of zeros.
    ///
    /// # Errors
    /// When the model does not load or run, or its output is not the manifest's.
    pub(super) fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
        (shape, rate_hz): ([usize; AXES], f32),
        scores: &str,
    ) -> Result<Self, ActivityError> {
        let model = package.reference_with(options);
        let session = package.session(runtime, options)?;
        let labels = Arc::clone(package.labels());
        let scores = Scores::new("probabilities", Some(scores), labels.len(), session.outputs())
            .map_err(|bad| ActivityError::Output { model: model.name.clone(), bad })?;
        let last = Vec::new();
        let mut classifier = WindowClassifier { session, scores, shape, rate_hz, labels, last, model };
        let nobody = vec![0.0; shape.iter().product()];
        classifier.classify(&nobody)?;
        Ok(classifier)
    }

    /// Steps of a window.
    pub(super) fn steps(&self) -> usize {
        self.shape[1]
    }

    /// Steps per second.
    pub(super) fn rate_hz(&self) -> f32 {
        self.rate_hz
    }

    /// The labels that the scores belong to.
    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Who makes the scores.
    pub(super) fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }

    /// The probability of each label, 0..=1; they sum to 1.
    ///
    /// # Errors
    /// When the model fails, or its scores are no probabilities.
    pub(super) fn classify(&mut self, window: &[f32]) -> Result<&[f32], ActivityError> {
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

impl<const AXES: usize> Testable for WindowClassifier<AXES> {
    type Error = ActivityError;

    fn answer(&mut self, _: &Image) -> Result<Answer, ActivityError> {
        let window = waves(self.shape.iter().product());
        Ok(Answer::Probabilities(self.classify(&window)?.to_vec()))
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}
