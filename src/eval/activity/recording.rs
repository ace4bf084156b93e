//! The judgements about a clip, kept so that rules with other thresholds can be tried on them.
//!
//! Judgements do not depend on thresholds, so the video need not be decoded again. The rules are those of the daemon:
//! [`ActivityRules`].

use std::collections::BTreeMap;

use super::diary::{Diary, seconds};
use crate::activity::{Judgement, Subject};
use crate::clock::Timestamp;
use crate::config::Activities;
use crate::name::Name;
use crate::rules::ActivityRules;

/// Every judgement about a clip, about a kilobyte each. There are up to `pose_rate_hz` of them per person and second.
#[derive(Clone, Debug)]
pub struct Recording {
    camera: Name,
    /// Frames with at least one judgement, in the order of time.
    frames: Vec<(Timestamp, Vec<Judgement>)>,
}

/// A time in which somebody was told to do one thing with one score.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The label.
    pub label: String,
    /// The score that a tag would have carried, 0..=1.
    pub score: f32,
    /// When it begins, in seconds from the clip's first frame.
    pub from_s: f64,
    /// When it ends, likewise.
    pub to_s: f64,
}

impl Recording {
    /// An empty recording of what `camera` shows.
    pub fn new(camera: Name) -> Self {
        Recording { camera, frames: Vec::new() }
    }

    /// Adds the judgements that were made on the frame at `at`. Frames come in the order of time.
    pub fn add(&mut self, at: Timestamp, judgements: Vec<Judgement>) {
        if !judgements.is_empty() {
            self.frames.push((at, judgements));
        }
    }

    /// What is told under these settings.
    pub fn tell(&self, options: &Activities) -> Diary {
        let mut rules = ActivityRules::new(self.camera.clone(), options.clone());
        let mut diary = Diary::default();
        for (_, judgements) in &self.frames {
            diary.read(&rules.observe(judgements.clone()));
        }
        // An activity ends with the last judgement about its subject, so it does not matter when that is noticed.
        diary.read(&rules.end_all());
        diary
    }

    /// The present score of every activity for as long as it is told under these settings: from its start tag to the last
    /// judgement about its subject or to its end tag. A score holds until the next frame with judgements.
    pub fn scores(&self, options: &Activities) -> Vec<Span> {
        let judged = self
            .frames
            .iter()
            .flat_map(|(at, judgements)| judgements.iter().map(|judgement| (judgement.subject, *at)));
        // Of each subject, when it was judged last.
        let last: BTreeMap<Subject, Timestamp> = judged.collect();
        let mut rules = ActivityRules::new(self.camera.clone(), options.clone());
        let mut spans = Vec::new();
        for (index, (at, judgements)) in self.frames.iter().enumerate() {
            rules.observe(judgements.clone());
            let Some((next, _)) = self.frames.get(index + 1) else { break };
            let going_on = rules.going_on().filter(|(subject, ..)| last.get(subject) > Some(at));
            spans.extend(going_on.map(|(_, label, score)| Span {
                label: label.to_string(),
                score: score.clamp(0.0, 1.0),
                from_s: seconds(*at),
                to_s: seconds(*next),
            }));
        }
        spans
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::activity::{Belief, Window};
    use crate::geometry::BBox;
    use crate::tag::{Label, ModelRef, TrackId};

    /// What is believed of a track from one tenth of a second up to another.
    pub type Scene<'a> = (u64, std::ops::Range<i64>, &'a [(&'a str, f32)]);

    /// Ten judgements a second.
    pub fn recording(scenes: &[Scene<'_>]) -> Recording {
        let mut recording = Recording::new(Name::new("clip").unwrap());
        let end = scenes.iter().map(|(_, tenths, _)| tenths.end).max().unwrap_or(0);
        for tenth in 0..end {
            let now = scenes.iter().filter(|(_, tenths, _)| tenths.contains(&tenth));
            let judgements = now.map(|(track, _, scores)| judgement(*track, tenth, scores)).collect();
            recording.add(at(tenth), judgements);
        }
        recording
    }

    fn at(tenth: i64) -> Timestamp {
        Timestamp::from_micros(100_000 * tenth)
    }

    fn judgement(track: u64, tenth: i64, scores: &[(&str, f32)]) -> Judgement {
        let model = ModelRef {
            name: "m".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
            on: "cpu".into(),
        };
        Judgement {
            subject: Subject::Track(TrackId(track)),
            model: Arc::new(model),
            others: Arc::default(),
            members: Vec::new(),
            bbox: BBox { x: 0.4, y: 0.2, w: 0.1, h: 0.3 },
            belief: Belief {
                window: Window { from: at(tenth), to: at(tenth) },
                scores: scores.iter().map(|(label, score)| (Label::from(*label), *score)).collect(),
            },
        }
    }

    const WALK: &[(&str, f32)] = &[("walk", 0.8), ("stand", 0.1)];
    const STAND: &[(&str, f32)] = &[("stand", 0.6), ("walk", 0.1)];

    #[test]
    fn it_is_told_again_as_the_rules_say() {
        let recording = recording(&[(1, 0..30, WALK), (2, 5..20, STAND), (1, 30..60, STAND)]);
        let told = |options: &Activities| {
            let diary = recording.tell(options);
            let brief =
                |told: &super::super::Told| (told.label.clone(), told.at_s, told.since_s, told.until_s);
            diary.told().iter().map(brief).collect::<Vec<_>>()
        };
        let options = Activities::default();
        assert_eq!(
            told(&options),
            [
                ("walk".to_owned(), 0.6, 0.0, 3.0),
                ("stand".to_owned(), 1.5, 0.5, 1.9),
                ("stand".to_owned(), 4.0, 3.0, 5.9)
            ]
        );
        let mut strict = options.clone();
        strict
            .labels
            .insert("stand".to_owned(), crate::config::ActivityRule { threshold: 0.7, ..options.default });
        assert_eq!(told(&strict), [("walk".to_owned(), 0.6, 0.0, 3.0)]);
        let scores: Vec<_> =
            recording.tell(&options).scores().iter().map(|tag| (tag.label.clone(), tag.score)).collect();
        assert_eq!(scores, [("walk".to_owned(), 0.8), ("stand".to_owned(), 0.6), ("stand".to_owned(), 0.6)]);
    }

    #[test]
    fn a_score_counts_from_the_start_tag_to_the_last_judgement() {
        let recording = recording(&[(1, 0..30, WALK), (2, 0..60, STAND)]);
        let spans = recording.scores(&Activities::default());
        let time_s = |label: &str| {
            let of_label = spans.iter().filter(|span| span.label == label);
            of_label.map(|span| span.to_s - span.from_s).sum::<f64>()
        };
        assert!((time_s("walk") - 2.3).abs() < 1e-9, "{}", time_s("walk"));
        assert!((time_s("stand") - 4.9).abs() < 1e-9, "{}", time_s("stand"));
        assert!(spans.iter().all(|span| span.score == if span.label == "walk" { 0.8 } else { 0.6 }));
    }
}
