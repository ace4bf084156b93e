//! What a classifier believes of somebody at one moment.

use crate::clock::Timestamp;
use crate::tag::Label;

/// The time that evidence was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// Its last moment.
    pub to: Timestamp,
}

/// What somebody does, as far as the evidence goes: smoothed and calibrated.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief {
    /// Where the evidence comes from; ends with the frame that was looked at last.
    pub window: Window,
    /// Every label with its probability, best first. What is missing from 1 is `unknown`, which is no entry.
    pub scores: Vec<(Label, f32)>,
}
