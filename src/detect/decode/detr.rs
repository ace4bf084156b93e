//! Family `detr`: one query per row, as DETR, RT-DETR and D-FINE export it.
//!
//! Logits f32 `[1, Q, classes]` (with softmax: and the background), boxes f32 `[1, Q, 4]` of centre x, centre y, width
//! and height, normalised. A query is one thing, so of its classes the best one counts.

use super::{Candidate, Decoder, Model, corners};
use crate::detect::ClassId;
use crate::model::{Activation, BadOutput, Coordinates, Expected, Outputs, Wanted};

pub(super) struct Detr {
    logits: Expected,
    boxes: Expected,
    /// Logits per query.
    columns: usize,
    /// With softmax: the column of the background.
    background: Option<usize>,
    /// Pixels per unit, across and down.
    unit: [f32; 2],
}

impl Detr {
    pub fn new(
        model: &Model<'_>,
        (logits, boxes): (&str, &str),
        activation: Activation,
        background: Option<u16>,
    ) -> Result<Self, BadOutput> {
        let background = match activation {
            Activation::Sigmoid => None,
            Activation::Softmax => Some(background.map_or(model.labels, usize::from).min(model.labels)),
        };
        let columns = model.labels + usize::from(background.is_some());
        let expect = |name, last, why| {
            let shapes: [&[_]; 1] = [&[Some(1), None, Some(last)]];
            Expected::new("detr", Some(name), model.declared, (Wanted::Floats, &shapes), why)
        };
        let and = if background.is_some() { " and the background" } else { "" };
        Ok(Detr {
            logits: expect(logits, columns, format!("{} labels{and}", model.labels))?,
            boxes: expect(boxes, 4, "4 is centre x, centre y, width, height".to_owned())?,
            columns,
            background,
            unit: model.unit(Coordinates::Normalised),
        })
    }

    /// The best class of a query and its score.
    fn best(&self, logits: &[f32]) -> Option<(usize, f32)> {
        let classes = logits.iter().enumerate().filter(|(column, _)| Some(*column) != self.background);
        let (column, &logit) = classes.filter(|(_, logit)| !logit.is_nan()).max_by(|a, b| {
            // Of equal ones the first.
            a.1.total_cmp(b.1).then(b.0.cmp(&a.0))
        })?;
        match self.background {
            None => Some((column, 1.0 / (1.0 + (-logit).exp()))),
            Some(background) => {
                let sum: f32 = logits.iter().map(|other| (other - logit).exp()).sum();
                Some((column - usize::from(column > background), 1.0 / sum))
            }
        }
    }
}

impl Decoder for Detr {
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput> {
        let (_, logits) = self.logits.floats(outputs)?;
        let (_, boxes) = self.boxes.floats(outputs)?;
        let (logits, boxes) = (logits.chunks_exact(self.columns), boxes.as_chunks::<4>().0);
        if logits.len() != boxes.len() {
            return Err(self.boxes.bad_length(boxes.len(), &self.logits, logits.len()));
        }
        for (logits, &center_and_size) in logits.zip(boxes) {
            let Some((class, score)) = self.best(logits) else { continue };
            if score >= low {
                let class = ClassId(class as u16);
                found.push(Candidate { class, score, corners: corners(center_and_size, self.unit) });
            }
        }
        Ok(())
    }
}
