//! Scenes with a known truth, made by a seeded generator, and the invariants that hold for any input.

mod clutter;
mod invariants;
mod pace;
mod scene;

use std::time::Duration;

use super::{Track, Tracker, TrackerConfig};
use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::geometry::BBox;
use scene::{Random, Scene, Thing};

const FRAME_RATES: [u32; 5] = [5, 10, 15, 25, 30];

/// Someone who walks across the picture at a bit more than a width per second, seen well enough.
const WALKER: Thing = Thing {
    start: (0.1, 0.5),
    velocity: (0.08, 0.0),
    size: (0.06, 0.15),
    score: 0.7,
    seen: 1.0,
    from_s: 0.0,
    until_s: 10.0,
    hidden_s: (0.0, 0.0),
    class: ClassId(0),
    jitter: (0.04, 0.03, 0.06, 0.04),
};

/// A rock that is taken for a person now and then.
const ROCK: Thing =
    Thing { start: (0.3, 0.5), velocity: (0.0, 0.0), size: (0.04, 0.1), until_s: 600.0, ..WALKER };

fn at_ms(ms: u64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_millis(ms)
}

fn detection(class: u16, score: f32, x: f32) -> Detection {
    Detection { class: ClassId(class), score, bbox: BBox::from_center(x, 0.5, 0.1, 0.2) }
}

#[test]
fn a_walker_is_confirmed_after_the_same_time_at_every_frame_rate() {
    let doubtful = Thing { score: 0.5, seen: 0.8, ..WALKER };
    for (thing, typical_s, slowest_s) in [(WALKER, 0.5, 0.6), (doubtful, 0.8, 2.5)] {
        for fps in FRAME_RATES {
            let mut delays: Vec<f32> = (0..40)
                .map(|seed| {
                    let log = Scene::new(&[thing], fps, seed).run();
                    log.first_confirmation_s(0.1).expect("ten seconds are enough")
                })
                .collect();
            delays.sort_by(f32::total_cmp);
            let (median, last) = (delays[20], delays[39]);
            assert!(median <= typical_s && median >= 0.15, "{median} s at {fps} fps: {thing:?}");
            assert!(last <= slowest_s, "{last} s at {fps} fps: {thing:?}");
        }
    }
}

#[test]
fn nothing_is_confirmed_on_two_detections() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    for (second, confirmed) in [(0, 0), (1, 0), (2, 1)] {
        tracker.step(at_ms(second * 1000), &[detection(0, 0.99, 0.5)]);
        assert_eq!(tracker.tracks().count(), confirmed);
    }
}

#[test]
fn people_who_cross_keep_their_tracks() {
    let right = Thing { start: (0.1, 0.5), velocity: (0.1, 0.0), until_s: 8.0, ..WALKER };
    let left = Thing { start: (0.9, 0.49), velocity: (-0.1, 0.0), size: (0.055, 0.14), ..right };
    for fps in FRAME_RATES {
        for seed in 0..10 {
            let log = Scene::new(&[right, left], fps, seed).occluding().run();
            assert_eq!(log.ids().len(), 2, "{fps} fps, seed {seed}");
            for (thing, ids) in log.ids_of_things().iter().enumerate() {
                assert_eq!(ids.len(), 1, "thing {thing} at {fps} fps, seed {seed}");
            }
        }
    }
}

#[test]
fn who_is_hidden_for_a_second_is_found_again() {
    let walker = Thing { hidden_s: (4.0, 5.0), ..WALKER };
    for fps in FRAME_RATES {
        for seed in 0..10 {
            let log = Scene::new(&[walker], fps, seed).run();
            assert_eq!(log.ids().len(), 1, "{fps} fps, seed {seed}");
            let hidden = log.track_at(4.5);
            assert!(!hidden.visible, "{fps} fps, seed {seed}");
            let distance = hidden.bbox.center().distance(walker.center_at(4.5));
            assert!(distance < walker.size.0, "off by {distance} at {fps} fps, seed {seed}");
        }
    }
}

