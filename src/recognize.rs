//! Recognition: a frame in, tags, occupancies and tracks out. The worker that owns the models and the tracks of its cameras.
//!
//! The daemon runs [`Recognizer::work`] on one thread for each worker; `replay` calls [`Recognizer::recognize`] frame by
//! frame. Both give the same tags for the same frames.

mod dating;
mod known;
mod scene;
mod service;
mod turned;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::activity::{self, ActivityError, Budget, Judgement, Pose, Share, Subject};
use crate::capture::{Board, Item};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::detect::{DetectError, Detector};
use crate::frame::Frame;
use crate::tag::{FrameTracks, Label, Occupancy, Tag, TrackId};
use crate::track::{Track, Tracker};

use dating::Dating;
pub use known::{Known, UnknownLabels};
use scene::Scene;
pub use service::{Exchange, Mender, NoMender, Successor};

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

/// The models and, for each camera, what is followed there.
pub struct Recognizer {
    detector: Detector,
    activities: Option<activity::Models>,
    budget: Budget,
    known: Known,
    /// By the index on the board; nothing where there is no camera.
    scenes: Vec<Option<Scene>>,
    /// Its number among the workers, from 0, and what it shares with them.
    worker: usize,
    exchange: Arc<Exchange>,
    /// The packages whose models have failed and were not replaced yet.
    out: BTreeSet<String>,
}

/// What nobody has looked at for so long, because a model has failed, is told to have ended.
const LONGEST_UNSEEN: Duration = Duration::from_secs(10);

/// Why there is always a scene where one is asked for.
const NO_SCENE: &str = "a camera comes before its frames and goes after them";

