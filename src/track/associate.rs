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
/// with whatever is left. What something covers is matched by the whole of it where its box as it was seen fits nothing.
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
    let stage = |followed: &[Followed], matched: &mut [_], free: &mut Vec<usize>, fit, min_iou| {
        match_stage(followed, matched, detections, free, fit, min_iou, config);
    };
    stage(confirmed, &mut of_confirmed, &mut high, fit, config.min_iou);
    stage(confirmed, &mut of_confirmed, &mut low, fit_low, config.min_iou_low);
    stage(confirmed, &mut of_confirmed, &mut high, fit_part, PART_IOU);
    stage(confirmed, &mut of_confirmed, &mut low, fit_part_low, PART_IOU);
    match_reshaped(confirmed, &mut of_confirmed, detections, &mut high);
    let mut rest = high;
    rest.append(&mut low);
    stage(tentative, &mut of_tentative, &mut rest, fit, config.min_iou);
    Association { of_confirmed, of_tentative, unmatched: rest }
}

/// How well a detection fits a thing, 0..=1.
type Fit = fn(&Followed, &Detection, &TrackerConfig) -> f32;

/// One round: matches what has no detection yet with the `free` detections, and takes those that it used out of them.
fn match_stage(
    followed: &[Followed],
    matched: &mut [Option<usize>],
    detections: &[Detection],
    free: &mut Vec<usize>,
    fit: Fit,
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
/// as large as the thing usually is, when nothing else was there and the thing is still expected there.
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
            let is_there = one.expected_whole().0.intersection(bbox) > 0.0;
            is_there && (is_reshaped || one.is_whole_again(bbox))
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

/// What a box that shows a part is worth against one that shows the whole.
const PART: f32 = 0.9;
/// How much a box must overlap the whole that is expected, or must when it is completed, as IoU.
const PART_IOU: f32 = 0.25;
/// Greatest ratio of heights at which who comes out from behind something is the one who went there.
const SAME_HEIGHT: f32 = 1.2;

/// What a pair is worth at least that fits but turns back: better than none.
const WORST: f32 = 0.001;

/// How well a detection fits what is expected, 0..=1: the IoU of both boxes grown by the uncertainty of the expectation,
/// less when the height or the class is another.
fn fit(followed: &Followed, detection: &Detection, config: &TrackerConfig) -> f32 {
    if followed.is_behind() {
        return fit_part(followed, detection, config);
    }
    let class_factor = if followed.track.class == detection.class { 1.0 } else { config.other_class };
    fit_box(followed.expected(), &detection.bbox, config) * class_factor
}

/// The same for something of which only parts were seen lately, and a detection that shows a part or the whole of it: what
/// fits the whole as it was before.
fn fit_part(followed: &Followed, detection: &Detection, config: &TrackerConfig) -> f32 {
    if !followed.is_covered() {
        return 0.0;
    }
    let seen = &detection.bbox;
    let class_factor = if followed.track.class == detection.class { 1.0 } else { config.other_class };
    let expected = followed.expected_whole();
    let part = followed.whole(seen).map_or(0.0, |whole| PART * fit_box(expected, &whole, config));
    let (less, more) = (expected.0.h.min(seen.h), expected.0.h.max(seen.h));
    let full = if more <= SAME_HEIGHT * less { fit_box(expected, seen, config) } else { 0.0 };
    full.max(part) * class_factor
}

/// The same as [`fit`] for a low score: clutter does not end that something is behind something else.
fn fit_low(followed: &Followed, detection: &Detection, config: &TrackerConfig) -> f32 {
    if followed.is_behind() { 0.0 } else { fit(followed, detection, config) }
}

/// The same as [`fit_part`].
fn fit_part_low(followed: &Followed, detection: &Detection, config: &TrackerConfig) -> f32 {
    if followed.is_behind() { 0.0 } else { fit_part(followed, detection, config) }
}

/// How well a box fits an expected one, whatever its class.
fn fit_box((expected, (sd_x, sd_y)): (BBox, (f32, f32)), seen: &BBox, config: &TrackerConfig) -> f32 {
    let expected = &expected;
    let margin_x = (sd_x * config.buffer_sds).min(expected.w * config.buffer_limit);
    let margin_y = (sd_y * config.buffer_sds).min(expected.h * config.buffer_limit);
    let iou = grown(expected, margin_x, margin_y).iou(&grown(seen, margin_x, margin_y));
    if iou <= 0.0 {
        return 0.0;
    }
    let height_ratio = expected.h.min(seen.h) / expected.h.max(seen.h);
    iou * height_ratio.powf(config.height_power)
}

fn grown(bbox: &BBox, margin_x: f32, margin_y: f32) -> BBox {
    BBox {
        x: bbox.x - margin_x,
        y: bbox.y - margin_y,
        w: bbox.w + 2.0 * margin_x,
        h: bbox.h + 2.0 * margin_y,
    }
}
