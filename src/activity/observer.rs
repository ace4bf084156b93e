//! Looks at one camera's people, and at all of its picture, as often as the budget allows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::{Budget, Look};
use super::clip::{ClipClassifier, ClipError, ClipWindow};
use super::joints::{Body, Pose};
use super::person::{Parameters, Person};
use super::pose::{PoseError, PoseEstimator};
use super::skeleton::{SkeletonClassifier, SkeletonError};
use super::{Belief, Judgement, Subject};
use crate::clock::Timestamp;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::tag::{Label, TrackId};
use crate::track::{Track, Tracker};

/// The models that activities are recognised with; one worker owns them.
pub struct Models {
    /// Finds people's joints.
    pub pose: PoseEstimator,
    /// Recognises by joints.
    pub skeleton: SkeletonClassifier,
    /// Recognise by clips.
    pub clips: Vec<ClipClassifier>,
}

/// Why activities cannot be recognised.
#[derive(Debug, thiserror::Error)]
pub enum ActivityError {
    /// The pose model.
    #[error(transparent)]
    Pose(#[from] PoseError),
    /// The skeleton classifier.
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    /// A clip classifier.
    #[error(transparent)]
    Clip(#[from] ClipError),
}

/// What came of a frame.
#[derive(Debug, Default)]
pub struct Observed {
    /// What is believed, of those that were looked at.
    pub judgements: Vec<Judgement>,
    /// Poses that were taken.
    pub poses: u64,
    /// How long people were there since the last frame, summed over people.
    pub person_time: Duration,
}

/// What one camera's activities are recognised from.
pub struct Observer {
    /// The camera's index.
    camera: usize,
    /// The pause between two looks at a person that is asked for.
    pause: Duration,
    people: BTreeMap<TrackId, Followed>,
    clips: BTreeMap<(usize, Subject), Watched>,
    last: Option<Timestamp>,
}
