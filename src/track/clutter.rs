//! Places where a detector keeps seeing what is not there.
//!
//! A rock that looks like a person in one frame out of five begins a track again and again, and by chance alone one of
//! them would look like a person for long enough. So what was refuted without having moved is remembered with its
//! place, and the next thing to stand there needs more evidence. What walks past does not: it soon stands elsewhere.

use crate::geometry::BBox;

use super::config::Confirmation;

/// How much a box must overlap a place to be there, as IoU.
const SAME_PLACE_IOU: f32 = 0.5;
/// Room for places; the faintest is forgotten for a new one.
const MAX_PLACES: usize = 128;
/// Below this much evidence a place is forgotten.
const FAINT: f32 = 0.05;

/// The places, each with the evidence that it asks for on top.
#[derive(Debug, Default)]
pub(super) struct Clutter(Vec<(BBox, f32)>);

impl Clutter {
    /// Fades by the passing of `dt_s` seconds.
    pub(super) fn fade(&mut self, dt_s: f32, config: &Confirmation) {
        let rest = (-dt_s / config.clutter_memory.as_secs_f32().max(f32::EPSILON)).exp();
        self.0.retain_mut(|(_, evidence)| {
            *evidence *= rest;
            *evidence > FAINT
        });
    }

    /// Remembers that something at `bbox` was refuted.
    pub(super) fn remember(&mut self, bbox: &BBox, config: &Confirmation) {
        let nearest = self
            .0
            .iter_mut()
            .map(|place| (place.0.iou(bbox), place))
            .filter(|(iou, _)| *iou >= SAME_PLACE_IOU)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, place)) = nearest {
            place.1 = (place.1 + config.clutter).min(config.clutter_limit);
            return;
        }
        if self.0.len() == MAX_PLACES {
            let faintest = (0..MAX_PLACES).min_by(|&a, &b| self.0[a].1.total_cmp(&self.0[b].1));
            self.0.swap_remove(faintest.expect("there is room for some"));
        }
        self.0.push((*bbox, config.clutter.min(config.clutter_limit)));
    }

    /// How much more evidence something at `bbox` needs.
    pub(super) fn doubt(&self, bbox: &BBox) -> f32 {
        let there = |place: &&(BBox, f32)| place.0.iou(bbox) >= SAME_PLACE_IOU;
        self.0.iter().filter(there).map(|place| place.1).fold(0.0, f32::max)
    }
}
