//! Crossings of a line, with tracks whose foot points are given.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::geometry::BBox;
use crate::tag::{Label, ModelRef};

/// From left to right through the middle of the picture, so that above is its left; it leaves the outer fifths out.
fn line(labels: Option<&[&str]>) -> config::Line {
    let [from, to] = [0.2, 0.8].map(|x| Point { x, y: 0.5 });
    config::Line {
        name: Name::new("gate").unwrap(),
        segment: Segment::new(from, to).unwrap(),
        labels: labels.map(|labels| labels.iter().map(|&label| label.to_owned()).collect()),
    }
}

fn rules(line: config::Line) -> LineRules {
    let model = ModelRef { name: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64) };
    let labels = ["person", "car"].map(Label::from).to_vec();
    let vocabulary = Vocabulary { model: Arc::new(model), labels: labels.into() };
    LineRules::new(Name::new("ramp").unwrap(), vocabulary, &[line])
}

fn at(tenths: i64) -> Timestamp {
    Timestamp::from_micros(100_000 * tenths)
}

/// A person, a fifth of the picture high, so that it is on a side from a hundredth on.
fn track(id: u64, foot: (f32, f32), visible: bool) -> Track {
    Track {
        id: TrackId(id),
        class: ClassId(0),
        score: 0.6,
        bbox: BBox { x: foot.0 - 0.05, y: foot.1 - 0.2, w: 0.1, h: 0.2 },
        visible,
        first_seen: at(0),
        last_seen: at(7),
        best_score: 0.8,
        classes: Vec::new(),
        path: Vec::new(),
    }
}

fn direction(tag: &Tag) -> Direction {
    let Body::Line(line) = &tag.body else { panic!("not of a line: {tag:?}") };
    line.direction
}

/// What is told of a person that is seen at these points, ten times a second.
fn live(rules: &mut LineRules, feet: &[(f32, f32)]) -> Vec<(i64, Phase, Direction)> {
    let mut told = Vec::new();
    for (now, &foot) in (0..).zip(feet) {
        let tags = rules.observe(at(now), [&track(1, foot, true)]);
        told.extend(tags.iter().map(|tag| (now, tag.phase, direction(tag))));
    }
    told
}

/// Where the foot point is, and each tag's tenth, phase and direction.
type Case<'a> = (&'a str, &'a [(f32, f32)], &'a [(i64, Phase, Direction)]);

#[test]
fn crossings_are_told_once_and_with_their_direction() {
    use Direction::{In, Out};
    use Phase::{End, Start};
    let still = [(0.5, 0.52); 15];
    let at_the_line: Vec<(f32, f32)> = [(0.5, 0.4)]
        .into_iter()
        .chain((0..100).map(|i| (0.5, if i % 2 == 0 { 0.495 } else { 0.505 })))
        .collect();
    let waits: Vec<(f32, f32)> = [(0.5, 0.4), (0.5, 0.515)].into_iter().chain(still).collect();
    let cases: &[Case<'_>] = &[
        ("in", &[(0.5, 0.4), (0.5, 0.48), (0.5, 0.52), (0.5, 0.6)], &[(2, Start, In), (3, End, In)]),
        ("out", &[(0.5, 0.6), (0.5, 0.52), (0.5, 0.48), (0.5, 0.4)], &[(2, Start, Out), (3, End, Out)]),
        ("in one step", &[(0.5, 0.1), (0.5, 0.9), (0.5, 0.9)], &[(1, Start, In), (2, End, In)]),
        ("waits behind it", &waits, &[(1, Start, In), (11, End, In)]),
        ("stands on it", &at_the_line, &[]),
        (
            "slowly over it",
            &[(0.5, 0.48), (0.5, 0.495), (0.5, 0.5), (0.5, 0.505), (0.5, 0.511), (0.5, 0.54)],
            &[(4, Start, In), (5, End, In)],
        ),
        ("turns round", &[(0.5, 0.4), (0.5, 0.505), (0.5, 0.45), (0.5, 0.4)], &[]),
        (
            "comes back at once",
            &[(0.5, 0.45), (0.5, 0.52), (0.5, 0.48), (0.5, 0.45)],
            &[(1, Start, In), (2, End, In), (2, Start, Out), (3, End, Out)],
        ),
        ("begins on it", &[(0.5, 0.5), (0.5, 0.505), (0.5, 0.55), (0.5, 0.6)], &[]),
        ("begins on it, and goes", &[(0.5, 0.505), (0.5, 0.45), (0.5, 0.55)], &[(2, Start, In)]),
        ("past its beginning", &[(0.1, 0.4), (0.1, 0.6)], &[]),
        ("past its end, aslant", &[(0.7, 0.45), (0.95, 0.55)], &[]),
        ("aslant through it", &[(0.1, 0.4), (0.4, 0.6)], &[(1, Start, In)]),
        // On the line it goes past the end, and away there.
        ("along it", &[(0.5, 0.45), (0.5, 0.495), (0.9, 0.495), (0.9, 0.55)], &[]),
        (
            "back past its end",
            &[(0.5, 0.4), (0.5, 0.6), (0.9, 0.6), (0.9, 0.4)],
            &[(1, Start, In), (2, End, In)],
        ),
    ];
    for (what, feet, expected) in cases {
        assert_eq!(live(&mut rules(line(None)), feet), *expected, "{what}");
    }
}

