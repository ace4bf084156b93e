//! One run of a node: its numbers, and the life of what its tags speak of.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::ranges::Ranges;
use super::{RunSummary, Subject, Violation};
use crate::name::Name;
use crate::publish::wire::{Phase, Tag};

/// Numbers and ended subjects remembered; past it the oldest are forgotten.
const REMEMBERED: usize = 4096;

/// One run of a node.
#[derive(Debug)]
pub(super) struct Run {
    node: Name,
    boot: Uuid,
    /// The smallest number met.
    first: u64,
    /// The greatest number met.
    last: u64,
    /// Numbers that newer ones have overtaken and that must come.
    owed: Ranges,
    /// Numbers that may have come while the subscriber was away.
    excused: Ranges,
    /// Whether tags may have been missed since the last one for a reason that is not the node's.
    away: bool,
    /// Whether every tag from the first on was received in order. When not, a track may have been started unseen.
    complete: bool,
    ids: BTreeMap<u64, Uuid>,
    open: BTreeSet<Subject>,
    ended: BTreeSet<Subject>,
    tags: u64,
    repeated: u64,
    lost: u64,
}

impl Run {
    pub(super) fn joined(node: Name, boot: Uuid, seq: u64) -> Self {
        // What came before the subscriber may still come to it, late.
        let mut excused = Ranges::default();
        excused.add(1, seq.saturating_sub(1));
        Run {
            node,
            boot,
            first: seq,
            last: seq.saturating_sub(1),
            owed: Ranges::default(),
            excused,
            away: false,
            complete: seq == 1,
            ids: BTreeMap::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
            tags: 0,
            repeated: 0,
            lost: 0,
        }
    }

    pub(super) fn summary(&self) -> RunSummary {
        RunSummary {
            node: self.node.clone(),
            boot: self.boot,
            first: self.first,
            last: self.last,
            tags: self.tags,
            repeated: self.repeated,
            lost: self.lost,
            owed: self.owed(),
        }
    }

    pub(super) fn is(&self, node: &Name, boot: Uuid) -> bool {
        self.boot == boot && self.node == *node
    }

    /// The subscriber was away.
    pub(super) fn interrupted(&mut self) {
        self.away = true;
        self.owed.drain().for_each(|(first, last)| self.excused.add(first, last));
    }

    /// How many tags are still to come.
    pub(super) fn owed(&self) -> u64 {
        self.owed.count()
    }

    /// These tags are lost, says the node; how many of them have not come.
    pub(super) fn announced(&mut self, first: u64, last: u64) -> u64 {
        let mut lost = self.owed.remove(first, last) + self.excused.remove(first, last);
        if last > self.last {
            // What lies before has to come, unless a later tag says that nothing waits.
            self.miss(self.last + 1, first.saturating_sub(1));
            lost += last - self.last.max(first - 1);
            self.last = last;
        }
        self.complete = false;
        self.first = self.first.min(first);
        self.lost += lost;
        lost
    }

    /// Whether the tag was there before, and what is wrong with it.
    pub(super) fn follow(&mut self, tag: &Tag) -> (bool, Vec<Violation>) {
        let (repeated, violations) = self.examine(tag);
        self.first = self.first.min(tag.seq);
        *(if repeated { &mut self.repeated } else { &mut self.tags }) += 1;
        (repeated, violations)
    }

    fn examine(&mut self, tag: &Tag) -> (bool, Vec<Violation>) {
        let mut violations = Vec::new();
        let is_late = tag.seq <= self.last;
        if is_late {
            match self.ids.get(&tag.seq) {
                Some(id) if *id == tag.id => return (true, violations),
                Some(_) => return (true, vec![Violation::IdChanged(tag.seq)]),
                None => {}
            }
            let was_missing = self.owed.remove(tag.seq, tag.seq) + self.excused.remove(tag.seq, tag.seq) > 0;
            // Forgotten, so it was there.
            if !was_missing && self.ids.first_key_value().is_some_and(|(first, _)| tag.seq < *first) {
                return (true, violations);
            }
            if !was_missing || !tag.historical {
                violations.push(Violation::OutOfOrder(tag.seq));
            }
        } else {
            self.miss(self.last + 1, tag.seq - 1);
            self.last = tag.seq;
            if tag.waiting.is_none() {
                let gaps = self.owed.drain().map(|(first, last)| Violation::Gap { first, last });
                violations.extend(gaps);
            }
            self.away = false;
        }
        if self.ids.values().any(|id| *id == tag.id) {
            violations.push(Violation::IdReused(tag.seq));
        }
        self.ids.insert(tag.seq, tag.id);
        if self.ids.len() > REMEMBERED {
            self.ids.pop_first();
        }
        // The life of what an overtaken tag speaks of has gone on.
        if !is_late {
            violations.extend(self.live(tag));
        }
        (false, violations)
    }

    /// These have not come before what has just come.
    fn miss(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        self.complete = false;
        let missing = if self.away { &mut self.excused } else { &mut self.owed };
        missing.add(first, last);
    }

    /// Whether the tag fits the life of what it speaks of.
    fn live(&mut self, tag: &Tag) -> Option<Violation> {
        let subject = Subject::of(tag);
        let has_ended = self.ended.contains(&subject);
        let is_open = self.open.contains(&subject);
        let violation = match tag.phase {
            Phase::Start if is_open || (has_ended && !subject.recurs()) => {
                Some(Violation::StartedTwice(subject.clone()))
            }
            Phase::Update | Phase::End if has_ended && !is_open => Some(Violation::Ended(subject.clone())),
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
        } else if !has_ended || subject.recurs() {
            self.open.insert(subject);
        }
        violation
    }
}
