//! What a track did before it was confirmed reaches zones and lines, once and with its true times.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::contract::{Contract, Story};
use crate::footage;
use crate::program::Program;

/// Half a minute with some twenty people.
const FRAMES: usize = 220;
/// For a build that is not optimised, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);
const FRAME_RATE: f64 = 7.0;
const WIDTH_PX: f64 = 768.0;
const HEIGHT_PX: f64 = 576.0;

/// Lines over the whole picture, by their place across or down.
const UPRIGHT: [f64; 7] = [0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97];
const LEVEL: [f64; 4] = [0.2, 0.3, 0.45, 0.6];

/// A camera with the lines and with one zone, which is the whole picture.
fn config() -> String {
    let mut text = "[node]\nname = \"edge\"\n[activities]\nenabled = false\n[[camera]]\nname = \"ramp\"\n\
        source = \"clip.avi\"\n[[camera.zone]]\nname = \"everywhere\"\n\
        polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\nmin_dwell_s = 0\n"
        .to_owned();
    // Their right hands are the right and the lower part of the picture.
    let upright = UPRIGHT.iter().enumerate().map(|(n, x)| (format!("upright-{n}"), (*x, 1.0), (*x, 0.0)));
    let level = LEVEL.iter().enumerate().map(|(n, y)| (format!("level-{n}"), (0.0, *y), (1.0, *y)));
    for (name, from, to) in upright.chain(level) {
        let (from, to) = ([from.0, from.1], [to.0, to.1]);
        writeln!(text, "[[camera.line]]\nname = \"{name}\"\nfrom = {from:?}\nto = {to:?}").unwrap();
    }
    text
}

/// One row of a track: when, where its foot is, and how high it is, relative to the picture.
struct Row {
    foot: (f64, f64),
    height: f64,
}

fn rows(tracks: &str) -> BTreeMap<u64, Vec<Row>> {
    let mut rows: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
    for line in tracks.lines() {
        let numbers: Vec<f64> = line.split(',').map(|number| number.trim().parse().unwrap()).collect();
        let [_, id, left, top, width, height] = numbers[..6] else { panic!("{line}") };
        let foot = ((left + width / 2.0) / WIDTH_PX, (top + height) / HEIGHT_PX);
        rows.entry(id as u64).or_default().push(Row { foot, height: height / HEIGHT_PX });
    }
    rows
}

/// Seconds since the beginning of the file.
fn seconds(time: &Value) -> f64 {
    let clock = time.as_str().unwrap().strip_prefix("1970-01-01T00:").unwrap().strip_suffix('Z').unwrap();
    let (minutes, seconds) = clock.split_once(':').unwrap();
    60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
}

#[test]
fn lines_and_zones_hear_of_the_time_before_a_confirmation() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("clip.avi"), footage::clip(&fs::read(vtest).unwrap(), FRAMES)).unwrap();
    fs::write(path("spotter.toml"), config()).unwrap();
    let rate = FRAME_RATE.to_string();
    let (clip, config, tags, tracks) =
        (path("clip.avi"), path("spotter.toml"), path("tags.jsonl"), path("tracks.txt"));
    let arguments = ["replay", &clip, "--config", &config, "--frame-rate", &rate];
    let outputs = ["--tags", &tags, "--tracks", &tracks];
    let ended = Program::start(arguments.into_iter().chain(outputs)).wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let text = fs::read_to_string(&tags).unwrap();
    let story = Story::of(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    // Every object is told of before its stays and crossings, whatever their times.
    story.hold();
    let contract = Contract::read();
    for tag in &story.tags {
        contract.hold(&format!("spotter/v1/replay/replay/tag/{}", tag["kind"].as_str().unwrap()), tag);
    }
    let rows = rows(&fs::read_to_string(&tracks).unwrap());
    crossings_agree_with_the_tracks(&story, &rows);
    stays_are_as_long_as_the_tracks(&story);
}

fn crossings_agree_with_the_tracks(story: &Story, rows: &BTreeMap<u64, Vec<Row>>) {
    let mut net: BTreeMap<(u64, String), i64> = BTreeMap::new();
    let mut confirmed_s: BTreeMap<u64, f64> = BTreeMap::new();
    let mut early = BTreeSet::new();
    for tag in story.phase("start") {
        let (track, at_s) = (tag["track"].as_u64().unwrap(), seconds(&tag["at"]));
        match tag["kind"].as_str().unwrap() {
            "object" => drop(confirmed_s.insert(track, at_s)),
            "line" => {
                let name = tag["line"]["name"].as_str().unwrap().to_owned();
                let step = if tag["line"]["direction"] == "in" { 1 } else { -1 };
                early.extend((at_s < confirmed_s[&track]).then(|| (track, name.clone())));
                *net.entry((track, name)).or_default() += step;
            }
            _ => {}
        }
    }
    let mut changed = 0;
    for (&track, rows) in rows {
        let (first, last) = (&rows[0], &rows[rows.len() - 1]);
        let upright = UPRIGHT.iter().enumerate().map(|(n, x)| (format!("upright-{n}"), true, *x));
        let level = LEVEL.iter().enumerate().map(|(n, y)| (format!("level-{n}"), false, *y));
        for (name, upright, place) in upright.chain(level) {
            let off = |row: &Row| if upright { row.foot.0 - place } else { row.foot.1 - place };
            // Nearer than this, it is not certain on which side it is.
            let is_clear = |row: &Row| off(row).abs() >= (0.06 * row.height).max(0.004);
            if is_clear(first) && is_clear(last) {
                let expected = i64::from(off(last) > 0.0) - i64::from(off(first) > 0.0);
                let told = net.get(&(track, name.clone())).copied().unwrap_or(0);
                assert_eq!(told, expected, "track {track} at {name}: {:?} to {:?}", first.foot, last.foot);
                changed += u32::from(expected != 0);
            }
        }
    }
    println!("{changed} sides changed, {} of them before the confirmation: {early:?}", early.len());
    assert!(changed >= 20, "{changed} sides changed");
    assert!(!early.is_empty(), "somebody crosses a line before the confirmation");
}

/// The zone is the whole picture, so a stay is as long as its track, from its first sighting on.
fn stays_are_as_long_as_the_tracks(story: &Story) {
    let dwell_s: BTreeMap<u64, f64> = story
        .kind("zone")
        .filter(|tag| tag["phase"] == "end")
        .map(|tag| (tag["track"].as_u64().unwrap(), tag["zone"]["dwell_s"].as_f64().unwrap()))
        .collect();
    let mut checked = 0;
    for end in story.kind("object").filter(|tag| tag["phase"] == "end") {
        let (track, summary) = (end["track"].as_u64().unwrap(), &end["summary"]);
        let there_s = seconds(&summary["last_seen"]) - seconds(&summary["first_seen"]);
        assert!((dwell_s[&track] - there_s).abs() < 0.002, "{} of {there_s} s: {end}", dwell_s[&track]);
        checked += 1;
    }
    assert!(checked >= 8, "{checked} tracks");
}
