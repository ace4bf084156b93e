//! Frames: one picture of one camera at one moment, in the YUV that the decoder gave.
//!
//! [`crate::capture`] makes frames without copying or converting them; every model takes the region it needs, scaled and
//! converted once, through a [`Sampler`]. A picture that is to be turned, mirrored or stretched is stored as the decoder
//! gave it, and shown so by the sampler. Nothing here knows where the bytes live: see [`Planes`].

mod mask;
mod sample;

use std::fmt;
use std::sync::Arc;

use crate::clock::{ClockOf, Timestamp};
use crate::geometry::Orientation;
use crate::name::Name;

pub use mask::Mask;
pub use sample::{Filter, Region, RgbRow, Sampler};

/// One picture of one camera.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The camera that took it.
    pub camera: Name,
    /// Counts the frames of one connection as the camera gave them, from 0; those that nobody took leave gaps.
    pub number: u64,
    /// Capture time: of a live source by the steady clock, which nobody sets; in a replay the place in the file.
    pub at: Timestamp,
    /// Whose clock says so.
    pub by: ClockOf,
    /// The picture.
    pub image: Image,
}

/// How the bytes of a picture are laid out; all are 8 bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planes Y, U, V; chroma halved both ways (4:2:0).
    I420,
    /// Planes Y, interleaved UV; chroma halved both ways (4:2:0).
    Nv12,
    /// Planes Y, U, V; chroma halved across (4:2:2), as JPEG cameras give it.
    Y42b,
    /// Planes Y, U, V; full chroma (4:4:4).
    Y444,
    /// One plane Y.
    Gray8,
}

impl PixelFormat {
    /// Every format, in the order of preference.
    pub const ALL: [PixelFormat; 5] =
        [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Y42b, PixelFormat::Y444, PixelFormat::Gray8];

    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            PixelFormat::I420 | PixelFormat::Y42b | PixelFormat::Y444 => 3,
            PixelFormat::Nv12 => 2,
            PixelFormat::Gray8 => 1,
        }
    }

    /// Shape of plane `index` of a `width` x `height` picture: samples per row, rows, bytes per sample.
    fn plane_shape(self, index: usize, width: usize, height: usize) -> (usize, usize, usize) {
        let half = |n: usize| n.div_ceil(2);
        match (self, index) {
            (_, 0) | (PixelFormat::Y444, _) => (width, height, 1),
            (PixelFormat::Nv12, _) => (half(width), half(height), 2),
            (PixelFormat::Y42b, _) => (half(width), height, 1),
            (PixelFormat::I420 | PixelFormat::Gray8, _) => (half(width), half(height), 1),
        }
    }
}

/// The matrix between RGB and YUV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourMatrix {
    /// ITU-R BT.601: standard definition, JPEG.
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
    /// ITU-R BT.2020: ultra high definition.
    Bt2020,
    /// SMPTE 240M: early high definition.
    Smpte240m,
    /// The FCC's of 1953.
    Fcc,
}

/// How YUV values map to colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colorimetry {
    /// Matrix coefficients.
    pub matrix: ColourMatrix,
    /// Whether Y, U and V use 0..=255 instead of 16..=235 (240 for chroma).
    pub full_range: bool,
}

/// Where the bytes of a picture live: a mapped GStreamer buffer, or vectors in tests.
pub trait Planes: Send + Sync {
    /// The bytes of plane `index`, rows one after the other, each `stride` bytes apart.
    fn plane(&self, index: usize) -> &[u8];
}

impl Planes for Vec<Vec<u8>> {
    fn plane(&self, index: usize) -> &[u8] {
        &self[index]
    }
}

/// A picture whose planes are as long as its size says. Cheap to clone: the bytes are shared.
///
/// Its width and height are those that it is shown with: upright, and with square pixels.
#[derive(Clone)]
pub struct Image {
    format: PixelFormat,
    /// Width and height as it is stored.
    stored: (u32, u32),
    /// Width and height as it is shown.
    shown: (u32, u32),
    orientation: Orientation,
    colorimetry: Colorimetry,
    strides: [usize; 3],
    planes: Arc<dyn Planes>,
}

/// Bytes that do not make the picture they should.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadImage {
    /// A picture without pixels.
    #[error("a picture of {width}x{height} pixels has nothing in it")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A plane is too short.
    #[error("plane {plane} of a {width}x{height} {format:?} picture needs {needed} bytes and has {found}")]
    Short {
        /// Index of the plane.
        plane: usize,
        /// Layout of the picture.
        format: PixelFormat,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes that the size and stride ask for.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
}

impl Image {
    /// A picture of `width` x `height` pixels over `planes`, whose rows are `strides` bytes apart.
    ///
    /// # Errors
    /// When the picture is empty or a plane has fewer bytes than its rows need.
    pub fn new(
        format: PixelFormat,
        (width, height): (u32, u32),
        colorimetry: Colorimetry,
        strides: [usize; 3],
        planes: Arc<dyn Planes>,
    ) -> Result<Self, BadImage> {
        if width == 0 || height == 0 {
            return Err(BadImage::Empty { width, height });
        }
        for (plane, &stride) in strides.iter().enumerate().take(format.planes()) {
            let (samples, rows, bytes) = format.plane_shape(plane, width as usize, height as usize);
            let row_bytes = samples * bytes;
            let needed = stride.max(row_bytes) * (rows - 1) + row_bytes;
            let found = planes.plane(plane).len();
            if found < needed || stride < row_bytes {
                return Err(BadImage::Short { plane, format, width, height, needed, found });
            }
        }
        let (stored, orientation) = ((width, height), Orientation::UPRIGHT);
        Ok(Image { format, stored, shown: stored, orientation, colorimetry, strides, planes })
    }

