//! What was seen of a person's joints in the last seconds, and that at the even pace that a classifier takes.
//!
//! [`super::Person`] keeps one. The network was trained on exactly this rule of interpolation: change neither alone.

use std::collections::VecDeque;
use std::time::Duration;

use super::joints::{BODY_JOINTS, Body};
use crate::clock::Timestamp;

/// Observations of a joint that are further apart say nothing of the time between them.
const LONGEST_GAP_US: i64 = 500_000;
/// An observation this close to an instant is at it.
const SLACK_US: i64 = 100;
/// At most so many observations are kept: four seconds at 30 a second and some. When it is full the oldest goes.
const MOST_BODIES: usize = 128;
/// A joint at an instant: x, y and whether it was seen.
const VALUES: usize = 3;

/// A person's joints of the last seconds, oldest first.
#[derive(Clone, Debug)]
pub struct JointWindow {
    span: Duration,
    bodies: VecDeque<Body>,
}

impl JointWindow {
    /// An empty window for grids that are up to `span` long.
    pub fn new(span: Duration) -> Self {
        JointWindow { span, bodies: VecDeque::new() }
    }

    /// Takes in what was seen. Of two bodies at the same time the later counts; one from before the newest begins the
    /// window anew, because the clock was set back.
    pub fn push(&mut self, body: Body) {
        match self.bodies.back() {
            Some(newest) if body.at < newest.at => self.bodies.clear(),
            Some(newest) if body.at == newest.at => drop(self.bodies.pop_back()),
            _ => {}
        }
        let kept = self.span + Duration::from_micros(LONGEST_GAP_US.unsigned_abs());
        while self.bodies.front().is_some_and(|oldest| body.at.since(oldest.at) > kept)
            || self.bodies.len() >= MOST_BODIES
        {
            self.bodies.pop_front();
        }
        self.bodies.push_back(body);
    }

    /// What was seen last.
    pub fn newest(&self) -> Option<&Body> {
        self.bodies.back()
    }

    /// The window as a classifier takes it: `steps` instants, `rate_hz` of them a second, the last at `until`, which is
    /// the time of the newest body as a rule. `out` becomes f32 [steps, 13, 3]: x and y in image heights, and 1 when the
    /// joint was seen.
    ///
    /// Between two neighbouring observations of a joint that are at most half a second apart it is interpolated along a
    /// line. Everywhere else, and so before the first and after the last observation, it is unseen: three zeros.
    pub fn resample(&self, until: Timestamp, steps: usize, rate_hz: f32, out: &mut Vec<f32>) {
        out.clear();
        out.resize(steps * BODY_JOINTS * VALUES, 0.0);
        for joint in 0..BODY_JOINTS {
            let mut seen = self.bodies.iter().filter_map(|body| {
                let at = body.joints[joint]?;
                Some((body.at, [at.x, at.y]))
            });
            each_instant(&mut seen, until, steps, rate_hz, |step, at| {
                if let Some(at) = at {
                    let place = (step * BODY_JOINTS + joint) * VALUES;
                    out[place..place + VALUES].copy_from_slice(&[at[0], at[1], 1.0]);
                }
            });
        }
    }
}

/// Gives what was observed at each of `steps` instants, `rate_hz` of them a second, the last at `until`; nothing where that
/// cannot be said: see [`JointWindow::resample`]. Observations come oldest first.
pub(super) fn each_instant<const N: usize>(
    observed: &mut dyn Iterator<Item = (Timestamp, [f32; N])>,
    until: Timestamp,
    steps: usize,
    rate_hz: f32,
    mut give: impl FnMut(usize, Option<[f32; N]>),
) {
    // The last observation before the instant, or at it, and the first after it, or at it.
    let mut before = None;
    let mut after = observed.next();
    for step in 0..steps {
        let instant = instant_us(until, steps - 1 - step, rate_hz);
        while let Some(next) = after
            && is_before(next.0, instant)
        {
            before = after;
            after = observed.next();
        }
        give(step, after.and_then(|next| between(before, next, instant)));
    }
}

/// The instant of a grid that ends at `until` and has `later` instants after this one, in microseconds.
fn instant_us(until: Timestamp, later: usize, rate_hz: f32) -> i64 {
    let ago = (later as f64 / f64::from(rate_hz.max(f32::MIN_POSITIVE)) * 1e6).round() as i64;
    until.as_micros().saturating_sub(ago)
}

/// Whether an observation was before an instant, and not at it.
fn is_before(at: Timestamp, instant_us: i64) -> bool {
    at.as_micros() < instant_us.saturating_sub(SLACK_US)
}

