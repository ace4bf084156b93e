//! One person over time: boxes and joints in, a belief of what they do out.
//!
//! The owner of a track keeps one [`Person`] for it, and gives it every box that was seen ([`Person::see`]), also those
//! from before the track was confirmed, and every pose that was made ([`Person::pose`]). It reads no clock; its memory
//! is bounded; without a classifier a judgement takes microseconds.

#[cfg(test)]
mod tests;

use crate::activity::belief::{Belief, Window};
use crate::activity::evidence::{Classify, Evidence, Moment};
use crate::activity::joints::{BODY_JOINTS, Body};
use crate::activity::kinematics::{Edges, Movement, REACH, Stature};
use crate::activity::parameters::Parameters;
use crate::activity::posture::{Build, Look, Posture, above, look_at_box};
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
    /// Upright height by boxes and by joints: detectors draw boxes around hair and shoes.
    box_height: Stature,
    body_height: Stature,
    posture: Posture,
    evidence: Evidence,
    /// When they were first and last seen, since the clock was last set back.
    seen: Option<(Timestamp, Timestamp)>,
    edges: Option<Edges>,
    /// When a pose last told the posture, and when anything did.
    posed_at: Option<Timestamp>,
    posture_at: Option<Timestamp>,
    judged_at: Option<Timestamp>,
    /// What the classifier said last, and of which time.
    classified: Vec<f32>,
    classified_at: Option<Timestamp>,
    /// How far the joint that moved most strayed in the classifier's window, in image heights.
    strayed: f32,
    /// The classifier's input, kept for its memory.
    input: Vec<f32>,
}

impl Person {
    /// Somebody who was not seen yet.
    pub fn new(parameters: Parameters) -> Self {
        Person {
            joints: JointWindow::new(parameters.joints_kept),
            parameters,
            movement: Movement::default(),
            box_height: Stature::default(),
            body_height: Stature::default(),
            posture: Posture::new(),
            evidence: Evidence::new(),
            seen: None,
            edges: None,
            posed_at: None,
            posture_at: None,
            judged_at: None,
            classified: Vec::new(),
            classified_at: None,
            strayed: 0.0,
            input: Vec::new(),
        }
    }

    /// Every label that a judgement with this classifier may have.
    pub fn labels(classifier: &impl Classify) -> Vec<Label> {
        let mut evidence = Evidence::new();
        evidence.know(classifier);
        evidence.labels().to_vec()
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
        self.edges = Some(edges);
        if let Some(height) = edges.upright_height()
            && !self.posture.is_lying()
        {
            self.box_height.learn(height, at, &self.parameters);
        }
        let holds = self.parameters.pose_holds;
        if self.posed_at.is_none_or(|posed| at.since(posed) > holds) {
            self.see_box_posture(at, true);
        }
    }

    /// Takes in the joints of a pose that was made on a frame, after the frame's box.
    pub fn pose(&mut self, mut body: Body) {
        let at = body.at;
        for joint in &mut body.joints {
            *joint = joint.filter(|place| place.x.abs() <= REACH && place.y.abs() <= REACH);
        }
        let build = Build::of(&body);
        self.joints.push(body);
        let Some(build) = build else { return self.see_box_posture(at, false) };
        if let Some(height) = build.height
            && !self.posture.is_lying()
        {
            self.body_height.learn(height, at, &self.parameters);
        }
        let known = self.body_height.height().or(self.box_height.height());
        let height = known
            .unwrap_or_else(|| build.height_of_torso().max(self.edges.map_or(0.0, |edges| edges.height())));
        let look = build.look(height, self.edges.as_ref(), &self.parameters);
        self.posed_at = Some(at);
        let dt_s = since_s(self.posture_at.replace(at), at);
        self.posture.see(look, dt_s, &self.parameters);
    }

    /// What the person does, as of the last box. The classifier is asked when there was a pose since the last time, not too soon after it, and
    /// enough joints were seen; its answer holds as long as a pose does.
    ///
    /// # Errors
    /// When the classifier fails.
    pub fn judge<C: Classify>(&mut self, classifier: &mut C) -> Result<Belief, C::Error> {
        self.evidence.know(classifier);
        let (first, now) = self.seen.unwrap_or_default();
        self.classify(classifier, now)?;
        let classified = self.classified_at.map(|_| self.classified.as_slice());
        let height = self.edges.map_or(1.0, |edges| self.height(&edges));
        let on_feet = self.posture.on_feet();
        let moment = Moment {
            speed: self.movement.speed(height, on_feet >= 0.5, &self.parameters),
            stirring: above(self.strayed / height, self.parameters.stirs_from),
            on_feet,
            lying: self.posture.lying(&self.parameters),
        };
        let dt_s = since_s(self.judged_at.replace(now), now);
        let scores = self.evidence.judge(classified, &moment, dt_s, &self.parameters);
        let span =
            std::time::Duration::from_secs_f32(classifier.steps() as f32 / classifier.rate_hz().max(1.0));
        Ok(Belief { window: Window { from: first.max(now - span), to: now }, scores })
    }

    /// Takes the posture from the last box; `alone` when joints have nothing to say of the legs, who know better.
    fn see_box_posture(&mut self, at: Timestamp, alone: bool) {
        let edges = self.edges.as_ref();
        if let Some(look) = edges.and_then(|edges| look_at_box(edges, self.height(edges), &self.parameters)) {
            let dt_s = since_s(self.posture_at.replace(at), at);
            let look = Look { on_feet: look.on_feet.filter(|_| alone), ..look };
            self.posture.see(look, dt_s, &self.parameters);
        }
    }

    /// Asks the classifier, when there is something new to ask.
    fn classify<C: Classify>(&mut self, classifier: &mut C, now: Timestamp) -> Result<(), C::Error> {
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
        self.box_height.height().unwrap_or_else(|| edges.least_height())
    }

    /// The first sight, or the first after the clock was set back.
    fn begin_at(&mut self, at: Timestamp) {
        self.seen = Some((at, at));
        self.movement.clear();
        for known in [&mut self.posed_at, &mut self.posture_at, &mut self.judged_at] {
            *known = known.map(|known| known.min(at));
        }
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
