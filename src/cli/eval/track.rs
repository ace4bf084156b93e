//! `spotter eval track`: MOTA and IDF1 of the tracker.

use std::path::PathBuf;

use spotter::eval::mot::{self, MotScore, Sequence};
use spotter::track::TrackerConfig;

use crate::cli::output::{OutputError, say};
use crate::cli::{Outcome, ranges};

/// Scores the tracker on MOTChallenge sequences, with the daemon's default parameters.
///
/// Everything in a sequence counts as a person, and detections count from a score of 0.1 on, whatever a configuration
/// says.
///
/// Each folder holds `det.txt` (detections) and `gt.txt` (the truth). Prints MOTA, IDF1 and what they are made of at an
/// IoU of 0.5: once for what was known at each frame, and once with the boxes of each track from before it was confirmed.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folders of sequences.
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// Frames per second of the sequences, from 0.1 to 1000.
    #[arg(long, value_name = "N", default_value_t = mot::Camera::default().fps, value_parser = ranges::number(0.1..=1000.0))]
    fps: f64,
    /// Size of their pictures in pixels.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x480", value_parser = size)]
    size: (u32, u32),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (width_px, height_px) = arguments.size;
    let camera = mot::Camera { fps: arguments.fps, width_px, height_px };
    say!(
        "{:<20} {:<9} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "sequence",
        "boxes",
        "MOTA",
        "IDF1",
        "MOTP",
        "FP",
        "FN",
        "IDs"
    )?;
    for folder in &arguments.folders {
        let sequence = Sequence::open(folder)?;
        let found = mot::track_detections(&sequence.detections, &camera, &TrackerConfig::default());
        print(&sequence.name, "online", &mot::evaluate(&sequence.truth, &found.online))?;
        print(&sequence.name, "complete", &mot::evaluate(&sequence.truth, &found.complete))?;
    }
    Ok(Outcome::Done)
}

fn print(sequence: &str, boxes: &str, score: &MotScore) -> Result<(), OutputError> {
    say!(
        "{sequence:<20} {boxes:<9} {:>6.3} {:>6.3} {:>6.3} {:>6} {:>6} {:>6}",
        score.mota(),
        score.idf1(),
        score.motp(),
        score.false_positives(),
        score.misses(),
        score.switches
    )
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parts =
        text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parts
        .filter(|&(width, height): &(u32, u32)| width > 0 && height > 0)
        .ok_or("it must look like 640x480".to_owned())
}
