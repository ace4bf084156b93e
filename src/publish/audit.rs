//! Holds what a subscriber receives to the contract.
//!
//! Pure: topics and payloads in, messages and violations out. Called by [`super::subscriber`]. What it remembers is
//! bounded, so a violation that lies thousands of tags apart may be missed; one that is reported is one.

mod message;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use super::topic::Root;
use super::wire::{self, Message, Phase};
use crate::clock::Timestamp;
use crate::name::Name;

use message::{mismatches, out_of_range, parse};

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
