//! Scripted people before simulated cameras, and the activities that must be told of them: at 5, 10 and 25 frames per
//! second, from the side and the front, with up to 30 % of the joints missing, and from boxes alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use spotter::activity::{Classify, Motion, Parameters};
use spotter::tag::Label;

#[path = "support/puppet.rs"]
mod puppet;
#[path = "support/watch.rs"]
mod watch;

use puppet::{Filming, Move, View, film};
use watch::{Event, Given, frames, watch};

const FRAME_RATES: [f32; 3] = [5.0, 10.0, 25.0];
const BOTH: &[View] = &[View::Side, View::Front];
const SIDE: &[View] = &[View::Side];
const FRONT: &[View] = &[View::Front];
const DOWN: &[&str] = &["fall", "fallen", "lie"];

/// An event of a label, or of one of several.
struct Expected {
    labels: &'static [&'static str],
    /// When it begins at the earliest.
    from_s: f32,
    /// When it is confirmed at the latest.
    by_s: f32,
    /// When it ends at the earliest and at the latest; the end of the film ends everything.
    ends_s: (f32, f32),
}

const fn event(labels: &'static [&'static str], from_s: f32, by_s: f32, ends_s: (f32, f32)) -> Expected {
    Expected { labels, from_s, by_s, ends_s }
}

