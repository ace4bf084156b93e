//! From a region of a frame to the tensor that a model takes, in one pass and without allocating.
//!
//! [`crate::frame::Sampler`] scales and converts; here its rows are spread over the tensor as `[input]` of the manifest
//! says. One [`InputTensor`] per session, filled again for every frame.

use super::manifest::{Align, Channels, Input, InputType, Layout, Resize};
use crate::frame::{Image, Region, RgbRow, Sampler};
use crate::geometry::BBox;

/// The tensor that a model takes: f32 or u8, `[1, 3, H, W]` or `[1, H, W, 3]`, RGB or BGR, in the manifest's range.
pub struct InputTensor {
    input: Input,
    sampler: Sampler,
    elements: Elements,
    /// What lies where the padding was last written around, in pixels of the tensor.
    filled: Option<Area>,
}

/// The bytes of the tensor.
pub(super) enum Elements {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

/// A rectangle of the tensor in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
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
        let x = |x: f32| (self.origin.0 + f64::from(x) * self.scale.0) as f32;
        let y = |y: f32| (self.origin.1 + f64::from(y) * self.scale.1) as f32;
        BBox::from_corners(x(x1), y(y1), x(x2), y(y2))
    }
}

impl InputTensor {
    /// A tensor without a picture, all padding.
    pub fn new(input: &Input) -> Self {
        let length = input.shape().iter().product();
        let elements = match input.element {
            InputType::F32 => Elements::F32(vec![0.0; length]),
            InputType::U8 => Elements::U8(vec![0; length]),
        };
        let nothing = Area { left: 0, top: 0, width: 0, height: 0 };
        let mut tensor =
            InputTensor { input: input.clone(), sampler: Sampler::default(), elements, filled: None };
        tensor.pad_around(nothing);
        tensor
    }

    /// Fills the tensor with `region` of `image`, which must lie inside it.
    pub fn fill(&mut self, image: &Image, region: Region) -> Placement {
        let area = area(&self.input, region);
        self.pad_around(area);
        let InputTensor { input, sampler, elements, .. } = self;
        let size = (area.width, area.height);
        match elements {
            Elements::F32(tensor) => {
                sampler.sample(image, region, size, |y, row| write_row(tensor, input, area, y, row));
            }
            Elements::U8(tensor) => {
                sampler.sample(image, region, size, |y, row| write_row(tensor, input, area, y, row));
            }
        }
        Placement::new(area, region, image)
    }

    pub(super) fn shape(&self) -> [usize; 4] {
        self.input.shape()
    }

    pub(super) fn elements(&self) -> &Elements {
        &self.elements
    }

    /// Writes the padding, unless the picture before lay in the same place.
    fn pad_around(&mut self, area: Area) {
        if self.filled.replace(area) == Some(area) {
            return;
        }
        let pad = match self.input.resize {
            Resize::Letterbox { pad, .. } => f32::from(pad),
            Resize::Stretch => 0.0,
        };
        let input = &self.input;
        match &mut self.elements {
            Elements::F32(tensor) => fill_with(tensor, input, pad),
            Elements::U8(tensor) => fill_with(tensor, input, pad),
        }
    }
}

/// Where `region` goes on the tensor.
fn area(input: &Input, region: Region) -> Area {
    let (width, height) = (input.width as usize, input.height as usize);
    let Resize::Letterbox { align, .. } = input.resize else {
        return Area { left: 0, top: 0, width, height };
    };
    let scale = (width as f64 / region.w).min(height as f64 / region.h);
    let fit = |side: f64, most: usize| ((side * scale).round() as usize).clamp(1, most);
    let (w, h) = (fit(region.w, width), fit(region.h, height));
    let (left, top) = match align {
        Align::Center => ((width - w) / 2, (height - h) / 2),
        Align::TopLeft => (0, 0),
    };
    Area { left, top, width: w, height: h }
}

/// A tensor element.
trait Element: Copy {
    fn of(value: f32) -> Self;
}

impl Element for f32 {
    fn of(value: f32) -> Self {
        value
    }
}

impl Element for u8 {
    /// Rounds; the value is in 0..=255.
    fn of(value: f32) -> Self {
        (value + 0.5) as u8
    }
}

fn fill_with<T: Element>(tensor: &mut [T], input: &Input, value: f32) {
    let channel = |c: usize| T::of(value * input.scale[c] + input.offset[c]);
    match input.layout {
        Layout::Nchw => {
            let plane = tensor.len() / 3;
            for (c, plane) in tensor.chunks_exact_mut(plane).enumerate() {
                plane.fill(channel(c));
            }
        }
        Layout::Nhwc => {
            let pixel = [channel(0), channel(1), channel(2)];
            for out in tensor.chunks_exact_mut(3) {
                out.copy_from_slice(&pixel);
            }
        }
    }
}

