//! Looks at one camera's people, and at all of its picture, as often as the budget allows.
//!
//! [`crate::recognize`] has one [`Observer`] per camera and shows it every frame with the tracks on it. What comes out are
//! the judgements about those that were looked at on this frame; the others keep what was believed of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::{Budget, Look};
use super::clip::ClipClassifier;
use super::clips::{Clips, Met, Seen, Watch};
use super::fallen::FallenPlaces;
use super::groups::GroupId;
use super::parameters::Parameters;
use super::person::Person;
use super::pose::{PoseEstimator, is_large_enough};
use super::posture::PostureClassifier;
use super::scores::ActivityError;
use super::skeleton::SkeletonClassifier;
use super::turns::{Turn, Turns};
use super::{Belief, Body, Judgement, Pose, Subject};
use crate::clock::Timestamp;
use crate::frame::Frame;
use crate::tag::{Label, ModelRef, TrackId};
use crate::track::{Track, Tracker};

/// A frame that comes by up to so much of the usual interval too early is looked at all the same: the frame after it would
/// be later than it is early.
const EARLY: f64 = 0.5;

/// The models that activities are recognised with; one worker owns them.
pub struct Models {
    /// Finds people's joints.
    pub pose: PoseEstimator,
    /// Tells how people hold themselves.
    pub posture: PostureClassifier,
    /// Recognises gestures by joints.
    pub skeleton: SkeletonClassifier,
    /// Recognise by clips.
    pub clips: Vec<ClipClassifier>,
    /// The labels that the skeleton classifier says.
    gestures: Arc<[(Label, Arc<ModelRef>)]>,
}

impl Models {
    /// From each of them.
    pub fn new(
        pose: PoseEstimator,
        posture: PostureClassifier,
        skeleton: SkeletonClassifier,
        clips: Vec<ClipClassifier>,
    ) -> Self {
        let gestures = Person::gestures(&posture, &skeleton);
        let by = |label| (label, Arc::clone(skeleton.model()));
        let gestures = gestures.into_iter().map(by).collect();
        Models { pose, posture, skeleton, clips, gestures }
    }

    /// Has a model take over from the one of its package.
    pub fn put(&mut self, model: Model) {
        match model {
            Model::Pose(pose) => self.pose = *pose,
            Model::Posture(posture) => self.posture = *posture,
            Model::Skeleton(skeleton) => {
                let by = |(label, _): &(Label, _)| (Label::clone(label), Arc::clone(skeleton.model()));
                self.gestures = self.gestures.iter().map(by).collect();
                self.skeleton = *skeleton;
            }
            Model::Clip(clip) => {
                if let Some(known) =
                    self.clips.iter_mut().find(|known| known.model().name == clip.model().name)
                {
                    *known = *clip;
                }
            }
        }
    }

    /// The labels that the skeleton classifier says, and its model: all that are no postures and no gaits.
    pub fn gestures(&self) -> &Arc<[(Label, Arc<ModelRef>)]> {
        &self.gestures
    }

    /// Who they are.
    pub fn references(&self) -> impl Iterator<Item = &Arc<ModelRef>> {
        let clips = self.clips.iter().map(ClipClassifier::model);
        [self.pose.model(), self.posture.model(), self.skeleton.model()].into_iter().chain(clips)
    }

    /// Every label that an activity can have, in the order of the alphabet.
    pub fn labels(&self) -> Vec<Label> {
        let by_joints = Person::labels(&self.posture, &self.skeleton);
        let by_clips = self.clips.iter().flat_map(|clip| clip.labels().to_vec());
        let mut labels: Vec<Label> = by_joints.into_iter().chain(by_clips).collect();
        labels.sort();
        labels.dedup();
        labels
    }
}

/// One of them.
pub enum Model {
    /// Finds people's joints.
    Pose(Box<PoseEstimator>),
    /// Tells how people hold themselves.
    Posture(Box<PostureClassifier>),
    /// Recognises gestures by joints.
    Skeleton(Box<SkeletonClassifier>),
    /// Recognises by clips.
    Clip(Box<ClipClassifier>),
}

impl From<PoseEstimator> for Model {
    fn from(pose: PoseEstimator) -> Self {
        Model::Pose(Box::new(pose))
    }
}

impl From<PostureClassifier> for Model {
    fn from(posture: PostureClassifier) -> Self {
        Model::Posture(Box::new(posture))
    }
}

impl From<SkeletonClassifier> for Model {
    fn from(skeleton: SkeletonClassifier) -> Self {
        Model::Skeleton(Box::new(skeleton))
    }
}

impl From<ClipClassifier> for Model {
    fn from(clip: ClipClassifier) -> Self {
        Model::Clip(Box::new(clip))
    }
}

impl Model {
    /// Who it is.
    pub fn reference(&self) -> &Arc<ModelRef> {
        match self {
            Model::Pose(pose) => pose.model(),
            Model::Posture(posture) => posture.model(),
            Model::Skeleton(skeleton) => skeleton.model(),
            Model::Clip(clip) => clip.model(),
        }
    }
}

