//! Zones, lines and occupancy on real footage: what begins ends, and what is counted agrees with where the tracks are.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;
use spotter::activity::Share;
use spotter::capture::Board;
use spotter::clock::{Clock, SimulatedClock, Timestamp};
use spotter::config::{Camera, Config, Models, Runtime};
use spotter::daemon::open_recognizer;
use spotter::geometry::Point;
use spotter::name::Name;
use spotter::recognize::{NoMender, Recognized};
use spotter::tag::{Body, Direction, Phase, TrackId};

#[path = "support/footage.rs"]
mod footage;
#[path = "support/program.rs"]
mod program;

use program::spotter;

/// The part of the footage that is looked at: twenty seconds with about fifteen people.
const FRAMES: usize = 200;

/// A zone in the middle of the car park, and a line down the middle of the picture, so that its left hand is the right
/// half.
const CAMERA: &str = "[node]\nname = \"edge\"\n[activities]\nenabled = false\n[[camera]]\nname = \"ramp\"\n\
    source = \"clip.avi\"\ntracks = true\n[[camera.zone]]\nname = \"yard\"\n\
    polygon = [[0.25, 0.2], [0.75, 0.2], [0.75, 1], [0.25, 1]]\nmin_dwell_s = 0.5\n[[camera.zone]]\nname = \"cars\"\n\
    polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\nlabels = [\"car\"]\n[[camera.line]]\nname = \"middle\"\n\
    from = [0.5, 0]\nto = [0.5, 1]\n";
/// Half as wide as what is near the line.
const NEAR: f32 = 0.05;

fn camera() -> Camera {
    let mut config = Config::parse(CAMERA, std::path::Path::new("")).unwrap();
    config.cameras.remove(0)
}

/// What came of the frames so far.
#[derive(Default)]
struct Seen {
    /// Who is inside of which zone, by the tags.
    inside: BTreeSet<(String, TrackId)>,
    /// Who is crossing which line, by the tags.
    crossing: BTreeSet<(String, TrackId)>,
    /// Whose object is there, by the tags.
    there: BTreeSet<TrackId>,
    stays: usize,
    /// Crossings in, less those out.
    net: BTreeMap<TrackId, i32>,
    crossings: usize,
    /// The last that was said of each zone, and the most.
    occupancy: BTreeMap<String, u32>,
    most: u32,
    /// The first and the last foot point of each track.
    ways: BTreeMap<TrackId, (Point, Point)>,
}

impl Seen {
    fn take(&mut self, recognized: Recognized) {
        for tag in recognized.tags {
            let id = tag.track.unwrap();
            let open = match &tag.body {
                Body::Object(_) => {
                    match tag.phase {
                        Phase::Start => assert!(self.there.insert(id)),
                        Phase::Update => {}
                        Phase::End => assert!(self.there.remove(&id)),
                    }
                    continue;
                }
                Body::Zone(zone) => {
                    self.stays += usize::from(tag.phase == Phase::Start);
                    (&mut self.inside, zone.name.to_string())
                }
                Body::Line(line) => {
                    let step = if line.direction == Direction::In { 1 } else { -1 };
                    if tag.phase == Phase::Start {
                        self.crossings += 1;
                        *self.net.entry(id).or_default() += step;
                    }
                    (&mut self.crossing, line.name.to_string())
                }
                Body::Activity(_) => panic!("activities are off"),
            };
            let (open, key) = (open.0, (open.1, id));
            match tag.phase {
                Phase::Start => assert!(open.insert(key), "started twice"),
                Phase::Update => assert!(open.contains(&key), "updated before its start"),
                Phase::End => assert!(open.remove(&key), "ended before its start"),
            }
            assert!(self.there.contains(&id), "a place speaks of what was not told of");
        }
        for occupancy in recognized.occupancies {
            self.occupancy.insert(occupancy.zone.to_string(), occupancy.counts.values().sum());
            self.most = self.most.max(self.occupancy["yard"]);
        }
        for zone in ["yard", "cars"] {
            let inside = self.inside.iter().filter(|(name, _)| name == zone).count();
            assert_eq!(self.occupancy.get(zone).copied(), Some(inside as u32), "{zone}");
        }
        for track in recognized.tracks.into_iter().flat_map(|frame| frame.tracks) {
            let foot = track.bbox.foot();
            self.ways.entry(track.track).or_insert((foot, foot)).1 = foot;
        }
    }
}

