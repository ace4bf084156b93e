//! One posterior over everything somebody may do: postures, divided by speed and by what the skeleton classifier says.
//!
//! [`super::Person`] owns one. The posture classifier says whether somebody is on their feet, and speed whether they stand,
//! walk or run then. The skeleton classifier knows joints, and nothing of places; speed knows nothing of joints. So they
//! are independent looks at the same thing, and their likelihoods are multiplied. What the classifier does not know is
//! split between standing, walking, running and what nobody knows: it was trained without people who just stand there.

use super::kinematics::share;
use super::parameters::Parameters;
use super::posture::{ClassifyPosture, Kind, Lying, above, below};
use super::scores::ActivityError;
use crate::tag::Label;

/// How people move about while they do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// They stay where they are.
    OnTheSpot,
    /// They move, at any speed.
    Moving,
    /// They walk.
    Walking,
    /// They run.
    Running,
}

/// A classifier of a person's joints over time.
pub trait Classify {
    /// Steps of a window.
    fn steps(&self) -> usize;

    /// Steps per second.
    fn rate_hz(&self) -> f32;

    /// The labels that the scores belong to.
    fn labels(&self) -> &[Label];

    /// What the label at `index` is called in tags.
    fn published(&self, index: usize) -> &Label;

    /// How people move while they do what the label at `index` says.
    fn motion(&self, index: usize) -> Motion;

    /// The index of the label that means none of the others.
    fn unknown(&self) -> Option<usize>;

    /// The probability of each label, 0..=1; what is missing from 1 is unknown. `joints` is a window, oldest step first,
    /// f32 `[steps, 13, 3]`: x, y, and 1 when the joint was seen or 0.
    ///
    /// # Errors
    /// When the model fails.
    fn classify(&mut self, joints: &[f32]) -> Result<&[f32], ActivityError>;
}

/// Places of the labels that are there whatever the classifiers know.
const STAND: usize = 0;
const WALK: usize = 1;
const RUN: usize = 2;
const FALL: usize = 3;
const FALLEN: usize = 4;
const OWN: [&str; 5] = ["stand", "walk", "run", "fall", "fallen"];

/// Even the steadiest stand is as likely as this to look like moving.
const STAND_UNSTEADY: f32 = 0.001;

/// What speed and posture say at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'p> {
    /// Body heights per second; nothing when it is not known.
    pub(super) speed: Option<f32>,
    /// Whether any joint moved in the classifier's window, 0..=1.
    pub(super) stirring: f32,
    /// The probability of each of the posture classifier's labels.
    pub(super) postures: &'p [f32],
    pub(super) lying: Lying,
}

/// The scores of one person over time.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    labels: Vec<Label>,
    /// For each label of the posture classifier its place in `labels`; nothing for those that have none of their own.
    postures: Vec<Option<usize>>,
    /// Who is on their feet, among the posture classifier's labels.
    up: usize,
    /// The place of lying in `labels`.
    lie: usize,
    /// The first of the skeleton classifier's labels; those before it are ours or the posture classifier's.
    gestures: usize,
    /// For each of the skeleton classifier's labels its place in `labels` and how people move; nothing where it means unknown.
    places: Vec<Option<(usize, Motion)>>,
    /// For each label its probability given that the person is not down, smoothed.
    smoothed: Vec<f32>,
    begun: bool,
}

impl Evidence {
    pub(super) fn new() -> Self {
        let labels: Vec<Label> = OWN.iter().map(|label| Label::from(*label)).collect();
        Evidence {
            smoothed: vec![0.0; labels.len()],
            gestures: labels.len(),
            labels,
            postures: Vec::new(),
            up: 0,
            lie: 0,
            places: Vec::new(),
            begun: false,
        }
    }

    /// Learns the labels of classifiers, when they have others than the last ones. Without one of gestures there are none.
    pub(super) fn know(&mut self, postures: &impl ClassifyPosture, gestures: Option<&impl Classify>) {
        let known = gestures.map_or(0, |gestures| gestures.labels().len());
        if (self.postures.len(), self.places.len()) == (postures.labels().len(), known) {
            return;
        }
        *self = Evidence::new();
        let roles = postures.roles();
        self.up = roles.up;
        for (index, label) in postures.labels().iter().enumerate() {
            let has_place = ![roles.up, roles.fall].contains(&index);
            let place = has_place.then(|| self.place_of(label));
            if index == roles.lie {
                self.lie = place.unwrap_or_default();
            }
            self.postures.push(place);
        }
        self.gestures = self.labels.len();
        let gestures =
            gestures.into_iter().flat_map(|gestures| (0..known).map(move |index| (gestures, index)));
        for (classifier, index) in gestures {
            let (label, motion) = (classifier.published(index), classifier.motion(index));
            let place = match (motion, self.labels.iter().position(|known| known == label)) {
                _ if classifier.unknown() == Some(index) => None,
                (Motion::Walking, _) => Some(WALK),
                (Motion::Running, _) => Some(RUN),
                (_, Some(gait @ ..=RUN)) => Some(gait),
                // The posture classifier decides.
                (_, Some(place)) if place < self.gestures => None,
                _ => Some(self.place_of(label)),
            };
            self.places.push(place.map(|place| (place, motion)));
        }
        self.smoothed.resize(self.labels.len(), 0.0);
    }

    /// Where a label is, which is added when it is new.
    fn place_of(&mut self, label: &Label) -> usize {
        self.labels.iter().position(|known| known == label).unwrap_or_else(|| {
            self.labels.push(Label::clone(label));
            self.labels.len() - 1
        })
    }

    /// Every label.
    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Those that the skeleton classifier says.
    pub(super) fn gestures(&self) -> &[Label] {
        &self.labels[self.gestures..]
    }

