//! Holds what a subscriber receives to the contract.
//!
//! Pure: topics and payloads in, messages and violations out. Called by [`super::subscriber`]. What it remembers is
//! bounded, so a violation that lies thousands of tags apart may be missed; one that is reported is one.

mod message;
mod ranges;
mod run;
#[cfg(test)]
mod tests;

use std::fmt;

use uuid::Uuid;

use super::topic::{Address, Root};
use super::wire::{self, Message, Phase};
use crate::clock::Timestamp;
use crate::name::Name;

pub(super) use message::is_jpeg;
use message::{is_event, mismatches, out_of_range};
use run::Run;

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
    /// Something was retained that speaks of one moment.
    #[error("an event must not be retained")]
    RetainedEvent,
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
    #[error(
        "`activity`, `zone` and `line` belong to tags of their kind, `track` to all but activities, `summary` to objects"
    )]
    Kind,
    /// The tracks of a group are none that a group can have, or not the tag of one.
    #[error(
        "`tracks` belongs to activities without a `track`: at least two numbers above 0, each greater than the one before"
    )]
    Tracks,
    /// Tags are missing, and the node does not say that they still wait or are lost.
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

/// What a tag speaks of: a track, an activity of a track, a group or the whole picture, or a track in a zone or at a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    who: Who,
    camera: Name,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Track(u64),
    /// Its tracks may change, so they do not tell one group from another: what it does and since when tells that.
    Group,
    Picture,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The track itself.
    Whole,
    /// Label and beginning, and the name of the model that says so.
    Activity(Timestamp, String, String),
    Zone(Name),
    Line(Name),
}

impl Subject {
    fn of(tag: &wire::Tag) -> Self {
        let part = match (&tag.activity, &tag.zone, &tag.line) {
            (Some(activity), _, _) => {
                Part::Activity(activity.since, tag.label.clone(), tag.model.name.clone())
            }
            (_, Some(zone), _) => Part::Zone(zone.name.clone()),
            (_, _, Some(line)) => Part::Line(line.name.clone()),
            _ => Part::Whole,
        };
        let who = match (tag.track, &tag.tracks) {
            (Some(track), _) => Who::Track(track),
            (None, Some(_)) => Who::Group,
            (None, None) => Who::Picture,
        };
        Subject { who, camera: tag.camera.clone(), part }
    }

    /// Whether it may begin again after its end, as a visit to a zone may.
    fn recurs(&self) -> bool {
        matches!(self.part, Part::Zone(_) | Part::Line(_))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Track(track) => write!(f, "track {track}")?,
            Who::Group => write!(f, "a group of {}", self.camera)?,
            Who::Picture => write!(f, "the picture of {}", self.camera)?,
        }
        match &self.part {
            Part::Whole => Ok(()),
            Part::Activity(since, label, _) => write!(f, "'s activity `{label}` since {since}"),
            Part::Zone(zone) => write!(f, " in the zone {zone}"),
            Part::Line(line) => write!(f, " at the line {line}"),
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
    /// Tags that a gap notice says are lost.
    pub lost: u64,
    /// Tags that newer ones have overtaken and that have not come yet.
    pub owed: u64,
    /// Violations of the contract.
    pub violations: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {} tags ({} starts, {} updates, {} ends; {} late, {} repeated), ",
            self.messages, self.tags, self.starts, self.updates, self.ends, self.historical, self.repetitions,
        )?;
        for (count, what) in [(self.lost, "announced as lost"), (self.owed, "still to come")] {
            if count > 0 {
                write!(f, "{count} {what}, ")?;
            }
        }
        write!(f, "{} violations", self.violations)
    }
}

/// What was received of one run of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The node.
    pub node: Name,
    /// Which run of it.
    pub boot: Uuid,
    /// The smallest number that came or was announced as lost.
    pub first: u64,
    /// The greatest.
    pub last: u64,
    /// Tags, each counted once.
    pub tags: u64,
    /// Tags that were delivered again.
    pub repeated: u64,
    /// Tags that a gap notice says are lost.
    pub lost: u64,
    /// Tags that newer ones have overtaken and that have not come yet.
    pub owed: u64,
}

impl fmt::Display for RunSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunSummary { node, boot, first, last, tags, repeated, lost, owed } = self;
        write!(
            f,
            "{node}, boot {boot}: numbers {first} to {last}, {tags} tags, {repeated} repeated, {lost} announced as \
             lost, {owed} still to come"
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

impl Audit {
    pub(super) fn new(root: Root) -> Self {
        Audit { root, runs: Vec::new(), summary: Summary::default() }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary { owed: self.runs.iter().map(Run::owed).sum(), ..self.summary }
    }

    /// Of each run that is remembered, in the order in which they were met.
    pub(super) fn runs(&self) -> impl Iterator<Item = RunSummary> {
        self.runs.iter().map(Run::summary)
    }

    /// The subscriber was away and may have missed tags: the next gap is not the node's fault.
    pub(super) fn interrupted(&mut self) {
        self.runs.iter_mut().for_each(Run::interrupted);
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
            Some(address) => match message::parse(&address, payload) {
                Err(violation) => (None, vec![violation]),
                Ok(None) => {
                    let must_not_last = retained && matches!(address, Address::Reply(..));
                    (None, must_not_last.then_some(Violation::RetainedEvent).into_iter().collect())
                }
                Ok(Some(message)) => {
                    let mut violations = mismatches(&address, &message);
                    violations.extend((retained && is_event(&message)).then_some(Violation::RetainedEvent));
                    match &message {
                        Message::Tag(tag) => {
                            violations.extend(out_of_range(tag));
                            violations.extend(self.follow(tag));
                        }
                        Message::Gap(gap) => {
                            let run = self.run(&gap.node, gap.boot, gap.first);
                            self.summary.lost += run.announced(gap.first, gap.last);
                        }
                        _ => {}
                    }
                    (Some(message), violations)
                }
            },
        };
        self.summary.messages += 1;
        self.summary.violations += violations.len() as u64;
        (message, violations)
    }

    /// The run of a node, which may be met first with the tag `seq`.
    fn run(&mut self, node: &Name, boot: Uuid, seq: u64) -> &mut Run {
        let at = self.runs.iter().position(|run| run.is(node, boot)).unwrap_or_else(|| {
            if self.runs.len() == RUNS {
                self.runs.remove(0);
            }
            self.runs.push(Run::joined(node.clone(), boot, seq));
            self.runs.len() - 1
        });
        &mut self.runs[at]
    }

    fn follow(&mut self, tag: &wire::Tag) -> Vec<Violation> {
        let (repeated, violations) = self.run(&tag.node, tag.boot, tag.seq).follow(tag);
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
