//! Reads the tags of a clip and notes which activities they tell, and with which scores.

use super::score::Told;
use crate::clock::Timestamp;
use crate::tag::{Body, Label, Phase, Tag, TrackId};

/// The score that a start or an update tag carries.
#[derive(Clone, Debug, PartialEq)]
pub struct TagScore {
    /// The tag's label.
    pub label: String,
    /// Capture time of its frame, in seconds from the clip's first frame.
    pub at_s: f64,
    /// The score, 0..=1.
    pub score: f32,
}

/// What goes on, by what tells one activity from another.
#[derive(Clone, Debug)]
struct Open {
    /// Nothing for a group, whose tracks may change, and for the whole picture.
    track: Option<TrackId>,
    label: Label,
    since: Timestamp,
    /// Its place in `told`.
    place: usize,
}

/// What the `activity` tags of a clip tell. The clip begins at [`Timestamp::EPOCH`].
#[derive(Clone, Debug, Default)]
pub struct Diary {
    told: Vec<Told>,
    scores: Vec<TagScore>,
    /// What goes on.
    open: Vec<Open>,
}

impl Diary {
    /// Reads the tags of a frame. Tags of other kinds are left out.
    pub fn read(&mut self, tags: &[Tag]) {
        for tag in tags {
            let Body::Activity(activity) = &tag.body else { continue };
            let (track, label, since) = (tag.track, &tag.label, activity.since);
            let is_this = |open: &Open| open.track == track && open.label == *label && open.since == since;
            match tag.phase {
                Phase::Start => {
                    self.open.push(Open { track, label: label.clone(), since, place: self.told.len() });
                    self.told.push(Told {
                        label: tag.label.to_string(),
                        at_s: seconds(tag.at),
                        since_s: seconds(activity.since),
                        until_s: f64::INFINITY,
                        height: if tag.tracks.is_empty() { f64::from(tag.bbox.h) } else { 0.0 },
                    });
                    self.note(tag);
                }
                Phase::Update => self.note(tag),
                Phase::End => {
                    if let (Some(place), Some(summary)) =
                        (self.open.iter().position(is_this), &activity.summary)
                    {
                        let open = self.open.swap_remove(place);
                        self.told[open.place].until_s = seconds(summary.ended);
                    }
                }
            }
        }
    }

    fn note(&mut self, tag: &Tag) {
        let (label, at_s) = (tag.label.to_string(), seconds(tag.at));
        self.scores.push(TagScore { label, at_s, score: tag.score });
    }

    /// What was told, in the order of the start tags.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// The scores of start and update tags, in the order of the tags.
    pub fn scores(&self) -> &[TagScore] {
        &self.scores
    }
}

/// Seconds from the clip's first frame.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.since(Timestamp::EPOCH).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::score::{Rules, score, tests::range};
    use super::*;
    use crate::activity::{Belief, GroupId, Judgement, Subject, Window};
    use crate::config::Activities;
    use crate::geometry::BBox;
    use crate::name::Name;
    use crate::rules::ActivityRules;
    use crate::tag::ModelRef;

    fn judgement(subject: Subject, members: &[u64], tenth: i64, label: &str) -> Judgement {
        let model = ModelRef {
            name: "m".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
            on: "cpu".into(),
        };
        let at = Timestamp::from_micros(100_000 * tenth);
        Judgement {
            subject,
            model: Arc::new(model),
            others: Arc::default(),
            members: members.iter().copied().map(TrackId).collect(),
            bbox: BBox { x: 0.2, y: 0.1, w: 0.3, h: 0.5 },
            belief: Belief { window: Window { from: at, to: at }, scores: vec![(Label::from(label), 0.9)] },
        }
    }

    /// Two groups fight from the same moment on, one of them for longer, while its members change.
    #[test]
    fn what_any_group_is_told_to_do_counts() {
        let mut rules = ActivityRules::new(Name::new("clip").unwrap(), Activities::default());
        let mut diary = Diary::default();
        for tenth in 0..=30 {
            let members: &[u64] = if tenth < 20 { &[1, 2] } else { &[2, 3] };
            let mut judgements = vec![
                judgement(Subject::Track(TrackId(1)), &[], tenth, "stand"),
                judgement(Subject::Group(GroupId(1)), members, tenth, "fight"),
            ];
            if tenth <= 20 {
                judgements.push(judgement(Subject::Group(GroupId(2)), &[8, 9], tenth, "fight"));
            }
            diary.read(&rules.observe(judgements));
            if tenth == 20 {
                diary.read(&rules.end_groups(&[GroupId(2)]));
            }
        }
        diary.read(&rules.end_all());
        let fights = diary.told().iter().filter(|told| told.label == "fight");
        let mut until_s: Vec<f64> = fights.map(|told| told.until_s).collect();
        until_s.sort_by(f64::total_cmp);
        assert_eq!(until_s, [2.0, 3.0]);

        let ranges = [range("fight", 0.0, 2.0), range("walk", 2.0, 3.0)];
        let score = score([(&ranges[..], diary.told())], &Rules::default());
        let fight = &score.labels["fight"];
        assert_eq!((fight.events, fight.delays_s.as_slice(), fight.false_events), (1, &[1.5][..], 0));
        let told_s: Vec<_> = fight.told_s.iter().collect();
        assert!(
            matches!(told_s[..], [(Some(label), time_s)] if label == "fight" && (time_s - 2.0).abs() < 1e-9)
        );
        // What nobody was told to do: a group is no larger person.
        assert_eq!(score.labels["walk"].told_s, [(Some("stand".to_owned()), 1.0)].into());
    }
}
