//! Holds what a subscriber receives to the contract.
//!
//! Pure: topics and payloads in, messages and violations out. Called by [`super::subscriber`]. What it remembers is
//! bounded, so a violation that lies thousands of tags apart may be missed; one that is reported is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::topic::{Address, Root};
use super::wire::{self, Kind, Message, Phase};
use crate::clock::Timestamp;
use crate::name::Name;

/// Numbers and ended tracks remembered per run of a node; past it the oldest are forgotten.
const REMEMBERED: usize = 4096;

/// Runs of nodes remembered; past it the one that was met first is forgotten.
const RUNS: usize = 64;

/// A way in which what was received breaks the contract.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Violation {
    /// The contract has no such topic.
    #[error("the contract has no such topic")]
    ForeignTopic,
    /// The payload is not what the topic promises.
    #[error("not a valid message: {0}")]
    Malformed(String),
    /// The topic says one thing and the message another.
    #[error("topic and message name a different {0}")]
    TopicMismatch(&'static str),
    /// A tag was retained.
    #[error("a tag must not be retained")]
    RetainedTag,
    /// A number is out of its range.
    #[error("{field} is {value}, allowed is {allowed}")]
    OutOfRange {
        /// Which.
        field: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// An end without a summary, or a summary without an end.
    #[error("a summary belongs to an end, and an end has one")]
    Summary,
    /// A tag has what belongs to another kind, or lacks what belongs to its own.
    #[error("`track` belongs to every object, `activity` to every activity, and `summary` to no activity")]
    Kind,
    /// Tags are missing.
    #[error("tags {first} to {last} are missing")]
    Gap {
        /// The first that is missing.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A tag came after one with a greater number.
    #[error("tag {0} comes late, after greater numbers")]
    OutOfOrder(u64),
    /// A tag was delivered again under another id.
    #[error("tag {0} came before with another id")]
    IdChanged(u64),
    /// Two tags have the same id.
    #[error("tag {0} has the id of another tag")]
    IdReused(u64),
    /// Something was started twice.
    #[error("{0} was started before")]
    StartedTwice(Subject),
    /// Something is spoken of that was not started.
    #[error("{0} was not started")]
    NotStarted(Subject),
    /// Something is spoken of after its end.
    #[error("{0} has ended")]
    Ended(Subject),
}

/// What a tag speaks of: a track, or an activity of a track or of the whole picture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// None for the whole picture.
    track: Option<u64>,
    camera: Name,
    /// Label and beginning, and the name of the model that says so.
    activity: Option<(Timestamp, String, String)>,
}

impl Subject {
    fn of(tag: &wire::Tag) -> Self {
        let activity = tag.activity.as_ref();
        Subject {
            track: tag.track,
            camera: tag.camera.clone(),
            activity: activity.map(|activity| (activity.since, tag.label.clone(), tag.model.name.clone())),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.track {
            Some(track) => write!(f, "track {track}")?,
            None => write!(f, "the picture of {}", self.camera)?,
        }
        match &self.activity {
            Some((since, label, _)) => write!(f, "'s activity `{label}` since {since}"),
            None => Ok(()),
        }
    }
}

/// What was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages of any kind.
    pub messages: u64,
    /// Tags, each counted once.
    pub tags: u64,
    /// Of these, starts.
    pub starts: u64,
    /// Of these, updates.
    pub updates: u64,
    /// Of these, ends.
    pub ends: u64,
    /// Tags that had waited in the outbox.
    pub historical: u64,
    /// Tags that were delivered again.
    pub repetitions: u64,
    /// Violations of the contract.
    pub violations: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {} tags ({} starts, {} updates, {} ends; {} late, {} repeated), {} violations",
            self.messages,
            self.tags,
            self.starts,
            self.updates,
            self.ends,
            self.historical,
            self.repetitions,
            self.violations
        )
    }
}

/// Watches messages of any number of nodes below one root.
#[derive(Debug)]
pub(super) struct Audit {
    root: Root,
    runs: Vec<Run>,
    summary: Summary,
}

/// One run of a node.
#[derive(Debug)]
struct Run {
    node: Name,
    boot: Uuid,
    last: u64,
    /// Whether every tag from the first on was received. When not, a track may have been started unseen.
    complete: bool,
    /// Whether tags may have been missed for a reason that is not the node's.
    excused: bool,
    ids: BTreeMap<u64, Uuid>,
    open: BTreeSet<Subject>,
    ended: BTreeSet<Subject>,
}

