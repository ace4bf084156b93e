//! Activities: what people do over time.
//!
//! ```text
//! track, frame -> pose -> joint window at 25 Hz -> skeleton classifier --+
//!           \---------> kinematics: speed, posture, falls ---------------+-> evidence -> Belief
//! frame -> clip window at the model's pace -> clip classifier ---------------------------> Belief
//! ```
//!
//! [`crate::recognize`] owns the models and asks for the beliefs of every frame; [`crate::rules`] makes tags of them.
//! Nothing here reads a clock: the same frames and tracks at the same times give the same beliefs.

mod belief;
mod clip;
mod crop;
mod joints;
mod pose;
mod scores;
mod skeleton;

pub use belief::{Belief, Window};
pub use clip::{ClipClassifier, ClipWindow};
pub use joints::{BODY_JOINTS, Body, COCO_KEYPOINTS, Joint, Keypoint, Pose, Position};
pub use pose::PoseEstimator;
pub use scores::ActivityError;
pub use skeleton::{Motion, SkeletonClassifier};
