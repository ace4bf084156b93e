//! Clips of real frames against an independent computation: `tests/fixtures/activity.py` scales and converts the
//! frames of vtest.avi, chooses those of each clip and computes the toy models' scores, all in numpy. And clips of groups
//! in drawn pictures, from the frame to the tag.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use spotter::activity::{ClipClassifier, ClipWindow, Share};
use spotter::clock::{ClockOf, Timestamp};
use spotter::config::{self, Activities, Camera, Capture, Objects, Source};
use spotter::daemon::open_recognizer;
use spotter::frame::{Colorimetry, ColourMatrix, Frame, Image, PixelFormat};
use spotter::geometry::BBox;
use spotter::model::{Package, Runtime, SessionOptions};
use spotter::name::Name;
use spotter::publish::Sequencer;
use spotter::publish::wire::Message;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;

use contract::Contract;

/// Of a probability. The sampler weighs pixels with whole numbers where numpy does in floating point, so one may differ by
/// a step of grey; a mistake in layout, colours, range or the choice of frames makes three times as much or far more (the
/// script holds its toys to that).
const TOLERANCE: f32 = 0.0015;

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
    open(&fixtures().join("activity").join(name))
}

fn open(package: &Path) -> ClipClassifier {
    let package = Package::open(package).expect("a package");
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    ClipClassifier::open(&package, &runtime, &SessionOptions::on_cpu(1))
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
            let scores = classifier.classify(&window, &BBox::WHOLE).expect("scores").expect("a clip");
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
    assert_eq!(classifier.classify(&window, &BBox::WHOLE).expect("no failure"), None);
    assert_eq!((classifier.labels().len(), classifier.unknown()), (5, Some(4)));
}

/// The first frame of a window of vtest.avi, a square there (left, top, width, height), and how likely a fight is by what
/// `models/train/fight/check.py` reads, cuts and computes.
const CHECK: &str = include_str!("../models/train/fight/check.txt");

#[test]
fn fight_maps_sees_what_it_sees_in_training() {
    let Some(vtest) = footage::vtest() else { return };
    let mut classifier = open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/fight-maps"));
    let frames = footage::frames(&vtest, 113);
    for row in CHECK.lines() {
        let (first, numbers) = row.split_once(' ').expect("a row");
        let first: usize = first.parse().expect("a frame");
        let numbers: Vec<f32> = numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [x, y, w, h, expected] = numbers[..] else { panic!("a square and a probability: {row}") };
        let mut window = classifier.window();
        for frame in &frames[first..=first + 12] {
            classifier.observe(&mut window, &frame.image, &BBox::WHOLE, frame.at);
        }
        let scores = classifier.classify(&window, &BBox { x, y, w, h }).expect("no failure").expect("a clip");
        println!("{row}: {:.4}", scores[0]);
        assert!((scores[0] - expected).abs() < 0.02, "{row}: {scores:?}");
    }
}

/// Pixels of a drawn picture: 8 x 4 cells.
const CELL: usize = 48;
const SIZE: (usize, usize) = (8 * CELL, 4 * CELL);
/// What dark and bright cells have, 0..=255.
const DARK: u8 = 40;
const BRIGHT: u8 = 240;

/// A column and a row.
type Cell = (usize, usize);

/// A picture with these cells bright. The toy detector `cells` finds somebody in the middle of each, whom it calls a figure:
/// half a cell wide and nearly a cell high.
fn picture(bright: &[Cell]) -> Image {
    let (width, height) = SIZE;
    let value = |x: usize, y: usize| if bright.contains(&(x / CELL, y / CELL)) { BRIGHT } else { DARK };
    let luma: Vec<u8> = (0..height).flat_map(|y| (0..width).map(move |x| value(x, y))).collect();
    let full = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    let planes = Arc::new(vec![luma]);
    Image::new(PixelFormat::Gray8, (width as u32, height as u32), full, [width, 0, 0], planes)
        .expect("a picture")
}

