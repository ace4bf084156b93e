//! Poses: somebody on a frame in, the keypoints out.
//!
//! A [`PoseEstimator`] owns one model. [`crate::recognize`] calls it for each person as often as the time allows. Knows
//! nothing of tracks, and nothing of what the joints do: see [`super::Body`].

use std::sync::Arc;

use super::scores::ActivityError;
use super::{COCO_KEYPOINTS, Keypoint, Pose, crop};
use crate::clock::Timestamp;
use crate::frame::Image;
use crate::geometry::BBox;
use crate::model::{
    Answer, Coordinates, Expected, InputTensor, Package, Placement, PointOrder, PoseSpec, Runtime, Session,
    SessionOptions, Testable, Wanted,
};
use crate::tag::ModelRef;

/// Of who is smaller than this, in pixels of the longer side of the box, joints are guesses.
const LEAST_PIXELS: f32 = 40.0;

/// Whether who is in `bbox` on `image` is large enough for a pose, and to belong to a group.
pub fn is_large_enough(bbox: &BBox, image: &Image) -> bool {
    let (width, height) = (image.width() as f32, image.height() as f32);
    (bbox.w * width).max(bbox.h * height) >= LEAST_PIXELS
}

/// One model that finds joints, owned by one worker.
pub struct PoseEstimator {
    session: Session,
    tensor: InputTensor,
    rows: Expected,
    spec: PoseSpec,
    model: Arc<ModelRef>,
}

impl PoseEstimator {
    /// Loads the model of `package`, compares its input and output with the manifest, and runs it once on an empty
    /// picture.
    ///
    /// # Errors
    /// When the package is for another task, the model does not load or run, or its output is not the manifest's.
    pub fn open(
        package: &Package,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, ActivityError> {
        let spec = package.pose()?.clone();
        let session = package.session(runtime, options)?;
        let model = package.reference_with(options);
        let all = Some(COCO_KEYPOINTS);
        let shapes: [&[_]; 2] = [&[Some(1), Some(1), all, Some(3)], &[Some(1), all, Some(3)]];
        let why = "COCO's keypoints of two coordinates and a score".to_owned();
        let wanted = (Wanted::Floats, &shapes[..]);
        let rows = Expected::new("keypoints", Some(&spec.keypoints), session.outputs(), wanted, why)
            .map_err(|bad| ActivityError::Output { model: model.name.clone(), bad })?;
        let tensor = InputTensor::new(&spec.input);
        let mut estimator = PoseEstimator { session, tensor, rows, spec, model };
        estimator.run()?;
        Ok(estimator)
    }

    /// The keypoints of who is in `bbox`, on the frame `image` that was taken at `at`. The model sees a square around
    /// the box, padded where it reaches outside the image. A keypoint that the model gives no finite place has score
    /// 0.
    ///
    /// # Errors
    /// When the model fails, or gives a shape that its manifest does not know.
    pub fn estimate(&mut self, image: &Image, bbox: &BBox, at: Timestamp) -> Result<Pose, ActivityError> {
        let placement = self.tensor.fill(image, crop::square(image, bbox, self.spec.scale));
        let rows = self.run()?;
        Ok(Pose { at, keypoints: rows.map(|row| self.keypoint(row, placement)) })
    }

    /// From which score on a joint counts as seen, 0..=1.
    pub fn joint_score(&self) -> f32 {
        self.spec.score
    }

    /// The detector's labels for what has a pose.
    pub fn of(&self) -> &[String] {
        &self.spec.of
    }

    /// Who makes the poses.
    pub fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }

    /// The rows of the output, from what is in the tensor.
    fn run(&mut self) -> Result<[[f32; 3]; COCO_KEYPOINTS], ActivityError> {
        let outputs = self.session.run(self.tensor.view())?;
        let (_, values) = self
            .rows
            .floats(&outputs)
            .map_err(|bad| ActivityError::Output { model: self.model.name.clone(), bad })?;
        let mut rows = [[0.0; 3]; COCO_KEYPOINTS];
        for (row, values) in rows.iter_mut().zip(values.as_chunks::<3>().0) {
            *row = *values;
        }
        Ok(rows)
    }

    fn keypoint(&self, [first, second, score]: [f32; 3], placement: Placement) -> Keypoint {
        let (x, y) = match self.spec.order {
            PointOrder::Xy => (first, second),
            PointOrder::Yx => (second, first),
        };
        let [across, down] = match self.spec.coordinates {
            Coordinates::Pixels => [1.0, 1.0],
            Coordinates::Normalised => [self.spec.input.width() as f32, self.spec.input.height() as f32],
        };
        let at = placement.point(x * across, y * down);
        if at.x.is_finite() && at.y.is_finite() && score.is_finite() {
            Keypoint { at, score: score.clamp(0.0, 1.0) }
        } else {
            Keypoint::default()
        }
    }
}

impl Testable for PoseEstimator {
    type Error = ActivityError;

    fn answer(&mut self, picture: &Image) -> Result<Answer, ActivityError> {
        let whole = BBox { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
        let pose = self.estimate(picture, &whole, Timestamp::EPOCH)?;
        let longer = picture.width().max(picture.height()) as f32;
        let [across, down] = [picture.width(), picture.height()].map(|side| side as f32 / longer);
        let joint = |Keypoint { at, score }| [at.x * across, at.y * down, score];
        Ok(Answer::Joints(pose.keypoints.map(joint).to_vec()))
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}
