//! Crossings of lines in tags: a start when a thing has crossed, an end when it is done with the line.
//!
//! A thing crosses with its foot point. It has crossed when the other side was really reached: seen there twice, clear of
//! the line by a margin that follows its size and its jitter; and to be back it must come farther than somebody sways. When
//! its track ends, the side where it was seen last counts, so crossings add up to the sides that were changed.

mod walker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Vocabulary;
use crate::clock::Timestamp;
use crate::config;
use crate::detect::ClassId;
use crate::geometry::{BBox, Segment};
use crate::name::Name;
use crate::tag::{Body, Direction, Line, ModelRef, Phase, Tag, TrackId};
use crate::track::Track;
use walker::{Over, Walker};

/// Who is this many margins away is done with the line,
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
    passers: BTreeMap<TrackId, Passer>,
}

/// A thing on its way past a line, and its crossing that was told and is not done.
#[derive(Debug)]
struct Passer {
    walker: Walker,
    crossing: Option<Crossing>,
}

/// A crossing that was told and is not done.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    at: Timestamp,
    class: ClassId,
    direction: Direction,
}

/// What is to be said of a crossing.
#[derive(Clone, Copy, Debug)]
struct Told {
    phase: Phase,
    at: Timestamp,
    bbox: BBox,
    score: f32,
    crossing: Crossing,
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
            passers: BTreeMap::new(),
        };
        let lines = lines.iter().map(guard).collect();
        LineRules { camera, vocabulary, lines }
    }

    /// `model` makes the detections from now on, under the same labels.
    pub fn seen_by(&mut self, model: &Arc<ModelRef>) {
        self.vocabulary.model = Arc::clone(model);
    }

    /// What is to be said after the frame captured at `at`, line by line and in the order of tracks. A crossing is told when
    /// it is certain, as of the moment when the thing came over.
    pub fn observe<'a>(
        &mut self,
        at: Timestamp,
        tracks: impl IntoIterator<Item = &'a Track, IntoIter: Clone>,
    ) -> Vec<Tag> {
        let tracks = tracks.into_iter();
        let mut tags = Vec::new();
        for guard in &mut self.lines {
            for track in tracks.clone() {
                let told = guard.step(at, track);
                tags.extend(told.iter().map(|told| guard.tag(&self.camera, &self.vocabulary, track, *told)));
            }
        }
        tags
    }

    /// The ends of the crossings of `tracks`, each at the moment when the thing was last seen. Who was seen last on the other
    /// side of a line has crossed it, too.
    pub fn end(&mut self, tracks: &[Track]) -> Vec<Tag> {
        let mut tags = Vec::new();
        for guard in &mut self.lines {
            for track in tracks {
                let told = guard.end(track);
                tags.extend(told.iter().map(|told| guard.tag(&self.camera, &self.vocabulary, track, *told)));
            }
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
                for track in tracks.clone() {
                    let told = old.close(track);
                    tags.extend(told.map(|told| old.tag(&self.camera, &self.vocabulary, track, told)));
                }
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
    fn close(&mut self, track: &Track) -> Option<Told> {
        let crossing = self.passers.remove(&track.id)?.crossing?;
        Some(Told::end(track.last_seen, track, crossing))
    }

    /// Takes in that a track is over, and gives what is to be said of its crossings.
    fn end(&mut self, track: &Track) -> Vec<Told> {
        let over = self.passers.get(&track.id).and_then(|passer| passer.walker.end(track, &self.segment));
        let over = over.filter(|_| self.looks_for(track));
        let mut told: Vec<Told> = self.close(track).into_iter().collect();
        if let Some((over, side)) = over {
            // What was told before ends where this begins.
            told.iter_mut().for_each(|end| end.at = over.at);
            let crossing = Crossing { at: over.at, class: track.class, direction: side.direction() };
            told.extend([Told::start(&over, crossing), Told::end(track.last_seen, track, crossing)]);
        }
        told
    }

    fn looks_for(&self, track: &Track) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&track.class))
    }

    /// Takes in where a track is, and gives what is to be said of its crossings. Where a hidden thing is, is a guess, so
    /// for it only time goes on.
    fn step(&mut self, at: Timestamp, track: &Track) -> Vec<Told> {
        let wanted = self.looks_for(track);
        if !track.visible && !self.passers.contains_key(&track.id) {
            return Vec::new();
        }
        let new = || Passer { walker: Walker::new(track.foot), crossing: None };
        let Passer { walker, crossing } = self.passers.entry(track.id).or_insert_with(new);
        let over = if track.visible { walker.go(at, track, &self.segment) } else { walker.hide() };
        let distance = self.segment.distance_to_right(track.foot);
        let mut told = Vec::new();
        // A second crossing ends the first.
        let done = |crossing: &mut Crossing| {
            let late = at < crossing.at || at.since(crossing.at) >= DONE_AFTER;
            let away = track.visible && distance.abs() >= DONE_MARGINS * walker::clear(track);
            late || away || over.is_some()
        };
        if let Some(ended) = crossing.take_if(done) {
            let at = over.map_or(at, |(over, _)| over.at.min(at));
            told.push(Told::end(at, track, ended));
        }
        if let Some((over, side)) = over.filter(|_| wanted) {
            let begun = Crossing { at, class: track.class, direction: side.direction() };
            *crossing = Some(begun);
            told.push(Told::start(&over, begun));
        }
        told
    }

    fn tag(&self, camera: &Name, vocabulary: &Vocabulary, track: &Track, told: Told) -> Tag {
        let Told { phase, at, bbox, score, crossing } = told;
        // An end is called what its start was called.
        let track = Track { class: crossing.class, bbox, score, ..track.clone() };
        let body = Body::Line(Line { name: self.name.clone(), direction: crossing.direction });
        vocabulary.tag(camera, phase, at, &track, body)
    }
}

impl Told {
    fn end(at: Timestamp, track: &Track, crossing: Crossing) -> Self {
        Told { phase: Phase::End, at, bbox: track.bbox, score: track.score, crossing }
    }

    fn start(over: &Over, crossing: Crossing) -> Self {
        Told { phase: Phase::Start, at: over.at, bbox: over.bbox, score: over.score, crossing }
    }
}

#[cfg(test)]
mod tests;
