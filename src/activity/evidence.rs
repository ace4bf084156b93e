//! One posterior over everything somebody may do: what the skeleton classifier says, times what speed and posture allow.
//!
//! [`super::Person`] owns one. The classifier knows joints, and nothing of places; speed knows nothing of joints. So they
//! are independent looks at the same thing, and their likelihoods are multiplied. What the classifier does not know is
//! split between standing, walking, running and what nobody knows: it was trained without people who just stand there.

use super::kinematics::share;
use super::parameters::Parameters;
use super::posture::{Kind, Lying, above, below};
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
    /// Why it gives nothing.
    type Error;

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
    fn classify(&mut self, joints: &[f32]) -> Result<&[f32], Self::Error>;
}

/// Places of the labels that are there without a classifier.
const STAND: usize = 0;
const WALK: usize = 1;
const RUN: usize = 2;
const FALL: usize = 3;
const FALLEN: usize = 4;
const LIE: usize = 5;
const OWN: [&str; 6] = ["stand", "walk", "run", "fall", "fallen", "lie"];

/// Even the steadiest stand is as likely as this to look like moving.
const STAND_UNSTEADY: f32 = 0.001;

/// What speed and posture say at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Body heights per second; nothing when it is not known.
    pub(super) speed: Option<f32>,
    /// Whether any joint moved in the classifier's window, 0..=1.
    pub(super) stirring: f32,
    /// Whether they stand on both feet, 0..=1.
    pub(super) on_feet: f32,
    pub(super) lying: Lying,
}

/// The scores of one person over time.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    labels: Vec<Label>,
    /// For each of the classifier's labels its place in `labels` and how people move; nothing where it means unknown.
    places: Vec<Option<(usize, Motion)>>,
    /// For each label its probability given that the person is not down, smoothed.
    smoothed: Vec<f32>,
    begun: bool,
}

impl Evidence {
    pub(super) fn new() -> Self {
        let labels: Vec<Label> = OWN.iter().map(|label| Label::from(*label)).collect();
        Evidence { smoothed: vec![0.0; labels.len()], labels, places: Vec::new(), begun: false }
    }

    /// Learns the labels of a classifier, when it has others than the last one.
    pub(super) fn know(&mut self, classifier: &impl Classify) {
        if self.places.len() == classifier.labels().len() {
            return;
        }
        *self = Evidence::new();
        for index in 0..classifier.labels().len() {
            let (label, motion) = (classifier.published(index), classifier.motion(index));
            let place = match (motion, self.labels.iter().position(|known| known == label)) {
                _ if classifier.unknown() == Some(index) => None,
                (Motion::Walking, _) => Some(WALK),
                (Motion::Running, _) => Some(RUN),
                // Posture decides who is down.
                (_, Some(FALL | FALLEN | LIE)) => None,
                (_, Some(own)) => Some(own),
                (_, None) => {
                    self.labels.push(Label::clone(label));
                    Some(self.labels.len() - 1)
                }
            };
            self.places.push(place.map(|place| (place, motion)));
        }
        self.smoothed.resize(self.labels.len(), 0.0);
    }

    /// Every label.
    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The scores of every label, best first, `dt_s` seconds after the last. `classified` are the classifier's
    /// probabilities, when it was asked.
    pub(super) fn judge(
        &mut self,
        classified: Option<&[f32]>,
        moment: &Moment,
        dt_s: f32,
        parameters: &Parameters,
    ) -> Vec<(Label, f32)> {
        let standing = self.posterior(classified, moment, parameters);
        let follows = if self.begun { share(dt_s, parameters.smoothing) } else { 1.0 };
        self.begun = true;
        for (smoothed, now) in self.smoothed.iter_mut().zip(standing) {
            *smoothed += (now - *smoothed) * follows;
        }
        let Lying { kind, probability } = moment.lying;
        let down = match kind {
            Kind::Fall => FALL,
            Kind::Fallen => FALLEN,
            Kind::Lie => LIE,
        };
        let mut scores: Vec<(Label, f32)> = self
            .labels
            .iter()
            .zip(&self.smoothed)
            .enumerate()
            .map(|(place, (label, smoothed))| {
                let score = smoothed * (1.0 - probability) + if place == down { probability } else { 0.0 };
                (Label::clone(label), score.clamp(0.0, 1.0))
            })
            .collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        scores
    }

    /// For each label its probability now, given that the person is not down; the rest is unknown.
    fn posterior(&self, classified: Option<&[f32]>, moment: &Moment, parameters: &Parameters) -> Vec<f32> {
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
        // To sit there is as likely as to stand there, but has no label. Who moves along does not sit.
        let sits = (1.0 - parameters.seated_gait) * (1.0 - moment.on_feet) * likelihood.stand.min(1.0);
        let mut nameless = unknown * parameters.unknown_share;
        for place in [STAND, WALK, RUN] {
            let weight = weights[place] + gait * likelihood.of_gait(place);
            weights[place] = weight * (1.0 - sits);
            nameless += weight * sits;
        }
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
