//! What cannot work: each is refused with one clear line or leaves its camera offline with a reason; nothing panics,
//! nothing hangs, and nothing shows a password.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;

use contract::{Contract, Story};
use mosquitto::{Mosquitto, Subscriber, free_port, wait};
use program::{Ended, PATIENCE, Program, spotter};

/// Files that are no video, and their bytes.
const NO_VIDEO: &[(&str, &[u8])] = &[
    ("text.mp4", b"this is text\n"),
    ("text.avi", b"this is text\n"),
    ("empty.mp4", b""),
    ("head.mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2\0\x10\0\0mdat"),
    ("head.avi", b"RIFF\xe2\x13\x7c\0AVI LIST\xc0\0\0\0hdrlavih\x38\0\0\0"),
];

/// A folder with files that are no video.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    NO_VIDEO.iter().for_each(|(name, bytes)| write(name, bytes));
    write("noise.avi", &noise(200_000));
    write("noise.mp4", &[b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", &noise(100_000)[..]].concat());
    write("sound.wav", &sound());
    fs::create_dir(folder.path().join("folder")).unwrap();
    folder
}

/// Bytes without a meaning, the same ones every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = |_| {
        // Marsaglia's xorshift, 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(step).collect()
}

/// A second of silence, as a WAV file of 8 kHz, 8 bit, mono.
fn sound() -> Vec<u8> {
    let format =
        b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x40\x1f\0\0";
    [&format[..], &[0x80; 8000]].concat()
}

/// The one line that a command which failed has to say, with its exit code. How far a replay is does not count: it says
/// so when the machine is slow.
fn one_line(ended: &Ended, folder: &Path) -> String {
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let code = ended.code.filter(|&code| code > 0);
    let code = code.unwrap_or_else(|| panic!("{:?}: {}", ended.code, ended.stderr));
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.ends_with(" per second")).collect();
    assert_eq!(lines.len(), 1, "one line: {}", ended.stderr);
    format!("{code}: {}", lines[0].replace(&folder.display().to_string(), "<folder>"))
}

