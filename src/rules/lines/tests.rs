//! Crossings of a line, with tracks whose foot points are given.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::geometry::Point;
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
    let model =
        ModelRef { name: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64), on: "cpu".into() };
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
        foot: Point { x: foot.0, y: foot.1 },
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

/// What is told of a person that is seen at these points, ten times a second, and then no more: the tenth that each tag
/// speaks of, its phase and its direction.
fn live(rules: &mut LineRules, feet: &[(f32, f32)]) -> Vec<(i64, Phase, Direction)> {
    let mut told = Vec::new();
    let mut last = None;
    for (now, &foot) in (0..).zip(feet) {
        told.extend(rules.observe(at(now), [&track(1, foot, true)]));
        last = Some(Track { last_seen: at(now), ..track(1, foot, false) });
    }
    told.extend(rules.end(last.as_slice()));
    told.iter().map(|tag| (tag.at.as_micros() / 100_000, tag.phase, direction(tag))).collect()
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
        ("in one step, and gone", &[(0.5, 0.1), (0.5, 0.9)], &[(1, Start, In), (1, End, In)]),
        ("ends just behind it", &[(0.5, 0.4), (0.5, 0.48), (0.5, 0.506)], &[(2, Start, In), (2, End, In)]),
        ("waits behind it", &waits, &[(1, Start, In), (12, End, In)]),
        ("stands on it", &at_the_line, &[]),
        (
            "slowly over it",
            &[(0.5, 0.48), (0.5, 0.495), (0.5, 0.5), (0.5, 0.505), (0.5, 0.511), (0.5, 0.54)],
            &[(3, Start, In), (5, End, In)],
        ),
        ("turns round", &[(0.5, 0.4), (0.5, 0.505), (0.5, 0.45), (0.5, 0.4)], &[]),
        ("one box is wrong", &[(0.5, 0.4), (0.5, 0.41), (0.5, 0.6), (0.5, 0.42), (0.5, 0.43)], &[]),
        (
            "comes back",
            &[(0.5, 0.45), (0.5, 0.52), (0.5, 0.525), (0.5, 0.48), (0.5, 0.45), (0.5, 0.4)],
            &[(1, Start, In), (3, End, In), (3, Start, Out), (5, End, Out)],
        ),
        (
            "comes back, and is gone",
            &[(0.5, 0.45), (0.5, 0.52), (0.5, 0.525), (0.5, 0.48)],
            &[(1, Start, In), (3, End, In), (3, Start, Out), (3, End, Out)],
        ),
        ("begins on it", &[(0.5, 0.5), (0.5, 0.505), (0.5, 0.55), (0.5, 0.6)], &[]),
        ("begins beside it", &[(0.5, 0.495), (0.5, 0.55), (0.5, 0.6)], &[(1, Start, In), (2, End, In)]),
        ("past its beginning", &[(0.1, 0.4), (0.1, 0.6), (0.1, 0.7)], &[]),
        ("past its end, aslant", &[(0.7, 0.45), (0.95, 0.55), (0.95, 0.6)], &[]),
        ("aslant through it", &[(0.1, 0.4), (0.4, 0.6), (0.45, 0.65)], &[(1, Start, In), (2, End, In)]),
        // On the line it goes past the end, and away there.
        ("along it", &[(0.5, 0.45), (0.5, 0.495), (0.9, 0.495), (0.9, 0.55), (0.9, 0.6)], &[]),
        (
            "back past its end",
            &[(0.5, 0.4), (0.5, 0.6), (0.5, 0.65), (0.9, 0.6), (0.9, 0.4), (0.9, 0.3)],
            &[(1, Start, In), (3, End, In)],
        ),
    ];
    for (what, feet, expected) in cases {
        assert_eq!(live(&mut rules(line(None)), feet), *expected, "{what}");
    }
}

/// Goes to the line, sways about it by `sway` body heights for `seconds`, and goes on or back.
#[test]
fn who_sways_about_a_line_crosses_it_once_or_there_and_back() {
    for (sway, period_s, goes_on) in [0.03, 0.05, 0.1, 0.15]
        .into_iter()
        .flat_map(|sway| [0.6, 1.5, 4.0, 9.0].map(|period_s| (sway, period_s)))
        .flat_map(|(sway, period_s)| [true, false].map(|goes_on| (sway, period_s, goes_on)))
    {
        let mut feet: Vec<(f32, f32)> = (0..20).map(|i| (0.5, 0.3 + 0.01 * i as f32)).collect();
        let phase = |tenth: i32| (0.1 * tenth as f32 / period_s * std::f32::consts::TAU).sin();
        feet.extend((0..300).map(|tenth| (0.5, 0.5 + 0.2 * sway * phase(tenth))));
        let away = if goes_on { 0.01 } else { -0.01 };
        feet.extend((0..20).map(|i| (0.5, 0.5 + away * i as f32)));
        let told = live(&mut rules(line(None)), &feet);
        let starts: Vec<Direction> =
            told.iter().filter(|tag| tag.1 == Phase::Start).map(|tag| tag.2).collect();
        let expected = if goes_on { &[Direction::In][..] } else { &[Direction::In, Direction::Out] };
        let nothing = starts.is_empty() && !goes_on;
        assert!(nothing || starts == expected, "{sway} every {period_s} s, {goes_on}: {told:?}");
    }
}

