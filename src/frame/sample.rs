//! A region of a YUV picture, scaled and converted to RGB in one pass.
//!
//! Each plane is scaled straight to the output size (fast_image_resize: a triangle filter that widens when it shrinks,
//! so small things do not flicker between samples), then row by row to RGB. There is no RGB picture at camera size in
//! between. A picture that is shown turned or mirrored is turned after scaling, when it is small.

mod shrink;

use fast_image_resize::images::{Image as Scaled, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{ColourMatrix, Image, PixelFormat, Plane};
use crate::geometry::Orientation;

/// A rectangle of a picture, in its pixels as they are shown; it may start and end between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Region {
    /// All of `image`.
    pub fn whole(image: &Image) -> Self {
        Region { x: 0.0, y: 0.0, w: f64::from(image.width()), h: f64::from(image.height()) }
    }

    /// The part inside `image`, at least one pixel wide and high.
    fn inside(self, image: &Image) -> Region {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let x = self.x.clamp(0.0, width - 1.0);
        let y = self.y.clamp(0.0, height - 1.0);
        let w = (self.x + self.w).min(width) - x;
        let h = (self.y + self.h).min(height) - y;
        Region { x, y, w: w.max(1.0), h: h.max(1.0) }
    }

    /// The same before `image` is turned, in pixels that are square.
    fn stored(self, image: &Image) -> Region {
        let orientation = image.orientation;
        let (width, height) = orientation.size(image.shown);
        let ((x, y), (w, h)) = (orientation.size((self.x, self.y)), orientation.size((self.w, self.h)));
        let (flipped_x, flipped_y) = orientation.flips();
        let x = if flipped_x { f64::from(width) - x - w } else { x };
        let y = if flipped_y { f64::from(height) - y - h } else { y };
        Region { x: x.max(0.0), y: y.max(0.0), w, h }
    }
}

/// One row of an RGB picture: three slices of equal length, values 0..=255, not rounded.
#[derive(Clone, Copy, Debug)]
pub struct RgbRow<'a> {
    /// Red.
    pub r: &'a [f32],
    /// Green.
    pub g: &'a [f32],
    /// Blue.
    pub b: &'a [f32],
}

/// How the pixels of a picture are weighed where it is scaled. Both cost the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// A triangle: soft.
    #[default]
    Bilinear,
    /// A Hamming window: sharper. Of a picture made smaller it shows about what the mean over each pixel's area does.
    Hamming,
}

/// Takes regions out of pictures; keeps its buffers between calls. One per worker.
#[derive(Default)]
pub struct Sampler {
    filter: Filter,
    resizer: Resizer,
    compact: Vec<u8>,
    scaled: [Vec<u8>; 3],
    turned: Vec<u8>,
    row: [Vec<f32>; 3],
}

impl Sampler {
    /// One that scales by `filter`.
    pub fn new(filter: Filter) -> Self {
        Sampler { filter, ..Sampler::default() }
    }

