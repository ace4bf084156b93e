//! Looks at one camera's people, and at all of its picture, as often as the budget allows.
//!
//! [`crate::recognize`] has one [`Observer`] per camera and shows it every frame with the tracks on it. What comes out are
//! the judgements about those that were looked at on this frame; the others keep what was believed of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::{Budget, Look};
use super::clip::{ClipClassifier, ClipWindow};
use super::person::{Parameters, Person};
use super::pose::PoseEstimator;
use super::scores::ActivityError;
use super::skeleton::SkeletonClassifier;
use super::smooth::Smooth;
use super::{Belief, Body, Judgement, Pose, Subject};
use crate::clock::Timestamp;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::model;
use crate::tag::{Label, ModelRef, TrackId};
use crate::track::{Track, Tracker};

/// A frame that comes by so much of the usual interval too early is looked at all the same, so that a pause that is a
/// multiple of the interval does not miss every second time by a hair.
const EARLY: f64 = 0.5;

/// The models that activities are recognised with; one worker owns them.
pub struct Models {
    /// Finds people's joints.
    pub pose: PoseEstimator,
    /// Recognises by joints.
    pub skeleton: SkeletonClassifier,
    /// Recognise by clips.
    pub clips: Vec<ClipClassifier>,
}

impl Models {
    /// Who they are.
    pub fn references(&self) -> impl Iterator<Item = &Arc<ModelRef>> {
        let clips = self.clips.iter().map(ClipClassifier::model);
        [self.pose.model(), self.skeleton.model()].into_iter().chain(clips)
    }

    /// Every label that an activity can have, in the order of the alphabet.
    pub fn labels(&self) -> Vec<Label> {
        let by_joints = Person::labels(&self.skeleton);
        let by_clips = self.clips.iter().flat_map(|clip| clip.labels().to_vec());
        let mut labels: Vec<Label> = by_joints.into_iter().chain(by_clips).collect();
        labels.sort();
        labels.dedup();
        labels
    }
}

/// What came of a frame.
#[derive(Debug, Default)]
pub struct Observed {
    /// What is believed of those that were looked at: people in the order of their tracks, then what clips show.
    pub judgements: Vec<Judgement>,
    /// Poses that were taken.
    pub poses: u64,
    /// How long people were there since the frame before, summed over people.
    pub person_time: Duration,
}

/// What one camera's activities are recognised from.
pub struct Observer {
    /// The camera's index.
    camera: usize,
    /// The pause between two poses of a person that is asked for, in seconds.
    pose_pause_s: f64,
    people: BTreeMap<TrackId, Followed>,
    /// By classifier.
    clips: BTreeMap<(usize, Subject), Watched>,
    last: Option<Timestamp>,
    /// The usual time between frames, in seconds.
    interval_s: f64,
    /// What is left of the number of people that may be looked at on a frame when time is short.
    turns: f64,
}

/// Somebody whose joints are looked at.
struct Followed {
    person: Person,
    pose: Option<Pose>,
}

/// Somebody, or a picture, that a clip classifier looks at.
struct Watched {
    window: ClipWindow,
    smooth: Smooth,
    looked: Option<Timestamp>,
}

impl Observer {
    /// For the camera at index `camera`, whose people are to be looked at once per `pose_pause`.
    pub fn new(camera: usize, pose_pause: Duration) -> Self {
        Observer {
            camera,
            pose_pause_s: pose_pause.as_secs_f64(),
            people: BTreeMap::new(),
            clips: BTreeMap::new(),
            last: None,
            interval_s: 0.0,
            turns: 0.0,
        }
    }

