//! One camera's scene: what is followed there and what was said about it, under the rules of its configuration.
//!
//! Owned by [`super::Recognizer`], which has the models. Rules can be changed while tracks go on.

use std::sync::Arc;
use std::time::Duration;

use super::known::Known;
use super::turned::{Suspicion, TurnedLooks};
use super::{LONGEST_UNSEEN, Recognized};
use crate::activity::{Budget, Observer, Subject};
use crate::clock::Timestamp;
use crate::config;
use crate::detect::{ClassId, Detection};
use crate::frame::{Frame, Image};
use crate::geometry::Orientation;
use crate::name::Name;
use crate::rules::{ActivityRules, LineRules, ObjectRules, ZoneRules};
use crate::tag::{FrameTracks, Label, ModelRef, Tag, TrackBox, TrackId};
use crate::track::{Track, Tracker, TrackerConfig};

/// What one camera shows: its tracks, what its people do, and what was said about them.
pub(super) struct Scene {
    /// Classes that become tags; all when empty.
    wanted: Vec<ClassId>,
    pub(super) tracker: Tracker,
    objects: ObjectRules,
    /// None when the camera wants no activities.
    pub(super) observer: Option<Observer>,
    pub(super) activities: ActivityRules,
    /// Classes that have poses, and the looks for those of them who lie.
    people: Vec<ClassId>,
    turned: TurnedLooks,
    pub(super) zones: ZoneRules,
    lines: LineRules,
    /// Whether the tracks of every frame are given out.
    pub(super) tells_tracks: bool,
    /// Capture time of the last frame, or when the work began.
    pub(super) last: Timestamp,
    /// How long nobody looks at what people do, because a model has failed; nothing while somebody does.
    pub(super) unwatched_for: Option<Unwatched>,
    /// What was to be said when a model failed.
    pub(super) left: Vec<Tag>,
    /// What makes the detections.
    model: Arc<ModelRef>,
    /// What it was made for.
    camera: config::Camera,
}

/// How long nobody has looked at what people do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unwatched {
    /// Since then.
    Since(Timestamp),
    /// For so long that what they did has ended.
    Ended,
}