/// What was observed at an instant that is not after `next`, when that can be said: see [`JointWindow::resample`].
fn between<const N: usize>(
    before: Option<(Timestamp, [f32; N])>,
    next: (Timestamp, [f32; N]),
    instant_us: i64,
) -> Option<[f32; N]> {
    let end = next.0.as_micros();
    if end <= instant_us.saturating_add(SLACK_US) {
        return Some(next.1);
    }
    let (start, from) = before?;
    let start = start.as_micros();
    let gap = end.saturating_sub(start);
    let share = instant_us.saturating_sub(start) as f32 / gap as f32;
    (gap <= LONGEST_GAP_US + SLACK_US)
        .then(|| std::array::from_fn(|value| from[value] + share * (next.1[value] - from[value])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::joints::Position;
    use proptest::prelude::*;

    const STEPS: usize = 40;
    const RATE_HZ: f32 = 25.0;

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_micros(ms * 1000)
    }

    /// A body whose joints are all at x, or unseen.
    fn body(ms: i64, x: Option<f32>) -> Body {
        Body { at: at_ms(ms), joints: [x.map(|x| Position { x, y: 1.0 - x }); BODY_JOINTS] }
    }

    fn window(bodies: impl IntoIterator<Item = Body>) -> JointWindow {
        let mut window = JointWindow::new(Duration::from_millis(1600));
        bodies.into_iter().for_each(|body| window.push(body));
        window
    }

    /// The first joint's x at each instant that it was seen at.
    fn grid(window: &JointWindow) -> Vec<Option<f32>> {
        let mut out = vec![7.0; 3];
        let until = window.newest().map_or(Timestamp::EPOCH, |body| body.at);
        window.resample(until, STEPS, RATE_HZ, &mut out);
        assert_eq!(out.len(), STEPS * BODY_JOINTS * VALUES);
        out.chunks(BODY_JOINTS * VALUES).map(|instant| (instant[2] == 1.0).then_some(instant[0])).collect()
    }

    #[test]
    fn what_is_between_two_observations_half_a_second_apart_is_interpolated_and_nothing_else() {
        // Bodies as (ms, x), and the instants that must be known, by their place, with x.
        type Case = (&'static [(i64, Option<f32>)], &'static [(usize, Option<f32>)]);
        let cases: [Case; 6] = [
            (&[], &[(0, None), (39, None)]),
            (&[(1000, Some(0.5))], &[(38, None), (39, Some(0.5))]),
            (&[(1000, Some(0.0)), (1400, Some(1.0))], &[(28, None), (29, Some(0.0)), (34, Some(0.5))]),
            (&[(1000, Some(0.0)), (1500, Some(1.0))], &[(27, Some(0.04)), (26, None), (39, Some(1.0))]),
            (&[(1000, Some(0.0)), (1520, Some(1.0))], &[(26, Some(0.0)), (30, None), (39, Some(1.0))]),
            // Not seen by the newest: unseen there, whatever was before.
            (&[(1000, Some(0.0)), (1200, None)], &[(34, Some(0.0)), (35, None), (39, None)]),
        ];
        for (bodies, expected) in cases {
            let grid = grid(&window(bodies.iter().map(|(ms, x)| body(*ms, *x))));
            for (place, x) in expected {
                let same = match (grid[*place], x) {
                    (Some(a), Some(b)) => (a - b).abs() < 1e-4,
                    (a, b) => a.is_none() && b.is_none(),
                };
                assert!(same, "{bodies:?} at {place}: {:?}, not {x:?}", grid[*place]);
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let window = window([body(5000, Some(0.1)), body(5040, Some(0.2)), body(1000, Some(0.7))]);
        assert_eq!(window.bodies.len(), 1);
        assert_eq!(grid(&window)[39], Some(0.7));
    }

    #[test]
    fn is_bounded_in_time_and_number() {
        let slow = window((0..1000).map(|second| body(second * 1000, Some(0.5))));
        assert_eq!(slow.bodies.len(), 3);
        let fast = window((0..1000).map(|ms| body(ms, Some(0.5))));
        assert_eq!(fast.bodies.len(), MOST_BODIES);
    }

    /// Irregular times in ms and, at each, whether the joint was seen.
    fn observations() -> impl Strategy<Value = Vec<(i64, bool)>> {
        prop::collection::vec((1i64..700, any::<bool>()), 1..60).prop_map(|steps| {
            let mut now = 0;
            steps
                .into_iter()
                .map(|(step, seen)| {
                    now += step;
                    (now, seen)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_steady_motion_stays_a_steady_motion(observations in observations()) {
            let place = |ms: i64| ms as f32 / 40_000.0;
            let window = window(observations.iter().map(|&(ms, seen)| body(ms, seen.then(|| place(ms)))));
            let last = observations.last().map_or(0, |last| last.0);
            for (step, x) in grid(&window).into_iter().enumerate() {
                let ms = last - 40 * (39 - step as i64);
                if let Some(x) = x {
                    prop_assert!((x - place(ms)).abs() < 1e-4, "{x} at {ms} ms");
                }
            }
        }

        #[test]
        fn an_instant_is_seen_when_its_neighbours_are_near(observations in observations()) {
            let grid = grid(&window(observations.iter().map(|&(ms, seen)| body(ms, seen.then_some(0.5)))));
            let last = observations.last().map_or(0, |last| last.0);
            let seen: Vec<i64> = observations.iter().filter(|(_, seen)| *seen).map(|(ms, _)| *ms).collect();
            for (step, x) in grid.into_iter().enumerate() {
                let ms = last - 40 * (39 - step as i64);
                let before = seen.iter().rev().find(|at| **at <= ms);
                let after = seen.iter().find(|at| **at >= ms);
                let near = before.zip(after).is_some_and(|(before, after)| after - before <= 500);
                prop_assert_eq!(x.is_some(), near, "at {} ms", ms);
            }
        }

        #[test]
        fn any_times_give_a_grid(times in prop::collection::vec(any::<i64>(), 0..40)) {
            let bodies = times.iter().map(|us| Body { at: Timestamp::from_micros(*us), ..body(0, Some(0.5)) });
            let grid = grid(&window(bodies));
            prop_assert_eq!(grid[39].is_some(), !times.is_empty());
        }
    }
}
