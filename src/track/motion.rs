//! Motion of one box: where it should be now, and how sure that is.
//!
//! A Kalman filter with constant velocity (Kalman 1960; white-noise acceleration as in Bar-Shalom, Li and
//! Kirubarajan, *Estimation with Applications to Tracking and Navigation*, 2001, section 6.2). The four coordinates
//! of a box do not influence each other, so four filters of two states each give the same answer as one of eight,
//! in closed form. Width and height are followed as logarithms: they stay positive, and their noise is relative to
//! the size by nature. All times are seconds; nothing here counts frames.

use std::time::Duration;

use crate::geometry::{BBox, Point};

/// How things move and how exactly a detector sees them, for things of any size. Sizes of boxes are the unit of length:
/// a box's width across and its height down.
#[derive(Clone, Debug, PartialEq)]
pub struct MotionModel {
    /// How far a detection's centre is off, as a standard deviation in box sizes.
    pub measured_sd: f32,
    /// The same for a box of which a part was seen.
    pub part_sd: f32,
    /// How far a detection's width or height is off, as a standard deviation of its logarithm. Larger than that of the
    /// centre, because a walker's box breathes with every stride.
    pub measured_log_size_sd: f32,
    /// How fast a thing may move when it is first seen, as a standard deviation in box sizes per second. A walker seen
    /// from the side covers two of its widths in a second.
    pub first_velocity_sd: f32,
    /// How fast its size may change when it is first seen, as a standard deviation of its logarithm per second.
    pub first_growth_sd: f32,
    /// How much its velocity wanders within one second, as a standard deviation in box sizes per second.
    pub acceleration: f32,
    /// How much its growth wanders within one second, as a standard deviation in logarithms per second.
    pub growth_change: f32,
    /// A hidden thing slows down by a factor of e in this time: an old velocity is no reason to leave the picture.
    pub hidden_slowdown: Duration,
}

impl Default for MotionModel {
    fn default() -> Self {
        MotionModel {
            measured_sd: 0.06,
            part_sd: 0.12,
            measured_log_size_sd: 0.2,
            first_velocity_sd: 1.5,
            first_growth_sd: 0.2,
            acceleration: 0.8,
            growth_change: 0.3,
            hidden_slowdown: Duration::from_secs(2),
        }
    }
}

/// Rounding of a place that is the believed one, in box sizes.
const SAME_PLACE: f32 = 1e-4;

/// One coordinate: its value, its rate per second, and their covariance.
#[derive(Clone, Copy, Debug)]
struct Axis {
    value: f32,
    rate: f32,
    value_variance: f32,
    covariance: f32,
    rate_variance: f32,
}

impl Axis {
    fn new(value: f32, value_sd: f32, rate_sd: f32) -> Self {
        Axis {
            value,
            rate: 0.0,
            value_variance: value_sd * value_sd,
            covariance: 0.0,
            rate_variance: rate_sd * rate_sd,
        }
    }

    /// Moves on by `dt_s`; `density` is the spectral density (not squared) of the unknown acceleration.
    fn predict(&mut self, dt_s: f32, density: f32) {
        let q = density * density;
        self.value += self.rate * dt_s;
        self.value_variance +=
            dt_s * (2.0 * self.covariance + dt_s * self.rate_variance) + q * dt_s.powi(3) / 3.0;
        self.covariance += dt_s * self.rate_variance + q * dt_s.powi(2) / 2.0;
        self.rate_variance += q * dt_s;
    }

    fn update(&mut self, measured: f32, sd: f32) {
        let innovation_variance = self.value_variance + sd * sd;
        let rate_gain = self.covariance / innovation_variance;
        self.rate += rate_gain * (measured - self.value);
        self.rate_variance -= rate_gain * self.covariance;
        self.correct(measured, sd);
    }

    /// The same without a word on the rate, which is kept as it is with its variance (Schmidt 1966).
    fn correct(&mut self, measured: f32, sd: f32) {
        let gain = self.value_variance / (self.value_variance + sd * sd);
        self.value += gain * (measured - self.value);
        self.covariance *= 1.0 - gain;
        self.value_variance *= 1.0 - gain;
    }
}

/// What the last frame showed of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Whole,
    Part,
    Nothing,
}

/// The motion of one box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    x: Axis,
    y: Axis,
    log_w: Axis,
    log_h: Axis,
}

impl Motion {
    /// Starts at a detection's box, whose sides must be positive and finite.
    pub(super) fn new(bbox: &BBox, model: &MotionModel) -> Self {
        let center = bbox.center();
        Motion {
            x: Axis::new(center.x, model.measured_sd * bbox.w, model.first_velocity_sd * bbox.w),
            y: Axis::new(center.y, model.measured_sd * bbox.h, model.first_velocity_sd * bbox.h),
            log_w: Axis::new(bbox.w.ln(), model.measured_log_size_sd, model.first_growth_sd),
            log_h: Axis::new(bbox.h.ln(), model.measured_log_size_sd, model.first_growth_sd),
        }
    }

    /// Where the box is believed to be.
    pub(super) fn bbox(&self) -> BBox {
        BBox::from_center(self.x.value, self.y.value, self.log_w.value.exp(), self.log_h.value.exp())
    }

    /// Standard deviation of the believed centre, across and down, in the box's units.
    pub(super) fn center_sd(&self) -> (f32, f32) {
        (self.x.value_variance.sqrt(), self.y.value_variance.sqrt())
    }

