//! Status messages of the node and its cameras.
//!
//! Pure. Called by [`super::pending`].

use super::sequence::{bbox, clock_of, milliseconds, rounded};
use super::{Accelerated, LoadedModel, Node, PassedOver, wire};
use crate::clock::Timestamp;
use crate::tag::{FrameTracks, Occupancy, TrackBox};
use crate::telemetry::{CameraState, CameraStatus, CaptureClock, Faults, Video};

/// Why an offline status was written for a node that could not say it itself.
pub(super) const CONNECTION_LOST: &str = "connection lost";
/// Why an orderly stopped node is offline.
pub(super) const STOPPED: &str = "stopped";
/// Why a node is offline where it is published no more: at another root, or at another broker.
pub(super) const MOVED: &str = "moved";
/// Why the cameras of such a node are.
pub(super) const NODE_STOPPED: &str = "the node stopped";

/// The node is there, and its models run like this.
pub(super) fn online(
    node: &Node,
    models: Vec<wire::LoadedModel>,
    since: Timestamp,
    problems: Vec<wire::Problem>,
) -> wire::NodeStatus {
    wire::NodeStatus { problems, ..status(node, models, wire::NodeState::Online, Some(since), None) }
}

/// The node is not there, and its models ran like this. Without a time for a last will, which speaks of the future.
pub(super) fn offline(
    node: &Node,
    mut models: Vec<wire::LoadedModel>,
    since: Option<Timestamp>,
    reason: &str,
) -> wire::NodeStatus {
    models.iter_mut().for_each(|model| model.running = false);
    status(node, models, wire::NodeState::Offline, since, Some(reason.to_owned()))
}

fn status(
    node: &Node,
    models: Vec<wire::LoadedModel>,
    state: wire::NodeState,
    since: Option<Timestamp>,
    reason: Option<String>,
) -> wire::NodeStatus {
    wire::NodeStatus {
        schema: wire::NodeSchema::V1,
        node: node.name.clone(),
        state,
        boot: node.boot,
        since,
        reason,
        version: node.version.clone(),
        models,
        accelerators: wire::Accelerators {
            asked: node.accelerators.asked.clone(),
            used: node.accelerators.used.clone(),
        },
        clock: None,
        problems: Vec::new(),
    }
}

/// A model that a node runs.
pub fn loaded_model(model: &LoadedModel) -> wire::LoadedModel {
    wire::LoadedModel {
        name: model.reference.name.clone(),
        version: model.reference.version.clone(),
        sha256: model.reference.sha256.clone(),
        task: model.task.clone(),
        worker: model.worker,
        on: model.reference.on.to_string(),
        asked: model.asked.clone(),
        why: why(model, "\n"),
        running: model.runs,
        since: model.since,
        start_ms: milliseconds(model.start),
        accelerated: model.accelerated.as_ref().map(accelerated),
    }
}

/// Why a model does not run on its first wish, one reason after the other.
pub(super) fn why(model: &LoadedModel, between: &str) -> Option<String> {
    let reasons: Vec<String> =
        model.passed_over.iter().map(|PassedOver { on, reason, .. }| format!("`{on}`: {reason}")).collect();
    (!reasons.is_empty()).then(|| reasons.join(between))
}

fn accelerated(model: &Accelerated) -> wire::Accelerated {
    let Accelerated {
        provider,
        library_sha256,
        device,
        address,
        compiled,
        nodes_share,
        time_share,
        self_test,
    } = model.clone();
    let [nodes_share, time_share] = [nodes_share, time_share].map(|share| rounded(share, 3));
    wire::Accelerated {
        provider,
        library_sha256,
        device,
        address,
        compiled,
        nodes_share,
        time_share,
        self_test,
    }
}

/// What a camera does.
pub(super) fn camera(node: &Node, status: &CameraStatus) -> wire::CameraStatus {
    wire::CameraStatus {
        schema: wire::CameraSchema::V1,
        node: node.name.clone(),
        boot: node.boot,
        camera: status.camera.clone(),
        state: match status.state {
            CameraState::Connecting => wire::CameraState::Connecting,
            CameraState::Online => wire::CameraState::Online,
            CameraState::Stalled => wire::CameraState::Stalled,
            CameraState::Frozen => wire::CameraState::Frozen,
            CameraState::Offline => wire::CameraState::Offline,
            CameraState::Disabled => wire::CameraState::Disabled,
        },
        since: status.since,
        reason: status.reason.clone(),
        reconnects_last_hour: status.reconnects_last_hour,
        fps_in: rounded(status.fps_in, 2),
        fps_recognised: rounded(status.fps_recognised, 2),
        dropped: status.dropped,
        worker: status.worker,
        pose_rate: status.pose_rate.map(|rate| rounded(rate, 2)),
        video: status.video.as_ref().map(video),
        clock: status.clock.map(clock),
        faults: faults(&status.faults),
    }
}

