//! Family `yolov8`: one column per anchor, f32 `[1, 4 + classes, N]`, as YOLOv8, YOLO11 and YOLO12 export it.
//!
//! Rows 0 to 3 are centre x, centre y, width and height; every further row is the scores of one class, 0..=1.

use super::{Candidate, Decoder, Model, corners};
use crate::detect::ClassId;
use crate::model::{BadOutput, Coordinates, Expected, Outputs, Wanted};

pub(super) struct Yolov8 {
    columns: Expected,
    /// Pixels per unit, across and down.
    unit: [f32; 2],
    /// The best score of every anchor and its class; kept between frames for their memory.
    best: Vec<f32>,
    classes: Vec<u32>,
}

impl Yolov8 {
    pub fn new(model: &Model<'_>, name: Option<&str>, coordinates: Coordinates) -> Result<Self, BadOutput> {
        let shapes: [&[_]; 1] = [&[Some(1), Some(4 + model.labels), None]];
        let why = format!("4 + {} labels, one column per anchor", model.labels);
        let columns = Expected::new("yolov8", name, model.declared, (Wanted::Floats, &shapes), why)?;
        Ok(Yolov8 { columns, unit: model.unit(coordinates), best: Vec::new(), classes: Vec::new() })
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
        self.best.resize(anchors, 0.0);
        self.classes.clear();
        self.classes.resize(anchors, 0);
        for (class, row) in (0u32..).zip(scores.chunks_exact(anchors)) {
            // Without a branch, so that it runs many anchors at a time.
            for ((best, of), &score) in self.best.iter_mut().zip(&mut self.classes).zip(row) {
                let better = score > *best;
                *best = if better { score } else { *best };
                *of = if better { class } else { *of };
            }
        }
        for (anchor, (&score, &class)) in self.best.iter().zip(&self.classes).enumerate() {
            if score >= low {
                let center_and_size = [0, 1, 2, 3].map(|row| geometry[row * anchors + anchor]);
                let class = ClassId(class as u16);
                found.push(Candidate { class, score, corners: corners(center_and_size, self.unit) });
            }
        }
        Ok(())
    }
}
