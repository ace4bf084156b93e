//! Tags: the only thing the domain gives to the outside.
//!
//! [`crate::rules`] makes them; [`crate::publish`] numbers them and turns them into messages. A tag knows nothing of
//! MQTT or JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{ClockOf, Standing, Timestamp};
use crate::geometry::{BBox, Point};
use crate::name::Name;

/// What a thing is called, in the words of the model that saw it. Cheap to clone.
pub type Label = Arc<str>;

/// A track's number: unique per camera from start to stop of the process, growing from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which model says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// SHA-256 of the model file, 64 lower-case hex digits.
    pub sha256: String,
    /// What it runs on: the name of an accelerator, or `cpu`.
    pub on: Arc<str>,
}

/// Where a tag stands in the life of what it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Confirmed; sent once.
    Start,
    /// Changed for real, or nothing was said for a while.
    Update,
    /// Gone; follows every start.
    End,
}

/// One statement about one thing at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// The camera that saw it.
    pub camera: Name,
    /// Start, update or end.
    pub phase: Phase,
    /// The track it belongs to; nothing for what a group does or the whole picture shows.
    pub track: Option<TrackId>,
    /// The tracks of a group that does something, ascending; at least two. None of anything else.
    pub tracks: Vec<TrackId>,
    /// Capture time of the frame that the statement rests on.
    pub at: Timestamp,
    /// Whose clock says so.
    pub at_by: ClockOf,
    /// What it is.
    pub label: Label,
    /// How sure, 0..=1.
    pub score: f32,
    /// Where, clipped to the image.
    pub bbox: BBox,
    /// Who says so.
    pub model: Arc<ModelRef>,
    /// From capture of the frame to the tag.
    pub latency: Duration,
    /// Whether the clock that its times are by was known to be right.
    pub clock: Standing,
    /// What its kind adds.
    pub body: Body,
}

/// What a tag's kind adds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A thing that is there; the summary comes with the end.
    Object(Option<Summary>),
    /// Something that is done.
    Activity(Activity),
    /// A thing that is inside a zone.
    Zone(Zone),
    /// A thing that crosses a line: the start says that it has, the end that it is done with the line.
    Line(Line),
}

/// A thing's stay in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// The zone's name.
    pub name: Name,
    /// How long it has been seen inside so far; with the end, altogether.
    pub dwell: Duration,
    /// So many things of the tag's label are told to be inside after this tag.
    pub inside: u32,
}

/// A crossing of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The line's name.
    pub name: Name,
    /// Which way.
    pub direction: Direction,
}

/// Which way a line was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the left of the line to its right, as seen by who walks along it.
    In,
    /// From its right to its left.
    Out,
}

/// Something that somebody does, or that goes on in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// When it began, by the evidence: before it was confirmed. The same in all of its tags, even if the clock is set.
    pub since: Timestamp,
    /// The time that the evidence for this statement was taken from.
    pub window: Window,
    /// What else it could have been, best first; at most [`Activity::MOST_ALTERNATIVES`].
    pub alternatives: Vec<(Label, f32)>,
    /// Comes with the end.
    pub summary: Option<ActivitySummary>,
}

impl Activity {
    /// So many alternatives are told at most.
    pub const MOST_ALTERNATIVES: usize = 3;
}

/// A finished activity in short.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivitySummary {
    /// When it ended, by the evidence: before that was certain.
    pub ended: Timestamp,
    /// From its beginning to its end. Not the difference of the two when the clock was set in between.
    pub duration: Duration,
    /// The best of its smoothed scores, 0..=1.
    pub best_score: f32,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// Its last moment.
    pub to: Timestamp,
}

/// A finished track in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// When the thing was first seen (before it was confirmed).
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// The best score of a single frame, 0..=1.
    pub best_score: f32,
    /// Where its foot point went, oldest first, thinned to at most 32 points.
    pub path: Vec<Point>,
    /// Every label considered with its share of the evidence, best first; shares sum to 1.
    pub labels: Vec<(Label, f32)>,
}

/// How many things of each label are told to be inside a zone: those with a start and no end.
#[derive(Clone, Debug, PartialEq)]
pub struct Occupancy {
    /// The camera.
    pub camera: Name,
    /// The zone.
    pub zone: Name,
    /// Capture time of the frame since which it is so.
    pub at: Timestamp,
    /// Every label that the zone looks for, with its number, zero included.
    pub counts: BTreeMap<Label, u32>,
}

/// What is followed on one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameTracks {
    /// The camera.
    pub camera: Name,
    /// Capture time of the frame.
    pub at: Timestamp,
    /// The frame's number within its connection.
    pub number: u64,
    /// The confirmed tracks that this frame shows, in the order of their numbers.
    pub tracks: Vec<TrackBox>,
}

/// A track on one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackBox {
    /// The track.
    pub track: TrackId,
    /// What it is.
    pub label: Label,
    /// How sure, 0..=1.
    pub score: f32,
    /// Where, clipped to the image.
    pub bbox: BBox,
    /// What it is told to be doing, and how sure that is.
    pub activity: Option<(Label, f32)>,
}
