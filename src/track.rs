//! Tracking: detections of successive frames in, things that persist out.

use crate::clock::Timestamp;
use crate::detect::ClassId;
use crate::geometry::{BBox, Point};
use crate::tag::TrackId;

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
