//! What boxes that show a part of a thing say about the whole of it.
//!
//! Who passes behind a post is found in part for a moment. The box shrinks from one side, and its middle moves at half the
//! speed; then it comes out on the other side and grows. Behind a counter, its lower edge jumps up. Taken as they are, such
//! boxes teach a wrong speed and a wrong size. So beside the motion of the box as it is seen there is a [`Steady`] one, of
//! the whole: a box that looks like a part of the expected one moves it only as far as the whole must move to hold the part.

use crate::geometry::{BBox, Point};

use super::motion::{Motion, MotionModel, Seen};

/// A box narrower than this against the expected one may be cut by an upright edge.
const CUT_WIDTH: f32 = 0.9;
/// A box lower than this against the expected one may be cut by a level edge.
const CUT_HEIGHT: f32 = 0.8;
/// Least ratio of the heights of a box that an upright edge cuts and of the expected one. Detectors lose the head or the feet
/// of what they see the half of.
const LEAST_HEIGHT: f32 = 0.7;
/// Least ratio of the heights of a box that a level edge cuts and of the expected one: less is taken for any sign nearby.
const LEAST_PART: f32 = 0.3;
/// Least and greatest ratio of the widths of a box that a level edge cuts and of the expected one. The upper half of a
/// walker is narrower than the stride.
const SAME_WIDTH: std::ops::RangeInclusive<f32> = 0.45..=1.3;
/// How far an upper or lower edge that is not cut may be from where it is expected, in heights; with an upright cut, how
/// far it may be outside.
const SAME_EDGE: f32 = 0.1;
/// The part of the expected box that another detection may cover: what more of it is missing, that one hides.
const OTHERS_COVER: f32 = 0.15;
/// Seconds after which what is seen in part has changed its shape.
const MAX_COVERED_S: f32 = 4.0;
/// The same when the lower part is missing: nothing gets shorter from below, and counters are long.
const MAX_FEET_COVERED_S: f32 = 10.0;

/// How far behind the expected place a whole box must be, in its widths, for an edge to hold it there: a detector
/// completes the part beside a post to a body that stands before the post.
const BEHIND: f32 = 0.25;
/// An edge holds whole boxes for less than so many seconds. After that they are where the thing is.
const LEAST_WHOLE_S: f32 = 0.35;
/// With frames further apart than so many seconds, no edge holds two boxes.
const LONGEST_STEP_S: f32 = 0.22;

/// Where something covers a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Left or right.
    Side,
    Above,
    Below,
}

/// The motion of the whole of a thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    motion: Motion,
    /// Seconds since the whole of it was last seen, when only parts were seen since.
    covered_s: f32,
    /// Seconds for which boxes were whole.
    whole_s: f32,
}

impl Steady {
    /// Begins as the motion of a thing that was seen once.
    pub(super) fn new(motion: Motion) -> Self {
        Steady { motion, covered_s: 0.0, whole_s: 0.0 }
    }

    /// The motion of the whole.
    pub(super) fn motion(&self) -> &Motion {
        &self.motion
    }

    /// Whether only parts of it were seen lately.
    pub(super) fn is_covered(&self) -> bool {
        self.covered_s > 0.0
    }

    /// Moves on by `dt_s` seconds.
    pub(super) fn predict(&mut self, dt_s: f32, hidden: bool, model: &MotionModel) {
        let seen = match (hidden, self.is_covered()) {
            (true, _) => Seen::Nothing,
            (false, true) => Seen::Part,
            (false, false) => Seen::Whole,
        };
        self.motion.predict(dt_s, seen, model);
    }

    /// The whole box of which `seen` may be a part.
    pub(super) fn whole(&self, seen: &BBox) -> Option<BBox> {
        whole(&self.motion.bbox(), seen).map(|(whole, _)| whole)
    }

