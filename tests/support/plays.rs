//! What scripted people do before the camera, and what must be told of them.

use super::puppet::{Move, View};
use super::watch::{Event, Given};

const BOTH: &[View] = &[View::Side, View::Front];
const SIDE: &[View] = &[View::Side];
const FRONT: &[View] = &[View::Front];
pub const DOWN: &[&str] = &["fall", "fallen", "lie"];
const GAITS: [&str; 3] = ["stand", "walk", "run"];

/// An event of a label, or of one of several.
pub struct Expected {
    pub labels: &'static [&'static str],
    /// When it begins at the earliest.
    pub from_s: f32,
    /// When it is confirmed at the latest.
    pub by_s: f32,
    /// When it ends at the earliest and at the latest; the end of the film ends everything.
    pub ends_s: (f32, f32),
}

const fn event(labels: &'static [&'static str], from_s: f32, by_s: f32, ends_s: (f32, f32)) -> Expected {
    Expected { labels, from_s, by_s, ends_s }
}

pub struct Case {
    pub name: &'static str,
    pub views: &'static [View],
    pub script: &'static [(Move, f32)],
    /// In this order.
    pub expected: &'static [Expected],
    /// No event of these, whatever else there is.
    pub never: &'static [&'static [&'static str]],
    /// What may be told on the way, and need not be.
    pub may: &'static [&'static str],
    /// Whether boxes alone must give the same.
    pub by_boxes: bool,
    /// What a classifier adds. Somebody who waves hides it from who looks from the side.
    pub gesture: Option<Gesture>,
}

/// Something that only a classifier can tell: nothing of it is told before `from_s` or after `until_s`.
#[derive(Clone, Copy)]
pub struct Gesture {
    pub label: &'static str,
    pub from_s: f32,
    /// When it is confirmed at the latest; nothing when it need not be told, since it is but a part of something else.
    pub by_s: Option<f32>,
    pub until_s: f32,
}