    /// Moves on by `dt_s` seconds. What is not seen whole keeps its size, and what is not seen at all slows down.
    pub(super) fn predict(&mut self, dt_s: f32, seen: Seen, model: &MotionModel) {
        if seen != Seen::Whole {
            self.log_w.rate = 0.0;
            self.log_h.rate = 0.0;
        }
        if seen == Seen::Nothing {
            let slower = (-dt_s / model.hidden_slowdown.as_secs_f32().max(f32::EPSILON)).exp();
            self.x.rate *= slower;
            self.y.rate *= slower;
        }
        let (w, h) = (self.log_w.value.exp(), self.log_h.value.exp());
        self.x.predict(dt_s, model.acceleration * w);
        self.y.predict(dt_s, model.acceleration * h);
        self.log_w.predict(dt_s, model.growth_change);
        self.log_h.predict(dt_s, model.growth_change);
    }

    /// Takes in a detection's box, whose sides must be positive and finite.
    pub(super) fn update(&mut self, bbox: &BBox, model: &MotionModel) {
        let center = bbox.center();
        self.x.update(center.x, model.measured_sd * bbox.w);
        self.y.update(center.y, model.measured_sd * bbox.h);
        self.log_w.update(bbox.w.ln(), model.measured_log_size_sd);
        self.log_h.update(bbox.h.ln(), model.measured_log_size_sd);
    }

    /// The same, but a box that is narrower than the believed one moves it only as far as it must move to hold that box:
    /// which side of it is missing, if any, is not known yet.
    pub(super) fn update_holding(&mut self, bbox: &BBox, model: &MotionModel) {
        let center = bbox.center();
        let slack = ((self.bbox().w - bbox.w) / 2.0).max(0.0);
        let nearest = self.x.value.max(center.x - slack).min(center.x + slack);
        if nearest != self.x.value || slack <= 0.0 {
            self.x.update(nearest, model.measured_sd * bbox.w);
        }
        self.y.update(center.y, model.measured_sd * bbox.h);
        self.log_w.update(bbox.w.ln(), model.measured_log_size_sd);
        self.log_h.update(bbox.h.ln(), model.measured_log_size_sd);
    }

    /// Whether a box is behind the believed one by more than this share of its width.
    pub(super) fn is_ahead_of(&self, bbox: &BBox, share: f32) -> bool {
        (self.x.value - bbox.center().x) * self.x.rate.signum() > share * bbox.w
    }

    /// Takes in where the box must be, of which a part was seen. Its size is the believed one and teaches nothing. An edge
    /// that covers a thing holds its box there, so a place behind the believed one says nothing of the velocity across.
    pub(super) fn update_place(&mut self, whole: &BBox, model: &MotionModel) {
        let (Point { x, y }, sd_x) = (whole.center(), model.part_sd * whole.w);
        let further = x - self.x.value;
        if further.abs() > SAME_PLACE * whole.w {
            if further * self.x.rate > 0.0 { self.x.update(x, sd_x) } else { self.x.correct(x, sd_x) }
        }
        if (y - self.y.value).abs() > SAME_PLACE * whole.h {
            self.y.update(y, model.part_sd * whole.h);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a box that moves by `velocity` sizes per second for `seconds`, seen exactly at every step.
    fn follow(dt_s: f32, seconds: f32, velocity: f32) -> Motion {
        let model = MotionModel::default();
        let bbox = |now_s: f32| BBox::from_center(0.2 + 0.1 * velocity * now_s, 0.5, 0.1, 0.2);
        let mut motion = Motion::new(&bbox(0.0), &model);
        let mut now_s = dt_s;
        while now_s < seconds + dt_s / 2.0 {
            motion.predict(dt_s, Seen::Whole, &model);
            motion.update(&bbox(now_s), &model);
            now_s += dt_s;
        }
        motion
    }

    #[test]
    fn learns_the_velocity_at_every_frame_rate() {
        for fps in [5.0, 10.0, 30.0] {
            let motion = follow(1.0 / fps, 2.0, 1.0);
            assert!((motion.x.rate - 0.1).abs() < 0.01, "{} at {fps} fps", motion.x.rate);
            assert!(motion.y.rate.abs() < 1e-4);
        }
    }

    #[test]
    fn one_long_step_is_as_uncertain_as_many_short_ones() {
        let model = MotionModel::default();
        let start = follow(0.1, 1.0, 0.0);
        let (mut once, mut often) = (start, start);
        once.predict(0.5, Seen::Whole, &model);
        for _ in 0..10 {
            often.predict(0.05, Seen::Whole, &model);
        }
        let ((a, _), (b, _)) = (once.center_sd(), often.center_sd());
        assert!((a / b - 1.0).abs() < 1e-3, "{a} {b}");
    }

    #[test]
    fn what_is_hidden_slows_down_and_keeps_its_size() {
        let model = MotionModel::default();
        let mut motion = follow(0.1, 2.0, 1.0);
        let before = motion.bbox();
        for _ in 0..1000 {
            motion.predict(0.1, Seen::Nothing, &model);
        }
        let after = motion.bbox();
        assert!((after.w / before.w - 1.0).abs() < 1e-3 && (after.h / before.h - 1.0).abs() < 1e-3);
        let travelled = after.center().x - before.center().x;
        assert!((0.1..0.25).contains(&travelled), "two seconds' worth, not a hundred: {travelled}");
    }
}
