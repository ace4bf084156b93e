//! Cameras that are recognised rarely, and gaps.

use std::time::Duration;

use super::scene::{Scene, Thing};
use super::{WALKER, at_ms, detection};
use crate::track::{Tracker, TrackerConfig};

#[test]
fn a_frame_every_two_seconds_is_enough() {
    for (velocity, jitter_s) in [(0.0, 0.0), (0.01, 0.0), (0.01, 0.3)] {
        for seed in 0..10 {
            let stroller = Thing { velocity: (velocity, 0.0), until_s: 60.0, ..WALKER };
            let times_s =
                (0..30).map(|frame| 2.0 * frame as f32 + if frame % 2 == 0 { 0.0 } else { jitter_s });
            let log = Scene::new(&[stroller], 1, seed).at_times(times_s.collect()).run();
            let confirmed_s = log.first_confirmation_s(0.0).expect("seen thirty times");
            assert!(confirmed_s <= 6.5, "{confirmed_s} s, {velocity}, seed {seed}");
            let [track] = &log.ended[..] else { panic!("one track, not {:?}", log.ended) };
            assert!(track.last_seen.since(track.first_seen) >= Duration::from_secs(58));
        }
    }
}

#[test]
fn a_long_gap_ends_tracks_whatever_the_pace() {
    for (interval_ms, gap_ms) in [(100, 10_000), (500, 2_000), (2000, 6_000), (4000, 11_000)] {
        let mut tracker = Tracker::new(TrackerConfig::default());
        for frame in 0..20 {
            tracker.step(at_ms(frame * interval_ms), &[detection(0, 0.8, 0.5)]);
        }
        assert_eq!(tracker.tracks().count(), 1, "every {interval_ms} ms");
        let ended = tracker.step(at_ms(19 * interval_ms + gap_ms), &[detection(0, 0.8, 0.5)]);
        assert_eq!((ended.len(), tracker.tracks().count()), (1, 0), "{gap_ms} ms");
    }
}
