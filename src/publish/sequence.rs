//! Numbers tags and turns them into messages.
//!
//! Pure, so that replay writes the same bytes each time it is given the same tags and boot. Called by
//! [`super::pending`] for the broker and by `spotter replay --tags`.

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::wire;
use crate::clock::{ClockOf, Standing, Timestamp};
use crate::geometry::BBox;
use crate::name::Name;
use crate::tag::{Activity, Body, Direction, Label, Line, Phase, Summary, Tag, Zone};

/// Gives each tag of one run of a node its number.
#[derive(Debug)]
pub struct Sequencer {
    node: Name,
    boot: Uuid,
    last: u64,
}

impl Sequencer {
    /// Starts at 1 for this boot of this node.
    pub fn new(node: Name, boot: Uuid) -> Self {
        Sequencer { node, boot, last: 0 }
    }

    /// The message for the next tag.
    pub fn message(&mut self, tag: &Tag) -> wire::Tag {
        self.last += 1;
        let (mut summary, mut activity, mut zone, mut line) = (None, None, None, None);
        let kind = match &tag.body {
            Body::Object(of_track) => {
                summary = of_track.as_ref().map(self::summary);
                wire::Kind::Object
            }
            Body::Activity(of_tag) => {
                activity = Some(self::activity(of_tag));
                wire::Kind::Activity
            }
            Body::Zone(of_tag) => {
                zone = Some(self::zone(of_tag));
                wire::Kind::Zone
            }
            Body::Line(of_tag) => {
                line = Some(self::line(of_tag));
                wire::Kind::Line
            }
        };
        wire::Tag {
            schema: wire::TagSchema::V1,
            id: id(self.boot, self.last, tag.at),
            boot: self.boot,
            seq: self.last,
            historical: false,
            waiting: None,
            node: self.node.clone(),
            camera: tag.camera.clone(),
            kind,
            phase: match tag.phase {
                Phase::Start => wire::Phase::Start,
                Phase::Update => wire::Phase::Update,
                Phase::End => wire::Phase::End,
            },
            track: tag.track.map(|track| track.0),
            tracks: (!tag.tracks.is_empty()).then(|| tag.tracks.iter().map(|track| track.0).collect()),
            at: tag.at,
            label: tag.label.to_string(),
            score: rounded(tag.score, 4),
            bbox: bbox(&tag.bbox),
            model: wire::Model {
                name: tag.model.name.clone(),
                version: tag.model.version.clone(),
                sha256: tag.model.sha256.clone(),
                on: Some(tag.model.on.to_string()),
            },
            latency_ms: milliseconds(tag.latency),
            clock: clock(tag.clock),
            at_by: (tag.at_by != ClockOf::Arrival).then(|| clock_of(tag.at_by)),
            summary,
            activity,
            zone,
            line,
        }
    }
}

/// The id of a tag: version 7 with the milliseconds of `at`, and a hash of boot and number where others are random. So
/// it sorts by time, and making it anew gives it again.
fn id(boot: Uuid, seq: u64, at: Timestamp) -> Uuid {
    let digest = Sha256::new().chain_update(boot.as_bytes()).chain_update(seq.to_be_bytes()).finalize();
    let mut rest = [0; 10];
    rest.copy_from_slice(&digest[..10]);
    Builder::from_unix_timestamp_millis(at.as_millis(), &rest).into_uuid()
}

/// What is said of the clock; nothing of one that is known to be right.
pub(super) fn clock(standing: Standing) -> Option<wire::Clock> {
    match standing {
        Standing::Synchronised => None,
        Standing::Unsynchronised => Some(wire::Clock::Unsynchronised),
    }
}

pub(super) fn clock_of(clock: ClockOf) -> wire::ClockOf {
    match clock {
        ClockOf::Arrival => wire::ClockOf::Arrival,
        ClockOf::Sender => wire::ClockOf::Sender,
    }
}

pub(super) fn bbox(bbox: &BBox) -> wire::Box {
    wire::Box {
        x: rounded(bbox.x, 5),
        y: rounded(bbox.y, 5),
        width: rounded(bbox.w, 5),
        height: rounded(bbox.h, 5),
    }
}

