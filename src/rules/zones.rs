//! The life of a thing's stay in a zone in tags, and how many things are in each zone.
//!
//! A thing is inside by its foot point. What keeps tags from flickering where people walk along an edge: a stay is told
//! once it has lasted, and it is over only after a while outside, farther away than somebody sways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Vocabulary;
use crate::clock::Timestamp;
use crate::config;
use crate::detect::ClassId;
use crate::geometry::Polygon;
use crate::name::Name;
use crate::tag::{Body, Label, ModelRef, Occupancy, Phase, Tag, TrackId, Zone};
use crate::track::Track;

/// A stay is over when the thing has been seen outside for this long,
const LEFT_AFTER: Duration = Duration::from_secs(1);
/// farther from the edge than this, in heights of its box (or half widths, if it is a long thing): who stands on an edge
/// sways,
const NEAR: f32 = 0.2;
/// and than this in relative units, however small it is;
const LEAST_NEAR: f32 = 0.015;
/// or for this long, however near it is;
const LEFT_NEAR_AFTER: Duration = Duration::from_secs(10);
/// That a thing inside turns out to be something else is told no sooner than this after the last tag of its stay.
const LABEL_PAUSE: Duration = Duration::from_secs(1);

/// Turns the tracks of one camera into `zone` tags and occupancies.
#[derive(Debug)]
pub struct ZoneRules {
    camera: Name,
    vocabulary: Vocabulary,
    update_interval: Duration,
    zones: Vec<Place>,
}

/// A zone and what is in it.
#[derive(Debug)]
struct Place {
    name: Name,
    polygon: Polygon,
    min_dwell: Duration,
    /// The classes that it looks for.
    classes: BTreeSet<ClassId>,
    stays: BTreeMap<TrackId, Stay>,
    /// The occupancy that was given out last.
    counts: Option<BTreeMap<Label, u32>>,
}

/// One thing's stay in one zone.
#[derive(Debug)]
struct Stay {
    /// When the thing was seen last, and whether it was inside.
    last: Timestamp,
    inside: bool,
    /// How long it has been seen inside,
    dwell: Duration,
    /// outside since then,
    outside: Duration,
    /// and of that farther away than somebody sways.
    away: Duration,
    /// What was said last; nothing before its start.
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Timestamp,
    class: ClassId,
}

impl ZoneRules {
    /// Rules for the zones of `camera`, which look for `wanted` (everything when empty) unless they say otherwise. They
    /// send an update at least every `update_interval` while a thing stays.
    pub fn new(
        camera: Name,
        vocabulary: Vocabulary,
        zones: &[config::Zone],
        wanted: &[ClassId],
        update_interval: Duration,
    ) -> Self {
        let place = |zone: &config::Zone| Place {
            name: zone.name.clone(),
            polygon: zone.polygon.clone(),
            min_dwell: zone.min_dwell,
            classes: match &zone.labels {
                Some(labels) => vocabulary.classes(labels.iter().map(String::as_str)).into_iter().collect(),
                None if wanted.is_empty() => vocabulary.all().collect(),
                None => wanted.iter().copied().collect(),
            },
            stays: BTreeMap::new(),
            counts: None,
        };
        let zones = zones.iter().map(place).collect();
        ZoneRules { camera, vocabulary, update_interval, zones }
    }

    /// `model` makes the detections from now on, under the same labels.
    pub fn seen_by(&mut self, model: &Arc<ModelRef>) {
        self.vocabulary.model = Arc::clone(model);
    }

    /// The zones, and the labels that each looks for.
    pub fn zones(&self) -> impl Iterator<Item = (&Name, Vec<Label>)> {
        self.zones.iter().map(|place| {
            (&place.name, place.classes.iter().map(|class| self.vocabulary.label(*class)).collect())
        })
    }

    /// What is to be said after the frame captured at `at`, zone by zone and in the order of tracks. A hidden thing
    /// neither comes nor goes: where it is, is a guess.
    pub fn observe<'a>(
        &mut self,
        at: Timestamp,
        tracks: impl IntoIterator<Item = &'a Track, IntoIter: Clone>,
    ) -> Vec<Tag> {
        let tracks = tracks.into_iter().filter(|track| track.visible);
        let mut tags = Vec::new();
        for place in &mut self.zones {
            for track in tracks.clone() {
                let Some((phase, dwell)) = place.step(at, track, self.update_interval) else { continue };
                let class = place.class_told(track, phase);
                if phase == Phase::End {
                    place.stays.remove(&track.id);
                }
                let track = &Track { class, ..track.clone() };
                tags.push(place.tag(&self.camera, &self.vocabulary, phase, at, track, dwell));
            }
        }
        tags
    }

    /// The ends of the stays of `tracks`, each at the moment when the thing was last seen.
    pub fn end(&mut self, tracks: &[Track]) -> Vec<Tag> {
        let mut tags = Vec::new();
        for place in &mut self.zones {
            tags.extend(tracks.iter().filter_map(|track| place.end(&self.camera, &self.vocabulary, track)));
        }
        tags
    }

    /// Goes on as `new`, of the same camera and vocabulary. Zones that are the same keep their stays; the stays of
    /// `tracks` in the others end, each at the moment when the thing was last seen.
    pub fn change<'a>(
        &mut self,
        new: ZoneRules,
        tracks: impl IntoIterator<Item = &'a Track, IntoIter: Clone>,
    ) -> Vec<Tag> {
        let tracks = tracks.into_iter();
        let mut tags = Vec::new();
        for mut old in std::mem::replace(self, new).zones {
            if let Some(same) = self.zones.iter_mut().find(|new| new.is_like(&old)) {
                *same = old;
            } else {
                let end = |track| old.end(&self.camera, &self.vocabulary, track);
                tags.extend(tracks.clone().filter_map(end));
            }
        }
        tags
    }

    /// The occupancies as of `at` that have changed since they were asked for last; the first time all of them.
    pub fn occupancies(&mut self, at: Timestamp) -> Vec<Occupancy> {
        let mut changed = Vec::new();
        for place in &mut self.zones {
            let counts = place.count(&self.vocabulary);
            if place.counts.as_ref() != Some(&counts) {
                place.counts = Some(counts.clone());
                let (camera, zone) = (self.camera.clone(), place.name.clone());
                changed.push(Occupancy { camera, zone, at, counts });
            }
        }
        changed
    }
}

