//! Recognition: a frame in, tags, occupancies and tracks out. The worker that owns the models and the tracks of its cameras.
//!
//! The daemon runs [`Recognizer::work`] on one thread per accelerator; `replay` calls [`Recognizer::recognize`] frame by
//! frame. Both give the same tags for the same frames.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::activity::{self, ActivityError, Budget, Observer, Pose, Share, Subject};
use crate::capture::{Board, Item};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::detect::{ClassId, DetectError, Detection, Detector};
use crate::frame::Frame;
use crate::name::Name;
use crate::rules::{ActivityRules, LineRules, ObjectRules, Vocabulary, ZoneRules};
use crate::tag::{FrameTracks, Label, Occupancy, Tag, TrackBox, TrackId};
use crate::telemetry::FrameCounters;
use crate::track::{Track, Tracker, TrackerConfig};

/// Why a frame cannot be recognised.
#[derive(Debug, thiserror::Error)]
pub enum RecognizeError {
    /// The detector has failed.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// A model of the activities has failed.
    #[error(transparent)]
    Activity(#[from] ActivityError),
}

/// Labels that cameras ask for and no model has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", self.lines().collect::<Vec<_>>().join("; "))]
pub struct UnknownLabels(Vec<Unknown>);

/// One such label.
#[derive(Debug, PartialEq, Eq)]
struct Unknown {
    key: &'static str,
    label: String,
    /// The cameras that ask for it.
    cameras: Vec<Name>,
    /// The models that should know it, and what they know.
    models: String,
    known: String,
}

impl UnknownLabels {
    /// Looks at every camera's labels; nothing when the models know them all.
    pub fn find(
        cameras: &[config::Camera],
        detector: &Detector,
        activities: Option<&activity::Models>,
    ) -> Option<UnknownLabels> {
        let known = detector.labels();
        let model = || detector.model().name.clone();
        let of_objects = cameras.iter().map(|camera| {
            (&camera.name, camera.objects.labels.iter().flatten().map(String::as_str).collect())
        });
        let of_zones = cameras.iter().map(|camera| (&camera.name, camera.labels_of_zones().collect()));
        let of_lines = cameras.iter().map(|camera| (&camera.name, camera.labels_of_lines().collect()));
        let mut unknown = unknown("objects.labels", of_objects, known, model());
        unknown.extend(self::unknown("zone.labels", of_zones, known, model()));
        unknown.extend(self::unknown("line.labels", of_lines, known, model()));
        if let Some(models) = activities {
            let watched = cameras.iter().filter(|camera| camera.activities.enabled);
            let of_activities = watched
                .map(|camera| (&camera.name, camera.activities.labels.keys().map(String::as_str).collect()));
            let names: Vec<&str> = models.references().map(|model| model.name.as_str()).collect();
            unknown.extend(self::unknown(
                "activities.labels",
                of_activities,
                &models.labels(),
                names.join(", "),
            ));
        }
        (!unknown.is_empty()).then_some(UnknownLabels(unknown))
    }

    /// A line for each label.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|Unknown { key, label, cameras, models, known }| {
            let cameras: Vec<&str> = cameras.iter().map(Name::as_str).collect();
            let cameras = cameras.join(", ");
            format!("{key} has \"{label}\" (camera {cameras}), which the model {models} does not know; it knows: {known}")
        })
    }
}

/// What is `asked` for by `key` of each camera and not among `known`, in the order of labels.
fn unknown<'a>(
    key: &'static str,
    asked: impl Iterator<Item = (&'a Name, Vec<&'a str>)>,
    known: &[Label],
    models: String,
) -> Vec<Unknown> {
    let mut asking: BTreeMap<&str, Vec<Name>> = BTreeMap::new();
    for (camera, labels) in asked {
        for label in labels.into_iter().filter(|label| !known.iter().any(|known| **known == **label)) {
            let cameras = asking.entry(label).or_default();
            if cameras.last() != Some(camera) {
                cameras.push(camera.clone());
            }
        }
    }
    let unknown = |(label, cameras): (&str, Vec<Name>)| Unknown {
        key,
        label: label.to_owned(),
        cameras,
        models: models.clone(),
        known: known.join(", "),
    };
    asking.into_iter().map(unknown).collect()
}

/// The models and, for each camera, what is followed there.
pub struct Recognizer {
    detector: Detector,
    activities: Option<activity::Models>,
    budget: Budget,
    scenes: Vec<Scene>,
}

/// What one camera shows: its tracks, what its people do, and what was said about them.
struct Scene {
    /// Classes that become tags; all when empty.
    wanted: Vec<ClassId>,
    tracker: Tracker,
    objects: ObjectRules,
    /// None when the camera wants no activities.
    observer: Option<Observer>,
    activities: ActivityRules,
    zones: ZoneRules,
    lines: LineRules,
    /// Whether the tracks of every frame are given out.
    tells_tracks: bool,
    /// Capture time of the last frame, or when the work began.
    last: Timestamp,
    /// What was to be said when a model failed.
    left: Vec<Tag>,
}

