//! How well activities are told of clips whose truth is known.
//!
//! [`truth()`] reads what happens in the clips, the command line plays them through the whole path, and [`score()`] compares.
//! [`Calibration`] compares the scores of tags with the truth. [`fit()`] tries other thresholds on the same clips.

mod calibration;
mod diary;
mod fit;
mod recording;
mod score;
mod truth;

pub use calibration::{Bin, Calibration};
pub use diary::{Diary, TagScore};
pub use fit::{Fit, fit};
pub use recording::{Recording, Span};
pub use score::{ActivityScore, LabelScore, Rules, Told, score};
pub use truth::{Clip, Range, TruthError, truth};
