//! Detection: a frame in, the objects on it out.
//!
//! A [`Detector`] owns one model: it scales the frame to the model's input, runs it, and decodes what comes out as the
//! package's output family says, down to boxes relative to the frame. Called by the recognition worker; knows nothing of
//! cameras, time or tracks.

mod decode;
mod nms;

use std::cmp::Ordering;
use std::sync::Arc;

use crate::frame::{Colorimetry, ColourMatrix, Image, PixelFormat, Region};
use crate::geometry::BBox;
use crate::model::{
    Answer, BadOutput, FoundBox, InputTensor, Objects, Package, PackageError, Placement, Runtime, Session,
    SessionError, SessionOptions, Testable, Thresholds,
};
use crate::tag::{Label, ModelRef};

use decode::{Candidate, Decoder};

/// The best candidates that are looked at, so that a flood of low scores cannot hold up the worker.
const MAX_CANDIDATES: usize = 1000;

/// The most objects of one frame.
const MAX_DETECTIONS: usize = 300;

/// Index into the labels of the model that made the detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// One object on one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// What it is.
    pub class: ClassId,
    /// How sure, 0..=1.
    pub score: f32,
    /// Where.
    pub bbox: BBox,
}

/// Why there are no detections.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
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
}

/// One model that finds objects, owned by one worker.
pub struct Detector {
    session: Session,
    tensor: InputTensor,
    decoder: Box<dyn Decoder>,
    /// Kept between frames for its memory.
    candidates: Vec<Candidate>,
    thresholds: Thresholds,
    labels: Arc<[Label]>,
    objects: Objects,
    model: Arc<ModelRef>,
}

impl Detector {
    /// Loads the model of `package`, compares its inputs and outputs with the manifest, and runs it once on a grey
    /// picture: what does not fit together is refused here, and the first real frame is not slow.
    ///
    /// # Errors
    /// When the package is for another task, the model does not load or run, or its outputs are not those of the
    /// manifest's family.
    pub fn open(package: &Package, runtime: &Runtime, options: &SessionOptions) -> Result<Self, DetectError> {
        let spec = package.detect()?;
        let session = package.session(runtime, options)?;
        let labels = Arc::clone(package.labels());
        let model = package.reference_with(options);
        let decoder = decode::decoder(&spec.output, &spec.input, labels.len(), session.outputs())
            .map_err(|bad| DetectError::Output { model: model.name.clone(), bad })?;
        let tensor = InputTensor::new(&spec.input);
        let (thresholds, objects) = (spec.thresholds, spec.objects.clone());
        let mut detector =
            Detector { session, tensor, decoder, candidates: Vec::new(), thresholds, labels, objects, model };
        detector.detect(&grey())?;
        Ok(detector)
    }

    /// The objects on `image` with at least the low threshold's score: clipped to the image, the surest first, and of
    /// equal ones the leftmost.
    ///
    /// # Errors
    /// When the model fails, or gives a shape or a class that its manifest does not know.
    pub fn detect(&mut self, image: &Image) -> Result<Vec<Detection>, DetectError> {
        let placement = self.tensor.fill(image, Region::whole(image));
        let outputs = self.session.run(self.tensor.view())?;
        self.candidates.clear();
        self.decoder
            .decode(&outputs, self.thresholds.low(), &mut self.candidates)
            .map_err(|bad| DetectError::Output { model: self.model.name.clone(), bad })?;
        Ok(finish(&self.candidates, placement, self.thresholds.nms_iou()))
    }

    /// The labels that a detection's class points into.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What the labels mean to those who follow the objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Who makes the detections.
    pub fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }

    /// From which score on a detection is sure, and from which it is told at all.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }
}

impl Testable for Detector {
    type Error = DetectError;

    fn answer(&mut self, picture: &Image) -> Result<Answer, DetectError> {
        let found = |Detection { class, score, bbox }| FoundBox { class: class.0, score, bbox };
        Ok(Answer::Boxes(self.detect(picture)?.into_iter().map(found).collect(), self.thresholds.low()))
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// From boxes on the tensor to objects on the image.
fn finish(candidates: &[Candidate], placement: Placement, nms_iou: Option<f32>) -> Vec<Detection> {
    let on_image = |c: &Candidate| Detection {
        class: c.class,
        score: c.score.min(1.0),
        bbox: placement.to_image(c.corners),
    };
    let mut detections: Vec<Detection> =
        candidates.iter().map(on_image).filter(|d| d.bbox.is_finite()).collect();
    detections.sort_unstable_by(surest_first);
    detections.truncate(MAX_CANDIDATES);
    if let Some(iou) = nms_iou {
        nms::suppress(&mut detections, iou);
    }
    for detection in &mut detections {
        detection.bbox = detection.bbox.clipped();
    }
    detections.retain(|d| d.bbox.area() > 0.0);
    detections.sort_unstable_by(surest_first);
    detections.truncate(MAX_DETECTIONS);
    detections
}

/// A total order, so that the order in which a model lists its boxes does not matter.
fn surest_first(a: &Detection, b: &Detection) -> Ordering {
    let place = |d: &Detection| [d.bbox.x, d.bbox.y, d.bbox.w, d.bbox.h];
    let by_place = || {
        let pairs = place(a).into_iter().zip(place(b));
        pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    b.score.total_cmp(&a.score).then_with(by_place).then(a.class.cmp(&b.class))
}

/// A picture with nothing on it.
fn grey() -> Image {
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    Image::new(PixelFormat::Gray8, (16, 16), colorimetry, [16, 0, 0], Arc::new(vec![vec![128; 256]]))
        .expect("256 bytes make 16 x 16 grey pixels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_dropped_and_the_order_is_total() {
        let class = ClassId(0);
        let candidate = |score, corners| Candidate { class, score, corners };
        let all = [
            candidate(0.5, [8.0, 0.0, 12.0, 4.0]),
            candidate(0.9, [f32::NAN, 0.0, 4.0, 4.0]),
            candidate(0.9, [0.0, 0.0, f32::INFINITY, 4.0]),
            candidate(0.5, [0.0, 0.0, 4.0, 4.0]),
            candidate(1.5, [-4.0, -4.0, 4.0, 4.0]),
            candidate(0.7, [-9.0, 0.0, -1.0, 4.0]),
        ];
        let mut tensor = InputTensor::new(&crate::model::Input::square(16));
        let image = grey();
        let placement = tensor.fill(&image, Region::whole(&image));
        let found = finish(&all, placement, None);
        let places: Vec<(f32, f32, f32)> = found.iter().map(|d| (d.score, d.bbox.x, d.bbox.w)).collect();
        assert_eq!(places, [(1.0, 0.0, 0.25), (0.5, 0.0, 0.25), (0.5, 0.5, 0.25)]);
        let mut reversed = all;
        reversed.reverse();
        assert_eq!(finish(&reversed, placement, None), found);
    }
}
