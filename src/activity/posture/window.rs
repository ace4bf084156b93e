//! What a posture classifier takes: a person's boxes and joints of the last seconds, at an even pace.
//!
//! The network was trained on exactly this arrangement (`models/train/posture/window.py`): change neither alone.

use crate::activity::joints::BODY_JOINTS;
use crate::activity::kinematics::Edges;
use crate::activity::window::{JointWindow, each_instant};
use crate::clock::Timestamp;

/// Values of a step: see [`PostureWindow`].
pub(super) const VALUES: usize = 51;
/// An edge this close to the image's border is cut by it, as a share of the image.
const BORDER: f32 = 0.01;
/// No value is further from zero.
const LARGEST: f32 = 4.0;
/// Where the joints of a step begin, where their sights do, and where the stature stands.
const JOINTS: usize = 10;
const SEEN: usize = JOINTS + 2 * BODY_JOINTS;
const STATURE: usize = SEEN + BODY_JOINTS;

/// The input of a posture classifier, f32 `[steps, 51]`, oldest step first; a step without a box is all zeros.
///
/// The unit of length is the window's: the largest of its boxes' heights and half widths. The origin is the foot of the
/// last box, the middle of its lower edge. A step holds, in this order:
///
/// - the left, right, upper and lower edge of the box,
/// - the natural logarithm of its width by its height,
/// - 1, because there is a box,
/// - whether the image's border cuts it on the left, on the right, above and below: 0 or 1 each,
/// - x and y of each of the 13 joints from the middle of the box, 0 where the joint is not seen,
/// - whether each of them is seen, 0 or 1,
/// - the natural logarithm of the unit by the person's upright height, and 1; two zeros while that height is not known.
#[derive(Clone, Debug, Default)]
pub struct PostureWindow {
    values: Vec<f32>,
    boxes: Vec<Option<[f32; 4]>>,
    joints: Vec<f32>,
}

/// What a window is made of.
pub(in crate::activity) struct Seen<'s> {
    /// The boxes, oldest first.
    pub(in crate::activity) boxes: &'s mut dyn Iterator<Item = (Timestamp, Edges)>,
    pub(in crate::activity) joints: &'s JointWindow,
    /// Width of the image by its height.
    pub(in crate::activity) aspect: f32,
    /// The person's upright height, in image heights.
    pub(in crate::activity) stature: Option<f32>,
}

impl PostureWindow {
    /// The window of `steps` instants, `rate_hz` of them a second, that ends at `until`.
    pub(in crate::activity) fn fill(
        &mut self,
        seen: Seen<'_>,
        until: Timestamp,
        steps: usize,
        rate_hz: f32,
    ) -> &[f32] {
        let Seen { boxes, joints, aspect, stature } = seen;
        self.values.clear();
        self.values.resize(steps * VALUES, 0.0);
        self.resample_boxes(boxes, aspect, until, steps, rate_hz);
        joints.resample(until, steps, rate_hz, &mut self.joints);
        let Some(&last) = self.boxes.iter().flatten().last() else { return &self.values };
        let unit = self.boxes.iter().flatten().map(length).fold(1e-3, f32::max);
        let foot = [(last[0] + last[1]) / 2.0, last[3]];
        let stature = stature.filter(|height| *height > 0.0);
        let steps = self.values.chunks_exact_mut(VALUES).zip(&self.boxes);
        for ((step, edges), joints) in steps.zip(self.joints.chunks_exact(3 * BODY_JOINTS)) {
            let Some([left, right, top, bottom]) = *edges else { continue };
            let (width, height) = ((right - left).max(1e-3), (bottom - top).max(1e-3));
            let flag = |is: bool| f32::from(u8::from(is));
            step[..JOINTS].copy_from_slice(&[
                (left - foot[0]) / unit,
                (right - foot[0]) / unit,
                (top - foot[1]) / unit,
                (bottom - foot[1]) / unit,
                (width / height).ln(),
                1.0,
                flag(left < BORDER * aspect),
                flag(right > (1.0 - BORDER) * aspect),
                flag(top < BORDER),
                flag(bottom > 1.0 - BORDER),
            ]);
            let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
            for (joint, at) in joints.as_chunks::<3>().0.iter().enumerate().filter(|(_, at)| at[2] > 0.0) {
                step[JOINTS + 2 * joint] = (at[0] - middle[0]) / unit;
                step[JOINTS + 2 * joint + 1] = (at[1] - middle[1]) / unit;
                step[SEEN + joint] = 1.0;
            }
            if let Some(height) = stature {
                step[STATURE] = (unit / height).ln();
                step[STATURE + 1] = 1.0;
            }
            step.iter_mut().for_each(|value| *value = value.clamp(-LARGEST, LARGEST));
        }
        &self.values
    }