#[test]
fn a_file_that_cannot_be_replayed_is_one_clear_line() {
    let folder = folder();
    let names = NO_VIDEO.iter().map(|(name, _)| *name);
    let mut told = Vec::new();
    for name in ["missing.avi", "folder", "noise.avi", "noise.mp4", "sound.wav"].into_iter().chain(names) {
        let outputs = [("--tags", "tags.jsonl"), ("--picture", "picture.jpg")];
        let outputs =
            outputs.map(|(option, name)| [option.into(), folder.path().join(name).into_os_string()]);
        let arguments = ["replay".into(), folder.path().join(name).into_os_string()];
        let ended = spotter(arguments.into_iter().chain(outputs.into_iter().flatten()));
        assert_eq!(ended.stdout, "", "{name}");
        // A replay that gives up only when its patience is at an end takes half a minute.
        assert!(ended.took < Duration::from_secs(20), "{name} took {:?}", ended.took);
        told.push(one_line(&ended, folder.path()));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    1: spotter: <folder>/missing.avi: Resource not found. (No such file "<folder>/missing.avi")
    1: spotter: <folder>/folder: "<folder>/folder" is a directory.
    1: spotter: <folder>/noise.avi: Could not determine type of stream.
    1: spotter: <folder>/noise.mp4: This file is invalid and cannot be played. (atom has bogus size 553764175)
    1: spotter: <folder>/sound.wav: there is no video in it
    1: spotter: <folder>/text.mp4: Could not determine type of stream.
    1: spotter: <folder>/text.avi: Could not determine type of stream.
    1: spotter: <folder>/empty.mp4: Stream contains no data. (Can't typefind empty stream)
    1: spotter: <folder>/head.mp4: This file contains no playable streams. (no known streams found)
    1: spotter: <folder>/head.avi: Could not demultiplex stream. (pull_range flow reading header: eos)
    "#);
    assert!(!folder.path().join("picture.jpg").exists(), "nothing is written where nothing was read");
}

#[test]
fn a_demo_of_a_file_that_is_not_there_is_one_clear_line() {
    let folder = folder();
    let path = folder.path().join("missing.avi");
    let ended = spotter(["demo".as_ref(), "--footage".as_ref(), path.as_os_str()]);
    assert_eq!(ended.stdout, "");
    insta::assert_snapshot!(one_line(&ended, folder.path()), @"1: spotter: no such file: <folder>/missing.avi");
}

#[test]
fn a_video_that_was_cut_short_is_used_as_far_as_it_goes() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let whole = fs::read(vtest).unwrap();
    fs::write(path("cut.avi"), &whole[..whole.len() / 20]).unwrap();
    let ended = spotter([
        "replay",
        &path("cut.avi"),
        "--tags",
        &path("tags.jsonl"),
        "--tracks",
        &path("tracks.csv"),
        "--picture",
        &path("picture.jpg"),
    ]);
    insta::assert_snapshot!(one_line(&ended, folder.path()), @"1: spotter: <folder>/cut.avi was cut short after 2.5 s: 7725106 bytes are missing");
    let tags = fs::read_to_string(path("tags.jsonl")).unwrap();
    let story = Story::of(tags.lines().map(|line| serde_json::from_str(line).unwrap()));
    story.hold();
    assert!(story.phase("start").count() >= 3, "{tags}");
    assert!(fs::read_to_string(path("tracks.csv")).unwrap().lines().count() > 50);
    assert_eq!(image::image_dimensions(path("picture.jpg")).unwrap(), (768, 576));
}

#[test]
fn what_a_replay_cannot_write_or_does_not_know_is_one_clear_line() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("clip.avi"), footage::clip(&fs::read(vtest).unwrap(), 3)).unwrap();
    fs::write(
        path("spotter.toml"),
        "[node]\nname = \"n\"\n[[camera]]\nname = \"ramp\"\nsource = \"rtsp://cam/1\"\n",
    )
    .unwrap();
    let cases: &[&[&str]] = &[
        &["--tags", &path("missing/tags.jsonl")],
        &["--tags", &path("folder")],
        &["--tracks", &path("missing/tracks.csv")],
        &["--picture", &path("missing/picture.jpg")],
        &["--picture", &path("picture.gif")],
        &["--picture", &path("picture")],
        &["--labels", "person,unicorn"],
        &["--config", &path("spotter.toml"), "--camera", "door"],
    ];
    let mut told = Vec::new();
    for case in cases {
        let ended = spotter(["replay", &path("clip.avi")].iter().chain(*case));
        assert_eq!(ended.stdout, "", "{case:?}");
        let said = one_line(&ended, folder.path());
        // The labels of the model are many.
        told.push(said.split("it knows: ").next().unwrap().to_owned());
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    1: spotter: cannot write <folder>/missing/tags.jsonl: No such file or directory (os error 2)
    1: spotter: cannot write <folder>/folder: Is a directory (os error 21)
    1: spotter: cannot write <folder>/missing/tracks.csv: No such file or directory (os error 2)
    1: spotter: cannot write the picture <folder>/missing/picture.jpg: No such file or directory (os error 2)
    1: spotter: cannot write the picture <folder>/picture.gif: the name must end in .jpg, .jpeg or .png
    1: spotter: cannot write the picture <folder>/picture: the name must end in .jpg, .jpeg or .png
    1: spotter: objects.labels has "unicorn" (camera replay), which the model centernet-mobilenetv3-coco does not know; 
    1: spotter: the configuration has no camera door
    "#);
}

/// Arguments that every number's type can hold, and that make no sense.
const NO_ARGUMENTS: &[&[&str]] = &[
    &["replay", "clip.avi", "--picture", "p.jpg", "--picture-at", "inf"],
    &["replay", "clip.avi", "--picture", "p.jpg", "--picture-at", "1e300"],
    &["replay", "clip.avi", "--picture", "p.jpg", "--picture-at=-1"],
    &["replay", "clip.avi", "--frame-rate", "0"],
    &["replay", "clip.avi", "--frame-rate", "inf"],
    &["watch", "--seconds", "18446744073709551615"],
    &["demo", "--seconds", "18446744073709551615"],
    &["demo", "--seconds", "0"],
    &["eval", "track", "folder", "--fps", "1e-300"],
    &["eval", "track", "folder", "--fps", "inf"],
    &["eval", "track", "folder", "--fps", "NaN"],
    &["eval", "track", "folder", "--size", "0x480"],
];

