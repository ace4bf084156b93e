//! Runs the tracker over the detections of a sequence, as the daemon would run it over a camera's.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::geometry::BBox;
use crate::tag::TrackId;
use crate::track::{Tracker, TrackerConfig};

use super::{PixelBox, Row};

/// What a sequence's files do not say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Frames per second, above zero.
    pub fps: f64,
    /// Width of the picture in pixels.
    pub width_px: u32,
    /// Height of the picture in pixels.
    pub height_px: u32,
}

impl Default for Camera {
    /// The camera of the sequences TUD-Campus and TUD-Stadtmitte.
    fn default() -> Self {
        Camera { fps: 25.0, width_px: 640, height_px: 480 }
    }
}

impl Camera {
    fn capture_time(&self, frame: u32) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs_f64(f64::from(frame) / self.fps)
    }

    #[allow(clippy::cast_possible_truncation, reason = "pictures are small enough for f32")]
    fn relative(&self, bbox: &PixelBox) -> BBox {
        let (width, height) = (f64::from(self.width_px), f64::from(self.height_px));
        BBox {
            x: (bbox.left / width) as f32,
            y: (bbox.top / height) as f32,
            w: (bbox.width / width) as f32,
            h: (bbox.height / height) as f32,
        }
    }

    fn pixels(&self, bbox: &BBox) -> PixelBox {
        let (width, height) = (f64::from(self.width_px), f64::from(self.height_px));
        PixelBox {
            left: f64::from(bbox.x) * width,
            top: f64::from(bbox.y) * height,
            width: f64::from(bbox.w) * width,
            height: f64::from(bbox.h) * height,
        }
    }
}

/// What the tracker reported, one row for each visible confirmed track on each frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypotheses {
    /// What was known at the time of each frame.
    pub online: Vec<Row>,
    /// The same, and the boxes of each track from before its confirmation: what is known a moment later.
    pub complete: Vec<Row>,
}

/// The class of everything in these sequences: people, who live.
const PERSON: ClassId = ClassId(0);

/// Runs a tracker over detections. All are taken as people, and scores as probabilities cut off to 0..=1, which is what
/// those of TUD-Campus and TUD-Stadtmitte are.
pub fn track_detections(detections: &[Row], camera: &Camera, config: &TrackerConfig) -> Hypotheses {
    let mut frames: BTreeMap<u32, Vec<Detection>> = BTreeMap::new();
    for row in detections {
        #[allow(clippy::cast_possible_truncation, reason = "between 0 and 1")]
        let score = row.score.clamp(0.0, 1.0) as f32;
        let detection = Detection { class: PERSON, score, bbox: camera.relative(&row.bbox) };
        frames.entry(row.frame).or_default().push(detection);
    }
    let frame_at: BTreeMap<Timestamp, u32> =
        frames.keys().map(|&frame| (camera.capture_time(frame), frame)).collect();
    let row = |id: TrackId, at: &Timestamp, bbox: &BBox, score: f32| Row {
        frame: frame_at[at],
        id: i64::try_from(id.0).expect("fewer tracks than that"),
        bbox: camera.pixels(bbox),
        score: f64::from(score),
    };
    let mut hypotheses = Hypotheses::default();
    let mut tracker = Tracker::new(TrackerConfig { animate: vec![PERSON], ..config.clone() });
    let last_frame = frames.keys().next_back().copied().unwrap_or(0);
    for frame in 1..=last_frame {
        let at = camera.capture_time(frame);
        tracker.step(at, frames.get(&frame).map_or(&[], Vec::as_slice));
        for track in tracker.tracks().filter(|track| track.visible) {
            hypotheses.online.push(row(track.id, &at, &track.bbox, track.score));
        }
        for (track, sightings) in tracker.newly_confirmed() {
            let before = sightings.iter().filter(|sighting| sighting.at != at);
            hypotheses.complete.extend(before.map(|s| row(track.id, &s.at, &s.bbox, s.score)));
        }
    }
    hypotheses.complete.extend(&hypotheses.online);
    hypotheses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_before_the_confirmation_is_in_the_complete_rows_only() {
        let bbox = PixelBox { left: 300.0, top: 100.0, width: 60.0, height: 160.0 };
        let detections: Vec<Row> = (3..=40).map(|frame| Row { frame, id: -1, bbox, score: 0.9 }).collect();
        let hypotheses = track_detections(&detections, &Camera::default(), &TrackerConfig::default());
        let complete: Vec<u32> = hypotheses.complete.iter().map(|row| row.frame).collect();
        assert!(complete.iter().copied().eq(3..=40), "{complete:?}");
        let online: Vec<u32> = hypotheses.online.iter().map(|row| row.frame).collect();
        assert!(online[0] > 5 && online[online.len() - 1] == 40, "{online:?}");
        for row in &hypotheses.complete {
            assert!(row.id == 1 && row.bbox.iou(&bbox) > 0.99, "{row:?}");
        }
    }

    #[test]
    fn no_detections_give_no_tracks() {
        let hypotheses = track_detections(&[], &Camera::default(), &TrackerConfig::default());
        assert_eq!(hypotheses, Hypotheses::default());
    }
}
