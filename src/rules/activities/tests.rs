//! Beliefs that a test makes up, and the tags that come of them.

use super::*;
use crate::geometry::BBox;
use crate::tag::{ModelRef, TrackId, Window};

const WALKER: Subject = Subject::Track(TrackId(1));

fn rules() -> ActivityRules {
    let mut options = config::Activities::default();
    // Walking is told sooner by default; here all labels but falls are alike.
    options.labels.insert("walk".to_owned(), options.default);
    ActivityRules::new(Name::new("ramp").unwrap(), options)
}

fn at(tenths: u64) -> Timestamp {
    Timestamp::from_micros(100_000 * tenths as i64)
}

fn judgement(subject: Subject, tenths: u64, scores: &[(&str, f32)]) -> Judgement {
    let model =
        ModelRef { name: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64), on: "cpu".into() };
    Judgement {
        subject,
        model: Arc::new(model),
        others: Arc::default(),
        members: Vec::new(),
        bbox: BBox { x: 0.4, y: 0.2, w: 0.1, h: 0.3 },
        belief: Belief {
            window: Window { from: at(tenths.saturating_sub(16)), to: at(tenths) },
            scores: scores.iter().map(|(label, score)| (Label::from(*label), *score)).collect(),
        },
    }
}

/// Believes `scores` ten times a second for the time in tenths of seconds, one after the other from 100 on, and gives
/// each tag as tenth, phase and label.
fn live(rules: &mut ActivityRules, script: &[(u64, &[(&str, f32)])]) -> Vec<(u64, Phase, String)> {
    let mut now = 100;
    let mut told = Vec::new();
    for (tenths, scores) in script {
        for _ in 0..*tenths {
            let tags = rules.observe(vec![judgement(WALKER, now, scores)]);
            told.extend(tags.iter().map(|tag| (now, tag.phase, tag.label.to_string())));
            now += 1;
        }
    }
    told
}

/// A script, and what it gives.
type Case<'a> = (&'a [(u64, &'a [(&'a str, f32)])], &'a [(u64, Phase, &'a str)]);

#[test]
fn tags_do_not_flicker() {
    use Phase::{End, Start};
    const WALK: &[(&str, f32)] = &[("walk", 0.8), ("run", 0.1)];
    const RUN: &[(&str, f32)] = &[("run", 0.7), ("walk", 0.2)];
    const WEAK: &[(&str, f32)] = &[("walk", 0.4)];
    const NOTHING: &[(&str, f32)] = &[("walk", 0.1)];
    let cases: &[Case<'_>] = &[
        // At the first look the evidence goes back in time, so what it says is certain at once.
        (&[(30, WALK)], &[(100, Start, "walk")]),
        // Nothing is certain before its shortest duration.
        (&[(5, NOTHING), (9, WALK), (9, NOTHING), (9, WALK), (9, NOTHING)], &[]),
        (&[(5, NOTHING), (20, WALK)], &[(115, Start, "walk")]),
        // Hesitation, and something else for a moment, are no end.
        (&[(20, WALK), (30, WEAK), (9, NOTHING), (5, WALK), (9, RUN), (20, WALK)], &[(100, Start, "walk")]),
        // What takes its place ends it, what is gone ends by itself.
        (&[(20, WALK), (20, RUN)], &[(100, Start, "walk"), (130, End, "walk"), (130, Start, "run")]),
        (&[(20, WALK), (20, NOTHING)], &[(100, Start, "walk"), (130, End, "walk")]),
        // A fall is told of sooner.
        (
            &[(20, WALK), (3, &[("fall", 0.9)]), (20, &[("fallen", 0.9)])],
            &[
                (100, Start, "walk"),
                (122, End, "walk"),
                (122, Start, "fall"),
                (125, End, "fall"),
                (125, Start, "fallen"),
            ],
        ),
    ];
    for (script, expected) in cases {
        let told = live(&mut rules(), script);
        let told: Vec<(u64, Phase, &str)> = told
            .iter()
            .filter(|(_, phase, _)| *phase != Phase::Update)
            .map(|(at, phase, label)| (*at, *phase, label.as_str()))
            .collect();
        assert_eq!(told, *expected, "{script:?}");
    }
}

#[test]
fn each_label_has_its_own_rule() {
    let rule = config::Activities::default().default;
    let mut options = config::Activities::default();
    options.labels.insert("walk".to_owned(), config::ActivityRule { enabled: false, ..rule });
    options.labels.insert("run".to_owned(), config::ActivityRule { threshold: 0.9, ..rule });
    // Told only when somebody asks for it, as golf is not.
    options.labels.insert("wave".to_owned(), rule);
    let mut rules = ActivityRules::new(Name::new("ramp").unwrap(), options);
    let told = live(
        &mut rules,
        &[
            (5, &[("walk", 0.9)]),
            (20, &[("run", 0.85), ("walk", 0.1)]),
            (20, &[("golf", 0.9), ("walk", 0.55), ("wave", 0.52)]),
        ],
    );
    assert_eq!(told, [(135, Phase::Start, "wave".to_owned())]);
}

#[test]
fn what_goes_on_is_told_again_when_its_score_changes_and_every_minute() {
    let walk: &[(&str, f32)] = &[("walk", 0.95)];
    let unsure: &[(&str, f32)] = &[("walk", 0.6)];
    let told = live(&mut rules(), &[(10, walk), (40, unsure), (700, unsure)]);
    let updates: Vec<u64> =
        told.iter().filter(|(_, phase, _)| *phase == Phase::Update).map(|(at, ..)| *at).collect();
    assert_eq!(updates, [130, 730]);
}

