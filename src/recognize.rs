//! Recognition: a frame in, tags out. The worker that owns the models and the tracks of its cameras.
//!
//! The daemon runs [`Recognizer::work`] on one thread per accelerator; `replay` calls [`Recognizer::recognize`] frame by
//! frame. Both give the same tags for the same frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capture::{Board, Item};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::detect::{ClassId, DetectError, Detection, Detector};
use crate::frame::Frame;
use crate::name::Name;
use crate::rules::{ObjectRules, Vocabulary};
use crate::tag::{Label, Tag};
use crate::telemetry::FrameCounters;
use crate::track::{Track, Tracker, TrackerConfig};

/// Labels that cameras ask for and the model does not have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", self.lines().collect::<Vec<_>>().join("; "))]
pub struct UnknownLabels {
    /// Each label with the cameras that ask for it.
    asked: BTreeMap<String, Vec<Name>>,
    model: String,
    known: String,
}

impl UnknownLabels {
    /// Looks at every camera's labels; nothing when the model named `model` knows them all by its labels `known`.
    pub fn find(cameras: &[config::Camera], known: &[Label], model: &str) -> Option<UnknownLabels> {
        let mut asked: BTreeMap<String, Vec<Name>> = BTreeMap::new();
        for camera in cameras {
            let labels = camera.objects.labels.iter().flatten();
            for label in labels.filter(|label| class_of(label, known).is_none()) {
                asked.entry(label.clone()).or_default().push(camera.name.clone());
            }
        }
        (!asked.is_empty()).then(|| UnknownLabels { asked, model: model.to_owned(), known: known.join(", ") })
    }

    /// A line for each label.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.asked.iter().map(|(label, cameras)| {
            let cameras: Vec<&str> = cameras.iter().map(Name::as_str).collect();
            format!(
                "objects.labels has \"{label}\" (camera {}), which the model {} does not know; it knows: {}",
                cameras.join(", "),
                self.model,
                self.known
            )
        })
    }
}

/// One detector and, for each of its cameras, what it follows there.
pub struct Recognizer {
    detector: Detector,
    scenes: Vec<Scene>,
}

/// What one camera shows: its tracks and what was said about them.
struct Scene {
    /// Classes that become tags; all when empty.
    wanted: Vec<ClassId>,
    tracker: Tracker,
    rules: ObjectRules,
}

impl Recognizer {
    /// A recogniser for `cameras`, whose indices here are theirs on the board.
    ///
    /// # Errors
    /// When a camera asks for a label that the model does not have.
    pub fn new(detector: Detector, cameras: &[config::Camera]) -> Result<Self, UnknownLabels> {
        if let Some(unknown) = UnknownLabels::find(cameras, detector.labels(), &detector.model().name) {
            return Err(unknown);
        }
        let scenes = cameras.iter().map(|camera| Scene::new(camera, &detector)).collect();
        Ok(Recognizer { detector, scenes })
    }

    /// Takes from `board` until it is closed, then ends every track. `hand_on` takes the tags; it must not block.
    ///
    /// # Errors
    /// When the detector fails. Every track is ended all the same.
    pub fn work(
        mut self,
        board: &Board,
        counters: &[Arc<FrameCounters>],
        clock: &dyn Clock,
        mut hand_on: impl FnMut(Tag),
    ) -> Result<(), DetectError> {
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
                    worked = self.recognize(index, &frame).map(&mut stamp);
                    counters[index].recognised().increment();
                }
                Item::Cut(index) => stamp(self.cut(index)),
            }
        }
        for index in 0..self.scenes.len() {
            stamp(self.cut(index));
        }
        worked
    }

    /// Detects, follows and gives what is to be said after `frame` of the camera at `index`.
    ///
    /// # Errors
    /// When the detector fails.
    pub fn recognize(&mut self, index: usize, frame: &Frame) -> Result<Vec<Tag>, DetectError> {
        let mut detections = self.detector.detect(&frame.image)?;
        let scene = &mut self.scenes[index];
        scene.keep_wanted(&mut detections);
        Ok(scene.follow(frame.at, &detections))
    }

    /// Ends every track of the camera at `index`: what follows is a new scene.
    pub fn cut(&mut self, index: usize) -> Vec<Tag> {
        let scene = &mut self.scenes[index];
        let ended = scene.tracker.finish();
        scene.rules.end(&ended)
    }

    /// The tracker of the camera at `index`, as it stands after its last frame.
    pub fn tracker(&self, index: usize) -> &Tracker {
        &self.scenes[index].tracker
    }

    /// What the model calls the thing that `track` follows.
    pub fn label(&self, track: &Track) -> &Label {
        &self.detector.labels()[usize::from(track.class.0)]
    }

    /// The detector.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }
}

impl Scene {
    fn new(camera: &config::Camera, detector: &Detector) -> Self {
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
        let rules = ObjectRules::new(camera.name.clone(), vocabulary, camera.objects.update_interval);
        let wanted = classes(camera.objects.labels.as_ref().unwrap_or(&objects.reported));
        Scene { wanted, tracker, rules }
    }

    fn keep_wanted(&self, detections: &mut Vec<Detection>) {
        if !self.wanted.is_empty() {
            detections.retain(|detection| self.wanted.contains(&detection.class));
        }
    }

    fn follow(&mut self, at: Timestamp, detections: &[Detection]) -> Vec<Tag> {
        let ended = self.tracker.step(at, detections);
        self.rules.observe(at, self.tracker.tracks(), &ended)
    }
}

fn class_of(label: &str, known: &[Label]) -> Option<ClassId> {
    let index = known.iter().position(|known| **known == *label)?;
    u16::try_from(index).ok().map(ClassId)
}
