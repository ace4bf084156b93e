//! Stays in zones, with tracks whose foot points are given.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::geometry::{BBox, Point};
use crate::tag::ModelRef;

/// The left half of the picture.
fn zone(labels: Option<&[&str]>, min_dwell_s: f64) -> config::Zone {
    let corners = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
    config::Zone {
        name: Name::new("left").unwrap(),
        polygon: Polygon::new(corners.to_vec()).unwrap(),
        labels: labels.map(|labels| labels.iter().map(|&label| label.to_owned()).collect()),
        min_dwell: Duration::from_secs_f64(min_dwell_s),
    }
}

fn rules(zone: config::Zone) -> ZoneRules {
    let model =
        ModelRef { name: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64), on: "cpu".into() };
    let labels = ["person", "car", "dog"].map(Label::from).to_vec();
    let vocabulary = Vocabulary { model: Arc::new(model), labels: labels.into() };
    let wanted = [ClassId(0), ClassId(1)];
    ZoneRules::new(Name::new("ramp").unwrap(), vocabulary, &[zone], &wanted, Duration::from_secs(60))
}

fn at(tenths: i64) -> Timestamp {
    Timestamp::from_micros(100_000 * tenths)
}

/// A thing whose foot point is at (`x`, 0.5).
fn track(id: u64, class: u16, x: f32) -> Track {
    Track {
        id: TrackId(id),
        class: ClassId(class),
        score: 0.6,
        bbox: BBox { x: x - 0.05, y: 0.2, w: 0.1, h: 0.3 },
        foot: Point { x, y: 0.5 },
        visible: true,
        first_seen: at(0),
        last_seen: at(0),
        best_score: 0.8,
        classes: Vec::new(),
        path: Vec::new(),
    }
}

/// Where a person is for so many tenths of seconds: `i`nside, `o`utside, `h`idden and believed outside, or a `c`ar inside.
fn live(rules: &mut ZoneRules, script: &str) -> Vec<(i64, Phase, i64)> {
    let mut told = Vec::new();
    let mut now = 0;
    for part in script.split_whitespace() {
        let (what, tenths) = part.split_at(1);
        for _ in 0..tenths.parse::<i64>().unwrap() {
            let mut track = track(1, u16::from(what == "c"), if "ic".contains(what) { 0.3 } else { 0.7 });
            track.visible = what != "h";
            for tag in rules.observe(at(now), [&track]) {
                let Body::Zone(zone) = &tag.body else { panic!("not of a zone: {tag:?}") };
                told.push((now, tag.phase, zone.dwell.as_millis() as i64 / 100));
            }
            now += 1;
        }
    }
    told
}

/// The shortest dwell in seconds, the script, and each tag's tenth, phase and dwell in tenths.
type Case<'a> = (f64, &'a str, &'a [(i64, Phase, i64)]);

#[test]
fn a_stay_begins_once_it_has_lasted_and_ends_after_a_while_outside() {
    use Phase::{End, Start, Update};
    let cases: &[Case<'_>] = &[
        (1.0, "o5 i30 o20", &[(15, Start, 10), (44, End, 29)]),
        (0.0, "o5 i30 o20", &[(5, Start, 0), (44, End, 29)]),
        // Too short, and no stay at all.
        (1.0, "o5 i10 o20", &[]),
        (1.0, "o50", &[]),
        // Hesitation at the edge neither ends it nor counts as time inside.
        (1.0, "i15 o9 i20 o20", &[(10, Start, 10), (53, End, 33)]),
        (1.0, "i8 o5 i8 o20", &[(16, Start, 10), (30, End, 14)]),
        // Who comes back after it has ended begins anew.
        (1.0, "i15 o10 i15 o10", &[(10, Start, 10), (24, End, 14), (35, Start, 10), (49, End, 14)]),
        // Hidden, it neither comes nor goes.
        (1.0, "i15 h30 i5 o10", &[(10, Start, 10), (59, End, 49)]),
        (1.0, "h30", &[]),
        // What turns out to be something else is told of.
        (1.0, "i15 c10 o10", &[(10, Start, 10), (20, Update, 20), (34, End, 24)]),
        (0.0, "i605", &[(0, Start, 0), (600, Update, 600)]),
    ];
    for (min_dwell_s, script, expected) in cases {
        assert_eq!(live(&mut rules(zone(None, *min_dwell_s)), script), *expected, "{script}");
    }
}

