//! What holds for any detections at any times.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::geometry::BBox;
use crate::track::{Track, Tracker, TrackerConfig};

/// A coordinate, and now and then something that is none.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -0.2f32..1.2,
        1 => prop_oneof![
            Just(0.0),
            Just(f32::NAN),
            Just(f32::INFINITY),
            Just(f32::NEG_INFINITY),
            Just(f32::MAX),
            Just(f32::MIN_POSITIVE),
            Just(-1e9f32),
            Just(1e-9f32),
        ],
    ]
}

/// Mostly boxes near a few places, so that tracks come about; some are anything.
fn detection() -> impl Strategy<Value = Detection> {
    let place = (0u16..4, 0u16..3, -0.02f32..0.02, -0.02f32..0.02, 0.05f32..1.0).prop_map(
        |(place, class, dx, dy, score)| Detection {
            class: ClassId(class),
            score,
            bbox: BBox::from_center(0.2 + 0.15 * f32::from(place) + dx, 0.5 + dy, 0.1, 0.2),
        },
    );
    let anything =
        (number(), number(), number(), number(), number(), 0u16..3).prop_map(|(x, y, w, h, score, class)| {
            Detection { class: ClassId(class), score, bbox: BBox { x, y, w, h } }
        });
    prop_oneof![3 => place, 1 => anything]
}

/// Steps in time: mostly a frame, sometimes none, back, or a long gap.
fn step_micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 20_000i64..250_000,
        1 => Just(0),
        1 => -5_000_000i64..0,
        1 => 1_000_000i64..10_000_000,
        1 => prop_oneof![Just(i64::MAX / 2), Just(i64::MIN / 2)],
    ]
}

fn frames() -> impl Strategy<Value = Vec<(i64, Vec<Detection>)>> {
    prop::collection::vec((step_micros(), prop::collection::vec(detection(), 0..8)), 0..60)
}

fn check_track(track: &Track) -> Result<(), TestCaseError> {
    let share_sum: f32 = track.classes.iter().map(|share| share.1).sum();
    prop_assert!(track.bbox.is_finite() && track.bbox.w >= 0.0 && track.bbox.h >= 0.0, "{track:?}");
    prop_assert!(track.path.iter().all(|point| point.x.is_finite() && point.y.is_finite()));
    prop_assert!((1..=32).contains(&track.path.len()));
    prop_assert!((0.0..=1.0).contains(&track.score) && (0.0..=1.0).contains(&track.best_score), "{track:?}");
    prop_assert!((share_sum - 1.0).abs() < 1e-4);
    prop_assert_eq!(track.class, track.classes[0].0);
    prop_assert!(track.classes.is_sorted_by(|a, b| a.1 >= b.1));
    Ok(())
}

proptest! {
    #[test]
    fn tracks_are_sound_and_end_exactly_once(frames in frames()) {
        let mut tracker = Tracker::new(TrackerConfig::default());
        let mut now = 0i64;
        let mut alive = BTreeSet::new();
        let mut ever = BTreeSet::new();
        for (step, detections) in &frames {
            now = now.saturating_add(*step);
            for track in tracker.step(Timestamp::from_micros(now), detections) {
                check_track(&track)?;
                prop_assert!(!track.visible);
                prop_assert!(alive.remove(&track.id), "{} ended, but was not there", track.id);
            }
            let tracks: Vec<&Track> = tracker.tracks().collect();
            prop_assert!(tracks.is_sorted_by(|a, b| a.id < b.id));
            for track in &tracks {
                check_track(track)?;
                if alive.insert(track.id) {
                    prop_assert!(ever.insert(track.id), "{} was used before", track.id);
                }
            }
            prop_assert_eq!(tracks.len(), alive.len(), "a track went without an end");
            let visible = tracks.iter().filter(|track| track.visible).count();
            prop_assert!(visible <= detections.len(), "more visible tracks than detections");
        }
        for track in tracker.finish() {
            prop_assert!(alive.remove(&track.id));
        }
        prop_assert!(alive.is_empty());
        prop_assert_eq!(tracker.tracks().count(), 0);
        prop_assert!(ever.iter().map(|id| id.0).eq(1..=ever.len() as u64), "ids are dense from 1");
    }

    #[test]
    fn the_same_input_gives_the_same_tracks(frames in frames()) {
        let run = || {
            let mut tracker = Tracker::new(TrackerConfig::default());
            let mut now = 0i64;
            let mut all = Vec::new();
            for (step, detections) in &frames {
                now = now.saturating_add(*step);
                all.extend(tracker.step(Timestamp::from_micros(now), detections));
                all.extend(tracker.tracks().cloned());
            }
            all.extend(tracker.finish());
            all
        };
        prop_assert_eq!(run(), run());
    }
}
