//! What can be wrong with a message by itself: its form, its topic, its values.

use serde::de::DeserializeOwned;

use super::Violation;
use crate::publish::topic::Address;
use crate::publish::wire::{self, Kind, Message, Phase};

/// The message in a payload.
pub(super) fn parse(address: &Address, payload: &[u8]) -> Result<Message, Violation> {
    fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Violation> {
        serde_json::from_slice(payload).map_err(|error| Violation::Malformed(error.to_string()))
    }
    match address {
        Address::Node(_) => read(payload).map(Message::Node),
        Address::Camera(..) => read(payload).map(Message::Camera),
        Address::Tag(..) => read(payload).map(Message::Tag),
    }
}

/// What topic and message do not agree about.
pub(super) fn mismatches(address: &Address, message: &Message) -> Vec<Violation> {
    let (node, camera, kind) = match address {
        Address::Node(node) => (node, None, None),
        Address::Camera(node, camera) => (node, Some(camera), None),
        Address::Tag(node, camera, kind) => (node, Some(camera), Some(kind)),
    };
    let (said_node, said_camera, said_kind) = match message {
        Message::Node(status) => (&status.node, None, None),
        Message::Camera(status) => (&status.node, Some(&status.camera), None),
        Message::Tag(tag) => (&tag.node, Some(&tag.camera), Some(&tag.kind)),
    };
    [("node", node == said_node), ("camera", camera == said_camera), ("kind", kind == said_kind)]
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
    let is_activity = tag.kind == Kind::Activity;
    let fits = if is_activity { tag.summary.is_none() } else { tag.track.is_some() };
    if tag.activity.is_some() != is_activity || !fits {
        violations.push(Violation::Kind);
    }
    let summed_up = match &tag.activity {
        Some(activity) => activity.summary.is_some(),
        None => tag.summary.is_some(),
    };
    if summed_up != (tag.phase == Phase::End) {
        violations.push(Violation::Summary);
    }
    violations
}
