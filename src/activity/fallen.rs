//! The places of people who had fallen and whose tracks ended.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::geometry::BBox;

/// Time that a place is kept.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Two boxes that overlap by this, as IoU, are the same place.
const SAME_PLACE: f32 = 0.2;

/// The places of one camera, each with the time at which the person was seen last. Old places are dropped.
#[derive(Debug, Default)]
pub(super) struct FallenPlaces(Vec<(Timestamp, BBox)>);

impl FallenPlaces {
    /// Remembers a place.
    pub(super) fn keep(&mut self, at: Timestamp, place: BBox) {
        self.drop_old(at);
        self.0.push((at, place));
    }

    /// Whether this is one of the places. If so, it is removed.
    pub(super) fn take(&mut self, at: Timestamp, place: &BBox) -> bool {
        self.drop_old(at);
        let found = self.0.iter().position(|(_, lost)| lost.iou(place) >= SAME_PLACE);
        found.map(|index| self.0.swap_remove(index)).is_some()
    }

    /// Whether there is any.
    pub(super) fn any(&self, now: Timestamp) -> bool {
        self.0.iter().any(|(at, _)| is_remembered(*at, now))
    }

    fn drop_old(&mut self, now: Timestamp) {
        self.0.retain(|(at, _)| is_remembered(*at, now));
    }
}

fn is_remembered(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) <= REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_once_where_it_is_and_not_too_late() {
        let at = |s: i64| Timestamp::from_micros(1_000_000 * s);
        let here = BBox { x: 0.2, y: 0.7, w: 0.4, h: 0.2 };
        let there = BBox { x: 0.7, ..here };
        let mut places = FallenPlaces::default();
        places.keep(at(0), here);
        assert!(!places.take(at(1), &there));
        assert!(places.any(at(600)));
        assert!(places.take(at(600), &here));
        assert!(!places.take(at(600), &here), "it is somebody else");
        assert!(!places.any(at(600)));
        places.keep(at(1000), here);
        assert!(!places.take(at(1601), &here));
        // Nobody looks for them, and yet they do not add up.
        (0..10_000).for_each(|second| places.keep(at(2000 + second), there));
        assert_eq!(places.0.len(), 601);
    }
}
