//! Replay on real footage: two runs give the same bytes, and what they give is whole.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;
#[path = "support/program.rs"]
mod program;

use contract::{Contract, Story};
use program::spotter;

/// The part of the footage that is replayed: twenty seconds with about fifteen people.
const FRAMES: usize = 200;
const SIZE_PX: (f64, f64) = (768.0, 576.0);

/// What a replay of a clip has written.
struct Replayed {
    folder: TempDir,
    said: String,
}

impl Replayed {
    fn of(clip: &Path) -> Self {
        let replayed = Replayed { folder: tempfile::tempdir().unwrap(), said: String::new() };
        let outputs = [("--tags", "tags.jsonl"), ("--tracks", "tracks.csv"), ("--picture", "picture.jpg")];
        let outputs = outputs.map(|(option, name)| [option.into(), replayed.path(name).into_os_string()]);
        let ended = spotter(["replay".into(), clip.into()].into_iter().chain(outputs.into_iter().flatten()));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        Replayed { said: ended.stdout, ..replayed }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn tags(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("tags.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// One line of the tracks file.
struct Row {
    frame: usize,
    id: u64,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    score: f64,
}

impl Row {
    /// Panics unless the line is `frame,id,left,top,width,height,score,-1,-1,-1`.
    fn read(line: &str) -> Row {
        let fields: Vec<&str> = line.split(',').collect();
        let [frame, id, left, top, width, height, score, "-1", "-1", "-1"] = fields[..] else {
            panic!("not a MOTChallenge row: {line}");
        };
        let pixels = |field: &str| field.parse::<f64>().unwrap();
        Row {
            frame: frame.parse().unwrap(),
            id: id.parse().unwrap(),
            left: pixels(left),
            top: pixels(top),
            width: pixels(width),
            height: pixels(height),
            score: pixels(score),
        }
    }
}

#[test]
fn a_replay_is_whole_and_the_same_every_time() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    // The boot id comes from the name of the file.
    let clip = folder.path().join("clip.avi");
    fs::write(&clip, footage::clip(&fs::read(vtest).unwrap(), FRAMES)).unwrap();
    let (one, two) = std::thread::scope(|scope| {
        let two = scope.spawn(|| Replayed::of(&clip));
        (Replayed::of(&clip), two.join().unwrap())
    });
    for name in ["tags.jsonl", "tracks.csv", "picture.jpg"] {
        assert!(one.bytes(name) == two.bytes(name), "two replays differ in {name}");
    }
    assert!(one.said.starts_with(&format!("{FRAMES} frames in ")), "nothing is dropped: {}", one.said);
    let ids = check_tags(&one.tags());
    check_tracks(&fs::read_to_string(one.path("tracks.csv")).unwrap(), &ids);
    let picture = image::open(one.path("picture.jpg")).unwrap();
    assert_eq!((picture.width(), picture.height()), (768, 576));
}

/// Tags are valid, whole and plausible; gives the tracks' numbers.
fn check_tags(tags: &[Value]) -> BTreeSet<u64> {
    let contract = Contract::read();
    for tag in tags {
        contract.hold(&format!("spotter/v1/replay/replay/tag/{}", tag["kind"].as_str().unwrap()), tag);
    }
    let story = Story::of(tags.to_vec());
    story.hold();
    assert!(story.kind("activity").count() > 10, "people do something");
    let tags: Vec<&Value> = story.kind("object").collect();
    let people = tags.iter().filter(|tag| tag["phase"] == "start" && tag["label"] == "person").count();
    assert!((10..=25).contains(&people), "{people} people");
    let last = format!("1970-01-01T00:00:{:02}", FRAMES / footage::FPS);
    for tag in &story.tags {
        assert_eq!(tag["latency_ms"], 0.0, "time is simulated: {tag}");
        let at = tag["at"].as_str().unwrap();
        assert!(at.starts_with("1970-01-01T00:00:") && at < last.as_str(), "{at}");
    }
    for end in tags.iter().filter(|tag| tag["phase"] == "end") {
        let summary = &end["summary"];
        let number = |key: &str| summary[key].as_f64().unwrap();
        assert!(number("duration_s") > 0.0 && number("best_score") >= 0.3, "{end}");
        assert!(!summary["path"].as_array().unwrap().is_empty(), "{end}");
        let shares =
            summary["labels"].as_array().unwrap().iter().map(|label| label["score"].as_f64().unwrap());
        assert!((shares.sum::<f64>() - 1.0).abs() < 0.01, "{end}");
    }
    tags.iter().map(|tag| tag["track"].as_u64().unwrap()).collect()
}

/// The file is in the order of frames, speaks of the tracks that there are tags of, and stays inside the picture.
fn check_tracks(text: &str, ids: &BTreeSet<u64>) {
    let rows: Vec<Row> = text.lines().map(Row::read).collect();
    assert!(rows.is_sorted_by_key(|row| (row.frame, row.id)));
    let mut seen: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for row in &rows {
        let Row { frame, id, left, top, width, height, score } = *row;
        assert!((1..=FRAMES).contains(&frame), "frame {frame}");
        assert!(seen.entry(id).or_default().insert(frame), "track {id} is twice in frame {frame}");
        // To a hundredth of a pixel.
        assert!(left >= 0.0 && top >= 0.0 && width > 0.0 && height > 0.0, "track {id} in frame {frame}");
        assert!(left + width <= SIZE_PX.0 + 0.02, "track {id} in frame {frame}");
        assert!(top + height <= SIZE_PX.1 + 0.02, "track {id} in frame {frame}");
        assert!((0.0..=1.0).contains(&score), "track {id} in frame {frame}");
    }
    assert_eq!(
        seen.keys().copied().collect::<BTreeSet<u64>>(),
        *ids,
        "tracks and tags speak of the same things"
    );
    assert_eq!(rows.first().map(|row| row.frame), Some(1), "somebody is there from the first frame on");
    let longest = seen.values().map(BTreeSet::len).max().unwrap();
    assert!(longest > FRAMES / 2, "the longest track has {longest} boxes");
}

#[test]
fn a_replay_takes_its_settings_from_a_configuration() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("clip.avi"), footage::clip(&fs::read(vtest).unwrap(), 20)).unwrap();
    let config = "[node]\nname = \"edge\"\n[[camera]]\nname = \"ramp\"\nsource = \"rtsp://cam/1\"\n[[camera]]\n\
                  name = \"door\"\nsource = \"rtsp://cam/2\"\n[camera.objects]\nlabels = [\"zebra\"]\n";
    fs::write(path("spotter.toml"), config).unwrap();
    // What is asked for, and the camera of the tags; there is no zebra.
    let cases: &[(&[&str], Option<&str>)] = &[
        (&[], Some("ramp")),
        (&["--camera", "door"], None),
        (&["--camera", "door", "--labels", "person"], Some("door")),
        (&["--start", "2026-01-02T03:04:05Z"], Some("ramp")),
    ];
    for (arguments, camera) in cases {
        let (tags, clip, config) = (path("tags.jsonl"), path("clip.avi"), path("spotter.toml"));
        let fixed = ["replay", &clip, "--config", &config, "--tags", &tags];
        let ended = spotter(fixed.iter().chain(*arguments));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        let text = fs::read_to_string(&tags).unwrap();
        let tags: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(tags.first().map(|tag| tag["camera"].as_str().unwrap()), *camera, "{arguments:?}");
        let start = if arguments.contains(&"--start") { "2026-01-02T03:04:0" } else { "1970-01-01T00:00:0" };
        for tag in tags {
            assert_eq!(tag["node"], "edge", "{arguments:?}: {tag}");
            let of_person = tag["label"] == "person" || tag["kind"] == "activity";
            assert!(of_person || !arguments.contains(&"--labels"), "{arguments:?}: {tag}");
            assert!(tag["at"].as_str().unwrap().starts_with(start), "{arguments:?}: {tag}");
        }
    }
}

/// Classifiers that a test has built say what goes on in the whole picture, and around each person.
#[test]
fn clips_become_tags_of_the_picture_and_of_people() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("clip.avi"), footage::clip(&fs::read(vtest).unwrap(), 60)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display();
    let config = format!(
        "[node]\nname = \"edge\"\n[models]\ndirectories = [\"{root}/models\", \"{root}/tests/fixtures/activity\"]\n\
         clips = [\"clip-ncthw\", \"clip-ntchw\"]\n[activities]\nthreshold = 0.2\nmin_duration_s = 0\n[[camera]]\n\
         name = \"ramp\"\nsource = \"clip.avi\"\n"
    );
    fs::write(path("spotter.toml"), config).unwrap();
    let (tags, clip, config) = (path("tags.jsonl"), path("clip.avi"), path("spotter.toml"));
    let ended = spotter(["replay", &clip, "--config", &config, "--tags", &tags]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(&tags).unwrap();
    let tags: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let contract = Contract::read();
    let mut by_model: BTreeMap<(&str, bool, &str), usize> = BTreeMap::new();
    for tag in tags.iter().filter(|tag| tag["kind"] == "activity") {
        contract.hold("spotter/v1/edge/ramp/tag/activity", tag);
        let (model, phase) = (tag["model"]["name"].as_str().unwrap(), tag["phase"].as_str().unwrap());
        *by_model.entry((model, tag["track"].is_u64(), phase)).or_default() += 1;
    }
    println!("{by_model:?}");
    for model in ["clip-ncthw", "clip-ntchw"] {
        for of_track in [false, true] {
            let count = |phase| by_model.get(&(model, of_track, phase)).copied().unwrap_or(0);
            assert_eq!(count("start"), count("end"), "{model}: {by_model:?}");
        }
    }
    assert!(
        by_model.keys().any(|(model, of_track, _)| model.starts_with("clip-") && *of_track),
        "{by_model:?}"
    );
    assert!(
        by_model.keys().any(|(model, of_track, _)| model.starts_with("clip-") && !of_track),
        "{by_model:?}"
    );
}