/// Sways about the edge by `sway` body heights, 0.3 of the picture each, after five seconds inside or before.
#[test]
fn who_sways_about_an_edge_stays_once() {
    for sway in [0.03f32, 0.1, 0.15] {
        for period_s in [0.6f32, 1.5, 4.0, 9.0] {
            for (before_x, after_x) in [(0.3, 0.3), (0.3, 0.8), (0.8, 0.8)] {
                let mut rules = rules(zone(None, 1.0));
                let phase = |tenth: i64| (0.1 * tenth as f32 / period_s * std::f32::consts::TAU).sin();
                let xs = std::iter::repeat_n(before_x, 50)
                    .chain((0..300).map(|tenth| 0.5 + 0.3 * sway * phase(tenth)))
                    .chain(std::iter::repeat_n(after_x, 50));
                let mut told = Vec::new();
                for (now, x) in (0..).zip(xs) {
                    told.extend(rules.observe(at(now), [&track(1, 0, x)]).iter().map(|tag| tag.phase));
                }
                told.extend(rules.end(&[track(1, 0, after_x)]).iter().map(|tag| tag.phase));
                let never = told.is_empty() && before_x > 0.5;
                assert!(
                    never || told == [Phase::Start, Phase::End],
                    "{sway}, {period_s} s, {before_x}: {told:?}"
                );
            }
        }
    }
}

#[test]
fn who_stays_near_the_edge_outside_has_left_in_time() {
    let mut rules = rules(zone(None, 1.0));
    let mut ended = Vec::new();
    for now in 0..300 {
        let tags = rules.observe(at(now), [&track(1, 0, if now < 50 { 0.49 } else { 0.51 })]);
        ended.extend(tags.iter().filter(|tag| tag.phase == Phase::End).map(|_| now));
    }
    assert_eq!(ended, [149]);
}

#[test]
fn a_zone_sees_only_its_labels() {
    assert_eq!(live(&mut rules(zone(Some(&["car"]), 0.0)), "i30"), []);
    // What turns out to be nothing that it looks for has left.
    let told = live(&mut rules(zone(Some(&["person"]), 0.0)), "i20 c20");
    assert_eq!(told, [(0, Phase::Start, 0), (29, Phase::End, 19)]);
}

#[test]
fn a_clock_set_back_ends_nothing() {
    let mut rules = rules(zone(None, 1.0));
    let inside = track(1, 0, 0.3);
    let mut told = Vec::new();
    for now in [1000, 1005, 1010, 200, 205, 210] {
        told.extend(rules.observe(at(now), [&inside]).iter().map(|tag| (now, tag.phase)));
    }
    assert_eq!(told, [(1010, Phase::Start), (200, Phase::Update)]);
}

fn counts(rules: &mut ZoneRules, now: i64) -> Vec<Vec<(String, u32)>> {
    let changed = rules.occupancies(at(now));
    let of = |occupancy: &Occupancy| {
        assert_eq!((occupancy.zone.as_str(), occupancy.at), ("left", at(now)));
        occupancy.counts.iter().map(|(label, count)| (label.to_string(), *count)).collect()
    };
    changed.iter().map(of).collect()
}

#[test]
fn occupancy_counts_what_was_told_and_returns_to_zero() {
    let mut rules = rules(zone(None, 0.0));
    let told = |person: u32, car: u32| vec![vec![("car".to_owned(), car), ("person".to_owned(), person)]];
    assert_eq!(counts(&mut rules, 0), told(0, 0), "once at the beginning");
    assert_eq!(counts(&mut rules, 0), Vec::<Vec<_>>::new());
    let tracks = [track(1, 0, 0.3), track(2, 0, 0.4), track(3, 1, 0.2), track(4, 0, 0.9)];
    let tags = rules.observe(at(1), &tracks);
    let inside: Vec<u32> = tags
        .iter()
        .map(|tag| if let Body::Zone(zone) = &tag.body { zone.inside } else { panic!("{tag:?}") })
        .collect();
    assert_eq!(inside, [1, 2, 1], "as of each tag");
    assert_eq!(counts(&mut rules, 1), told(2, 1));
    // A person turns out to be a car.
    rules.observe(at(20), [&track(1, 0, 0.3), &track(2, 1, 0.4), &track(3, 1, 0.2)]);
    assert_eq!(counts(&mut rules, 20), told(1, 2));
    let ends = rules.end(&tracks);
    let said: Vec<_> = ends.iter().map(|tag| (tag.phase, tag.track.unwrap().0, &*tag.label)).collect();
    assert_eq!(said, [(Phase::End, 1, "person"), (Phase::End, 2, "car"), (Phase::End, 3, "car")]);
    assert_eq!(counts(&mut rules, 21), told(0, 0));
    assert!(rules.end(&tracks).is_empty(), "nothing ends twice");
}

