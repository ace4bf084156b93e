//! Family `yolox`: YOLOX's grids, undecoded (Ge et al., "YOLOX: Exceeding YOLO Series in 2021").
//!
//! f32 `[1, cells, 5 + classes]`: the grids of all strides one after the other, row by row; per cell the centre's
//! offset in cells, the logarithm of width and height in cells, the objectness and the class scores, both 0..=1.

use std::num::NonZeroU32;

use super::{Candidate, Decoder, Model, corners};
use crate::detect::ClassId;
use crate::model::{BadOutput, Expected, Outputs, Wanted};

pub(super) struct Yolox {
    rows: Expected,
    grids: Vec<Grid>,
    row_length: usize,
}

struct Grid {
    stride: f32,
    columns: usize,
    rows: usize,
}

impl Yolox {
    pub fn new(model: &Model<'_>, name: Option<&str>, strides: &[NonZeroU32]) -> Result<Self, BadOutput> {
        let grid = |stride: &NonZeroU32| Grid {
            stride: stride.get() as f32,
            columns: (model.width / stride.get()) as usize,
            rows: (model.height / stride.get()) as usize,
        };
        let grids: Vec<Grid> = strides.iter().map(grid).collect();
        let cells: usize = grids.iter().map(|grid| grid.columns * grid.rows).sum();
        let row_length = 5 + model.labels;
        let shapes: [&[_]; 1] = [&[Some(1), Some(cells), Some(row_length)]];
        let sizes: Vec<String> = grids.iter().map(|grid| format!("{}x{}", grid.columns, grid.rows)).collect();
        let why = format!("grids of {}; 5 + {} labels", sizes.join(", "), model.labels);
        let rows = Expected::new("yolox", name, model.declared, (Wanted::Floats, &shapes), why)?;
        Ok(Yolox { rows, grids, row_length })
    }
}

impl Decoder for Yolox {
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput> {
        let (_, values) = self.rows.floats(outputs)?;
        let cells = self.grids.iter().flat_map(|grid| {
            (0..grid.rows).flat_map(move |y| (0..grid.columns).map(move |x| (grid.stride, x, y)))
        });
        for (row, (stride, x, y)) in values.chunks_exact(self.row_length).zip(cells) {
            let &[dx, dy, log_w, log_h, objectness, ref classes @ ..] = row else { continue };
            // A class score is at most 1, so that the product cannot be more than this.
            if objectness.is_nan() || objectness < low {
                continue;
            }
            let best = classes
                .iter()
                .enumerate()
                .fold((0, 0.0), |best, (class, &score)| if score > best.1 { (class, score) } else { best });
            let score = objectness * best.1;
            if score >= low {
                let in_cells = [x as f32 + dx, y as f32 + dy, log_w.exp(), log_h.exp()];
                let class = ClassId(best.0 as u16);
                found.push(Candidate { class, score, corners: corners(in_cells, [stride, stride]) });
            }
        }
        Ok(())
    }
}
