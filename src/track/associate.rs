//! Which detection shows which of the things that are followed.

use crate::detect::Detection;
use crate::geometry::BBox;

use super::assign::{Pair, assign};
use super::config::TrackerConfig;
use super::follow::Followed;

/// Which detection each followed thing got, by index.
#[derive(Debug)]
pub(super) struct Association {
    /// For each confirmed thing.
    pub(super) of_confirmed: Vec<Option<usize>>,
    /// For each that is not.
    pub(super) of_tentative: Vec<Option<usize>>,
    /// The detections that nothing got.
    pub(super) unmatched: Vec<usize>,
}

/// Matches in the order of trust: what is confirmed with high scores, then with low ones, then what is not confirmed
/// with whatever is left.
pub(super) fn associate(
    confirmed: &[Followed],
    tentative: &[Followed],
    detections: &[Detection],
    config: &TrackerConfig,
) -> Association {
    let mut of_confirmed = vec![None; confirmed.len()];
    let mut of_tentative = vec![None; tentative.len()];
    let (mut high, mut low): (Vec<usize>, Vec<usize>) =
        (0..detections.len()).partition(|&index| detections[index].score >= config.high_score);
    let stage = |followed: &[Followed], matched: &mut [_], free: &mut Vec<usize>, min_iou| {
        match_stage(followed, matched, detections, free, min_iou, config);
    };
    stage(confirmed, &mut of_confirmed, &mut high, config.min_iou);
    stage(confirmed, &mut of_confirmed, &mut low, config.min_iou_low);
    match_reshaped(confirmed, &mut of_confirmed, detections, &mut high);
    let mut rest = high;
    rest.append(&mut low);
    stage(tentative, &mut of_tentative, &mut rest, config.min_iou);
    Association { of_confirmed, of_tentative, unmatched: rest }
}

/// One round: matches what has no detection yet with the `free` detections, and takes those that it used out of them.
fn match_stage(
    followed: &[Followed],
    matched: &mut [Option<usize>],
    detections: &[Detection],
    free: &mut Vec<usize>,
    min_iou: f32,
    config: &TrackerConfig,
) {
    let mut pairs = Vec::new();
    for (left, one) in followed.iter().enumerate().filter(|(left, _)| matched[*left].is_none()) {
        for &right in free.iter() {
            let bbox = &detections[right].bbox;
            let fit = fit(one, &detections[right], config);
            if fit >= min_iou {
                let weight = fit + config.direction_weight * one.keeps_direction(bbox, config);
                pairs.push(Pair { left, right, weight: f64::from(weight.max(WORST)) });
            }
        }
    }
    for (left, right) in assign(&pairs) {
        matched[left] = Some(right);
    }
    free.retain(|index| !matched.contains(&Some(*index)));
}

/// Whoever falls changes the shape of their box faster than any motion model expects, and of whom only a part was found
/// on some frames, such as the upper half, seems to shrink and rise. A confirmed thing that nothing fits goes on with
/// the one free detection that lies over the box it had last and is about as large, or has most of that box in it and is
/// as large as the thing usually is, when nothing else was there.
fn match_reshaped(
    confirmed: &[Followed],
    matched: &mut [Option<usize>],
    detections: &[Detection],
    free: &mut Vec<usize>,
) {
    for (left, one) in confirmed.iter().enumerate() {
        let last = &one.last_measured;
        let fits = |bbox: &BBox| {
            let (less, more) = (last.area().min(bbox.area()), last.area().max(bbox.area()));
            let (before, now) = (last.w * bbox.h, bbox.w * last.h);
            let is_reshaped = before.max(now) >= RESHAPED_SHAPE * before.min(now)
                && less >= RESHAPED_AREA * more
                && last.intersection(bbox) >= RESHAPED_COVER * less;
            is_reshaped || one.is_whole_again(bbox)
        };
        let mut found = free.iter().filter(|index| fits(&detections[**index].bbox));
        if matched[left].is_none()
            && let (Some(&only), None) = (found.next(), found.next())
            && confirmed.iter().enumerate().all(|(other, followed)| {
                other == left || followed.last_measured.intersection(&detections[only].bbox) <= 0.0
            })
        {
            matched[left] = Some(only);
        }
    }
    free.retain(|index| !matched.contains(&Some(*index)));
}

/// How much of the smaller box must be shared.
const RESHAPED_COVER: f32 = 0.3;
/// By how much the proportions must have changed: a rock that somebody walks past is another thing of the same shape.
const RESHAPED_SHAPE: f32 = 1.1;
/// How large the smaller box must be against the larger: who falls is about as large lying as standing.
const RESHAPED_AREA: f32 = 0.5;

/// What a pair is worth at least that fits but turns back: better than none.
const WORST: f32 = 0.001;

/// How well a detection fits what is expected, 0..=1: the IoU of both boxes grown by the uncertainty of the expectation,
/// less when the height or the class is another.
fn fit(followed: &Followed, detection: &Detection, config: &TrackerConfig) -> f32 {
    let (expected, seen) = (&followed.track.bbox, &detection.bbox);
    let (sd_x, sd_y) = followed.center_sd();
    let margin_x = (sd_x * config.buffer_sds).min(expected.w * config.buffer_limit);
    let margin_y = (sd_y * config.buffer_sds).min(expected.h * config.buffer_limit);
    let iou = grown(expected, margin_x, margin_y).iou(&grown(seen, margin_x, margin_y));
    if iou <= 0.0 {
        return 0.0;
    }
    let height_ratio = expected.h.min(seen.h) / expected.h.max(seen.h);
    let class_factor = if followed.track.class == detection.class { 1.0 } else { config.other_class };
    iou * height_ratio.powf(config.height_power) * class_factor
}

fn grown(bbox: &BBox, margin_x: f32, margin_y: f32) -> BBox {
    BBox {
        x: bbox.x - margin_x,
        y: bbox.y - margin_y,
        w: bbox.w + 2.0 * margin_x,
        h: bbox.h + 2.0 * margin_y,
    }
}