#[test]
fn an_activity_ends_with_its_track_and_sums_up() {
    let mut rules = rules();
    rules.observe(vec![judgement(WALKER, 16, &[("walk", 0.8), ("run", 0.1), ("push", 0.05), ("a", 0.03)])]);
    rules.observe(vec![judgement(Subject::Scene, 16, &[("crowd", 0.9)])]);
    rules.observe(vec![judgement(WALKER, 20, &[("walk", 0.9)])]);
    assert_eq!(rules.current(WALKER), Some((&Label::from("walk"), 0.9)));
    let track = crate::track::Track {
        id: TrackId(1),
        class: crate::detect::ClassId(0),
        score: 0.6,
        bbox: BBox::WHOLE,
        foot: BBox::WHOLE.foot(),
        visible: false,
        first_seen: at(0),
        last_seen: at(20),
        best_score: 0.8,
        classes: Vec::new(),
        path: Vec::new(),
    };
    let tags = rules.end(std::slice::from_ref(&track));
    let [Tag { phase: Phase::End, body: Body::Activity(activity), at: ended, track: Some(_), .. }] =
        &tags[..]
    else {
        panic!("one end: {tags:?}")
    };
    assert_eq!(*ended, at(20));
    assert_eq!((activity.since, activity.window), (at(0), Window { from: at(4), to: at(20) }));
    let duration = at(20).since(at(0));
    assert_eq!(activity.summary, Some(ActivitySummary { ended: at(20), duration, best_score: 0.9 }));
    let rest = rules.end_all();
    assert_eq!(rest.iter().map(|tag| (tag.track, &*tag.label)).collect::<Vec<_>>(), [(None, "crowd")]);
    assert!(rules.end_all().is_empty(), "nothing ends twice");
}

fn of_group(group: u64, tenths: u64, members: &[u64], scores: &[(&str, f32)]) -> Judgement {
    let members = members.iter().copied().map(TrackId).collect();
    Judgement { members, ..judgement(Subject::Group(GroupId(group)), tenths, scores) }
}

#[test]
fn tags_of_a_group_name_who_belongs_to_it_at_the_moment() {
    let fight: &[(&str, f32)] = &[("fight", 0.9)];
    let mut rules = rules();
    let mut tags = Vec::new();
    for (tenths, members, scores) in [
        (100, &[3, 7][..], &[("fight", 0.1)][..]),
        // It needs a second and a half.
        (102, &[3, 7], fight),
        (116, &[3, 7], fight),
        (117, &[3, 7, 9], fight),
        // Its score has changed.
        (150, &[7, 9], &[("fight", 0.55)]),
    ] {
        tags.extend(rules.observe(vec![of_group(1, tenths, members, scores)]));
    }
    tags.extend(rules.end_groups(&[GroupId(2)]));
    tags.extend(rules.end_groups(&[GroupId(1)]));
    let told: Vec<_> = tags
        .iter()
        .map(|tag| (tag.at, tag.phase, tag.track, tag.tracks.iter().map(|id| id.0).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        told,
        [
            (at(117), Phase::Start, None, vec![3, 7, 9]),
            (at(150), Phase::Update, None, vec![7, 9]),
            (at(150), Phase::End, None, vec![7, 9]),
        ]
    );
    assert!(rules.end_all().is_empty(), "nothing ends twice");
}

#[test]
fn no_two_activities_of_groups_begin_at_the_same_moment() {
    let fight: &[(&str, f32)] = &[("fight", 0.9)];
    let mut rules = rules();
    let since = |tags: &[Tag]| -> Vec<Timestamp> {
        let of = |tag: &Tag| match &tag.body {
            Body::Activity(activity) => activity.since,
            _ => panic!("an activity"),
        };
        tags.iter().map(of).collect()
    };
    let groups = [1, 2, 3].map(|group| of_group(group, 16, &[2 * group, 2 * group + 1], fight));
    let started = since(&rules.observe(groups.to_vec()));
    let micros = |micros| at(0) + Duration::from_micros(micros);
    assert_eq!(started, [micros(0), micros(1), micros(2)]);
    assert_eq!(since(&rules.end_all()), started, "an end has the beginning of its start");
    // Not even after the others have ended.
    let later = rules.observe(vec![of_group(4, 16, &[2, 3], fight)]);
    assert_eq!(since(&later), [micros(3)]);
    // What somebody does has their number as well.
    let tags = [1, 2].map(|track| judgement(Subject::Track(TrackId(track)), 16, fight));
    assert_eq!(since(&rules.observe(tags.to_vec())), [at(0); 2]);
}

#[test]
fn the_three_best_alternatives_are_told() {
    let scores = [("walk", 0.6), ("run", 0.2), ("push", 0.1), ("wave", 0.05), ("clap", 0.01)];
    let tags = rules().observe(vec![judgement(WALKER, 16, &scores)]);
    let Body::Activity(activity) = &tags[0].body else { panic!("an activity") };
    let labels: Vec<&str> = activity.alternatives.iter().map(|(label, _)| &**label).collect();
    assert_eq!(labels, ["run", "push", "wave"]);
}

#[test]
fn a_clock_set_back_ends_nothing() {
    let mut rules = rules();
    let walk: &[(&str, f32)] = &[("walk", 0.8)];
    rules.observe(vec![judgement(WALKER, 1000, walk)]);
    let told: Vec<Phase> = (0..20)
        .flat_map(|tenth| rules.observe(vec![judgement(WALKER, tenth, walk)]))
        .map(|tag| tag.phase)
        .collect();
    assert_eq!(told, [Phase::Update]);
}