impl Place {
    /// Whether it looks for the same in the same way.
    fn is_like(&self, other: &Place) -> bool {
        self.name == other.name
            && self.polygon == other.polygon
            && self.min_dwell == other.min_dwell
            && self.classes == other.classes
    }

    /// The end of a track's stay, if it was told.
    fn end(&mut self, camera: &Name, vocabulary: &Vocabulary, track: &Track) -> Option<Tag> {
        let Some(Stay { dwell, told: Some(told), .. }) = self.stays.remove(&track.id) else { return None };
        let track = &Track { class: told.class, ..track.clone() };
        Some(self.tag(camera, vocabulary, Phase::End, track.last_seen, track, dwell))
    }

    /// Takes in where a track is; what is to be said of its stay, and how long that has lasted.
    fn step(&mut self, at: Timestamp, track: &Track, update_interval: Duration) -> Option<(Phase, Duration)> {
        let wanted = self.classes.contains(&track.class);
        let inside = wanted && self.polygon.contains(track.foot);
        if inside && !self.stays.contains_key(&track.id) {
            let [dwell, outside, away] = [Duration::ZERO; 3];
            self.stays.insert(track.id, Stay { last: at, inside, dwell, outside, away, told: None });
        }
        let near = || {
            let size = track.bbox.h.max(track.bbox.w / 2.0);
            wanted && self.polygon.distance(track.foot) < LEAST_NEAR.max(NEAR * size)
        };
        let stay = self.stays.get_mut(&track.id)?;
        // A clock that was set back adds nothing.
        let passed = at.since(stay.last);
        match (stay.inside, inside) {
            (true, true) => stay.dwell += passed,
            (false, true) => (stay.outside, stay.away) = (Duration::ZERO, Duration::ZERO),
            (_, false) => {
                stay.outside += passed;
                if stay.told.is_none() || !near() {
                    stay.away += passed;
                }
            }
        }
        (stay.last, stay.inside) = (at, inside);
        let phase = match stay.told {
            _ if stay.away >= LEFT_AFTER || stay.outside >= LEFT_NEAR_AFTER => Phase::End,
            None if inside && stay.dwell >= self.min_dwell => Phase::Start,
            Some(told) if inside && is_news(at, track, told, update_interval) => Phase::Update,
            _ => return None,
        };
        let dwell = stay.dwell;
        if phase == Phase::End && stay.told.is_none() {
            self.stays.remove(&track.id);
            return None;
        }
        if phase != Phase::End {
            stay.told = Some(Told { at, class: track.class });
        }
        Some((phase, dwell))
    }

    /// What the tag calls the thing: an end speaks of what was told before.
    fn class_told(&self, track: &Track, phase: Phase) -> ClassId {
        let told = self.stays.get(&track.id).and_then(|stay| stay.told);
        told.filter(|_| phase == Phase::End).map_or(track.class, |told| told.class)
    }

    fn tag(
        &self,
        camera: &Name,
        vocabulary: &Vocabulary,
        phase: Phase,
        at: Timestamp,
        track: &Track,
        dwell: Duration,
    ) -> Tag {
        let same = self.told().filter(|class| *class == track.class).count();
        let inside = u32::try_from(same).unwrap_or(u32::MAX);
        let body = Body::Zone(Zone { name: self.name.clone(), dwell, inside });
        vocabulary.tag(camera, phase, at, track, body)
    }

    /// How many of each class are told to be inside.
    fn count(&self, vocabulary: &Vocabulary) -> BTreeMap<Label, u32> {
        let mut counts: BTreeMap<Label, u32> =
            self.classes.iter().map(|class| (vocabulary.label(*class), 0)).collect();
        for class in self.told() {
            *counts.entry(vocabulary.label(class)).or_default() += 1;
        }
        counts
    }

    /// The class of every thing that is told to be inside.
    fn told(&self) -> impl Iterator<Item = ClassId> {
        self.stays.values().filter_map(|stay| Some(stay.told?.class))
    }
}

/// Whether a stay is to be told again. When the clock was set back, how long it was silent is not known, so it is told
/// at once.
fn is_news(at: Timestamp, track: &Track, told: Told, update_interval: Duration) -> bool {
    let silence = at.since(told.at);
    at < told.at || silence >= update_interval || (track.class != told.class && silence >= LABEL_PAUSE)
}

#[cfg(test)]
mod tests;