/// What came of a frame.
#[derive(Debug, Default)]
pub struct Observed {
    /// What is believed of those that were looked at: people in the order of their tracks, then what clips show.
    pub judgements: Vec<Judgement>,
    /// Poses that were taken.
    pub poses: u64,
    /// How long people who are large enough for a pose were there since the frame before, summed over people.
    pub person_time: Duration,
    /// Groups that have ended.
    pub ended: Vec<GroupId>,
}

/// What one camera's activities are recognised from.
pub struct Observer {
    /// The camera's index.
    camera: usize,
    /// The pause between two poses of a person that is asked for, in seconds.
    pose_pause_s: f64,
    /// Whether gestures are asked for: what the skeleton classifier says beside postures and gaits.
    gestures: bool,
    people: BTreeMap<TrackId, Followed>,
    fallen: FallenPlaces,
    clips: Clips,
    last: Option<Timestamp>,
    /// The usual time between frames, in seconds.
    interval_s: f64,
    turns: Turns,
}

/// Somebody whose joints are looked at.
struct Followed {
    person: Person,
    pose: Option<Pose>,
    turn: Turn,
}

impl Observer {
    /// For the camera at index `camera`, whose people are to be looked at once per `pose_pause`, for `gestures` as well or
    /// without.
    pub fn new(camera: usize, pose_pause: Duration, gestures: bool) -> Self {
        Observer {
            camera,
            pose_pause_s: pose_pause.as_secs_f64(),
            gestures,
            people: BTreeMap::new(),
            fallen: FallenPlaces::default(),
            clips: Clips::default(),
            last: None,
            interval_s: 0.0,
            turns: Turns::default(),
        }
    }

