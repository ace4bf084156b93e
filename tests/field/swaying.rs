//! People who sway about a line or the edge of a zone, and those who cross one in earnest: slowly, fast, small, large.

use std::sync::Arc;
use std::time::Duration;

use spotter::clock::Timestamp;
use spotter::config;
use spotter::detect::{ClassId, Detection};
use spotter::geometry::{BBox, Point, Polygon, Segment};
use spotter::name::Name;
use spotter::rules::{LineRules, Vocabulary, ZoneRules};
use spotter::tag::{Body, Direction, Label, ModelRef, Phase};
use spotter::track::{Tracker, TrackerConfig};

use crate::random::Random;

/// Where the line is that people cross, and the edge of the zone behind it.
const EDGE: f32 = 0.5;

/// How a line lies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// People cross it from the left to the right.
    Upright,
    /// They come nearer.
    Level,
}

/// What a camera sees of one thing.
#[derive(Clone, Copy, Debug)]
struct View {
    lie: Lie,
    /// Width and height of its box.
    size: (f32, f32),
    /// How far the edges of its boxes are off, as a standard deviation in sizes.
    jitter: f32,
    fps: f32,
}

/// What was told of it.
#[derive(Debug, Default)]
struct Told {
    crossings: Vec<Direction>,
    stays: u32,
    ends: u32,
}

impl Told {
    fn net(&self) -> i32 {
        self.crossings.iter().map(|way| if *way == Direction::In { 1 } else { -1 }).sum()
    }
}

fn rules(lie: Lie) -> (LineRules, ZoneRules) {
    let point = |x, y| Point { x, y };
    let (from, to, corners) = match lie {
        // Who walks along the line has what lies behind it on the right.
        Lie::Upright => {
            (point(EDGE, 1.0), point(EDGE, 0.0), [(EDGE, 0.0), (1.0, 0.0), (1.0, 1.0), (EDGE, 1.0)])
        }
        Lie::Level => {
            (point(0.0, EDGE), point(1.0, EDGE), [(0.0, EDGE), (1.0, EDGE), (1.0, 1.0), (0.0, 1.0)])
        }
    };
    let name = |name| Name::new(name).unwrap();
    let line = config::Line { name: name("gate"), segment: Segment::new(from, to).unwrap(), labels: None };
    let polygon = Polygon::new(corners.map(|(x, y)| point(x, y)).to_vec()).unwrap();
    let zone = config::Zone { name: name("yard"), polygon, labels: None, min_dwell: Duration::from_secs(1) };
    let model =
        ModelRef { name: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64), on: "cpu".into() };
    let vocabulary = Vocabulary { model: Arc::new(model), labels: vec![Label::from("person")].into() };
    let lines = LineRules::new(name("ramp"), vocabulary.clone(), &[line]);
    (lines, ZoneRules::new(name("ramp"), vocabulary, &[zone], &[], Duration::from_secs(60)))
}