pub const CASES: &[Case] = &[
    Case {
        name: "walk",
        views: SIDE,
        script: &[(Move::Walk(0.8), 8.0)],
        expected: &[event(&["walk"], 0.0, 2.4, (8.0, 8.0))],
        never: &[DOWN, &["run", "stand"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "stroll",
        views: SIDE,
        script: &[(Move::Walk(0.6), 8.0)],
        expected: &[event(&["walk"], 0.0, 2.4, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        // The growth of a box at ten body heights' distance is a tenth per second: it takes a while to be sure of.
        name: "come nearer",
        views: FRONT,
        script: &[(Move::Walk(0.9), 8.0)],
        expected: &[event(&["walk"], 0.0, 4.9, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "run",
        views: SIDE,
        script: &[(Move::Run(2.5), 4.0)],
        expected: &[event(&["run"], 0.0, 2.4, (4.0, 4.0))],
        never: &[DOWN, &["stand"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "run at the camera",
        views: FRONT,
        script: &[(Move::Run(2.5), 5.0)],
        expected: &[event(&["walk", "run"], 0.0, 4.9, (1.0, 5.0))],
        never: &[DOWN],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "stand",
        views: &[View::Side, View::Front, View::Far],
        script: &[(Move::Stand, 8.0)],
        expected: &[event(&["stand"], 0.0, 2.2, (8.0, 8.0))],
        never: &[DOWN, &["walk", "run"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        // To a classifier somebody who shifts their weight and talks with their hands looks like much that they do not do.
        name: "wait",
        views: BOTH,
        script: &[(Move::Fidget, 9.0)],
        expected: &[event(&["stand"], 0.0, 2.2, (9.0, 9.0))],
        never: &[DOWN, &["walk", "run"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "walk and stop",
        views: SIDE,
        script: &[(Move::Walk(0.8), 4.0), (Move::Stand, 4.0)],
        expected: &[event(&["walk"], 0.0, 2.4, (4.0, 6.1)), event(&["stand"], 4.0, 7.2, (8.0, 8.0))],
        never: &[DOWN, &["run"]],
        may: &[],
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
            // What another takes the place of ends when that begins: at 5 frames a second, the frame after it was gone.
            event(&["stand"], 0.0, 2.2, (2.0, 3.2)),
            // Told within two seconds from when it began; all else takes as long as it takes to be sure.
            event(&["fall"], 2.0, 4.0, (3.5, 5.0)),
            event(&["fallen"], 3.5, 6.2, (7.5, 10.0)),
            event(&["stand"], 7.5, 11.7, (11.0, 12.0)),
        ],
        never: &[&["walk", "run", "lie"]],
        may: &["sit", "crouch", "bend"],
        by_boxes: true,
        gesture: Some(Gesture { label: "stand up", from_s: 7.5, by_s: None, until_s: 10.8 }),
    },
    Case {
        name: "fall while walking",
        views: SIDE,
        script: &[(Move::Walk(0.8), 3.0), (Move::Fall, 0.5), (Move::Stay, 5.0)],
        expected: &[
            event(&["walk"], 0.0, 2.4, (3.0, 4.2)),
            event(&["fall"], 3.0, 5.0, (4.5, 5.7)),
            event(&["fallen"], 4.5, 7.0, (8.5, 8.5)),
        ],
        never: &[&["run", "lie"]],
        may: &[],
        by_boxes: true,
        gesture: None,
    },
    Case {
        name: "lie down",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::LieDown, 3.5), (Move::Stay, 4.0)],
        expected: &[event(&["stand"], 0.0, 2.2, (2.0, 5.5)), event(&["lie"], 3.5, 7.2, (9.5, 9.5))],
        never: &[&["walk", "run", "fall", "fallen"]],
        may: &["sit", "crouch", "bend"],
        by_boxes: true,
        gesture: Some(Gesture { label: "sit down", from_s: 2.0, by_s: None, until_s: 6.0 }),
    },
    Case {
        name: "wave",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Wave, 5.0), (Move::Stand, 4.0)],
        expected: &[event(&["stand"], 0.0, 2.2, (2.0, 11.0))],
        never: &[DOWN, &["walk", "run"]],
        may: &[],
        by_boxes: true,
        gesture: Some(Gesture { label: "wave", from_s: 2.0, by_s: Some(5.0), until_s: 9.5 }),
    },
    Case {
        name: "pick up",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Pick, 2.5), (Move::Stand, 4.0)],
        expected: &[event(&["stand"], 0.0, 2.2, (2.0, 8.5))],
        never: &[DOWN, &["walk", "run"]],
        may: &["bend", "crouch"],
        by_boxes: true,
        gesture: Some(Gesture { label: "pick", from_s: 2.0, by_s: None, until_s: 7.0 }),
    },
    Case {
        name: "sit down",
        views: BOTH,
        script: &[(Move::Stand, 2.0), (Move::Sit, 1.3), (Move::Stay, 5.0)],
        expected: &[event(&["stand"], 0.0, 2.2, (2.0, 5.0)), event(&["sit"], 2.0, 6.3, (8.3, 8.3))],
        never: &[DOWN, &["walk", "run"]],
        may: &["crouch", "bend"],
        by_boxes: false,
        gesture: Some(Gesture { label: "sit down", from_s: 2.0, by_s: None, until_s: 6.0 }),
    },
];

/// How long the tracker watches somebody before it is sure of them: who stands longer than who moves.
const SURE_S: f32 = 1.5;
const SURE_OF_MOVING_S: f32 = 0.4;

impl Case {
    pub fn is_for(&self, given: Given) -> bool {
        self.by_boxes || given != Given::Boxes
    }

    /// Whether the gesture that a classifier should see was told in time; nothing when there is none.
    pub fn gesture_told(&self, view: View, events: &[Event]) -> Option<bool> {
        let gesture = self.gesture.filter(|_| self.name != "wave" || view == View::Front)?;
        let by_s = gesture.by_s?;
        let told = |event: &Event| &*event.label == gesture.label && event.confirmed_s <= by_s;
        Some(events.iter().any(told))
    }

    /// Whether this may be told at all. Every event lasts a second at least, so that nothing else may be told.
    pub fn allows(&self, event: &Event) -> bool {
        let mut scripted =
            self.expected.iter().flat_map(|expected| expected.labels).chain(&GAITS).chain(self.may);
        let gesture = self.gesture.filter(|gesture| *gesture.label == *event.label);
        scripted.any(|label| **label == *event.label)
            || gesture.is_some_and(|gesture| event.from_s >= gesture.from_s && event.to_s <= gesture.until_s)
    }

    /// The script, by how much everything in it is later, and how much later its first event may be: the tracker gets time
    /// before it is sure.
    pub fn script_for(&self, given: Given) -> (Vec<(Move, f32)>, f32, f32) {
        let mut script = self.script.to_vec();
        match (given, script[0].0) {
            (Given::Tracks, Move::Stand | Move::Fidget) => {
                script[0].1 += SURE_S;
                (script, SURE_S, 0.0)
            }
            (Given::Tracks, _) => (script, 0.0, SURE_OF_MOVING_S),
            _ => (script, 0.0, 0.0),
        }
    }
}
