//! Crossings of lines in tags: a start when a thing has crossed, an end when it is done with the line.
//!
//! A thing crosses with its foot point. What keeps who stands on a line from crossing it all the time: only who has come
//! away from it is on one of its sides, and a crossing leads from one side to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Vocabulary, foot};
use crate::clock::Timestamp;
use crate::config;
use crate::detect::ClassId;
use crate::geometry::{Point, Segment};
use crate::name::Name;
use crate::tag::{Body, Direction, Line, Phase, Tag, TrackId};
use crate::track::Track;

/// A thing is on a side of a line when it is so far from it, in heights of its box: its foot point jitters with its size.
const MARGIN_HEIGHTS: f32 = 0.05;
/// The same for the smallest things, in relative units.
const LEAST_MARGIN: f32 = 0.005;
/// Who is so many margins away is done with the line,
const DONE_MARGINS: f32 = 3.0;
/// and so is everybody after this.
const DONE_AFTER: Duration = Duration::from_secs(1);

/// Turns the tracks of one camera into `line` tags.
#[derive(Debug)]
pub struct LineRules {
    camera: Name,
    vocabulary: Vocabulary,
    lines: Vec<Guard>,
}

/// A line and who was seen near it.
#[derive(Debug)]
struct Guard {
    name: Name,
    segment: Segment,
    /// The classes that it looks for; all when absent.
    classes: Option<BTreeSet<ClassId>>,
    walkers: BTreeMap<TrackId, Walker>,
}

/// One thing's way past one line.
#[derive(Debug)]
struct Walker {
    /// Its foot point when it was seen last.
    foot: Point,
    /// The side that it has last been on for sure; nothing as long as it has only been seen on the line.
    side: Option<Side>,
    /// Whether it was between the line's ends when it last went over the line, made endless.
    through: bool,
    crossing: Option<Crossing>,
}

/// A crossing that was told and is not done.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    at: Timestamp,
    class: ClassId,
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl LineRules {
    /// Rules for the lines of `camera`.
    pub fn new(camera: Name, vocabulary: Vocabulary, lines: &[config::Line]) -> Self {
        let guard = |line: &config::Line| Guard {
            name: line.name.clone(),
            segment: line.segment,
            classes: line
                .labels
                .as_ref()
                .map(|labels| vocabulary.classes(labels.iter().map(String::as_str)).into_iter().collect()),
            walkers: BTreeMap::new(),
        };
        let lines = lines.iter().map(guard).collect();
        LineRules { camera, vocabulary, lines }
    }

    /// What is to be said after the frame captured at `at`, line by line and in the order of tracks.
    pub fn observe<'a>(
        &mut self,
        at: Timestamp,
        tracks: impl IntoIterator<Item = &'a Track, IntoIter: Clone>,
    ) -> Vec<Tag> {
        let tracks = tracks.into_iter();
        let mut tags = Vec::new();
        for guard in &mut self.lines {
            for track in tracks.clone() {
                for (phase, crossing) in guard.step(at, track) {
                    tags.push(guard.tag(&self.camera, &self.vocabulary, phase, at, track, crossing));
                }
            }
        }
        tags
    }

    /// The ends of the crossings of `tracks`, each at the moment when the thing was last seen.
    pub fn end(&mut self, tracks: &[Track]) -> Vec<Tag> {
        let mut tags = Vec::new();
        for guard in &mut self.lines {
            tags.extend(tracks.iter().filter_map(|track| guard.end(&self.camera, &self.vocabulary, track)));
        }
        tags
    }

    /// Goes on as `new`, of the same camera and vocabulary. Lines that are the same go on; the crossings by `tracks` of
    /// the others end, each at the moment when the thing was last seen.
    pub fn change<'a>(
        &mut self,
        new: LineRules,
        tracks: impl IntoIterator<Item = &'a Track, IntoIter: Clone>,
    ) -> Vec<Tag> {
        let tracks = tracks.into_iter();
        let mut tags = Vec::new();
        for mut old in std::mem::replace(self, new).lines {
            if let Some(same) = self.lines.iter_mut().find(|new| new.is_like(&old)) {
                *same = old;
            } else {
                let end = |track| old.end(&self.camera, &self.vocabulary, track);
                tags.extend(tracks.clone().filter_map(end));
            }
        }
        tags
    }
}

impl Guard {
    /// Whether it looks for the same in the same place.
    fn is_like(&self, other: &Guard) -> bool {
        self.name == other.name && self.segment == other.segment && self.classes == other.classes
    }

    /// The end of a track's crossing, if there is one.
    fn end(&mut self, camera: &Name, vocabulary: &Vocabulary, track: &Track) -> Option<Tag> {
        let crossing = self.walkers.remove(&track.id)?.crossing?;
        Some(self.tag(camera, vocabulary, Phase::End, track.last_seen, track, crossing))
    }

    /// Takes in where a track is, and gives what is to be said of its crossings. Where a hidden thing is, is a guess, so
    /// for it only time goes on.
    fn step(&mut self, at: Timestamp, track: &Track) -> Vec<(Phase, Crossing)> {
        let wanted = self.classes.as_ref().is_none_or(|classes| classes.contains(&track.class));
        let foot = foot(track);
        if !track.visible && !self.walkers.contains_key(&track.id) {
            return Vec::new();
        }
        let walker = self.walkers.entry(track.id).or_insert_with(|| Walker::new(foot));
        let mut told = Vec::new();
        let margin = LEAST_MARGIN.max(MARGIN_HEIGHTS * track.bbox.h);
        let distance = self.segment.distance_to_right(foot);
        let direction = if track.visible { walker.go(foot, distance, margin, &self.segment) } else { None };
        // A second crossing ends the first.
        let done = |crossing: &mut Crossing| {
            let late = at < crossing.at || at.since(crossing.at) >= DONE_AFTER;
            let away = track.visible && distance.abs() >= DONE_MARGINS * margin;
            late || away || direction.is_some()
        };
        if let Some(crossing) = walker.crossing.take_if(done) {
            told.push((Phase::End, crossing));
        }
        if let Some(direction) = direction.filter(|_| wanted) {
            let crossing = Crossing { at, class: track.class, direction };
            walker.crossing = Some(crossing);
            told.push((Phase::Start, crossing));
        }
        told
    }

    fn tag(
        &self,
        camera: &Name,
        vocabulary: &Vocabulary,
        phase: Phase,
        at: Timestamp,
        track: &Track,
        crossing: Crossing,
    ) -> Tag {
        // An end is called what its start was called.
        let track = Track { class: crossing.class, ..track.clone() };
        let body = Body::Line(Line { name: self.name.clone(), direction: crossing.direction });
        vocabulary.tag(camera, phase, at, &track, body)
    }
}

impl Walker {
    fn new(foot: Point) -> Self {
        Walker { foot, side: None, through: false, crossing: None }
    }

    /// Goes on to `foot`; the direction when that brings it from one side to the other through the line.
    fn go(&mut self, foot: Point, distance: f32, margin: f32, segment: &Segment) -> Option<Direction> {
        let before = segment.distance_to_right(self.foot);
        if (before > 0.0) != (distance > 0.0) {
            self.through = segment.is_between_ends(self.foot, foot);
        }
        self.foot = foot;
        let side = if distance > 0.0 { Side::Right } else { Side::Left };
        if distance.abs() < margin {
            return None;
        }
        let other = self.side.replace(side).is_some_and(|before| before != side);
        (other && self.through).then_some(match side {
            Side::Right => Direction::In,
            Side::Left => Direction::Out,
        })
    }
}

#[cfg(test)]
mod tests;
