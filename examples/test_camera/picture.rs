//! What the camera sees: a room with sensor noise, and people in it who walk to and fro and never leave.
//!
//! Drawn straight into I420 at the size that is asked for, with soft edges, so that the detector takes it for a
//! photograph and a frame costs a fraction of what encoding it does.

use crate::figure::Figure;

/// Somebody who walks to and fro.
struct Walker {
    /// The middle of the way and how far it goes to each side, in picture widths.
    middle: f32,
    reach: f32,
    /// Foot point and height, in picture heights.
    foot: f32,
    height: f32,
    /// Seconds for the way to and fro.
    turn_s: f32,
    figure: Figure,
}

const WALKERS: [Walker; 2] = [
    Walker {
        middle: 0.25,
        reach: 0.1,
        foot: 0.93,
        height: 0.62,
        turn_s: 16.0,
        figure: Figure { shirt: [180, 60, 60], trousers: [40, 60, 90] },
    },
    Walker {
        middle: 0.74,
        reach: 0.1,
        foot: 0.88,
        height: 0.55,
        turn_s: 21.0,
        figure: Figure { shirt: [40, 90, 150], trousers: [60, 50, 50] },
    },
];

/// A picture's planes, one after the other: `width * height` luma, and two of a quarter of that.
pub type Planes = Vec<u8>;

/// Draws pictures of one size.
pub struct Painter {
    width: usize,
    height: usize,
    people: bool,
    /// Grey levels to each side.
    noise: u8,
    room: Planes,
    random: u64,
}

impl Painter {
    /// Width and height are in pixels and even.
    pub fn new((width, height): (usize, usize), people: bool, noise: u8) -> Self {
        let mut painter = Painter { width, height, people, noise, room: Vec::new(), random: 0x9e37_79b9 };
        painter.room = painter.empty_room();
        painter
    }

    /// The picture at a time, in seconds; the noise is another one with each call.
    pub fn paint(&mut self, time_s: f32) -> Planes {
        let mut canvas = Canvas { width: self.width, height: self.height, planes: self.room.clone() };
        if self.people {
            WALKERS.iter().for_each(|walker| walker.draw(&mut canvas, time_s));
        }
        let mut planes = canvas.planes;
        self.add_noise(&mut planes);
        planes
    }

    /// A wall with panels above a floor that gets lighter towards the viewer.
    fn empty_room(&self) -> Planes {
        let (width, height) = (self.width, self.height);
        let horizon = height * 2 / 5;
        let mut planes = Vec::with_capacity(width * height * 3 / 2);
        for y in 0..height {
            planes.extend((0..width).map(|x| {
                if y >= horizon {
                    return 110 + (60 * (y - horizon) / (height - horizon)) as u8;
                }
                if x % (width / 6) < width.div_ceil(320) { 144 } else { 178 }
            }));
        }
        for blue in [true, false] {
            for y in 0..height / 2 {
                let wall = if blue { 133 } else { 123 };
                planes.extend(std::iter::repeat_n(if 2 * y < horizon { wall } else { 128 }, width / 2));
            }
        }
        planes
    }

    fn add_noise(&mut self, planes: &mut Planes) {
        let levels = 2 * u16::from(self.noise) + 1;
        for pixels in planes.chunks_mut(8) {
            // Marsaglia's xorshift, 2003.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            for (pixel, random) in pixels.iter_mut().zip(self.random.to_le_bytes()) {
                let step = (u16::from(random) * levels) >> 8;
                *pixel = pixel.saturating_add(step as u8).saturating_sub(self.noise);
            }
        }
    }
}

/// What is drawn on.
struct Canvas {
    width: usize,
    height: usize,
    planes: Planes,
}

impl Canvas {
    /// A line with round ends and soft edges, all in pixels.
    fn capsule(&mut self, from: (f32, f32), to: (f32, f32), radius: f32, rgb: [u8; 3]) {
        let (width, height) = (self.width, self.height);
        let (luma, chroma) = self.planes.split_at_mut(width * height);
        let (cb, cr) = chroma.split_at_mut(width / 2 * (height / 2));
        let half = |(x, y): (f32, f32)| (x / 2.0, y / 2.0);
        let [y, u, v] = yuv(rgb);
        stroke(luma, (width, height), from, to, radius, y);
        for (plane, value) in [(cb, u), (cr, v)] {
            stroke(plane, (width / 2, height / 2), half(from), half(to), radius / 2.0, value);
        }
    }
}

/// Blends `value` into every pixel of a plane within `radius` of a line.
fn stroke(
    plane: &mut [u8],
    (width, height): (usize, usize),
    from: (f32, f32),
    to: (f32, f32),
    radius: f32,
    value: f32,
) {
    let range = |a: f32, b: f32, limit: usize| {
        let clamp = |value: f32| value.clamp(0.0, limit as f32) as usize;
        clamp((a.min(b) - radius - 1.0).floor())..clamp((a.max(b) + radius + 1.0).ceil())
    };
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length_squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    for y in range(from.1, to.1, height) {
        for x in range(from.0, to.0, width) {
            let (px, py) = (x as f32 + 0.5 - from.0, y as f32 + 0.5 - from.1);
            let along = ((px * dx + py * dy) / length_squared).clamp(0.0, 1.0);
            let distance = (px - along * dx).hypot(py - along * dy);
            let share = (radius - distance + 0.5).clamp(0.0, 1.0);
            let pixel = &mut plane[y * width + x];
            *pixel = (f32::from(*pixel) * (1.0 - share) + value * share) as u8;
        }
    }
}

/// BT.601 with limited range.
fn yuv(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|value| f32::from(value) / 255.0);
    [
        16.0 + 65.5 * r + 128.6 * g + 25.0 * b,
        128.0 - 37.8 * r - 74.2 * g + 112.0 * b,
        128.0 + 112.0 * r - 93.8 * g - 18.2 * b,
    ]
}

impl Walker {
    fn draw(&self, canvas: &mut Canvas, time_s: f32) {
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        // To and fro at an even pace.
        let share = (time_s / self.turn_s).fract();
        let (place, heading) = if share < 0.5 { (4.0 * share - 1.0, 1.0) } else { (3.0 - 4.0 * share, -1.0) };
        let (foot_x, foot_y) = ((self.middle + place * self.reach) * width, self.foot * height);
        self.figure.draw(
            (foot_x, foot_y),
            self.height * height,
            heading,
            time_s,
            |from, to, radius, colour| {
                canvas.capsule(from, to, radius, colour);
            },
        );
    }
}
