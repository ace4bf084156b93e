//! Tracking: detections of successive frames in, things that persist out.
//!
//! The tracker is of the ByteTrack family (Zhang et al., *ByteTrack: Multi-Object Tracking by Associating Every
//! Detection Box*, ECCV 2022): a motion model says where each thing should be, an optimal assignment gives it the
//! detection that fits, and detections with a low score continue what high ones began. What is different here: time
//! is in seconds throughout, and a thing is confirmed by evidence over time, not by a number of frames.
//!
//! [`crate::recognize`] owns one [`Tracker`] per camera. It reads no clock and no random number: the same detections
//! at the same times give the same tracks.

mod assign;
mod associate;
mod clutter;
mod config;
mod cover;
mod evidence;
mod follow;
mod motion;
mod pace;
mod stance;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::geometry::{BBox, Point};
use crate::tag::TrackId;

use associate::associate;
use clutter::Clutter;
use follow::Followed;
use pace::Pace;

pub(crate) use assign::{Pair, assign};
pub use config::{Confirmation, TrackerConfig};
pub use motion::MotionModel;

/// A frame follows the last one by no less than this, whatever the clock says.
const MIN_STEP_S: f32 = 0.001;
/// Boxes larger than this many pictures are no detections.
const MAX_SIDE: f32 = 2.0;
/// Boxes with less area than this inside the picture are no detections: a tenth of a pixel of a 4K picture.
const MIN_AREA: f32 = 1e-8;

/// A thing that was confirmed by evidence over time, as it stands after a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its number.
    pub id: TrackId,
    /// What it most likely is, by the evidence so far.
    pub class: ClassId,
    /// How sure, 0..=1: the smoothed score of its detections.
    pub score: f32,
    /// Where it is now: measured and smoothed, or predicted while it is hidden.
    pub bbox: BBox,
    /// Where it touches the ground, inside the picture: the middle of the box's lower edge, or below that while something
    /// covers its feet.
    pub foot: Point,
    /// Whether this frame showed it; otherwise `bbox` is a prediction.
    pub visible: bool,
    /// When it was first seen, before it was confirmed.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// The best score of a single frame, 0..=1.
    pub best_score: f32,
    /// Every class considered with its share of the evidence, best first; shares sum to 1.
    pub classes: Vec<(ClassId, f32)>,
    /// Where its foot point went, oldest first, thinned to at most 32 points.
    pub path: Vec<Point>,
}

/// Where a track was seen on one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Capture time of the frame.
    pub at: Timestamp,
    /// Where: measured and smoothed.
    pub bbox: BBox,
    /// The detection's score, 0..=1.
    pub score: f32,
}

/// Follows the things in one camera's picture.
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    last: Option<Timestamp>,
    pace: Pace,
    /// Confirmed, in the order of their ids.
    confirmed: Vec<Followed>,
    /// Not confirmed yet, oldest first.
    tentative: Vec<Followed>,
    clutter: Clutter,
    last_id: u64,
}

impl Track {
    /// The track as it was when it was seen before its confirmation; what it is and who it is were known only later.
    pub fn as_seen(&self, sighting: &Sighting) -> Track {
        let Sighting { at, bbox, score } = *sighting;
        let foot = bbox.clipped().foot();
        Track { score, bbox, foot, visible: true, last_seen: at, ..self.clone() }
    }
}

impl Tracker {
    /// A tracker that has seen nothing yet.
    pub fn new(config: TrackerConfig) -> Self {
        Tracker::after(TrackId(0), config)
    }

    /// The same, with ids that go on after `last_id`: another tracker of the camera gave those up to it.
    pub fn after(last_id: TrackId, config: TrackerConfig) -> Self {
        Tracker {
            config,
            last: None,
            pace: Pace::default(),
            confirmed: Vec::new(),
            tentative: Vec::new(),
            clutter: Clutter::default(),
            last_id: last_id.0,
        }
    }

    /// Follows by `config` from the next step on; what is followed goes on.
    pub fn configure(&mut self, config: TrackerConfig) {
        self.config = config;
    }

    /// The last id that was given; 0 before the first.
    pub fn last_id(&self) -> TrackId {
        TrackId(self.last_id)
    }

    /// Goes on to the frame captured at `at`, with all its detections. Gives the confirmed tracks that ended because
    /// they were unseen for too long, in the order of their ids, with the box that was last seen.
    ///
    /// Time may stand still or go backwards, as clocks do when they are set: such a frame counts as one that follows
    /// at once, and what the tracks tell of earlier times is set back as well. Detections that are no box (not finite, without area, outside the picture) are not looked at.
    pub fn step(&mut self, at: Timestamp, detections: &[Detection]) -> Vec<Track> {
        let dt_s = self.last.map_or(0.0, |last| at.since(last).as_secs_f32()).max(MIN_STEP_S);
        self.set_back(at);
        let detections: Vec<Detection> = detections
            .iter()
            .filter(|detection| self.is_usable(detection))
            .map(|detection| Detection { score: detection.score.min(1.0), ..*detection })
            .collect();

        let ended = self.predict(dt_s);
        if self.last.replace(at).is_some_and(|last| last < at) {
            self.pace.learn(dt_s);
        }
        let association = associate(&self.confirmed, &self.tentative, &detections, &self.config);
        for (followed, detection) in self.confirmed.iter_mut().zip(&association.of_confirmed) {
            if let Some(index) = detection {
                followed.see(at, dt_s, (*index, &detections), &self.config);
            }
        }
        for (followed, detection) in self.tentative.iter_mut().zip(&association.of_tentative) {
            match detection {
                Some(index) => followed.see(at, dt_s, (*index, &detections), &self.config),
                None => followed.miss(dt_s, &self.config.confirmation),
            }
        }
        self.refute();
        self.confirm();
        self.begin(at, association.unmatched.iter().map(|&index| &detections[index]));
        ended
    }