#[test]
fn numbers_without_sense_are_a_wrong_command_line() {
    let mut told = Vec::new();
    for arguments in NO_ARGUMENTS {
        let ended = spotter(*arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        told.push(ended.stderr.lines().next().unwrap_or_default().to_owned());
    }
    insta::assert_snapshot!(told.join("\n"), @"
    error: invalid value 'inf' for '--picture-at <SECONDS>': it must be a number from 0 to 1000000
    error: invalid value '1e300' for '--picture-at <SECONDS>': it must be a number from 0 to 1000000
    error: invalid value '-1' for '--picture-at <SECONDS>': it must be a number from 0 to 1000000
    error: invalid value '0' for '--frame-rate <N>': it must be a number from 0.1 to 1000
    error: invalid value 'inf' for '--frame-rate <N>': it must be a number from 0.1 to 1000
    error: invalid value '18446744073709551615' for '--seconds <N>': 18446744073709551615 is not in 1..=31536000
    error: invalid value '18446744073709551615' for '--seconds <N>': 18446744073709551615 is not in 1..=31536000
    error: invalid value '0' for '--seconds <N>': 0 is not in 1..=31536000
    error: invalid value '1e-300' for '--fps <N>': it must be a number from 0.1 to 1000
    error: invalid value 'inf' for '--fps <N>': it must be a number from 0.1 to 1000
    error: invalid value 'NaN' for '--fps <N>': it must be a number from 0.1 to 1000
    error: invalid value '0x480' for '--size <WIDTHxHEIGHT>': it must look like 640x480
    ");
}

#[test]
fn a_log_filter_that_is_none_is_one_clear_line() {
    let command = || Command::new(env!("CARGO_BIN_EXE_spotter"));
    let ended =
        command().args(["eval", "track", "folder"]).env("SPOTTER_LOG", "spotter=loud").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(ended.stderr).unwrap(), @r#"spotter: SPOTTER_LOG="spotter=loud" is wrong: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5"#);
}

#[test]
fn whoever_stops_reading_ends_a_command_quietly() {
    let broker = Mosquitto::start("");
    mosquitto::publish_retained(broker.port(), "spotter/v1/n/status", "{}");
    let address = format!("mqtt://127.0.0.1:{}", broker.port());
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config/spotter.toml");
    let cases: [&[&str]; 3] = [
        &["eval", "track", "folder"],
        &["check", "--config", config],
        &["watch", "--broker", &address, "--seconds", "60"],
    ];
    for arguments in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut spotter = Command::new(env!("CARGO_BIN_EXE_spotter"));
        let spotter = spotter.args(arguments).env_remove("SPOTTER_LOG").stdout(writer);
        let ended = spotter.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(said.lines().all(|line| line.starts_with("subscribed to ")), "{arguments:?}: {said}");
    }
}

#[test]
fn a_name_that_is_no_text_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"clip\xff.avi"));
    fs::write(&path, b"RIFF").unwrap();
    for arguments in [
        ["replay".as_ref(), path.as_os_str()].as_slice(),
        &["demo".as_ref(), "--footage".as_ref(), path.as_os_str()],
    ] {
        let ended = spotter(arguments);
        insta::allow_duplicates! {
            insta::assert_snapshot!(one_line(&ended, folder.path()), @r#"1: spotter: the name "<folder>/clip\xFF.avi" is not UTF-8: give the file another one"#);
        }
    }
}

