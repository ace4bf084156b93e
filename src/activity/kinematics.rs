//! How fast somebody moves and how tall they are, from the boxes of their track.
//!
//! [`super::Person`] gives it every box and asks for the speed. Everything is fitted to the boxes of about a second:
//! the difference of two boxes would be their jitter. Poses play no part in the speed, since they are rarer than boxes.

use std::collections::VecDeque;
use std::time::Duration;

use super::parameters::Parameters;
use crate::clock::Timestamp;
use crate::geometry::BBox;

/// At most so many boxes are kept: the growth window at 30 a second and some. When it is full the oldest goes.
const MOST_SIGHTS: usize = 96;
/// A fit takes at least so many boxes, going back up to [`SLOWEST`] where frames are rare.
const LEAST_SIGHTS: usize = 3;
const SLOWEST: Duration = Duration::from_secs(3);
/// An edge this close to the image's border is cut by it, as a share of the image.
const BORDER: f32 = 0.01;
/// A box narrower than this many of its heights shows somebody upright in full.
const UPRIGHT_WIDTH: f32 = 0.62;
/// Nobody upright is lower than this many widths of their box.
const LEAST_HEIGHT: f32 = 2.0;

/// Boxes further away or larger than this many images, or smaller than this, are no boxes; nor is what is no number.
pub(super) const REACH: f32 = 100.0;
const LEAST_LENGTH: f32 = 1e-4;

/// The edges of a box, in image heights, and whether the image's border cuts them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) top: f32,
    pub(super) bottom: f32,
    /// Left or right.
    pub(super) cut_across: bool,
    /// Top or bottom.
    pub(super) cut_down: bool,
    cut: [bool; 4],
}

impl Edges {
    /// Of a box in an image that is `aspect` times as wide as high; nothing of a box that is none.
    pub(super) fn of(bbox: &BBox, aspect: f32) -> Option<Self> {
        let in_reach = |place: f32| place.abs() <= REACH;
        let usable = [bbox.x, bbox.y, bbox.w, bbox.h, aspect].into_iter().all(in_reach)
            && [bbox.w, bbox.h, aspect].into_iter().all(|length| length > LEAST_LENGTH);
        let cut =
            [bbox.x < BORDER, bbox.right() > 1.0 - BORDER, bbox.y < BORDER, bbox.bottom() > 1.0 - BORDER];
        usable.then(|| Edges {
            left: bbox.x * aspect,
            right: bbox.right() * aspect,
            top: bbox.y,
            bottom: bbox.bottom(),
            cut_across: cut[0] || cut[1],
            cut_down: cut[2] || cut[3],
            cut,
        })
    }

    pub(super) fn width(&self) -> f32 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// The body height that the box tells when it shows somebody upright in full.
    pub(super) fn upright_height(&self) -> Option<f32> {
        let full = !self.cut_down && !self.cut_across && self.width() <= UPRIGHT_WIDTH * self.height();
        full.then(|| self.height())
    }

    /// What the body height must be at least.
    pub(super) fn least_height(&self) -> f32 {
        self.height().max(LEAST_HEIGHT * self.width())
    }
}

/// Upright height of a person in the picture, in image heights: larger sights count sooner than smaller ones, because
/// people bend but do not stretch, and those much smaller hardly at all: who sits is no smaller.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stature {
    log_height: Option<f32>,
    at: Timestamp,
}

impl Stature {
    /// Takes in a height that was seen at a time.
    pub(super) fn learn(&mut self, height: f32, at: Timestamp, parameters: &Parameters) {
        let dt_s = at.since(std::mem::replace(&mut self.at, at)).as_secs_f32();
        if !(height.is_finite() && height > 0.0) {
            return;
        }
        let seen = height.ln();
        let known = self.log_height.unwrap_or(seen);
        let (up, down, seated) = parameters.height_follows;
        let follows = match seen - known {
            taller if taller > 0.0 => up,
            shorter if shorter > parameters.seated_below.ln() => down,
            _ => seated,
        };
        self.log_height = Some(known + (seen - known) * share(dt_s, follows));
    }

    pub(super) fn height(&self) -> Option<f32> {
        self.log_height.map(f32::exp)
    }
}

/// How much of a difference is made up for in `dt_s` by what follows with a time constant.
pub(super) fn share(dt_s: f32, follows: Duration) -> f32 {
    1.0 - (-dt_s.max(0.0) / follows.as_secs_f32().max(f32::EPSILON)).exp()
}

/// The boxes of the last seconds, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Movement {
    sights: VecDeque<(Timestamp, Edges)>,
}

impl Movement {
    /// Takes in a box, which is not older than the last.
    pub(super) fn see(&mut self, at: Timestamp, edges: Edges) {
        if self.sights.back().is_some_and(|(last, _)| *last == at) {
            self.sights.pop_back();
        }
        while self.sights.front().is_some_and(|(oldest, _)| at.since(*oldest) > SLOWEST)
            || self.sights.len() >= MOST_SIGHTS
        {
            self.sights.pop_front();
        }
        self.sights.push_back((at, edges));
    }

    /// The boxes, oldest first.
    pub(super) fn sights(&self) -> impl Iterator<Item = (Timestamp, Edges)> {
        self.sights.iter().copied()
    }