    /// Takes in the box of a sighting `dt_s` seconds after the last frame. `others` are the boxes that were found besides,
    /// and `motion` is that of the box as it is seen.
    pub(super) fn see<'a>(
        &mut self,
        dt_s: f32,
        seen: &BBox,
        mut others: impl Iterator<Item = &'a BBox>,
        motion: &Motion,
        model: &MotionModel,
    ) {
        let expected = self.motion.bbox();
        let screened = others.any(|other| {
            expected.intersection(other) - seen.intersection(other) > OTHERS_COVER * expected.area()
        });
        let part = whole(&expected, seen).filter(|_| !screened);
        self.whole_s = if part.is_some() { 0.0 } else { self.whole_s + dt_s };
        // An edge holds a box for part of a second, whatever the frame rate.
        let is_held = self.is_covered()
            && dt_s <= LONGEST_STEP_S
            && self.whole_s < LEAST_WHOLE_S
            && self.motion.is_ahead_of(seen, BEHIND);
        self.covered_s = if part.is_some() || is_held { self.covered_s + dt_s } else { 0.0 };
        match part {
            Some((whole, cut)) if self.covered_s <= most_s(cut) => {
                self.motion.update_place(&as_high(&expected, &whole), model);
            }
            Some(_) => *self = Steady::new(*motion),
            None if is_held => self.motion.update_place(seen, model),
            None => self.motion.update_holding(seen, model),
        }
    }

    /// Where it stands when its box as it is seen is `bbox`: its feet may be covered.
    pub(super) fn foot(&self, bbox: &BBox) -> Point {
        let Point { x, .. } = bbox.clipped().foot();
        Point { x, y: self.motion.bbox().bottom().clamp(0.0, 1.0) }
    }
}

fn most_s(cut: Cut) -> f32 {
    match cut {
        Cut::Side | Cut::Above => MAX_COVERED_S,
        Cut::Below => MAX_FEET_COVERED_S,
    }
}

/// The whole box, of the `expected` size and as near to it as can be, of which `seen` is a part; nothing when it is none.
fn whole(expected: &BBox, seen: &BBox) -> Option<(BBox, Cut)> {
    cut_upright(expected, seen).or_else(|| cut_level(expected, seen))
}

/// A box of the `expected` height, as near to that as can be, that holds `part` or lies in it.
fn as_high(expected: &BBox, part: &BBox) -> BBox {
    let (least, most) = (part.bottom() - expected.h, part.y);
    let y = expected.y.max(least.min(most)).min(least.max(most));
    BBox { y, h: expected.h, ..*part }
}

fn cut_upright(expected: &BBox, seen: &BBox) -> Option<(BBox, Cut)> {
    let within = (seen.y - expected.y).min(expected.bottom() - seen.bottom());
    let fits = seen.w < CUT_WIDTH * expected.w
        && within >= -SAME_EDGE * expected.h
        && seen.h >= LEAST_HEIGHT * expected.h;
    let x = expected.x.max(seen.right() - expected.w).min(seen.x);
    fits.then_some((BBox { x, w: expected.w, ..*seen }, Cut::Side))
}

