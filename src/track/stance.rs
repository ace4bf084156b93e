//! Whether a thing stands where it was before.
//!
//! One box says little: the boxes of a small piece of clutter jump about by a fifth of their size. So means of several
//! centres are compared, and what counts as far depends on how much the centres of this very thing jump about. What
//! moved once and stands since then stands: a passer-by's arm may begin what a traffic cone goes on with.

use crate::geometry::{BBox, Point};

/// The first place is the mean of so many centres.
const FIRST: u32 = 3;
/// After this time, and before twice this time, the place it had then is the one that it is compared with.
const EARLIER_S: f32 = 2.0;
/// The present place is the mean of the centres within about this time.
const PRESENT_S: f32 = 0.2;
/// A thing has moved when it is so many of its sizes away from its earlier place,
const MOVED: f32 = 0.33;
/// and so many standard deviations of its centre's noise.
const MOVED_SDS: f32 = 4.0;

/// The variance of a centre's noise before anything is known of it, in squared sizes; it weighs as one look at it.
const FIRST_NOISE: f32 = 0.01;

/// Where a thing was, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stance {
    earlier: Point,
    /// What is to be `earlier` next, and its age in seconds.
    between: (Point, f32),
    present: Point,
    size: (f32, f32),
    /// The last two centres, the newer first.
    last: [Point; 2],
    /// Variance of the noise of centres, in squared sizes.
    noise: f32,
    detections: u32,
}

impl Stance {
    /// Begins at a box.
    pub(super) fn new(bbox: &BBox) -> Self {
        let center = bbox.center();
        Stance {
            earlier: center,
            between: (center, 0.0),
            present: center,
            size: (bbox.w, bbox.h),
            last: [center; 2],
            noise: FIRST_NOISE,
            detections: 1,
        }
    }

    /// Takes in the box of a sighting `dt_s` seconds after the last one.
    pub(super) fn see(&mut self, dt_s: f32, bbox: &BBox) {
        let center = bbox.center();
        self.detections = self.detections.saturating_add(1);
        let mean_share = 1.0 / self.detections as f32;
        let share = mean_share.max(1.0 - (-dt_s / PRESENT_S).exp());
        self.size.0 += (bbox.w - self.size.0) * share;
        self.size.1 += (bbox.h - self.size.1) * share;
        self.present = towards(self.present, center, share);
        if self.detections <= FIRST {
            self.earlier = towards(self.earlier, center, mean_share);
            self.between.0 = self.earlier;
        }
        self.between.1 += dt_s;
        if self.between.1 >= EARLIER_S {
            self.earlier = self.between.0;
            self.between = (self.present, 0.0);
        }
        if self.detections > 2 {
            // What a steady motion does not explain: the second difference, whose variance is six times the noise's.
            let [newer, older] = self.last;
            let x = (center.x - 2.0 * newer.x + older.x) / self.size.0;
            let y = (center.y - 2.0 * newer.y + older.y) / self.size.1;
            let noise = (x * x + y * y) / 12.0;
            self.noise += (noise - self.noise) * (1.0 / (self.detections - 1) as f32).max(0.1);
        }
        self.last = [center, self.last[0]];
    }

    /// Whether it is somewhere else by now.
    pub(super) fn moved(&self) -> bool {
        let x = (self.present.x - self.earlier.x) / self.size.0;
        let y = (self.present.y - self.earlier.y) / self.size.1;
        self.detections > 2 && x * x + y * y > MOVED * MOVED + MOVED_SDS * MOVED_SDS * self.noise
    }
}

fn towards(from: Point, to: Point, share: f32) -> Point {
    Point { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands or moves from `x` on by `velocity` sizes a second, with centres that alternate by `jitter` sizes, and looks
    /// at `stance` each time.
    fn watch(stance: &mut Stance, x: f32, fps: f32, seconds: f32, velocity: f32, jitter: f32) -> Vec<bool> {
        let frames = (1..).map(|frame| (frame, frame as f32 / fps)).take_while(|frame| frame.1 <= seconds);
        let mut moved = Vec::new();
        for (frame, now_s) in frames {
            let off = if frame % 2 == 0 { jitter } else { -jitter };
            stance.see(1.0 / fps, &BBox::from_center(x + 0.1 * (velocity * now_s + off), 0.5, 0.1, 0.2));
            moved.push(stance.moved());
        }
        moved
    }

    #[test]
    fn walking_is_moving_jumping_about_is_not_and_stopping_ends_it() {
        for fps in [5.0, 10.0, 30.0] {
            let begin = || Stance::new(&BBox::from_center(0.3, 0.5, 0.1, 0.2));
            let mut walker = begin();
            assert_eq!(watch(&mut walker, 0.3, fps, 1.0, 1.2, 0.0).last(), Some(&true), "{fps} fps");
            assert_eq!(watch(&mut walker, 0.42, fps, 4.5, 0.0, 0.0).last(), Some(&false), "{fps} fps");
            assert!(!watch(&mut begin(), 0.3, fps, 20.0, 0.0, 0.3).contains(&true), "{fps} fps");
        }
    }
}