    /// Looks at a frame. `label` says what a track is, in the detector's words. When a model fails, what was observed until
    /// then is given with the error.
    pub fn observe<'l>(
        &mut self,
        frame: &Frame,
        tracker: &Tracker,
        label: impl Fn(&Track) -> &'l str,
        models: &mut Models,
        budget: &mut Budget,
    ) -> (Observed, Result<(), ActivityError>) {
        let since_s = self.last.map_or(0.0, |last| frame.at.since(last).as_secs_f64());
        self.last = Some(frame.at);
        if self.interval_s == 0.0 {
            self.interval_s = since_s;
        }
        // A long pause is no interval.
        self.interval_s += (since_s.min(2.0 * self.interval_s) - self.interval_s) * 0.2;

        let people: Vec<&Track> = tracker
            .tracks()
            .filter(|track| track.visible && models.pose.of().iter().any(|of| *of == label(track)))
            .collect();
        self.meet(frame, tracker, &people);
        let Met { subjects, ended } = self.clips.meet(frame, tracker, &label, &models.clips);
        self.ask(people.len(), &subjects, models, budget);
        let posed = people.iter().filter(|track| is_large_enough(&track.bbox, &frame.image)).count();
        let mut observed = Observed {
            person_time: Duration::from_secs_f64(since_s.min(2.0 * self.interval_s)) * posed as u32,
            ended,
            ..Observed::default()
        };
        let due = self.due(frame.at, since_s, &people, budget.stretch());
        let run = || {
            for track in due {
                let begun = Instant::now();
                observed.judgements.push(self.look(frame, track, models)?);
                budget.spent(Look::Joints, begun.elapsed());
                observed.poses += u64::from(is_large_enough(&track.bbox, &frame.image));
            }
            let lost = tracker.tracks().filter(|track| !track.visible);
            observed.judgements.extend(lost.filter_map(|track| self.miss(frame.at, track, models)));
            let early = self.early();
            for (index, (classifier, subjects)) in models.clips.iter_mut().zip(&subjects).enumerate() {
                let turns = &mut self.turns;
                let mut watch = Watch { frame, since_s, early, index, classifier, turns, budget };
                observed.judgements.extend(self.clips.watch(&mut watch, subjects)?);
            }
            Ok(())
        };
        let run = run();
        (observed, run)
    }

    /// Forgets tracks that have ended.
    pub fn forget(&mut self, ended: &[Track]) {
        for track in ended {
            if self.people.remove(&track.id).is_some_and(|followed| followed.person.fell()) {
                self.fallen.keep(track.last_seen, track.bbox);
            }
            self.clips.forget(track.id);
        }
    }

    /// Forgets everything: what follows is a new scene.
    pub fn cut(&mut self, budget: &mut Budget) {
        let mut clips = std::mem::take(&mut self.clips);
        clips.cut();
        let new = Observer::new(self.camera, Duration::from_secs_f64(self.pose_pause_s), self.gestures);
        *self = Observer { clips, ..new };
        budget.ask(self.camera, Vec::new());
    }

    /// Whether a person of the track may be down, or on the way there.
    pub fn may_be_down(&self, track: TrackId) -> bool {
        self.people.get(&track).is_some_and(|followed| followed.person.may_be_down())
    }

    /// Whether somebody fell whose track ended a while ago, and was not found again at `now`.
    pub fn remembers_fallen(&self, now: Timestamp) -> bool {
        self.fallen.any(now)
    }

    /// The last pose of a track.
    pub fn pose(&self, track: TrackId) -> Option<&Pose> {
        self.people.get(&track)?.pose.as_ref()
    }

    /// Tells everybody's kinematics where they are; of new people also where they were before they were confirmed.
    fn meet(&mut self, frame: &Frame, tracker: &Tracker, people: &[&Track]) {
        let aspect = frame.image.aspect();
        for (track, sightings) in tracker.newly_confirmed() {
            if people.iter().any(|person| person.id == track.id) {
                let followed = self.people.entry(track.id).or_insert_with(Followed::new);
                let earlier = sightings.iter().filter(|sighting| sighting.at < frame.at);
                earlier.for_each(|sighting| followed.person.see(sighting.at, &sighting.bbox, aspect));
            }
        }
        for track in people {
            let followed = self.people.entry(track.id).or_insert_with(Followed::new);
            followed.person.see(frame.at, &track.bbox, aspect);
        }
    }

    /// Tells the budget what would be looked at if there were time for all.
    fn ask(&self, people: usize, subjects: &[Vec<Seen>], models: &Models, budget: &mut Budget) {
        let mut asked = vec![(Look::Joints, people as f64 / self.pose_pause_s.max(self.interval_s))];
        for (index, (clip, subjects)) in models.clips.iter().zip(subjects).enumerate() {
            asked.push((Look::Clip(index), subjects.len() as f64 / clip.every().as_secs_f64()));
        }
        budget.ask(self.camera, asked);
    }

    /// Who is to be looked at, in the order of `people`. When time is short these are no more than their share of the
    /// frames, those first who have waited longest.
    fn due<'t>(&mut self, at: Timestamp, since_s: f64, people: &[&'t Track], stretch: f64) -> Vec<&'t Track> {
        let pause_s = self.pose_pause_s.max(self.interval_s) * stretch;
        let (pause, early) = (Duration::from_secs_f64(pause_s), self.early());
        let turn =
            |track: &Track| self.people.get(&track.id).map_or(Turn::default(), |followed| followed.turn);
        let mut due: Vec<(Turn, &Track)> = people
            .iter()
            .map(|track| (turn(track), *track))
            .filter(|(turn, _)| turn.is_due(at, pause, early))
            .collect();
        if stretch > 1.0 {
            due.sort_by_key(|(turn, track)| (*turn, track.id));
            due.truncate(self.turns.take(Look::Joints, due.len(), people.len(), since_s / pause_s));
            due.sort_by_key(|(_, track)| track.id);
        }
        for (turn, track) in &due {
            if let Some(followed) = self.people.get_mut(&track.id) {
                followed.turn = turn.after(at, pause);
            }
        }
        due.into_iter().map(|(_, track)| track).collect()
    }

    /// By how much a look may be too early.
    fn early(&self) -> Duration {
        Duration::from_secs_f64(EARLY * self.interval_s)
    }

    fn look(
        &mut self,
        frame: &Frame,
        track: &Track,
        models: &mut Models,
    ) -> Result<Judgement, ActivityError> {
        let followed = self.people.entry(track.id).or_insert_with(Followed::new);
        followed.pose = None;
        if is_large_enough(&track.bbox, &frame.image) {
            let mut pose = models.pose.estimate(&frame.image, &track.bbox, frame.at)?;
            pose.forget_face();
            followed.person.pose(Body::of(&pose, models.pose.joint_score(), frame.image.aspect()));
            followed.pose = Some(pose);
        }
        let gestures = self.gestures.then_some(&mut models.skeleton);
        let belief = followed.person.judge(&mut models.posture, gestures)?;
        let lies = followed.person.lies() && !followed.person.fell();
        if lies && self.fallen.take(frame.at, &track.bbox) {
            followed.person.has_fallen();
        }
        Ok(judgement(track, models, belief))
    }

    /// What is believed of somebody who is not seen on the frame at `at`.
    fn miss(&mut self, at: Timestamp, track: &Track, models: &Models) -> Option<Judgement> {
        let belief = self.people.get_mut(&track.id)?.person.judge_unseen(at)?;
        Some(judgement(track, models, belief))
    }
}

impl Followed {
    fn new() -> Self {
        Followed { person: Person::new(Parameters::default()), pose: None, turn: Turn::default() }
    }
}

/// What the posture classifier, and for gestures the skeleton classifier, say of a track.
fn judgement(track: &Track, models: &Models, belief: Belief) -> Judgement {
    Judgement {
        subject: Subject::Track(track.id),
        model: Arc::clone(models.posture.model()),
        others: Arc::clone(models.gestures()),
        members: Vec::new(),
        bbox: track.bbox,
        belief,
    }
}
