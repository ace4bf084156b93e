//! From a model's outputs to candidate boxes: one decoder per output family.
//!
//! A decoder checks shapes, drops what scores below the low threshold, and gives boxes in pixels of the model's input.
//! What lies between those and the image (letterbox, overlap, order) is the same for all: see [`super::Detector`].

mod boxes;
mod centernet;
mod detr;
mod ssd;
mod yolov8;
mod yolox;

use super::ClassId;
use crate::model::{BadOutput, Coordinates, Input, Output, Outputs, TensorInfo};

/// One box that a model gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub class: ClassId,
    /// At least the low threshold; not NaN.
    pub score: f32,
    /// Two opposite corners `x1, y1, x2, y2` in pixels of the model's input; may be anything, NaN too.
    pub corners: [f32; 4],
}

/// Decodes the outputs of one model.
pub(super) trait Decoder: Send {
    /// Adds every box that scores at least `low`.
    ///
    /// # Errors
    /// When an output has not the shape that the family gives it, or a box has no label.
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput>;
}

/// The decoder for `output`, once the `declared` outputs have been found to fit.
pub(super) fn decoder(
    output: &Output,
    input: &Input,
    labels: usize,
    declared: &[TensorInfo],
) -> Result<Box<dyn Decoder>, BadOutput> {
    let model = Model { labels, width: input.width(), height: input.height(), declared };
    Ok(match output {
        Output::Boxes { name, coordinates } => {
            Box::new(boxes::Boxes::new(&model, name.as_deref(), *coordinates)?)
        }
        Output::Ssd { boxes, scores, classes, count, order, coordinates, first_class } => {
            let names = ssd::Names { boxes, scores, classes, count: count.as_deref() };
            Box::new(ssd::Ssd::new(&model, &names, *order, *coordinates, *first_class)?)
        }
        Output::Yolox { name, strides } => Box::new(yolox::Yolox::new(&model, name.as_deref(), strides)?),
        Output::Yolov8 { name, coordinates } => {
            Box::new(yolov8::Yolov8::new(&model, name.as_deref(), *coordinates)?)
        }
        Output::Detr { logits, boxes, activation, background } => {
            Box::new(detr::Detr::new(&model, (logits, boxes), *activation, *background)?)
        }
        Output::Centernet { heatmap, sizes, stride } => {
            Box::new(centernet::Centernet::new(&model, (heatmap, sizes), *stride)?)
        }
    })
}

/// What a decoder is made for.
struct Model<'a> {
    /// Number of labels.
    labels: usize,
    /// The input's width in pixels.
    width: u32,
    /// The input's height in pixels.
    height: u32,
    /// The model's outputs.
    declared: &'a [TensorInfo],
}

impl Model<'_> {
    /// Pixels per unit of `coordinates`, across and down.
    fn unit(&self, coordinates: Coordinates) -> [f32; 2] {
        match coordinates {
            Coordinates::Pixels => [1.0, 1.0],
            Coordinates::Normalised => [self.width as f32, self.height as f32],
        }
    }
}

/// The class that a model calls `class`, the first label being `first`.
fn class_id(class: i64, first: usize, labels: usize) -> Result<ClassId, BadOutput> {
    let bad = BadOutput::Class { class, first, last: (first + labels).saturating_sub(1) };
    let index = usize::try_from(class).ok().and_then(|class| class.checked_sub(first));
    let index = index.filter(|&index| index < labels).and_then(|index| u16::try_from(index).ok());
    index.map(ClassId).ok_or(bad)
}

/// Corners of a box given by centre and size.
fn corners([cx, cy, w, h]: [f32; 4], [across, down]: [f32; 2]) -> [f32; 4] {
    let (w, h) = (w.max(0.0) / 2.0, h.max(0.0) / 2.0);
    [(cx - w) * across, (cy - h) * down, (cx + w) * across, (cy + h) * down]
}