#[test]
fn a_zone_counts_its_labels_or_those_of_the_camera() {
    for (labels, expected) in [(None, vec!["car", "person"]), (Some(&["dog"][..]), vec!["dog"])] {
        let found = counts(&mut rules(zone(labels, 0.0)), 0);
        assert_eq!(found[0].iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), expected);
    }
}

proptest! {
    /// Whatever tracks do, each stay is told as start, updates, end, and the counts are those of the stays that are open.
    #[test]
    fn starts_and_ends_alternate(
        steps in prop::collection::vec((0u64..4, 0u16..3, 0.0f32..1.0, any::<bool>(), 0i64..8), 1..200),
        min_dwell_s in 0.0f64..1.0,
    ) {
        let mut rules = rules(zone(None, min_dwell_s));
        let mut open: BTreeSet<TrackId> = BTreeSet::new();
        let mut now = 100;
        let mut counted = 0;
        for (id, class, x, visible, tenths) in steps {
            // Now and then the clock is set back.
            now += if tenths == 7 { -20 } else { tenths };
            let track = Track { visible, ..track(id, class, x) };
            let tags = if tenths == 6 { rules.end(&[track]) } else { rules.observe(at(now), [&track]) };
            for tag in tags {
                let id = tag.track.unwrap();
                match tag.phase {
                    Phase::Start => prop_assert!(open.insert(id)),
                    Phase::Update => prop_assert!(open.contains(&id)),
                    Phase::End => prop_assert!(open.remove(&id)),
                }
            }
            if let Some(occupancy) = rules.occupancies(at(now)).pop() {
                counted = occupancy.counts.values().sum::<u32>() as usize;
            }
            prop_assert_eq!(counted, open.len());
        }
        let all: Vec<Track> = (0..4).map(|id| track(id, 0, 0.0)).collect();
        prop_assert_eq!(rules.end(&all).len(), open.len());
    }
}

#[test]
fn a_changed_zone_ends_its_stays_and_an_unchanged_one_keeps_them() {
    let phases = |tags: &[Tag]| tags.iter().map(|tag| tag.phase).collect::<Vec<_>>();
    let inside = track(1, 0, 0.3);
    let mut kept = rules(zone(None, 0.0));
    assert_eq!(phases(&kept.observe(at(0), [&inside])), [Phase::Start]);
    assert_eq!(kept.occupancies(at(0)).len(), 1);
    assert_eq!(kept.change(rules(zone(None, 0.0)), [&inside]), []);
    assert_eq!(kept.occupancies(at(1)), [], "nothing new");
    assert_eq!(kept.observe(at(1), [&inside]), []);
    for changed in [zone(None, 1.0), zone(Some(&["person"]), 0.0)] {
        let mut rules_before = rules(zone(None, 0.0));
        rules_before.observe(at(0), [&inside]);
        rules_before.occupancies(at(0));
        let ended = rules_before.change(rules(changed), [&inside]);
        assert_eq!(phases(&ended), [Phase::End]);
        let occupancies = rules_before.occupancies(at(1));
        assert!(occupancies[0].counts.values().all(|count| *count == 0), "{occupancies:?}");
    }
    // A zone that is no more ends too, and who was inside untold is not spoken of.
    let vocabulary = kept.vocabulary.clone();
    let none = || ZoneRules::new(kept.camera.clone(), vocabulary.clone(), &[], &[], Duration::from_secs(60));
    let (first, second) = (none(), none());
    assert_eq!(phases(&kept.change(first, [&inside])), [Phase::End]);
    let mut untold = rules(zone(None, 9.0));
    untold.observe(at(0), [&inside]);
    assert_eq!(untold.change(second, [&inside]), []);
}
