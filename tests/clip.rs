//! Clips of real frames against an independent computation: `tests/fixtures/activity.py` scales and converts the
//! frames of vtest.avi, chooses those of each clip and computes the toy models' scores, all in numpy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spotter::activity::{ClipClassifier, ClipWindow};
use spotter::clock::Timestamp;
use spotter::frame::Frame;
use spotter::geometry::BBox;
use spotter::model::{Package, Runtime, SessionOptions};

#[path = "support/footage.rs"]
mod footage;

/// Of a probability. The sampler computes in whole numbers where numpy computes in floating point, so a pixel may
/// differ by one step of grey; any mistake in layout, colours, range or the choice of frames makes ten times as much
/// (the script holds its toys to that).
const TOLERANCE: f32 = 0.0005;

/// Frame, time in microseconds, and where the subject is: left, top, width, height.
type Schedule = Vec<(usize, i64, f32, f32, f32, f32)>;

#[derive(serde::Deserialize)]
struct Reference {
    schedules: BTreeMap<String, Schedule>,
    /// By package, then by schedule.
    expected: BTreeMap<String, BTreeMap<String, Expected>>,
}

#[derive(serde::Deserialize)]
struct Expected {
    /// Rows of the schedule whose frames are kept.
    kept: Vec<usize>,
    /// Rows of the schedule, and the probabilities of the clip that ends there.
    clips: Vec<(usize, Vec<f32>)>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn classifier(name: &str) -> ClipClassifier {
    let package = Package::open(&fixtures().join("activity").join(name)).expect("a fixture");
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    ClipClassifier::open(&package, &runtime, &SessionOptions { intra_threads: 1 })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Shows the frames of a schedule to a new window, and compares what it keeps and what its clips are.
fn follow(
    classifier: &mut ClipClassifier,
    frames: &[Frame],
    schedule: &Schedule,
    expected: &Expected,
) -> f32 {
    let mut window: ClipWindow = classifier.window();
    let mut clips = expected.clips.iter().peekable();
    let (mut kept, mut worst) = (Vec::new(), 0.0f32);
    for (row, &(frame, at, x, y, w, h)) in schedule.iter().enumerate() {
        let at = Timestamp::from_micros(at);
        if classifier.observe(&mut window, &frames[frame].image, &BBox { x, y, w, h }, at) {
            kept.push(row);
        }
        if let Some((_, wanted)) = clips.next_if(|(end, _)| *end == row) {
            assert_eq!(window.span().map(|span| span.to), Some(at));
            let scores = classifier.classify(&window).expect("scores").expect("a clip");
            for (found, wanted) in scores.iter().zip(wanted) {
                worst = worst.max((found - wanted).abs());
            }
            assert!(worst <= TOLERANCE, "row {row}: {scores:?} for {wanted:?}");
        }
    }
    assert_eq!(kept, expected.kept);
    assert!(clips.next().is_none());
    worst
}

#[test]
fn clips_of_real_frames_are_what_the_reference_computes() {
    let Some(vtest) = footage::vtest() else { return };
    let text = std::fs::read_to_string(fixtures().join("clips.json")).expect("the fixtures");
    let reference: Reference = serde_json::from_str(&text).expect("clips by package");
    let most = reference.schedules.values().flatten().map(|row| row.0).max().expect("rows");
    let frames = footage::frames(&vtest, most + 1);
    assert_eq!(reference.expected.len(), 3);
    for (name, by_schedule) in &reference.expected {
        let mut classifier = classifier(name);
        for (schedule, expected) in by_schedule {
            let worst = follow(&mut classifier, &frames, &reference.schedules[schedule], expected);
            println!("{name}, {schedule}: {} clips, off by at most {worst:.5}", expected.clips.len());
        }
    }
}

#[test]
fn frames_of_a_stream_come_at_the_times_of_the_even_schedule() {
    let Some(vtest) = footage::vtest() else { return };
    let times: Vec<i64> = footage::frames(&vtest, 5).iter().map(|frame| frame.at.as_micros()).collect();
    assert_eq!(times, [0, 100_000, 200_000, 300_000, 400_000]);
}

#[test]
fn a_window_gives_no_clip_before_it_has_seen_enough() {
    let mut classifier = classifier("clip-ncthw");
    let window = classifier.window();
    assert_eq!(classifier.classify(&window).expect("no failure"), None);
    assert_eq!((classifier.labels().len(), classifier.unknown()), (5, Some(4)));
}
