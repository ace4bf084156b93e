//! From the text to a valid [`Config`], or every problem it has.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::credential::Files;
use super::read::{Problem, Report, Section};
use super::{
    Activities, Camera, Config, Models, Objects, Runtime, accelerator, activities, capture, health, mqtt,
    zones,
};
use crate::name::Name;
use toml::de::DeTable;

/// What no camera may be called; see [`crate::config::Command`].
const RESERVED: &str = "command";

/// What is right of the text, and what is not. Nothing is right when the text is no TOML.
pub(super) fn config(text: &str, base: &Path) -> (Option<Config>, Vec<Problem>) {
    let mut report = Report::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        report.add(error.span().map_or(0, |span| span.start), "", error.message());
    }
    if !errors.is_empty() {
        return (None, report.finish());
    }
    let mut root = Section::root(&mut report, table.get_ref());
    let node = node(root.child("node"));
    let runtime = runtime(root.child("runtime"), base);
    let (accelerators, names) = accelerator::read(&mut root, base);
    let models = Models { accelerators, ..models(root.child("models"), base, &names) };
    let files = Files::new(base);
    let mut mqtt = mqtt::read(root.child("mqtt"), &files, base);
    mqtt.snapshot_max_bytes = mqtt::snapshot(root.child("snapshot"));
    let health = health::read(root.child("health"));
    let objects = objects(root.child("objects"), &Objects::default());
    let activities = activities::read(root.child("activities"), &Activities::default());
    let cameras = cameras(&mut root, &files, base, &objects, &activities);
    root.finish();
    let config = node.map(|node| Config { node, runtime, models, mqtt, health, cameras });
    (config, report.finish())
}

/// The name, or the host's; nothing when neither serves, which is then noted.
fn node(mut section: Section<'_, '_, '_>) -> Option<Name> {
    let name = section.parsed("name", Name::new).or_else(host_name);
    if name.is_none() && !section.has("name") {
        section.problem("name", "is missing, and this machine's host name cannot serve");
    }
    section.finish();
    name
}

/// The name of a camera, which is a level of topics below the node's, where `command` is one already.
fn camera_name(text: &str) -> Result<Name, String> {
    if text == RESERVED {
        return Err(format!("is \"{text}\", which in topics is where commands go"));
    }
    Name::new(text).map_err(|error| error.to_string())
}

/// The host name up to its first dot, with what no name may hold replaced.
fn host_name() -> Option<Name> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let short = host.trim().split('.').next()?;
    Name::new(&short.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_', "-")).ok()
}

fn runtime(mut section: Section<'_, '_, '_>, base: &Path) -> Runtime {
    let runtime = Runtime {
        onnxruntime: section.string("onnxruntime").map(|path| base.join(path)),
        threads: section.integer("threads", 0..=256).unwrap_or(0) as usize,
        activity_share: section
            .number("activity_share", 0.05..=0.95)
            .map_or(Runtime::default().activity_share, |share| share as f32),
    };
    section.finish();
    runtime
}

/// `accelerators` are the names of all; they themselves come later.
fn models(mut section: Section<'_, '_, '_>, base: &Path, accelerators: &BTreeSet<Name>) -> Models {
    let defaults = Models::default();
    let (on, workers, fallback) = accelerator::wishes(&mut section, accelerators);
    let models = Models {
        directories: section
            .strings("directories")
            .map_or(defaults.directories, |list| list.iter().map(|path| base.join(path)).collect()),
        detect: section.string("detect").unwrap_or(defaults.detect),
        pose: section.string("pose").unwrap_or(defaults.pose),
        posture: section.string("posture").unwrap_or(defaults.posture),
        skeleton: section.string("skeleton").unwrap_or(defaults.skeleton),
        clips: section.strings("clips").unwrap_or_default(),
        on,
        workers,
        fallback,
        accelerators: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = models.clips.iter().find(|clip| !seen.insert(clip.as_str())) {
        section.problem("clips", format!("has \"{twice}\" twice"));
    }
    section.finish();
    models
}

fn objects(mut section: Section<'_, '_, '_>, defaults: &Objects) -> Objects {
    let labels = section.strings("labels");
    if labels.as_ref().is_some_and(Vec::is_empty) {
        section.problem(
            "labels",
            "is an empty list, so nothing would ever be reported; leave it out for every label",
        );
    }
    let objects = Objects {
        labels: labels.or_else(|| defaults.labels.clone()),
        score: section.number("score", 0.01..=1.0).map(|n| n as f32).or(defaults.score),
        update_interval: section
            .number("update_interval_s", 1.0..=3600.0)
            .map_or(defaults.update_interval, Duration::from_secs_f64),
    };
    section.finish();
    objects
}

fn cameras(
    root: &mut Section<'_, '_, '_>,
    files: &Files<'_>,
    base: &Path,
    objects_of_all: &Objects,
    activities_of_all: &Activities,
) -> Vec<Camera> {
    let mut names = BTreeSet::new();
    let cameras = root.each("camera", |section| {
        let name = section.parsed("name", camera_name);
        if !section.has("name") {
            section.problem("name", "is missing; every camera needs one of its own");
        }
        if let Some(name) = &name
            && !names.insert(name.clone())
        {
            section.problem("name", format!("is \"{name}\", which another camera has"));
        }
        let capture = capture::read(section, files, base);
        let objects = objects(section.child("objects"), objects_of_all);
        let activities = activities::read(section.child("activities"), activities_of_all);
        let tracks = section.boolean("tracks").unwrap_or(false);
        let (zones, lines) = zones::read(section, objects.labels.as_deref());
        Some(Camera { name: name?, capture: capture?, objects, activities, tracks, zones, lines })
    });
    if root.is_empty("camera") {
        root.problem("camera", "is missing; give at least one [[camera]] with name and source");
    }
    cameras
}
