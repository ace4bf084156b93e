//! Files that state another frame rate than they were recorded at: capture times, pace and duration are the recording's.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use spotter::capture::{Next, Stream, Timing};
use spotter::clock::{SystemClock, Timestamp};
use spotter::config::{Capture, Source};
use spotter::frame::Frame;
use spotter::name::Name;

#[path = "support/footage.rs"]
mod footage;
#[path = "support/program.rs"]
mod program;

use program::spotter;

/// Frames per second that vtest.avi was recorded at.
const RECORDED: f64 = 7.0;
const PATIENCE: Duration = Duration::from_secs(30);

fn open(path: &Path, frame_rate: f64, timing: Timing) -> Stream {
    let source = Source::File { path: path.to_owned(), repeat: false, frame_rate: Some(frame_rate) };
    Stream::open(Name::new("test").unwrap(), &Capture::of(source), timing).unwrap()
}

/// The next frame, or nothing at the end.
fn next(stream: &mut Stream) -> Option<Frame> {
    match stream.next(PATIENCE).unwrap() {
        Next::Frame(frame) => Some(frame),
        Next::Idle => panic!("no frame for {PATIENCE:?}"),
        Next::End => None,
    }
}

/// A file of the first frames of the footage.
fn clip(folder: &Path, frames: usize) -> Option<String> {
    let vtest = footage::vtest()?;
    let path = folder.join("clip.avi");
    fs::write(&path, footage::clip(&fs::read(vtest).unwrap(), frames)).unwrap();
    Some(path.to_str().unwrap().to_owned())
}

#[test]
fn capture_times_and_duration_are_those_of_the_recording() {
    let Some(vtest) = footage::vtest() else { return };
    let mut stream = open(&vtest, RECORDED, Timing::Simulated(Timestamp::EPOCH));
    let mut frames = 0_u32;
    while let Some(frame) = next(&mut stream) {
        let expected = f64::from(frames) / RECORDED * 1e6;
        let at = frame.at.as_micros() as f64;
        assert!((at - expected).abs() <= 1.0, "frame {frames} at {at} microseconds, not {expected}");
        frames += 1;
    }
    assert_eq!(frames, 795);
    let duration = stream.duration().unwrap();
    assert!((duration.as_secs_f64() - 795.0 / RECORDED).abs() < 0.01, "{duration:?}");
}

#[test]
fn a_live_file_plays_at_the_pace_of_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clip) = clip(folder.path(), 12) else { return };
    // The file states 10.
    for frame_rate in [5.0, 40.0] {
        let mut stream = open(Path::new(&clip), frame_rate, Timing::Live(Arc::new(SystemClock)));
        let first = next(&mut stream).unwrap();
        let mut last = None;
        while let Some(frame) = next(&mut stream) {
            last = Some(frame);
        }
        let last = last.unwrap();
        assert_eq!(last.number, 11, "the last frame is there, whichever were skipped");
        let rate = (last.number - first.number) as f64 / last.at.since(first.at).as_secs_f64();
        assert!((rate / frame_rate - 1.0).abs() < 0.3, "{rate} frames per second, not {frame_rate}");
    }
}

#[test]
fn a_replay_takes_the_rate_from_its_option_or_from_the_configuration_of_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let Some(clip) = clip(folder.path(), 30) else { return };
    fs::copy(&clip, path("other.avi")).unwrap();
    let config =
        "[node]\nname = \"n\"\n[[camera]]\nname = \"replay\"\nsource = \"clip.avi\"\nframe_rate = 7\n";
    fs::write(path("spotter.toml"), config).unwrap();
    let config = path("spotter.toml");
    // The file, what else is asked for, and the frames per second that the tags' times show.
    let cases: [(&str, &[&str], f64); 5] = [
        ("clip.avi", &[], 10.0),
        ("clip.avi", &["--frame-rate", "7"], 7.0),
        ("clip.avi", &["--config", &config], 7.0),
        ("clip.avi", &["--config", &config, "--frame-rate", "12.5"], 12.5),
        ("other.avi", &["--config", &config], 10.0),
    ];
    for (file, arguments, rate) in cases {
        let (file, tags) = (path(file), path("tags.jsonl"));
        let ended = spotter(["replay", &file, "--tags", &tags].iter().chain(arguments));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        let text = fs::read_to_string(&tags).unwrap();
        // The last frame's time: every track that is still there ends with it.
        let tag: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let at: Timestamp = tag["at"].as_str().unwrap().parse().unwrap();
        let expected = 29.0 / rate * 1e6;
        let at = at.as_micros() as f64;
        assert!((at - expected).abs() <= 1000.0, "{file} {arguments:?}: {at} microseconds, not {expected}");
    }
}

#[test]
fn a_video_that_was_cut_short_is_noticed_at_any_rate() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.avi");
    let whole = fs::read(vtest).unwrap();
    fs::write(&cut, &whole[..whole.len() / 20]).unwrap();
    let ended = spotter(["replay", cut.to_str().unwrap(), "--frame-rate", "7"]);
    let said = ended.complaint(folder.path());
    // At the ten frames per second that it states, it ends after 2.5 s.
    assert!(said.contains("<folder>/cut.avi was cut short after 3.6 s: "), "{said}");
}