/// What recognition gives to the outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Something that is to be said.
    Tag(Tag),
    /// How many things are in a zone, whenever that changes, and once at the beginning.
    Occupancy(Occupancy),
    /// What is followed on a frame, for cameras that want it.
    Tracks(FrameTracks),
}

/// What came of a frame or a cut.
#[derive(Debug, Default)]
pub struct Recognized {
    /// What is to be said.
    pub tags: Vec<Tag>,
    /// How many things are in the zones where that has changed.
    pub occupancies: Vec<Occupancy>,
    /// What is followed, when the camera wants that told.
    pub tracks: Option<FrameTracks>,
    /// Poses that were taken.
    pub poses: u64,
    /// How long people were there since the frame before, summed over people.
    pub person_time: Duration,
}

impl Recognizer {
    /// A recogniser for `cameras`, whose indices here are theirs on the board. Without models for `activities` none are
    /// recognised; with them, they take no more than `share` of the worker's time.
    ///
    /// # Errors
    /// When a camera asks for a label that no model has.
    pub fn new(
        detector: Detector,
        activities: Option<activity::Models>,
        share: Share,
        cameras: &[config::Camera],
    ) -> Result<Self, UnknownLabels> {
        if let Some(unknown) = UnknownLabels::find(cameras, &detector, activities.as_ref()) {
            return Err(unknown);
        }
        let observed = activities.is_some();
        let scenes = cameras
            .iter()
            .enumerate()
            .map(|(index, camera)| Scene::new(index, camera, &detector, observed))
            .collect();
        Ok(Recognizer { detector, activities, budget: Budget::new(share, cameras.len()), scenes })
    }

    /// Takes from `board` until it is closed, then ends every track. `hand_on` takes what comes of it, in order; it must
    /// not block.
    ///
    /// # Errors
    /// When a model fails. Every track is ended all the same.
    pub fn work(
        mut self,
        board: &Board,
        counters: &[Arc<FrameCounters>],
        clock: &dyn Clock,
        mut hand_on: impl FnMut(Output),
    ) -> Result<(), RecognizeError> {
        let mut stamp = |recognized: Recognized| {
            for mut tag in recognized.tags {
                tag.latency = clock.now().since(tag.at);
                hand_on(Output::Tag(tag));
            }
            recognized.occupancies.into_iter().for_each(|occupancy| hand_on(Output::Occupancy(occupancy)));
            recognized.tracks.into_iter().for_each(|tracks| hand_on(Output::Tracks(tracks)));
        };
        for scene in &mut self.scenes {
            scene.last = clock.now();
            stamp(Recognized { occupancies: scene.zones.occupancies(scene.last), ..Recognized::default() });
        }
        let mut worked = Ok(());
        while let (Ok(()), Some(item)) = (&worked, board.take()) {
            match item {
                Item::Frame(index, frame) => {
                    let counters = &counters[index];
                    worked = self.recognize(index, &frame).map(|recognized| {
                        counters.poses().add(recognized.poses);
                        counters.person_time_us().add(recognized.person_time.as_micros() as u64);
                        stamp(recognized);
                    });
                    counters.recognised().increment();
                }
                Item::Cut(index) => stamp(self.cut(index)),
            }
        }
        for index in 0..self.scenes.len() {
            stamp(self.cut(index));
        }
        worked
    }

    /// Detects, follows, looks at what people do, and gives what is to be said after `frame` of the camera at `index`.
    ///
    /// # Errors
    /// When a model fails. What was to be said is said by [`Recognizer::cut`] then.
    pub fn recognize(&mut self, index: usize, frame: &Frame) -> Result<Recognized, RecognizeError> {
        let Recognizer { detector, activities, budget, scenes } = self;
        let mut detections = detector.detect(&frame.image)?;
        let scene = &mut scenes[index];
        scene.last = frame.at;
        scene.keep_wanted(&mut detections);
        let ended = scene.tracker.step(frame.at, &detections);
        let tags = scene.told_of_tracks(&ended);
        let mut recognized = Recognized { tags, ..Recognized::default() };
        if let (Some(observer), Some(models)) = (&mut scene.observer, activities) {
            observer.forget(&ended);
            let label = |track: &Track| &*detector.labels()[usize::from(track.class.0)];
            let observed = match observer.observe(frame, &scene.tracker, label, models, budget) {
                Ok(observed) => observed,
                Err(error) => {
                    scene.left = recognized.tags;
                    return Err(error.into());
                }
            };
            recognized.tags.extend(scene.activities.observe(observed.judgements));
            (recognized.poses, recognized.person_time) = (observed.poses, observed.person_time);
        }
        recognized.occupancies = scene.zones.occupancies(frame.at);
        recognized.tracks = scene.tells_tracks.then(|| scene.tracks_of(frame, detector.labels()));
        Ok(recognized)
    }

