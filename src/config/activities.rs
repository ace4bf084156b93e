//! `[activities]` and `[camera.activities]`: what people do, and when it becomes a tag.

use std::collections::BTreeMap;
use std::time::Duration;

use super::read::Section;

/// Who has fallen is to be told of at once: these labels need no more than [`AT_ONCE`].
const DOWN: [&str; 2] = ["fall", "fallen"];
const AT_ONCE: Duration = Duration::from_millis(200);
/// Speed is measured over a second already, so walking needs only three fifths of the usual duration. Running needs all
/// of it: on real footage it was told falsely for a moment six times.
const WALK: &str = "walk";
/// A clip shows more than a second already, so the first look alone would suffice. A fight needs half as long again as
/// usual, so that two looks have to agree.
const FIGHT: &str = "fight";

/// What hardly anybody does before a surveillance camera, or what is told falsely too often there: no tag unless the
/// configuration asks for it. `docs/activity.md` has the figures.
const ONLY_WHEN_ASKED: [&str; 12] = [
    "catch", "clap", "golf", "jump", "pick", "pour", "pullup", "push", "sit down", "stand up", "throw",
    "wave",
];

/// Which activities become tags, and how sure they must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Activities {
    /// Whether activities are recognised at all.
    pub enabled: bool,
    /// The most poses per second and person; fewer when `runtime.activity_share` does not suffice.
    pub pose_rate_hz: f32,
    /// An update is sent at least this often while an activity goes on.
    pub update_interval: Duration,
    /// What counts for labels that have no rule of their own.
    pub default: ActivityRule,
    /// Rules of single labels.
    pub labels: BTreeMap<String, ActivityRule>,
}

/// When a label becomes a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivityRule {
    /// Whether it becomes a tag at all.
    pub enabled: bool,
    /// The score that it needs to begin, 0..=1.
    pub threshold: f32,
    /// It must have that score for so long to begin, and lack it for so long to end.
    pub min_duration: Duration,
}

impl Activities {
    /// The rule of a label.
    pub fn of(&self, label: &str) -> ActivityRule {
        self.labels.get(label).copied().unwrap_or_else(|| unless_told(label, self.default))
    }
}

impl Default for Activities {
    fn default() -> Self {
        let default = ActivityRule { enabled: true, threshold: 0.5, min_duration: Duration::from_secs(1) };
        Activities {
            enabled: true,
            pose_rate_hz: 10.0,
            update_interval: Duration::from_secs(60),
            default,
            labels: BTreeMap::new(),
        }
    }
}

/// Reads the table; what it leaves out is as in `defaults`.
pub(super) fn read(mut section: Section<'_, '_, '_>, defaults: &Activities) -> Activities {
    let enabled = section.boolean("enabled").unwrap_or(defaults.enabled);
    let pose_rate_hz = section.number("pose_rate_hz", 3.0..=60.0).map_or(defaults.pose_rate_hz, |n| n as f32);
    let update_interval = section
        .number("update_interval_s", 1.0..=3600.0)
        .map_or(defaults.update_interval, Duration::from_secs_f64);
    let default = rule(&mut section, defaults.default);
    let mut labels = defaults.labels.clone();
    // A label without a rule of its own begins from this table's, and one of `defaults` from that.
    labels.extend(section.named("labels", |label, section| {
        let basis = defaults.labels.get(label).copied().unwrap_or_else(|| unless_told(label, default));
        // Who writes a rule for a label asks for it.
        let asked = basis.enabled || ONLY_WHEN_ASKED.contains(&label) && default.enabled;
        let enabled = section.boolean("enabled").unwrap_or(asked);
        ActivityRule { enabled, ..rule(section, basis) }
    }));
    section.finish();
    Activities { enabled, pose_rate_hz, update_interval, default, labels }
}

/// The rule of a label that has none of its own, from the one for all.
fn unless_told(label: &str, default: ActivityRule) -> ActivityRule {
    let min_duration = if DOWN.contains(&label) {
        default.min_duration.min(AT_ONCE)
    } else if label == WALK {
        default.min_duration * 3 / 5
    } else if label == FIGHT {
        default.min_duration * 3 / 2
    } else {
        default.min_duration
    };
    let enabled = default.enabled && !ONLY_WHEN_ASKED.contains(&label);
    ActivityRule { enabled, min_duration, ..default }
}

fn rule(section: &mut Section<'_, '_, '_>, defaults: ActivityRule) -> ActivityRule {
    ActivityRule {
        enabled: defaults.enabled,
        threshold: section.number("threshold", 0.2..=1.0).map_or(defaults.threshold, |n| n as f32),
        min_duration: section
            .number("min_duration_s", 0.0..=60.0)
            .map_or(defaults.min_duration, Duration::from_secs_f64),
    }
}
