//! Recognition: a frame in, tags out. The worker that owns the models and the tracks of its cameras.
//!
//! The daemon runs [`Recognizer::work`] on one thread per accelerator; `replay` calls [`Recognizer::recognize`] frame by
//! frame. Both give the same tags for the same frames.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::activity::{self, ActivityError, Budget, Observer, Pose, Share, Subject};
use crate::capture::{Board, Item};
use crate::clock::Clock;
use crate::config;
use crate::detect::{ClassId, DetectError, Detection, Detector};
use crate::frame::Frame;
use crate::name::Name;
use crate::rules::{ActivityRules, ObjectRules, Vocabulary};
use crate::tag::{Label, Tag, TrackId};
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
        let of_objects = cameras.iter().map(|camera| {
            (&camera.name, camera.objects.labels.iter().flatten().map(String::as_str).collect())
        });
        let known = detector.labels().to_vec();
        let mut unknown = unknown("objects.labels", of_objects, &known, detector.model().name.clone());
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
            asking.entry(label).or_default().push(camera.clone());
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
    /// What was to be said when a model failed.
    left: Vec<Tag>,
}

/// What came of a frame.
#[derive(Debug, Default)]
pub struct Recognized {
    /// What is to be said.
    pub tags: Vec<Tag>,
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

    /// Takes from `board` until it is closed, then ends every track. `hand_on` takes the tags; it must not block.
    ///
    /// # Errors
    /// When a model fails. Every track is ended all the same.
    pub fn work(
        mut self,
        board: &Board,
        counters: &[Arc<FrameCounters>],
        clock: &dyn Clock,
        mut hand_on: impl FnMut(Tag),
    ) -> Result<(), RecognizeError> {
        let mut stamp = |tags: Vec<Tag>| {
            for mut tag in tags {
                tag.latency = clock.now().since(tag.at);
                hand_on(tag);
            }
        };
        let mut worked = Ok(());
        while let (Ok(()), Some(item)) = (&worked, board.take()) {
            match item {
                Item::Frame(index, frame) => {
                    let counters = &counters[index];
                    worked = self.recognize(index, &frame).map(|recognized| {
                        counters.poses().add(recognized.poses);
                        counters.person_time_us().add(recognized.person_time.as_micros() as u64);
                        stamp(recognized.tags);
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
        scene.keep_wanted(&mut detections);
        let ended = scene.tracker.step(frame.at, &detections);
        // What somebody did ends before they do, and begins after they did.
        let mut tags = scene.activities.end(&ended);
        tags.extend(scene.objects.observe(frame.at, scene.tracker.tracks(), &ended));
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
        Ok(recognized)
    }

    /// Ends every track of the camera at `index`: what follows is a new scene.
    pub fn cut(&mut self, index: usize) -> Vec<Tag> {
        let scene = &mut self.scenes[index];
        if let Some(observer) = &mut scene.observer {
            observer.cut(&mut self.budget);
        }
        let mut tags = std::mem::take(&mut scene.left);
        tags.extend(scene.activities.end_all());
        let ended = scene.tracker.finish();
        tags.extend(scene.objects.end(&ended));
        tags
    }

    /// The tracker of the camera at `index`, as it stands after its last frame.
    pub fn tracker(&self, index: usize) -> &Tracker {
        &self.scenes[index].tracker
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
        let classes = |labels: &[String]| -> Vec<ClassId> {
            labels.iter().filter_map(|label| class_of(label, detector.labels())).collect()
        };
        let objects = detector.objects();
        let tracker = Tracker::new(TrackerConfig {
            high_score: score,
            low_score: thresholds.low().min(score),
            animate: classes(&objects.animate),
            ..TrackerConfig::default()
        });
        let vocabulary = Vocabulary { model: Arc::clone(detector.model()), labels: detector.labels().into() };
        let wanted = classes(camera.objects.labels.as_ref().unwrap_or(&objects.reported));
        let options = camera.activities.clone();
        let pause = Duration::from_secs_f32(1.0 / options.pose_rate_hz);
        Scene {
            wanted,
            tracker,
            objects: ObjectRules::new(camera.name.clone(), vocabulary, camera.objects.update_interval),
            observer: (observed && options.enabled).then(|| Observer::new(index, pause)),
            activities: ActivityRules::new(camera.name.clone(), options),
            left: Vec::new(),
        }
    }

    fn keep_wanted(&self, detections: &mut Vec<Detection>) {
        if !self.wanted.is_empty() {
            detections.retain(|detection| self.wanted.contains(&detection.class));
        }
    }
}

fn class_of(label: &str, known: &[Label]) -> Option<ClassId> {
    let index = known.iter().position(|known| **known == *label)?;
    u16::try_from(index).ok().map(ClassId)
}