    /// A picture of packed RGB, `3 * width * height` bytes.
    ///
    /// # Errors
    /// When the picture is empty or `rgb` is shorter than that.
    pub fn from_rgb((width, height): (u32, u32), rgb: &[u8]) -> Result<Self, BadImage> {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let mut planes: Vec<Vec<u8>> = (0..3).map(|_| Vec::with_capacity(rgb.len() / 3)).collect();
        for &[r, g, b] in rgb.as_chunks::<3>().0 {
            let [r, g, b] = [r, g, b].map(f32::from);
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            let (u, v) = (128.0 + (b - y) / 1.772, 128.0 + (r - y) / 1.402);
            // The cast keeps what a sharp colour has too much within 0..=255.
            planes.iter_mut().zip([y, u, v]).for_each(|(plane, value)| plane.push((value + 0.5) as u8));
        }
        let stride = width as usize;
        Image::new(PixelFormat::Y444, (width, height), colorimetry, [stride; 3], Arc::new(planes))
    }

    /// The same picture, shown turned or mirrored, and with pixels that are stored `pixel_aspect` times as wide as high. The
    /// side that is too short is stretched, so that nothing is lost. A `pixel_aspect` below 1/4 or above 4 is not believed.
    #[must_use]
    pub fn shown_as(self, orientation: Orientation, pixel_aspect: f64) -> Self {
        let (width, height) = self.stored;
        let stretch = |side: u32, by: f64| (f64::from(side) * by).round() as u32;
        let square = match pixel_aspect {
            wide if wide > 1.0 && wide <= 4.0 => (stretch(width, wide), height),
            narrow if (0.25..1.0).contains(&narrow) => (width, stretch(height, narrow.recip())),
            _ => (width, height),
        };
        Image { shown: orientation.size(square), orientation, ..self }
    }

    /// What is shown, turned or mirrored once more. Where a point of it lies in this picture, [`Orientation::stored`] of
    /// `next` says.
    #[must_use]
    pub fn turned(&self, next: Orientation) -> Self {
        Image { shown: next.size(self.shown), orientation: self.orientation.then(next), ..self.clone() }
    }

    /// Width in pixels, as it is shown.
    pub fn width(&self) -> u32 {
        self.shown.0
    }

    /// Height in pixels, as it is shown.
    pub fn height(&self) -> u32 {
        self.shown.1
    }

    /// Width by height, as it is shown.
    pub fn aspect(&self) -> f32 {
        self.width() as f32 / self.height() as f32
    }

    /// Width and height in pixels, as it is stored.
    pub fn stored_size(&self) -> (u32, u32) {
        self.stored
    }

    /// Layout of the bytes.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Luma of row `y` as it is stored, one byte per pixel.
    pub fn luma_row(&self, y: usize) -> &[u8] {
        let plane = self.plane(0);
        &plane.data[y * plane.stride..][..plane.samples]
    }

    /// The whole picture as packed RGB, `3 * width * height` bytes.
    pub fn to_rgb(&self) -> Vec<u8> {
        let mut rgb = Vec::with_capacity(3 * self.width() as usize * self.height() as usize);
        let whole = Region::whole(self);
        Sampler::default().sample(self, whole, (self.width() as usize, self.height() as usize), |_, row| {
            for ((&r, &g), &b) in row.r.iter().zip(row.g).zip(row.b) {
                // In 0..=255 already; the cast rounds.
                rgb.extend([r, g, b].map(|v| (v + 0.5) as u8));
            }
        });
        rgb
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        let (samples, rows, bytes) =
            self.format.plane_shape(index, self.stored.0 as usize, self.stored.1 as usize);
        Plane { data: self.planes.plane(index), stride: self.strides[index], samples, rows, bytes }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((width, height), (shown_width, shown_height)) = (self.stored, self.shown);
        write!(f, "Image({:?} {width}x{height}", self.format)?;
        if self.shown != self.stored || self.orientation != Orientation::UPRIGHT {
            write!(f, " shown as {shown_width}x{shown_height}")?;
        }
        f.write_str(")")
    }
}

/// One plane of a picture.
#[derive(Clone, Copy)]
struct Plane<'a> {
    data: &'a [u8],
    /// Bytes from one row to the next.
    stride: usize,
    samples: usize,
    rows: usize,
    /// Bytes per sample: 1, or 2 for interleaved chroma.
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rgb_comes_back_as_it_was() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [12, 200, 77]];
        let image = Image::from_rgb((3, 2), colours.as_flattened()).expect("a picture");
        for (found, expected) in image.to_rgb().iter().zip(colours.as_flattened()) {
            assert!(found.abs_diff(*expected) <= 2, "{:?} of {colours:?}", image.to_rgb());
        }
        let short = Image::from_rgb((3, 2), &[0; 17]);
        assert!(matches!(short, Err(BadImage::Short { plane: 0, needed: 6, found: 5, .. })), "{short:?}");
    }
}