/// What came of a frame or a cut.
#[derive(Debug, Default)]
pub struct Recognized {
    /// What is to be said, in this order.
    pub tags: Vec<Tag>,
    /// How many things are in the zones where that has changed; of a camera that is new, in all of its zones.
    pub occupancies: Vec<Occupancy>,
    /// What is followed, when the camera wants that told.
    pub tracks: Option<FrameTracks>,
    /// What the classifiers believe of those that were looked at. The rules made the `activity` tags from it. Its times are
    /// those of the frame.
    pub judgements: Vec<Judgement>,
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
        let known = Known::of(&detector, activities.as_ref());
        if let Some(unknown) = UnknownLabels::find(cameras, &known) {
            return Err(unknown);
        }
        let scene = |(index, camera)| Some(Scene::new(index, camera, &known, TrackId(0)));
        let scenes = cameras.iter().enumerate().map(scene).collect();
        let budget = Budget::new(share, cameras.len());
        let (worker, exchange, out) = (0, Arc::default(), BTreeSet::new());
        Ok(Recognizer { detector, activities, budget, known, scenes, worker, exchange, out })
    }

    /// The worker with the number `worker`, from 0, out of `workers` that share the cameras of a board. It begins with those
    /// that the board gives it first.
    #[must_use]
    pub fn among(mut self, worker: usize, workers: usize, exchange: Arc<Exchange>) -> Self {
        for (index, scene) in self.scenes.iter_mut().enumerate() {
            if index % workers != worker {
                *scene = None;
            }
        }
        Recognizer { worker, exchange, ..self }
    }

    /// Takes from `board` until it is closed, then ends every track. `hand_on` takes what comes of a frame or a cut as a
    /// whole, in order, and in the end what ends of all cameras: tags that have to wait for a disk wait together. It must
    /// not block for longer than that. Cameras that come, change or go on the board do so here, between two frames; whoever
    /// puts them there has seen to it that the models know what they ask for ([`Known::unmet`]). A model that fails is left
    /// out until `mender` has another one; frames that nobody can look at meanwhile are counted as dropped.
    ///
    /// # Errors
    /// When a model fails that `mender` does not bring back. Every track is ended all the same.
    pub fn work(
        mut self,
        board: &Board,
        clock: &dyn Clock,
        mut mender: impl Mender,
        mut hand_on: impl FnMut(Recognized),
    ) -> Result<(), RecognizeError> {
        let mut dating = Dating::default();
        let mut stamp = |dating: &mut Dating, mut recognized: Recognized| {
            dating.date(&mut recognized, clock);
            hand_on(recognized);
        };
        for scene in self.scenes.iter_mut().flatten() {
            scene.last = clock.steady();
            stamp(
                &mut dating,
                Recognized { occupancies: scene.zones.occupancies(scene.last), ..Recognized::default() },
            );
        }
        let mut worked = Ok(());
        while worked.is_ok()
            && let Some(item) = board.take(self.worker)
        {
            while let Some(successor) = mender.successor() {
                self.put(successor);
                board.set_out(self.worker, self.is_blind());
            }
            match item {
                Item::Woken => {}
                Item::Frame(index, frame) if self.is_blind() => {
                    board.counters(index).dropped().increment();
                    if let Some(ends) = self.give_up(index, frame.at) {
                        stamp(&mut dating, ends);
                    }
                }
                Item::Frame(index, frame) => {
                    dating.follow(&frame.camera, frame.by);
                    let counters = board.counters(index);
                    let recognized = self.recognize(index, &frame).or_else(|error| {
                        let is_mended = self.leave_out(&error, &mut mender);
                        if self.is_blind() {
                            board.set_out(self.worker, true);
                        }
                        is_mended.then(|| self.left(index)).ok_or(error)
                    });
                    let was_seen = if self.is_blind() { counters.dropped() } else { counters.recognised() };
                    was_seen.increment();
                    worked = recognized.map(|recognized| {
                        counters.poses().add(recognized.poses);
                        counters.person_time_us().add(recognized.person_time.as_micros() as u64);
                        stamp(&mut dating, recognized);
                    });
                }
                Item::Cut(index) => stamp(&mut dating, self.cut(index)),
                Item::Changed(index, camera) => stamp(&mut dating, self.change(index, &camera, clock)),
                Item::Removed(index) => stamp(&mut dating, self.remove(index)),
                Item::Leaves(index) => {
                    self.leave(index, &mut dating);
                    board.left(index);
                }
                Item::Arrives(index) => {
                    if let Some((scene, known)) = self.exchange.take(index) {
                        *self.place(index) = Some(scene);
                        dating.take_up(known);
                    }
                }
            }
        }
        // Once the board is closed nobody else takes up what was put down. A worker that fails leaves it to the others.
        while worked.is_ok()
            && let Some((index, (scene, known))) = self.exchange.take_any()
        {
            *self.place(index) = Some(scene);
            dating.take_up(known);
        }
        let mut ends = Recognized::default();
        for index in 0..self.scenes.len() {
            let Recognized { tags, occupancies, .. } = self.remove(index);
            ends.tags.extend(tags);
            ends.occupancies.extend(occupancies);
        }
        stamp(&mut dating, ends);
        worked
    }

    /// Detects, follows, looks at what people do, and gives what is to be said after `frame` of the camera at `index`.
    ///
    /// # Errors
    /// When a model fails. What was to be said is said by [`Recognizer::cut`] then.
    pub fn recognize(&mut self, index: usize, frame: &Frame) -> Result<Recognized, RecognizeError> {
        let Recognizer { detector, activities, budget, scenes, out, .. } = self;
        let mut detections = detector.detect(&frame.image)?;
        let scene = scenes[index].as_mut().expect(NO_SCENE);
        scene.last = frame.at;
        scene.seen_by(detector.model());
        if let Some(turn) = scene.turned_look() {
            let turned = detector.detect(&frame.image.turned(turn))?;
            scene.take_turned(&turned, &frame.image);
        }
        scene.add_turned(&mut detections, &frame.image);
        scene.keep_wanted(&mut detections);
        let ended = scene.tracker.step(frame.at, &detections);
        let tags = scene.told_of_tracks(&ended);
        let mut recognized = Recognized { tags, ..Recognized::default() };
        if let Some(observer) = &mut scene.observer {
            observer.forget(&ended);
        }
        let whole =
            activities.as_mut().filter(|models| models.references().all(|model| !out.contains(&model.name)));
        if whole.is_none() {
            recognized.tags.extend(scene.unwatched(frame.at, budget));
        } else {
            scene.unwatched_for = None;
        }
        if let (Some(observer), Some(models)) = (&mut scene.observer, whole) {
            let label = |track: &Track| &*detector.labels()[usize::from(track.class.0)];
            let (observed, run) = observer.observe(frame, &scene.tracker, label, models, budget);
            recognized.tags.extend(scene.activities.end_groups(&observed.ended));
            recognized.judgements.clone_from(&observed.judgements);
            recognized.tags.extend(scene.activities.observe(observed.judgements));
            (recognized.poses, recognized.person_time) = (observed.poses, observed.person_time);
            if let Err(error) = run {
                scene.left = recognized.tags;
                return Err(error.into());
            }
        }
        recognized.occupancies = scene.zones.occupancies(frame.at);
        recognized.tracks = scene.tells_tracks.then(|| scene.tracks_of(frame, detector.labels()));
        Ok(recognized)
    }

    /// Whether the detector is left out.
    fn is_blind(&self) -> bool {
        self.out.contains(&self.detector.model().name)
    }

    /// Leaves out the model that has failed, when `mender` will bring another.
    fn leave_out(&mut self, error: &RecognizeError, mender: &mut dyn Mender) -> bool {
        let Some(name) = error.failed_model() else { return false };
        let is_mended = mender.failed(name, error);
        if is_mended {
            self.out.insert(name.to_owned());
        }
        is_mended
    }

    /// Ends what is followed on the camera at `index` when nobody has looked there for long until `now`.
    fn give_up(&mut self, index: usize, now: Timestamp) -> Option<Recognized> {
        let scene = self.scenes[index].as_ref().expect(NO_SCENE);
        let is_over = now.since(scene.last) >= LONGEST_UNSEEN && scene.tracker.tracks().next().is_some();
        is_over.then(|| self.cut(index))
    }

    /// What was to be said of the camera at `index` when a model failed.
    fn left(&mut self, index: usize) -> Recognized {
        let tags = std::mem::take(&mut self.scenes[index].as_mut().expect(NO_SCENE).left);
        Recognized { tags, ..Recognized::default() }
    }

    /// Has a model take over from the one of its package. Tracks and what people do go on.
    fn put(&mut self, successor: Successor) {
        match successor {
            Successor::Detector(detector) => {
                self.out.remove(&detector.model().name);
                self.known.seen_by(&detector);
                self.detector = *detector;
            }
            Successor::Activity(model) => {
                self.out.remove(&model.reference().name);
                if let Some(activities) = &mut self.activities {
                    activities.put(model);
                }
            }
        }
    }

    /// Ends every track of the camera at `index`: what follows is a new scene.
    pub fn cut(&mut self, index: usize) -> Recognized {
        self.scenes[index].as_mut().expect(NO_SCENE).cut(&mut self.budget)
    }

    /// The camera at `index` is new, or is looked at differently from now on; in that case its tracks go on.
    fn change(&mut self, index: usize, camera: &config::Camera, clock: &dyn Clock) -> Recognized {
        self.place(index);
        if let Some(scene) = &mut self.scenes[index] {
            return scene.change(index, camera, &self.known, &mut self.budget);
        }
        let last_id = self.exchange.last_id(&camera.name);
        let scene = self.scenes[index].insert(Scene::new(index, camera, &self.known, last_id));
        scene.last = clock.steady();
        Recognized { occupancies: scene.zones.occupancies(scene.last), ..Recognized::default() }
    }

    /// Ends every track of the camera at `index`, if there is one, and forgets it.
    fn remove(&mut self, index: usize) -> Recognized {
        let Some(mut scene) = self.scenes.get_mut(index).and_then(Option::take) else {
            return Recognized::default();
        };
        let recognized = scene.cut(&mut self.budget);
        self.exchange.set_last_id(scene.name(), scene.tracker.last_id());
        recognized
    }

    /// Puts down what is known of the camera at `index`, for another worker.
    fn leave(&mut self, index: usize, dating: &mut Dating) {
        if let Some(scene) = self.place(index).take() {
            let known = dating.leave(scene.name());
            self.exchange.put(index, scene, known);
            self.budget.ask(index, Vec::new());
        }
    }

    /// Where the scene of the camera at `index` is, or may be.
    fn place(&mut self, index: usize) -> &mut Option<Scene> {
        if self.scenes.len() <= index {
            self.scenes.resize_with(index + 1, || None);
        }
        &mut self.scenes[index]
    }

    /// The tracker of the camera at `index`, as it stands after its last frame.
    pub fn tracker(&self, index: usize) -> &Tracker {
        &self.scene(index).tracker
    }

    /// The last pose of a track of the camera at `index`; nothing for what has none.
    pub fn pose(&self, index: usize, track: TrackId) -> Option<&Pose> {
        self.scene(index).observer.as_ref()?.pose(track)
    }

    /// What a track of the camera at `index` is told to be doing, and how sure that is.
    pub fn activity(&self, index: usize, track: TrackId) -> Option<(&Label, f32)> {
        self.scene(index).activities.current(Subject::Track(track))
    }

    /// What the model calls the thing that `track` follows.
    pub fn label(&self, track: &Track) -> &Label {
        &self.detector.labels()[usize::from(track.class.0)]
    }

    /// What its models know.
    pub fn known(&self) -> &Known {
        &self.known
    }

    fn scene(&self, index: usize) -> &Scene {
        self.scenes[index].as_ref().expect(NO_SCENE)
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
