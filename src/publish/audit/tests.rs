//! Violations of the contract, each found.

use super::*;
use crate::publish::test_tags;
use crate::publish::wire::Kind;

const TOPIC: &str = "spotter/v1/edge-1/ramp/tag/object";

/// A start on an own track for each number.
fn tag(seq: u64) -> wire::Tag {
    let mut tag = test_tags(seq..=seq).next().unwrap();
    (tag.id, tag.track) = (Uuid::from_u128(seq.into()), Some(seq));
    tag
}

fn phase(seq: u64, track: u64, phase: Phase) -> wire::Tag {
    let mut tag = wire::Tag { phase, track: Some(track), ..tag(seq) };
    tag.summary = (phase == Phase::End).then(|| wire::Summary {
        first_seen: tag.at,
        last_seen: tag.at,
        duration_s: 0.0,
        best_score: 0.5,
        path: Vec::new(),
        labels: vec![wire::LabelShare { label: "person".to_owned(), score: 1.0 }],
    });
    tag
}

fn track(id: u64) -> Subject {
    Subject { who: Who::Track(id), camera: Name::new("ramp").unwrap(), part: Part::Whole }
}

/// One of somebody's activities.
fn activity(seq: u64, since_s: u64, phase: Phase) -> wire::Tag {
    let since = Timestamp::EPOCH + std::time::Duration::from_secs(since_s);
    wire::Tag {
        kind: Kind::Activity,
        phase,
        label: "walk".to_owned(),
        track: Some(1),
        activity: Some(wire::Activity {
            since,
            window: wire::Window { from: since, to: since },
            alternatives: Vec::new(),
            summary: (phase == Phase::End).then_some(wire::ActivitySummary {
                ended: since,
                duration_s: 0.0,
                best_score: 0.5,
            }),
        }),
        ..tag(seq)
    }
}

#[test]
fn activities_are_held_to_the_contract() {
    use Phase::{End, Start};
    let topic = "spotter/v1/edge-1/ramp/tag/activity";
    let told = |tags: &[wire::Tag]| -> Vec<String> {
        let mut audit = audit();
        let json = |tag: &wire::Tag| Message::Tag(tag.clone()).to_json();
        let examined = tags.iter().flat_map(|tag| audit.examine(topic, false, json(tag).as_bytes()).1);
        examined.map(|violation| violation.to_string()).collect()
    };
    // The same is done twice, by the same person.
    let twice = [activity(1, 1, Start), activity(2, 1, End), activity(3, 9, Start), activity(4, 9, End)];
    assert_eq!(told(&twice), [""; 0]);
    let again = [activity(1, 1, Start), activity(2, 1, Start)];
    let since = "1970-01-01T00:00:01.000000Z";
    assert_eq!(told(&again), [format!("track 1's activity `walk` since {since} was started before")]);
    let of_nobody = wire::Tag { track: None, ..activity(1, 1, Start) };
    assert_eq!(told(std::slice::from_ref(&of_nobody)), [""; 0]);
    let bare = wire::Tag { activity: None, ..of_nobody };
    assert_eq!(told(&[bare]), [Violation::Kind.to_string()]);
}

#[test]
fn activities_of_groups_are_held_to_the_contract() {
    use Phase::{End, Start, Update};
    let topic = "spotter/v1/edge-1/ramp/tag/activity";
    let group = |seq, since_s, phase, tracks: &[u64]| wire::Tag {
        track: None,
        tracks: Some(tracks.to_vec()),
        ..activity(seq, since_s, phase)
    };
    let told = |tags: &[wire::Tag]| -> Vec<String> {
        let mut audit = audit();
        let json = |tag: &wire::Tag| Message::Tag(tag.clone()).to_json();
        let examined = tags.iter().flat_map(|tag| audit.examine(topic, false, json(tag).as_bytes()).1);
        examined.map(|violation| violation.to_string()).collect()
    };
    // Its tracks change; another group does the same from another moment on.
    let life = [
        group(1, 1, Start, &[3, 7]),
        group(2, 2, Start, &[8, 9]),
        group(3, 1, Update, &[3, 7, 12]),
        group(4, 2, End, &[8, 9]),
        group(5, 1, End, &[7, 12]),
    ];
    assert_eq!(told(&life), [""; 0]);
    let since = "1970-01-01T00:00:01.000000Z";
    let again = [group(1, 1, Start, &[3, 7]), group(2, 1, Start, &[8, 9])];
    assert_eq!(told(&again), [format!("a group of ramp's activity `walk` since {since} was started before")]);
    let of_track = wire::Tag { track: Some(3), ..group(1, 1, Start, &[3, 7]) };
    let of_object = wire::Tag { tracks: Some(vec![1, 2]), ..tag(1) };
    let bad = Violation::Tracks.to_string();
    for tracks in [&[][..], &[3], &[3, 3], &[7, 3], &[0, 3]] {
        assert_eq!(told(&[group(1, 1, Start, tracks)]), [&*bad], "{tracks:?}");
    }
    assert_eq!(told(&[of_track]), [&*bad]);
    let (_, violations) = audit().examine(TOPIC, false, Message::Tag(of_object).to_json().as_bytes());
    assert_eq!(violations.iter().map(ToString::to_string).collect::<Vec<_>>(), [bad]);
}

