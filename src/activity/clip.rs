//! What goes on, from frames over time: a video classifier in ONNX, run on the whole frame, around somebody, or on a group.
//!
//! A [`ClipClassifier`] owns one model. Each subject (a camera, or a track) has a [`ClipWindow`], which keeps the
//! frames that a clip needs, each scaled once to the model's size. The groups of a camera share one window of whole pictures,
//! of which each group's square is cut when the group is classified. [`super::clips`] shows every frame to the windows and
//! classifies a subject when it is due.
//!
//! Memory, whatever the camera's frame rate: a window of T frames holds at most `(T + 2) * 3 * W * H` bytes, one of whole
//! pictures at most `T + 2` pictures with [`PICTURE_PX`] pixels on the longer side, and the classifier's own tensor has
//! `3 * T * W * H` elements. See [`FrameWindow`].

mod window;

use std::sync::Arc;
use std::time::Duration;

use super::Window;
use super::crop;
use super::scores::{ActivityError, Scores, Sum, softmax};
use crate::clock::Timestamp;
use crate::frame::{Image, Region, Sampler};
use crate::geometry::BBox;
use crate::model::{
    Answer, ClipActivation, ClipScope, ClipSpec, ClipTensor, InputTensor, Package, Runtime, Session,
    SessionOptions, Testable,
};
use crate::tag::{Label, ModelRef};

use window::FrameWindow;

/// Longer side of a whole picture that is kept, at most, in pixels.
const PICTURE_PX: u32 = 640;

/// The frames that clips of one subject, or of all groups of a camera, are made of.
pub struct ClipWindow(Frames);

/// What is kept of each frame.
enum Frames {
    /// What the model takes, u8 `[H, W, 3]`.
    Crops(FrameWindow<Vec<u8>>),
    /// All of it, for groups: where one will be is not known beforehand.
    Pictures(FrameWindow<Image>),
}

impl ClipWindow {
    /// The time that a clip would be of; nothing while there is none.
    pub fn span(&self) -> Option<Window> {
        match &self.0 {
            Frames::Crops(crops) => crops.span(),
            Frames::Pictures(pictures) => pictures.span(),
        }
    }
}

/// One video classifier, owned by one worker.
pub struct ClipClassifier {
    session: Session,
    /// Where a frame is scaled before a window keeps it.
    frame: InputTensor,
    /// Makes whole pictures smaller before a window keeps them.
    sampler: Sampler,
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
        let (labels, model) = (Arc::clone(package.labels()), package.reference_with(options));
        let family = match spec.activation {
            ClipActivation::Logits { .. } => "logits",
            ClipActivation::Probabilities => "probabilities",
        };
        let scores = Scores::new(family, spec.scores.as_deref(), labels.len(), session.outputs())
            .map_err(|bad| ActivityError::Output { model: model.name.clone(), bad })?;
        let mut classifier = ClipClassifier {
            session,
            frame: InputTensor::new(spec.input.frame()),
            sampler: Sampler::new(spec.input.filter()),
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

    /// An empty window for a new subject; with [`ClipScope::Group`], for all groups of a camera.
    pub fn window(&self) -> ClipWindow {
        let (frames, interval) = (self.spec.input.frames(), self.spec.input.interval());
        ClipWindow(match self.spec.scope {
            ClipScope::Group { .. } => Frames::Pictures(FrameWindow::new(frames, interval)),
            ClipScope::Frame | ClipScope::Track { .. } => Frames::Crops(FrameWindow::new(frames, interval)),
        })
    }

    /// Shows the frame `image`, taken at `at`, to the `window` of a subject; says whether it was kept. Frames come in
    /// the order of their times. `bbox` is where the subject is; it matters only with [`ClipScope::Track`].
    pub fn observe(&mut self, window: &mut ClipWindow, image: &Image, bbox: &BBox, at: Timestamp) -> bool {
        match &mut window.0 {
            Frames::Crops(crops) => {
                let wanted = crops.wants(at);
                if wanted {
                    let region = match self.spec.scope {
                        ClipScope::Track { scale, .. } => crop::square(image, bbox, scale),
                        ClipScope::Frame | ClipScope::Group { .. } => Region::whole(image),
                    };
                    self.frame.fill(image, region);
                    crops.keep(at, |gone| {
                        let mut bytes = gone.unwrap_or_default();
                        bytes.clear();
                        bytes.extend_from_slice(self.frame.bytes());
                        bytes
                    });
                }
                wanted
            }
            Frames::Pictures(pictures) => {
                let wanted = pictures.wants(at);
                if wanted {
                    pictures.keep(at, |_| self.sampler.shrink(image, PICTURE_PX));
                }
                wanted
            }
        }
    }

    /// The probability of each label for the clip that ends with the last frame that `window` kept; their sum is at most one.
    /// Nothing while the window has not seen enough. The window is one that [`ClipClassifier::window`] made. `bbox` is the
    /// square of a group, which all frames of the clip show; it matters only with [`ClipScope::Group`].
    ///
    /// # Errors
    /// When the model fails, or its scores are no probabilities.
    pub fn classify(&mut self, window: &ClipWindow, bbox: &BBox) -> Result<Option<&[f32]>, ActivityError> {
        match &window.0 {
            Frames::Crops(crops) => {
                let Some(frames) = crops.clip() else { return Ok(None) };
                self.tensor.fill(frames.map(Vec::as_slice));
            }
            Frames::Pictures(pictures) => {
                let Some(frames) = pictures.clip() else { return Ok(None) };
                for (index, picture) in frames.enumerate() {
                    self.frame.fill(picture, crop::square(picture, bbox, 1.0));
                    self.tensor.put(index, self.frame.bytes());
                }
            }
        }
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

impl Testable for ClipClassifier {
    type Error = ActivityError;

    /// What it says of `picture` as every frame of a clip.
    fn answer(&mut self, picture: &Image) -> Result<Answer, ActivityError> {
        self.frame.fill(picture, Region::whole(picture));
        self.tensor.fill(std::iter::repeat_n(self.frame.bytes(), self.spec.input.frames()));
        self.run()?;
        Ok(Answer::Probabilities(self.last.clone()))
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}
