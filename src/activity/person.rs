//! One person over time: boxes and joints in, a belief of what they do out.
//!
//! The owner of a track keeps one [`Person`] for it, and gives it every box that was seen ([`Person::see`]), also those
//! from before the track was confirmed, and every pose that was made ([`Person::pose`]). It reads no clock; its memory
//! is bounded; without a classifier a judgement takes microseconds.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::activity::belief::{Belief, Window};
use crate::activity::evidence::{Classify, Evidence, Moment};
use crate::activity::joints::{BODY_JOINTS, Body};
use crate::activity::kinematics::{Edges, Movement, REACH, Stature};
use crate::activity::parameters::Parameters;
use crate::activity::posture::{ClassifyPosture, Look, Posture, PostureWindow, Seen, above};
use crate::activity::scores::ActivityError;
use crate::activity::window::JointWindow;
use crate::clock::Timestamp;
use crate::geometry::BBox;
use crate::tag::Label;

/// What was seen of one person, and what that says of them.
#[derive(Clone, Debug)]
pub struct Person {
    parameters: Parameters,
    joints: JointWindow,
    movement: Movement,
    /// Upright height by boxes, in image heights.
    stature: Stature,
    posture: Posture,
    evidence: Evidence,
    /// When they were first and last seen, since the clock was last set back.
    seen: Option<(Timestamp, Timestamp)>,
    edges: Option<Edges>,
    judged_at: Option<Timestamp>,
    /// What the classifier said last, and of which time.
    classified: Vec<f32>,
    classified_at: Option<Timestamp>,
    /// How far the joint that moved most strayed in the classifier's window, in image heights.
    strayed: f32,
    /// The classifiers' inputs, kept for their memory.
    input: Vec<f32>,
    window: PostureWindow,
    /// Width of the image by its height.
    aspect: f32,
}

impl Person {
    /// Somebody who was not seen yet.
    pub fn new(parameters: Parameters) -> Self {
        Person {
            joints: JointWindow::new(parameters.joints_kept),
            parameters,
            movement: Movement::default(),
            stature: Stature::default(),
            posture: Posture::new(),
            evidence: Evidence::new(),
            seen: None,
            edges: None,
            judged_at: None,
            classified: Vec::new(),
            classified_at: None,
            strayed: 0.0,
            input: Vec::new(),
            window: PostureWindow::default(),
            aspect: 1.0,
        }
    }

    /// Every label that a judgement with these classifiers may have.
    pub fn labels(postures: &impl ClassifyPosture, gestures: &impl Classify) -> Vec<Label> {
        let mut evidence = Evidence::new();
        evidence.know(postures, Some(gestures));
        evidence.labels().to_vec()
    }

    /// The labels among them that the classifier of gestures says.
    pub fn gestures(postures: &impl ClassifyPosture, gestures: &impl Classify) -> Vec<Label> {
        let mut evidence = Evidence::new();
        evidence.know(postures, Some(gestures));
        evidence.gestures().to_vec()
    }

    /// Takes in the person's box on a frame whose image is `aspect` times as wide as high. To be called for every frame that
    /// shows the person, oldest first. A time before the last one means that the clock was set back: what was measured
    /// over time begins anew, and who has fallen stays so.
    pub fn see(&mut self, at: Timestamp, bbox: &BBox, aspect: f32) {
        let Some(edges) = Edges::of(bbox, aspect) else { return };
        match &mut self.seen {
            Some((_, last)) if *last <= at => *last = at,
            _ => self.begin_at(at),
        }
        self.movement.see(at, edges);
        (self.edges, self.aspect) = (Some(edges), aspect);
        if let Some(height) = edges.upright_height()
            && !self.posture.may_be_down(&self.parameters)
        {
            self.stature.learn(height, at, &self.parameters);
        }
    }

    /// Takes in the joints of a pose that was made on a frame, after the frame's box.
    pub fn pose(&mut self, mut body: Body) {
        for joint in &mut body.joints {
            *joint = joint.filter(|place| place.x.abs() <= REACH && place.y.abs() <= REACH);
        }
        self.joints.push(body);
    }

