//! What the tracker is told once: scores, times in seconds, relative units. Nothing here depends on the camera.

use std::time::Duration;

use super::motion::MotionModel;
use crate::detect::ClassId;

/// The tracker's parameters. The defaults are one set for every camera and frame rate.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackerConfig {
    /// Detections below this score are not looked at.
    pub low_score: f32,
    /// Detections from this score on are matched first and may begin a track; those between `low_score` and this one
    /// only continue what is already confirmed (the second stage of ByteTrack, Zhang et al. 2022) or weigh on what is not.
    pub high_score: f32,
    /// How much a detection must overlap a track's expected box to continue it, as IoU.
    pub min_iou: f32,
    /// The same for a detection with a low score: it must fit better.
    pub min_iou_low: f32,
    /// Both boxes grow by so many standard deviations of the expected position before they are compared, so that what
    /// moves far between two frames of a slow camera still overlaps (buffered IoU, Yang et al. 2023, with the buffer
    /// taken from the motion's own uncertainty).
    pub buffer_sds: f32,
    /// At most so much of its size does a box grow on each side.
    pub buffer_limit: f32,
    /// What a match is worth when the class differs, as a factor: a detector that wavers between car and truck keeps its
    /// track, a passer-by does not take over a parked car.
    pub other_class: f32,
    /// How much a different height speaks against a match: the ratio of the heights to this power is a factor of what
    /// the match is worth. Two people that pass each other are rarely equally tall in the picture (height-modulated IoU,
    /// Yang et al. 2024).
    pub height_power: f32,
    /// How much a match gains when it goes on in the direction of the track, and loses when it turns back, in IoU
    /// (observation-centric momentum, Cao et al. 2023).
    pub direction_weight: f32,
    /// The direction of a track is that of its last detection as seen from the one that much earlier.
    pub direction_span: Duration,
    /// A way shorter than this, in box sizes, has no certain direction: it counts in proportion.
    pub direction_travel: f32,
    /// A detection that overlaps something already seen on the same frame by this IoU is a second look at it and begins
    /// no track.
    pub duplicate_iou: f32,
    /// A confirmed track ends when it was unseen for longer than this, or for two frames of a camera so slow that they
    /// take longer.
    pub max_hidden: Duration,
    /// Classes of what lives; see [`Confirmation::standing_score`].
    pub animate: Vec<ClassId>,
    /// When a track counts as confirmed.
    pub confirmation: Confirmation,
    /// How things move.
    pub motion: MotionModel,
}

/// When a track counts as confirmed: a sequential test (Wald 1945) between a thing and clutter that a detector mistakes
/// for one now and then. Evidence is in log-odds; it grows with score and time, so cameras of all frame rates confirm
/// after about the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// The score that says nothing either way: clutter reaches it as often as things do. A detection is worth the
    /// log-odds of its score above those of this one.
    pub neutral_score: f32,
    /// The same for something of an animate class that stands where it was some seconds ago: a signpost that looks a little
    /// like a person does so all day, and a person who has not moved yet soon will.
    pub standing_score: f32,
    /// A frame without a detection is worth so much against the track.
    pub miss: f32,
    /// The same for something of an animate class that stands: its sightings are worth less, too.
    pub standing_miss: f32,
    /// Successive frames show nearly the same picture: a frame counts in full only when it follows the last one by this
    /// time or more, and by its share of it otherwise.
    pub independence: Duration,
    /// The first sighting follows none and counts by this share: not in full, because of all that clutter gives, a track
    /// begins with what happens to score high.
    pub first_look: f32,
    /// Evidence that confirms.
    pub confirm: f32,
    /// So much more while it has not moved at all, and in proportion to the overlap with where it was first seen: clutter
    /// stands, and most things that come into a picture walk or drive in.
    pub standing: f32,
    /// The same for something of a class that is not animate. Its low scores count while it stands, as those of a parked
    /// car must, so only patience tells it from a piece of pavement that looks like one for a few seconds.
    pub standing_inanimate: f32,
    /// Evidence that refutes, below zero.
    pub refute: f32,
    /// On no fewer detections than this is anything confirmed.
    pub min_detections: u32,
    /// How much more evidence it takes at a place where something standing was refuted before; once for each time.
    pub clutter: f32,
    /// At most so much more.
    pub clutter_limit: f32,
    /// The memory of such a place fades by a factor of e in this time.
    pub clutter_memory: Duration,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        TrackerConfig {
            low_score: 0.1,
            high_score: 0.3,
            min_iou: 0.24,
            min_iou_low: 0.4,
            buffer_sds: 1.0,
            buffer_limit: 0.5,
            other_class: 0.6,
            height_power: 1.5,
            direction_weight: 0.3,
            direction_span: Duration::from_secs(1),
            direction_travel: 0.3,
            duplicate_iou: 0.7,
            max_hidden: Duration::from_millis(1500),
            animate: Vec::new(),
            confirmation: Confirmation::default(),
            motion: MotionModel::default(),
        }
    }
}

impl Default for Confirmation {
    fn default() -> Self {
        Confirmation {
            neutral_score: 0.28,
            standing_score: 0.44,
            miss: 0.85,
            standing_miss: 0.35,
            independence: Duration::from_millis(250),
            first_look: 0.35,
            confirm: 1.1,
            standing: 1.8,
            standing_inanimate: 9.0,
            refute: -1.0,
            min_detections: 3,
            clutter: 1.5,
            clutter_limit: 5.0,
            clutter_memory: Duration::from_secs(30),
        }
    }
}
