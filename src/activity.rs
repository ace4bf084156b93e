//! Activities: what people do over time.
//!
//! ```text
//! track, frame -> pose -> joint window at 25 Hz -> skeleton classifier: gestures --+
//!           \-------\--> boxes and joints at 10 Hz -> posture classifier -> falls --+-> evidence -> Belief
//!            \--------> kinematics: speed -----------------------------------------/
//! frame -> clip window at the model's pace -> clip classifier ---------------------------> Belief
//! tracks -> groups: which square of the clip ----------/
//! ```
//!
//! [`crate::recognize`] owns the models and asks for the beliefs of every frame; [`crate::rules`] makes tags of them.
//! Nothing here reads a clock: the same frames and tracks at the same times give the same beliefs.

mod belief;
mod budget;
mod classifier;
mod clip;
mod clips;
mod crop;
mod evidence;
mod fallen;
mod groups;
mod joints;
mod kinematics;
mod observer;
mod parameters;
mod person;
mod pose;
mod posture;
mod scores;
mod skeleton;
mod smooth;
mod turns;
mod window;

pub use belief::{Belief, Judgement, Subject, Window};
pub use budget::{Budget, Look, Share};
pub use clip::{ClipClassifier, ClipWindow};
pub use evidence::{Classify, Motion};
pub use groups::GroupId;
pub use joints::{BODY_JOINTS, Body, COCO_KEYPOINTS, Joint, Keypoint, Pose, Position};
pub use observer::{Model, Models, Observed, Observer};
pub use parameters::Parameters;
pub use person::Person;
pub use pose::{PoseEstimator, is_large_enough};
pub use posture::{ClassifyPosture, PostureClassifier, PostureWindow, Roles};
pub use scores::ActivityError;
pub use skeleton::SkeletonClassifier;
pub use window::JointWindow;