    pub(super) fn clear(&mut self) {
        self.sights.clear();
    }

    /// Speed of somebody who is `height` image heights tall, in body heights per second, as far as the picture shows it;
    /// nothing before they were watched for long enough.
    ///
    /// A thing that moves takes both of its edges along; one that changes its shape, as who waves, bends or sits down, moves
    /// one. So the slower edge limits the motion, and an edge that is cut by the border, and stands still there, does not
    /// count. `on_feet` tells whether size may tell distance.
    pub(super) fn speed(&self, height: f32, on_feet: bool, parameters: &Parameters) -> Option<f32> {
        let sights = self.last(parameters.speed_window);
        let (first, last) = (sights.first()?, sights.last()?);
        if sights.len() < LEAST_SIGHTS || last.0.since(first.0) < parameters.speed_least {
            return None;
        }
        let slope = |edge: usize| {
            let free = sights.iter().filter(|(_, edges)| !edges.cut[edge]);
            fit(free.map(|(at, edges)| {
                let place = [edges.left, edges.right, edges.top, edges.bottom][edge];
                (seconds(*at, last.0), place)
            }))
            .filter(|_| !last.1.cut[edge])
            .map(|line| line.slope)
        };
        let across = shared(slope(0), slope(1));
        let down = shared(slope(2), slope(3));
        let radial = if on_feet { self.radial(height, parameters) } else { 0.0 };
        Some(across.hypot(down).hypot(radial) / height)
    }

    /// Speed towards the camera or away from it, times the height like the others: a body at distance d, in body heights,
    /// is focal length / d high, so d = focal length / height and the speed is d times the growth of the height's logarithm.
    ///
    /// Somebody who bends or sits shrinks as well. But who comes nearer to a camera that hangs at the height of heads or
    /// above moves their feet down the picture, by at least their growth, and who bends does not: the lesser of both counts,
    /// and only what exceeds the error of its fit.
    fn radial(&self, height: f32, parameters: &Parameters) -> f32 {
        let sights = self.last(parameters.growth_window);
        let Some(last) = sights.last().filter(|(_, edges)| !edges.cut_down) else { return 0.0 };
        // A height that the picture's border cuts is none.
        let whole = sights.iter().filter(|(_, edges)| !edges.cut_down);
        let line = |value: fn(&Edges) -> f32| {
            fit(whole.clone().map(|(at, edges)| (seconds(*at, last.0), value(edges))))
        };
        let (Some(growth), Some(feet)) = (line(|edges| edges.height().ln()), line(|edges| edges.bottom))
        else {
            return 0.0;
        };
        let sure = |slope: f32, error: f32| (slope.abs() - parameters.growth_errors * error).max(0.0);
        if growth.slope.signum() != feet.slope.signum() {
            return 0.0;
        }
        let growth = sure(growth.slope, growth.error).min(sure(feet.slope, feet.error) / height);
        parameters.focal_length * growth
    }

    /// The sights of the last `span`, or of a longer time when they are rare.
    fn last(&self, span: Duration) -> Vec<(Timestamp, Edges)> {
        let Some((newest, _)) = self.sights.back() else { return Vec::new() };
        let recent = self.sights.iter().filter(|(at, _)| newest.since(*at) <= span).count();
        let from = self.sights.len() - recent.max(LEAST_SIGHTS).min(self.sights.len());
        self.sights.range(from..).copied().collect()
    }
}

/// Seconds from `last` to `at`: zero or negative.
fn seconds(at: Timestamp, last: Timestamp) -> f32 {
    -last.since(at).as_secs_f32()
}

/// The motion of both edges, as far as they move together: their mean, but at most twice the slower one.
fn shared(a: Option<f32>, b: Option<f32>) -> f32 {
    match (a, b) {
        (Some(a), Some(b)) if a.signum() != b.signum() => 0.0,
        (Some(a), Some(b)) => ((a + b) / 2.0).abs().min(2.0 * a.abs().min(b.abs())),
        (Some(one), None) | (None, Some(one)) => one.abs(),
        (None, None) => 0.0,
    }
}

/// A line through points, by least squares.
struct Line {
    /// Per second.
    slope: f32,
    /// Standard error of the slope.
    error: f32,
}

/// Fits a line to values at times in seconds; nothing when there are too few.
fn fit(points: impl Iterator<Item = (f32, f32)> + Clone) -> Option<Line> {
    let count = points.clone().count();
    if count < LEAST_SIGHTS {
        return None;
    }
    let n = count as f32;
    let (sum_t, sum_v) = points.clone().fold((0.0, 0.0), |(t, v), point| (t + point.0, v + point.1));
    let (mean_t, mean_v) = (sum_t / n, sum_v / n);
    let (mut tt, mut tv, mut vv) = (0.0, 0.0, 0.0);
    for (t, v) in points {
        let (t, v) = (t - mean_t, v - mean_v);
        tt += t * t;
        tv += t * v;
        vv += v * v;
    }
    if tt <= 0.0 {
        return None;
    }
    let slope = tv / tt;
    let error = ((vv - slope * tv).max(0.0) / (n - 2.0) / tt).sqrt();
    Some(Line { slope, error })
}
