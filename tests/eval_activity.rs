//! `spotter eval activity`: on real clips where they are there, on a film without anybody, and on folders that make no sense.
//!
//! The clips are not part of the repository: they are looked for in the folder that `SPOTTER_SHARED` names, or in
//! `../shared`, and their test is skipped where they are absent.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use spotter::config::Config;

#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/program.rs"]
mod program;

use program::{Ended, Program};

/// How long ten clips of seven seconds may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(600);

/// Of the ten real falls.
const FALLS_TOLD: u64 = 9;

fn eval(folder: &Path, more: &[&str]) -> Ended {
    let fixed = ["eval".as_ref(), "activity".as_ref(), folder.as_os_str()];
    Program::start(fixed.into_iter().chain(more.iter().map(OsStr::new))).wait(PATIENCE)
}

#[test]
fn of_a_film_without_anybody_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("empty.avi");
    pipeline::Pipeline::start(&format!(
        "videotestsrc num-buffers=30 pattern=gradient ! video/x-raw,framerate=10/1,width=320,height=240 ! jpegenc ! avimux ! \
         filesink location={}",
        film.display()
    ))
    .play_out();
    fs::write(folder.path().join("truth.csv"), "clip,from_s,to_s,label\nempty.avi,0.5,2.5,walk\n").unwrap();
    let fitted = folder.path().join("fitted.toml");
    let ended = eval(folder.path(), &["--json", "--fit", fitted.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let score: Value = serde_json::from_str(&ended.stdout).unwrap();
    let walk = &score["labels"]["walk"];
    assert_eq!(
        (&walk["events"], &walk["told"], &walk["right"]),
        (&1.into(), &0.into(), &0.0.into()),
        "{score}"
    );
    assert_eq!(walk["told_s"], serde_json::json!({ "nothing": 2.0 }));
    assert_eq!(score["calibration_error"], Value::Null);
    let bins = score["calibration"].as_array().unwrap();
    assert!(bins.len() == 5 && bins.iter().all(|bin| bin["tags"] == 0 && bin["right"].is_null()), "{score}");
    let text = fs::read_to_string(&fitted).unwrap();
    assert!(text.contains("# walk: too little truth, so it keeps its threshold; 1 event, 2.0 s"), "{text}");
    assert_eq!(rules_of(&text), [("walk".to_owned(), 0.5)]);
    let ended = eval(folder.path(), &[]);
    for line in ["walk", "nothing 2.0", "0.9 - 1.0      0       0.0          -      -", "calibration error -"]
    {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

/// The labels and thresholds that a configuration with this text in it has for its camera.
fn rules_of(text: &str) -> Vec<(String, f32)> {
    let camera = "[[camera]]\nname = \"ramp\"\nsource = \"ramp.mp4\"\n";
    let config = Config::parse(&format!("{text}\n{camera}"), Path::new("")).unwrap();
    let labels = &config.cameras[0].activities.labels;
    labels.iter().map(|(label, rule)| (label.clone(), rule.threshold)).collect()
}

#[test]
fn folders_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ended = eval(folder.path(), &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("truth.csv"), "{}", ended.stderr);
    fs::write(folder.path().join("no.mp4"), "no film").unwrap();
    fs::write(folder.path().join("truth.csv"), "clip,from_s,to_s,label\nno.mp4,0,1,walk\n").unwrap();
    let ended = eval(folder.path(), &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no.mp4"), "{}", ended.stderr);
    let ended = eval(folder.path(), &["--fit", "/no/such/folder/fitted.toml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot write /no/such/folder/fitted.toml"), "{}", ended.stderr);
}

/// The folder of the real clips, where it is there.
fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("SPOTTER_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let clips = shared.join("data/activities/upfall");
    let there = clips.exists();
    if !there {
        println!("skipped: there is no {}", clips.display());
    }
    there.then_some(clips)
}

#[test]
fn a_real_clip_is_scored_alike_each_time() {
    let Some(shared) = shared() else { return };
    let clip = shared.join("a3-t1-c1.mp4");
    let folder = tempfile::tempdir().unwrap();
    let people = folder.path().join("people.jsonl");
    fs::copy(&clip, folder.path().join("fall.mp4")).unwrap();
    let truth =
        "clip,from_s,to_s,label\nfall.mp4,0,0.8,stand\nfall.mp4,0.8,1.5,fall\nfall.mp4,1.5,7.7,fallen\n";
    fs::write(folder.path().join("truth.csv"), truth).unwrap();
    let fitted = folder.path().join("fitted.toml");
    let arguments = ["--json", "--people", people.to_str().unwrap(), "--fit", fitted.to_str().unwrap()];
    let [one, other] = [(), ()].map(|()| eval(folder.path(), &arguments));
    assert_eq!((one.code, &one.stdout), (Some(0), &other.stdout), "{}", one.stderr);
    let score: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(score["time_s"], 7.7);
    let told = score["labels"]["fallen"]["told_s"].as_object().unwrap();
    let all: f64 = told.values().map(|time_s| time_s.as_f64().unwrap()).sum();
    assert!((all - 6.2).abs() < 1e-6, "{score}");
    let bins = score["calibration"].as_array().unwrap();
    let of_bins = |figure: &str| bins.iter().map(|bin| bin[figure].as_f64().unwrap()).sum::<f64>();
    assert!(of_bins("tags") >= 1.0 && of_bins("time_s") > 3.0, "{score}");
    assert!(score["calibration_error"].as_f64().is_some_and(|error| (0.0..1.0).contains(&error)), "{score}");
    let text = fs::read_to_string(&fitted).unwrap();
    let labels: Vec<String> = rules_of(&text).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["fall", "fallen", "stand"], "{text}");
    // The rules that are tried on recorded judgements give what the recogniser told.
    let figure = |figure: &str| {
        ["fall", "fallen"]
            .map(|label| score["labels"][label][figure].as_u64().unwrap_or(0))
            .iter()
            .sum::<u64>()
    };
    let before = format!("told {} of 2, false {}\n", figure("told"), figure("false_events"));
    assert!(text.contains(&before), "{before}{text}");
    let seen: Vec<Value> = fs::read_to_string(&people)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(seen.len() > 60, "{} lines", seen.len());
    assert!(seen.iter().all(|line| line["clip"] == "fall.mp4" && line["box"].as_array().unwrap().len() == 4));
    assert!(seen.iter().any(|line| line["joints"].as_array().is_some_and(|joints| joints.len() == 13)));
}

/// Clips of real falls: at least nine of the ten have a tag, and no tag of a fall is false.
#[test]
fn real_falls_are_told() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let truth = fs::read_to_string(shared.join("truth.csv")).unwrap();
    let (head, rows) = truth.split_once('\n').unwrap();
    let is_fall = |row: &&str| (1..=5).any(|kind| row.starts_with(&format!("a{kind}-t1-")));
    let rows: Vec<&str> = rows.lines().filter(is_fall).collect();
    for row in &rows {
        let name = row.split(',').next().unwrap();
        fs::copy(shared.join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("truth.csv"), format!("{head}\n{}\n", rows.join("\n"))).unwrap();
    let ended = eval(folder.path(), &["--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let score: Value = serde_json::from_str(&ended.stdout).unwrap();
    let of = |label: &str, figure: &str| score["labels"][label][figure].as_u64().unwrap_or(0);
    println!("{score}");
    assert_eq!(of("fall", "events"), 10, "{score}");
    assert!(of("fall", "told") >= FALLS_TOLD, "{score}");
    assert_eq!((of("fall", "false_events"), of("fallen", "false_events")), (0, 0), "{score}");
}
