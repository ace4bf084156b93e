//! People who are seen oddly: cut by the border, by a clock that jumps, with no box at all. What people do as a rule is in
//! `tests/activity.rs`.

use std::time::Duration;

use proptest::prelude::*;

use super::{Parameters, Person};
use crate::activity::{
    ActivityError, BODY_JOINTS, Belief, Body, Classify, ClassifyPosture, Motion, Position, Roles,
};
use crate::clock::Timestamp;
use crate::geometry::BBox;
use crate::tag::Label;

const ASPECT: f32 = 1.5;

/// A classifier that says the same of everybody.
struct Fixed {
    labels: Vec<Label>,
    motions: Vec<Motion>,
    probabilities: Vec<f32>,
    asked: usize,
}

fn says(labels: &[(&str, Motion, f32)]) -> Fixed {
    Fixed {
        labels: labels.iter().map(|(label, ..)| Label::from(*label)).collect(),
        motions: labels.iter().map(|(_, motion, _)| *motion).collect(),
        probabilities: labels.iter().map(|(.., probability)| *probability).collect(),
        asked: 0,
    }
}

impl Classify for Fixed {
    fn steps(&self) -> usize {
        40
    }

    fn rate_hz(&self) -> f32 {
        25.0
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn published(&self, index: usize) -> &Label {
        &self.labels[index]
    }

    fn motion(&self, index: usize) -> Motion {
        self.motions[index]
    }

    fn unknown(&self) -> Option<usize> {
        self.labels.iter().position(|label| &**label == "unknown")
    }

    fn classify(&mut self, joints: &[f32]) -> Result<&[f32], ActivityError> {
        assert_eq!(joints.len(), 40 * BODY_JOINTS * 3);
        self.asked += 1;
        Ok(&self.probabilities)
    }
}

/// A classifier that says the same posture of everybody.
struct Posed {
    labels: Vec<Label>,
    probabilities: [f32; 4],
}

/// One that says of everybody that they are up, sit, lie or fall.
fn posed(probabilities: [f32; 4]) -> Posed {
    Posed { labels: ["up", "sit", "lie", "fall"].map(Label::from).to_vec(), probabilities }
}

const UP: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
const LIES: [f32; 4] = [0.0, 0.0, 1.0, 0.0];
const FALLS: [f32; 4] = [0.0, 0.0, 0.1, 0.9];

impl ClassifyPosture for Posed {
    fn steps(&self) -> usize {
        24
    }