/// Writes row `y` of the picture in `area`.
fn write_row<T: Element>(tensor: &mut [T], input: &Input, area: Area, y: usize, row: RgbRow<'_>) {
    let channels = match input.channels {
        Channels::Rgb => [row.r, row.g, row.b],
        Channels::Bgr => [row.b, row.g, row.r],
    };
    let (width, height) = (input.width as usize, input.height as usize);
    let start = (area.top + y) * width + area.left;
    match input.layout {
        Layout::Nchw => {
            for (c, values) in channels.into_iter().enumerate() {
                let (scale, offset) = (input.scale[c], input.offset[c]);
                let start = c * width * height + start;
                for (out, &value) in tensor[start..start + area.width].iter_mut().zip(values) {
                    *out = T::of(value * scale + offset);
                }
            }
        }
        Layout::Nhwc => {
            let ([s0, s1, s2], [o0, o1, o2]) = (input.scale, input.offset);
            let out = tensor[3 * start..3 * (start + area.width)].chunks_exact_mut(3);
            let [c0, c1, c2] = channels;
            for (((out, &v0), &v1), &v2) in out.zip(c0).zip(c1).zip(c2) {
                out.copy_from_slice(&[T::of(v0 * s0 + o0), T::of(v1 * s1 + o1), T::of(v2 * s2 + o2)]);
            }
        }
    }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::{Colorimetry, ColourMatrix, PixelFormat};

    /// A grey picture whose every pixel is `value`.
    fn flat(width: u32, height: u32, value: u8) -> Image {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let luma = vec![value; (width * height) as usize];
        Image::new(
            PixelFormat::Gray8,
            (width, height),
            colorimetry,
            [width as usize, 0, 0],
            Arc::new(vec![luma]),
        )
        .expect("a picture")
    }

    /// Red 255, green 100, blue 0 (within the rounding of YUV).
    fn orange() -> Image {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let planes = [135, 52, 214].map(|value| vec![value; 4]).to_vec();
        Image::new(PixelFormat::Y444, (2, 2), colorimetry, [2; 3], Arc::new(planes)).expect("a picture")
    }

    fn floats(tensor: &InputTensor) -> &[f32] {
        match tensor.elements() {
            Elements::F32(values) => values,
            Elements::U8(_) => panic!("a f32 tensor"),
        }
    }

    #[test]
    fn letterboxed_pictures_lie_where_the_manifest_says() {
        // Picture, alignment, and the rows and columns (from, to) that it covers of 8 x 8.
        let cases = [
            ((8, 4), Align::Center, (2, 6), (0, 8)),
            ((8, 4), Align::TopLeft, (0, 4), (0, 8)),
            ((4, 16), Align::Center, (0, 8), (3, 5)),
            ((2, 1), Align::Center, (2, 6), (0, 8)),
            ((1000, 1), Align::Center, (3, 4), (0, 8)),
            ((3, 3), Align::Center, (0, 8), (0, 8)),
        ];
        for ((width, height), align, rows, columns) in cases {
            let input = Input { resize: Resize::Letterbox { pad: 7, align }, ..Input::square(8) };
            let mut tensor = InputTensor::new(&input);
            let image = flat(width, height, 200);
            let placement = tensor.fill(&image, Region::whole(&image));
            for (index, &value) in floats(&tensor).iter().enumerate() {
                let (x, y) = (index % 8, index / 8 % 8);
                let inside = (rows.0..rows.1).contains(&y) && (columns.0..columns.1).contains(&x);
                assert_eq!(value, if inside { 200.0 } else { 7.0 }, "{width}x{height} {align:?} at {x},{y}");
            }
            let corners = [columns.0, rows.0, columns.1, rows.1].map(|v| v as f32);
            let whole = placement.to_image(corners);
            assert!((whole.x.abs() + whole.y.abs() + (whole.w - 1.0).abs() + (whole.h - 1.0).abs()) < 1e-6);
        }
    }

    #[test]
    fn padding_is_renewed_when_the_shape_of_the_pictures_changes() {
        let mut tensor = InputTensor::new(&Input::square(4));
        for (width, height) in [(4, 2), (2, 4), (2, 4), (4, 2)] {
            let image = flat(width, height, 50);
            tensor.fill(&image, Region::whole(&image));
            let covered = floats(&tensor).iter().filter(|&&value| value == 50.0).count();
            assert_eq!(covered, 3 * 8, "{width}x{height}");
        }
    }

    #[test]
    fn values_take_the_manifests_range_order_and_layout() {
        let base = Input { resize: Resize::Stretch, ..Input::square(1) };
        let unit = [1.0 / 255.0; 3];
        let cases = [
            (base.clone(), [255.0, 100.0, 0.0]),
            (Input { channels: Channels::Bgr, ..base.clone() }, [0.0, 100.0, 255.0]),
            (Input { scale: unit, ..base.clone() }, [1.0, 100.0 / 255.0, 0.0]),
            (Input { scale: [2.0, 1.0, 1.0], offset: [1.0, -100.0, 5.0], ..base.clone() }, [511.0, 0.0, 5.0]),
            (Input { layout: Layout::Nhwc, ..base.clone() }, [255.0, 100.0, 0.0]),
            (Input { layout: Layout::Nhwc, channels: Channels::Bgr, ..base }, [0.0, 100.0, 255.0]),
        ];
        let image = orange();
        for (input, expected) in cases {
            let mut tensor = InputTensor::new(&input);
            tensor.fill(&image, Region::whole(&image));
            for (found, expected) in floats(&tensor).iter().zip(expected) {
                let tolerance = 1.0 * input.scale[0];
                assert!((found - expected).abs() <= tolerance, "{input:?}: {found} for {expected}");
            }
        }
        let bytes = Input { element: InputType::U8, layout: Layout::Nhwc, ..Input::square(2) };
        let mut tensor = InputTensor::new(&bytes);
        tensor.fill(&image, Region::whole(&image));
        let Elements::U8(values) = tensor.elements() else { panic!("a u8 tensor") };
        for pixel in values.chunks(3) {
            assert!(pixel[0] >= 254 && pixel[1].abs_diff(100) <= 1 && pixel[2] <= 1, "{pixel:?}");
        }
    }
}
