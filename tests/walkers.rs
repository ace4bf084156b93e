//! What people do on real footage: on vtest.avi nineteen people walk across a car park and sometimes stand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;
#[path = "support/program.rs"]
mod program;

use contract::{Contract, Story};
use program::Program;

/// Tracks that last so long count.
const LONG_S: f64 = 3.0;
/// The whole of the footage, in a build that is not optimised, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// Seconds since the epoch of a time on the first day.
fn seconds(time: &Value) -> f64 {
    let clock = time.as_str().unwrap().strip_prefix("1970-01-01T").unwrap().strip_suffix('Z').unwrap();
    let parts: Vec<f64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]
}

/// What the tags say: how long the tracks of people were there that last long, and how long each activity of theirs.
struct Times {
    present_s: f64,
    /// Seconds by label.
    activities_s: BTreeMap<String, f64>,
    /// Seconds of each activity.
    lengths_s: Vec<f64>,
}

impl Times {
    fn of(story: &Story) -> Self {
        let mut present = BTreeMap::new();
        for end in story.kind("object").filter(|tag| tag["phase"] == "end" && tag["label"] == "person") {
            let (from, to) = (seconds(&end["summary"]["first_seen"]), seconds(&end["summary"]["last_seen"]));
            if to - from >= LONG_S {
                present.insert(end["track"].as_u64().unwrap(), (from, to));
            }
        }
        let mut times = Times {
            present_s: present.values().map(|(from, to)| to - from).sum(),
            activities_s: BTreeMap::new(),
            lengths_s: Vec::new(),
        };
        for end in story.kind("activity").filter(|tag| tag["phase"] == "end") {
            let activity = &end["activity"];
            let (since, ended) = (seconds(&activity["since"]), seconds(&activity["summary"]["ended"]));
            if let Some((from, to)) = present.get(&end["track"].as_u64().unwrap()) {
                let within_s = ended.min(*to) - since.max(*from);
                let label = end["label"].as_str().unwrap().to_owned();
                *times.activities_s.entry(label).or_default() += within_s.max(0.0);
            }
            times.lengths_s.push(ended - since);
        }
        times
    }

    /// The share of the time that the tracks were there, 0..=1.
    fn share(&self, labels: impl Fn(&str) -> bool) -> f64 {
        let of_labels = self.activities_s.iter().filter(|(label, _)| labels(label));
        of_labels.map(|(_, seconds)| seconds).sum::<f64>() / self.present_s
    }
}

#[test]
fn walkers_walk_and_nobody_falls() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tags = folder.path().join("tags.jsonl");
    let arguments = ["replay".as_ref(), vtest.as_os_str(), "--frame-rate".as_ref(), "7".as_ref()];
    let arguments = arguments.into_iter().chain(["--tags".as_ref(), tags.as_os_str()]);
    let ended = Program::start(arguments).wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let text = fs::read_to_string(&tags).unwrap();
    let story = Story::of(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    story.hold();
    let contract = Contract::read();
    for tag in story.kind("activity") {
        contract.hold("spotter/v1/replay/replay/tag/activity", tag);
    }

    let times = Times::of(&story);
    let gaits = times.share(|label| ["walk", "stand", "run"].contains(&label));
    let others = times.share(|label| !["walk", "stand", "run"].contains(&label));
    let mean_s = times.lengths_s.iter().sum::<f64>() / times.lengths_s.len() as f64;
    println!(
        "{:.1} s of tracks of {LONG_S} s and longer; walk, stand or run {:.1} %, others {:.1} %, {:.1} s per activity: {:?}",
        times.present_s,
        100.0 * gaits,
        100.0 * others,
        mean_s,
        times.activities_s
    );
    assert!(times.present_s > 300.0, "the tracks are long: {:.1} s", times.present_s);
    assert!(gaits >= 0.9, "walk, stand and run: {gaits:.3}");
    assert!(others <= 0.03, "others: {others:.3}");
    let walk = times.share(|label| label == "walk");
    assert!(
        ["stand", "run"].iter().all(|other| walk > times.share(|label| label == *other)),
        "walk: {walk:.3}"
    );
    assert!(
        !story
            .tags
            .iter()
            .any(|tag| ["fall", "fallen", "lie", "sit"].contains(&tag["label"].as_str().unwrap()))
    );
    assert!(mean_s >= 1.0, "an activity holds for {mean_s:.2} s");
}