fn audit() -> Audit {
    Audit::new(Root::new("spotter/v1").unwrap())
}

fn examine(audit: &mut Audit, tag: &wire::Tag) -> Vec<Violation> {
    audit.examine(TOPIC, false, Message::Tag(tag.clone()).to_json().as_bytes()).1
}

fn examine_all(tags: &[wire::Tag]) -> Vec<Violation> {
    let mut audit = audit();
    tags.iter().flat_map(|tag| examine(&mut audit, tag)).collect()
}

#[test]
fn sequences_are_held_to_the_contract() {
    let changed = wire::Tag { id: Uuid::from_u128(99), ..tag(1) };
    let reused = wire::Tag { id: tag(1).id, ..tag(2) };
    let other_boot = wire::Tag { boot: Uuid::from_u128(2), ..tag(1) };
    let cases: [(&[wire::Tag], &[Violation]); 8] = [
        (&[tag(1), tag(2), tag(3)], &[]),
        (&[tag(7), tag(8)], &[]),
        (&[tag(1), tag(2), tag(1), tag(2), tag(3)], &[]),
        (&[tag(1), other_boot, tag(2)], &[]),
        (&[tag(1), tag(4)], &[Violation::Gap { first: 2, last: 3 }]),
        (&[tag(1), tag(3), tag(2)], &[Violation::Gap { first: 2, last: 2 }, Violation::OutOfOrder(2)]),
        (&[tag(1), changed], &[Violation::IdChanged(1)]),
        (&[tag(1), reused], &[Violation::IdReused(2)]),
    ];
    for (tags, expected) in cases {
        let seqs: Vec<u64> = tags.iter().map(|tag| tag.seq).collect();
        assert_eq!(examine_all(tags), expected, "{seqs:?}");
    }
}

/// What is said of which tracks, in this order.
type Life<'a> = &'a [(u64, Phase)];

