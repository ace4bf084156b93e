//! Family `boxes`: finished boxes in one tensor, f32 `[1, N, 6]` or `[N, 6]` of left, top, right, bottom, score, class.
//!
//! YOLOv10 and YOLO26 exports, and models whose decoder is part of the graph. Rows of score 0 fill the tensor up.

use super::{Candidate, Decoder, Model, class_id};
use crate::model::{BadOutput, Coordinates, Expected, Outputs, Wanted};

pub(super) struct Boxes {
    rows: Expected,
    /// Pixels per unit, across and down.
    unit: [f32; 2],
    labels: usize,
}

impl Boxes {
    pub fn new(model: &Model<'_>, name: Option<&str>, coordinates: Coordinates) -> Result<Self, BadOutput> {
        let shapes: [&[_]; 2] = [&[Some(1), None, Some(6)], &[None, Some(6)]];
        let why = "6 is left, top, right, bottom, score, class".to_owned();
        let rows = Expected::new("boxes", name, model.declared, (Wanted::Floats, &shapes), why)?;
        Ok(Boxes { rows, unit: model.unit(coordinates), labels: model.labels })
    }
}

impl Decoder for Boxes {
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput> {
        let (_, values) = self.rows.floats(outputs)?;
        let [across, down] = self.unit;
        for row in values.as_chunks::<6>().0 {
            let [x1, y1, x2, y2, score, class] = *row;
            if score >= low {
                let class = class_id(class.round() as i64, 0, self.labels)?;
                let corners = [x1 * across, y1 * down, x2 * across, y2 * down];
                found.push(Candidate { class, score, corners });
            }
        }
        Ok(())
    }
}
