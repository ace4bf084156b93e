//! A message as one line for people.
//!
//! Used by `spotter watch` and `spotter demo`. For machines there is the JSON.

use super::wire::{
    CameraState, CameraStatus, GapReason, Message, NodeState, NodeStatus, Occupancy, Stats, Tag,
};
use crate::clock::Timestamp;

/// One line: time of day (UTC), who, what. For a tag the score, then where its foot point is, or for an end how long it
/// was there, and the milliseconds from capture to tag; `late` marks a tag that waited in the outbox.
pub fn line(message: &Message) -> String {
    match message {
        Message::Tag(tag) => of_tag(tag),
        Message::Node(status) => of_node(status),
        Message::Camera(status) => of_camera(status),
        Message::Occupancy(occupancy) => of_occupancy(occupancy),
        Message::Stats(stats) => of_stats(stats),
        Message::Gap(gap) => {
            let reason = match gap.reason {
                GapReason::Full => "the outbox was full",
                GapReason::Age => "they had waited for too long",
                GapReason::Disk => "the disk took nothing",
                GapReason::Size => "the broker takes no message of that size",
                GapReason::Corrupt => "the outbox's file was damaged",
            };
            format!(
                "{:12}  {:<12}  tags {} to {} are lost: {reason}",
                "",
                gap.node.as_str(),
                gap.first,
                gap.last
            )
        }
        Message::Tracks(tracks) => {
            let who: Vec<String> =
                tracks.tracks.iter().map(|track| format!("{} #{}", track.label, track.track)).collect();
            let camera = tracks.camera.as_str();
            format!("{}  {camera:<12}  frame {}: {}", time_of_day(tracks.at), tracks.frame, who.join(", "))
        }
    }
}

fn of_tag(tag: &Tag) -> String {
    let who = match (tag.track, &tag.tracks) {
        (Some(track), _) => format!(" #{track}"),
        (None, Some(tracks)) => format!(", tracks {}", listed(tracks)),
        (None, None) => String::new(),
    };
    let what = format!("{}{who}", tag.label);
    let of_object = tag.summary.as_ref().map(|summary| (summary.duration_s, summary.best_score));
    let of_activity = tag.activity.as_ref().and_then(|activity| activity.summary.as_ref());
    let ended = of_object.or(of_activity.map(|summary| (summary.duration_s, summary.best_score)));
    let told = match ended {
        Some((duration_s, best_score)) => format!("after {duration_s:.1} s, best {best_score:.2}"),
        None => {
            format!("at ({:.2}, {:.2})", tag.bbox.x + tag.bbox.width / 2.0, tag.bbox.y + tag.bbox.height)
        }
    };
    let late = if tag.historical { "  late" } else { "" };
    format!(
        "{}  {:<12}  {:<8}  {what:<14}  {:<6}  {:.2}  {told:<24}  {:.0} ms{late}",
        time_of_day(tag.at),
        tag.camera.as_str(),
        tag.kind.to_string(),
        tag.phase.to_string(),
        tag.score,
        tag.latency_ms,
    )
}

/// `3, 7 and 12`.
fn listed(tracks: &[u64]) -> String {
    let texts: Vec<String> = tracks.iter().map(u64::to_string).collect();
    match texts.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => texts.concat(),
    }
}

fn of_node(status: &NodeStatus) -> String {
    let state = match status.state {
        NodeState::Online => "online",
        NodeState::Offline => "offline",
    };
    let models: Vec<String> =
        status.models.iter().map(|model| format!("{} {}", model.name, model.version)).collect();
    let told = status.reason.clone().unwrap_or_else(|| {
        format!("spotter {}, {} on {}", status.version, models.join(", "), status.accelerators.used)
    });
    let problems: String = status.problems.iter().map(|problem| format!("\n  ! {}", problem.text)).collect();
    let since = status.since.map_or_else(|| " ".repeat(12), time_of_day);
    format!("{since}  {:<12}  {state}: {told}{problems}", status.node.as_str())
}

fn of_occupancy(occupancy: &Occupancy) -> String {
    let counts: Vec<String> =
        occupancy.counts.iter().map(|(label, count)| format!("{count} {label}")).collect();
    format!(
        "{}  {:<12}  zone {}: {}",
        time_of_day(occupancy.at),
        occupancy.camera.as_str(),
        occupancy.zone,
        counts.join(", ")
    )
}

fn of_stats(stats: &Stats) -> String {
    format!(
        "{}  {:<12}  up {:.0} s, {} tags, {} acknowledged, {} waiting, {} lost, {} MB",
        time_of_day(stats.at),
        stats.node.as_str(),
        stats.uptime_s,
        stats.outbox.published,
        stats.outbox.acknowledged,
        stats.outbox.waiting,
        stats.outbox.dropped,
        stats.memory_bytes / 1_000_000,
    )
}

fn of_camera(status: &CameraStatus) -> String {
    let state = match status.state {
        CameraState::Connecting => "connecting",
        CameraState::Online => "online",
        CameraState::Stalled => "stalled",
        CameraState::Frozen => "frozen",
        CameraState::Offline => "offline",
        CameraState::Disabled => "disabled",
    };
    let reason = status.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!(
        "{}  {:<12}  {state}{reason}  {:.1} fps in, {:.1} recognised, {} dropped",
        time_of_day(status.since),
        status.camera.as_str(),
        status.fps_in,
        status.fps_recognised,
        status.dropped,
    )
}

/// `14:03:07.120`, UTC.
fn time_of_day(at: Timestamp) -> String {
    let text = at.to_string();
    // Years beyond 9999 have more digits, so count from the end: `14:03:07.120000Z`.
    let from = text.len().saturating_sub(16);
    text.get(from..text.len() - 4).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{status, test_node, test_tags, wire};

    #[test]
    fn lines_are_for_people() {
        let mut start = test_tags(1..=1).next().unwrap();
        start.at = Timestamp::from_micros(1_767_323_045_678_900);
        let mut end = start.clone();
        end.phase = wire::Phase::End;
        end.historical = true;
        end.summary = Some(wire::Summary {
            first_seen: start.at,
            last_seen: start.at,
            duration_s: 5.4,
            best_score: 0.71,
            path: Vec::new(),
            labels: Vec::new(),
        });
        let fight = |tracks: &[u64]| wire::Tag {
            kind: wire::Kind::Activity,
            label: "fight".to_owned(),
            track: None,
            tracks: Some(tracks.to_vec()),
            ..start.clone()
        };
        let models = || test_node().models.iter().map(status::loaded_model).collect();
        let lines = [
            Message::Tag(start.clone()),
            Message::Tag(end),
            Message::Tag(fight(&[3, 7])),
            Message::Tag(fight(&[3, 7, 12])),
            Message::Node(status::online(&test_node(), models(), start.at, Vec::new())),
            Message::Node(status::offline(&test_node(), models(), None, status::CONNECTION_LOST)),
        ];
        insta::assert_snapshot!(lines.iter().map(line).collect::<Vec<_>>().join("\n"));
    }
}
