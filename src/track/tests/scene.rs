//! A made-up scene: things that move straight ahead, a detector that misses and errs a little, and what the tracker
//! makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::geometry::{BBox, Point};
use crate::track::{Track, Tracker, TrackerConfig};

/// xorshift64*: enough chance for a scene, and the same every time.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// 0 to 1.
    pub(super) fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal, standard deviation 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

/// Something in the scene. Times in seconds, lengths relative to the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thing {
    pub(super) start: (f32, f32),
    pub(super) velocity: (f32, f32),
    pub(super) size: (f32, f32),
    /// Typical score of its detections.
    pub(super) score: f32,
    /// In what share of the frames the detector finds it.
    pub(super) seen: f32,
    pub(super) from_s: f32,
    pub(super) until_s: f32,
    /// Hidden from and until.
    pub(super) hidden_s: (f32, f32),
    pub(super) class: ClassId,
    /// How far its boxes are off, as standard deviations of x, y, width and height in sizes.
    pub(super) jitter: (f32, f32, f32, f32),
}

impl Thing {
    pub(super) fn center_at(&self, now_s: f32) -> Point {
        let age_s = now_s - self.from_s;
        Point { x: self.start.0 + self.velocity.0 * age_s, y: self.start.1 + self.velocity.1 * age_s }
    }

    fn bbox_at(&self, now_s: f32) -> BBox {
        let center = self.center_at(now_s);
        BBox::from_center(center.x, center.y, self.size.0, self.size.1)
    }

    fn detect(&self, now_s: f32, random: &mut Random) -> Option<Detection> {
        let there = (self.from_s..self.until_s).contains(&now_s);
        let hidden = (self.hidden_s.0..self.hidden_s.1).contains(&now_s);
        if !there || hidden || random.unit() >= self.seen {
            return None;
        }
        let center = self.center_at(now_s);
        let mut around = |value: f32, sd: f32| value + sd * random.normal();
        let (w, h) = self.size;
        let bbox = BBox::from_center(
            around(center.x, self.jitter.0 * w),
            around(center.y, self.jitter.1 * h),
            around(w, self.jitter.2 * w).max(0.2 * w),
            around(h, self.jitter.3 * h).max(0.2 * h),
        );
        Some(Detection { class: self.class, score: around(self.score, 0.05).clamp(0.05, 0.98), bbox })
    }
}

/// Things, and when a camera looks at them.
pub(super) struct Scene {
    things: Vec<Thing>,
    times_s: Vec<f32>,
    random: Random,
    occluding: bool,
}

impl Scene {
    /// Looks `fps` times a second until the last thing is gone.
    pub(super) fn new(things: &[Thing], fps: u32, seed: u64) -> Self {
        let until_s = things.iter().map(|thing| thing.until_s).fold(0.0, f32::max);
        let times_s = (0..).map(|frame| frame as f32 / fps as f32).take_while(|now| *now < until_s).collect();
        Scene { things: things.to_vec(), times_s, random: Random::new(seed), occluding: false }
    }

    /// Looks at these times instead.
    pub(super) fn at_times(mut self, times_s: Vec<f32>) -> Self {
        self.times_s = times_s;
        self
    }

    /// A thing is not found while an earlier one of the list covers more than half of it.
    pub(super) fn occluding(mut self) -> Self {
        self.occluding = true;
        self
    }

    /// Lets a tracker with the default parameters watch it all, for which class 0 lives.
    pub(super) fn run(mut self) -> Log {
        let mut tracker =
            Tracker::new(TrackerConfig { animate: vec![ClassId(0)], ..TrackerConfig::default() });
        let mut log = Log { things: self.things.clone(), frames: Vec::new(), ended: Vec::new() };
        for &now_s in &self.times_s {
            let mut detections: Vec<Detection> = Vec::new();
            for (index, thing) in self.things.iter().enumerate() {
                let bbox = thing.bbox_at(now_s);
                let covers = |other: &Thing| other.bbox_at(now_s).intersection(&bbox) > 0.5 * bbox.area();
                let covered = self.occluding && self.things[..index].iter().any(covers);
                detections.extend(thing.detect(now_s, &mut self.random).filter(|_| !covered));
            }
            let at = Timestamp::EPOCH + Duration::from_secs_f32(now_s);
            log.ended.extend(tracker.step(at, &detections));
            log.frames.push((now_s, tracker.tracks().cloned().collect()));
        }
        log.ended.extend(tracker.finish());
        log
    }
}

/// What a tracker made of a scene.
pub(super) struct Log {
    things: Vec<Thing>,
    frames: Vec<(f32, Vec<Track>)>,
    pub(super) ended: Vec<Track>,
}

impl Log {
    /// All ids that were ever given.
    pub(super) fn ids(&self) -> Vec<u64> {
        let ids: BTreeSet<u64> =
            self.frames.iter().flat_map(|frame| &frame.1).map(|track| track.id.0).collect();
        ids.into_iter().collect()
    }

    /// When the first track was confirmed, in seconds after `start_s`.
    pub(super) fn first_confirmation_s(&self, start_s: f32) -> Option<f32> {
        self.frames.iter().find(|frame| !frame.1.is_empty()).map(|frame| frame.0 - start_s)
    }

    /// The only track at a time.
    pub(super) fn track_at(&self, now_s: f32) -> &Track {
        let frame = self.frames.iter().find(|frame| frame.0 >= now_s).expect("the scene lasts that long");
        assert_eq!(frame.1.len(), 1);
        &frame.1[0]
    }

    /// For each thing, the ids of the visible tracks on it while nothing else is near.
    pub(super) fn ids_of_things(&self) -> Vec<BTreeSet<u64>> {
        let mut ids = vec![BTreeSet::new(); self.things.len()];
        for (now_s, tracks) in &self.frames {
            for track in tracks.iter().filter(|track| track.visible) {
                let on = |thing: &&Thing| thing.bbox_at(*now_s).iou(&track.bbox) > 0.0;
                if self.things.iter().filter(on).count() != 1 {
                    continue;
                }
                let thing = self.things.iter().position(|thing| on(&thing)).expect("counted one");
                ids[thing].insert(track.id.0);
            }
        }
        ids
    }
}
