//! The elements of a picture tensor: one loop per type and layout.

use super::{Area, Channels, Input, Layout};
use crate::frame::RgbRow;

/// A tensor element.
pub(super) trait Element: Copy {
    /// What stands for `value` in the tensor.
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

impl Element for i32 {
    /// Rounds; the value is in 0..=255.
    fn of(value: f32) -> Self {
        (value + 0.5) as i32
    }
}

/// Fills the whole tensor with the grey `value`.
pub(super) fn fill_with<T: Element>(tensor: &mut [T], input: &Input, value: f32) {
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
pub(super) fn write_row<T: Element>(tensor: &mut [T], input: &Input, area: Area, y: usize, row: RgbRow<'_>) {
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