#[test]
fn tracks_are_held_to_the_contract() {
    use Phase::{End, Start, Update};
    let cases: [(u64, Life<'_>, &[Violation]); 6] = [
        (1, &[(1, Start), (1, Update), (2, Start), (1, End), (2, End)], &[]),
        (1, &[(1, Start), (1, Start)], &[Violation::StartedTwice(track(1))]),
        (1, &[(5, Update)], &[Violation::NotStarted(track(5))]),
        (1, &[(1, Start), (1, End), (1, End)], &[Violation::Ended(track(1))]),
        (1, &[(1, Start), (1, End), (1, Update)], &[Violation::Ended(track(1))]),
        // A subscriber that came later cannot have seen the start.
        (30, &[(5, Update), (5, End), (5, End)], &[Violation::Ended(track(5))]),
    ];
    for (first, life, expected) in cases {
        let tags: Vec<wire::Tag> =
            (first..).zip(life).map(|(seq, (track, step))| phase(seq, *track, *step)).collect();
        assert_eq!(examine_all(&tags), expected, "{life:?}");
    }
}

#[test]
fn a_gap_is_excused_once_after_an_interruption() {
    let mut audit = audit();
    assert_eq!(examine(&mut audit, &tag(1)), []);
    audit.interrupted();
    assert_eq!(examine(&mut audit, &tag(1)), []);
    assert_eq!(examine(&mut audit, &tag(5)), []);
    assert_eq!(examine(&mut audit, &tag(8)), [Violation::Gap { first: 6, last: 7 }]);
    let summary = audit.summary();
    assert_eq!((summary.messages, summary.tags, summary.repetitions, summary.violations), (4, 3, 1, 1));
}

/// A live tag before which `waiting` others wait.
fn overtaking(seq: u64, waiting: u64) -> wire::Tag {
    wire::Tag { waiting: Some(waiting), ..tag(seq) }
}

fn late(seq: u64) -> wire::Tag {
    wire::Tag { historical: true, ..tag(seq) }
}

#[test]
fn overtaken_tags_are_owed_until_the_node_says_that_nothing_waits() {
    let late_overtaking = |seq, waiting| wire::Tag { waiting: Some(waiting), ..late(seq) };
    let cases: [(&[wire::Tag], &[Violation], u64); 6] = [
        (&[tag(1), overtaking(5, 3), late(2), overtaking(6, 2), late(3), late(4), tag(7)], &[], 0),
        (&[tag(1), overtaking(5, 3), late(2)], &[], 2),
        (&[tag(1), overtaking(5, 3), late(2), tag(6)], &[Violation::Gap { first: 3, last: 4 }], 0),
        // Out of order, because nothing waited.
        (&[tag(1), overtaking(5, 3), tag(2)], &[Violation::OutOfOrder(2)], 2),
        (&[tag(1), late_overtaking(4, 2), late(2), late(3), tag(5)], &[], 0),
        (&[tag(9), late(4), tag(10), late(4)], &[], 0),
    ];
    for (tags, expected, owed) in cases {
        let mut audit = audit();
        let violations: Vec<Violation> = tags.iter().flat_map(|tag| examine(&mut audit, tag)).collect();
        let seqs: Vec<u64> = tags.iter().map(|tag| tag.seq).collect();
        assert_eq!((violations.as_slice(), audit.summary().owed), (expected, owed), "{seqs:?}");
    }
}

#[test]
fn a_gap_notice_explains_what_is_missing() {
    let gap = |first, last| wire::Gap {
        schema: wire::GapSchema::V1,
        id: Uuid::from_u128(7),
        node: tag(1).node,
        boot: tag(1).boot,
        first,
        last,
        reason: wire::GapReason::Full,
    };
    let announce = |audit: &mut Audit, first, last| {
        let json = Message::Gap(gap(first, last)).to_json();
        assert_eq!(audit.examine("spotter/v1/edge-1/gap", false, json.as_bytes()).1, []);
    };
    let mut audit = audit();
    assert_eq!(examine(&mut audit, &tag(1)), []);
    announce(&mut audit, 2, 5);
    assert_eq!(examine(&mut audit, &tag(6)), []);
    assert_eq!(examine(&mut audit, &overtaking(20, 13)), []);
    announce(&mut audit, 7, 18);
    announce(&mut audit, 7, 18);
    assert_eq!(audit.summary().owed, 1);
    assert_eq!(examine(&mut audit, &tag(21)), [Violation::Gap { first: 19, last: 19 }]);
    // More is missing than the notice says.
    announce(&mut audit, 24, 30);
    assert_eq!(examine(&mut audit, &tag(31)), [Violation::Gap { first: 22, last: 23 }]);
    assert_eq!(audit.summary().lost, 4 + 12 + 7);
}

#[test]
fn other_messages_are_held_to_their_topics() {
    let tags = |topic: &str, payload: &[u8], retained| -> Vec<String> {
        let violations = audit().examine(topic, retained, payload).1;
        violations.iter().map(ToString::to_string).collect()
    };
    for (topic, payload, retained, expected) in [
        ("spotter/v1/edge-1/ramp/snapshot/jpeg", &b"\xff\xd8\xff\xe0"[..], true, None),
        ("spotter/v1/edge-1/ramp/snapshot/jpeg", b"", true, None),
        ("spotter/v1/edge-1/ramp/snapshot/jpeg", b"GIF8", true, Some("not a valid message: it is no JPEG")),
        ("spotter/v1/edge-1/ramp/status", b"", false, None),
        (
            "spotter/v1/edge-1/ramp/tag/object",
            b"",
            false,
            Some("not a valid message: EOF while parsing a value"),
        ),
        ("spotter/v1/edge-1/command/stats", b"", false, None),
        ("spotter/v1/edge-1/command/stats/reply", b"{}", false, Some("not a valid message: missing field")),
        ("spotter/v1/edge-1/command", b"{}", false, Some("the contract has no such topic")),
    ] {
        let said = tags(topic, payload, retained);
        assert_eq!(said.len(), usize::from(expected.is_some()), "{topic}: {said:?}");
        assert!(expected.is_none_or(|expected| said[0].starts_with(expected)), "{topic}: {said:?}");
    }
}

#[test]
fn single_messages_are_held_to_the_contract() {
    let json = |tag: wire::Tag| Message::Tag(tag).to_json();
    let wide = wire::Box { x: 0.5, y: 0.0, width: 0.6, height: 1.0 };
    let cases = [
        ("spotter/v1/edge-1/ramp/tag/smell", json(tag(1)), "the contract has no such topic"),
        ("spotter/v1/edge-1/gate/tag/object", json(tag(1)), "topic and message name a different camera"),
        (TOPIC, json(wire::Tag { score: 1.5, ..tag(1) }), "score is 1.5, allowed is 0 to 1"),
        (TOPIC, json(wire::Tag { bbox: wide, ..tag(1) }), "box.x + box.width is 1.1, allowed is at most 1"),
        (
            TOPIC,
            json(wire::Tag { summary: None, ..phase(1, 1, Phase::Start) }).replace("start", "end"),
            "a summary belongs to an end, and an end has one",
        ),
        (TOPIC, json(tag(1)).replace("\"label\"", "\"mood\""), "not a valid message: unknown field `mood`"),
        (
            TOPIC,
            json(tag(1)).replace("spotter.tag/1", "spotter.tag/2"),
            "not a valid message: unknown variant",
        ),
        (TOPIC, "{".to_owned(), "not a valid message: EOF"),
    ];
    for (topic, payload, expected) in cases {
        let (_, violations) = audit().examine(topic, false, payload.as_bytes());
        let said = violations.first().map(ToString::to_string).unwrap_or_default();
        assert!(said.starts_with(expected), "{payload}: {said}");
    }
    let (message, violations) = audit().examine(TOPIC, true, json(tag(1)).as_bytes());
    assert_eq!((message, violations), (Some(Message::Tag(tag(1))), vec![Violation::RetainedEvent]));
}
