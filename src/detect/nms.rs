//! Non-maximum suppression: of boxes that cover one thing, only the surest stays.

use super::Detection;

/// Keeps, of `detections` sorted by falling score, each one that overlaps no kept one of its class by more than `iou`.
/// Greedy, per class.
pub(super) fn suppress(detections: &mut Vec<Detection>, iou: f32) {
    let mut kept: Vec<Detection> = Vec::with_capacity(detections.len());
    for candidate in detections.iter() {
        let covered = |by: &Detection| by.class == candidate.class && by.bbox.iou(&candidate.bbox) > iou;
        if !kept.iter().any(covered) {
            kept.push(*candidate);
        }
    }
    *detections = kept;
}

#[cfg(test)]
mod tests {
    use super::super::{ClassId, surest_first};
    use super::*;
    use crate::geometry::BBox;
    use proptest::prelude::*;

    fn detections() -> impl Strategy<Value = Vec<Detection>> {
        let one = (0u16..3, 1u8..=20, 0.0f32..0.8, 0.0f32..0.8, 0.01f32..0.5, 0.01f32..0.5);
        let one = one.prop_map(|(class, score, x, y, w, h)| Detection {
            class: ClassId(class),
            // Few values, so that ties happen.
            score: f32::from(score) / 20.0,
            bbox: BBox { x, y, w, h },
        });
        prop::collection::vec(one, 0..60)
    }

    fn sorted_and_suppressed(mut detections: Vec<Detection>, iou: f32) -> Vec<Detection> {
        detections.sort_unstable_by(surest_first);
        suppress(&mut detections, iou);
        detections
    }

    #[test]
    fn a_class_suppresses_only_itself() {
        let detection = |class, score, x| Detection {
            class: ClassId(class),
            score,
            bbox: BBox { x, y: 0.0, w: 0.4, h: 0.4 },
        };
        let all = vec![
            detection(0, 0.9, 0.00),
            detection(1, 0.8, 0.01),
            detection(0, 0.7, 0.02),
            detection(0, 0.6, 0.30),
        ];
        let kept = sorted_and_suppressed(all, 0.5);
        let scores: Vec<f32> = kept.iter().map(|d| d.score).collect();
        assert_eq!(scores, [0.9, 0.8, 0.6]);
    }

    proptest! {
        #[test]
        fn kept_boxes_do_not_overlap_and_dropped_ones_are_covered(all in detections(), iou in 0.0f32..1.0) {
            let kept = sorted_and_suppressed(all.clone(), iou);
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[i + 1..] {
                    prop_assert!(a.class != b.class || a.bbox.iou(&b.bbox) <= iou);
                }
            }
            for dropped in all.iter().filter(|d| !kept.contains(d)) {
                let covers = |k: &Detection| {
                    k.class == dropped.class && k.score >= dropped.score && k.bbox.iou(&dropped.bbox) > iou
                };
                prop_assert!(kept.iter().any(covers));
            }
        }

        #[test]
        fn the_order_of_the_boxes_does_not_matter(
            (all, shuffled) in detections().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            iou in 0.0f32..1.0,
        ) {
            prop_assert_eq!(sorted_and_suppressed(all, iou), sorted_and_suppressed(shuffled, iou));
        }
    }
}