impl Audit {
    pub(super) fn new(root: Root) -> Self {
        Audit { root, runs: Vec::new(), summary: Summary::default() }
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// The subscriber was away and may have missed tags: the next gap is not the node's fault.
    pub(super) fn interrupted(&mut self) {
        for run in &mut self.runs {
            run.excused = true;
        }
    }

    /// The message in a payload, when there is one, and everything that is wrong.
    pub(super) fn examine(
        &mut self,
        topic: &str,
        retained: bool,
        payload: &[u8],
    ) -> (Option<Message>, Vec<Violation>) {
        let (message, violations) = match self.root.address(topic) {
            None => (None, vec![Violation::ForeignTopic]),
            Some(address) => match parse(&address, payload) {
                Err(violation) => (None, vec![violation]),
                Ok(message) => {
                    let mut violations = mismatches(&address, &message);
                    if let Message::Tag(tag) = &message {
                        violations.extend(retained.then_some(Violation::RetainedTag));
                        violations.extend(out_of_range(tag));
                        violations.extend(self.follow(tag));
                    }
                    (Some(message), violations)
                }
            },
        };
        self.summary.messages += 1;
        self.summary.violations += violations.len() as u64;
        (message, violations)
    }

    fn follow(&mut self, tag: &wire::Tag) -> Vec<Violation> {
        let at = self.runs.iter().position(|run| run.node == tag.node && run.boot == tag.boot);
        let at = at.unwrap_or_else(|| {
            if self.runs.len() == RUNS {
                self.runs.remove(0);
            }
            self.runs.push(Run::joined(tag));
            self.runs.len() - 1
        });
        let run = &mut self.runs[at];
        let (repeated, violations) = run.follow(tag);
        if repeated {
            self.summary.repetitions += 1;
        } else {
            self.summary.tags += 1;
            self.summary.historical += u64::from(tag.historical);
            *match tag.phase {
                Phase::Start => &mut self.summary.starts,
                Phase::Update => &mut self.summary.updates,
                Phase::End => &mut self.summary.ends,
            } += 1;
        }
        violations
    }
}

impl Run {
    fn joined(tag: &wire::Tag) -> Self {
        Run {
            node: tag.node.clone(),
            boot: tag.boot,
            last: tag.seq.saturating_sub(1),
            complete: tag.seq == 1,
            excused: false,
            ids: BTreeMap::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
        }
    }

    /// Whether the tag was there before, and what is wrong with it.
    fn follow(&mut self, tag: &wire::Tag) -> (bool, Vec<Violation>) {
        let mut violations = Vec::new();
        if tag.seq <= self.last {
            match self.ids.get(&tag.seq) {
                Some(id) if *id == tag.id => return (true, violations),
                Some(_) => return (true, vec![Violation::IdChanged(tag.seq)]),
                // Forgotten, so it was there.
                None if self.ids.first_key_value().is_some_and(|(first, _)| tag.seq < *first) => {
                    return (true, violations);
                }
                None => violations.push(Violation::OutOfOrder(tag.seq)),
            }
        } else if tag.seq > self.last + 1 {
            self.complete = false;
            if !self.excused {
                violations.push(Violation::Gap { first: self.last + 1, last: tag.seq - 1 });
            }
        }
        self.excused &= tag.seq <= self.last;
        self.last = self.last.max(tag.seq);
        if self.ids.values().any(|id| *id == tag.id) {
            violations.push(Violation::IdReused(tag.seq));
        }
        self.ids.insert(tag.seq, tag.id);
        if self.ids.len() > REMEMBERED {
            self.ids.pop_first();
        }
        violations.extend(self.live(tag));
        (false, violations)
    }

    /// Whether the tag fits the life of what it speaks of.
    fn live(&mut self, tag: &wire::Tag) -> Option<Violation> {
        let subject = Subject::of(tag);
        let has_ended = self.ended.contains(&subject);
        let is_open = self.open.contains(&subject);
        let violation = match tag.phase {
            Phase::Start if is_open || has_ended => Some(Violation::StartedTwice(subject.clone())),
            Phase::Update | Phase::End if has_ended => Some(Violation::Ended(subject.clone())),
            Phase::Update | Phase::End if !is_open && self.complete => {
                Some(Violation::NotStarted(subject.clone()))
            }
            _ => None,
        };
        if tag.phase == Phase::End {
            self.open.remove(&subject);
            self.ended.insert(subject);
            if self.ended.len() > REMEMBERED {
                self.ended.pop_first();
            }
        } else if !has_ended {
            self.open.insert(subject);
        }
        violation
    }
}

fn parse(address: &Address, payload: &[u8]) -> Result<Message, Violation> {
    fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Violation> {
        serde_json::from_slice(payload).map_err(|error| Violation::Malformed(error.to_string()))
    }
    match address {
        Address::Node(_) => read(payload).map(Message::Node),
        Address::Camera(..) => read(payload).map(Message::Camera),
        Address::Tag(..) => read(payload).map(Message::Tag),
    }
}

fn mismatches(address: &Address, message: &Message) -> Vec<Violation> {
    let (node, camera, kind) = match address {
        Address::Node(node) => (node, None, None),
        Address::Camera(node, camera) => (node, Some(camera), None),
        Address::Tag(node, camera, kind) => (node, Some(camera), Some(kind)),
    };
    let (said_node, said_camera, said_kind) = match message {
        Message::Node(status) => (&status.node, None, None),
        Message::Camera(status) => (&status.node, Some(&status.camera), None),
        Message::Tag(tag) => (&tag.node, Some(&tag.camera), Some(&tag.kind)),
    };
    [("node", node == said_node), ("camera", camera == said_camera), ("kind", kind == said_kind)]
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(what, _)| Violation::TopicMismatch(what))
        .collect()
}