#[test]
fn a_line_sees_only_its_labels() {
    let feet = [(0.5, 0.4), (0.5, 0.6)];
    assert!(live(&mut rules(line(Some(&["car"]))), &feet).is_empty());
    assert_eq!(live(&mut rules(line(Some(&["person"]))), &feet).len(), 1);
}

#[test]
fn what_is_hidden_crosses_when_it_is_seen_again() {
    let mut rules = rules(line(None));
    rules.observe(at(0), [&track(1, (0.5, 0.4), true)]);
    assert!(rules.observe(at(1), [&track(1, (0.5, 0.6), false)]).is_empty());
    assert_eq!(rules.observe(at(2), [&track(1, (0.5, 0.52), true)]).len(), 1);
    // And is done in time, hidden or not.
    assert!(rules.observe(at(5), [&track(1, (0.5, 0.52), false)]).is_empty());
    assert_eq!(rules.observe(at(12), [&track(1, (0.5, 0.52), false)])[0].phase, Phase::End);
}

#[test]
fn a_crossing_ends_with_its_track() {
    let mut rules = rules(line(None));
    live(&mut rules, &[(0.5, 0.45), (0.5, 0.52)]);
    let ends = rules.end(&[track(1, (0.5, 0.52), false)]);
    assert_eq!(ends.iter().map(|tag| (tag.phase, tag.at)).collect::<Vec<_>>(), [(Phase::End, at(7))]);
    assert!(rules.end(&[track(1, (0.5, 0.52), false)]).is_empty(), "nothing ends twice");
}

proptest! {
    /// Whatever a track does, starts and ends alternate, and when it is on the line's side of its ends all the time,
    /// directions alternate as well.
    #[test]
    fn crossings_alternate(steps in prop::collection::vec((0.0f32..1.0, any::<bool>(), 0i64..15), 1..200)) {
        let mut rules = rules(line(None));
        let (mut open, mut last, mut now) = (false, None, 0);
        for (y, visible, tenths) in steps {
            now += if tenths == 14 { -50 } else { tenths };
            for tag in rules.observe(at(now), [&track(1, (0.5, y), visible)]) {
                let starts = tag.phase == Phase::Start;
                prop_assert_eq!(starts, !open);
                open = starts;
                if starts {
                    prop_assert_ne!(last.replace(direction(&tag)), Some(direction(&tag)));
                }
            }
        }
        prop_assert_eq!(rules.end(&[track(1, (0.5, 0.5), true)]).len(), usize::from(open));
    }
}

#[test]
fn a_changed_line_ends_its_crossings_and_an_unchanged_one_keeps_them() {
    let feet = [(0.5, 0.45), (0.5, 0.52)];
    let there = track(1, feet[1], true);
    for (changed, expected) in [(line(None), &[][..]), (line(Some(&["person"])), &[Phase::End])] {
        let mut rules_before = rules(line(None));
        assert_eq!(live(&mut rules_before, &feet), [(1, Phase::Start, Direction::In)]);
        let ended = rules_before.change(rules(changed), [&there]);
        assert_eq!(ended.iter().map(|tag| tag.phase).collect::<Vec<_>>(), expected);
        // Whoever has ended is met anew; whoever has not ends in time.
        let later = rules_before.observe(at(30), [&there]);
        assert_eq!(later.len(), 1 - expected.len());
    }
}
