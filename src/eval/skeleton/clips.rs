//! A file of clips: NumPy's npz, a zip archive of arrays.
//!
//! `pose`, f32 or f64 `[frames, 15, 2]`: x to the right and y down of the joints of every clip's frames, one clip after
//! the other, at [`CLIP_RATE_HZ`], in any unit that is the same for x and y; the joints are those of J-HMDB (Jhuang et
//! al., *Towards Understanding Action Recognition*, ICCV 2013). `offset`, i32 or i64 `[clips + 1]`: clip i is the frames
//! from `offset[i]` on, up to `offset[i + 1]`. `label`, texts `[clips]`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::npy::{Array, shown};
use crate::activity::{BODY_JOINTS, Position};

/// Frames per second of every clip.
pub const CLIP_RATE_HZ: f32 = 25.0;

/// Joints of J-HMDB.
const JOINTS: usize = 15;
/// Which joint of J-HMDB each [`crate::activity::Joint`] is; J-HMDB's face, neck's and belly's neighbour, stands for the
/// nose, and neck and belly are left out.
const FROM_JHMDB: [usize; BODY_JOINTS] = [2, 4, 3, 8, 7, 12, 11, 6, 5, 10, 9, 14, 13];
/// The most bytes that an array may have; a day of one person is 260 MB.
const LARGEST_BYTES: u64 = 1 << 30;

/// Somebody doing one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// What they do.
    pub label: String,
    /// Their joints, by [`crate::activity::Joint`], on each frame; at least one frame.
    pub bodies: Vec<[Position; BODY_JOINTS]>,
}

/// A file that holds no clips.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It is not there or not readable.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no archive.
    #[error("{path} is no npz file: {reason}")]
    NoArchive {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// An array of it is not as it should be.
    #[error("{path}: the array `{array}` {fault}")]
    Array {
        /// The file.
        path: String,
        /// The array.
        array: &'static str,
        /// The rest of the sentence.
        fault: String,
    },
}

/// What is wrong with an array: its name, and the rest of a sentence about it.
type Fault = (&'static str, String);

/// Reads the clips of the file at `path`; at least one.
///
/// # Errors
/// When the file cannot be read, an array is missing or has another shape or type, or the values do not fit together.
pub fn read(path: &Path) -> Result<Vec<Clip>, DataError> {
    let shown = || path.display().to_string();
    let file = File::open(path).map_err(|source| DataError::Read { path: shown(), source })?;
    let mut archive = ZipArchive::new(file).map_err(|error| match error {
        ZipError::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            DataError::Read { path: shown(), source }
        }
        error => DataError::NoArchive { path: shown(), reason: error.to_string() },
    })?;
    let mut bytes = |array: &'static str| entry(&mut archive, array).map_err(|fault| (array, fault));
    let clips = bytes("pose").and_then(|pose| clips(&pose, &bytes("offset")?, &bytes("label")?));
    clips.map_err(|(array, fault)| DataError::Array { path: shown(), array, fault })
}

/// The bytes of an array's file in the archive.
fn entry(archive: &mut ZipArchive<File>, array: &str) -> Result<Vec<u8>, String> {
    let file = match archive.by_name(&format!("{array}.npy")) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Err("is missing".to_owned()),
        Err(error) => return Err(format!("cannot be unpacked: {error}")),
    };
    let mut bytes = Vec::new();
    let read = file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be unpacked: {error}"))?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(format!("has more than {} MiB", LARGEST_BYTES >> 20));
    }
    Ok(bytes)
}

/// The clips that three npy files hold.
fn clips(pose: &[u8], offset: &[u8], label: &[u8]) -> Result<Vec<Clip>, Fault> {
    let pose = positions(pose).map_err(|fault| ("pose", fault))?;
    let labels = labels(label).map_err(|fault| ("label", fault))?;
    let offsets = offsets(offset, labels.len(), pose.len() / JOINTS).map_err(|fault| ("offset", fault))?;
    let mut clips = Vec::with_capacity(labels.len());
    for (index, (label, ends)) in labels.into_iter().zip(offsets.windows(2)).enumerate() {
        let mut bodies = Vec::with_capacity(ends[1] - ends[0]);
        let (frames, _) = pose[ends[0] * JOINTS..ends[1] * JOINTS].as_chunks::<JOINTS>();
        for (frame, joints) in frames.iter().enumerate() {
            if let Some(joint) = joints.iter().position(|at| !at.x.is_finite() || !at.y.is_finite()) {
                let fault = format!("holds no number for joint {joint} on frame {frame} of clip {index}");
                return Err(("pose", fault));
            }
            bodies.push(FROM_JHMDB.map(|joint| joints[joint]));
        }
        clips.push(Clip { label, bodies });
    }
    Ok(clips)
}

/// The joints of every frame, one after the other.
fn positions(file: &[u8]) -> Result<Vec<Position>, String> {
    let array = Array::open(file)?;
    if !matches!(array.shape[..], [_, JOINTS, 2]) {
        return Err(format!("has the shape {}; it must be [frames, {JOINTS}, 2]", shown(&array.shape)));
    }
    let values = array.floats().ok_or_else(|| wrong_type(&array, "f32 or f64"))?;
    let (places, _) = values.as_chunks::<2>();
    Ok(places.iter().map(|&[x, y]| Position { x, y }).collect())
}

fn labels(file: &[u8]) -> Result<Vec<String>, String> {
    let array = Array::open(file)?;
    let labels = array.texts().ok_or_else(|| wrong_type(&array, "texts (<U...)"))?;
    if array.shape.len() != 1 {
        return Err(format!("has the shape {}; it must be [clips]", shown(&array.shape)));
    }
    if labels.is_empty() {
        return Err("is empty: there is no clip".to_owned());
    }
    match labels.iter().position(String::is_empty) {
        Some(clip) => Err(format!("holds an empty text for clip {clip}")),
        None => Ok(labels),
    }
}

/// Where each of `clips` clips begins among `frames` frames, and where the last one ends.
fn offsets(file: &[u8], clips: usize, frames: usize) -> Result<Vec<usize>, String> {
    let array = Array::open(file)?;
    let offsets = array.integers().ok_or_else(|| wrong_type(&array, "i32 or i64"))?;
    if array.shape.len() != 1 || offsets.len() != clips + 1 {
        let shape = shown(&array.shape);
        return Err(format!("has the shape {shape}; with {clips} labels it must be [{}]", clips + 1));
    }
    let offsets: Option<Vec<usize>> =
        offsets.into_iter().map(|offset| usize::try_from(offset).ok()).collect();
    let offsets = offsets.ok_or("holds a negative number")?;
    if let Some(clip) = offsets.windows(2).position(|ends| ends[0] >= ends[1]) {
        return Err(format!("gives clip {clip} no frame: {} follows {}", offsets[clip + 1], offsets[clip]));
    }
    match (offsets[0], offsets[clips]) {
        (0, end) if end == frames => Ok(offsets),
        (first, end) => Err(format!("goes from {first} to {end}; `pose` has the frames from 0 to {frames}")),
    }
}

fn wrong_type(array: &Array<'_>, allowed: &str) -> String {
    format!("has the dtype `{}`; it must be {allowed}", array.dtype.escape_debug())
}

#[cfg(test)]
mod tests;
