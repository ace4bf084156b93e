//! Entries in memory, in one of the places where [`super::state`] keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::publish::wire;

/// An entry in memory.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) tag: Arc<wire::Tag>,
    /// Whether it has waited; may come later than the tag.
    pub(super) historical: bool,
    /// Whether it is on disk.
    pub(super) stored: bool,
    /// Whether it was to be written, so that it may be on disk although that failed.
    pub(super) attempted: bool,
    /// Since when it is in memory.
    pub(super) since: Instant,
    /// About what it takes there.
    pub(super) bytes: usize,
}

impl Held {
    /// A new tag.
    pub(super) fn new(tag: wire::Tag, now: Instant) -> Self {
        let (bytes, historical) = (bytes(&tag), tag.historical);
        Held { tag: Arc::new(tag), historical, stored: false, attempted: false, since: now, bytes }
    }

    /// A tag that was read from disk.
    pub(super) fn stored(tag: Arc<wire::Tag>, now: Instant) -> Self {
        let bytes = bytes(&tag);
        Held { tag, historical: true, stored: true, attempted: true, since: now, bytes }
    }
}

/// About what a tag takes in memory.
fn bytes(tag: &wire::Tag) -> usize {
    // Each text has a block of its own.
    const BLOCK: usize = 32;
    let share = size_of::<wire::LabelShare>() + BLOCK;
    let summary =
        tag.summary.as_ref().map_or(0, |summary| 16 * summary.path.len() + share * summary.labels.len());
    let activity = tag.activity.as_ref().map_or(0, |activity| share * activity.alternatives.len());
    let texts = tag.label.len() + tag.model.name.len() + tag.model.version.len() + tag.model.sha256.len();
    size_of::<Held>() + size_of::<wire::Tag>() + texts + 6 * BLOCK + summary + activity
}

/// Entries by id.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: BTreeMap<u64, Held>,
    bytes: usize,
}

impl Shelf {
    pub(super) fn insert(&mut self, id: u64, held: Held) {
        self.bytes += held.bytes;
        if let Some(replaced) = self.entries.insert(id, held) {
            self.bytes -= replaced.bytes;
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Held> {
        let held = self.entries.remove(&id)?;
        self.bytes -= held.bytes;
        Some(held)
    }

    pub(super) fn pop_first(&mut self) -> Option<(u64, Held)> {
        let id = self.first()?;
        self.remove(id).map(|held| (id, held))
    }

    /// The oldest `count`.
    pub(super) fn take_first(&mut self, count: usize) -> Vec<(u64, Held)> {
        std::iter::from_fn(|| self.pop_first()).take(count).collect()
    }

    /// All, oldest first.
    pub(super) fn take_all(&mut self) -> std::collections::btree_map::IntoIter<u64, Held> {
        self.bytes = 0;
        std::mem::take(&mut self.entries).into_iter()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Held> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Held> {
        self.entries.get_mut(&id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&u64, &mut Held)> {
        self.entries.iter_mut()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.entries.values_mut()
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(id, _)| *id)
    }

    /// The newest that is on disk.
    pub(super) fn last_stored(&self) -> Option<u64> {
        self.entries.iter().rev().find(|(_, held)| held.stored).map(|(id, _)| *id)
    }

    /// Whether one has an id from `first` to `last`.
    pub(super) fn touches(&self, first: u64, last: u64) -> bool {
        self.entries.range(first..=last).next().is_some()
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn count_before(&self, id: u64) -> usize {
        match self.entries.last_key_value() {
            Some((last, _)) if *last < id => self.entries.len(),
            _ => self.entries.range(..id).count(),
        }
    }

    pub(super) fn exceeds(&self, count: usize, bytes: usize) -> bool {
        self.count() > count || self.bytes > bytes
    }
}
