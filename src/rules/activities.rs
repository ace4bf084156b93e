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
    /// Number of beginnings that are remembered: evidence does not reach back further than these.
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
mod tests;
