//! From the frames of a clip to the tensor that a model takes.

use super::write::Element;
use super::{Buffer, ClipInput, ClipLayout, InputTensor};
use crate::model::values::{Elements, TensorView};

/// The tensor that a clip model takes: f32, u8 or i32, `[1, 3, T, H, W]`, `[1, T, 3, H, W]` or `[1, T, H, W, 3]`, RGB
/// or BGR, in the manifest's range.
pub struct ClipTensor {
    input: ClipInput,
    shape: [usize; 5],
    elements: Buffer,
}

impl ClipTensor {
    /// A tensor of zeros.
    pub fn new(input: &ClipInput) -> Self {
        let shape = input.shape();
        let elements = Buffer::zeros(input.element, shape.iter().product());
        ClipTensor { input: input.clone(), shape, elements }
    }

    /// Fills the tensor with `frames`, oldest first; see [`ClipTensor::put`].
    pub fn fill<'f>(&mut self, frames: impl Iterator<Item = &'f [u8]>) {
        frames.enumerate().for_each(|(index, pixels)| self.put(index, pixels));
    }

    /// Writes frame `index` of T: u8 `[H, W, 3]` in the model's order of colours, as [`InputTensor::bytes`] gives it for
    /// [`ClipInput::frame`]. One beyond T and one of another size is left out; where none is, the tensor stays as it was.
    pub fn put(&mut self, index: usize, pixels: &[u8]) {
        let ClipTensor { input, elements, .. } = self;
        let length = 3 * input.frame().width() as usize * input.frame().height() as usize;
        if index >= input.frames || pixels.len() != length {
            return;
        }
        match elements {
            Buffer::F32(tensor) => write_frame(tensor, input, index, pixels),
            Buffer::U8(tensor) => write_frame(tensor, input, index, pixels),
            Buffer::I32(tensor) => write_frame(tensor, input, index, pixels),
        }
    }

    /// The tensor as a session takes it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, elements: self.elements.view() }
    }
}

impl InputTensor {
    /// The bytes of a u8 tensor; nothing of one that has another type.
    pub fn bytes(&self) -> &[u8] {
        match self.elements.view() {
            Elements::U8(bytes) => bytes,
            Elements::F32(_) | Elements::I32(_) => &[],
        }
    }
}

/// Writes frame `index`.
fn write_frame<T: Element>(tensor: &mut [T], input: &ClipInput, index: usize, pixels: &[u8]) {
    let plane = pixels.len() / 3;
    let value = |c: usize, byte: u8| T::of(f32::from(byte) * input.scale[c] + input.offset[c]);
    match input.layout {
        ClipLayout::Nthwc => {
            let out = tensor[3 * plane * index..][..3 * plane].as_chunks_mut::<3>().0;
            for (out, &[a, b, c]) in out.iter_mut().zip(pixels.as_chunks::<3>().0) {
                *out = [value(0, a), value(1, b), value(2, c)];
            }
        }
        ClipLayout::Ncthw | ClipLayout::Ntchw => {
            for c in 0..3 {
                let at = match input.layout {
                    ClipLayout::Ncthw => c * input.frames + index,
                    _ => 3 * index + c,
                };
                let out = &mut tensor[plane * at..][..plane];
                for (out, pixel) in out.iter_mut().zip(pixels.as_chunks::<3>().0) {
                    *out = value(c, pixel[c]);
                }
            }
        }
    }
}
