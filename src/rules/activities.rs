//! The life of an activity in tags: a start once it is certain, updates, one end.
//!
//! Each subject does one thing at a time in the eyes of each classifier. What is believed is smoothed already; what
//! keeps tags from flickering is here: a label must be the best of those above their thresholds for its shortest duration
//! before it starts, and it ends when it has been well below for as long, or when another has taken its place.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::activity::{Belief, GroupId, Judgement, Subject};
use crate::clock::{ClockOf, Standing, Timestamp};
use crate::config;
use crate::name::Name;
use crate::tag::{Activity, ActivitySummary, Body, Label, Phase, Tag};
use crate::track::Track;

/// What is going on ends when its score is so much below the threshold that it needed to begin.
const HYSTERESIS: f32 = 0.15;
/// A score that has changed by so much since it was last told is news,
const CHANGED: f32 = 0.25;
/// but no sooner than this after the last tag of its activity.
const CHANGED_PAUSE: Duration = Duration::from_secs(3);

/// Turns the beliefs about one camera's subjects into `activity` tags.
#[derive(Debug)]
pub struct ActivityRules {
    camera: Name,
    options: config::Activities,
    /// By subject, then by the classifier's name: two classifiers may speak of the same person.
    streams: BTreeMap<(Subject, String), Stream>,
    beginnings: Beginnings,
}

/// When activities of groups began, the last ones. The tracks of a group may change, so a subscriber tells its activity from
/// another by label, model and beginning alone: no two begin at the same moment.
#[derive(Debug, Default)]
struct Beginnings(VecDeque<Timestamp>);

/// What one classifier says of one subject, over time.
#[derive(Debug)]
struct Stream {
    /// What was said last.
    last: Judgement,
    /// Whether anything was said before that.
    begun: bool,
    current: Option<Current>,
    candidate: Option<Candidate>,
}

/// What goes on, and has been told.
#[derive(Debug)]
struct Current {
    label: Label,
    since: Timestamp,
    best_score: f32,
    /// Since when it has been below what it needs to go on.
    fading: Option<Timestamp>,
    told: Told,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Timestamp,
    score: f32,
}

/// What may be going on.
#[derive(Debug)]
struct Candidate {
    label: Label,
    since: Timestamp,
    best_score: f32,
}

impl ActivityRules {
    /// Rules for `camera`.
    pub fn new(camera: Name, options: config::Activities) -> Self {
        ActivityRules { camera, options, streams: BTreeMap::new(), beginnings: Beginnings::default() }
    }

    /// What is to be said after a frame, in the order of `judgements`.
    pub fn observe(&mut self, judgements: Vec<Judgement>) -> Vec<Tag> {
        let mut tags = Vec::new();
        for judgement in judgements {
            let key = (judgement.subject, judgement.model.name.clone());
            let stream = match self.streams.entry(key) {
                Entry::Occupied(entry) => {
                    let stream = entry.into_mut();
                    (stream.last, stream.begun) = (judgement, true);
                    stream
                }
                Entry::Vacant(entry) => {
                    entry.insert(Stream { last: judgement, begun: false, current: None, candidate: None })
                }
            };
            stream.follow(&self.options, &self.camera, &mut self.beginnings, &mut tags);
        }
        tags
    }

    /// The ends of what `tracks` were doing, each at the moment of its last evidence.
    pub fn end(&mut self, tracks: &[Track]) -> Vec<Tag> {
        self.end_where(|subject| tracks.iter().any(|track| subject == Subject::Track(track.id)))
    }

    /// The ends of what `groups` were doing, each at the moment of its last evidence.
    pub fn end_groups(&mut self, groups: &[GroupId]) -> Vec<Tag> {
        self.end_where(|subject| groups.iter().any(|group| subject == Subject::Group(*group)))
    }

    /// The ends of everything.
    pub fn end_all(&mut self) -> Vec<Tag> {
        self.end_where(|_| true)
    }

    /// What the subject is doing by the surest of the classifiers, with its present score.
    pub fn current(&self, subject: Subject) -> Option<(&Label, f32)> {
        let of_subject = self.going_on().filter(|(of, ..)| *of == subject);
        of_subject.map(|(_, label, score)| (label, score)).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Every activity that has started and has not ended: the subject, the label and the present score.
    pub fn going_on(&self) -> impl Iterator<Item = (Subject, &Label, f32)> {
        self.streams.iter().filter_map(|((subject, _), stream)| {
            let label = &stream.current.as_ref()?.label;
            Some((*subject, label, score_of(&stream.last.belief, label)))
        })
    }

    fn end_where(&mut self, ends: impl Fn(Subject) -> bool) -> Vec<Tag> {
        let mut tags = Vec::new();
        self.streams.retain(|(subject, _), stream| {
            let end = ends(*subject);
            if end && let Some(current) = stream.current.take() {
                tags.push(stream.end(&self.camera, current, stream.last.belief.window.to));
            }
            !end
        });
        tags
    }
}

impl Beginnings {
    /// So many are remembered. Evidence does not reach back further than these.
    const MOST: usize = 64;

