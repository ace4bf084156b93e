//! A scene with a known truth: people who walk behind things, and what a detector finds of them.
//!
//! Detections are those of the part that is seen. Their score falls with it, and where too little is seen there is none.
//! Edges jitter, strides widen boxes, and there is clutter.

use std::collections::BTreeMap;
use std::time::Duration;

use spotter::clock::Timestamp;
use spotter::detect::{ClassId, Detection};
use spotter::geometry::{BBox, Point};
use spotter::rules::LineRules;
use spotter::tag::{Body, Direction, Phase};
use spotter::track::{Tracker, TrackerConfig};

use crate::random;

/// A body's width in its heights, both relative to a 4:3 picture: 0.4 as it stands.
pub const WIDTH: f32 = 0.3;
/// What a body height is across.
pub const ACROSS: f32 = 0.75;
pub const GROUND: f32 = 0.75;

/// Chance that is the same for the same seed.
struct Random(random::Random);

impl Random {
    /// From 0 to 1.
    fn unit(&mut self) -> f32 {
        self.0.from(0, 1 << 24) as f32 / (1u64 << 24) as f32
    }

    /// About normal, with a standard deviation of 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

/// Somebody who walks across.
#[derive(Clone, Copy)]
pub struct Walker {
    /// Where its foot is at `at_s`, across.
    pub x: f32,
    pub at_s: f32,
    /// To the right, in body heights per second.
    pub speed: f32,
    pub height: f32,
    pub ground: f32,
    pub from_s: f32,
    pub stops_s: f32,
}

impl Walker {
    pub fn walking(at_s: f32, speed: f32, height: f32) -> Self {
        Walker { x: 0.5, at_s, speed, height, ground: GROUND, from_s: 0.0, stops_s: f32::INFINITY }
    }

    /// Its whole box.
    fn whole(&self, now_s: f32) -> BBox {
        let way = self.speed * self.height * ACROSS * (now_s.min(self.stops_s) - self.at_s);
        let (w, h) = (WIDTH * self.height, self.height);
        BBox { x: self.x + way - w / 2.0, y: self.ground - h, w, h }
    }
}

/// What there is, and when a camera looks at it.
pub struct Scene {
    pub bodies: Vec<Walker>,
    /// What stands in front of all of them.
    pub screens: Vec<BBox>,
    pub fps: f32,
    pub until_s: f32,
    /// The share of a body that must be seen for a detection now and then.
    pub least: f32,
    pub clutter: bool,
}

/// A post in the middle of the picture.
pub fn pillar(width: f32) -> BBox {
    BBox { x: 0.5 - width / 2.0, y: -1.0, w: width, h: 3.0 }
}

/// The hull of what is seen of `whole` between `screens`, and the share of it that is seen. Splinters are left out.
fn visible(whole: &BBox, screens: &[BBox]) -> Option<(BBox, f32)> {
    const CELLS: usize = 24;
    let at = |from: f32, length: f32, cell: usize| from + length * (cell as f32 + 0.5) / CELLS as f32;
    let is_seen = |column: usize, row: usize| {
        let (x, y) = (at(whole.x, whole.w, column), at(whole.y, whole.h, row));
        let covers = |s: &BBox| (s.x..s.right()).contains(&x) && (s.y..s.bottom()).contains(&y);
        (Point { x, y }).is_in_image() && !screens.iter().any(covers)
    };
    let columns: Vec<bool> = (0..CELLS).map(|c| (0..CELLS).any(|row| is_seen(c, row))).collect();
    let rows: Vec<bool> = (0..CELLS).map(|r| (0..CELLS).any(|column| is_seen(column, r))).collect();
    let hull = |line: &[bool]| {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (cell, _) in line.iter().enumerate().filter(|(_, seen)| **seen) {
            match runs.last_mut() {
                Some((_, end)) if *end == cell => *end += 1,
                _ => runs.push((cell, cell + 1)),
            }
        }
        let large = |run: &&(usize, usize)| run.1 - run.0 >= CELLS / 4;
        let joined = runs.iter().find(large).zip(runs.iter().rfind(large)).map(|(a, b)| (a.0, b.1));
        joined.or_else(|| runs.iter().max_by_key(|run| run.1 - run.0).copied())
    };
    let ((left, right), (top, bottom)) = (hull(&columns)?, hull(&rows)?);
    let seen = (0..CELLS * CELLS).filter(|cell| is_seen(cell % CELLS, cell / CELLS)).count();
    let (cell_w, cell_h) = (whole.w / CELLS as f32, whole.h / CELLS as f32);
    let part = BBox {
        x: whole.x + left as f32 * cell_w,
        y: whole.y + top as f32 * cell_h,
        w: (right - left) as f32 * cell_w,
        h: (bottom - top) as f32 * cell_h,
    };
    Some((part, seen as f32 / (CELLS * CELLS) as f32))
}

impl Scene {
    fn detect(&self, now_s: f32, random: &mut Random) -> Vec<Detection> {
        let mut detections = Vec::new();
        let mut add = |score: f32, bbox: BBox| {
            let score = score.clamp(0.0, 0.98);
            detections.extend((score >= 0.1).then_some(Detection { class: ClassId(0), score, bbox }));
        };
        for (index, body) in self.bodies.iter().enumerate().filter(|(_, body)| now_s >= body.from_s) {
            let stride =
                if now_s < body.stops_s { 1.0 + 0.2 * (9.0 * now_s + index as f32).sin() } else { 1.0 };
            let whole = body.whole(now_s);
            let whole = BBox::from_center(whole.center().x, whole.center().y, whole.w * stride, whole.h);
            let nearer = self.bodies[..index].iter().filter(|other| now_s >= other.from_s);
            let trunk = |other: &Walker| {
                let box_of = other.whole(now_s);
                BBox { x: box_of.x + 0.15 * box_of.w, w: 0.7 * box_of.w, ..box_of }
            };
            let screens: Vec<BBox> = self.screens.iter().copied().chain(nearer.map(trunk)).collect();
            let Some((part, share)) = visible(&whole, &screens) else { continue };
            let found = random.unit() < ((share - self.least) / 0.15).clamp(0.0, 0.97);
            let mut off = |sd: f32, side: f32| sd * side * random.normal();
            let bbox = BBox::from_corners(
                part.x + off(0.03, whole.w),
                part.y + off(0.02, whole.h),
                part.right() + off(0.03, whole.w),
                part.bottom() + off(0.025, whole.h),
            );
            let score = 0.75 * (0.35 + 0.65 * share) + off(0.05, 1.0);
            if found {
                add(score, bbox);
            }
        }
        for _ in 0..if self.clutter { 2 } else { 0 } {
            let (chance, score, h) = (random.unit(), random.unit(), 0.05 + 0.3 * random.unit());
            let bbox = BBox::from_center(random.unit(), random.unit(), 0.3 * h, h);
            if chance < 0.4 {
                add(0.1 + 0.25 * score, bbox);
            }
        }
        detections
    }

