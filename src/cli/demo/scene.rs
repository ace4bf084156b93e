//! A scene for a demo without footage: figures of simple shapes that walk past each other.
//!
//! Drawn at twice its size and scaled down, with some noise, so that the detector takes it for a photograph.

use std::path::Path;

use anyhow::Context;
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};

use super::figure::Figure;
use crate::cli::output::cannot_write;

const SIZE: (u32, u32) = (640, 480);
/// Drawn this much larger.
const OVERSAMPLING: u32 = 2;
const FPS: u32 = 10;
/// After this many frames everybody is back where the scene began.
const FRAMES: u32 = 200;
/// Somebody who walks along a straight line, out of the picture and back in on the other side.
struct Walker {
    /// Foot point at the first frame and height, in pixels.
    x: f32,
    y: f32,
    height: f32,
    /// Picture widths per loop, to the right; a whole number, so that the loop closes.
    laps: f32,
    figure: Figure,
}

const WALKERS: [Walker; 3] = [
    Walker {
        x: 120.0,
        y: 400.0,
        height: 190.0,
        laps: 1.0,
        figure: Figure { shirt: [180, 60, 60], trousers: [40, 60, 90] },
    },
    Walker {
        x: 420.0,
        y: 330.0,
        height: 130.0,
        laps: -1.0,
        figure: Figure { shirt: [60, 130, 60], trousers: [90, 60, 60] },
    },
    Walker {
        x: 560.0,
        y: 455.0,
        height: 240.0,
        laps: 1.0,
        figure: Figure { shirt: [40, 90, 150], trousers: [60, 50, 50] },
    },
];

/// Draws the scene's frames into `folder`, calling `drawn` now and then with the share that is done, and gives the
/// pipeline fragment that plays them over and over.
pub(super) fn draw(folder: &Path, mut drawn: impl FnMut(f32)) -> anyhow::Result<String> {
    let backdrop = backdrop();
    for frame in 0..FRAMES {
        let mut picture = backdrop.clone();
        for walker in &WALKERS {
            walker.draw(&mut picture, frame as f32 / FRAMES as f32);
        }
        let mut picture = resize(&picture, SIZE.0, SIZE.1, FilterType::Triangle);
        add_noise(&mut picture, frame);
        let path = folder.join(format!("{frame:03}.jpg"));
        picture.save(&path).with_context(|| cannot_write(&path))?;
        if frame % 10 == 0 {
            drawn(frame as f32 / FRAMES as f32);
        }
    }
    let location = folder.join("%03d.jpg");
    Ok(format!(
        "multifilesrc location=\"{}\" loop=true caps=image/jpeg,framerate={FPS}/1",
        location.display()
    ))
}

/// A wall above a floor that gets lighter towards the viewer.
fn backdrop() -> RgbImage {
    let (width, height) = (SIZE.0 * OVERSAMPLING, SIZE.1 * OVERSAMPLING);
    let horizon = height * 2 / 5;
    RgbImage::from_fn(width, height, |x, y| {
        if y < horizon {
            // Panels, so that the wall is not empty.
            let edge = x % (width / 6) < 4;
            Rgb(if edge { [140, 145, 150] } else { [170, 180, 190] })
        } else {
            let light = 110 + (60 * (y - horizon) / (height - horizon)) as u8;
            Rgb([light, light, light])
        }
    })
}

impl Walker {
    /// Draws the figure at `time`, 0..1 of the loop.
    fn draw(&self, picture: &mut RgbImage, time: f32) {
        let scale = OVERSAMPLING as f32;
        // Room on both sides, so that nobody pops in or out of sight.
        let lap_px = SIZE.0 as f32 + self.height;
        let x = (self.x + time * self.laps * lap_px).rem_euclid(lap_px) - self.height / 2.0;
        let seconds = time * FRAMES as f32 / FPS as f32;
        self.figure.draw(
            (x * scale, self.y * scale),
            self.height * scale,
            self.laps.signum(),
            seconds,
            |from, to, radius, colour| {
                capsule(picture, from, to, radius, colour);
            },
        );
    }
}

/// A line with round ends: every pixel within `radius` of it.
fn capsule(picture: &mut RgbImage, from: (f32, f32), to: (f32, f32), radius: f32, colour: [u8; 3]) {
    let range = |a: f32, b: f32, limit: u32| {
        let clamp = |value: f32| value.clamp(0.0, limit as f32) as u32;
        clamp((a.min(b) - radius).floor())..clamp((a.max(b) + radius).ceil())
    };
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length_squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    for y in range(from.1, to.1, picture.height()) {
        for x in range(from.0, to.0, picture.width()) {
            let (px, py) = (x as f32 + 0.5 - from.0, y as f32 + 0.5 - from.1);
            let along = ((px * dx + py * dy) / length_squared).clamp(0.0, 1.0);
            if (px - along * dx).hypot(py - along * dy) <= radius {
                picture.put_pixel(x, y, Rgb(colour));
            }
        }
    }
}

/// Sensor noise of a few grey levels, the same on every run.
fn add_noise(picture: &mut RgbImage, seed: u32) {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    for pixel in picture.pixels_mut() {
        // Marsaglia's xorshift, 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let noise = (state % 13) as i16 - 6;
        pixel.0 = pixel.0.map(|value| (i16::from(value) + noise).clamp(0, 255) as u8);
    }
}