fn summary(summary: &Summary) -> wire::Summary {
    wire::Summary {
        first_seen: summary.first_seen,
        last_seen: summary.last_seen,
        duration_s: seconds(summary.last_seen.since(summary.first_seen)),
        best_score: rounded(summary.best_score, 4),
        path: summary.path.iter().map(|point| [rounded(point.x, 5), rounded(point.y, 5)]).collect(),
        labels: shares(&summary.labels),
    }
}

fn activity(activity: &Activity) -> wire::Activity {
    wire::Activity {
        since: activity.since,
        window: wire::Window { from: activity.window.from, to: activity.window.to },
        alternatives: shares(&activity.alternatives),
        summary: activity.summary.as_ref().map(|summary| wire::ActivitySummary {
            ended: summary.ended,
            duration_s: seconds(summary.duration),
            best_score: rounded(summary.best_score, 4),
        }),
    }
}

fn zone(zone: &Zone) -> wire::Zone {
    wire::Zone { name: zone.name.clone(), dwell_s: seconds(zone.dwell), inside: zone.inside }
}

fn line(line: &Line) -> wire::Line {
    let direction = match line.direction {
        Direction::In => wire::Direction::In,
        Direction::Out => wire::Direction::Out,
    };
    wire::Line { name: line.name.clone(), direction }
}

fn shares(labels: &[(Label, f32)]) -> Vec<wire::LabelShare> {
    let share = |(label, share): &(Label, f32)| wire::LabelShare {
        label: label.to_string(),
        score: rounded(*share, 4),
    };
    labels.iter().map(share).collect()
}

fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// Milliseconds with three decimals.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// `value` with so many decimals, so that JSON says 0.6312 and not 0.6312000155448914. What is no number becomes 0,
/// because JSON has no word for it.
pub(super) fn rounded(value: f32, decimals: i32) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(decimals);
    // Adding zero turns -0.0, which JSON would show, into 0.0.
    (f64::from(value) * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::Point;
    use crate::tag::{ActivitySummary, ModelRef, TrackId, Window};

    const BOOT: Uuid = Uuid::from_u128(0x0193_5c1e_7f00_7000_8000_0000_0000_0001);

    fn tag(phase: Phase, summary: Option<Summary>) -> Tag {
        Tag {
            camera: Name::new("ramp").unwrap(),
            phase,
            track: Some(TrackId(12)),
            tracks: Vec::new(),
            at: Timestamp::from_micros(1_767_323_045_678_900),
            label: Arc::from("person"),
            score: 0.631_249,
            bbox: BBox { x: 0.41, y: 0.5, w: 0.1, h: 1.0 / 3.0 },
            model: Arc::new(ModelRef {
                name: "centernet-mobilenetv3-coco".to_owned(),
                version: "1".to_owned(),
                sha256: "ab".repeat(32),
                on: "cpu".into(),
            }),
            latency: Duration::from_micros(83_417),
            clock: Standing::Synchronised,
            at_by: ClockOf::Arrival,
            body: Body::Object(summary),
        }
    }

    #[test]
    fn a_start_on_the_wire() {
        let message = Sequencer::new(Name::new("edge-1").unwrap(), BOOT).message(&tag(Phase::Start, None));
        insta::assert_snapshot!(wire::Message::Tag(message).to_json());
    }

    #[test]
    fn an_end_on_the_wire() {
        let at = Timestamp::from_micros(1_767_323_045_678_900);
        let summary = Summary {
            first_seen: at - Duration::from_millis(5_400),
            last_seen: at,
            best_score: 0.712_34,
            path: vec![Point { x: 0.2, y: 0.9 }, Point { x: 0.46, y: 0.833_333_3 }],
            labels: vec![(Arc::from("person"), 0.94), (Arc::from("dog"), 0.06)],
        };
        let mut sequencer = Sequencer::new(Name::new("edge-1").unwrap(), BOOT);
        sequencer.message(&tag(Phase::Start, None));
        let message = sequencer.message(&tag(Phase::End, Some(summary)));
        insta::assert_snapshot!(wire::Message::Tag(message).to_json());
    }

    #[test]
    fn an_activity_on_the_wire() {
        let at = Timestamp::from_micros(1_767_323_045_678_900);
        let since = at - Duration::from_millis(4_200);
        let activity = |summary| Activity {
            since,
            window: Window { from: at - Duration::from_millis(1_600), to: at },
            alternatives: vec![(Arc::from("run"), 0.061_21), (Arc::from("stand"), 0.02)],
            summary,
        };
        let ended = at - Duration::from_millis(200);
        let summary = ActivitySummary { ended, duration: ended.since(since), best_score: 0.971_23 };
        let mut sequencer = Sequencer::new(Name::new("edge-1").unwrap(), BOOT);
        let lines = [(Phase::Start, None), (Phase::End, Some(summary))].map(|(phase, summary)| {
            let label = Arc::from("walk");
            let tag = Tag { label, body: Body::Activity(activity(summary)), ..tag(phase, None) };
            wire::Message::Tag(sequencer.message(&tag)).to_json()
        });
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn an_activity_of_a_group_names_its_tracks_and_no_other_tag_does() {
        let at = Timestamp::from_micros(1_767_323_045_678_900);
        let activity = Activity {
            since: at,
            window: Window { from: at, to: at },
            alternatives: Vec::new(),
            summary: None,
        };
        let tracks = vec![TrackId(3), TrackId(12)];
        let of_group = Tag { track: None, tracks, body: Body::Activity(activity), ..tag(Phase::Start, None) };
        let mut sequencer = Sequencer::new(Name::new("edge-1").unwrap(), BOOT);
        let mut said = |tag: &Tag| {
            let json = serde_json::to_value(sequencer.message(tag)).unwrap();
            ["track", "tracks"].map(|field| json.get(field).map(ToString::to_string))
        };
        assert_eq!(said(&of_group), [None, Some("[3,12]".to_owned())]);
        assert_eq!(said(&tag(Phase::Start, None)), [Some("12".to_owned()), None]);
    }

    #[test]
    fn only_a_capture_time_by_another_clock_than_the_nodes_says_so() {
        let mut sequencer = Sequencer::new(Name::new("edge-1").unwrap(), BOOT);
        let said = [ClockOf::Arrival, ClockOf::Sender].map(|at_by| {
            let tag = Tag { at_by, ..tag(Phase::Start, None) };
            let json = serde_json::to_value(sequencer.message(&tag)).unwrap();
            json.get("at_by").cloned()
        });
        assert_eq!(said, [None, Some("sender".into())]);
    }

    #[test]
    fn only_a_clock_that_may_be_wrong_is_told_of() {
        let mut sequencer = Sequencer::new(Name::new("edge-1").unwrap(), BOOT);
        let said = [Standing::Synchronised, Standing::Unsynchronised].map(|clock| {
            let tag = Tag { clock, ..tag(Phase::Start, None) };
            let json = serde_json::to_value(sequencer.message(&tag)).unwrap();
            json.get("clock").cloned()
        });
        assert_eq!(said, [None, Some("unsynchronised".into())]);
    }

    #[test]
    fn ids_are_version_7_and_a_function_of_boot_number_and_time() {
        let at = Timestamp::from_micros(1_767_323_045_678_900);
        let one = id(BOOT, 1, at);
        assert_eq!(one, id(BOOT, 1, at));
        assert_eq!(one.get_version_num(), 7);
        assert_eq!(one.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(u64::from_be_bytes(one.as_bytes()[..8].try_into().unwrap()) >> 16, 1_767_323_045_678);
        assert_ne!(one, id(BOOT, 2, at));
        assert_ne!(one, id(Uuid::from_u128(7), 1, at));
        assert!(id(BOOT, 3, at + Duration::from_millis(1)) > one);
    }

    #[test]
    fn numbers_are_short_and_always_json() {
        let cases = [(0.631_249, 0.6312), (1.0 / 3.0, 0.3333), (f32::NAN, 0.0), (-0.000_01, 0.0), (1.0, 1.0)];
        for (value, expected) in cases {
            assert_eq!(rounded(value, 4).to_string(), f64::to_string(&expected), "{value}");
        }
    }
}
