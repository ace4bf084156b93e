//! Which detection shows which of the things that are followed.

use crate::detect::Detection;
use crate::geometry::BBox;

use super::Tracker;
use super::assign::{Pair, assign};
use super::config::TrackerConfig;
use super::follow::Followed;

/// Which detection each followed thing got, by index.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) of_confirmed: Vec<Option<usize>>,
    pub(super) of_tentative: Vec<Option<usize>>,
    taken: Vec<bool>,
}

impl Association {
    /// The detections that nothing got.
    pub(super) fn unmatched(&self, detections: usize) -> impl Iterator<Item = usize> {
        (0..detections).filter(|&index| !self.taken[index])
    }
}

impl Tracker {
    /// Matches in the order of trust: what is confirmed with high scores, then with low ones, then what is not.
    pub(super) fn associate(&self, detections: &[Detection]) -> Association {
        let config = &self.config;
        let mut taken = vec![false; detections.len()];
        let mut of_confirmed = vec![None; self.confirmed.len()];
        let mut of_tentative = vec![None; self.tentative.len()];
        let is_high = |detection: &Detection| detection.score >= config.high_score;
        let high = Stage { min_iou: config.min_iou, admits: &is_high };
        high.run(&self.confirmed, &mut of_confirmed, detections, &mut taken, config);
        let low = Stage { min_iou: config.min_iou_low, admits: &|detection| !is_high(detection) };
        low.run(&self.confirmed, &mut of_confirmed, detections, &mut taken, config);
        let rest = Stage { min_iou: config.min_iou, admits: &|_| true };
        rest.run(&self.tentative, &mut of_tentative, detections, &mut taken, config);
        Association { of_confirmed, of_tentative, taken }
    }
}

/// One round of matching.
struct Stage<'a> {
    min_iou: f32,
    admits: &'a dyn Fn(&Detection) -> bool,
}

impl Stage<'_> {
    fn run(
        &self,
        followed: &[Followed],
        matched: &mut [Option<usize>],
        detections: &[Detection],
        taken: &mut [bool],
        config: &TrackerConfig,
    ) {
        let mut pairs = Vec::new();
        for (left, one) in followed.iter().enumerate().filter(|(left, _)| matched[*left].is_none()) {
            for (right, detection) in detections.iter().enumerate() {
                if taken[right] || !(self.admits)(detection) {
                    continue;
                }
                let iou = similarity(one, detection, config);
                if iou >= self.min_iou {
                    pairs.push(Pair { left, right, weight: f64::from(iou) });
                }
            }
        }
        for (left, right) in assign(&pairs) {
            matched[left] = Some(right);
            taken[right] = true;
        }
    }
}

/// How well a detection fits what is expected, 0..=1: IoU of both boxes grown by the uncertainty of the expectation,
/// less when the class is another.
fn similarity(followed: &Followed, detection: &Detection, config: &TrackerConfig) -> f32 {
    let expected = &followed.track.bbox;
    let (sd_x, sd_y) = followed.center_sd();
    let margin_x = (sd_x * config.buffer_sds).min(expected.w * config.buffer_limit);
    let margin_y = (sd_y * config.buffer_sds).min(expected.h * config.buffer_limit);
    let iou = grown(expected, margin_x, margin_y).iou(&grown(&detection.bbox, margin_x, margin_y));
    if followed.track.class == detection.class { iou } else { iou * config.other_class }
}

fn grown(bbox: &BBox, margin_x: f32, margin_y: f32) -> BBox {
    BBox {
        x: bbox.x - margin_x,
        y: bbox.y - margin_y,
        w: bbox.w + 2.0 * margin_x,
        h: bbox.h + 2.0 * margin_y,
    }
}
