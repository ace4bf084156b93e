//! The footage that `make setup` fetches, and pieces of it.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use spotter::capture::{Next, Stream, Timing};
use spotter::clock::Timestamp;
use spotter::config::{Capture, Source};
use spotter::frame::Frame;
use spotter::name::Name;

/// Pictures per second of vtest.avi.
pub const FPS: usize = 10;

/// The path of vtest.avi; without it, says so and gives nothing, and the test has nothing to do.
///
/// # Panics
/// Without the footage, when `SPOTTER_REQUIRE_FOOTAGE` is set: where it belongs, no test may pass by doing nothing.
pub fn vtest() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let path = cache.join("spotter/footage/vtest.avi");
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var_os("SPOTTER_REQUIRE_FOOTAGE").is_some();
    assert!(!required, "there is no {}; `make setup` fetches it", path.display());
    eprintln!("skipped: there is no {}; `make setup` fetches it", path.display());
    None
}

/// The first `count` frames of a file, as a camera gives them; their times are their places in the file.
pub fn frames(path: &Path, count: usize) -> Vec<Frame> {
    let source = Source::File { path: path.to_owned(), repeat: false, frame_rate: None };
    let timing = Timing::Simulated(Timestamp::EPOCH);
    let mut stream = Stream::open(Name::new("test").unwrap(), &Capture::of(source), timing).unwrap();
    let mut frames = Vec::new();
    while frames.len() < count {
        match stream.next(Duration::from_secs(10)).unwrap() {
            Next::Frame(frame) => frames.push(frame),
            other => panic!("{} frames, then {other:?}", frames.len()),
        }
    }
    frames
}

/// The first `frames` frames of an AVI file of one stream, as a whole file without an index.
pub fn clip(avi: &[u8], frames: usize) -> Vec<u8> {
    let (movi_size_at, first) = movi(avi);
    let mut end = first;
    for _ in 0..frames {
        assert_eq!(&avi[end..end + 4], b"00dc", "a frame begins at byte {end}");
        // Chunks are padded to an even length.
        end += 8 + number(avi, end + 4).next_multiple_of(2);
    }
    let mut clip = avi[..end].to_vec();
    set_number(&mut clip, 4, end - 8);
    set_number(&mut clip, movi_size_at, end - movi_size_at - 4);
    clip
}

/// Where the size of the list of frames stands, and where its first frame begins.
fn movi(avi: &[u8]) -> (usize, usize) {
    assert_eq!((&avi[..4], &avi[8..12]), (&b"RIFF"[..], &b"AVI "[..]));
    let mut at = 12;
    while &avi[at + 8..at + 12] != b"movi" {
        at += 8 + number(avi, at + 4).next_multiple_of(2);
    }
    (at + 4, at + 12)
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn set_number(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
}