    fn rate_hz(&self) -> f32 {
        10.0
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn roles(&self) -> Roles {
        Roles { up: 0, lie: 2, fall: 3 }
    }

    fn classify(&mut self, window: &[f32]) -> Result<&[f32], ActivityError> {
        assert_eq!(window.len(), 24 * 51);
        assert!(window.iter().all(|value| value.abs() <= 4.0), "{window:?}");
        Ok(&self.probabilities)
    }
}

fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_micros(ms * 1000)
}

/// Somebody upright in the middle of the picture, or `x` image widths from its left.
fn upright(x: f32) -> BBox {
    BBox::from_center(x, 0.5, 0.08, 0.3)
}

/// What is believed of somebody who is on their feet.
fn judge(person: &mut Person, classifier: &mut Fixed) -> Belief {
    judge_as(person, UP, classifier)
}

fn judge_as(person: &mut Person, posture: [f32; 4], classifier: &mut Fixed) -> Belief {
    person.judge(&mut posed(posture), Some(classifier)).unwrap()
}

fn score(belief: &Belief, label: &str) -> f32 {
    belief.scores.iter().find(|(known, _)| &**known == label).map_or(0.0, |(_, score)| *score)
}

/// A person whose box was at each of these places, 100 ms apart, and what is believed of them in the end.
fn seen(boxes: impl IntoIterator<Item = BBox>) -> Belief {
    let mut person = Person::new(Parameters::default());
    for (frame, bbox) in (0..).zip(boxes) {
        person.see(at_ms(frame * 100), &bbox, ASPECT);
        judge(&mut person, &mut says(&[]));
    }
    judge(&mut person, &mut says(&[]))
}

#[test]
fn a_box_tells_stand_walk_and_run() {
    // Widths per frame, where one body height is 0.2 widths.
    for (per_frame, label) in [(0.0, "stand"), (0.016, "walk"), (0.05, "run")] {
        let belief = seen((0..18).map(|frame| upright(0.05 + per_frame * frame as f32)));
        assert!(score(&belief, label) > 0.7, "{label}: {belief:?}");
    }
}

#[test]
fn who_was_seen_for_a_moment_or_never_is_unknown() {
    for boxes in [0, 1, 3] {
        let belief = seen((0..boxes).map(|frame| upright(0.2 + 0.02 * frame as f32)));
        assert!(belief.scores.iter().all(|(_, score)| *score < 0.5), "{boxes} boxes: {belief:?}");
    }
}

#[test]
fn who_walks_out_of_the_picture_walks_to_the_end() {
    let belief = seen((0..24).map(|frame| upright(0.7 + 0.014 * frame as f32).clipped()));
    assert!(score(&belief, "walk") > 0.8, "{belief:?}");
}

#[test]
fn who_walks_away_from_the_lower_edge_walks() {
    // Body heights from the camera, which hangs somewhat above heads.
    let boxes = (0..23).map(|frame| {
        let distance = 2.0 + 0.08 * frame as f32;
        let (height, foot) = (1.3 / distance, 0.27 + 1.56 / distance);
        BBox::from_corners(0.45, foot - height, 0.45 + 0.27 * height, foot.min(1.0))
    });
    assert_eq!(&*seen(boxes).scores[0].0, "walk");
}

#[test]
fn who_sits_is_told_to_sit_and_may_wave() {
    let mut person = Person::new(Parameters::default());
    let sits = [0.1, 0.9, 0.0, 0.0];
    for frame in 0..20 {
        person.see(at_ms(frame * 100), &upright(0.5), ASPECT);
        judge_as(&mut person, sits, &mut says(&[]));
    }
    let belief = judge_as(&mut person, sits, &mut says(&[]));
    assert!(score(&belief, "sit") > 0.85, "{belief:?}");
    assert!(score(&belief, "stand") < 0.15, "{belief:?}");
    let mut person = Person::new(Parameters::default());
    let mut waves = says(&[("unknown", Motion::OnTheSpot, 0.02), ("wave", Motion::OnTheSpot, 0.98)]);
    let belief = stirring(&mut person, sits, &mut waves, 0..30);
    assert!(score(&belief, "wave") > 0.6 && score(&belief, "sit") < 0.4, "{belief:?}");
}

#[test]
fn earlier_boxes_count_when_they_are_handed_over_at_once() {
    let mut person = Person::new(Parameters::default());
    for frame in 0..12 {
        person.see(at_ms(frame * 100), &upright(0.2 + 0.016 * frame as f32), ASPECT);
    }
    let belief = judge(&mut person, &mut says(&[]));
    assert_eq!(&*belief.scores[0].0, "walk", "{belief:?}");
    assert_eq!(belief.window.to, at_ms(1100));
    assert_eq!(belief.window.from, at_ms(0));
}

/// The joints of somebody who stands, by their height above the hips: nose, shoulders, elbows, wrists, hips, knees, ankles.
const ABOVE_HIPS: [f32; BODY_JOINTS] =
    [0.13, 0.1, 0.1, 0.05, 0.05, 0.0, 0.0, 0.0, 0.0, -0.075, -0.075, -0.15, -0.15];

/// Somebody who stands and lifts all of their joints up and down, every 100 ms.
fn stirring(
    person: &mut Person,
    posture: [f32; 4],
    classifier: &mut Fixed,
    frames: std::ops::Range<i64>,
) -> Belief {
    for frame in frames {
        let y = 0.5 + if frame % 4 < 2 { 0.02 } else { -0.02 };
        person.see(at_ms(frame * 100), &upright(0.5), ASPECT);
        let joints = ABOVE_HIPS.map(|above| Some(Position { x: 0.75, y: y - above }));
        person.pose(Body { at: at_ms(frame * 100), joints });
        judge_as(person, posture, classifier);
    }
    judge_as(person, posture, classifier)
}

#[test]
fn the_classifier_is_asked_for_some_poses_and_its_answer_ages() {
    let mut person = Person::new(Parameters::default());
    let mut classifier = says(&[("unknown", Motion::OnTheSpot, 0.1), ("wave", Motion::OnTheSpot, 0.9)]);
    let belief = stirring(&mut person, UP, &mut classifier, 0..30);
    assert!(score(&belief, "wave") > 0.7, "{belief:?}");
    assert!((10..=15).contains(&classifier.asked), "{} times in three seconds", classifier.asked);
    let asked = classifier.asked;
    for frame in 30..50 {
        person.see(at_ms(frame * 100), &upright(0.5), ASPECT);
        judge(&mut person, &mut classifier);
    }
    let belief = judge(&mut person, &mut classifier);
    assert_eq!(classifier.asked, asked, "there was no pose");
    assert!(score(&belief, "stand") > 0.7, "{belief:?}");
}

#[test]
fn the_classifiers_gaits_are_the_gaits() {
    let mut person = Person::new(Parameters::default());
    let labels =
        [("stroll", Motion::Walking, 0.9), ("unknown", Motion::Moving, 0.1), ("fall", Motion::Moving, 0.0)];
    let mut classifier = says(&labels);
    let belief = stirring(&mut person, UP, &mut classifier, 0..30);
    assert!(
        score(&belief, "stand") > 0.5,
        "the classifier says walk, but they stay where they are: {belief:?}"
    );
    for frame in 30..60 {
        let along = 0.02 * (frame - 30) as f32;
        person.see(at_ms(frame * 100), &upright(0.2 + along), ASPECT);
        let joints = ABOVE_HIPS.map(|above| Some(Position { x: 0.3 + along, y: 0.5 - above }));
        person.pose(Body { at: at_ms(frame * 100), joints });
        judge(&mut person, &mut classifier);
    }
    let belief = judge(&mut person, &mut classifier);
    assert!(score(&belief, "walk") > 0.9, "{belief:?}");
    let labels: Vec<&str> = belief.scores.iter().map(|(label, _)| &**label).collect();
    // Stand, walk, run, fall, fallen, and sit and lie of the posture classifier.
    assert_eq!(labels.len(), 7, "{labels:?}");
}

#[test]
fn a_clock_that_is_set_back_keeps_who_has_fallen() {
    let mut person = Person::new(Parameters::default());
    let lying = BBox::from_center(0.5, 0.62, 0.2, 0.07);
    for frame in 0..50 {
        let (bbox, posture) = match frame {
            0..20 => (upright(0.5), UP),
            20..30 => (lying, FALLS),
            _ => (lying, LIES),
        };
        person.see(at_ms(100_000 + frame * 100), &bbox, ASPECT);
        judge_as(&mut person, posture, &mut says(&[]));
    }
    assert_eq!(&*judge_as(&mut person, LIES, &mut says(&[])).scores[0].0, "fallen");
    for frame in 0..5 {
        person.see(at_ms(frame * 100), &lying, ASPECT);
        let belief = judge_as(&mut person, LIES, &mut says(&[]));
        assert_eq!(&*belief.scores[0].0, "fallen");
        assert_eq!((belief.window.from, belief.window.to), (at_ms(0), at_ms(frame * 100)));
    }
}

#[test]
fn smoothing_does_not_depend_on_how_often_it_is_judged() {
    let after = |step_ms: i64| {
        let mut person = Person::new(Parameters { unknown_share: 0.0, ..Parameters::default() });
        let mut ms = 0;
        while ms <= 3000 {
            person.see(at_ms(ms), &upright(0.5), ASPECT);
            if ms == 0 || ms >= 2000 && (ms - 2000) % step_ms == 0 {
                judge(&mut person, &mut says(&[]));
            }
            ms += 100;
        }
        score(&judge(&mut person, &mut says(&[])), "stand")
    };
    let (often, seldom) = (after(100), after(1000));
    assert!((often - seldom).abs() < 0.02, "{often} {seldom}");
}

proptest! {
    #[test]
    fn anything_gives_a_belief(
        sights in prop::collection::vec(
            (-3_000_000i64..3_000_000, any::<(f32, f32, f32, f32)>(), any::<bool>(), -1.0f32..3.0),
            0..60,
        ),
    ) {
        let mut person = Person::new(Parameters::default());
        let mut classifier = says(&[("unknown", Motion::OnTheSpot, 0.5), ("wave", Motion::OnTheSpot, 0.5)]);
        let mut now = Timestamp::from_micros(i64::MAX / 2);
        for (step_us, (x, y, w, h), posed, at) in sights {
            now = Timestamp::from_micros(now.as_micros() + step_us);
            person.see(now, &BBox { x, y, w, h }, at);
            person.see(now, &BBox::from_center(at, 0.5, at * 0.1, at * 0.3), ASPECT);
            if posed {
                person.pose(Body { at: now - Duration::from_millis(5), joints: [Some(Position { x: at, y: x }); BODY_JOINTS] });
            }
            let belief = judge(&mut person, &mut classifier);
            let sum: f32 = belief.scores.iter().map(|(_, score)| score).sum();
            prop_assert!(sum.is_finite() && sum <= 1.0 + 1e-3, "{:?}", belief);
            prop_assert!(belief.scores.iter().all(|(_, score)| (0.0..=1.0).contains(score)), "{:?}", belief);
        }
    }
}
