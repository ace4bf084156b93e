//! Films that ffmpeg makes, and their frames as a replay gets them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use spotter::capture::{Next, Stream, Timing};
use spotter::clock::Timestamp;
use spotter::config::{Capture, Source};
use spotter::frame::{Frame, Image};
use spotter::name::Name;

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs ffmpeg with `arguments` and an output file, which it replaces.
pub fn ffmpeg(arguments: &str, output: &Path) {
    let ran = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .arg(output)
        .output()
        .expect("ffmpeg is installed; packaging/debian-test-packages.txt names it");
    assert!(ran.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// How a file is read.
pub fn file(path: &Path) -> Capture {
    Capture::of(Source::File { path: path.to_owned(), repeat: false, frame_rate: None })
}

/// Opens `capture` as a replay does.
pub fn replay(capture: &Capture) -> Stream {
    Stream::open(Name::new("test").unwrap(), capture, Timing::Simulated(Timestamp::EPOCH)).unwrap()
}

/// All frames.
pub fn frames(capture: &Capture) -> Vec<Frame> {
    let mut stream = replay(capture);
    let mut frames = Vec::new();
    loop {
        match stream.next(PATIENCE).unwrap() {
            Next::Frame(frame) => frames.push(frame),
            Next::Idle => panic!("{:?}: nothing came after {} frames", capture.source, frames.len()),
            Next::End => return frames,
        }
    }
}

/// Red, green and blue of the pixel at `x`, `y`, relative to the picture.
pub fn pixel(image: &Image, x: f32, y: f32) -> [u8; 3] {
    let at = |relative: f32, side: u32| ((relative * side as f32) as usize).min(side as usize - 1);
    let index = at(y, image.height()) * image.width() as usize + at(x, image.width());
    image.to_rgb()[3 * index..3 * index + 3].try_into().unwrap()
}
