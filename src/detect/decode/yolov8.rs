//! Family `yolov8`: one column per anchor, f32 `[1, 4 + classes, N]`, as YOLOv8, YOLO11 and YOLO12 export it.
//!
//! Rows 0 to 3 are centre x, centre y, width and height; every further row is the scores of one class, 0..=1.

use super::{Candidate, Decoder, Model, corners};
use crate::detect::ClassId;
use crate::detect::expect::{BadOutput, Expected, Wanted};
use crate::model::{Coordinates, Outputs};

pub(super) struct Yolov8 {
    columns: Expected,
    /// Pixels per unit, across and down.
    unit: [f32; 2],
    /// The best class and its score of every anchor; kept between frames for its memory.
    best: Vec<(u16, f32)>,
}

impl Yolov8 {
    pub fn new(model: &Model<'_>, name: Option<&str>, coordinates: Coordinates) -> Result<Self, BadOutput> {
        let shapes: [&[_]; 1] = [&[Some(1), Some(4 + model.labels), None]];
        let why = format!("4 + {} labels, one column per anchor", model.labels);
        let columns = Expected::new("yolov8", name, model.declared, (Wanted::Floats, &shapes), why)?;
        Ok(Yolov8 { columns, unit: model.unit(coordinates), best: Vec::new() })
    }
}

impl Decoder for Yolov8 {
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput> {
        let (shape, values) = self.columns.floats(outputs)?;
        let anchors = usize::try_from(shape[2]).unwrap_or(0);
        if anchors == 0 {
            return Ok(());
        }
        let (geometry, scores) = values.split_at(4 * anchors);
        self.best.clear();
        self.best.resize(anchors, (0, 0.0));
        for (class, row) in scores.chunks_exact(anchors).enumerate() {
            for (best, &score) in self.best.iter_mut().zip(row) {
                if score > best.1 {
                    *best = (class as u16, score);
                }
            }
        }
        for (anchor, &(class, score)) in self.best.iter().enumerate() {
            if score >= low {
                let center_and_size = [0, 1, 2, 3].map(|row| geometry[row * anchors + anchor]);
                let class = ClassId(class);
                found.push(Candidate { class, score, corners: corners(center_and_size, self.unit) });
            }
        }
        Ok(())
    }
}