    /// For each body, the ids of the visible tracks that are nearest to it, with the times.
    pub fn watch(&self, seed: u64, lines: &mut LineRules) -> Watched {
        let mut random = Random(random::Random(seed));
        let mut tracker =
            Tracker::new(TrackerConfig { animate: vec![ClassId(0)], ..TrackerConfig::default() });
        let mut watched = Watched { ids: vec![Vec::new(); self.bodies.len()], crossings: Vec::new() };
        let mut tags = Vec::new();
        for frame in 0..(self.until_s * self.fps) as u32 {
            let now_s = frame as f32 / self.fps;
            let late_s = 0.1 * random.unit() / self.fps;
            let at = Timestamp::EPOCH + Duration::from_secs_f32(now_s + late_s);
            let detections = self.detect(now_s, &mut random);
            tags.extend(lines.end(&tracker.step(at, &detections)));
            tags.extend(lines.observe(at, tracker.tracks()));
            for track in tracker.tracks().filter(|track| track.visible) {
                let off = |body: &Walker| {
                    let (whole, center) = (body.whole(now_s), track.bbox.center());
                    let x = (center.x - whole.center().x) / whole.w;
                    let y = (center.y - whole.center().y) / whole.h;
                    x.hypot(y) + (track.bbox.h / whole.h).ln().abs()
                };
                let there = self.bodies.iter().enumerate().filter(|(_, body)| now_s >= body.from_s);
                let nearest = there.map(|(index, body)| (off(body), index));
                if let Some((off, index)) = nearest.min_by(|a, b| a.0.total_cmp(&b.0))
                    && off < 1.2
                {
                    watched.ids[index].push((now_s, track.id.0));
                }
            }
        }
        tags.extend(lines.end(&tracker.finish()));
        for tag in tags.iter().filter(|tag| tag.phase == Phase::Start) {
            let Body::Line(line) = &tag.body else { panic!("of no line: {tag:?}") };
            watched.crossings.push(line.direction);
        }
        watched
    }
}

/// What the tracker and the rules made of a scene.
pub struct Watched {
    ids: Vec<Vec<(f32, u64)>>,
    pub crossings: Vec<Direction>,
}

impl Watched {
    /// The id that a body has most often between two times.
    pub fn id(&self, body: usize, from_s: f32, until_s: f32) -> Option<u64> {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, id) in self.ids[body].iter().filter(|(at_s, _)| (from_s..until_s).contains(at_s)) {
            *counts.entry(*id).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(id, _)| id)
    }
}
