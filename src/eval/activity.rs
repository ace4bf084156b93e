//! How well activities are told of clips whose truth is known.
//!
//! [`truth()`] reads what happens in the clips, the command line plays them through the whole path, and [`score()`] compares.

mod score;
mod truth;

pub use score::{ActivityScore, LabelScore, Rules, Told, score};
pub use truth::{Clip, Range, TruthError, truth};
