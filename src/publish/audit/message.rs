//! What can be wrong with a message by itself: its form, its topic, its values.

use serde::de::DeserializeOwned;

use super::Violation;
use crate::config::Command;
use crate::name::Name;
use crate::publish::topic::Address;
use crate::publish::wire::{
    self, CameraSwitched, CloudEvent, Kind, Message, NoArguments, Phase, Reloaded, Reply, RunningModels,
    SnapshotTaken, Stats,
};

/// The message in a payload, out of its CloudEvents envelope when it has one. None for what is no message of a node: a
/// picture, a request or a reply, or the nothing that clears a retained topic.
pub(super) fn parse(address: &Address, payload: &[u8]) -> Result<Option<Message>, Violation> {
    let clears = matches!(address, Address::Node(_) | Address::Camera(..) | Address::Occupancy(..));
    if clears && payload.is_empty() {
        return Ok(None);
    }
    let opened = match read::<CloudEvent>(payload) {
        Ok(event) => Some(event.data.to_string()),
        Err(_) => None,
    };
    let payload = opened.as_ref().map_or(payload, |opened| opened.as_bytes());
    match address {
        Address::Node(_) => read(payload).map(Message::Node),
        Address::Stats(_) => read(payload).map(Message::Stats),
        Address::Gap(_) => read(payload).map(Message::Gap),
        Address::Camera(..) => read(payload).map(Message::Camera),
        Address::Tag(..) => read(payload).map(Message::Tag),
        Address::Occupancy(..) => read(payload).map(Message::Occupancy),
        Address::Tracks(..) => read(payload).map(Message::Tracks),
        Address::Snapshot(..) if payload.is_empty() || is_jpeg(payload) => return Ok(None),
        Address::Snapshot(..) => Err(Violation::Malformed("it is no JPEG".to_owned())),
        // What others ask for is theirs to answer for.
        Address::Command(..) => return Ok(None),
        Address::Reply(node, command) => return reply(node, command, payload).map(|()| None),
    }
    .map(Some)
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Violation> {
    serde_json::from_slice(payload).map_err(|error| Violation::Malformed(error.to_string()))
}

/// Whether this is a reply of the node to the command.
fn reply(node: &Name, command: &str, payload: &[u8]) -> Result<(), Violation> {
    fn check<T: DeserializeOwned>(node: &Name, command: &str, payload: &[u8]) -> Result<(), Violation> {
        let reply: Reply<T> = read(payload)?;
        if reply.node != *node {
            return Err(Violation::TopicMismatch("node"));
        }
        if !command.starts_with(&reply.command) || reply.command.is_empty() {
            return Err(Violation::TopicMismatch("command"));
        }
        if reply.result.is_some() == reply.error.is_some() {
            return Err(Violation::Malformed("a reply has either a result or an error".to_owned()));
        }
        Ok(())
    }
    match Command::named(command) {
        Some(Command::Snapshot) => check::<SnapshotTaken>(node, command, payload),
        Some(Command::Reload) => check::<Reloaded>(node, command, payload),
        Some(Command::CameraEnable | Command::CameraDisable) => {
            check::<CameraSwitched>(node, command, payload)
        }
        Some(Command::Stats) => check::<Stats>(node, command, payload),
        Some(Command::Models) => check::<RunningModels>(node, command, payload),
        // Nothing comes of what is not known.
        None => check::<NoArguments>(node, command, payload),
    }
}

/// Whether this begins as a JPEG does.
pub(in crate::publish) fn is_jpeg(payload: &[u8]) -> bool {
    payload.starts_with(&[0xff, 0xd8, 0xff])
}

/// Whether a message speaks of one moment and may not be kept by the broker.
pub(super) fn is_event(message: &Message) -> bool {
    match message {
        Message::Tag(_) | Message::Gap(_) | Message::Tracks(_) | Message::Stats(_) => true,
        Message::Node(_) | Message::Camera(_) | Message::Occupancy(_) => false,
    }
}

/// What topic and message do not agree about.
pub(super) fn mismatches(address: &Address, message: &Message) -> Vec<Violation> {
    let (node, camera, last) = match address {
        Address::Node(node) | Address::Stats(node) | Address::Gap(node) => (node, None, None),
        Address::Command(node, _) | Address::Reply(node, _) => (node, None, None),
        Address::Camera(node, camera) | Address::Tracks(node, camera) | Address::Snapshot(node, camera) => {
            (node, Some(camera), None)
        }
        Address::Tag(node, camera, kind) => (node, Some(camera), Some(kind.to_string())),
        Address::Occupancy(node, camera, zone) => (node, Some(camera), Some(zone.to_string())),
    };
    let (said_node, said_camera, said_last) = match message {
        Message::Node(status) => (&status.node, None, None),
        Message::Stats(stats) => (&stats.node, None, None),
        Message::Gap(gap) => (&gap.node, None, None),
        Message::Camera(status) => (&status.node, Some(&status.camera), None),
        Message::Tracks(tracks) => (&tracks.node, Some(&tracks.camera), None),
        Message::Tag(tag) => (&tag.node, Some(&tag.camera), Some(tag.kind.to_string())),
        Message::Occupancy(occupancy) => {
            (&occupancy.node, Some(&occupancy.camera), Some(occupancy.zone.to_string()))
        }
    };
    [("node", node == said_node), ("camera", camera == said_camera), ("kind or zone", last == said_last)]
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(what, _)| Violation::TopicMismatch(what))
        .collect()
}

/// What a single tag says that no tag may say.
pub(super) fn out_of_range(tag: &wire::Tag) -> Vec<Violation> {
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
    if let Some(zone) = &tag.zone {
        check("zone.dwell_s", zone.dwell_s, "at least 0", zone.dwell_s >= 0.0);
    }
    let parts = [tag.activity.is_some(), tag.zone.is_some(), tag.line.is_some()];
    let fits = match tag.kind {
        Kind::Object => parts == [false, false, false] && tag.track.is_some(),
        Kind::Activity => parts == [true, false, false] && tag.summary.is_none(),
        Kind::Zone => parts == [false, true, false] && tag.track.is_some() && tag.summary.is_none(),
        Kind::Line => parts == [false, false, true] && tag.track.is_some() && tag.summary.is_none(),
    };
    if !fits {
        violations.push(Violation::Kind);
    }
    if tag.tracks.as_ref().is_some_and(|tracks| !are_of_a_group(tag, tracks)) {
        violations.push(Violation::Tracks);
    }
    let summed_up = match (&tag.activity, tag.kind) {
        (Some(activity), _) => Some(activity.summary.is_some()),
        (None, Kind::Object | Kind::Activity) => Some(tag.summary.is_some()),
        (None, Kind::Zone | Kind::Line) => None,
    };
    if summed_up.is_some_and(|summed_up| summed_up != (tag.phase == Phase::End)) {
        violations.push(Violation::Summary);
    }
    violations
}

/// Whether a tag may have these tracks.
fn are_of_a_group(tag: &wire::Tag, tracks: &[u64]) -> bool {
    let is_ascending = tracks.windows(2).all(|pair| pair[0] < pair[1]);
    tag.kind == Kind::Activity && tag.track.is_none() && tracks.len() >= 2 && tracks[0] >= 1 && is_ascending
}