    /// Ends every track of the camera at `index`: what follows is a new scene.
    pub fn cut(&mut self, index: usize) -> Recognized {
        let scene = &mut self.scenes[index];
        if let Some(observer) = &mut scene.observer {
            observer.cut(&mut self.budget);
        }
        let mut tags = std::mem::take(&mut scene.left);
        tags.extend(scene.activities.end_all());
        let ended = scene.tracker.finish();
        tags.extend(scene.zones.end(&ended));
        tags.extend(scene.lines.end(&ended));
        tags.extend(scene.objects.end(&ended));
        Recognized { tags, occupancies: scene.zones.occupancies(scene.last), ..Recognized::default() }
    }

    /// The tracker of the camera at `index`, as it stands after its last frame.
    pub fn tracker(&self, index: usize) -> &Tracker {
        &self.scenes[index].tracker
    }

    /// The zones of the camera at `index`, and the labels that each looks for.
    pub fn zones(&self, index: usize) -> Vec<(Name, Vec<String>)> {
        let texts = |labels: Vec<Label>| labels.iter().map(ToString::to_string).collect();
        self.scenes[index].zones.zones().map(|(name, labels)| (name.clone(), texts(labels))).collect()
    }

    /// The last pose of a track of the camera at `index`; nothing for what has none.
    pub fn pose(&self, index: usize, track: TrackId) -> Option<&Pose> {
        self.scenes[index].observer.as_ref()?.pose(track)
    }

    /// What a track of the camera at `index` is told to be doing, and how sure that is.
    pub fn activity(&self, index: usize, track: TrackId) -> Option<(&Label, f32)> {
        self.scenes[index].activities.current(Subject::Track(track))
    }

    /// What the model calls the thing that `track` follows.
    pub fn label(&self, track: &Track) -> &Label {
        &self.detector.labels()[usize::from(track.class.0)]
    }

    /// The detector.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The models of the activities, when they are recognised.
    pub fn activities(&self) -> Option<&activity::Models> {
        self.activities.as_ref()
    }
}

impl Scene {
    fn new(index: usize, camera: &config::Camera, detector: &Detector, observed: bool) -> Self {
        let thresholds = detector.thresholds();
        let score = camera.objects.score.unwrap_or(thresholds.score());
        let vocabulary = Vocabulary { model: Arc::clone(detector.model()), labels: detector.labels().into() };
        let classes = |labels: &[String]| vocabulary.classes(labels.iter().map(String::as_str));
        let objects = detector.objects();
        let tracker = Tracker::new(TrackerConfig {
            high_score: score,
            low_score: thresholds.low().min(score),
            animate: classes(&objects.animate),
            ..TrackerConfig::default()
        });
        let mut wanted = classes(camera.objects.labels.as_ref().unwrap_or(&objects.reported));
        // Of its own accord, the camera looks for what its zones and lines ask for as well.
        if !wanted.is_empty() && camera.objects.labels.is_none() {
            wanted.extend(vocabulary.classes(camera.labels_of_zones().chain(camera.labels_of_lines())));
            wanted.sort_unstable();
            wanted.dedup();
        }
        let options = camera.activities.clone();
        let pause = Duration::from_secs_f32(1.0 / options.pose_rate_hz);
        let (name, interval) = (&camera.name, camera.objects.update_interval);
        let zones = ZoneRules::new(name.clone(), vocabulary.clone(), &camera.zones, &wanted, interval);
        Scene {
            wanted,
            tracker,
            zones,
            lines: LineRules::new(name.clone(), vocabulary.clone(), &camera.lines),
            objects: ObjectRules::new(name.clone(), vocabulary, interval),
            observer: (observed && options.enabled).then(|| Observer::new(index, pause)),
            activities: ActivityRules::new(name.clone(), options),
            tells_tracks: camera.tracks,
            last: Timestamp::EPOCH,
            left: Vec::new(),
        }
    }

    /// What is to be said of the tracks after a step that `ended` some: what somebody did ends before they do, and begins
    /// after they did.
    fn told_of_tracks(&mut self, ended: &[Track]) -> Vec<Tag> {
        let (at, tracks) = (self.last, self.tracker.tracks());
        let mut tags = self.activities.end(ended);
        tags.extend(self.zones.end(ended));
        tags.extend(self.lines.end(ended));
        tags.extend(self.objects.observe(at, tracks.clone(), ended));
        tags.extend(self.zones.observe(at, tracks.clone()));
        tags.extend(self.lines.observe(at, tracks));
        tags
    }

    fn tracks_of(&self, frame: &Frame, labels: &[Label]) -> FrameTracks {
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

    fn keep_wanted(&self, detections: &mut Vec<Detection>) {
        if !self.wanted.is_empty() {
            detections.retain(|detection| self.wanted.contains(&detection.class));
        }
    }
}
