//! What goes on, from frames over time: a video classifier in ONNX, run on the whole frame or around somebody.
//!
//! A [`ClipClassifier`] owns one model. Each subject (a camera, or a track) has a [`ClipWindow`], which keeps the
//! frames that a clip needs, each scaled once to the model's size. [`crate::recognize`] shows every frame to the
//! windows and classifies one when it is due. Memory: a window of T frames holds at most `(T + 2) * 3 * W * H` bytes,
//! and the classifier's own tensor `3 * T * W * H` elements, whatever the camera's frame rate: see [`ClipWindow`].

mod window;

use std::sync::Arc;
use std::time::Duration;

use super::crop;
use super::scores::{ActivityError, Scores, Sum, softmax};
use crate::clock::Timestamp;
use crate::frame::{Image, Region};
use crate::geometry::BBox;
use crate::model::{
    ClipActivation, ClipScope, ClipSpec, ClipTensor, InputTensor, Package, Runtime, Session, SessionOptions,
};
use crate::tag::{Label, ModelRef};

pub use window::ClipWindow;

/// One video classifier, owned by one worker.
pub struct ClipClassifier {
    session: Session,
    /// Where a frame is scaled before a window keeps it.
    frame: InputTensor,
    tensor: ClipTensor,
    scores: Scores,
    spec: ClipSpec,
    labels: Arc<[Label]>,
    unknown: Option<usize>,
    /// Kept between runs for its memory.
    last: Vec<f32>,
    model: Arc<ModelRef>,
}

impl ClipClassifier {
    /// Loads the model of `package`, compares its input and output with the manifest, and runs it once.
    ///
    /// # Errors
    /// When the package is for another task, the model does not load or run, or its output is not the manifest's.
    pub fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ActivityError> {
        let spec = package.clip()?.clone();
        let session = package.session(runtime, options)?;
        let (labels, model) = (Arc::clone(package.labels()), Arc::clone(package.reference()));
        let family = match spec.activation {
            ClipActivation::Logits { .. } => "logits",
            ClipActivation::Probabilities => "probabilities",
        };
        let scores = Scores::new(family, spec.scores.as_deref(), labels.len(), session.outputs())
            .map_err(|bad| ActivityError::Output { model: model.name.clone(), bad })?;
        let mut classifier = ClipClassifier {
            session,
            frame: InputTensor::new(spec.input.frame()),
            tensor: ClipTensor::new(&spec.input),
            scores,
            unknown: labels.iter().position(|label| spec.unknown.as_deref() == Some(&**label)),
            spec,
            labels,
            last: Vec::new(),
            model,
        };
        classifier.warm_up()?;
        Ok(classifier)
    }

    /// An empty window for a new subject.
    pub fn window(&self) -> ClipWindow {
        ClipWindow::new(self.spec.input.frames(), self.spec.input.interval())
    }

    /// Shows the frame `image`, taken at `at`, to the `window` of a subject; says whether it was kept. Frames come in
    /// the order of their times. `bbox` is where the subject is; with [`ClipScope::Frame`] it does not matter.
    pub fn observe(&mut self, window: &mut ClipWindow, image: &Image, bbox: &BBox, at: Timestamp) -> bool {
        let wanted = window.wants(at);
        if wanted {
            let region = match self.spec.scope {
                ClipScope::Frame => Region::whole(image),
                ClipScope::Track { scale, .. } => crop::square(image, bbox, scale),
            };
            self.frame.fill(image, region);
            window.keep(at, self.frame.bytes());
        }
        wanted
    }

    /// The probability of each label for the clip that ends with the last frame that `window` kept; they sum to at most
    /// 1. Nothing while the window has not seen enough. The window is one that [`ClipClassifier::window`] made.
    ///
    /// # Errors
    /// When the model fails, or its scores are no probabilities.
    pub fn classify(&mut self, window: &ClipWindow) -> Result<Option<&[f32]>, ActivityError> {
        let Some(frames) = window.clip() else { return Ok(None) };
        self.tensor.fill(frames);
        self.run()?;
        Ok(Some(&self.last))
    }

    /// The labels that the scores belong to.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The index of the label that means none of the others.
    pub fn unknown(&self) -> Option<usize> {
        self.unknown
    }

    /// What a clip shows.
    pub fn scope(&self) -> &ClipScope {
        &self.spec.scope
    }

    /// How often a subject is to be classified.
    pub fn every(&self) -> Duration {
        self.spec.every
    }

    /// Who makes the scores.
    pub fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }

    /// Runs the model once on a clip of stripes: of a flat one, logits could pass for probabilities.
    fn warm_up(&mut self) -> Result<(), ActivityError> {
        let stripes: Vec<u8> = (0..self.frame.bytes().len()).map(|index| (index % 251) as u8).collect();
        self.tensor.fill(std::iter::repeat_n(&stripes[..], self.spec.input.frames()));
        self.run()
    }

    /// Classifies what is in the tensor.
    fn run(&mut self) -> Result<(), ActivityError> {
        let outputs = self.session.run(self.tensor.view())?;
        let bad = |bad| ActivityError::Output { model: self.model.name.clone(), bad };
        let scores = self.scores.of(&outputs).map_err(bad)?;
        self.last.clear();
        self.last.extend_from_slice(scores);
        if let ClipActivation::Logits { temperature } = self.spec.activation {
            softmax(&mut self.last, temperature);
        }
        self.scores.check(&self.last, Sum::AtMostOne).map_err(bad)
    }
}
