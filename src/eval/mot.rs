//! How good the tracker is, on sequences of the MOTChallenge (Leal-Taixé et al., *MOTChallenge 2015: Towards a Benchmark
//! for Multi-Target Tracking*, 2015).
//!
//! A sequence is a folder with `det.txt`, the detections of some detector, and `gt.txt`, the truth. The tracker gets
//! the detections frame by frame, and what it reports is compared with the truth ([`evaluate`]).

mod format;
mod replay;
mod score;

use std::path::Path;

pub use format::{FormatError, PixelBox, Row, parse, write};
pub use replay::{Camera, Hypotheses, track_detections};
pub use score::{MotScore, evaluate};

/// A sequence with its detections and its truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// The folder's name.
    pub name: String,
    /// What the detector gave, in the order of the file.
    pub detections: Vec<Row>,
    /// What was there, in the order of the file, without the rows that are marked to be ignored.
    pub truth: Vec<Row>,
}

/// A sequence that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// A file is not there or not readable.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not in the MOTChallenge format.
    #[error("{path}: {source}")]
    Format {
        /// The file.
        path: String,
        /// Why, and where in the file.
        source: FormatError,
    },
}

impl Sequence {
    /// Reads `det.txt` and `gt.txt` from a folder, or from its subfolders `det` and `gt` as the MOTChallenge packs them.
    ///
    /// # Errors
    /// When a file is missing or a line of it is malformed.
    pub fn open(folder: &Path) -> Result<Self, SequenceError> {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        let mut truth = read(folder, "gt")?;
        truth.retain(|row| row.score != 0.0);
        Ok(Sequence { name, detections: read(folder, "det")?, truth })
    }
}

/// Reads `<stem>.txt` of a folder or of its subfolder `<stem>`.
fn read(folder: &Path, stem: &str) -> Result<Vec<Row>, SequenceError> {
    let file = format!("{stem}.txt");
    let packed = folder.join(stem).join(&file);
    let path = if packed.exists() { packed } else { folder.join(&file) };
    let shown = || path.display().to_string();
    let text =
        std::fs::read_to_string(&path).map_err(|source| SequenceError::Read { path: shown(), source })?;
    parse(&text).map_err(|source| SequenceError::Format { path: shown(), source })
}