    /// The scores of every label, best first, `dt_s` seconds after the last. `classified` are the skeleton classifier's
    /// probabilities, when it was asked.
    pub(super) fn judge(
        &mut self,
        classified: Option<&[f32]>,
        moment: &Moment<'_>,
        dt_s: f32,
        parameters: &Parameters,
    ) -> Vec<(Label, f32)> {
        let now = self.unless_down(classified, moment, parameters);
        let follows = if self.begun { share(dt_s, parameters.smoothing) } else { 1.0 };
        self.begun = true;
        for (smoothed, now) in self.smoothed.iter_mut().zip(now) {
            *smoothed += (now - *smoothed) * follows;
        }
        self.down(&moment.lying)
    }

    /// The scores of every label as they are, with another opinion of whether the person is down.
    pub(super) fn down(&self, lying: &Lying) -> Vec<(Label, f32)> {
        let Lying { kind, probability } = *lying;
        let down = match kind {
            Kind::Fall => FALL,
            Kind::Fallen => FALLEN,
            Kind::Lie => self.lie,
        };
        let score = |(place, (label, smoothed)): (usize, (&Label, &f32))| {
            let score = smoothed * (1.0 - probability) + if place == down { probability } else { 0.0 };
            (Label::clone(label), score.clamp(0.0, 1.0))
        };
        let mut scores: Vec<(Label, f32)> =
            self.labels.iter().zip(&self.smoothed).enumerate().map(score).collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        scores
    }

    /// For each label its probability now, given that the person is not down. Who is on their feet stands, walks or runs;
    /// a gesture takes its share from all of them, and from those who sit as well.
    fn unless_down(
        &self,
        classified: Option<&[f32]>,
        moment: &Moment<'_>,
        parameters: &Parameters,
    ) -> Vec<f32> {
        let mut now = self.posterior(classified, moment, parameters);
        let gestures: f32 = now[self.gestures..].iter().sum();
        let places = self.postures.iter().zip(moment.postures);
        let seated = places.filter_map(|(place, probability)| Some(((*place)?, *probability)));
        let seated: Vec<(usize, f32)> = seated.filter(|(place, _)| *place != self.lie).collect();
        let up = moment.postures.get(self.up).copied().unwrap_or(1.0);
        let not_down = seated.iter().map(|(_, probability)| probability).sum::<f32>() + up;
        if not_down > 0.0 {
            now[..=RUN].iter_mut().for_each(|gait| *gait *= up / not_down);
            for (place, probability) in seated {
                now[place] = (1.0 - gestures).max(0.0) * probability / not_down;
            }
        }
        now
    }

    /// For each gait and gesture its probability now, given that the person is on their feet; the rest is unknown.
    fn posterior(
        &self,
        classified: Option<&[f32]>,
        moment: &Moment<'_>,
        parameters: &Parameters,
    ) -> Vec<f32> {
        let likelihood = Likelihood::of(moment.speed, parameters);
        let mut weights = vec![0.0; self.labels.len()];
        let mut known = 0.0;
        for (place, probability) in self.places.iter().zip(classified.unwrap_or_default()) {
            let Some((place, motion)) = *place else { continue };
            // Who keeps still does none of it: what the classifier says then is a guess from the pose.
            let probability = probability * moment.stirring;
            known += probability;
            // People stand and walk far more often than they do what the classifier was shown as often as that.
            let often = if place <= RUN { 1.0 } else { parameters.gestures_are_rare };
            weights[place] += often * probability * likelihood.of_motion(place, motion);
            // It was never shown who stands, takes them for walkers, and walkers for runners: speed knows better.
            if [WALK, RUN].contains(&place) {
                for other in [STAND, WALK, RUN].into_iter().filter(|other| *other != place) {
                    weights[other] += parameters.gaits_confused * probability * likelihood.of_gait(other);
                }
            }
        }
        let unknown = (1.0 - known).clamp(0.0, 1.0);
        let gait = unknown * (1.0 - parameters.unknown_share) / 3.0;
        for place in [STAND, WALK, RUN] {
            weights[place] += gait * likelihood.of_gait(place);
        }
        let nameless = unknown * parameters.unknown_share;
        let sum = weights.iter().sum::<f32>() + nameless;
        if sum > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        weights
    }
}

/// How likely the speed is for each way to move; 1 is the most.
struct Likelihood {
    stand: f32,
    walk: f32,
    run: f32,
    spot: f32,
}

impl Likelihood {
    /// The speed that the picture shows is less than the true one for who comes or goes: walking may look like standing,
    /// and never the other way round.
    fn of(speed: Option<f32>, parameters: &Parameters) -> Self {
        let Some(speed) = speed else { return Likelihood { stand: 1.0, walk: 1.0, run: 1.0, spot: 1.0 } };
        let low = below(speed, parameters.walk_from);
        let high = above(speed, parameters.run_from);
        let middle = (1.0 - low - high).max(0.0);
        let (run_as_walk, run_as_stand) = parameters.run_unseen;
        Likelihood {
            stand: low + STAND_UNSTEADY,
            walk: middle + parameters.walk_unseen * low,
            run: high + run_as_walk * middle + run_as_stand * low,
            spot: below(speed, parameters.spot_until),
        }
    }

    fn of_gait(&self, place: usize) -> f32 {
        match place {
            STAND => self.stand,
            WALK => self.walk,
            _ => self.run,
        }
    }

    fn of_motion(&self, place: usize, motion: Motion) -> f32 {
        match motion {
            _ if place <= RUN => self.of_gait(place),
            Motion::OnTheSpot => self.spot,
            _ => 1.0,
        }
    }
}
