//! Who was seen on every frame, for training: one JSON object per line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use spotter::clock::Timestamp;
use spotter::frame::Frame;
use spotter::recognize::Recognizer;

use crate::cli::output::cannot_write;

/// The file, and where it is.
pub(super) struct PeopleFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl PeopleFile {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| cannot_write(path))?;
        Ok(PeopleFile { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Adds a line for everybody whom the recognizer sees on the frame, which it was shown last. The joints are those
    /// of this very frame, or null.
    pub(super) fn add(&mut self, clip: &str, frame: &Frame, recognizer: &Recognizer) -> anyhow::Result<()> {
        let people = recognizer.tracker(0).tracks().filter(|track| track.visible);
        for track in people.filter(|track| &**recognizer.label(track) == "person") {
            let pose = recognizer.pose(0, track.id).filter(|pose| pose.at == frame.at);
            let joints = pose.map(|pose| {
                let body = [0].into_iter().chain(5..pose.keypoints.len());
                let joint = |index: usize| {
                    let keypoint = &pose.keypoints[index];
                    [keypoint.at.x, keypoint.at.y, keypoint.score]
                };
                body.map(joint).collect::<Vec<_>>()
            });
            let line = json!({
                "clip": clip,
                "at_s": frame.at.since(Timestamp::EPOCH).as_secs_f64(),
                "size": [frame.image.width(), frame.image.height()],
                "track": track.id.0,
                "score": track.score,
                "box": [track.bbox.x, track.bbox.y, track.bbox.w, track.bbox.h],
                "joints": joints,
            });
            writeln!(self.writer, "{line}").with_context(|| cannot_write(&self.path))?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.writer.flush().with_context(|| cannot_write(&self.path))
    }
}