/// What is wrong with a model package, and how to do that to the copy of a good one in this folder.
type Fault = (&'static str, fn(&Path));

const FAULTS: &[Fault] = &[
    ("no folder", |package| fs::remove_dir_all(package).unwrap()),
    ("no manifest", |package| fs::remove_file(package.join("model.toml")).unwrap()),
    ("a manifest that is none", |package| fs::write(package.join("model.toml"), "schema = ").unwrap()),
    ("no labels file", |package| edit(package, "[\"a\", \"b\"]", "\"labels.txt\"")),
    ("no model", |package| fs::remove_file(package.join("model.onnx")).unwrap()),
    ("wrong hash", |package| fs::write(package.join("model.onnx"), "another model").unwrap()),
    ("unknown family", |package| edit(package, "\"yolox\"\nstrides", "\"yolov3\"\nstrides")),
    ("an unknown key", |package| edit(package, "[input]", "[input]\nsize = 32")),
];

/// What only the model itself can tell.
const FAULTS_OF_MODELS: &[Fault] = &[
    ("wrong shape", |package| edit(package, "width = 32", "width = 64")),
    ("wrong family", |package| edit(package, "\"yolox\"\nstrides = [8, 16]", "\"yolov8\"")),
    ("wrong number of labels", |package| edit(package, "[\"a\", \"b\"]", "[\"a\", \"b\", \"c\"]")),
];

fn edit(package: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(package.join("model.toml")).unwrap();
    assert!(text.contains(from), "`{from}` is not in the manifest");
    fs::write(package.join("model.toml"), text.replace(from, to)).unwrap();
}

/// A folder with a configuration and the model package `yolox` with this fault.
fn broken_model(damage: fn(&Path)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("yolox");
    fs::create_dir(&package).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/yolox");
    for file in ["model.toml", "model.onnx"] {
        fs::copy(fixture.join(file), package.join(file)).unwrap();
    }
    damage(&package);
    let config = format!(
        "[node]\nname = \"n\"\n[models]\ndirectories = [\".\"]\ndetect = \"yolox\"\n[activities]\nenabled = false\n[mqtt]\n\
         broker = \"mqtt://127.0.0.1:{}\"\n[[camera]]\nname = \"ramp\"\nsource = \"rtsp://cam/1\"\n",
        free_port()
    );
    fs::write(folder.path().join("spotter.toml"), config).unwrap();
    folder
}

/// The last line that a command says about the configuration in a folder.
fn said(command: &str, folder: &Path) -> String {
    let ended = spotter([command, "--config", folder.join("spotter.toml").to_str().unwrap()]);
    one_line(&ended, folder)
}

#[test]
fn a_broken_model_package_is_a_wrong_configuration() {
    let mut told = Vec::new();
    for (what, damage) in FAULTS {
        let folder = broken_model(*damage);
        let (check, run) = (said("check", folder.path()), said("run", folder.path()));
        // The same, but for who says it.
        assert_eq!(run.replacen("spotter: ", "", 1), check.replacen("models.detect: ", "", 1), "{what}");
        told.push(format!("# {what}\n{check}"));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    # no folder
    78: <folder>/spotter.toml: models.detect: there is no model package `yolox`; looked in <folder>/.; found none
    # no manifest
    78: <folder>/spotter.toml: models.detect: there is no model package `yolox`; looked in <folder>/.; found none
    # a manifest that is none
    78: <folder>/spotter.toml: models.detect: <folder>/./yolox/model.toml: line 1 is not TOML: string values must be quoted, expected literal string
    # no labels file
    78: <folder>/spotter.toml: models.detect: <folder>/./yolox/labels.txt: the labels file cannot be read: No such file or directory (os error 2)
    # no model
    78: <folder>/spotter.toml: models.detect: <folder>/./yolox/model.onnx: the model cannot be read: No such file or directory (os error 2)
    # wrong hash
    78: <folder>/spotter.toml: models.detect: <folder>/./yolox/model.onnx: SHA-256 is 93dc44381b5260808085f4dd99e5d439f52b86f2938527faf30bd72eb21afbc1, but model.toml promises 072e5b0497c92fad4ee4be8f4e81918dc4c3bb81712bc06c5d7fba0809013adf
    # unknown family
    78: <folder>/spotter.toml: models.detect: <folder>/./yolox/model.toml: `output.family = "yolov3"`: allowed is "boxes", "ssd", "yolox", "yolov8", "detr", "centernet"
    # an unknown key
    78: <folder>/spotter.toml: models.detect: <folder>/./yolox/model.toml: `input.size` is no key of a manifest: allowed here are name, width, height, layout, dtype, colour, range, mean, std, resize, pad, align, filter
    "#);
}

#[test]
fn a_model_that_is_not_what_its_package_says_is_refused_at_start() {
    let mut told = Vec::new();
    for (what, damage) in FAULTS_OF_MODELS {
        let folder = broken_model(*damage);
        told.push(format!("# {what}\n{}", said("run", folder.path())));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    # wrong shape
    78: spotter: <folder>/spotter.toml: <folder>/./yolox/model.onnx: the manifest describes the model's only input as `images` f32 [1, 3, 32, 64], but its inputs are `images` f32 [1, 3, 32, 32]
    # wrong family
    78: spotter: <folder>/spotter.toml: model `yolox`: family `yolov8` expects output `output` f32 [1, 6, any] (4 + 2 labels, one column per anchor), found `output` f32 [1, 20, 7]
    # wrong number of labels
    78: spotter: <folder>/spotter.toml: model `yolox`: family `yolox` expects output `output` f32 [1, 20, 8] (grids of 4x4, 2x2; 5 + 3 labels), found `output` f32 [1, 20, 7]
    ");
}

#[test]
fn a_runtime_library_that_is_none_is_refused_at_start() {
    let folder = broken_model(|_| {});
    fs::write(folder.path().join("lib.so"), "this is text").unwrap();
    let path = folder.path().join("spotter.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("[runtime]\nonnxruntime = \"lib.so\"\n{config}")).unwrap();
    insta::assert_snapshot!(said("run", folder.path()), @"1: spotter: ONNX Runtime's library <folder>/lib.so ([runtime] onnxruntime) cannot be used: it is no library that can be loaded here: <folder>/lib.so: file too short");
}

/// Cameras that give no picture. Nobody listens at port 1, which no test can be given as a free one.
const BAD_CAMERAS: &[(&str, &str)] = &[
    ("audio", "source = \"sound.wav\""),
    ("empty", "source = \"empty.mp4\""),
    ("fragment", "pipeline = \"videotestsrc pattern=nosuch\""),
    ("http", "source = \"http://admin:s3cret@127.0.0.1:1/mjpeg\""),
    ("missing", "source = \"missing.avi\""),
    ("no-element", "pipeline = \"nosuchsrc\""),
    ("no-video", "pipeline = \"audiotestsrc\""),
    ("query", "source = \"http://127.0.0.1:1/cgi?user=admin&pwd=s3cret\""),
    ("refused", "source = \"rtsp://admin:s3cret@127.0.0.1:1/stream\""),
    ("text", "source = \"text.mp4\""),
    ("v4l2", "source = \"/dev/video-none\""),
];

#[test]
fn cameras_that_give_no_picture_are_offline_with_a_reason_and_stop_no_other() {
    let folder = folder();
    let broker = Mosquitto::start("");
    let mut config =
        format!("[node]\nname = \"n\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n", broker.port());
    for (name, source) in BAD_CAMERAS {
        config += &format!("[[camera]]\nname = \"{name}\"\n{source}\n");
    }
    config += "[[camera]]\nname = \"good\"\npipeline = \"videotestsrc is-live=true pattern=ball ! \
               video/x-raw,width=320,height=240,framerate=5/1\"\n";
    let path = folder.path().join("spotter.toml");
    fs::write(&path, config).unwrap();

    let live = Subscriber::start(broker.port(), "spotter/v1/+/+/status", &[]);
    let program = Program::start(["run".as_ref(), "--config".as_ref(), path.as_os_str()]);
    let mut online = None;
    let mut reasons = BTreeMap::new();
    let contract = Contract::read();
    while online.is_none() || reasons.len() < BAD_CAMERAS.len() {
        let (topic, status) = live.next();
        contract.hold(&topic, &status);
        let camera = status["camera"].as_str().unwrap().to_owned();
        match status["state"].as_str().unwrap() {
            // Rates come with the next report.
            "online" if status["fps_in"].as_f64() > Some(1.0) => online = Some((camera, status)),
            "offline" => drop(reasons.insert(camera, status["reason"].as_str().unwrap().to_owned())),
            _ => {}
        }
    }
    let (camera, status) = online.unwrap();
    assert_eq!(camera, "good");
    assert!(status["fps_recognised"].as_f64() > Some(0.5), "{status}");

    // Whoever comes later hears it too.
    let late = Subscriber::start(broker.port(), "spotter/v1/n/refused/status", &[]);
    let is_offline = |status: &Value| status["state"] == "offline" && status["reason"].is_string();
    while !is_offline(&late.next().1) {}

    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    let stopped = Subscriber::start(broker.port(), "spotter/v1/n/+/status", &[]);
    for _ in 0..=BAD_CAMERAS.len() {
        let (topic, status) = stopped.next();
        assert_eq!(status["state"], "offline", "{topic}");
        // A camera that was offline keeps its own reason.
        if topic.ends_with("/good/status") {
            assert_eq!(status["reason"], "the node stopped");
        }
    }

    // Nothing but the log, and no secret in it.
    let is_log =
        |line: &str| line.starts_with("20") && [" INFO ", " WARN "].iter().any(|level| line.contains(level));
    let strange: Vec<&str> = ended.stderr.lines().filter(|line| !is_log(line)).collect();
    assert!(strange.is_empty(), "{}", strange.join("\n"));
    let told: Vec<String> =
        reasons.into_iter().map(|(camera, reason)| format!("{camera}: {reason}")).collect();
    let told = told.join("\n").replace(&folder.path().display().to_string(), "<folder>");
    assert!(!format!("{told}{}", ended.stderr).contains("s3cret"), "{told}\n{}", ended.stderr);
    insta::assert_snapshot!(told, @r#"
    audio: <folder>/sound.wav: there is no video in it
    empty: <folder>/empty.mp4: Stream contains no data. (Can't typefind empty stream)
    fragment: the pipeline cannot be built: could not set property "pattern" in element "videotestsrc" to "nosuch"
    http: http://***@127.0.0.1:1/mjpeg: cannot connect: Could not connect to 127.0.0.1: Connection refused
    missing: <folder>/missing.avi: Resource not found. (No such file "<folder>/missing.avi")
    no-element: the pipeline cannot be built: no element "nosuchsrc"
    no-video: pipeline "audiotestsrc": there is no video in it
    query: http://127.0.0.1:1/cgi?***: cannot connect: Could not connect to 127.0.0.1: Connection refused
    refused: rtsp://***@127.0.0.1:1/stream: cannot connect: Could not connect to 127.0.0.1: Connection refused
    text: <folder>/text.mp4: Could not determine type of stream.
    v4l2: /dev/video-none: Cannot identify device '/dev/video-none'. (system error: No such file or directory)
    "#);
}

#[test]
fn stopping_takes_less_than_systemd_waits_whatever_the_cameras_do() {
    let folder = tempfile::tempdir().unwrap();
    // A camera that takes the connection and then says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n[[camera]]\nname = \"silent\"\nsource = \"rtsp://127.0.0.1:{}/1\"\n",
        free_port(),
        silent.local_addr().unwrap().port()
    );
    let path = folder.path().join("spotter.toml");
    fs::write(&path, config).unwrap();
    let program = Program::start(["run".as_ref(), "--config".as_ref(), path.as_os_str()]);
    silent.set_nonblocking(true).unwrap();
    let mut connected = None;
    let reached = wait(|| {
        connected = silent.accept().ok();
        connected.is_some()
    });
    assert!(reached, "the camera was not connected to");
    program.signal("TERM");
    let asked = std::time::Instant::now();
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    drop(connected);
}