    /// `since`, or the next microsecond at which no other began.
    fn next(&mut self, mut since: Timestamp) -> Timestamp {
        while self.0.contains(&since) {
            since = since + Duration::from_micros(1);
        }
        self.0.truncate(Self::MOST - 1);
        self.0.push_front(since);
        since
    }
}

impl Stream {
    fn follow(
        &mut self,
        options: &config::Activities,
        camera: &Name,
        beginnings: &mut Beginnings,
        tags: &mut Vec<Tag>,
    ) {
        let now = self.last.belief.window.to;
        self.consider(options, now);
        if self.fades(options, now)
            && let Some(current) = self.current.take()
        {
            let ended = current.fading.unwrap_or(now);
            tags.push(self.end(camera, current, ended));
        }
        let ready =
            |candidate: &Candidate| now.since(candidate.since) >= options.of(&candidate.label).min_duration;
        if self.candidate.as_ref().is_some_and(ready)
            && let Some(Candidate { label, since, best_score }) = self.candidate.take()
        {
            if let Some(current) = self.current.take() {
                tags.push(self.end(camera, current, since));
            }
            let since = match self.last.subject {
                Subject::Group(_) => beginnings.next(since),
                Subject::Track(_) | Subject::Scene => since,
            };
            let told = Told { at: now, score: score_of(&self.last.belief, &label) };
            let current = Current { label, since, best_score, fading: None, told };
            tags.push(self.tag(camera, Phase::Start, &current, None));
            self.current = Some(current);
        } else if let Some(mut current) = self.current.take() {
            let score = score_of(&self.last.belief, &current.label);
            let silence = now.since(current.told.at);
            let changed = (score - current.told.score).abs() >= CHANGED && silence >= CHANGED_PAUSE;
            if changed || silence >= options.update_interval || now < current.told.at {
                current.told = Told { at: now, score };
                tags.push(self.tag(camera, Phase::Update, &current, None));
            }
            self.current = Some(current);
        }
    }

    /// Takes in what is believed now.
    fn consider(&mut self, options: &config::Activities, now: Timestamp) {
        let belief = &self.last.belief;
        let best = belief.scores.iter().find(|(label, score)| {
            let rule = options.of(label);
            rule.enabled && *score >= rule.threshold
        });
        if let Some(current) = &mut self.current {
            let score = score_of(belief, &current.label);
            current.best_score = current.best_score.max(score);
            let holds = score >= options.of(&current.label).threshold - HYSTERESIS;
            current.fading =
                if holds { None } else { current.fading.or(Some(now)).map(|since| since.min(now)) };
        }
        let going_on = self.current.as_ref().map(|current| &current.label);
        // What holds gives way only to what is surer.
        let held = self.current.as_ref().filter(|current| current.fading.is_none());
        let held = held.map_or(0.0, |current| score_of(belief, &current.label));
        let best = best.filter(|(label, score)| Some(label) == going_on || *score > held);
        self.candidate = match (best, self.candidate.take()) {
            (Some((label, _)), _) if Some(label) == going_on => None,
            (Some((label, score)), Some(candidate)) if *label == candidate.label => Some(Candidate {
                // The clock may have been set back.
                since: candidate.since.min(now),
                best_score: candidate.best_score.max(*score),
                ..candidate
            }),
            (Some((label, score)), _) => {
                // What is seen at the first look began no later than the evidence for it.
                let since = if self.begun { now } else { belief.window.from };
                Some(Candidate { label: Arc::clone(label), since, best_score: *score })
            }
            (None, _) => None,
        };
    }

    /// Whether what goes on has been below for long enough.
    fn fades(&self, options: &config::Activities, now: Timestamp) -> bool {
        self.current.as_ref().is_some_and(|current| {
            let rule = options.of(&current.label);
            current.fading.is_some_and(|since| now.since(since) >= rule.min_duration)
        })
    }

    fn end(&self, camera: &Name, current: Current, ended: Timestamp) -> Tag {
        let summary = ActivitySummary {
            ended: ended.max(current.since),
            duration: ended.since(current.since),
            best_score: current.best_score.clamp(0.0, 1.0),
        };
        self.tag(camera, Phase::End, &current, Some(summary))
    }

    fn tag(&self, camera: &Name, phase: Phase, current: &Current, summary: Option<ActivitySummary>) -> Tag {
        let Judgement { subject, members, bbox, belief, .. } = &self.last;
        let others = belief.scores.iter().filter(|(label, score)| *label != current.label && *score > 0.0);
        Tag {
            camera: camera.clone(),
            phase,
            track: match subject {
                Subject::Track(id) => Some(*id),
                Subject::Group(_) | Subject::Scene => None,
            },
            tracks: members.clone(),
            at: belief.window.to,
            label: Arc::clone(&current.label),
            score: score_of(belief, &current.label).clamp(0.0, 1.0),
            bbox: bbox.clipped(),
            model: Arc::clone(self.last.model_of(&current.label)),
            latency: Duration::ZERO,
            clock: Standing::default(),
            at_by: ClockOf::default(),
            body: Body::Activity(Activity {
                since: current.since,
                window: belief.window,
                alternatives: others.take(Activity::MOST_ALTERNATIVES).cloned().collect(),
                summary,
            }),
        }
    }
}

fn score_of(belief: &Belief, label: &Label) -> f32 {
    belief.scores.iter().find(|(other, _)| other == label).map_or(0.0, |(_, score)| *score)
}

#[cfg(test)]
mod tests {
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
        let model = ModelRef { name: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64) };
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
            (
                &[(20, WALK), (30, WEAK), (9, NOTHING), (5, WALK), (9, RUN), (20, WALK)],
                &[(100, Start, "walk")],
            ),
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
        rules.observe(vec![judgement(
            WALKER,
            16,
            &[("walk", 0.8), ("run", 0.1), ("push", 0.05), ("a", 0.03)],
        )]);
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
            // It needs no more than 400 ms.
            (102, &[3, 7], fight),
            (105, &[3, 7], fight),
            (106, &[3, 7, 9], fight),
            // Its score has changed.
            (140, &[7, 9], &[("fight", 0.55)]),
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
                (at(106), Phase::Start, None, vec![3, 7, 9]),
                (at(140), Phase::Update, None, vec![7, 9]),
                (at(140), Phase::End, None, vec![7, 9]),
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
}