    /// The confirmed tracks as they stand after the last step, visible or hidden, in the order of their ids.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> + Clone {
        self.confirmed.iter().map(|followed| &followed.track)
    }

    /// The tracks that the last step confirmed, each with what was seen of it up to and with that step, oldest first: at
    /// most 256 sightings, thinned when there were more.
    pub fn newly_confirmed(&self) -> impl Iterator<Item = (&Track, &[Sighting])> {
        self.confirmed
            .iter()
            .filter(|followed| !followed.earlier.is_empty())
            .map(|followed| (&followed.track, followed.earlier.as_slice()))
    }

    /// Ends everything and gives the confirmed tracks, in the order of their ids, with the box that was last seen: the
    /// stream is over or the camera is lost. Ids are not used again when it goes on.
    pub fn finish(&mut self) -> Vec<Track> {
        self.tentative.clear();
        self.last = None;
        self.confirmed.drain(..).map(|followed| followed.ended()).collect()
    }

    fn is_usable(&self, detection: &Detection) -> bool {
        let bbox = &detection.bbox;
        let side = |length: f32| length > 0.0 && length <= MAX_SIDE;
        detection.score > 0.0
            && detection.score >= self.config.low_score
            && bbox.is_finite()
            && side(bbox.w)
            && side(bbox.h)
            && bbox.clipped().area() > MIN_AREA
    }

    /// When `at` is before the last frame: the clock was set back, and so must be what was read from it.
    fn set_back(&mut self, at: Timestamp) {
        let ago = self.last.map_or(Duration::ZERO, |last| last.since(at));
        if ago > Duration::ZERO {
            self.confirmed.iter_mut().chain(&mut self.tentative).for_each(|followed| followed.set_back(ago));
        }
    }

    /// Moves everything on by `dt_s` and gives what was hidden for too long.
    fn predict(&mut self, dt_s: f32) -> Vec<Track> {
        let max_hidden_s = self.pace.max_hidden_s(self.config.max_hidden.as_secs_f32());
        let mut ended = Vec::new();
        self.confirmed.retain_mut(|followed| {
            let keep = followed.hidden_s + dt_s <= max_hidden_s;
            if keep {
                followed.earlier.clear();
                followed.predict(dt_s, &self.config.motion);
            } else {
                followed.track.visible = false;
                ended.push(followed.ended());
            }
            keep
        });
        self.tentative.retain_mut(|followed| {
            followed.predict(dt_s, &self.config.motion);
            followed.hidden_s <= max_hidden_s
        });
        self.clutter.fade(dt_s, &self.config.confirmation);
        ended
    }

    /// Drops what turned out to be nothing, and remembers where it stood.
    fn refute(&mut self) {
        self.tentative.retain(|followed| {
            let refuted = followed.is_refuted(&self.config);
            if refuted && followed.stands() {
                self.clutter.remember(&followed.last_measured, &self.config.confirmation);
            }
            !refuted
        });
    }

    /// Confirms what is seen now and has the evidence, unless it sits on something that is already confirmed.
    fn confirm(&mut self) {
        let mut index = 0;
        while index < self.tentative.len() {
            let followed = &self.tentative[index];
            let bbox = followed.track.bbox;
            let ready =
                followed.track.visible && followed.is_convincing(self.clutter.doubt(&bbox), &self.config);
            let taken = |other: &Followed| {
                other.track.visible && other.track.bbox.iou(&bbox) >= self.config.duplicate_iou
            };
            if ready && !self.confirmed.iter().any(taken) {
                let mut followed = self.tentative.remove(index);
                self.last_id += 1;
                followed.track.id = TrackId(self.last_id);
                followed.confirmed = true;
                self.confirmed.push(followed);
            } else {
                index += 1;
            }
        }
    }

    /// Begins to follow every good detection that belongs to nothing yet.
    fn begin<'a>(&mut self, at: Timestamp, unmatched: impl Iterator<Item = &'a Detection>) {
        for detection in unmatched.filter(|detection| detection.score >= self.config.high_score) {
            let known = |followed: &Followed| {
                followed.track.visible
                    && followed.track.bbox.iou(&detection.bbox) >= self.config.duplicate_iou
            };
            if !self.confirmed.iter().chain(&self.tentative).any(known) {
                self.tentative.push(Followed::new(at, detection, &self.config));
            }
        }
    }
}
