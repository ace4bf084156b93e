//! Somebody who walks, seen from the side, in simple shapes: a detector takes it for a person.
//!
//! Drawn by [`super::scene`] and by the example `test_camera`, each on a canvas of its own.

use std::f32::consts::TAU;

/// Steps that a figure makes per second.
const STEPS_PER_SECOND: f32 = 1.6;

const SKIN: [u8; 3] = [200, 155, 125];
const HAIR: [u8; 3] = [50, 40, 30];
const SHOES: [u8; 3] = [25, 25, 25];

/// What somebody wears, in RGB.
pub struct Figure {
    /// Above.
    pub shirt: [u8; 3],
    /// Below.
    pub trousers: [u8; 3],
}

impl Figure {
    /// Draws the figure with lines that have round ends: `capsule` takes both ends, the radius and the colour. `foot` and
    /// `height` are in pixels; `heading` is 1 to the right and -1 to the left; at `seconds` the legs stand accordingly.
    pub fn draw(
        &self,
        foot: (f32, f32),
        height: f32,
        heading: f32,
        seconds: f32,
        mut capsule: impl FnMut((f32, f32), (f32, f32), f32, [u8; 3]),
    ) {
        let swing = 18.0 * (TAU * STEPS_PER_SECOND / 2.0 * seconds).sin();
        // A hundred units high, from the foot point upwards.
        let unit = height / 100.0;
        let at = |(front, up): (f32, f32)| (foot.0 + heading * front * unit, foot.1 - up * unit);
        let mut limb = |from: (f32, f32), to: (f32, f32), width: f32, colour: [u8; 3]| {
            capsule(at(from), at(to), width / 2.0 * unit, colour);
        };
        // The far side first, the near side over it.
        for (side, shade) in [(-1.0, 0.75), (1.0, 1.0)] {
            let (knee, foot) = ((0.6 * side * swing + 2.0, 25.0), (side * swing, 3.0));
            limb((0.0, 48.0), knee, 11.0, dim(self.trousers, shade));
            limb(knee, foot, 9.0, dim(self.trousers, shade));
            limb(foot, (foot.0 + 6.0, 2.0), 5.0, SHOES);
        }
        for (side, shade) in [(-1.0, 0.7), (1.0, 0.85)] {
            if side > 0.0 {
                limb((0.0, 52.0), (0.0, 74.0), 20.0, self.shirt);
            }
            let (elbow, hand) = ((-0.5 * side * swing, 62.0), (-0.8 * side * swing + 3.0, 48.0));
            limb((0.0, 78.0), elbow, 7.0, dim(self.shirt, shade));
            limb(elbow, hand, 6.0, dim(self.shirt, shade));
            limb(hand, hand, 7.0, SKIN);
        }
        limb((0.0, 83.0), (0.0, 88.0), 7.0, SKIN);
        limb((0.0, 91.0), (0.0, 94.0), 13.0, SKIN);
        limb((-1.0, 96.0), (-1.0, 96.5), 13.0, HAIR);
    }
}

fn dim(colour: [u8; 3], factor: f32) -> [u8; 3] {
    colour.map(|value| (f32::from(value) * factor) as u8)
}