#[test]
fn who_is_hidden_for_long_comes_back_as_another() {
    let walker = Thing { hidden_s: (3.0, 6.0), ..WALKER };
    let log = Scene::new(&[walker], 10, 1).run();
    assert_eq!(log.ids(), [1, 2]);
    let [first, second] = &log.ended[..] else { panic!("two tracks end") };
    assert!(first.last_seen < second.first_seen);
    assert!(!first.visible);
    assert!(first.bbox.center().distance(walker.center_at(3.0)) < 0.02, "ends where it was last seen");
}

#[test]
fn dropped_frames_and_uneven_times_cost_no_track() {
    for seed in 0..10 {
        let mut random = Random::new(seed + 100);
        let mut times_s = Vec::new();
        let mut now_s = 0.0;
        while now_s < 10.0 {
            times_s.push(now_s);
            now_s += if random.unit() < 0.1 { 0.7 } else { 0.03 + 0.2 * random.unit() };
        }
        let other = Thing { start: (0.8, 0.3), velocity: (-0.06, 0.02), ..WALKER };
        let log = Scene::new(&[WALKER, other], 10, seed).at_times(times_s).run();
        assert_eq!(log.ids().len(), 2, "seed {seed}");
    }
}

#[test]
fn a_clock_that_stands_or_goes_back_costs_no_track() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    let mut x = 0.2;
    for ms in [0, 100, 200, 300, 400, 400, 400, 500, 450, 100, 200, 300] {
        x += 0.005;
        assert_eq!(tracker.step(at_ms(ms), &[detection(0, 0.9, x)]), []);
    }
    let track = tracker.tracks().next().expect("one");
    assert!((track.bbox.center().x - x).abs() < 0.01);
    assert_eq!(tracker.tracks().count(), 1);
    assert_eq!(track.last_seen, at_ms(300));
    assert!(track.last_seen.since(track.first_seen) >= Duration::from_millis(700), "{track:?}");
    assert_eq!(tracker.step(at_ms(3_600_000), &[]).len(), 1, "an hour later it is gone");
}

#[test]
fn a_low_score_continues_but_does_not_begin() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    for frame in 0..20 {
        tracker.step(at_ms(frame * 100), &[detection(0, 0.2, 0.5)]);
    }
    assert_eq!(tracker.tracks().count(), 0);
    for frame in 20..40 {
        tracker.step(at_ms(frame * 100), &[detection(0, 0.8, 0.5)]);
    }
    for frame in 40..80 {
        tracker.step(at_ms(frame * 100), &[detection(0, 0.2, 0.5)]);
    }
    let track = tracker.tracks().next().expect("confirmed by the high scores");
    assert!(track.visible && track.score < 0.3 && track.best_score == 0.8);
}

#[test]
fn what_is_no_box_is_not_looked_at() {
    let good = BBox { x: 0.4, y: 0.4, w: 0.1, h: 0.2 };
    let bad = [
        BBox { w: 0.0, ..good },
        BBox { w: -0.1, ..good },
        BBox { h: -0.1, ..good },
        BBox { w: 3.0, ..good },
        BBox { x: f32::NAN, ..good },
        BBox { y: f32::INFINITY, ..good },
        BBox { x: 1.0, ..good },
        BBox { y: -0.2, ..good },
    ];
    for bbox in bad {
        let mut tracker = Tracker::new(TrackerConfig::default());
        for frame in 0..20 {
            tracker.step(at_ms(frame * 100), &[Detection { bbox, ..detection(0, 0.9, 0.5) }]);
        }
        assert_eq!(tracker.tracks().count(), 0, "{bbox:?}");
    }
}

#[test]
fn a_score_above_one_counts_as_one() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    for frame in 0..20 {
        tracker.step(at_ms(frame * 100), &[detection(0, 1.02, 0.5)]);
    }
    let track = tracker.tracks().next().expect("confirmed");
    assert_eq!((track.score, track.best_score), (1.0, 1.0));
}