    /// Scales `region` of `image` to `width` x `height` and hands every row, top to bottom, to `write(y, row)`.
    ///
    /// A region that reaches outside the picture is cut to it.
    pub fn sample(
        &mut self,
        image: &Image,
        region: Region,
        (width, height): (usize, usize),
        mut write: impl FnMut(usize, RgbRow<'_>),
    ) {
        let region = region.inside(image).stored(image);
        let stored = image.orientation.size((width, height));
        for index in 0..image.format.planes() {
            let plane = image.plane(index);
            self.scale(plane, image, region, stored, index);
            if image.orientation != Orientation::UPRIGHT {
                self.turn(image.orientation, stored, plane.bytes, index);
            }
        }
        let convert = Conversion::of(image);
        for row in &mut self.row {
            row.resize(width, 0.0);
        }
        let [r, g, b] = &mut self.row;
        let [luma, u, v] = &self.scaled;
        for y in 0..height {
            let at = y * width..(y + 1) * width;
            let out = (&mut r[..], &mut g[..], &mut b[..]);
            match image.format {
                PixelFormat::Gray8 => convert.grey(&luma[at], out),
                PixelFormat::Nv12 => {
                    let uv = &u[2 * at.start..2 * at.end];
                    convert.colour(&luma[at], uv.iter().step_by(2), uv[1..].iter().step_by(2), out);
                }
                PixelFormat::I420 | PixelFormat::Y42b | PixelFormat::Y444 => {
                    convert.colour(&luma[at.clone()], u[at.clone()].iter(), v[at].iter(), out);
                }
            }
            write(y, RgbRow { r, g, b });
        }
    }

    /// Turns what was scaled to `stored`, `bytes` per sample.
    fn turn(&mut self, orientation: Orientation, stored: (usize, usize), bytes: usize, index: usize) {
        let (width, height) = orientation.size(stored);
        let scaled = &mut self.scaled[index];
        self.turned.clear();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (from_x, from_y) = orientation.pixel((x, y), stored);
            let from = (from_y * stored.0 + from_x) * bytes;
            self.turned.extend_from_slice(&scaled[from..from + bytes]);
        }
        std::mem::swap(scaled, &mut self.turned);
    }

    /// Scales `region` (before `image` is turned) of one plane into `self.scaled[index]`.
    fn scale(&mut self, plane: Plane<'_>, image: &Image, region: Region, size: (usize, usize), index: usize) {
        let (across, down) = image.orientation.size(image.shown);
        let (sx, sy) = (plane.samples as f64 / f64::from(across), plane.rows as f64 / f64::from(down));
        let (left, top) = (region.x * sx, region.y * sy);
        let width = (region.w * sx).min(plane.samples as f64 - left);
        let height = (region.h * sy).min(plane.rows as f64 - top);
        let data = if plane.stride == plane.samples * plane.bytes {
            &plane.data[..plane.stride * plane.rows]
        } else {
            // Padding at the end of rows must not reach the filter.
            self.compact.clear();
            for row in plane.data.chunks(plane.stride).take(plane.rows) {
                self.compact.extend_from_slice(&row[..plane.samples * plane.bytes]);
            }
            &self.compact
        };
        let pixel = if plane.bytes == 2 { PixelType::U8x2 } else { PixelType::U8 };
        let scaled = &mut self.scaled[index];
        scaled.resize(size.0 * size.1 * plane.bytes, 0);
        let source = ImageRef::new(plane.samples as u32, plane.rows as u32, data, pixel)
            .expect("an image's planes are as long as its size says");
        let mut target = Scaled::from_slice_u8(size.0 as u32, size.1 as u32, scaled, pixel)
            .expect("the buffer has just been sized");
        let filter = match self.filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Hamming => FilterType::Hamming,
        };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .crop(left, top, width, height)
            .use_alpha(false);
        self.resizer
            .resize(&source, &mut target, &options)
            .expect("the region is inside the plane and both have the same pixel type");
    }
}

/// Affine YUV to RGB, from the matrix's luma weights (ITU-T H.273, table 4).
struct Conversion {
    y_offset: f32,
    y_scale: f32,
    r_v: f32,
    g_u: f32,
    g_v: f32,
    b_u: f32,
}

impl Conversion {
    fn of(image: &Image) -> Self {
        let (kr, kb) = match image.colorimetry.matrix {
            ColourMatrix::Bt601 => (0.299, 0.114),
            ColourMatrix::Bt709 => (0.2126, 0.0722),
            ColourMatrix::Bt2020 => (0.2627, 0.0593),
            ColourMatrix::Smpte240m => (0.212, 0.087),
            ColourMatrix::Fcc => (0.30, 0.11),
        };
        let kg = 1.0 - kr - kb;
        let full = image.colorimetry.full_range;
        let (y_offset, y_scale, c_scale) =
            if full { (0.0, 1.0, 1.0) } else { (16.0, 255.0 / 219.0, 255.0 / 224.0) };
        let (r_v, b_u) = (2.0 * (1.0 - kr) * c_scale, 2.0 * (1.0 - kb) * c_scale);
        Conversion { y_offset, y_scale, r_v, g_u: -b_u * kb / kg, g_v: -r_v * kr / kg, b_u }
    }

