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

/// A place, and how much more evidence it asks for.
#[derive(Clone, Copy, Debug)]
struct Place {
    bbox: BBox,
    doubt: f32,
}

/// All the places.
#[derive(Debug, Default)]
pub(super) struct Clutter(Vec<Place>);

impl Clutter {
    /// Fades by the passing of `dt_s` seconds.
    pub(super) fn fade(&mut self, dt_s: f32, config: &Confirmation) {
        let rest = (-dt_s / config.clutter_memory.as_secs_f32().max(f32::EPSILON)).exp();
        self.0.retain_mut(|place| {
            place.doubt *= rest;
            place.doubt > FAINT
        });
    }

    /// Remembers that something at `bbox` was refuted.
    pub(super) fn remember(&mut self, bbox: &BBox, config: &Confirmation) {
        let nearest = self
            .0
            .iter_mut()
            .map(|place| (place.bbox.iou(bbox), place))
            .filter(|(iou, _)| *iou >= SAME_PLACE_IOU)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, place)) = nearest {
            place.doubt = (place.doubt + config.clutter).min(config.clutter_limit);
            return;
        }
        if self.0.len() == MAX_PLACES {
            let faintest = (0..MAX_PLACES).min_by(|&a, &b| self.0[a].doubt.total_cmp(&self.0[b].doubt));
            self.0.swap_remove(faintest.expect("there is room for some"));
        }
        self.0.push(Place { bbox: *bbox, doubt: config.clutter.min(config.clutter_limit) });
    }

    /// How much more evidence something at `bbox` needs.
    pub(super) fn doubt(&self, bbox: &BBox) -> f32 {
        let there = |place: &&Place| place.bbox.iou(bbox) >= SAME_PLACE_IOU;
        self.0.iter().filter(there).map(|place| place.doubt).fold(0.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_grows_to_a_limit_stays_in_its_place_and_fades() {
        let config = Confirmation { clutter: 1.0, clutter_limit: 2.5, ..Confirmation::default() };
        let rock = BBox::from_center(0.3, 0.5, 0.04, 0.1);
        let nearby = BBox { x: rock.x + 0.005, ..rock };
        let elsewhere = BBox { x: rock.x + 0.03, ..rock };
        let mut clutter = Clutter::default();
        for doubt in [1.0, 2.0, 2.5, 2.5] {
            clutter.remember(&rock, &config);
            assert_eq!((clutter.doubt(&nearby), clutter.doubt(&elsewhere)), (doubt, 0.0));
        }
        clutter.fade(config.clutter_memory.as_secs_f32(), &config);
        assert!((clutter.doubt(&rock) - 2.5 / std::f32::consts::E).abs() < 1e-4);
        clutter.fade(1e6, &config);
        assert!(clutter.0.is_empty());
    }

    #[test]
    fn a_new_place_replaces_the_faintest() {
        let config = Confirmation::default();
        let place = |index: usize| BBox { x: index as f32, y: 0.0, w: 0.5, h: 0.5 };
        let mut clutter = Clutter::default();
        for index in 0..MAX_PLACES {
            clutter.remember(&place(index), &config);
            clutter.fade(0.1, &config);
        }
        clutter.remember(&place(MAX_PLACES), &config);
        assert_eq!(clutter.0.len(), MAX_PLACES);
        assert_eq!(clutter.doubt(&place(0)), 0.0);
        assert!(clutter.doubt(&place(1)) > 0.0);
    }
}