fn clock(clock: CaptureClock) -> wire::CaptureClock {
    wire::CaptureClock {
        by: clock_of(clock.by),
        difference_s: clock.differs_s.map(|seconds| (seconds * 100.0).round() / 100.0),
    }
}

fn video(video: &Video) -> wire::Video {
    let (width, height) = video.size;
    let Video { codec, decoder, hardware, .. } = video.clone();
    wire::Video { codec, width, height, decoder, hardware }
}

fn faults(faults: &Faults) -> wire::Faults {
    let Faults {
        reconnects,
        rebuilds,
        abandoned,
        time_jumps,
        format_changes,
        damaged,
        before_key,
        incomplete,
    } = *faults;
    wire::Faults {
        reconnects,
        rebuilds,
        abandoned,
        time_jumps,
        format_changes,
        damaged,
        before_key,
        incomplete,
    }
}

/// How many are in a zone.
pub(super) fn occupancy(node: &Node, occupancy: &Occupancy) -> wire::Occupancy {
    wire::Occupancy {
        schema: wire::OccupancySchema::V1,
        node: node.name.clone(),
        boot: node.boot,
        camera: occupancy.camera.clone(),
        zone: occupancy.zone.clone(),
        at: occupancy.at,
        counts: occupancy.counts.iter().map(|(label, count)| (label.to_string(), *count)).collect(),
    }
}

/// Every track of a frame.
pub(super) fn tracks(node: &Node, frame: &FrameTracks) -> wire::Tracks {
    let track = |track: &TrackBox| wire::TrackBox {
        track: track.track.0,
        label: track.label.to_string(),
        score: rounded(track.score, 4),
        bbox: bbox(&track.bbox),
        activity: track
            .activity
            .as_ref()
            .map(|(label, score)| wire::LabelShare { label: label.to_string(), score: rounded(*score, 4) }),
    };
    wire::Tracks {
        schema: wire::TracksSchema::V1,
        node: node.name.clone(),
        boot: node.boot,
        camera: frame.camera.clone(),
        at: frame.at,
        frame: frame.number,
        tracks: frame.tracks.iter().map(track).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockOf;
    use crate::name::Name;
    use crate::publish::test_node;

    #[test]
    fn node_statuses_on_the_wire() {
        let node = test_node();
        let since = Timestamp::from_micros(1_767_323_045_678_900);
        let models = || node.models.iter().map(loaded_model).collect();
        for (name, status) in [
            (
                "node_online",
                online(
                    &node,
                    models(),
                    since,
                    vec![wire::Problem { code: "insecure-tls".to_owned(), text: "not verified".to_owned() }],
                ),
            ),
            ("node_stopped", offline(&node, models(), Some(since), STOPPED)),
            ("node_last_will", offline(&node, models(), None, CONNECTION_LOST)),
        ] {
            insta::assert_snapshot!(name, wire::Message::Node(status).to_json());
        }
    }

    #[test]
    fn a_camera_status_on_the_wire() {
        let status = CameraStatus {
            camera: Name::new("ramp").unwrap(),
            state: CameraState::Offline,
            since: Timestamp::from_micros(1_767_323_045_678_900),
            reason: Some("no route to host".to_owned()),
            reconnects_last_hour: 3,
            fps_in: 24.98,
            fps_recognised: 12.333_333,
            dropped: 1234,
            worker: None,
            pose_rate: Some(4.5),
            clock: Some(CaptureClock { by: ClockOf::Sender, differs_s: Some(-0.0312) }),
            video: Some(Video {
                codec: "h264".to_owned(),
                size: (1280, 720),
                decoder: Some("avdec_h264".to_owned()),
                hardware: false,
            }),
            faults: Faults { reconnects: 4, time_jumps: 1, ..Faults::default() },
        };
        insta::assert_snapshot!(wire::Message::Camera(camera(&test_node(), &status)).to_json());
    }
}
