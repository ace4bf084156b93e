//! One thing's way past one line: on which side it is, and when it is certain that it came over.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::geometry::{BBox, Point, Segment};
use crate::tag::Direction;
use crate::track::Track;

/// A thing has come over a line when it was clear of it by this on the other side, in sizes of its box,
const CLEAR: f32 = 0.05;
/// and by this, in relative units, however small it is.
const LEAST_CLEAR: f32 = 0.005;
/// Where its foot point jitters, it must be clear by this many standard deviations of that,
const CLEAR_SDS: f32 = 3.0;
/// but by no more than this.
const MOST_CLEAR: f32 = 0.15;
/// A thing that has just come over is back when it was this far away on the side that it came from: who stands on a line
/// sways.
const BACK: f32 = 0.2;
/// The same in relative units, however small it is.
const LEAST_BACK: f32 = 0.015;
/// It is back as well when it has been on that side for this long.
const BACK_AFTER: Duration = Duration::from_secs(10);
/// Nearer than this, or than it jitters, nobody can say on which side a thing begins or ends.
const FAINT: f32 = 0.02;
/// The same in relative units: a pixel or two.
const LEAST_FAINT: f32 = 0.001;
/// One box may be wrong: a thing must be seen on the other side on this many frames in a row, or for the last time.
const SIGHTINGS: u32 = 2;
/// The share that the last look has of the jitter.
const JITTER_SHARE: f32 = 0.1;
/// Standard deviation of independent errors whose mean way back is 1.
const SDS_OF_BACK: f32 = 1.77;

/// One thing's way past one line.
#[derive(Debug)]
pub(super) struct Walker {
    /// Its foot point when it was seen last.
    foot: Point,
    jitter: Jitter,
    /// The side that it is on as far as tags have told; nothing while it has only been seen on the line.
    side: Option<Side>,
    /// Whether it was clear of the line there. Who is not must go farther to be on the other side.
    settled: bool,
    /// Whether it came to that side over the line.
    came_over: bool,
    /// That it is on the other side now, when it is.
    over: Option<Over>,
}

/// The first sighting of a thing on the other side of a line, and how it went on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over {
    pub(super) at: Timestamp,
    pub(super) bbox: BBox,
    pub(super) score: f32,
    /// Whether the way there led between the line's ends.
    through: bool,
    sightings: u32,
    farthest: f32,
}

/// How much a distance jitters: how far it goes back and forth from frame to frame. Who walks, stops or turns round does
/// that seldom.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    /// The last distance, and how it got there.
    last: Option<f32>,
    step: f32,
    /// The mean way back.
    back: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    fn of(distance: f32) -> Self {
        if distance > 0.0 { Side::Right } else { Side::Left }
    }

    fn other(self) -> Self {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }

    /// The direction that leads to it.
    pub(super) fn direction(self) -> Direction {
        match self {
            Side::Right => Direction::In,
            Side::Left => Direction::Out,
        }
    }
}

impl Walker {
    pub(super) fn new(foot: Point) -> Self {
        Walker { foot, jitter: Jitter::default(), side: None, settled: false, came_over: false, over: None }
    }

    /// It is not seen on this frame.
    pub(super) fn hide(&mut self) -> Option<(Over, Side)> {
        self.jitter.hide();
        None
    }

    /// Its way is over: when it was seen last on the other side, how it came there and to which side.
    pub(super) fn end(&self, track: &Track, segment: &Segment) -> Option<(Over, Side)> {
        let faint = FAINT * size(track);
        let faint = LEAST_FAINT.max(faint.max(self.jitter.sd()).min(MOST_CLEAR * size(track)));
        let is_over = segment.distance_to_right(self.foot).abs() >= faint;
        self.over.filter(|over| over.through && is_over).zip(self.side.map(Side::other))
    }

    /// Goes on to where the track is seen; when that makes it certain that it came over the line, how and to which side.
    pub(super) fn go(&mut self, at: Timestamp, track: &Track, segment: &Segment) -> Option<(Over, Side)> {
        let distance = segment.distance_to_right(track.foot);
        let (now, far) = (Side::of(distance), distance.abs());
        let before = std::mem::replace(&mut self.foot, track.foot);
        let size = size(track);
        self.jitter.see(distance);
        let clear = clear(track).max(CLEAR_SDS * self.jitter.sd()).min(MOST_CLEAR * size).max(LEAST_CLEAR);
        let back = LEAST_BACK.max(BACK * size);
        let Some(side) = self.side else {
            if far >= LEAST_FAINT.max(FAINT * size) {
                (self.side, self.settled) = (Some(now), far >= clear);
            }
            return None;
        };
        if now == side {
            self.over = None;
            self.settled |= far >= if self.came_over { back } else { clear };
            return None;
        }
        let through = segment.is_between_ends(before, track.foot);
        let (bbox, score) = (track.bbox, track.score);
        let first = Over { at, bbox, score, through, sightings: 0, farthest: 0.0 };
        let over = self.over.get_or_insert(first);
        over.sightings += 1;
        over.farthest = over.farthest.max(far);
        let reached = over.farthest >= if self.settled { clear } else { back }
            || (far >= clear && at.since(over.at) >= BACK_AFTER);
        if !reached || over.sightings < SIGHTINGS {
            return None;
        }
        let over = self.over.take()?;
        (self.side, self.came_over, self.settled) = (Some(now), true, far >= back);
        over.through.then_some((over, now))
    }
}

impl Jitter {
    /// Takes in the distance on the next frame.
    fn see(&mut self, distance: f32) {
        if let Some(last) = self.last.replace(distance) {
            let step = distance - last;
            let back = if step * self.step < 0.0 { step.abs().min(self.step.abs()) } else { 0.0 };
            self.back += (back - self.back) * JITTER_SHARE;
            self.step = step;
        }
    }

    /// The thing is not seen on this frame.
    fn hide(&mut self) {
        (self.last, self.step) = (None, 0.0);
    }

    /// Its standard deviation.
    fn sd(&self) -> f32 {
        SDS_OF_BACK * self.back
    }
}

/// How far a thing must be from a line that is clear of it whose foot point does not jitter.
pub(super) fn clear(track: &Track) -> f32 {
    LEAST_CLEAR.max(CLEAR * size(track))
}

/// The size of a thing, by which its jitter goes: its height, or half of its width if it is a long one.
fn size(track: &Track) -> f32 {
    track.bbox.h.max(track.bbox.w / 2.0)
}
