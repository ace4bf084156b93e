//! Scripted people before simulated cameras, and the activities that must be told of them: at 5, 10 and 25 frames per
//! second, from the side and the front, with up to 30 % of the joints missing, and from boxes alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;
use std::fmt::Write as _;

use spotter::activity::{Belief, Classify, Motion, Parameters, Person};
use spotter::tag::Label;

#[path = "support/puppet.rs"]
mod puppet;

use puppet::{Filming, Move, Shot, View, film};

const FRAME_RATES: [f32; 3] = [5.0, 10.0, 25.0];
const DROPPED: [f32; 3] = [0.0, 0.15, 0.3];
const SEEDS: std::ops::Range<u64> = 0..5;
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
}

const CASES: &[Case] = &[
    Case {
        name: "walk",
        views: SIDE,
        script: &[(Move::Walk(0.8), 8.0)],
        expected: &[event(&["walk"], 0.0, 2.0, (8.0, 8.0))],
        never: &[DOWN, &["run", "stand"]],
        by_boxes: true,
    },
    Case {
        name: "stroll",
        views: SIDE,
        script: &[(Move::Walk(0.6), 8.0)],
        expected: &[event(&["walk"], 0.0, 2.0, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        by_boxes: true,
    },
    Case {
        // The growth of a box at ten body heights' distance is a tenth per second: it takes a while to be sure of.
        name: "come nearer",
        views: FRONT,
        script: &[(Move::Walk(0.9), 8.0)],
        expected: &[event(&["walk"], 0.0, 4.5, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        by_boxes: true,
    },
    Case {
        name: "run",
        views: SIDE,
        script: &[(Move::Run(2.5), 4.0)],
        expected: &[event(&["run"], 0.0, 2.0, (4.0, 4.0))],
        never: &[DOWN, &["stand"]],
        by_boxes: true,
    },
    Case {
        name: "run at the camera",
        views: FRONT,
        script: &[(Move::Run(2.5), 4.0)],
        expected: &[event(&["walk", "run"], 0.0, 3.5, (1.0, 4.0))],
        never: &[DOWN],
        by_boxes: true,
    },
    Case {
        name: "stand",
        views: BOTH,
        script: &[(Move::Stand, 8.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (8.0, 8.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: true,
    },
    Case {
        name: "walk and stop",
        views: SIDE,
        script: &[(Move::Walk(0.8), 4.0), (Move::Stand, 4.0)],
        expected: &[event(&["walk"], 0.0, 2.0, (4.0, 5.5)), event(&["stand"], 4.0, 6.2, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        by_boxes: true,
    },
    Case {
        name: "fall",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Fall, 0.8), (Move::Stay, 4.0), (Move::GetUp, 2.0), (Move::Stand, 3.0)],
        expected: &[
            event(&["stand"], 0.0, 1.8, (2.0, 3.0)),
            event(&["fall"], 2.0, 4.0, (3.5, 5.0)),
            event(&["fallen"], 3.5, 5.5, (7.5, 10.0)),
            event(&["stand"], 7.5, 11.0, (11.0, 12.0)),
        ],
        never: &[&["walk", "run", "lie"]],
        by_boxes: true,
    },
    Case {
        name: "fall while walking",
        views: SIDE,
        script: &[(Move::Walk(0.8), 3.0), (Move::Fall, 0.5), (Move::Stay, 5.0)],
        expected: &[
            event(&["walk"], 0.0, 2.0, (3.0, 4.0)),
            event(&["fall"], 3.0, 5.0, (4.5, 5.7)),
            event(&["fallen"], 4.5, 6.3, (8.5, 8.5)),
        ],
        never: &[&["run", "lie"]],
        by_boxes: true,
    },
    Case {
        name: "lie down",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::LieDown, 3.5), (Move::Stay, 4.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 5.5)), event(&["lie"], 3.5, 6.8, (9.5, 9.5))],
        never: &[&["walk", "run", "fall", "fallen"]],
        by_boxes: true,
    },
    Case {
        name: "wave",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Wave, 5.0), (Move::Stand, 2.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 9.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: true,
    },
    Case {
        name: "pick up",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Pick, 2.5), (Move::Stand, 2.5)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 7.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: true,
    },
    Case {
        name: "sit down",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Sit, 1.3), (Move::Stay, 5.0)],
        expected: &[event(&["stand"], 0.0, 1.8, (2.0, 5.0))],
        never: &[DOWN, &["walk", "run"]],
        by_boxes: false,
    },
];

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

/// Something done for a time, in seconds since the film began.
#[derive(Clone, Debug)]
struct Event {
    label: Label,
    from_s: f32,
    confirmed_s: f32,
    to_s: f32,
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
        let is_open = |events: &[Event], label: &Label| events.last().is_some_and(|last| last.label == *label);
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

fn watch<C: Classify>(
    shots: &[Shot],
    poses: bool,
    parameters: &Parameters,
    classifier: &mut C,
) -> Vec<Event>
where
    C::Error: std::fmt::Debug,
{
    let mut person = Person::new(parameters.clone());
    let mut hysteresis = Hysteresis::default();
    for shot in shots {
        person.see(shot.at, &shot.bbox, puppet::ASPECT);
        if poses {
            person.pose(shot.body.clone());
        }
        let belief = person.judge(classifier).unwrap();
        let sum: f32 = belief.scores.iter().map(|(_, score)| score).sum();
        assert!(sum <= 1.0 + 1e-4 && belief.scores.iter().all(|(_, score)| *score >= 0.0), "{belief:?}");
        assert!(belief.scores.is_sorted_by(|a, b| a.1 >= b.1), "{belief:?}");
        assert_eq!(belief.window.to, shot.at);
        hysteresis.see(shot.at.as_micros() as f32 / 1e6, &belief);
    }
    hysteresis.events
}

/// What is wrong with the events of a film that lasts `lasts_s`; frames are `frame_s` apart.
fn faults(case: &Case, events: &[Event], lasts_s: f32, frame_s: f32) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rest = events;
    for expected in case.expected {
        let is_it = |event: &Event| expected.labels.contains(&&*event.label);
        let Some(place) = rest.iter().position(is_it) else {
            faults.push(format!("no {:?}", expected.labels));
            continue;
        };
        let found = &rest[place];
        rest = &rest[place + 1..];
        let (earliest_s, latest_s) = expected.ends_s;
        let to_s = if found.to_s > lasts_s - 2.0 * frame_s { lasts_s } else { found.to_s };
        if found.from_s < expected.from_s || found.confirmed_s > expected.by_s {
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

fn bench<C: Classify>(parameters: &Parameters, poses: bool, classifier: &mut C) -> Outcome
where
    C::Error: std::fmt::Debug,
{
    let mut result = Outcome { wrong: 0, films: 0, faults: Vec::new(), table: String::new() };
    for case in CASES.iter().filter(|case| poses || case.by_boxes) {
        write!(result.table, "{:20}", case.name).unwrap();
        let lasts_s = case.script.iter().map(|(_, lasts_s)| lasts_s).sum();
        for fps in FRAME_RATES {
            for dropped in DROPPED.into_iter().filter(|dropped| poses || *dropped == 0.0) {
                let (mut right, mut films) = (0, 0);
                let mut delays = Vec::new();
                for (view, seed) in case.views.iter().flat_map(|view| SEEDS.map(move |seed| (*view, seed))) {
                    let filming = Filming { view, fps, dropped, noise: 0.015, seed };
                    let events = watch(&film(case.script, &filming), poses, parameters, classifier);
                    let faults = faults(case, &events, lasts_s, 1.0 / fps);
                    films += 1;
                    right += usize::from(faults.is_empty());
                    delays.extend(events.iter().filter(|event| &*event.label == "fall").map(|event| event.confirmed_s));
                    let film = format!("{}, {filming:?}", case.name);
                    result.faults.extend(faults.into_iter().map(|fault| format!("{film}: {fault}")));
                }
                write!(result.table, " {right:2}/{films:2}").unwrap();
                if let (true, Some(slowest)) = (case.name.starts_with("fall"), delays.into_iter().reduce(f32::max)) {
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

#[test]
fn people_are_told_by_kinematics_alone() {
    assert_right(&bench(&Parameters::default(), true, &mut ignorant()));
}

#[test]
fn people_are_told_by_boxes_alone() {
    assert_right(&bench(&Parameters::default(), false, &mut ignorant()));
}