/// The `activity` tags of people in these cells, each scene with its number of frames, at 10 per second: all that the classifier
/// of groups tells.
fn told(scenes: &[(usize, &[Cell])]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let models = config::Models {
        directories: vec![root.join("models"), fixtures().join("activity")],
        detect: "cells".to_owned(),
        clips: vec!["clip-group".to_owned()],
        ..config::Models::default()
    };
    let source = Source::File { path: PathBuf::new(), repeat: false, frame_rate: None };
    let name = Name::new("ramp").expect("a name");
    let camera = Camera {
        name: name.clone(),
        capture: Capture::of(source),
        objects: Objects::default(),
        activities: Activities::default(),
        tracks: false,
        zones: Vec::new(),
        lines: Vec::new(),
    };
    let mut recognizer = open_recognizer(&config::Runtime::default(), &models, &[camera], Share::Unlimited)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut tags = Vec::new();
    let cells = scenes.iter().flat_map(|(frames, cells)| std::iter::repeat_n(*cells, *frames));
    for (number, cells) in cells.enumerate() {
        let (camera, at) = (name.clone(), Timestamp::from_micros(100_000 * number as i64));
        let frame = Frame { camera, number: number as u64, at, by: ClockOf::Arrival, image: picture(cells) };
        tags.extend(recognizer.recognize(0, &frame).expect("no failure").tags);
    }
    tags.extend(recognizer.cut(0).tags);
    let mut sequencer = Sequencer::new(Name::new("edge").expect("a name"), uuid::Uuid::from_u128(1));
    let contract = Contract::read();
    let messages = tags.iter().map(|tag| {
        let json = Message::Tag(sequencer.message(tag)).to_json();
        let tag: Value = serde_json::from_str(&json).expect("JSON");
        let kind = tag["kind"].as_str().expect("a kind").to_owned();
        contract.hold(&format!("spotter/v1/edge/ramp/tag/{kind}"), &tag);
        tag
    });
    messages.filter(|tag| tag["model"]["name"] == "clip-group").collect()
}

/// Phase and `tracks` of each tag; none has a `track`.
fn lives(tags: &[Value]) -> Vec<(&str, String)> {
    let life = |tag: &Value| {
        assert!(tag.get("track").is_none() && tag["label"] == "fight", "{tag}");
        tag["tracks"].to_string()
    };
    tags.iter().map(|tag| (tag["phase"].as_str().expect("a phase"), life(tag))).collect()
}

fn seconds(tag: &Value, field: &str) -> f64 {
    let at: Timestamp = tag.pointer(field).and_then(Value::as_str).expect("a time").parse().expect("a time");
    at.since(Timestamp::EPOCH).as_secs_f64()
}

#[test]
fn two_people_near_each_other_have_tags_with_their_tracks_and_no_track() {
    let near: &[Cell] = &[(2, 1), (3, 1)];
    let apart: &[Cell] = &[(2, 1), (6, 1)];
    // They part, and the group ends two seconds later.
    let tags = told(&[(40, near), (60, apart)]);
    assert_eq!(lives(&tags), [("start", "[1,2]".to_owned()), ("end", "[1,2]".to_owned())]);
    let ended = seconds(&tags[1], "/at");
    assert!((5.8..=6.2).contains(&ended), "{ended} s");
    // Around both: 1.1 times 1.5 cells across, of which two thirds show 0.94 and the rest 0.16.
    let bbox = &tags[0]["box"];
    let of = |side: &str| bbox[side].as_f64().expect("a number");
    assert!((of("x") - 0.272).abs() < 0.01 && (of("width") - 0.206).abs() < 0.01, "{bbox}");
    assert!((of("y") - 0.169).abs() < 0.02 && (of("height") - 0.412).abs() < 0.02, "{bbox}");
    let score = tags[0]["score"].as_f64().expect("a score");
    assert!((score - 0.63).abs() < 0.03, "{score}");

    // When the camera is lost, what goes on ends.
    assert_eq!(lives(&told(&[(40, near)])), [("start", "[1,2]".to_owned()), ("end", "[1,2]".to_owned())]);
}

#[test]
fn who_is_alone_or_far_from_everybody_is_no_group() {
    let alone: &[Cell] = &[(2, 1)];
    let apart: &[Cell] = &[(0, 0), (3, 0), (6, 0), (1, 3), (4, 3), (7, 3)];
    for cells in [alone, apart] {
        assert_eq!(told(&[(40, cells)]), [] as [Value; 0], "{cells:?}");
    }
}

#[test]
fn every_frame_of_a_groups_clip_shows_the_same_square() {
    let mut classifier = classifier("clip-group");
    let mut window = classifier.window();
    // Something bright goes from the left to the right. A clip has four frames.
    for (number, column) in [0, 0, 1, 5, 5].into_iter().enumerate() {
        let at = Timestamp::from_micros(100_000 * number as i64);
        // Whole pictures are kept, wherever somebody is.
        assert!(classifier.observe(&mut window, &picture(&[(column, 1)]), &BBox::WHOLE, at));
    }
    let square = |column: f32| BBox { x: column / 8.0, y: 0.25, w: 1.0 / 8.0, h: 0.25 };
    let (dark, bright) = (f32::from(DARK) / 255.0, f32::from(BRIGHT) / 255.0);
    // The column, how many of the clip's frames are bright there, and how much of it lies inside the picture.
    for (column, frames, inside) in
        [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (5.0, 2.0, 1.0), (3.0, 0.0, 1.0), (-0.5, 1.0, 0.5)]
    {
        let scores = classifier.classify(&window, &square(column)).expect("no failure").expect("a clip");
        let expected = inside * (frames * bright + (4.0 - frames) * dark) / 4.0;
        // Scaling blurs the border between dark and bright.
        assert!((scores[0] - expected).abs() < 0.02, "{column}: {scores:?}, not {expected}");
    }
}