    fn grey(&self, luma: &[u8], (r, g, b): (&mut [f32], &mut [f32], &mut [f32])) {
        for (i, &y) in luma.iter().enumerate() {
            let value = ((f32::from(y) - self.y_offset) * self.y_scale).clamp(0.0, 255.0);
            (r[i], g[i], b[i]) = (value, value, value);
        }
    }

    fn colour<'a>(
        &self,
        luma: &[u8],
        u: impl Iterator<Item = &'a u8>,
        v: impl Iterator<Item = &'a u8>,
        (r, g, b): (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        let out = r.iter_mut().zip(g).zip(b);
        for (((&y, (&u, &v)), (r, g)), b) in
            luma.iter().zip(u.zip(v)).zip(out).map(|(i, ((r, g), b))| ((i, (r, g)), b))
        {
            let y = (f32::from(y) - self.y_offset) * self.y_scale;
            let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
            *r = (y + self.r_v * v).clamp(0.0, 255.0);
            *g = (y + self.g_u * u + self.g_v * v).clamp(0.0, 255.0);
            *b = (y + self.b_u * u).clamp(0.0, 255.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{BadImage, Colorimetry};
    use super::*;

    const BT601: Colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: false };

    fn flat(format: PixelFormat, yuv: [u8; 3], padding: usize) -> Image {
        let (width, height) = (6u32, 4u32);
        let mut planes = Vec::new();
        let mut strides = [0; 3];
        for (index, stride) in strides.iter_mut().enumerate().take(format.planes()) {
            let (samples, rows, bytes) = format.plane_shape(index, width as usize, height as usize);
            *stride = samples * bytes + padding;
            let pixel = if bytes == 2 { vec![yuv[1], yuv[2]] } else { vec![yuv[index]] };
            let row: Vec<u8> = pixel.repeat(samples).into_iter().chain(vec![99; padding]).collect();
            planes.push(row.repeat(rows));
        }
        Image::new(format, (width, height), BT601, strides, Arc::new(planes)).expect("a picture")
    }

    /// Expected values from the BT.601 equations, computed by hand for the colour bars' primaries.
    #[test]
    fn flat_pictures_convert_to_their_colour_in_every_format() {
        let red = [81, 90, 240];
        for format in PixelFormat::ALL {
            for padding in [0, 5] {
                let rgb = flat(format, red, padding).to_rgb();
                let expected = if format == PixelFormat::Gray8 { [76, 76, 76] } else { [254, 0, 0] };
                assert_eq!(rgb.len(), 6 * 4 * 3);
                for pixel in rgb.chunks(3) {
                    assert_eq!(pixel, expected, "{format:?} with {padding} bytes of padding");
                }
            }
        }
    }

    #[test]
    fn ranges_and_matrices_differ() {
        let cases = [
            (ColourMatrix::Bt601, false, [255, 0, 0], [16, 128, 128], [0.0, 0.0, 0.0]),
            (ColourMatrix::Bt601, false, [0, 0, 0], [235, 128, 128], [255.0, 255.0, 255.0]),
            (ColourMatrix::Bt601, true, [0, 0, 0], [235, 128, 128], [235.0, 235.0, 235.0]),
            (ColourMatrix::Bt709, false, [0, 0, 0], [63, 102, 240], [255.0, 0.8, 0.0]),
            (ColourMatrix::Smpte240m, false, [0, 0, 0], [62, 102, 240], [254.0, 0.0, 0.0]),
        ];
        for (matrix, full_range, _, yuv, expected) in cases {
            let planes: Vec<Vec<u8>> = yuv.iter().map(|&v| vec![v]).collect();
            let image = Image::new(
                PixelFormat::Y444,
                (1, 1),
                Colorimetry { matrix, full_range },
                [1; 3],
                Arc::new(planes),
            )
            .expect("a picture");
            Sampler::default().sample(&image, Region::whole(&image), (1, 1), |_, row| {
                for (found, expected) in [row.r[0], row.g[0], row.b[0]].into_iter().zip(expected) {
                    assert!((found - expected).abs() < 1.5, "{matrix:?} {yuv:?}: {found} for {expected}");
                }
            });
        }
    }

    #[test]
    fn a_hamming_window_is_sharper_than_a_triangle() {
        // White to the left of the middle, black to its right, made half as large.
        let luma: Vec<u8> = (0..32).map(|x| if x < 16 { 250 } else { 0 }).collect();
        let full = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let image = Image::new(PixelFormat::Gray8, (32, 1), full, [32, 0, 0], Arc::new(vec![luma]))
            .expect("a picture");
        let beside_the_edge = |filter: Filter| {
            let mut found = 0.0;
            Sampler::new(filter).sample(&image, Region::whole(&image), (16, 1), |_, row| found = row.r[7]);
            found
        };
        let (sharp, soft) = (beside_the_edge(Filter::Hamming), beside_the_edge(Filter::Bilinear));
        assert!(soft < 225.0 && sharp > 235.0, "{soft} and {sharp} of 250");
    }

    #[test]
    fn a_region_is_taken_and_scaled() {
        // A ramp across: the value of a pixel is 10 times its column.
        let luma: Vec<u8> = (0..8).flat_map(|_| (0..16).map(|x| x * 10)).collect();
        let full = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let image = Image::new(PixelFormat::Gray8, (16, 8), full, [16, 0, 0], Arc::new(vec![luma]))
            .expect("a picture");
        let mut rows = Vec::new();
        let region = Region { x: 4.0, y: 2.0, w: 8.0, h: 4.0 };
        Sampler::default().sample(&image, region, (4, 2), |y, row| rows.push((y, row.r.to_vec())));
        assert_eq!(rows.len(), 2);
        for (index, (y, row)) in rows.iter().enumerate() {
            assert_eq!(*y, index);
            // Output pixel i covers columns 4 + 2i and 5 + 2i; the ramp's mean over any symmetric filter is their middle.
            for (i, value) in row.iter().enumerate() {
                assert!((value - (45.0 + 20.0 * i as f32)).abs() <= 1.0, "{row:?}");
            }
        }
    }

    /// A picture whose pixels all differ, in `format`, and the same one turned by hand.
    fn turned_by_hand(format: PixelFormat, orientation: Orientation) -> (Image, Image) {
        let full = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let picture = |turn: Orientation| {
            let (width, height) = turn.size((8usize, 6usize));
            let mut strides = [0; 3];
            let planes: Vec<Vec<u8>> = (0..format.planes())
                .map(|index| {
                    let (samples, rows, bytes) = format.plane_shape(index, width, height);
                    let stored = turn.size((samples, rows));
                    strides[index] = samples * bytes;
                    let value =
                        |x: usize, y: usize, byte: usize| (40 + 9 * x + 17 * y + 50 * byte + 3 * index) as u8;
                    (0..rows)
                        .flat_map(|y| (0..samples).map(move |x| turn.pixel((x, y), stored)))
                        .flat_map(|(x, y)| (0..bytes).map(move |byte| value(x, y, byte)))
                        .collect()
                })
                .collect();
            let size = (width as u32, height as u32);
            Image::new(format, size, full, strides, Arc::new(planes)).expect("a picture")
        };
        (picture(Orientation::UPRIGHT).shown_as(orientation, 1.0), picture(orientation))
    }

    #[test]
    fn a_turned_picture_is_the_one_that_was_turned_by_hand() {
        // 4:2:2 has no twin that lies on its side.
        let formats = [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Y444, PixelFormat::Gray8];
        for (format, number) in formats.into_iter().flat_map(|format| (1..=8).map(move |n| (format, n))) {
            let orientation = Orientation::of_exif(number).expect("a number of Exif");
            let (found, expected) = turned_by_hand(format, orientation);
            assert_eq!((found.width(), found.height()), (expected.width(), expected.height()));
            let region = Region { x: 1.5, y: 2.0, w: 3.0, h: 2.5 };
            for region in [Region::whole(&expected), region] {
                let rows = |image: &Image| {
                    let mut rows = Vec::new();
                    Sampler::default().sample(image, region, (5, 4), |_, row| {
                        rows.extend([row.r, row.g, row.b].map(<[f32]>::to_vec));
                    });
                    rows.concat()
                };
                for (found, expected) in rows(&found).into_iter().zip(rows(&expected)) {
                    assert!((found - expected).abs() <= 3.0, "{format:?} {number}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn pixels_that_are_not_square_are_stretched() {
        let (upright, aside) = (Orientation::UPRIGHT, Orientation::CLOCKWISE);
        for (orientation, aspect, expected) in [
            (upright, 16.0 / 11.0, (1024, 576)),
            (upright, 0.5, (704, 1152)),
            (aside, 16.0 / 11.0, (576, 1024)),
            (upright, 1.0, (704, 576)),
            (upright, 1000.0, (704, 576)),
            (upright, f64::NAN, (704, 576)),
            (upright, 0.0, (704, 576)),
        ] {
            let luma = vec![vec![0; 704 * 576]];
            let image = Image::new(PixelFormat::Gray8, (704, 576), BT601, [704, 0, 0], Arc::new(luma))
                .expect("a picture")
                .shown_as(orientation, aspect);
            assert_eq!((image.width(), image.height()), expected, "{orientation:?} {aspect}");
            assert_eq!(image.stored_size(), (704, 576));
        }
        // A square of 8 x 8 is stored in 4 x 8 pixels.
        let row = (0..16).map(|x| if (4..8).contains(&x) { 200 } else { 0 });
        let luma: Vec<u8> = (0..16).flat_map(|_| row.clone()).collect();
        let full = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let image = Image::new(PixelFormat::Gray8, (16, 16), full, [16, 0, 0], Arc::new(vec![luma]))
            .expect("a picture")
            .shown_as(upright, 2.0);
        let rgb = image.to_rgb();
        let white = (0..32).filter(|x| rgb[3 * x] > 100).count();
        assert_eq!((rgb.len(), white), (3 * 32 * 16, 8));
    }

    #[test]
    fn a_region_outside_is_cut() {
        let image = flat(PixelFormat::I420, [81, 90, 240], 0);
        let region = Region { x: -50.0, y: 3.9, w: 1000.0, h: 50.0 };
        let mut count = 0;
        Sampler::default().sample(&image, region, (3, 3), |_, row| count += row.r.len());
        assert_eq!(count, 9);
    }

    #[test]
    fn short_planes_are_refused() {
        let make = |luma: usize, stride: usize, size| {
            Image::new(PixelFormat::Gray8, size, BT601, [stride, 0, 0], Arc::new(vec![vec![0; luma]]))
        };
        assert!(make(12, 4, (4, 3)).is_ok());
        assert!(make(4 * 2 + 3, 4, (3, 3)).is_ok(), "the last row needs no padding");
        assert!(matches!(make(11, 4, (4, 3)), Err(BadImage::Short { needed: 12, found: 11, .. })));
        assert!(matches!(make(12, 3, (4, 3)), Err(BadImage::Short { .. })));
        assert!(matches!(make(12, 4, (0, 3)), Err(BadImage::Empty { .. })));
    }
}
