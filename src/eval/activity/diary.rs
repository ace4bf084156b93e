//! Reads the tags of a clip and notes which activities they tell, and with which scores.

use super::score::Told;
use crate::clock::Timestamp;
use crate::tag::{Body, Label, Phase, Tag, TrackId};

/// The score that a start or an update tag carries.
#[derive(Clone, Debug, PartialEq)]
pub struct TagScore {
    /// The tag's label.
    pub label: String,
    /// Capture time of its frame, in seconds from the clip's first frame.
    pub at_s: f64,
    /// The score, 0..=1.
    pub score: f32,
}

/// What the `activity` tags of a clip tell. The clip begins at [`Timestamp::EPOCH`].
#[derive(Clone, Debug, Default)]
pub struct Diary {
    told: Vec<Told>,
    scores: Vec<TagScore>,
    /// What goes on: its place in `told`.
    open: Vec<(Option<TrackId>, Label, usize)>,
}

impl Diary {
    /// Reads the tags of a frame. Tags of other kinds are left out.
    pub fn read(&mut self, tags: &[Tag]) {
        for tag in tags {
            let Body::Activity(activity) = &tag.body else { continue };
            let is_this = |(track, label, _): &(Option<TrackId>, Label, usize)| {
                *track == tag.track && *label == tag.label
            };
            match tag.phase {
                Phase::Start => {
                    self.open.push((tag.track, tag.label.clone(), self.told.len()));
                    self.told.push(Told {
                        label: tag.label.to_string(),
                        at_s: seconds(tag.at),
                        since_s: seconds(activity.since),
                        until_s: f64::INFINITY,
                        height: f64::from(tag.bbox.h),
                    });
                    self.note(tag);
                }
                Phase::Update => self.note(tag),
                Phase::End => {
                    if let (Some(place), Some(summary)) =
                        (self.open.iter().position(is_this), &activity.summary)
                    {
                        let (.., told) = self.open.swap_remove(place);
                        self.told[told].until_s = seconds(summary.ended);
                    }
                }
            }
        }
    }

    fn note(&mut self, tag: &Tag) {
        let (label, at_s) = (tag.label.to_string(), seconds(tag.at));
        self.scores.push(TagScore { label, at_s, score: tag.score });
    }

    /// What was told, in the order of the start tags.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// The scores of start and update tags, in the order of the tags.
    pub fn scores(&self) -> &[TagScore] {
        &self.scores
    }
}

/// Seconds from the clip's first frame.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.since(Timestamp::EPOCH).as_secs_f64()
}