    /// Looks at a frame. `label` says what a track is, in the detector's words.
    ///
    /// # Errors
    /// When a model fails.
    pub fn observe<'l>(
        &mut self,
        frame: &Frame,
        tracker: &Tracker,
        label: impl Fn(&Track) -> &'l str,
        models: &mut Models,
        budget: &mut Budget,
    ) -> Result<Observed, ActivityError> {
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
        self.ask(people.len(), models, budget);
        let mut observed = Observed {
            person_time: Duration::from_secs_f64(since_s.min(1.0)) * people.len() as u32,
            ..Observed::default()
        };
        for track in self.due(frame.at, since_s, &people, budget.stretch()) {
            let begun = Instant::now();
            observed.judgements.push(self.look(frame, track, models)?);
            budget.spent(Look::Joints, begun.elapsed());
            observed.poses += 1;
        }
        for index in 0..models.clips.len() {
            let subjects = subjects(&models.clips[index], tracker, &label);
            self.watch(frame, index, subjects, models, budget, &mut observed.judgements)?;
        }
        Ok(observed)
    }

    /// Forgets tracks that have ended.
    pub fn forget(&mut self, ended: &[Track]) {
        for track in ended {
            self.people.remove(&track.id);
            self.clips.retain(|(_, subject), _| *subject != Subject::Track(track.id));
        }
    }

    /// Forgets everything: what follows is a new scene.
    pub fn cut(&mut self, budget: &mut Budget) {
        *self = Observer::new(self.camera, Duration::from_secs_f64(self.pose_pause_s));
        budget.ask(self.camera, Vec::new());
    }

    /// The last pose of a track.
    pub fn pose(&self, track: TrackId) -> Option<&Pose> {
        self.people.get(&track)?.pose.as_ref()
    }

    /// Tells everybody's kinematics where they are; of new people also where they were before they were confirmed.
    fn meet(&mut self, frame: &Frame, tracker: &Tracker, people: &[&Track]) {
        let aspect = aspect(frame);
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
    fn ask(&self, people: usize, models: &Models, budget: &mut Budget) {
        let mut asked = vec![(Look::Joints, people as f64 / self.pose_pause_s.max(self.interval_s))];
        for (index, clip) in models.clips.iter().enumerate() {
            let subjects = self.clips.keys().filter(|(of, _)| *of == index).count();
            asked.push((Look::Clip(index), subjects as f64 / clip.every().as_secs_f64()));
        }
        budget.ask(self.camera, asked);
    }

    /// Who is to be looked at, in the order of `people`. When time is short these are no more than their share of the
    /// frames, those first who have waited longest.
    fn due<'t>(&mut self, at: Timestamp, since_s: f64, people: &[&'t Track], stretch: f64) -> Vec<&'t Track> {
        let pause_s = self.pose_pause_s.max(self.interval_s) * stretch;
        let waited_s = |track: &Track| {
            let pose = self.people.get(&track.id).and_then(|followed| followed.pose.as_ref());
            // Nobody was ever looked at in the future: a clock that was set back is no reason to wait.
            pose.filter(|pose| pose.at <= at).map_or(f64::INFINITY, |pose| at.since(pose.at).as_secs_f64())
        };
        let early_s = EARLY * self.interval_s;
        let mut due: Vec<&Track> =
            people.iter().copied().filter(|track| waited_s(track) + early_s >= pause_s).collect();
        if stretch > 1.0 {
            due.sort_by(|a, b| waited_s(b).total_cmp(&waited_s(a)));
            self.turns = (self.turns + people.len() as f64 * since_s / pause_s).min(people.len() as f64);
            due.truncate(self.turns as usize);
            self.turns -= due.len() as f64;
            due.sort_by_key(|track| track.id);
        }
        due
    }

    fn look(
        &mut self,
        frame: &Frame,
        track: &Track,
        models: &mut Models,
    ) -> Result<Judgement, ActivityError> {
        let pose = models.pose.estimate(&frame.image, &track.bbox, frame.at)?;
        let followed = self.people.entry(track.id).or_insert_with(Followed::new);
        followed.person.pose(Body::of(&pose, models.pose.joint_score(), aspect(frame)));
        followed.pose = Some(pose);
        let belief = followed.person.judge(&mut models.skeleton)?;
        Ok(Judgement {
            subject: Subject::Track(track.id),
            model: Arc::clone(models.skeleton.model()),
            bbox: track.bbox,
            belief,
        })
    }

    /// Shows the frame to the clip classifier at `index`, and classifies who is due.
    fn watch(
        &mut self,
        frame: &Frame,
        index: usize,
        subjects: Vec<(Subject, BBox)>,
        models: &mut Models,
        budget: &mut Budget,
        judgements: &mut Vec<Judgement>,
    ) -> Result<(), ActivityError> {
        let classifier = &mut models.clips[index];
        let pause_s = classifier.every().as_secs_f64() * budget.stretch();
        for (subject, bbox) in subjects {
            let begun = Instant::now();
            let watched = self.clips.entry((index, subject)).or_insert_with(|| Watched {
                window: classifier.window(),
                smooth: Smooth::default(),
                looked: None,
            });
            classifier.observe(&mut watched.window, &frame.image, &bbox, frame.at);
            let due = watched
                .looked
                .is_none_or(|looked| looked > frame.at || frame.at.since(looked).as_secs_f64() >= pause_s);
            let Some(window) = watched.window.span().filter(|_| due) else { continue };
            let Some(scores) = classifier.classify(&watched.window)? else { continue };
            let scores = watched.smooth.add(frame.at, window, scores);
            let belief = Belief::of(window, classifier.labels(), classifier.unknown(), scores);
            watched.looked = Some(frame.at);
            budget.spent(Look::Clip(index), begun.elapsed());
            judgements.push(Judgement { subject, model: Arc::clone(classifier.model()), bbox, belief });
        }
        Ok(())
    }
}

impl Followed {
    fn new() -> Self {
        Followed { person: Person::new(Parameters::default()), pose: None }
    }
}

/// Whom a clip classifier looks at, and where they are.
fn subjects<'l>(
    classifier: &ClipClassifier,
    tracker: &Tracker,
    label: &impl Fn(&Track) -> &'l str,
) -> Vec<(Subject, BBox)> {
    match classifier.subject() {
        model::Subject::Frame => vec![(Subject::Scene, BBox::WHOLE)],
        model::Subject::Track { of, .. } => tracker
            .tracks()
            .filter(|track| track.visible && of.iter().any(|of| *of == label(track)))
            .map(|track| (Subject::Track(track.id), track.bbox))
            .collect(),
    }
}

/// Width of the frame by its height.
fn aspect(frame: &Frame) -> f32 {
    frame.image.width() as f32 / frame.image.height() as f32
}
