//! The life of an object in tags: one start, updates when something changes or after a while of silence, one end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Vocabulary;
use crate::clock::Timestamp;
use crate::detect::ClassId;
use crate::geometry::BBox;
use crate::name::Name;
use crate::tag::{Body, ModelRef, Phase, Summary, Tag, TrackId};
use crate::track::Track;

/// A thing that overlaps less than this with where it was said to be has moved (intersection over union).
const MOVED_IOU: f32 = 0.3;
/// That a thing moved is told no sooner than this after the last tag of its track: a walker moves all the time.
const MOVED_PAUSE: Duration = Duration::from_secs(3);
/// The same for a thing that turns out to be something else.
const LABEL_PAUSE: Duration = Duration::from_secs(1);

/// Turns the tracks of one camera into `object` tags.
#[derive(Debug)]
pub struct ObjectRules {
    camera: Name,
    vocabulary: Vocabulary,
    update_interval: Duration,
    /// What was last said of every track that is told of.
    told: BTreeMap<TrackId, Told>,
}

#[derive(Debug)]
struct Told {
    at: Timestamp,
    class: ClassId,
    bbox: BBox,
}

impl ObjectRules {
    /// Rules for `camera` that send an update at least every `update_interval` while a thing stays.
    pub fn new(camera: Name, vocabulary: Vocabulary, update_interval: Duration) -> Self {
        ObjectRules { camera, vocabulary, update_interval, told: BTreeMap::new() }
    }

    /// `model` makes the detections from now on, under the same labels.
    pub fn seen_by(&mut self, model: &Arc<ModelRef>) {
        self.vocabulary.model = Arc::clone(model);
    }

    /// Sends an update at least so often from now on.
    pub fn update_every(&mut self, update_interval: Duration) {
        self.update_interval = update_interval;
    }

