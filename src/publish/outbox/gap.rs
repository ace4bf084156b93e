//! What says that tags are lost: who, which and why.

use std::fmt;

use uuid::Uuid;

use crate::name::Name;
use crate::publish::wire;
pub use crate::publish::wire::GapReason;

/// Tags of one run of a node that no subscriber will get, unless it has them already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The node.
    pub node: Name,
    /// Which run of it.
    pub boot: Uuid,
    /// Number of the first lost tag.
    pub first: u64,
    /// Number of the last; all between are lost too.
    pub last: u64,
    /// Why.
    pub reason: GapReason,
}

impl GapReason {
    /// All of them, in the order of [`super::Depth::dropped`].
    pub const ALL: [GapReason; 5] =
        [GapReason::Full, GapReason::Age, GapReason::Disk, GapReason::Size, GapReason::Corrupt];

    /// Its place in [`GapReason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The reason at a place of [`GapReason::ALL`].
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GapReason::Full => "full",
            GapReason::Age => "age",
            GapReason::Disk => "disk",
            GapReason::Size => "size",
            GapReason::Corrupt => "corrupt",
        })
    }
}

impl Gap {
    /// The gap that one tag leaves.
    pub fn of(tag: &wire::Tag, reason: GapReason) -> Self {
        Gap { node: tag.node.clone(), boot: tag.boot, first: tag.seq, last: tag.seq, reason }
    }

    /// Whether both are of one run and have one reason.
    pub(super) fn is_like(&self, other: &Gap) -> bool {
        self.node == other.node && self.boot == other.boot && self.reason == other.reason
    }

    /// Whether `later` begins where this one ends, so that both are one.
    pub(super) fn leads_to(&self, later: &Gap) -> bool {
        self.is_like(later) && self.last.checked_add(1) == Some(later.first)
    }
}