    /// The edges of the box at each instant, clipped to the image, in image heights; nothing where no box says it.
    fn resample_boxes(
        &mut self,
        boxes: &mut dyn Iterator<Item = (Timestamp, Edges)>,
        aspect: f32,
        until: Timestamp,
        steps: usize,
        rate_hz: f32,
    ) {
        let mut boxes = boxes.map(|(at, edges)| {
            let across = |x: f32| x.clamp(0.0, aspect);
            let down = |y: f32| y.clamp(0.0, 1.0);
            (at, [across(edges.left), across(edges.right), down(edges.top), down(edges.bottom)])
        });
        self.boxes.clear();
        each_instant(&mut boxes, until, steps, rate_hz, |_, edges| self.boxes.push(edges));
    }
}

/// The longer of a box's height and half its width.
fn length([left, right, top, bottom]: &[f32; 4]) -> f32 {
    (bottom - top).max((right - left) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::activity::{Body, Position};
    use crate::geometry::BBox;

    /// A film, its window and its probabilities, as `models/train/posture/check.py` wrote them.
    const CHECK: &str = include_str!("../../../models/train/posture/check.txt");
    const STEPS: usize = 24;

    fn rows() -> Vec<Vec<f32>> {
        let row = |line: &str| line.split(' ').map(|value| value.parse().unwrap()).collect();
        CHECK.lines().map(row).collect()
    }

    #[test]
    fn windows_are_those_that_the_net_was_trained_on() {
        let rows = rows();
        let [aspect, stature] = rows[0][..] else { panic!("aspect and stature come first") };
        let film = &rows[1..rows.len() - STEPS - 1];
        let expected: Vec<f32> = rows[rows.len() - STEPS - 1..rows.len() - 1].concat();
        let mut joints = JointWindow::new(Duration::from_secs(3));
        let mut boxes = Vec::new();
        let at = |step: usize| Timestamp::from_micros(100_000 * step as i64);
        for (step, row) in film.iter().enumerate() {
            let [left, right, top, bottom, ref places @ ..] = row[..] else { panic!("{row:?}") };
            let bbox = BBox::from_corners(left / aspect, top, right / aspect, bottom);
            boxes.push((at(step), Edges::of(&bbox, aspect).unwrap()));
            let mut body = Body { at: at(step), joints: [None; BODY_JOINTS] };
            for (joint, place) in body.joints.iter_mut().zip(places.as_chunks::<3>().0) {
                *joint = (place[2] > 0.0).then_some(Position { x: place[0], y: place[1] });
            }
            joints.push(body);
        }
        let seen = Seen { boxes: &mut boxes.into_iter(), joints: &joints, aspect, stature: Some(stature) };
        let mut window = PostureWindow::default();
        let found = window.fill(seen, at(film.len() - 1), STEPS, 10.0);
        assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let (step, value) = (index / VALUES, index % VALUES);
            assert!((found - expected).abs() < 1e-3, "step {step}, value {value}: {found}, not {expected}");
        }
    }

    #[test]
    fn without_a_box_there_is_nothing() {
        let joints = JointWindow::new(Duration::from_secs(3));
        let seen = Seen { boxes: &mut std::iter::empty(), joints: &joints, aspect: 1.5, stature: None };
        let mut window = PostureWindow::default();
        let found = window.fill(seen, Timestamp::EPOCH, STEPS, 10.0);
        assert_eq!(found, vec![0.0; STEPS * VALUES]);
    }
}
