//! `[selftest]`: what a model is tried on before it runs on an accelerator, and how far it may be off there.

use std::path::PathBuf;

use super::inner_path;
use super::section::{self, Section};

/// How far the answers on an accelerator may be from those on the CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Two boxes of one thing overlap by at least this, as IoU.
    pub iou: f32,
    /// A joint is off by at most this, as a share of the picture's longer side.
    pub joint: f32,
    /// A score or a probability is off by at most this.
    pub score: f32,
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance { iou: 0.9, joint: 0.02, score: 0.05 }
    }
}

/// What the section says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::model) struct SelfTestSpec {
    /// A picture in the package; a drawn one when absent.
    pub picture: Option<PathBuf>,
    pub tolerance: Tolerance,
}

impl SelfTestSpec {
    /// `None` only when a problem has been noted.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let usual = Tolerance::default();
        let share = || section::within(0.0..=1.0);
        let spec = SelfTestSpec {
            picture: section.optional("picture", "the name of a JPEG or PNG file in the package", inner_path),
            tolerance: Tolerance {
                iou: section.optional_or("iou", usual.iou, "a number from 0 to 1", share())?,
                joint: section.optional_or("joint", usual.joint, "a number from 0 to 1", share())?,
                score: section.optional_or("score", usual.score, "a number from 0 to 1", share())?,
            },
        };
        section.finish();
        Some(spec)
    }
}