struct Case {
    name: &'static str,
    views: &'static [View],
    script: &'static [(Move, f32)],
    /// In this order.
    expected: &'static [Expected],
    /// No event of these, whatever else there is.
    never: &'static [&'static [&'static str]],
    /// Whether boxes alone must give the same.
    by_boxes: bool,
    /// What a classifier adds, and until when. Somebody who waves hides it from who looks from the side.
    gesture: Option<(&'static str, f32)>,
}

const CASES: &[Case] = &[
    Case {
        name: "walk",
        views: SIDE,
        script: &[(Move::Walk(0.8), 8.0)],
        expected: &[event(&["walk"], 0.0, 2.0, (8.0, 8.0))],
        never: &[DOWN, &["run", "stand"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "stroll",
        views: SIDE,
        script: &[(Move::Walk(0.6), 8.0)],
        expected: &[event(&["walk"], 0.0, 2.0, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        // The growth of a box at ten body heights' distance is a tenth per second: it takes a while to be sure of.
        name: "come nearer",
        views: FRONT,
        script: &[(Move::Walk(0.9), 8.0)],
        expected: &[event(&["walk"], 0.0, 4.5, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "run",
        views: SIDE,
        script: &[(Move::Run(2.5), 4.0)],
        expected: &[event(&["run"], 0.0, 2.0, (4.0, 4.0))],
        never: &[DOWN, &["stand"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "run at the camera",
        views: FRONT,
        script: &[(Move::Run(2.5), 5.0)],
        expected: &[event(&["walk", "run"], 0.0, 4.5, (1.0, 5.0))],
        never: &[DOWN],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "stand",
        views: &[View::Side, View::Front, View::Far],
        script: &[(Move::Stand, 8.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (8.0, 8.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "walk and stop",
        views: SIDE,
        script: &[(Move::Walk(0.8), 4.0), (Move::Stand, 4.0)],
        expected: &[event(&["walk"], 0.0, 2.0, (4.0, 6.1)), event(&["stand"], 4.0, 6.8, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "fall",
        views: BOTH,
        script: &[
            (Move::Stand, 2.0),
            (Move::Fall, 0.8),
            (Move::Stay, 4.0),
            (Move::GetUp, 2.0),
            (Move::Stand, 3.0),
        ],
        expected: &[
            event(&["stand"], 0.0, 1.8, (2.0, 3.0)),
            event(&["fall"], 2.0, 4.0, (3.5, 5.0)),
            event(&["fallen"], 3.5, 5.8, (7.5, 10.0)),
            event(&["stand"], 7.5, 11.3, (11.0, 12.0)),
        ],
        never: &[&["walk", "run", "lie"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "fall while walking",
        views: SIDE,
        script: &[(Move::Walk(0.8), 3.0), (Move::Fall, 0.5), (Move::Stay, 5.0)],
        expected: &[
            event(&["walk"], 0.0, 2.0, (3.0, 4.0)),
            event(&["fall"], 3.0, 5.0, (4.5, 5.7)),
            event(&["fallen"], 4.5, 6.6, (8.5, 8.5)),
        ],
        never: &[&["run", "lie"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "lie down",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::LieDown, 3.5), (Move::Stay, 4.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 5.5)), event(&["lie"], 3.5, 6.8, (9.5, 9.5))],
        never: &[&["walk", "run", "fall", "fallen"]],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "wave",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Wave, 5.0), (Move::Stand, 2.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 9.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: true,
        gesture: Some(("wave", 5.0)),
    },
    Case {
        name: "pick up",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Pick, 2.5), (Move::Stand, 2.5)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 7.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: true,
        gesture: Some(("pick", 5.0)),
    },
    Case {
        name: "sit down",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Sit, 1.3), (Move::Stay, 5.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 5.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: false,
        gesture: None,
    },
];

/// How long the tracker watches somebody before it is sure of them: who stands longer than who moves.
const SURE_S: f32 = 1.5;
const SURE_OF_MOVING_S: f32 = 0.4;

impl Case {
    fn is_for(&self, given: Given) -> bool {
        self.by_boxes || given != Given::Boxes
    }

    /// The gesture that a classifier should have seen, when it was not.
    fn missed(&self, view: View, events: &[Event]) -> Option<String> {
        let (label, by_s) = self.gesture.filter(|_| self.name != "wave" || view == View::Front)?;
        let seen = events.iter().any(|event| &*event.label == label && event.confirmed_s <= by_s);
        (!seen).then(|| format!("no {label} until {by_s} s"))
    }

    /// The script, by how much everything in it is later, and how much later its first event may be: the tracker gets time
    /// before it is sure.
    fn script_for(&self, given: Given) -> (Vec<(Move, f32)>, f32, f32) {
        let mut script = self.script.to_vec();
        match (given, script[0].0) {
            (Given::Tracks, Move::Stand) => {
                script[0].1 += SURE_S;
                (script, SURE_S, 0.0)
            }
            (Given::Tracks, _) => (script, 0.0, SURE_OF_MOVING_S),
            _ => (script, 0.0, 0.0),
        }
    }
}

/// A classifier that knows nothing.
struct Ignorant {
    labels: Vec<Label>,
}

impl Classify for Ignorant {
    type Error = Infallible;

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

    fn motion(&self, _: usize) -> Motion {
        Motion::OnTheSpot
    }

    fn unknown(&self) -> Option<usize> {
        Some(0)
    }

    fn classify(&mut self, joints: &[f32]) -> Result<&[f32], Infallible> {
        assert_eq!(joints.len(), 40 * 13 * 3);
        Ok(&[1.0])
    }
}

fn ignorant() -> Ignorant {
    Ignorant { labels: vec![Label::from("unknown")] }
}

/// What is wrong with the events of a film that lasts `lasts_s`; frames are `frame_s` apart.
fn faults(case: &Case, events: &[Event], lasts_s: f32, slack_s: f32, frame_s: f32) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rest = events;
    for (index, expected) in case.expected.iter().enumerate() {
        let is_first = index == 0;
        let by_s = expected.by_s + if is_first { slack_s } else { 0.0 };
        let is_it = |event: &Event| expected.labels.contains(&&*event.label);
        let Some(place) = rest.iter().position(is_it) else {
            faults.push(format!("no {:?}", expected.labels));
            continue;
        };
        let found = &rest[place];
        rest = &rest[place + 1..];
        let (earliest_s, latest_s) = expected.ends_s;
        let to_s = if found.to_s > lasts_s - 2.0 * frame_s { lasts_s } else { found.to_s };
        if (found.from_s < expected.from_s && !is_first) || found.confirmed_s > by_s {
            faults.push(format!("not between {} and {} s: {found:?}", expected.from_s, expected.by_s));
        }
        if to_s < earliest_s - frame_s || to_s > latest_s {
            faults.push(format!("does not end between {earliest_s} and {latest_s} s: {found:?}"));
        }
    }
    for event in events {
        let expected = case.expected.iter().filter(|expected| expected.labels == [&*event.label]).count();
        let found = events.iter().filter(|other| other.label == event.label).count();
        if case.never.iter().any(|never| never.contains(&&*event.label)) {
            faults.push(format!("must not be: {event:?}"));
        } else if DOWN.contains(&&*event.label) && found != expected {
            faults.push(format!("{found} times, not {expected}: {event:?}"));
        }
    }
    faults
}

/// The share of films that go wrong in any way, and the first few ways.
struct Outcome {
    wrong: usize,
    films: usize,
    faults: Vec<String>,
    table: String,
}

/// Which films.
#[derive(Clone)]
struct Choice {
    given: Given,
    dropped: &'static [f32],
    seeds: std::ops::Range<u64>,
    /// Whether the classifier knows the gestures.
    gestures: bool,
}

fn bench<C: Classify>(choice: &Choice, parameters: &Parameters, classifier: &mut C) -> Outcome
where
    C::Error: std::fmt::Debug,
{
    let given = choice.given;
    let mut result = Outcome { wrong: 0, films: 0, faults: Vec::new(), table: String::new() };
    for case in CASES.iter().filter(|case| case.is_for(given)) {
        write!(result.table, "{:20}", case.name).unwrap();
        let (script, lead_s, slack_s) = case.script_for(given);
        let lasts_s = case.script.iter().map(|(_, lasts_s)| lasts_s).sum();
        for fps in FRAME_RATES {
            for &dropped in choice.dropped {
                let (mut right, mut films) = (0, 0);
                let mut delays = Vec::new();
                for (view, seed) in
                    case.views.iter().flat_map(|view| choice.seeds.clone().map(move |seed| (*view, seed)))
                {
                    let filming = Filming { view, fps, dropped, noise: 0.015, seed };
                    let mut events = watch(frames(film(&script, &filming), given), parameters, classifier);
                    events.iter_mut().for_each(|event| event.put_earlier(lead_s));
                    let mut faults = faults(case, &events, lasts_s, slack_s, 1.0 / fps);
                    faults.extend(choice.gestures.then(|| case.missed(view, &events)).flatten());
                    films += 1;
                    right += usize::from(faults.is_empty());
                    delays.extend(
                        events.iter().filter(|event| &*event.label == "fall").map(|event| event.confirmed_s),
                    );
                    let film = format!("{}, {filming:?}", case.name);
                    result.faults.extend(faults.into_iter().map(|fault| format!("{film}: {fault}")));
                }
                write!(result.table, " {right:2}/{films:2}").unwrap();
                if let (true, Some(slowest)) =
                    (case.name.starts_with("fall"), delays.into_iter().reduce(f32::max))
                {
                    let begins_s = case.script[0].1;
                    write!(result.table, " ({:.2} s)", slowest - begins_s).unwrap();
                }
                result.films += films;
                result.wrong += films - right;
            }
            result.table += " |";
        }
        result.table.push('\n');
    }
    result
}

fn assert_right(result: &Outcome) {
    println!("{}", result.table);
    let first: Vec<&str> = result.faults.iter().take(40).map(String::as_str).collect();
    assert!(result.wrong == 0, "{} of {} films:\n{}", result.wrong, result.films, first.join("\n"));
}

fn everything(given: Given) -> Choice {
    Choice { given, dropped: &[0.0, 0.15, 0.3], seeds: 0..5, gestures: false }
}

#[test]
fn people_are_told_by_kinematics() {
    assert_right(&bench(&everything(Given::All), &Parameters::default(), &mut ignorant()));
}

#[test]
fn people_are_told_by_boxes_alone() {
    let choice = Choice { dropped: &[0.0], ..everything(Given::Boxes) };
    assert_right(&bench(&choice, &Parameters::default(), &mut ignorant()));
}

#[test]
fn people_are_told_by_their_tracks() {
    assert_right(&bench(&everything(Given::Tracks), &Parameters::default(), &mut ignorant()));
}

/// A parameter that is wrong in one way.
type Mistake = (&'static str, fn(&mut Parameters));

const MISTAKES: &[Mistake] = &[
    ("standing ends too late", |wrong| wrong.walk_from.0 = 0.75),
    ("standing ends too early", |wrong| wrong.walk_from.0 = 0.02),
    ("running begins too late", |wrong| wrong.run_from.0 = 3.5),
    ("running begins too early", |wrong| wrong.run_from.0 = 0.7),
    ("speed is jitter", |wrong| wrong.speed_window = Duration::from_millis(50)),
    ("speed is history", |wrong| wrong.speed_window = Duration::from_secs(3)),
    ("the lens is long", |wrong| wrong.focal_length = 12.0),
    ("growth is nothing", |wrong| wrong.growth_errors = 50.0),
    ("scores are slow", |wrong| wrong.smoothing = Duration::from_secs(4)),
    ("posture is slow", |wrong| wrong.posture_follows = Duration::from_secs(3)),
    ("nobody lies", |wrong| wrong.lying_angle.0 = 120.0),
    ("who bends lies", |wrong| wrong.lying_hips.0 = 0.6),
    ("nobody lies low enough", |wrong| wrong.lying_hips.0 = -0.2),
    ("a fall takes no time", |wrong| wrong.fall_within = Duration::ZERO),
    ("a fall takes any time", |wrong| wrong.fall_within = Duration::from_secs(9)),
    ("nobody stood before", |wrong| wrong.fall_stood = Duration::from_secs(60)),
    ("a fall lasts long", |wrong| wrong.fall_lasts = Duration::from_secs(4)),
    ("a fall is over at once", |wrong| wrong.fall_lasts = Duration::from_millis(300)),
    ("up at once", |wrong| (wrong.up_again, wrong.upright_hips.0) = (Duration::ZERO, -0.5)),
    ("never up", |wrong| wrong.up_again = Duration::from_secs(60)),
    ("who sits stands", |wrong| (wrong.feet_hips.0, wrong.feet_thighs.0) = (-1.0, -1.0)),
    ("nobody is on their feet", |wrong| wrong.feet_hips.0 = 0.7),
    ("all is unknown", |wrong| wrong.unknown_share = 0.8),
];

#[test]
fn wrong_parameters_are_found_out() {
    let choice = Choice { dropped: &[0.15], seeds: 0..2, ..everything(Given::All) };
    for (mistake, make) in MISTAKES {
        let mut wrong = Parameters::default();
        make(&mut wrong);
        let outcome = bench(&choice, &wrong, &mut ignorant());
        println!("{mistake}: {} of {}", outcome.wrong, outcome.films);
        assert!(outcome.wrong > 0, "{mistake}: nobody notices");
    }
}