#[test]
fn a_wavering_class_keeps_its_track_and_shares_the_evidence() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    for frame in 0..40 {
        let class = if frame % 4 == 0 { 7 } else { 2 };
        tracker.step(at_ms(frame * 100), &[detection(class, 0.6, 0.5)]);
    }
    let tracks: Vec<&Track> = tracker.tracks().collect();
    let [track] = tracks[..] else { panic!("one track, not {}", tracks.len()) };
    assert_eq!(track.class, ClassId(2));
    assert_eq!(track.classes.iter().map(|share| share.0.0).collect::<Vec<_>>(), [2, 7]);
    assert!((track.classes[0].1 - 0.75).abs() < 1e-4);
}

#[test]
fn a_second_look_at_the_same_thing_is_no_second_thing() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    for frame in 0..40 {
        tracker.step(at_ms(frame * 100), &[detection(2, 0.7, 0.5), detection(7, 0.5, 0.505)]);
    }
    assert_eq!(tracker.tracks().count(), 1);
}

#[test]
fn a_passer_by_does_not_take_over_a_parked_car() {
    let car = Thing { class: ClassId(2), size: (0.2, 0.15), ..ROCK };
    let car = Thing { start: (0.5, 0.5), until_s: 10.0, hidden_s: (5.0, 6.0), ..car };
    let log = Scene::new(&[car, WALKER], 10, 3).run();
    assert_eq!(log.ids().len(), 2);
    for track in &log.ended {
        assert_eq!(track.classes.len(), 1, "{track:?}");
    }
}

#[test]
fn a_path_is_thinned_from_first_to_last() {
    let walker = Thing { velocity: (0.02, 0.0), until_s: 40.0, ..WALKER };
    let log = Scene::new(&[walker], 25, 5).run();
    let path = &log.ended[0].path;
    assert!((16..=32).contains(&path.len()), "{}", path.len());
    assert!((path[0].x - 0.1).abs() < 0.02 && (path[path.len() - 1].x - 0.9).abs() < 0.02);
    assert!(path.windows(2).all(|pair| pair[0].x < pair[1].x + 0.01));
}

#[test]
fn the_sightings_before_the_confirmation_are_given_once() {
    let mut tracker = Tracker::new(TrackerConfig::default());
    let mut given = Vec::new();
    for frame in 0..20 {
        tracker.step(at_ms(frame * 100), &[detection(0, 0.7, 0.5)]);
        for (track, sightings) in tracker.newly_confirmed() {
            assert_eq!(sightings.last().map(|last| last.bbox), Some(track.bbox));
            given.push((frame, sightings.len() as u64, sightings[0].at));
        }
    }
    let [(frame, count, first)] = given[..] else { panic!("once, not {given:?}") };
    assert_eq!((count, first), (frame + 1, at_ms(0)));
}

#[test]
fn legs_that_a_detector_misses_cost_nobody_their_number() {
    let full = |x: f32| BBox { x, y: 0.37, w: 0.11, h: 0.56 };
    let mut lost = Vec::new();
    // Strides and frames can keep step: the same moment of the walk on two frames, and on a third. What is less than
    // that each time is not known for a part of it.
    for (frames, least) in [(1, 0.5), (2, 0.6), (3, 0.6)] {
        for every_ms in [100, 200, 400, 500, 600] {
            for height in [0.5, 0.55, 0.6, 0.65, 0.7, 0.8].into_iter().filter(|height| *height >= least) {
                for width in [0.5, 0.6, 0.7, 0.8, 1.0] {
                    let config = TrackerConfig { animate: vec![ClassId(0)], ..TrackerConfig::default() };
                    let mut tracker = Tracker::new(config);
                    let mut ids = std::collections::BTreeSet::new();
                    for n in 0..40 {
                        let x = 0.3 + 0.02 * (n * every_ms) as f32 / 1000.0;
                        let whole = full(x);
                        let (score, bbox) = if (30..30 + frames).contains(&n) {
                            let (w, h) = (whole.w * width, whole.h * height);
                            (0.4, BBox { x: x + (whole.w - w) / 2.0, w, h, ..whole })
                        } else {
                            (0.7, whole)
                        };
                        tracker.step(at_ms(n * every_ms), &[Detection { class: ClassId(0), score, bbox }]);
                        ids.extend(tracker.tracks().map(|track| track.id.0));
                    }
                    if ids.len() != 1 {
                        lost.push((frames, every_ms, height, width));
                    }
                }
            }
        }
    }
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
}
