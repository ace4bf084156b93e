//! What stands and is not there, and what stands and is.

use super::scene::{Scene, Thing};
use super::{FRAME_RATES, ROCK, WALKER};
use crate::detect::ClassId;

#[test]
fn who_stands_is_confirmed_within_seconds() {
    for (score, seen, typical_s, slowest_s) in [
        (0.8, 1.0, 0.4, 0.6),
        (0.6, 0.9, 1.6, 2.5),
        (0.55, 0.9, 2.5, 4.0),
        (0.5, 0.9, 4.0, 8.0),
        (0.5, 0.8, 6.0, 14.0),
    ] {
        for fps in FRAME_RATES {
            let thing = Thing { velocity: (0.0, 0.0), score, seen, until_s: 20.0, ..WALKER };
            let mut delays: Vec<f32> = (0..40)
                .map(|seed| {
                    let log = Scene::new(&[thing], fps, seed).run();
                    log.first_confirmation_s(0.0).unwrap_or(f32::INFINITY)
                })
                .collect();
            delays.sort_by(f32::total_cmp);
            let (median, last) = (delays[20], delays[39]);
            println!("{score} in {seen} at {fps} fps: {median} s, at most {last} s");
            assert!(
                median <= typical_s && last <= slowest_s,
                "{median}, {last} s, {score}, {seen}, {fps} fps"
            );
        }
    }
}

#[test]
fn a_rock_is_never_confirmed() {
    for (score, seen) in [(0.35, 0.2), (0.5, 0.1)] {
        for fps in [5, 10, 25, 30] {
            for seed in 0..10 {
                let log = Scene::new(&[Thing { score, seen, ..ROCK }], fps, seed).run();
                assert!(
                    log.ids().is_empty(),
                    "score {score} in {seen} of the frames at {fps} fps, seed {seed}"
                );
            }
        }
    }
}

/// The signpost, rock and barrier of vtest.avi, as the default model sees them.
#[test]
fn what_looks_a_little_like_a_person_all_day_is_never_confirmed() {
    for (score, seen) in [(0.36, 1.0), (0.33, 0.97), (0.27, 0.9)] {
        for fps in [5, 10, 25] {
            for seed in 0..5 {
                let log = Scene::new(&[Thing { score, seen, ..ROCK }], fps, seed).run();
                assert!(log.ids().is_empty(), "score {score} at {fps} fps, seed {seed}");
            }
        }
    }
}

#[test]
fn a_parked_car_needs_no_more_than_patience() {
    let car = Thing { score: 0.38, class: ClassId(2), until_s: 20.0, ..ROCK };
    for seed in 0..10 {
        let log = Scene::new(&[car], 10, seed).run();
        let confirmed_s = log.first_confirmation_s(0.0).expect("the car");
        assert!((3.0..8.0).contains(&confirmed_s), "{confirmed_s} s, seed {seed}");
    }
}

#[test]
fn who_walks_past_a_rock_is_confirmed_all_the_same() {
    let rock = Thing { score: 0.4, seen: 0.2, until_s: 100.0, start: (0.25, 0.5), ..ROCK };
    let walker = Thing { score: 0.5, seen: 0.8, from_s: 60.0, until_s: 70.0, ..WALKER };
    for seed in 0..20 {
        let log = Scene::new(&[rock, walker], 10, seed).run();
        let confirmed_s = log.first_confirmation_s(0.0).expect("the walker");
        assert!((60.0..62.5).contains(&confirmed_s), "{confirmed_s} s, seed {seed}");
        assert_eq!(log.ids().len(), 1, "seed {seed}");
    }
}

/// A traffic cone of a dozen pixels: its boxes jump about by a fifth of their size.
#[test]
fn what_jumps_about_stands_all_the_same() {
    for jitter in [0.15, 0.2, 0.25] {
        let size = (0.017, 0.045);
        let jitter = (jitter, jitter, jitter, jitter);
        for (score, seen) in [(0.36, 1.0), (0.27, 0.9), (0.5, 0.1)] {
            for fps in [5, 10, 25] {
                let cone = Thing { score, seen, size, jitter, ..ROCK };
                let log = Scene::new(&[cone], fps, 1).run();
                assert!(log.ids().is_empty(), "score {score}, jitter {jitter:?}, {fps} fps: {:?}", log.ended);
            }
        }
    }
}

/// On vtest.avi a passer-by began a track that a traffic cone went on with, and so it had moved.
#[test]
fn what_a_passer_by_began_is_no_person() {
    let cone = Thing { score: 0.27, size: (0.02, 0.038), start: (0.222, 0.34), until_s: 100.0, ..ROCK };
    let begun = Thing { start: (0.209, 0.345), velocity: (0.02, 0.0), score: 0.36, from_s: 1.0, ..cone };
    for seed in 0..20 {
        let log =
            Scene::new(&[Thing { until_s: 1.3, ..begun }, Thing { from_s: 1.3, ..cone }], 10, seed).run();
        assert!(log.ids().is_empty(), "seed {seed}: {:?}", log.ended);
    }
}

/// Empty pavement behind a tape, five seconds long.
#[test]
fn what_looks_a_little_like_a_car_for_seconds_is_none() {
    for (score, until_s) in [(0.36, 4.0), (0.3, 8.0)] {
        for fps in [5, 10, 25] {
            let pavement = Thing { score, until_s, class: ClassId(2), ..ROCK };
            for seed in 0..10 {
                let log = Scene::new(&[pavement], fps, seed).run();
                assert!(log.ids().is_empty(), "score {score}, {fps} fps, seed {seed}: {:?}", log.ended);
            }
        }
    }
}
