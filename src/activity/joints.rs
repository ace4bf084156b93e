//! Joints of people: as the pose model gives them, and as the classifier takes them.

use crate::clock::Timestamp;
use crate::geometry::Point;

/// How many keypoints COCO has.
pub const COCO_KEYPOINTS: usize = 17;
/// How many of them are joints of the body: all but eyes and ears.
pub const BODY_JOINTS: usize = 13;

/// A joint of the body; the value is its index in [`Body::joints`]. The order is COCO's without eyes and ears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Joint {
    Nose,
    LeftShoulder,
    RightShoulder,
    LeftElbow,
    RightElbow,
    LeftWrist,
    RightWrist,
    LeftHip,
    RightHip,
    LeftKnee,
    RightKnee,
    LeftAnkle,
    RightAnkle,
}

/// A keypoint of a pose model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Keypoint {
    /// Where, relative to the image.
    pub at: Point,
    /// How sure, 0..=1.
    pub score: f32,
}

/// A person's keypoints on one frame, in COCO's order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles,
/// left before right.
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    /// Capture time of the frame.
    pub at: Timestamp,
    /// The keypoints.
    pub keypoints: [Keypoint; COCO_KEYPOINTS],
}

/// A place in the picture in units that are the same both ways: image heights from the top left corner, y down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// A person's joints at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// When.
    pub at: Timestamp,
    /// Each joint that was seen, by [`Joint`].
    pub joints: [Option<Position>; BODY_JOINTS],
}

impl Pose {
    /// Drops eyes and ears: nobody needs them.
    pub fn forget_face(&mut self) {
        self.keypoints[1..5].fill(Keypoint::default());
    }
}

impl Position {
    /// The place of `point` in a picture that is `aspect` times as wide as high.
    pub fn of(point: Point, aspect: f32) -> Self {
        Position { x: point.x * aspect, y: point.y }
    }
}

impl Body {
    /// The joints of `pose` that have at least `score`, in a picture that is `aspect` times as wide as high.
    pub fn of(pose: &Pose, score: f32, aspect: f32) -> Self {
        let seen = |keypoint: &Keypoint| {
            (keypoint.score >= score && keypoint.at.x.is_finite() && keypoint.at.y.is_finite())
                .then(|| Position::of(keypoint.at, aspect))
        };
        let [nose, _, _, _, _, rest @ ..] = &pose.keypoints;
        let mut joints = [None; BODY_JOINTS];
        for (joint, keypoint) in joints.iter_mut().zip(std::iter::once(nose).chain(rest)) {
            *joint = seen(keypoint);
        }
        Body { at: pose.at, joints }
    }

    /// Where a joint is, when it was seen.
    pub fn joint(&self, joint: Joint) -> Option<Position> {
        self.joints[joint as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eyes_and_ears_and_what_is_unsure_are_left_out() {
        let mut keypoints = [Keypoint::default(); COCO_KEYPOINTS];
        for (index, keypoint) in keypoints.iter_mut().enumerate() {
            *keypoint = Keypoint { at: Point { x: index as f32, y: 0.5 }, score: 0.5 };
        }
        keypoints[16].score = 0.1;
        keypoints[15].at.x = f32::NAN;
        let body = Body::of(&Pose { at: Timestamp::EPOCH, keypoints }, 0.2, 2.0);
        assert_eq!(body.joint(Joint::Nose), Some(Position { x: 0.0, y: 0.5 }));
        assert_eq!(body.joint(Joint::LeftShoulder), Some(Position { x: 10.0, y: 0.5 }));
        assert_eq!(body.joint(Joint::RightKnee), Some(Position { x: 28.0, y: 0.5 }));
        assert_eq!(body.joint(Joint::LeftAnkle), None);
        assert_eq!(body.joint(Joint::RightAnkle), None);
    }
}
