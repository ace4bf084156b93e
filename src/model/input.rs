//! From a region of a frame to the tensor that a model takes, in one pass and without allocating.
//!
//! [`crate::frame::Sampler`] scales and converts; here its rows are spread over the tensor as `[input]` of the manifest
//! says. One [`InputTensor`] per session, filled again for every frame.

mod clip;
mod write;

use super::manifest::{Align, Channels, ClipInput, ClipLayout, Input, InputType, Layout, Resize};
use super::values::{Elements, TensorView};
use crate::frame::{Image, Region, Sampler};
use crate::geometry::{BBox, Point};
use write::{Element, fill_with, write_row};

pub use clip::ClipTensor;

/// The tensor that a model takes: f32, u8 or i32, `[1, 3, H, W]` or `[1, H, W, 3]`, RGB or BGR, in the manifest's
/// range.
pub struct InputTensor {
    input: Input,
    sampler: Sampler,
    elements: Buffer,
    shape: [usize; 4],
    /// What lies where the padding was last written around, in pixels of the tensor.
    filled: Option<Area>,
}

/// The elements of a tensor, row-major.
enum Buffer {
    F32(Vec<f32>),
    U8(Vec<u8>),
    I32(Vec<i32>),
}

impl Buffer {
    fn zeros(element: InputType, length: usize) -> Self {
        match element {
            InputType::F32 => Buffer::F32(vec![0.0; length]),
            InputType::U8 => Buffer::U8(vec![0; length]),
            InputType::I32 => Buffer::I32(vec![0; length]),
        }
    }

    fn view(&self) -> Elements<'_> {
        match self {
            Buffer::F32(elements) => Elements::F32(elements),
            Buffer::U8(elements) => Elements::U8(elements),
            Buffer::I32(elements) => Elements::I32(elements),
        }
    }
}

/// A rectangle of the tensor in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    const NOTHING: Area = Area { left: 0, top: 0, width: 0, height: 0 };
}

/// Where a region of an image has landed on the tensor; leads from the tensor's pixels back to the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Relative image units per tensor pixel, and the relative position of the tensor's origin.
    scale: (f64, f64),
    origin: (f64, f64),
}

impl Placement {
    fn new(area: Area, region: Region, image: &Image) -> Self {
        let (image_width, image_height) = (f64::from(image.width()), f64::from(image.height()));
        let scale =
            (region.w / image_width / area.width as f64, region.h / image_height / area.height as f64);
        let origin = (
            region.x / image_width - area.left as f64 * scale.0,
            region.y / image_height - area.top as f64 * scale.1,
        );
        Placement { scale, origin }
    }

    /// The box between two corners in tensor pixels, relative to the image; it may reach outside.
    pub fn to_image(&self, [x1, y1, x2, y2]: [f32; 4]) -> BBox {
        let (a, b) = (self.point(x1, y1), self.point(x2, y2));
        BBox::from_corners(a.x, a.y, b.x, b.y)
    }

    /// A point in tensor pixels, relative to the image; it may lie outside.
    pub fn point(&self, x: f32, y: f32) -> Point {
        Point {
            x: (self.origin.0 + f64::from(x) * self.scale.0) as f32,
            y: (self.origin.1 + f64::from(y) * self.scale.1) as f32,
        }
    }
}

impl InputTensor {
    /// A tensor without a picture, all padding.
    pub fn new(input: &Input) -> Self {
        let shape = input.shape();
        let elements = Buffer::zeros(input.element, shape.iter().product());
        let input = input.clone();
        let sampler = Sampler::new(input.filter);
        let mut tensor = InputTensor { input, sampler, elements, shape, filled: None };
        tensor.pad_around(Area::NOTHING);
        tensor
    }

    /// Fills the tensor with `region` of `image`. What of it lies outside the image is padding; of a region without an
    /// area or with a side that is no number, everything.
    pub fn fill(&mut self, image: &Image, region: Region) -> Placement {
        let (area, region) = place(&self.input, region);
        let shown = shown(area, region, image);
        self.pad_around(shown.map_or(Area::NOTHING, |(area, _)| area));
        if let Some((area, region)) = shown {
            let InputTensor { input, sampler, elements, .. } = self;
            match elements {
                Buffer::F32(tensor) => write(tensor, input, sampler, image, (area, region)),
                Buffer::U8(tensor) => write(tensor, input, sampler, image, (area, region)),
                Buffer::I32(tensor) => write(tensor, input, sampler, image, (area, region)),
            }
        }
        Placement::new(area, region, image)
    }

