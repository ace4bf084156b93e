//! What is told of somebody on film, as events: frames to a person, and a person's beliefs to events.

use spotter::activity::{Belief, Body, Classify, Parameters, Person};
use spotter::clock::Timestamp;
use spotter::detect::{ClassId, Detection};
use spotter::geometry::BBox;
use spotter::tag::Label;
use spotter::track::{Tracker, TrackerConfig};

use super::puppet::{ASPECT, Shot};

/// Something done for a time, in seconds since the film began.
#[derive(Clone, Debug)]
pub struct Event {
    pub label: Label,
    pub from_s: f32,
    pub confirmed_s: f32,
    pub to_s: f32,
}

impl Event {
    pub fn put_earlier(&mut self, by_s: f32) {
        for time_s in [&mut self.from_s, &mut self.confirmed_s, &mut self.to_s] {
            *time_s -= by_s;
        }
    }
}

/// How beliefs become events here: a label that is first with a score of a half for 0.6 seconds begins, and ends when it
/// falls below 0.35 or another one takes over.
#[derive(Default)]
struct Hysteresis {
    candidate: Option<(Label, f32)>,
    events: Vec<Event>,
    open: bool,
}

impl Hysteresis {
    fn see(&mut self, now_s: f32, belief: &Belief) {
        let (best, score) = &belief.scores[0];
        if *score < 0.5 {
            self.candidate = None;
        } else if self.candidate.as_ref().is_none_or(|(label, _)| label != best) {
            self.candidate = Some((Label::clone(best), now_s));
        }
        let is_open =
            |events: &[Event], label: &Label| events.last().is_some_and(|last| last.label == *label);
        if let Some((label, since_s)) = &self.candidate
            && now_s - since_s >= 0.6 - 1e-3
            && !(self.open && is_open(&self.events, label))
        {
            if self.open {
                self.events.last_mut().unwrap().to_s = *since_s;
            }
            self.open = true;
            let label = Label::clone(label);
            self.events.push(Event { label, from_s: *since_s, confirmed_s: now_s, to_s: now_s });
        }
        if let Some(last) = self.events.last_mut().filter(|_| self.open) {
            last.to_s = now_s;
            let score = belief.scores.iter().find(|(label, _)| *label == last.label);
            self.open = score.is_some_and(|(_, score)| *score >= 0.35);
        }
    }
}

/// What is given of a film.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// Boxes and joints of every frame.
    All,
    /// No joints.
    Boxes,
    /// The boxes that the tracker makes of them, from its confirmation on, and joints.
    Tracks,
}

/// What a frame adds: boxes seen, the last of them on it, and joints.
pub struct Frame {
    boxes: Vec<(Timestamp, BBox)>,
    body: Option<Body>,
}

pub fn frames(shots: Vec<Shot>, given: Given) -> Vec<Frame> {
    let mut tracker = Tracker::new(TrackerConfig::default());
    let mut frames = Vec::new();
    for Shot { at, bbox, body } in shots {
        if given != Given::Tracks {
            let body = (given == Given::All).then_some(body);
            frames.push(Frame { boxes: vec![(at, bbox)], body });
            continue;
        }
        tracker.step(at, &[Detection { class: ClassId(0), score: 0.7, bbox }]);
        let earlier = tracker
            .newly_confirmed()
            .next()
            .map(|(_, sightings)| sightings.iter().map(|sighting| (sighting.at, sighting.bbox)).collect());
        let now = tracker.tracks().find(|track| track.visible).map(|track| vec![(at, track.bbox)]);
        frames.extend(earlier.or(now).map(|boxes| Frame { boxes, body: Some(body) }));
    }
    frames
}

/// What is told of somebody in these frames.
pub fn watch<C: Classify>(frames: Vec<Frame>, parameters: &Parameters, classifier: &mut C) -> Vec<Event>
where
    C::Error: std::fmt::Debug,
{
    let mut person = Person::new(parameters.clone());
    let mut hysteresis = Hysteresis::default();
    for Frame { boxes, body } in frames {
        for (at, bbox) in &boxes {
            person.see(*at, bbox, ASPECT);
        }
        body.into_iter().for_each(|body| person.pose(body));
        let belief = person.judge(classifier).unwrap();
        let sum: f32 = belief.scores.iter().map(|(_, score)| score).sum();
        assert!(sum <= 1.0 + 1e-4 && belief.scores.iter().all(|(_, score)| *score >= 0.0), "{belief:?}");
        assert!(belief.scores.is_sorted_by(|a, b| a.1 >= b.1), "{belief:?}");
        hysteresis.see(belief.window.to.as_micros() as f32 / 1e6, &belief);
    }
    hysteresis.events
}
