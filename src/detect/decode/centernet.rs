//! Family `centernet`: every peak of a heatmap is a thing (Zhou et al., "Objects as Points", 2019), whose four sides are
//! given as distances (Liu et al., "Training-Time-Friendly Network", 2020).
//!
//! Heatmap f32 `[1, classes, rows, columns]`, logits. Sizes f32 `[1, 4, rows, columns]`, distances in pixels of the input
//! from the cell's upper left corner to the left, top, right and bottom side. A cell is a peak when no neighbour of its
//! class is higher; so there is nothing left to suppress.

use std::num::NonZeroU32;

use super::{Candidate, Decoder, Model};
use crate::detect::ClassId;
use crate::model::{BadOutput, Expected, Outputs, Wanted};

/// Cells that are looked at together; nearly all of a heatmap is below any threshold.
const BLOCK: usize = 64;

pub(super) struct Centernet {
    heatmap: Expected,
    sizes: Expected,
    rows: usize,
    columns: usize,
    stride: f32,
}

impl Centernet {
    pub fn new(
        model: &Model<'_>,
        (heatmap, sizes): (&str, &str),
        stride: NonZeroU32,
    ) -> Result<Self, BadOutput> {
        let [rows, columns] = [model.height, model.width].map(|side| (side / stride.get()) as usize);
        let expect = |name, channels, why| {
            let shapes: [&[_]; 1] = [&[Some(1), Some(channels), Some(rows), Some(columns)]];
            Expected::new("centernet", Some(name), model.declared, (Wanted::Floats, &shapes), why)
        };
        let grid = format!("cells of {stride} pixels");
        Ok(Centernet {
            heatmap: expect(heatmap, model.labels, format!("{} labels, {grid}", model.labels))?,
            sizes: expect(sizes, 4, format!("left, top, right, bottom, {grid}"))?,
            rows,
            columns,
            stride: stride.get() as f32,
        })
    }

    /// Whether no neighbour of the cell is higher.
    fn is_peak(&self, map: &[f32], row: usize, column: usize) -> bool {
        let value = map[row * self.columns + column];
        let columns = column.saturating_sub(1)..(column + 2).min(self.columns);
        (row.saturating_sub(1)..(row + 2).min(self.rows)).all(|row| {
            let around = &map[row * self.columns..][columns.clone()];
            around.iter().all(|&other| value >= other)
        })
    }
}

impl Decoder for Centernet {
    fn decode(
        &mut self,
        outputs: &Outputs<'_>,
        low: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), BadOutput> {
        let (_, heatmap) = self.heatmap.floats(outputs)?;
        let (_, sizes) = self.sizes.floats(outputs)?;
        let cells = self.rows * self.columns;
        if cells == 0 {
            return Ok(());
        }
        let logit = (low / (1.0 - low)).ln();
        for (class, map) in heatmap.chunks_exact(cells).enumerate() {
            for (block, values) in map.chunks(BLOCK).enumerate() {
                // Without a branch, so that it runs many cells at a time.
                if !values.iter().fold(false, |any, &value| any | (value >= logit)) {
                    continue;
                }
                for (offset, &value) in values.iter().enumerate().filter(|(_, value)| **value >= logit) {
                    let cell = block * BLOCK + offset;
                    let (row, column) = (cell / self.columns, cell % self.columns);
                    if !self.is_peak(map, row, column) {
                        continue;
                    }
                    let [left, top, right, bottom] = [0, 1, 2, 3].map(|side| sizes[side * cells + cell]);
                    let (x, y) = (column as f32 * self.stride, row as f32 * self.stride);
                    found.push(Candidate {
                        class: ClassId(class as u16),
                        score: 1.0 / (1.0 + (-value).exp()),
                        corners: [x - left, y - top, x + right, y + bottom],
                    });
                }
            }
        }
        Ok(())
    }
}