    /// What is to be said after the frame captured at `at`: ends first, then starts and updates in the order of tracks.
    pub fn observe<'a>(
        &mut self,
        at: Timestamp,
        tracks: impl IntoIterator<Item = &'a Track>,
        ended: &[Track],
    ) -> Vec<Tag> {
        let mut tags = self.end(ended);
        for track in tracks {
            let phase = match self.told.get(&track.id) {
                None => Phase::Start,
                Some(told) if self.is_news(at, track, told) => Phase::Update,
                Some(_) => continue,
            };
            self.told.insert(track.id, Told { at, class: track.class, bbox: track.bbox });
            tags.push(self.vocabulary.tag(&self.camera, phase, at, track, Body::Object(None)));
        }
        tags
    }

    /// The ends of `tracks`, each at the moment when the thing was last seen.
    pub fn end(&mut self, tracks: &[Track]) -> Vec<Tag> {
        let told: Vec<&Track> = tracks.iter().filter(|track| self.told.remove(&track.id).is_some()).collect();
        told.into_iter()
            .map(|track| {
                let body = Body::Object(Some(self.summary(track)));
                self.vocabulary.tag(&self.camera, Phase::End, track.last_seen, track, body)
            })
            .collect()
    }

    /// A hidden thing is no news: its box is a guess. When the clock was set back, how long it was silent is not known,
    /// so it is told of at once.
    fn is_news(&self, at: Timestamp, track: &Track, told: &Told) -> bool {
        let silence = at.since(told.at);
        let due = at < told.at || silence >= self.update_interval;
        let renamed = track.class != told.class && silence >= LABEL_PAUSE;
        let moved = track.bbox.iou(&told.bbox) < MOVED_IOU && silence >= MOVED_PAUSE;
        track.visible && (due || renamed || moved)
    }

    fn summary(&self, track: &Track) -> Summary {
        Summary {
            first_seen: track.first_seen,
            last_seen: track.last_seen,
            best_score: track.best_score,
            path: track.path.clone(),
            labels: track
                .classes
                .iter()
                .map(|&(class, share)| (self.vocabulary.label(class), share))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::Point;
    use crate::tag::{Label, ModelRef};

    fn rules() -> ObjectRules {
        let model = ModelRef {
            name: "m".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
            on: "cpu".into(),
        };
        let labels = ["person", "car"].map(Label::from).to_vec();
        let vocabulary = Vocabulary { model: Arc::new(model), labels: labels.into() };
        ObjectRules::new(Name::new("ramp").unwrap(), vocabulary, Duration::from_secs(60))
    }

    fn track(id: u64, x: f32) -> Track {
        Track {
            id: TrackId(id),
            class: ClassId(0),
            score: 0.6,
            bbox: BBox { x, y: 0.2, w: 0.1, h: 0.3 },
            foot: Point { x: x + 0.05, y: 0.5 },
            visible: true,
            first_seen: Timestamp::EPOCH,
            last_seen: Timestamp::EPOCH + Duration::from_secs(3),
            best_score: 0.8,
            classes: vec![(ClassId(0), 0.9), (ClassId(1), 0.1)],
            path: vec![Point { x: 0.1, y: 0.5 }],
        }
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs_f64(seconds)
    }

    fn phases(tags: &[Tag]) -> Vec<(u64, Phase)> {
        tags.iter().map(|tag| (tag.track.map_or(0, |id| id.0), tag.phase)).collect()
    }

    #[test]
    fn a_still_thing_starts_once_and_is_confirmed_every_minute() {
        let mut rules = rules();
        let still = track(1, 0.5);
        let mut told = Vec::new();
        for second in 0..=130 {
            told.extend(
                rules.observe(at(f64::from(second)), [&still], &[]).iter().map(|tag| (second, tag.phase)),
            );
        }
        assert_eq!(told, [(0, Phase::Start), (60, Phase::Update), (120, Phase::Update)]);
    }

    #[test]
    fn a_move_is_told_every_three_seconds_and_a_new_label_after_one() {
        let mut rules = rules();
        let mut told = Vec::new();
        for tenth in 0..=70 {
            let moving = track(1, 0.1 + 0.01 * tenth as f32);
            told.extend(rules.observe(at(f64::from(tenth) / 10.0), [&moving], &[]).iter().map(|_| tenth));
        }
        assert_eq!(told, [0, 30, 60]);
        let other = Track { class: ClassId(1), ..track(1, 0.8) };
        assert!(rules.observe(at(6.9), [&other], &[]).is_empty());
        assert_eq!(phases(&rules.observe(at(7.1), [&other], &[])), [(1, Phase::Update)]);
    }

    #[test]
    fn a_clock_set_back_is_no_silence() {
        let mut rules = rules();
        let still = track(1, 0.5);
        let mut told = Vec::new();
        for now in [1000, 1030, 400, 401, 430, 460] {
            told.extend(rules.observe(at(f64::from(now)), [&still], &[]).iter().map(|tag| (now, tag.phase)));
        }
        assert_eq!(told, [(1000, Phase::Start), (400, Phase::Update), (460, Phase::Update)]);
    }

    #[test]
    fn a_hidden_thing_is_no_news() {
        let mut rules = rules();
        rules.observe(at(0.0), [&track(1, 0.1)], &[]);
        let hidden = Track { visible: false, ..track(1, 0.7) };
        assert!(rules.observe(at(100.0), [&hidden], &[]).is_empty());
    }

    #[test]
    fn every_start_has_one_end_and_it_sums_up() {
        let mut rules = rules();
        let (a, b) = (track(1, 0.1), track(2, 0.5));
        assert_eq!(phases(&rules.observe(at(0.0), [&a, &b], &[])), [(1, Phase::Start), (2, Phase::Start)]);
        let tags = rules.observe(at(5.0), [&b], std::slice::from_ref(&a));
        assert_eq!(phases(&tags), [(1, Phase::End)]);
        assert_eq!(tags[0].at, at(3.0), "an end speaks of the last sight");
        let Body::Object(Some(summary)) = &tags[0].body else { panic!("an end sums up") };
        assert_eq!(summary.labels, [(Label::from("person"), 0.9), (Label::from("car"), 0.1)]);
        assert_eq!(phases(&rules.end(&[a, b])), [(2, Phase::End)], "nothing ends twice");
    }
}
