//! Groups: people who are close together, followed from frame to frame.
//!
//! [`super::clips`] has one [`Groups`] per camera and classifier of groups. Every two people who are close have a square
//! around both. Squares that overlap are one group, whose place is the square that overlaps most with the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::geometry::BBox;
use crate::tag::TrackId;

/// Largest factor between the longer box sides of two people who are close: with more, one is far behind the other.
const MOST_SIZE_RATIO: f32 = 2.5;
/// Least side of a square, in widths and in heights of the box around both people.
const MARGIN: f32 = 1.1;
/// Two squares whose IoU is larger than this count for each other when the middle of a group is chosen.
const SUPPORT_IOU: f32 = 0.35;
/// A square belongs to a group, and a group is the one of the frame before, when the IoU of both squares is larger than this.
const JOIN_IOU: f32 = 0.25;
/// Number of members that make a group the one of the frame before, wherever it is.
const SHARED_MEMBERS: usize = 2;
/// Time that a group lasts after two of its people were last close, for people who wrestle are often found as one. Somebody
/// stays a member for the same time after they were last close to another.
const LASTS: Duration = Duration::from_secs(2);
/// Number of groups that are followed at a time.
const MOST_GROUPS: usize = 3;
/// Number of pairs that are looked at on a frame, those of the largest people: each is compared with every other.
const MOST_PAIRS: usize = 128;

/// A group's number: of the groups of one camera, growing from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId(pub u64);

/// The groups of one camera.
#[derive(Debug)]
pub(super) struct Groups {
    /// Least side of a square, in the mean of the longer box sides of two people.
    scale: f32,
    /// How large the gap between two people who are close may be, in longer box sides of the smaller one.
    near: f32,
    groups: Vec<Group>,
    last: Option<Timestamp>,
}

/// People who are or were close together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) id: GroupId,
    /// A square in pixels, relative to the image; it may reach outside.
    pub(super) square: BBox,
    /// When each member was last close to another.
    seen: BTreeMap<TrackId, Timestamp>,
    /// When two of them were last close.
    close: Timestamp,
}

/// Two people who are close.
#[derive(Clone, Copy, Debug)]
struct Pair {
    people: [TrackId; 2],
    square: BBox,
    /// Mean of their longer box sides, in picture heights.
    size: f32,
}

/// Squares of one frame that overlap.
#[derive(Debug)]
struct Crowd {
    square: BBox,
    people: BTreeSet<TrackId>,
}

impl Group {
    /// Who belongs to it, ascending; at least two.
    pub(super) fn members(&self) -> Vec<TrackId> {
        self.seen.keys().copied().collect()
    }

    /// Two of its people, or more, are close at `at`.
    fn see(&mut self, at: Timestamp, crowd: &Crowd) {
        (self.square, self.close) = (crowd.square, at);
        self.seen.extend(crowd.people.iter().map(|track| (*track, at)));
    }

    fn shares_members(&self, crowd: &Crowd) -> bool {
        crowd.people.iter().filter(|track| self.seen.contains_key(track)).count() >= SHARED_MEMBERS
    }
}

impl Groups {
    /// No groups yet; see [`crate::model::ClipScope::Group`] for `scale` and `near`.
    pub(super) fn new(scale: f32, near: f32) -> Self {
        Groups { scale, near, groups: Vec::new(), last: None }
    }

    /// Goes on to a frame at `at` that shows `people` in these boxes; `aspect` is the picture's width by its height. A new
    /// group takes the number after `last_id`. Gives the groups that have ended.
    pub(super) fn follow(
        &mut self,
        at: Timestamp,
        people: &[(TrackId, BBox)],
        aspect: f32,
        last_id: &mut GroupId,
    ) -> Vec<GroupId> {
        let mut ended = Vec::new();
        // The clock was set back: what is known of times is worth nothing.
        if self.last.replace(at).is_some_and(|last| at < last) {
            ended.extend(self.groups.drain(..).map(|group| group.id));
        }
        let crowds = self.crowds(people, aspect);
        let places = self.places(&crowds);
        for (crowd, place) in crowds.iter().zip(&places) {
            if let Some(place) = place {
                self.groups[*place].see(at, crowd);
            }
        }
        self.groups.retain_mut(|group| {
            group.seen.retain(|_, seen| at.since(*seen) <= LASTS);
            let lasts = at.since(group.close) <= LASTS;
            ended.extend((!lasts).then_some(group.id));
            lasts
        });
        for (crowd, _) in crowds.iter().zip(&places).filter(|(_, place)| place.is_none()) {
            if self.groups.len() < MOST_GROUPS {
                last_id.0 += 1;
                let mut group =
                    Group { id: *last_id, square: crowd.square, seen: BTreeMap::new(), close: at };
                group.see(at, crowd);
                self.groups.push(group);
            }
        }
        ended
    }