impl View {
    /// Looks at a thing whose foot point is so far from the edge, before it below zero, until there is nothing more of it.
    fn watch(&self, seed: u64, off_at: impl Fn(f32) -> Option<f32>) -> Told {
        let mut random = Random(seed);
        let mut jitter = move |side: f32| {
            let unit = |random: &mut Random| random.from(0, 1 << 20) as f32 / (1u64 << 20) as f32;
            self.jitter * side * ((0..12).map(|_| unit(&mut random)).sum::<f32>() - 6.0)
        };
        let (mut lines, mut zones) = rules(self.lie);
        let mut tracker =
            Tracker::new(TrackerConfig { animate: vec![ClassId(0)], ..TrackerConfig::default() });
        let mut tags = Vec::new();
        for frame in 0.. {
            let now_s = frame as f32 / self.fps;
            let Some(off) = off_at(now_s) else { break };
            let (w, h) = self.size;
            let (x, y) = match self.lie {
                Lie::Upright => (EDGE + off, 0.8),
                Lie::Level => (0.5, EDGE + off),
            };
            let bbox = BBox::from_corners(
                x - w / 2.0 + jitter(w),
                y - h + jitter(h),
                x + w / 2.0 + jitter(w),
                y + jitter(h),
            );
            let at = Timestamp::EPOCH + Duration::from_secs_f32(now_s);
            let ended = tracker.step(at, &[Detection { class: ClassId(0), score: 0.8, bbox }]);
            assert!(ended.is_empty(), "the thing keeps its track: {self:?}");
            for (track, sightings) in tracker.newly_confirmed() {
                for sighting in &sightings[..sightings.len() - 1] {
                    tags.extend(lines.observe(sighting.at, [&track.as_seen(sighting)]));
                    tags.extend(zones.observe(sighting.at, [&track.as_seen(sighting)]));
                }
            }
            tags.extend(lines.observe(at, tracker.tracks()));
            tags.extend(zones.observe(at, tracker.tracks()));
        }
        let ended = tracker.finish();
        assert_eq!(ended.len(), 1, "the thing has one track: {self:?}");
        tags.extend(lines.end(&ended));
        tags.extend(zones.end(&ended));
        let mut told = Told::default();
        for tag in tags {
            match (&tag.body, tag.phase) {
                (Body::Line(line), Phase::Start) => told.crossings.push(line.direction),
                (Body::Zone(_), Phase::Start) => told.stays += 1,
                (Body::Zone(_), Phase::End) => told.ends += 1,
                _ => {}
            }
        }
        assert_eq!(told.stays, told.ends);
        told
    }
}

/// Views of people: far away, near, and in between.
fn views(fps: &[f32]) -> Vec<View> {
    let mut views = Vec::new();
    for lie in [Lie::Upright, Lie::Level] {
        for height in [0.05, 0.1, 0.2, 0.4, 0.7] {
            for jitter in [0.01, 0.025] {
                views.extend(fps.iter().map(|&fps| View { lie, size: (0.3 * height, height), jitter, fps }));
            }
        }
    }
    views
}

/// Comes to the edge at a third of a height a second, sways about it by one hundredth of the picture for twenty seconds, and goes
/// on or back.
fn swaying(height: f32, period_s: f32, ahead: f32) -> impl Fn(f32) -> Option<f32> {
    const SWAY: f32 = 0.01;
    const SWAYS_S: f32 = 20.0;
    let speed = 0.3 * height;
    let way_s = (0.3 / speed).min(8.0);
    move |now_s| {
        let there_s = now_s - way_s;
        let sways_s = there_s.clamp(0.0, SWAYS_S);
        let sway = SWAY * (sways_s / period_s * std::f32::consts::TAU).sin();
        let way = if there_s < 0.0 { there_s } else { ahead * (there_s - sways_s) };
        (now_s < 2.0 * way_s + SWAYS_S).then_some(speed * way + sway)
    }
}

#[test]
fn who_sways_by_a_hundredth_about_a_line_crosses_it_once_or_there_and_back() {
    let mut checked = 0;
    for view in views(&[2.0, 7.0, 15.0]) {
        for (seed, period_s) in [(1, 0.8), (2, 2.0), (3, 5.0), (4, 10.0)] {
            // Nobody sways by more than their width and a half a second, and who goes half their width from frame to frame has
            // no track that turns back.
            let speed = 0.01 * std::f32::consts::TAU / period_s;
            if speed > 1.5 * view.size.0 || speed > 0.4 * view.size.0 * view.fps {
                continue;
            }
            checked += 1;
            let on = view.watch(seed, swaying(view.size.1, period_s, 1.0));
            assert_eq!((&on.crossings[..], on.stays), (&[Direction::In][..], 1), "{view:?}, {period_s} s");
            let back = view.watch(seed, swaying(view.size.1, period_s, -1.0));
            let there_and_back = back.crossings == [Direction::In, Direction::Out];
            assert!(there_and_back || back.crossings.is_empty(), "{view:?}, {period_s} s: {back:?}");
            assert!(back.stays <= 1, "{view:?}, {period_s} s: {back:?}");
        }
    }
    assert!(checked > 150, "{checked} cases");
}

