//! A whole picture made smaller, to be kept for a while. Its planes stay YUV, so a region of it is sampled like one of a frame.
//!
//! [`crate::activity`] keeps such pictures for clips of groups.

use std::sync::Arc;

use super::{Region, Sampler};
use crate::frame::Image;

impl Sampler {
    /// A copy of `image` whose longer side has at most `longest_px` pixels: scaled down, never up. Its pixels are square, and
    /// it is shown turned or mirrored as `image` is. It shares no memory with `image`, so keeping it holds no decoder's buffer.
    pub fn shrink(&mut self, image: &Image, longest_px: u32) -> Image {
        let longest = image.width().max(image.height());
        let scale = (f64::from(longest_px) / f64::from(longest)).min(1.0);
        let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
        let (width, height) = image.orientation.size((side(image.width()), side(image.height())));
        let whole = Region::whole(image).stored(image);
        let mut strides = [0; 3];
        let planes: Vec<Vec<u8>> = (0..image.format.planes())
            .map(|index| {
                let (samples, rows, bytes) = image.format.plane_shape(index, width as usize, height as usize);
                strides[index] = samples * bytes;
                self.scale(image.plane(index), image, whole, (samples, rows), index);
                self.scaled[index].clone()
            })
            .collect();
        Image::new(image.format, (width, height), image.colorimetry, strides, Arc::new(planes))
            .expect("every plane was scaled to the length that the size asks for")
            .shown_as(image.orientation, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colorimetry, ColourMatrix, PixelFormat};
    use crate::geometry::Orientation;

    const FULL: Colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };

    /// A picture of one luma, but for a white quarter at the top left, as it is stored.
    fn picture(format: PixelFormat, (width, height): (u32, u32)) -> Image {
        let mut strides = [0; 3];
        let planes: Vec<Vec<u8>> = (0..format.planes())
            .map(|index| {
                let (samples, rows, bytes) = format.plane_shape(index, width as usize, height as usize);
                // Padding at the end of rows, as decoders leave it.
                strides[index] = samples * bytes + 5;
                let white = |x: usize, y: usize| x < samples / 2 && y < rows / 2;
                let value = |x, y| match index {
                    0 if white(x, y) => 250,
                    0 => 50,
                    _ => 128,
                };
                let row = |y| (0..strides[index]).map(move |byte| value(byte / bytes, y));
                (0..rows).flat_map(row).collect()
            })
            .collect();
        Image::new(format, (width, height), FULL, strides, Arc::new(planes)).expect("a picture")
    }

    #[test]
    fn pictures_are_scaled_down_and_never_up() {
        for (size, longest_px, expected) in [
            ((1920, 1080), 640, (640, 360)),
            ((1080, 1920), 640, (360, 640)),
            ((640, 480), 640, (640, 480)),
            ((33, 17), 640, (33, 17)),
            ((3000, 1), 640, (640, 1)),
        ] {
            for format in PixelFormat::ALL {
                let small = Sampler::default().shrink(&picture(format, size), longest_px);
                assert_eq!((small.width(), small.height()), expected, "{format:?}");
            }
        }
    }

    #[test]
    fn a_small_picture_shows_what_the_large_one_shows() {
        for format in PixelFormat::ALL {
            for number in 1..=8 {
                let orientation = Orientation::of_exif(number).expect("a number of Exif");
                // Stored twice as wide as high, and shown square.
                let large = picture(format, (160, 80)).shown_as(orientation, 0.5);
                let mut sampler = Sampler::default();
                let small = sampler.shrink(&large, 40);
                assert_eq!((small.width(), small.height()), (40, 40));
                let mut rows = |image: &Image| {
                    let mut red = Vec::new();
                    sampler.sample(image, Region::whole(image), (4, 4), |_, row| red.extend(row.r.to_vec()));
                    red
                };
                let (found, expected) = (rows(&small), rows(&large));
                assert!(found.iter().any(|value| *value > 200.0), "{found:?}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() <= 3.0, "{format:?} {number}: {found} for {expected}");
                }
            }
        }
    }
}