fn out_of_range(tag: &wire::Tag) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut check = |field, value: f64, allowed, fits: bool| {
        if !fits {
            violations.push(Violation::OutOfRange { field, value, allowed });
        }
    };
    let unit = |value: f64| (0.0..=1.0).contains(&value);
    let bbox = tag.bbox;
    for (field, value) in [
        ("score", tag.score),
        ("box.x", bbox.x),
        ("box.y", bbox.y),
        ("box.width", bbox.width),
        ("box.height", bbox.height),
    ] {
        check(field, value, "0 to 1", unit(value));
    }
    // Each of the two numbers is rounded by itself.
    let rounding = 1.5e-5;
    for (field, edge) in
        [("box.x + box.width", bbox.x + bbox.width), ("box.y + box.height", bbox.y + bbox.height)]
    {
        check(field, edge, "at most 1", edge <= 1.0 + rounding);
    }
    check("seq", tag.seq as f64, "at least 1", tag.seq >= 1);
    let track = tag.track.unwrap_or(1);
    check("track", track as f64, "at least 1", track >= 1);
    check("latency_ms", tag.latency_ms, "at least 0", tag.latency_ms >= 0.0);
    if let Some(summary) = &tag.summary {
        check("summary.best_score", summary.best_score, "0 to 1", unit(summary.best_score));
        check("summary.duration_s", summary.duration_s, "at least 0", summary.duration_s >= 0.0);
        for share in &summary.labels {
            check("summary.labels.score", share.score, "0 to 1", unit(share.score));
        }
    }
    if let Some(activity) = &tag.activity {
        for other in &activity.alternatives {
            check("activity.alternatives.score", other.score, "0 to 1", unit(other.score));
        }
        if let Some(summary) = &activity.summary {
            check("activity.summary.best_score", summary.best_score, "0 to 1", unit(summary.best_score));
            check("activity.summary.duration_s", summary.duration_s, "at least 0", summary.duration_s >= 0.0);
        }
    }
    let is_activity = tag.kind == Kind::Activity;
    let fits = if is_activity { tag.summary.is_none() } else { tag.track.is_some() };
    if tag.activity.is_some() != is_activity || !fits {
        violations.push(Violation::Kind);
    }
    let summed_up = match &tag.activity {
        Some(activity) => activity.summary.is_some(),
        None => tag.summary.is_some(),
    };
    if summed_up != (tag.phase == Phase::End) {
        violations.push(Violation::Summary);
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::test_tags;

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
        Subject { track: Some(id), camera: Name::new("ramp").unwrap(), activity: None }
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

    #[test]
    fn single_messages_are_held_to_the_contract() {
        let json = |tag: wire::Tag| Message::Tag(tag).to_json();
        let wide = wire::Box { x: 0.5, y: 0.0, width: 0.6, height: 1.0 };
        let cases = [
            ("spotter/v1/edge-1/ramp/tag/smell", json(tag(1)), "the contract has no such topic"),
            ("spotter/v1/edge-1/gate/tag/object", json(tag(1)), "topic and message name a different camera"),
            (TOPIC, json(wire::Tag { score: 1.5, ..tag(1) }), "score is 1.5, allowed is 0 to 1"),
            (
                TOPIC,
                json(wire::Tag { bbox: wide, ..tag(1) }),
                "box.x + box.width is 1.1, allowed is at most 1",
            ),
            (
                TOPIC,
                json(wire::Tag { summary: None, ..phase(1, 1, Phase::Start) }).replace("start", "end"),
                "a summary belongs to an end, and an end has one",
            ),
            (
                TOPIC,
                json(tag(1)).replace("\"label\"", "\"mood\""),
                "not a valid message: unknown field `mood`",
            ),
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
        assert_eq!((message, violations), (Some(Message::Tag(tag(1))), vec![Violation::RetainedTag]));
    }
}