fn cut_level(expected: &BBox, seen: &BBox) -> Option<(BBox, Cut)> {
    let (top, bottom) = ((seen.y - expected.y).abs(), (seen.bottom() - expected.bottom()).abs());
    let fits = (LEAST_PART * expected.h..CUT_HEIGHT * expected.h).contains(&seen.h)
        && SAME_WIDTH.contains(&(seen.w / expected.w))
        && top.min(bottom) <= SAME_EDGE * expected.h;
    let (y, cut) =
        if top <= bottom { (seen.y, Cut::Below) } else { (seen.bottom() - expected.h, Cut::Above) };
    let x = seen.center().x - expected.w / 2.0;
    fits.then_some((BBox { x, y, w: expected.w, h: expected.h }, cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: BBox = BBox { x: 0.4, y: 0.2, w: 0.1, h: 0.4 };

    #[test]
    fn a_part_is_completed_to_the_nearest_whole_that_holds_it() {
        let cases = [
            // Covered on the right, on the left, and left behind by what is expected.
            (BBox { w: 0.05, ..EXPECTED }, Some((0.4, 0.2, Cut::Side))),
            (BBox { x: 0.45, w: 0.05, ..EXPECTED }, Some((0.4, 0.2, Cut::Side))),
            (BBox { x: 0.38, w: 0.05, ..EXPECTED }, Some((0.38, 0.2, Cut::Side))),
            (BBox { x: 0.48, w: 0.04, ..EXPECTED }, Some((0.42, 0.2, Cut::Side))),
            // The upper half, and the lower.
            (BBox { h: 0.2, ..EXPECTED }, Some((0.4, 0.2, Cut::Below))),
            (BBox { y: 0.4, h: 0.2, ..EXPECTED }, Some((0.4, 0.2, Cut::Above))),
            // The whole, someone else in front who is smaller, and something in the middle.
            (EXPECTED, None),
            (BBox { y: 0.3, w: 0.05, h: 0.2, ..EXPECTED }, None),
            (BBox { x: 0.42, y: 0.35, w: 0.04, h: 0.1 }, None),
            // Who falls is no part of who stands.
            (BBox { x: 0.3, y: 0.5, w: 0.3, h: 0.1 }, None),
        ];
        for (seen, expected) in cases {
            let found = whole(&EXPECTED, &seen);
            assert_eq!(found.is_some(), expected.is_some(), "{seen:?}: {found:?}");
            let Some(((whole, cut), (x, y, expected_cut))) = found.zip(expected) else { continue };
            assert_eq!(cut, expected_cut, "{seen:?}");
            assert!((whole.x - x).abs() < 1e-6 && (whole.y - y).abs() < 1e-6, "{seen:?}: {whole:?}");
            assert!((whole.w - 0.1).abs() < 1e-6 && (whole.h - 0.4).abs() < 1e-6, "{seen:?}: {whole:?}");
        }
    }

    /// A box that goes right by 1.25 widths a second until an edge at 0.6 covers half of it.
    #[test]
    fn a_box_that_is_being_covered_teaches_no_motion() {
        let model = MotionModel::default();
        for fps in [4.0f32, 10.0, 25.0] {
            let mut motion = Motion::new(&EXPECTED, &model);
            let mut steady = Steady::new(motion);
            let mut x = EXPECTED.x;
            while x < 0.55 {
                x += 0.125 / fps;
                let seen = BBox { x, w: (0.6 - x).min(EXPECTED.w), ..EXPECTED };
                motion.predict(1.0 / fps, Seen::Whole, &model);
                steady.predict(1.0 / fps, false, &model);
                motion.update(&seen, &model);
                steady.see(1.0 / fps, &seen, std::iter::empty(), &motion, &model);
            }
            assert!(steady.is_covered());
            let off = steady.motion().bbox().x - x;
            assert!(off.abs() < 0.02, "off by {off} at {fps} fps");
            assert!((steady.motion().bbox().w - 0.1).abs() < 0.02, "{fps} fps");
        }
    }

    /// It goes left by two widths a second behind a post at 0.4; its box stays at the post, without the head, and is completed
    /// to a whole one in the end.
    #[test]
    fn a_box_that_an_edge_holds_teaches_no_velocity() {
        let model = MotionModel::default();
        for fps in [5.0f32, 7.0, 10.0, 15.0, 25.0] {
            let mut x = 0.8;
            let mut motion = Motion::new(&BBox { x, ..EXPECTED }, &model);
            let mut steady = Steady::new(motion);
            while x > 0.33 {
                x -= 0.2 / fps;
                let seen = match x {
                    _ if x >= 0.4 => BBox { x, ..EXPECTED },
                    _ if x >= 0.345 => BBox { x: 0.4, y: 0.26, w: 0.08, h: 0.34 },
                    _ => BBox { x: 0.4, ..EXPECTED },
                };
                motion.predict(1.0 / fps, Seen::Whole, &model);
                steady.predict(1.0 / fps, false, &model);
                motion.update(&seen, &model);
                steady.see(1.0 / fps, &seen, std::iter::empty(), &motion, &model);
            }
            let before = steady.motion().bbox().x;
            steady.predict(0.1, false, &model);
            let velocity = (steady.motion().bbox().x - before) / 0.1;
            assert!((-0.23..-0.14).contains(&velocity), "{velocity} at {fps} fps");
        }
    }

    #[test]
    fn feet_that_a_counter_covers_are_below_it_until_that_has_become_the_shape() {
        let model = MotionModel::default();
        let motion = Motion::new(&EXPECTED, &model);
        let mut steady = Steady::new(motion);
        let upper = BBox { h: 0.2, ..EXPECTED };
        let shape = Motion::new(&upper, &model);
        for tenth in 1..=150 {
            steady.predict(0.1, false, &model);
            steady.see(0.1, &upper, std::iter::empty(), &shape, &model);
            let foot = steady.foot(&upper);
            let expected = if tenth <= 99 { 0.6 } else { 0.4 };
            assert!((tenth == 100) || (foot.y - expected).abs() < 0.01, "{foot} after {tenth} tenths");
        }
    }
}
