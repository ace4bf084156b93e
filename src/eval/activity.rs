//! How well activities are told of clips whose truth is known.
//!
//! [`truth()`] reads what happens in the clips, the command line plays them through the whole path, and [`score()`] compares.
//! [`Calibration`] compares the scores of tags with the truth.

mod calibration;
mod diary;
mod recording;
mod score;
mod truth;

pub use calibration::{Bin, Calibration};
pub use diary::{Diary, TagScore};
pub use recording::{Recording, Span};
pub use score::{ActivityScore, LabelScore, Rules, Told, score};
pub use truth::{Clip, Range, TruthError, truth};