    /// What the person does, as of the last box. The classifier of `gestures` is asked when there was a pose since the last
    /// time, not too soon after it, and enough joints were seen; its answer holds as long as a pose does. Without one no gestures are
    /// told.
    ///
    /// # Errors
    /// When a classifier fails.
    pub fn judge(
        &mut self,
        postures: &mut impl ClassifyPosture,
        mut gestures: Option<&mut impl Classify>,
    ) -> Result<Belief, ActivityError> {
        self.evidence.know(postures, gestures.as_deref());
        let (first, now) = self.seen.unwrap_or_default();
        if let Some(gestures) = &mut gestures {
            self.classify(*gestures, now)?;
        }
        let (steps, rate_hz) = (postures.steps(), postures.rate_hz());
        let seen = Seen {
            boxes: &mut self.movement.sights(),
            joints: &self.joints,
            aspect: self.aspect,
            stature: self.stature.height(),
        };
        let roles = postures.roles();
        let probabilities = postures.classify(self.window.fill(seen, now, steps, rate_hz))?;
        let dt_s = since_s(self.judged_at.replace(now), now);
        let of = |role: usize| probabilities.get(role).copied().unwrap_or_default();
        let look = Look { up: of(roles.up), lie: of(roles.lie), fall: of(roles.fall) };
        self.posture.see(look, dt_s, &self.parameters);
        let height = self.edges.map_or(1.0, |edges| self.height(&edges));
        let moment = Moment {
            speed: self.movement.speed(height, self.posture.is_up(), &self.parameters),
            stirring: above(self.strayed / height, self.parameters.stirs_from),
            postures: probabilities,
            lying: self.posture.lying(&self.parameters),
        };
        let classified = self.classified_at.map(|_| self.classified.as_slice());
        let scores = self.evidence.judge(classified, &moment, dt_s, &self.parameters);
        let span = Duration::from_secs_f32(steps as f32 / rate_hz.max(1.0));
        Ok(Belief { window: Window { from: first.max(now - span), to: now }, scores })
    }

    /// What is believed of the person at `now`, who is not seen any more: who vanished while they fell has fallen. Nothing of
    /// anybody else.
    pub fn judge_unseen(&mut self, now: Timestamp) -> Option<Belief> {
        let (first, last) = self.seen?;
        let unseen = now.since(last);
        let cut = self.edges.is_some_and(|edges| edges.cut_across);
        if unseen < self.parameters.vanished_after || cut {
            return None;
        }
        self.posture.vanish();
        if !self.posture.fell() {
            return None;
        }
        self.posture.wait(since_s(self.judged_at.replace(now), now));
        let scores = self.evidence.down(&self.posture.lying(&self.parameters));
        Some(Belief {
            window: Window { from: first.max(last - self.parameters.joints_kept), to: now },
            scores,
        })
    }

    /// Whether the person may be down, or on the way there: they should be looked for with care.
    pub fn may_be_down(&self) -> bool {
        self.posture.may_be_down(&self.parameters)
    }

    /// Whether the person lies, however they came to.
    pub fn lies(&self) -> bool {
        self.posture.is_down()
    }

    /// Whether the person fell, and is not up again.
    pub fn fell(&self) -> bool {
        self.posture.fell()
    }

    /// The person is somebody who fell before, and was lost.
    pub fn has_fallen(&mut self) {
        self.posture.has_fallen(&self.parameters);
    }

    /// Asks the classifier, when there is something new to ask.
    fn classify(&mut self, classifier: &mut impl Classify, now: Timestamp) -> Result<(), ActivityError> {
        let Some(newest) = self.joints.newest().map(|body| body.at) else {
            self.classified_at = None;
            return Ok(());
        };
        if now.since(newest) > self.parameters.pose_holds {
            self.classified_at = None;
        } else if self.classified_at.is_none_or(|last| newest.since(last) >= self.parameters.classified_every)
        {
            self.classified_at = None;
            self.joints.resample(newest, classifier.steps(), classifier.rate_hz(), &mut self.input);
            let seen: f32 = self.input.iter().skip(2).step_by(3).sum();
            if seen * 3.0 >= self.parameters.joints_seen * self.input.len() as f32 {
                let probabilities = classifier.classify(&self.input)?;
                self.classified.clear();
                self.classified.extend_from_slice(probabilities);
                self.classified_at = Some(newest);
                self.strayed = strayed(&self.input);
            }
        }
        Ok(())
    }

    /// Height of a box around the upright person, in image heights.
    fn height(&self, edges: &Edges) -> f32 {
        self.stature.height().unwrap_or_else(|| edges.least_height())
    }

    /// The first sight, or the first after the clock was set back.
    fn begin_at(&mut self, at: Timestamp) {
        self.seen = Some((at, at));
        self.movement.clear();
        self.judged_at = self.judged_at.map(|judged| judged.min(at));
        self.classified_at = None;
    }
}

/// How far the joint that moves most strays from its mean place, as a standard deviation, in a window f32 [steps, 13, 3].
fn strayed(window: &[f32]) -> f32 {
    let variance = |joint: usize| {
        let seen = window.chunks_exact(3).skip(joint).step_by(BODY_JOINTS).filter(|at| at[2] > 0.0);
        let count = (seen.clone().count() as f32).max(1.0);
        let mean = |value: usize| seen.clone().map(|at| at[value]).sum::<f32>() / count;
        let (x, y) = (mean(0), mean(1));
        seen.clone().map(|at| (at[0] - x).powi(2) + (at[1] - y).powi(2)).sum::<f32>() / count
    };
    (0..BODY_JOINTS).map(variance).fold(0.0, f32::max).sqrt()
}

/// Seconds since a time; none since never.
fn since_s(last: Option<Timestamp>, at: Timestamp) -> f32 {
    last.map_or(0.0, |last| at.since(last).as_secs_f32())
}