#[test]
fn stays_end_crossings_add_up_and_zones_empty() {
    let Some(vtest) = footage::vtest() else { return };
    let mut recognizer =
        open_recognizer(&Runtime::default(), &Models::default(), &[camera()], Share::Unlimited).unwrap();
    let mut seen = Seen::default();
    for frame in footage::frames(&vtest, FRAMES) {
        let recognized = recognizer.recognize(0, &frame).unwrap();
        let tracks = recognized.tracks.as_ref().unwrap();
        assert_eq!((tracks.number, tracks.at), (frame.number, frame.at));
        seen.take(recognized);
    }
    seen.take(recognizer.cut(0));
    println!("{} stays, at most {} at once, {} crossings", seen.stays, seen.most, seen.crossings);
    assert!(seen.inside.is_empty() && seen.crossing.is_empty() && seen.there.is_empty(), "all has ended");
    assert!(seen.occupancy.values().all(|count| *count == 0), "{:?}", seen.occupancy);
    assert!((3..=60).contains(&seen.stays), "{} stays", seen.stays);
    assert!((2..=15).contains(&seen.most), "{} at once", seen.most);
    assert!((1..=40).contains(&seen.crossings), "{} crossings", seen.crossings);
    // Whoever was first and last seen away from the line has crossed it as often as that takes.
    let mut checked = 0;
    for (id, (first, last)) in &seen.ways {
        if [first, last].iter().all(|foot| (foot.x - 0.5).abs() > NEAR) {
            let expected = i32::from(last.x < 0.5) - i32::from(first.x < 0.5);
            assert_eq!(seen.net.get(id).copied().unwrap_or(0), expected, "track {id} from {first} to {last}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked} tracks");
}

#[test]
fn a_replay_writes_the_tags_of_its_zones_and_lines() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("clip.avi"), footage::clip(&fs::read(vtest).unwrap(), 60)).unwrap();
    fs::write(path("spotter.toml"), CAMERA).unwrap();
    let (clip, config, tags) = (path("clip.avi"), path("spotter.toml"), path("tags.jsonl"));
    let ended = spotter(["replay", &clip, "--config", &config, "--tags", &tags]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(&tags).unwrap();
    let mut phases: BTreeMap<&str, i32> = BTreeMap::new();
    let tags: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for tag in &tags {
        let kind = tag["kind"].as_str().unwrap();
        match kind {
            "zone" => {
                let of_cars = tag["zone"]["name"] == "cars";
                assert!(of_cars || tag["zone"]["name"] == "yard", "{tag}");
                assert!(!of_cars || tag["label"] == "car", "{tag}");
                let dwell_s = tag["zone"]["dwell_s"].as_f64().unwrap();
                assert!((0.5..6.0).contains(&dwell_s) && tag["zone"]["inside"].is_u64(), "{tag}");
            }
            "line" => {
                assert_eq!(tag["line"]["name"], "middle", "{tag}");
                assert!(tag["line"]["direction"] == "in" || tag["line"]["direction"] == "out", "{tag}");
            }
            _ => assert!(tag["zone"].is_null() && tag["line"].is_null(), "{tag}"),
        }
        match tag["phase"].as_str().unwrap() {
            "start" => *phases.entry(kind).or_default() += 1,
            "end" => *phases.entry(kind).or_default() -= 1,
            _ => {}
        }
    }
    assert!(phases.contains_key("zone"), "{phases:?}");
    assert!(phases.values().all(|open| *open == 0), "what begins ends: {phases:?}");
}

#[test]
fn a_label_that_no_model_knows_is_refused() {
    let mut camera = camera();
    camera.zones[0].labels = Some(vec!["person".to_owned(), "unicorn".to_owned()]);
    camera.lines[0].labels = Some(vec!["unicorn".to_owned()]);
    let opened = open_recognizer(&Runtime::default(), &Models::default(), &[camera], Share::Unlimited);
    let said = opened.err().unwrap().to_string();
    assert!(said.starts_with("zone.labels has \"unicorn\" (camera ramp), which the model "), "{said}");
}

#[test]
fn every_zone_is_told_to_be_empty_when_the_work_begins() {
    let camera = camera();
    let recognizer =
        open_recognizer(&Runtime::default(), &Models::default(), &[camera], Share::Unlimited).unwrap();
    let board = Board::new(vec![Arc::default()], 1);
    board.close();
    let clock = SimulatedClock::new(Timestamp::from_micros(7));
    let mut told = Vec::new();
    recognizer.work(&board, &clock, NoMender, |recognized| told.push(recognized)).unwrap();
    assert!(told.iter().all(|recognized| recognized.tags.is_empty() && recognized.tracks.is_none()));
    let told: Vec<_> = told
        .iter()
        .flat_map(|recognized| &recognized.occupancies)
        .map(|occupancy| {
            let counts = &occupancy.counts;
            assert!(counts.values().all(|count| *count == 0), "{counts:?}");
            (occupancy.zone.as_str(), occupancy.at.as_micros(), counts.contains_key("person"), counts.len())
        })
        .collect();
    // The package reports eleven labels.
    assert_eq!(told, [("yard", 7, true, 11), ("cars", 7, false, 1)]);
}

#[test]
fn when_the_work_ends_the_ends_of_all_cameras_are_handed_on_at_once() {
    let Some(vtest) = footage::vtest() else { return };
    const FRAMES: usize = 25;
    let cameras = ["ramp", "gate"].map(|name| Camera { name: Name::new(name).unwrap(), ..camera() });
    let recognizer =
        open_recognizer(&Runtime::default(), &Models::default(), &cameras, Share::Unlimited).unwrap();
    let board = Board::new(vec![Arc::default(), Arc::default()], 1);
    let clock = SimulatedClock::new(Timestamp::EPOCH + Duration::from_secs(60));
    let (sender, told) = mpsc::channel();
    let mut handed: Vec<Recognized> = Vec::new();
    std::thread::scope(|scope| {
        let (board, clock) = (&board, &clock);
        let hand_on = move |recognized: Recognized| sender.send(recognized).unwrap();
        let worker = scope.spawn(move || recognizer.work(board, clock, NoMender, hand_on));
        let next = || {
            told.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| {
                board.close();
                panic!("{error}")
            })
        };
        (0..2).for_each(|_| drop(next()));
        for frame in footage::frames(&vtest, FRAMES) {
            for index in 0..2 {
                board.put(index, frame.clone());
                handed.push(next());
            }
        }
        board.close();
        worker.join().unwrap().unwrap();
    });
    let mut open = BTreeSet::new();
    let mut take = |recognized: &Recognized| {
        for tag in &recognized.tags {
            assert_eq!(tag.latency, clock.now().since(tag.at));
            let object = (tag.camera.clone(), tag.track);
            match (&tag.body, tag.phase) {
                (Body::Object(_), Phase::Start) => assert!(open.insert(object)),
                (Body::Object(_), Phase::End) => assert!(open.remove(&object)),
                _ => {}
            }
        }
        open.clone()
    };
    let mut left = BTreeSet::new();
    handed.iter().for_each(|recognized| left = take(recognized));
    for camera in &cameras {
        assert!(left.iter().any(|(name, _)| *name == camera.name), "nothing of {} is open", camera.name);
    }
    let ends: Vec<Recognized> = told.iter().collect();
    assert_eq!(ends.len(), 1, "one call for all");
    assert!(take(&ends[0]).is_empty(), "all has ended");
}
