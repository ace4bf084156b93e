//! What is told of somebody on film: frames to a person, a person's beliefs to the rules, and the rules' tags to events.

use std::sync::Arc;

use spotter::activity::{Body, Classify, ClassifyPosture, Judgement, Parameters, Person, Subject};
use spotter::clock::Timestamp;
use spotter::config;
use spotter::detect::{ClassId, Detection};
use spotter::geometry::BBox;
use spotter::name::Name;
use spotter::rules::ActivityRules;
use spotter::tag::{self, Label, ModelRef, Phase, Tag, TrackId};
use spotter::track::{Tracker, TrackerConfig};

use super::puppet::{ASPECT, Shot};

/// What two tags say, a start and its end; in seconds since the film began.
#[derive(Clone, Debug)]
pub struct Event {
    pub label: Label,
    /// Since when it is going on.
    pub from_s: f32,
    /// When the start was told.
    pub confirmed_s: f32,
    /// When it ended.
    pub to_s: f32,
}

impl Event {
    pub fn put_earlier(&mut self, by_s: f32) {
        for time_s in [&mut self.from_s, &mut self.confirmed_s, &mut self.to_s] {
            *time_s -= by_s;
        }
    }
}

/// The events that a subscriber makes of tags, who sees to it that each activity ends before the next one starts.
fn events(tags: &[Tag]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut open = false;
    for tag in tags {
        let tag::Body::Activity(activity) = &tag.body else { panic!("not of an activity: {tag:?}") };
        let since_s = seconds(activity.since);
        match tag.phase {
            Phase::Start => {
                assert!(!open && activity.since <= tag.at && activity.summary.is_none(), "{tag:?}");
                let (label, confirmed_s) = (Label::clone(&tag.label), seconds(tag.at));
                events.push(Event { label, from_s: since_s, confirmed_s, to_s: f32::INFINITY });
                open = true;
            }
            Phase::Update | Phase::End => {
                let last = events.last_mut().filter(|_| open).expect("a start comes first");
                assert_eq!((&last.label, last.from_s), (&tag.label, since_s), "{tag:?}");
                if let (Phase::End, Some(summary)) = (tag.phase, &activity.summary) {
                    assert!(summary.ended >= activity.since && summary.ended <= tag.at, "{tag:?}");
                    (last.to_s, open) = (seconds(summary.ended), false);
                }
            }
        }
    }
    assert!(!open, "what starts ends: {events:?}");
    assert!(tags.is_sorted_by_key(|tag| tag.at), "tags come in order");
    events
}

fn seconds(at: Timestamp) -> f32 {
    at.as_micros() as f32 / 1e6
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

/// What is told of somebody in these frames, with the rules that everybody has who configures none. With a classifier of
/// gestures, they are told as well.
pub fn watch(
    frames: Vec<Frame>,
    parameters: &Parameters,
    postures: &mut impl ClassifyPosture,
    mut gestures: Option<&mut impl Classify>,
) -> Vec<Event> {
    let mut activities = config::Activities::default();
    if let Some(gestures) = gestures.as_deref() {
        for label in Person::gestures(postures, gestures) {
            activities.labels.insert(label.to_string(), activities.default);
        }
    }
    let model = ModelRef {
        name: "puppet".to_owned(),
        version: "1".to_owned(),
        sha256: "0".repeat(64),
        on: "cpu".into(),
    };
    let model = Arc::new(model);
    let mut person = Person::new(parameters.clone());
    let mut rules = ActivityRules::new(Name::new("stage").unwrap(), activities);
    let mut tags = Vec::new();
    for Frame { boxes, body } in frames {
        for (at, bbox) in &boxes {
            person.see(*at, bbox, ASPECT);
        }
        body.into_iter().for_each(|body| person.pose(body));
        let belief = person.judge(postures, gestures.as_deref_mut()).unwrap();
        let sum: f32 = belief.scores.iter().map(|(_, score)| score).sum();
        assert!(sum <= 1.0 + 1e-4 && belief.scores.iter().all(|(_, score)| *score >= 0.0), "{belief:?}");
        assert!(belief.scores.is_sorted_by(|a, b| a.1 >= b.1), "{belief:?}");
        let (subject, model) = (Subject::Track(TrackId(1)), Arc::clone(&model));
        let bbox = boxes.last().expect("a frame has a box").1;
        let (others, members) = (Arc::default(), Vec::new());
        tags.extend(rules.observe(vec![Judgement { subject, model, others, members, bbox, belief }]));
    }
    tags.extend(rules.end_all());
    events(&tags)
}
