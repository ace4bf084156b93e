//! Family `ssd`: finished boxes in separate tensors, as detectors with non-maximum suppression in the graph give them.
//!
//! Boxes f32 `[1, N, 4]`, scores f32 `[1, N]`, classes f32, i64 or i32 `[1, N]`, each also without the 1; and, where
//! the tensors are filled up to a fixed N, how many of the boxes count: one number.

use super::{Candidate, Decoder, Model, class_id};
use crate::model::{BadOutput, Coordinates, CornerOrder, Expected, Outputs, Values, Wanted};

pub(super) struct Ssd {
    boxes: Expected,
    scores: Expected,
    classes: Expected,
    count: Option<Expected>,
    order: CornerOrder,
    /// Pixels per unit, across and down.
    unit: [f32; 2],
    first_class: usize,
    labels: usize,
}

/// The names of the tensors.
pub(super) struct Names<'a> {
    pub boxes: &'a str,
    pub scores: &'a str,
    pub classes: &'a str,
    pub count: Option<&'a str>,
}

impl Ssd {
    pub fn new(
        model: &Model<'_>,
        names: &Names<'_>,
        order: CornerOrder,
        coordinates: Coordinates,
        first_class: u16,
    ) -> Result<Self, BadOutput> {
        let expect = |name, wanted, shapes: &[&[_]], why: &str| {
            Expected::new("ssd", Some(name), model.declared, (wanted, shapes), why.to_owned())
        };
        let rows: [&[_]; 2] = [&[Some(1), None], &[None]];
        let corners: [&[_]; 2] = [&[Some(1), None, Some(4)], &[None, Some(4)]];
        let one: [&[_]; 3] = [&[Some(1)], &[Some(1), Some(1)], &[]];
        let count = match names.count {
            Some(name) => Some(expect(name, Wanted::Numbers, &one, "one number")?),
            None => None,
        };
        Ok(Ssd {
            boxes: expect(names.boxes, Wanted::Floats, &corners, "4 is a box's corners")?,
            scores: expect(names.scores, Wanted::Floats, &rows, "one score per box")?,
            classes: expect(names.classes, Wanted::Numbers, &rows, "one class per box")?,
            count,
            order,
            unit: model.unit(coordinates),
            first_class: usize::from(first_class),
            labels: model.labels,
        })
    }
}

impl Decoder for Ssd {
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput> {
        let (_, boxes) = self.boxes.floats(outputs)?;
        let boxes = boxes.as_chunks::<4>().0;
        let (_, scores) = self.scores.floats(outputs)?;
        let classes = self.classes.of(outputs)?.values;
        if scores.len() != boxes.len() {
            return Err(self.scores.bad_length(scores.len(), &self.boxes, boxes.len()));
        }
        if length(classes) != boxes.len() {
            return Err(self.classes.bad_length(length(classes), &self.boxes, boxes.len()));
        }
        let count = match &self.count {
            Some(count) => usize::try_from(whole(count.of(outputs)?.values, 0)).unwrap_or(0),
            None => boxes.len(),
        };
        let [across, down] = self.unit;
        for (index, (&[a, b, c, d], &score)) in boxes.iter().zip(scores).enumerate().take(count) {
            if score >= low {
                let [x1, y1, x2, y2] = match self.order {
                    CornerOrder::Xyxy => [a, b, c, d],
                    CornerOrder::Yxyx => [b, a, d, c],
                };
                let class = class_id(whole(classes, index), self.first_class, self.labels)?;
                let corners = [x1 * across, y1 * down, x2 * across, y2 * down];
                found.push(Candidate { class, score, corners });
            }
        }
        Ok(())
    }
}

fn length(values: Values<'_>) -> usize {
    match values {
        Values::F32(values) => values.len(),
        Values::I64(values) => values.len(),
        Values::I32(values) => values.len(),
    }
}

/// The number at `index`, rounded.
fn whole(values: Values<'_>, index: usize) -> i64 {
    match values {
        Values::F32(values) => values[index].round() as i64,
        Values::I64(values) => values[index],
        Values::I32(values) => i64::from(values[index]),
    }
}