#[test]
fn who_stands_on_a_line_with_boxes_that_jitter_crosses_it_once_at_most() {
    for view in views(&[2.0, 7.0, 25.0]).iter().map(|view| View { jitter: 0.05, ..*view }) {
        for seed in 0..3 {
            let (height, way_s) = (view.size.1, 4.0);
            let told = view.watch(seed, |now_s| {
                let there = (height * 0.4 * (now_s - way_s)).min(0.0);
                (now_s < way_s + 30.0).then_some(there)
            });
            assert!(told.crossings.len() <= 2 && told.stays <= 1, "{view:?}: {told:?}");
            assert!((0..=1).contains(&told.net()), "{view:?}: {told:?}");
        }
    }
}

#[test]
fn who_walks_over_a_line_crosses_it_once_however_slowly() {
    for view in views(&[2.0, 7.0, 25.0]) {
        // Heights per second.
        for speed in [0.05f32, 0.2, 0.6, 1.5] {
            let way = view.size.1.clamp(0.1, 0.4);
            let until_s = 2.0 * way / (speed * view.size.1);
            // Who comes farther than their width from frame to frame has no track, and who is gone at once has none either.
            if until_s < 3.0 || speed * view.size.1 / view.fps > 0.8 * view.size.0 {
                continue;
            }
            let told = view.watch(9, |now_s| (now_s <= until_s).then_some(speed * view.size.1 * now_s - way));
            assert_eq!(told.crossings, [Direction::In], "{view:?}, {speed} heights/s");
        }
    }
}

/// Two frames a second: there may be one frame beyond the line before the picture ends or the thing is gone.
#[test]
fn who_is_fast_crosses_on_a_single_frame_and_cars_do() {
    // A person, a car and a bus, and how far they come from frame to frame.
    for (size, step) in [((0.1, 0.33), 0.08), ((0.3, 0.2), 0.16), ((0.5, 0.3), 0.25)] {
        for share in [0.15, 0.4, 0.9] {
            for frames_beyond in [1u8, 2, 3] {
                let view = View { lie: Lie::Upright, size, jitter: 0.005, fps: 2.0 };
                let told = view.watch(3, |now_s| {
                    let frame = 2.0 * now_s;
                    (frame < 4.5 + f32::from(frames_beyond)).then_some(step * (share + frame - 5.0))
                });
                assert_eq!(told.crossings, [Direction::In], "{size:?}, {share}, {frames_beyond}");
            }
        }
    }
}

/// The net count is the number of sides that were changed, whatever somebody does.
#[test]
fn crossings_add_up_to_the_sides_that_were_changed() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let view = View {
            lie: if seed % 2 == 0 { Lie::Upright } else { Lie::Level },
            size: (0.06, 0.2),
            jitter: 0.01,
            fps: [4.0, 7.0, 15.0][(seed % 3) as usize],
        };
        // From one place to the next within two seconds.
        let places: Vec<f32> = (0..12).map(|_| 0.002 * random.from(0, 100) as f32 - 0.1).collect();
        let off_at = |now_s: f32| {
            let (leg, share) = ((now_s / 2.0) as usize, now_s / 2.0 % 1.0);
            let [from, to] = [leg, leg + 1].map(|index| places.get(index).copied());
            Some(from? + (to? - from?) * share)
        };
        let last = off_at(22.0 - 1.0 / view.fps).unwrap();
        if places[0].abs() < 0.03 || last.abs() < 0.03 {
            continue;
        }
        let told = view.watch(seed, off_at);
        let net = i32::from(last > 0.0) - i32::from(places[0] > 0.0);
        let alternate = told.crossings.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(alternate && told.net() == net, "{view:?}: {told:?}");
    }
}