#[test]
fn a_line_sees_only_its_labels() {
    let feet = [(0.5, 0.4), (0.5, 0.6)];
    assert!(live(&mut rules(line(Some(&["car"]))), &feet).is_empty());
    assert_eq!(live(&mut rules(line(Some(&["person"]))), &feet).len(), 2);
}

#[test]
fn what_is_hidden_crosses_when_it_is_seen_again() {
    let mut rules = rules(line(None));
    rules.observe(at(0), [&track(1, (0.5, 0.4), true)]);
    assert!(rules.observe(at(1), [&track(1, (0.5, 0.6), false)]).is_empty());
    assert!(rules.observe(at(1), [&track(1, (0.5, 0.52), true)]).is_empty(), "one box may be wrong");
    assert_eq!(rules.observe(at(2), [&track(1, (0.5, 0.52), true)]).len(), 1);
    // And is done in time, hidden or not.
    assert!(rules.observe(at(5), [&track(1, (0.5, 0.52), false)]).is_empty());
    assert_eq!(rules.observe(at(12), [&track(1, (0.5, 0.52), false)])[0].phase, Phase::End);
}

/// Somebody who has come over the line, ten times a second until the second tenth.
fn over(rules: &mut LineRules) -> Vec<Tag> {
    let feet = [(0.5, 0.45), (0.5, 0.52), (0.5, 0.52)];
    (0..).zip(feet).flat_map(|(now, foot)| rules.observe(at(now), [&track(1, foot, true)])).collect()
}

#[test]
fn a_crossing_ends_with_its_track() {
    let mut rules = rules(line(None));
    assert_eq!(over(&mut rules).len(), 1);
    let ends = rules.end(&[track(1, (0.5, 0.52), false)]);
    assert_eq!(ends.iter().map(|tag| (tag.phase, tag.at)).collect::<Vec<_>>(), [(Phase::End, at(7))]);
    assert!(rules.end(&[track(1, (0.5, 0.52), false)]).is_empty(), "nothing ends twice");
}

#[test]
fn a_crossing_shows_the_box_of_its_moment() {
    let told = over(&mut rules(line(None)));
    let [start] = &told[..] else { panic!("one start: {told:?}") };
    assert_eq!((start.phase, start.at), (Phase::Start, at(1)));
    assert!((start.bbox.bottom() - 0.52).abs() < 1e-6);
}

proptest! {
    /// Whatever a track does, starts and ends alternate. When it is on the line's side of its ends all the time, directions
    /// alternate as well and add up to the sides that it has changed.
    #[test]
    fn crossings_alternate_and_add_up(
        steps in prop::collection::vec((0.0f32..1.0, any::<bool>(), 0i64..15), 1..200),
        reach in prop_oneof![Just(1.0f32), Just(0.1), Just(0.03)],
    ) {
        let mut rules = rules(line(None));
        let (mut now, mut tags) = (0, Vec::new());
        let mut seen = Vec::new();
        for (y, visible, tenths) in steps {
            now += if tenths == 14 { -50 } else { tenths };
            let y = 0.5 + (y - 0.5) * reach;
            seen.extend(visible.then_some(y - 0.5));
            tags.extend(rules.observe(at(now), [&track(1, (0.5, y), visible)]));
        }
        tags.extend(rules.end(&[track(1, (0.5, 0.5), true)]));
        let (mut open, mut last, mut net) = (false, None, 0);
        for tag in tags {
            let starts = tag.phase == Phase::Start;
            prop_assert_eq!(starts, !open);
            open = starts;
            if starts {
                prop_assert_ne!(last.replace(direction(&tag)), Some(direction(&tag)));
                net += if direction(&tag) == Direction::In { 1 } else { -1 };
            }
        }
        prop_assert!(!open, "what starts ends");
        // The first of which a side is certain, unless it is on the edge of that.
        let first = seen.iter().find(|y| y.abs() > 0.0039).filter(|y| y.abs() > 0.0041);
        // The most that a person of that size may jitter.
        if let (Some(first), Some(last)) = (first, seen.last().filter(|y| y.abs() > 0.031)) {
            prop_assert_eq!(net, i32::from(*last > 0.0) - i32::from(*first > 0.0));
        }
    }
}

#[test]
fn a_changed_line_ends_its_crossings_and_an_unchanged_one_keeps_them() {
    let there = track(1, (0.5, 0.52), true);
    for (changed, expected) in [(line(None), &[][..]), (line(Some(&["person"])), &[Phase::End])] {
        let mut rules_before = rules(line(None));
        assert_eq!(over(&mut rules_before).len(), 1);
        let ended = rules_before.change(rules(changed), [&there]);
        assert_eq!(ended.iter().map(|tag| tag.phase).collect::<Vec<_>>(), expected);
        // Whoever has ended is met anew; whoever has not ends in time.
        let later = rules_before.observe(at(30), [&there]);
        assert_eq!(later.len(), 1 - expected.len());
    }
}
