//! What a classifier believes of somebody at one moment.

use std::sync::Arc;

use super::groups::GroupId;
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

impl Belief {
    /// From the probability of each label, of which the one at `unknown` is none.
    pub fn of(window: Window, labels: &[Label], unknown: Option<usize>, probabilities: &[f32]) -> Self {
        let known = labels.iter().zip(probabilities).enumerate().filter(|(index, _)| Some(*index) != unknown);
        let mut scores: Vec<(Label, f32)> =
            known.map(|(_, (label, probability))| (Arc::clone(label), *probability)).collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Belief { window, scores }
    }
}

/// Of whom something is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A tracked person.
    Track(TrackId),
    /// People who are close together.
    Group(GroupId),
    /// All that the camera shows.
    Scene,
}

impl Judgement {
    /// Who says the label.
    pub fn model_of(&self, label: &str) -> &Arc<ModelRef> {
        self.others.iter().find(|(other, _)| **other == *label).map_or(&self.model, |(_, model)| model)
    }
}

/// What one classifier says of one subject after a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Of whom.
    pub subject: Subject,
    /// Who says so.
    pub model: Arc<ModelRef>,
    /// Labels that another model says.
    pub others: Arc<[(Label, Arc<ModelRef>)]>,
    /// Who belongs to a group, ascending; at least two. Nobody when the subject is no group.
    pub members: Vec<TrackId>,
    /// Where the subject is, relative to the image.
    pub bbox: BBox,
    /// What is believed.
    pub belief: Belief,
}
