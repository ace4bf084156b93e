//! The clock of a camera that sends RTP, as its sender reports (RTCP) tell it: right, behind, wrong by minutes, never set.

use std::time::{Duration, Instant};

use spotter::clock::ClockOf;
use spotter::telemetry::CaptureClock;

use crate::test_camera::TestCamera;
use crate::watched::{PATIENCE, Shot, Watched};

/// Seconds by which a busy machine may be late with a frame or a report.
const LATE_S: f64 = 1.0;

/// Waits until the status tells of a clock of which this holds.
fn told(watched: &Watched, wanted: impl Fn(CaptureClock) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let health = watched.remote();
    loop {
        let clock = health.health().status().clock;
        if clock.is_some_and(&wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{clock:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A camera whose clock is ahead by `ahead_s`, and what is told of it; then whose clock `shots` are by, and how old they are.
fn watch(
    camera: &TestCamera,
    keys: &str,
    ahead_s: f64,
    by: ClockOf,
    is_right: impl Fn(&Shot) -> bool,
) -> Watched {
    let watched = Watched::start(&format!("source = \"{}\"{keys}", camera.url("h264")));
    told(&watched, |clock| {
        // A frame that is late arrives later than it was captured, by the camera's clock too.
        let is_near = |differs_s: f64| (ahead_s - LATE_S..ahead_s + 0.1).contains(&differs_s);
        clock.by == by && clock.differs_s.is_some_and(is_near)
    });
    watched.frames(10, "frames by that clock", |shot| shot.by == by && is_right(shot));
    watched.was_never_lost();
    watched
}

#[test]
fn a_clock_that_may_be_right_is_taken_up() {
    for (ahead_s, keys) in [(0.0, ""), (-0.8, "\ntransport = \"udp\"")] {
        let camera = TestCamera::start(&["--clock", &ahead_s.to_string()]);
        let is_right = |shot: &Shot| (-ahead_s - 0.1..-ahead_s + LATE_S).contains(&shot.age_s);
        drop(watch(&camera, keys, ahead_s, ClockOf::Sender, is_right));
    }
}

/// Minutes ahead and behind, and a camera without a battery that has begun in 1970.
#[test]
fn a_clock_that_is_wrong_is_told_of_and_frames_are_as_old_as_they_are() {
    std::thread::scope(|scope| {
        for ahead_s in [180.0, -420.0, -1_780_000_000.0] {
            scope.spawn(move || {
                let camera = TestCamera::start(&["--clock", &ahead_s.to_string()]);
                let is_new = |shot: &Shot| (-0.1..LATE_S).contains(&shot.age_s);
                drop(watch(&camera, "", ahead_s, ClockOf::Arrival, is_new));
            });
        }
    });
}

/// Somebody sets the clock while the camera runs: by an hour, and right again. Nothing ends, and no time runs backwards.
#[test]
fn a_clock_that_is_set_while_it_runs() {
    let mut camera = TestCamera::start(&["--clock", "3600"]);
    let is_new = |shot: &Shot| (-0.1..LATE_S).contains(&shot.age_s);
    let watched = watch(&camera, "", 3600.0, ClockOf::Arrival, is_new);
    camera.tell("clock -0.4");
    watched.frames(10, "frames by the camera's clock", |shot| {
        shot.by == ClockOf::Sender && (0.3..0.4 + LATE_S).contains(&shot.age_s)
    });
    camera.tell("clock -3600");
    watched.frames(10, "frames by their arrival", |shot| shot.by == ClockOf::Arrival && is_new(shot));
    watched.was_never_lost();
    assert_eq!(watched.faults().time_jumps, 0);
}
