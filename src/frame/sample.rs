//! A region of a YUV picture, scaled and converted to RGB in one pass.
//!
//! Each plane is scaled straight to the output size (fast_image_resize: a triangle filter that widens when it shrinks,
//! so small things do not flicker between samples), then row by row to RGB. There is no RGB picture at camera size in
//! between.

use fast_image_resize::images::{Image as Scaled, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{ColourMatrix, Image, PixelFormat, Plane};

/// A rectangle of a picture, in its pixels; it may start and end between pixels.
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

/// Takes regions out of pictures; keeps its buffers between calls. One per worker.
#[derive(Default)]
pub struct Sampler {
    resizer: Resizer,
    compact: Vec<u8>,
    scaled: [Vec<u8>; 3],
    row: [Vec<f32>; 3],
}

impl Sampler {
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
        let region = region.inside(image);
        for index in 0..image.format.planes() {
            self.scale(image.plane(index), image, region, (width, height), index);
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

    /// Scales `region` (in pixels of `image`) of one plane into `self.scaled[index]`.
    fn scale(&mut self, plane: Plane<'_>, image: &Image, region: Region, size: (usize, usize), index: usize) {
        let (sx, sy) =
            (plane.samples as f64 / f64::from(image.width()), plane.rows as f64 / f64::from(image.height()));
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
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(left, top, width, height)
            .use_alpha(false);
        self.resizer
            .resize(&source, &mut target, &options)
            .expect("the region is inside the plane and both have the same pixel type");
    }
}

/// Affine YUV to RGB, from the matrix's luma weights (ITU-R BT.601, BT.709 and BT.2020).
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