impl Scene {
    /// A scene of which nothing was seen yet. Ids of tracks go on after `last_id`, which an earlier scene of the camera
    /// gave.
    pub(super) fn new(index: usize, camera: &config::Camera, known: &Known, last_id: TrackId) -> Self {
        let (name, interval) = (&camera.name, camera.objects.update_interval);
        Scene {
            wanted: known.wanted(camera),
            tracker: Tracker::after(last_id, tracker_config(camera, known)),
            zones: known.zone_rules(camera),
            lines: LineRules::new(name.clone(), known.vocabulary.clone(), &camera.lines),
            objects: ObjectRules::new(name.clone(), known.vocabulary.clone(), interval),
            observer: observer(index, camera, known),
            activities: ActivityRules::new(name.clone(), camera.activities.clone()),
            people: known.people(),
            turned: TurnedLooks::default(),
            tells_tracks: camera.tracks,
            last: Timestamp::EPOCH,
            unwatched_for: None,
            left: Vec::new(),
            model: Arc::clone(&known.vocabulary.model),
            camera: camera.clone(),
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.camera.name
    }

    /// Goes on under the rules of `camera`. Tracks go on; what was said by rules that are no more has ended.
    pub(super) fn change(
        &mut self,
        index: usize,
        camera: &config::Camera,
        known: &Known,
        budget: &mut Budget,
    ) -> Recognized {
        let mut tags = Vec::new();
        let (old, new) = (&self.camera.activities, &camera.activities);
        if old != new {
            tags.extend(self.activities.end_all());
            self.activities = ActivityRules::new(camera.name.clone(), new.clone());
        }
        let gestures = [&self.camera, camera].map(|camera| known.wants_gestures(camera));
        if (old.enabled, old.pose_rate_hz, gestures[0]) != (new.enabled, new.pose_rate_hz, gestures[1]) {
            self.observer.iter_mut().for_each(|observer| observer.cut(budget));
            self.observer = observer(index, camera, known);
        }
        self.tracker.configure(tracker_config(camera, known));
        self.wanted = known.wanted(camera);
        let tracks = self.tracker.tracks();
        tags.extend(self.zones.change(known.zone_rules(camera), tracks.clone()));
        let lines = LineRules::new(camera.name.clone(), known.vocabulary.clone(), &camera.lines);
        tags.extend(self.lines.change(lines, tracks));
        self.objects.update_every(camera.objects.update_interval);
        // The new rules are by the vocabulary of this worker.
        self.model = Arc::clone(&known.vocabulary.model);
        self.objects.seen_by(&self.model);
        self.tells_tracks = camera.tracks;
        self.camera = camera.clone();
        Recognized { tags, occupancies: self.zones.occupancies(self.last), ..Recognized::default() }
    }

    /// `model` makes the detections from now on, under the same labels.
    pub(super) fn seen_by(&mut self, model: &Arc<ModelRef>) {
        if Arc::ptr_eq(&self.model, model) {
            return;
        }
        self.model = Arc::clone(model);
        self.objects.seen_by(model);
        self.zones.seen_by(model);
        self.lines.seen_by(model);
    }

    /// Nobody looks at what people do on the frame at `now`. What they were doing has ended once that lasts.
    pub(super) fn unwatched(&mut self, now: Timestamp, budget: &mut Budget) -> Vec<Tag> {
        let Some(observer) = &mut self.observer else { return Vec::new() };
        match *self.unwatched_for.get_or_insert(Unwatched::Since(now)) {
            Unwatched::Since(begun) if now.since(begun) >= LONGEST_UNSEEN => {
                self.unwatched_for = Some(Unwatched::Ended);
                observer.cut(budget);
                self.activities.end_all()
            }
            Unwatched::Since(_) | Unwatched::Ended => Vec::new(),
        }
    }

    /// Ends every track: what follows is a new scene.
    pub(super) fn cut(&mut self, budget: &mut Budget) -> Recognized {
        if let Some(observer) = &mut self.observer {
            observer.cut(budget);
        }
        self.turned = TurnedLooks::default();
        let mut tags = std::mem::take(&mut self.left);
        tags.extend(self.activities.end_all());
        let ended = self.tracker.finish();
        tags.extend(self.zones.end(&ended));
        tags.extend(self.lines.end(&ended));
        tags.extend(self.objects.end(&ended));
        Recognized { tags, occupancies: self.zones.occupancies(self.last), ..Recognized::default() }
    }

    /// The turn in which the frame that was captured last is to be looked at for people who lie; nothing as a rule.
    pub(super) fn turned_look(&mut self) -> Option<Orientation> {
        let observer = self.observer.as_ref()?;
        let remembered =
            if observer.remembers_fallen(self.last) { Suspicion::Remembered } else { Suspicion::None };
        let suspicions = self.tracker.tracks().filter(|track| observer.may_be_down(track.id));
        let suspicion =
            suspicions.map(|track| if track.visible { Suspicion::Down } else { Suspicion::Lost }).max();
        self.turned.due(self.last, suspicion.unwrap_or(remembered))
    }

    /// Takes what was found on the turned picture.
    pub(super) fn take_turned(&mut self, turned: &[Detection], image: &Image) {
        self.turned.take(turned, &self.people, image);
    }

    /// Adds who was found on the turned picture, now or a moment ago.
    pub(super) fn add_turned(&mut self, detections: &mut Vec<Detection>, image: &Image) {
        self.turned.add(detections, self.last, image.aspect());
    }

    /// What is to be said of the tracks after a step that `ended` some: what somebody did ends before they do, and begins
    /// after they did. Where a thing was before it was confirmed, zones and lines hear once it is, with the times of then.
    pub(super) fn told_of_tracks(&mut self, ended: &[Track]) -> Vec<Tag> {
        let (at, tracks) = (self.last, self.tracker.tracks());
        let mut tags = self.activities.end(ended);
        tags.extend(self.zones.end(ended));
        tags.extend(self.lines.end(ended));
        tags.extend(self.objects.observe(at, tracks.clone(), ended));
        for (track, sightings) in self.tracker.newly_confirmed() {
            // The last is of this frame.
            for sighting in sightings.split_last().map_or(&[][..], |(_, earlier)| earlier) {
                let then = track.as_seen(sighting);
                tags.extend(self.zones.observe(sighting.at, [&then]));
                tags.extend(self.lines.observe(sighting.at, [&then]));
            }
        }
        tags.extend(self.zones.observe(at, tracks.clone()));
        tags.extend(self.lines.observe(at, tracks));
        tags
    }

    pub(super) fn tracks_of(&self, frame: &Frame, labels: &[Label]) -> FrameTracks {
        let tracks = self.tracker.tracks().filter(|track| track.visible).map(|track| TrackBox {
            track: track.id,
            label: Arc::clone(&labels[usize::from(track.class.0)]),
            score: track.score.clamp(0.0, 1.0),
            bbox: track.bbox.clipped(),
            activity: self
                .activities
                .current(Subject::Track(track.id))
                .map(|(label, score)| (Arc::clone(label), score.clamp(0.0, 1.0))),
        });
        let tracks = tracks.collect();
        FrameTracks { camera: frame.camera.clone(), at: frame.at, number: frame.number, tracks }
    }

    pub(super) fn keep_wanted(&self, detections: &mut Vec<Detection>) {
        if !self.wanted.is_empty() {
            detections.retain(|detection| self.wanted.contains(&detection.class));
        }
    }
}

fn tracker_config(camera: &config::Camera, known: &Known) -> TrackerConfig {
    let thresholds = known.thresholds;
    let score = camera.objects.score.unwrap_or(thresholds.score());
    TrackerConfig {
        high_score: score,
        low_score: thresholds.low().min(score),
        animate: known.classes(&known.objects.animate),
        ..TrackerConfig::default()
    }
}

/// Who looks at what people do; nobody when the camera does not want it or there are no models for it.
fn observer(index: usize, camera: &config::Camera, known: &Known) -> Option<Observer> {
    let pause = Duration::from_secs_f32(1.0 / camera.activities.pose_rate_hz);
    let gestures = known.wants_gestures(camera);
    (known.has_activities() && camera.activities.enabled).then(|| Observer::new(index, pause, gestures))
}
