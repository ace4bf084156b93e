//! Detection: a frame in, the objects on it out.

use crate::geometry::BBox;

/// Index into the labels of the model that made the detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// One object on one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// What it is.
    pub class: ClassId,
    /// How sure, 0..=1.
    pub score: f32,
    /// Where.
    pub bbox: BBox,
}
