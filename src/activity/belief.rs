//! What a classifier believes of somebody at one moment.

use std::sync::Arc;

use crate::geometry::BBox;
use crate::tag::{Label, ModelRef, TrackId};

pub use crate::tag::Window;

/// What somebody does, as far as the evidence goes: smoothed and calibrated.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief {
    /// Where the evidence comes from; ends with the frame that was looked at last.
    pub window: Window,
    /// Every label with its probability, best first. What is missing from 1 is `unknown`, which is no entry.
    pub scores: Vec<(Label, f32)>,
}

/// Of whom something is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A tracked person.
    Track(TrackId),
    /// All that the camera shows.
    Scene,
}

/// What one classifier says of one subject after a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Of whom.
    pub subject: Subject,
    /// Who says so.
    pub model: Arc<ModelRef>,
    /// Where the subject is, relative to the image.
    pub bbox: BBox,
    /// What is believed.
    pub belief: Belief,
}