    /// The groups as they stand after the last frame, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The pairs of a frame in crowds, at most [`MOST_GROUPS`]: those whose squares overlap most with others come first. A
    /// pair that belongs to none of them is left out.
    fn crowds(&self, people: &[(TrackId, BBox)], aspect: f32) -> Vec<Crowd> {
        let pairs = self.pairs(people, aspect);
        let support = |pair: &Pair| -> f32 {
            let others = pairs.iter().filter(|other| other.people != pair.people);
            others.map(|other| pair.square.iou(&other.square)).filter(|iou| *iou > SUPPORT_IOU).sum()
        };
        let mut by_support: Vec<(f32, &Pair)> = pairs.iter().map(|pair| (support(pair), pair)).collect();
        by_support.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut crowds: Vec<Crowd> = Vec::new();
        for (_, Pair { people, square, .. }) in by_support {
            let overlap = |crowd: &Crowd| crowd.square.iou(square);
            let is_full = crowds.len() == MOST_GROUPS;
            let joined = crowds.iter_mut().filter(|crowd| overlap(crowd) > JOIN_IOU);
            match joined.max_by(|one, other| overlap(one).total_cmp(&overlap(other))) {
                Some(crowd) => crowd.people.extend(*people),
                None if is_full => {}
                None => crowds.push(Crowd { square: *square, people: (*people).into() }),
            }
        }
        crowds
    }

    /// Every two people who are close, the largest people first.
    fn pairs(&self, people: &[(TrackId, BBox)], aspect: f32) -> Vec<Pair> {
        let with_later = people.iter().enumerate().flat_map(|(index, one)| {
            people[index + 1..].iter().filter_map(|other| self.pair(one, other, aspect))
        });
        let mut pairs: Vec<Pair> = with_later.collect();
        pairs.sort_by(|one, other| other.size.total_cmp(&one.size));
        pairs.truncate(MOST_PAIRS);
        pairs
    }

    /// Two people, if they are close. All lengths here are picture heights, so that they are alike across and down.
    fn pair(&self, one: &(TrackId, BBox), other: &(TrackId, BBox), aspect: f32) -> Option<Pair> {
        let (a, b) = (&one.1, &other.1);
        let longer = |bbox: &BBox| (bbox.w * aspect).max(bbox.h);
        let (smaller, larger) = (longer(a).min(longer(b)), longer(a).max(longer(b)));
        // Below zero where the boxes overlap.
        let across = (a.x.max(b.x) - a.right().min(b.right())) * aspect;
        let down = a.y.max(b.y) - a.bottom().min(b.bottom());
        let is_close = across.max(down) < self.near * smaller && larger <= MOST_SIZE_RATIO * smaller;
        if !is_close {
            return None;
        }
        let both = BBox::from_corners(
            a.x.min(b.x),
            a.y.min(b.y),
            a.right().max(b.right()),
            a.bottom().max(b.bottom()),
        );
        let size = (smaller + larger) / 2.0;
        let side = (self.scale * size).max(MARGIN * both.w * aspect).max(MARGIN * both.h);
        let center = both.center();
        let square = BBox::from_center(center.x, center.y, side / aspect, side);
        Some(Pair { people: [one.0, other.0], square, size })
    }

    /// For each crowd the group that it is, as an index: the one in the same place, best overlap first, else one with the same
    /// members. No group is two crowds.
    fn places(&self, crowds: &[Crowd]) -> Vec<Option<usize>> {
        let mut places = vec![None; crowds.len()];
        let mut overlaps: Vec<(f32, usize, usize)> = Vec::new();
        for (index, crowd) in crowds.iter().enumerate() {
            let with = |(place, group): (usize, &Group)| (group.square.iou(&crowd.square), index, place);
            overlaps.extend(self.groups.iter().enumerate().map(with).filter(|(iou, ..)| *iou > JOIN_IOU));
        }
        overlaps.sort_by(|one, other| other.0.total_cmp(&one.0));
        for (_, index, place) in overlaps {
            if places[index].is_none() && !places.contains(&Some(place)) {
                places[index] = Some(place);
            }
        }
        for (index, crowd) in crowds.iter().enumerate() {
            if places[index].is_none() {
                let is_free = |place: &usize| !places.contains(&Some(*place));
                places[index] = (0..self.groups.len())
                    .filter(is_free)
                    .find(|place| self.groups[*place].shares_members(crowd));
            }
        }
        places
    }
}

#[cfg(test)]
mod tests;