    /// The tensor as a session takes it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, elements: self.elements.view() }
    }

    /// Writes the padding, unless the picture before lay in the same place.
    fn pad_around(&mut self, area: Area) {
        if self.filled.replace(area) == Some(area) {
            return;
        }
        let pad = match self.input.resize {
            Resize::Letterbox { pad, .. } => f32::from(pad),
            Resize::Stretch | Resize::Crop => 0.0,
        };
        let input = &self.input;
        match &mut self.elements {
            Buffer::F32(tensor) => fill_with(tensor, input, pad),
            Buffer::U8(tensor) => fill_with(tensor, input, pad),
            Buffer::I32(tensor) => fill_with(tensor, input, pad),
        }
    }
}

fn write<T: Element>(
    tensor: &mut [T],
    input: &Input,
    sampler: &mut Sampler,
    image: &Image,
    (area, region): (Area, Region),
) {
    let size = (area.width, area.height);
    sampler.sample(image, region, size, |y, row| write_row(tensor, input, area, y, row));
}

/// Where `region` goes on the tensor, and what of it goes there.
fn place(input: &Input, region: Region) -> (Area, Region) {
    let (width, height) = (input.width as usize, input.height as usize);
    let whole = Area { left: 0, top: 0, width, height };
    match input.resize {
        Resize::Stretch => (whole, region),
        Resize::Crop => {
            let scale = (width as f64 / region.w).max(height as f64 / region.h);
            let (w, h) = (width as f64 / scale, height as f64 / scale);
            let (x, y) = (region.x + (region.w - w) / 2.0, region.y + (region.h - h) / 2.0);
            (whole, Region { x, y, w, h })
        }
        Resize::Letterbox { align, .. } => {
            let scale = (width as f64 / region.w).min(height as f64 / region.h);
            let fit = |side: f64, most: usize| ((side * scale).round() as usize).clamp(1, most);
            let (w, h) = (fit(region.w, width), fit(region.h, height));
            let (left, top) = match align {
                Align::Center => ((width - w) / 2, (height - h) / 2),
                Align::TopLeft => (0, 0),
            };
            (Area { left, top, width: w, height: h }, region)
        }
    }
}

/// The pixels of `area` that show the image when `region` of it lies there, and what they show. A pixel that would show
/// the image only in part is padding, so that no pixel is shifted or stretched at the border.
fn shown(area: Area, region: Region, image: &Image) -> Option<(Area, Region)> {
    let (left, width, x, w) = cut((area.left, area.width), (region.x, region.w), image.width())?;
    let (top, height, y, h) = cut((area.top, area.height), (region.y, region.h), image.height())?;
    Some((Area { left, top, width, height }, Region { x, y, w, h }))
}

/// [`shown`] on one axis: where the pixels begin, how many they are, where what they show begins, and its length.
fn cut(
    (start, pixels): (usize, usize),
    (from, length): (f64, f64),
    side: u32,
) -> Option<(usize, usize, f64, f64)> {
    /// Of a pixel; what the arithmetic may lose.
    const SLACK: f64 = 1e-6;
    let per_pixel = length / pixels as f64;
    if !(from.is_finite() && per_pixel.is_finite() && per_pixel > 0.0) {
        return None;
    }
    let first = (-from / per_pixel - SLACK).ceil().max(0.0);
    let end = ((f64::from(side) - from) / per_pixel + SLACK).floor().min(pixels as f64);
    if first == 0.0 && end == pixels as f64 {
        return Some((start, pixels, from, length));
    }
    (first < end).then(|| {
        let count = end - first;
        (start + first as usize, count as usize, from + first * per_pixel, count * per_pixel)
    })
}

#[cfg(test)]
impl Input {
    /// Raw RGB values, `side` x `side`, letterboxed with black.
    pub(crate) fn square(side: u32) -> Self {
        Input {
            name: "images".to_owned(),
            width: side,
            height: side,
            layout: Layout::Nchw,
            element: InputType::F32,
            channels: Channels::Rgb,
            scale: [1.0; 3],
            offset: [0.0; 3],
            resize: Resize::Letterbox { pad: 0, align: Align::Center },
            filter: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests;
