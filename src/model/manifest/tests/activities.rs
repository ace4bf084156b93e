//! Manifests of the tasks `pose`, `skeleton` and `clip`.

use std::time::Duration;

use super::*;

const HEAD: &str = r#"
schema = 1
name = "toy"
version = "1.0.0"
task = "TASK"
file = "toy.onnx"
sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
licence = "MIT"
source = "made by hand"
"#;

const POSE: &str = r#"
[input]
name = "input"
width = 192
height = 192
layout = "nhwc"
dtype = "i32"
colour = "rgb"
range = [0, 255]
resize = "letterbox"
pad = 0

[output]
family = "keypoints"
keypoints = "output_0"
order = "yx"

[thresholds]
score = 0.2

[crop]
scale = 1.25
"#;

const SKELETON: &str = r#"
labels = ["walk", "sit", "other"]

[input]
name = "joints"
steps = 40
rate_hz = 25.0
joints = 13

[output]
family = "probabilities"
scores = "scores"
unknown = "other"

[activities]
published = { sit = "sit down" }
moving = ["other"]
gaits = { walk = "walk" }
"#;

const CLIP: &str = r#"
labels = "labels.txt"

[input]
name = "video"
width = 224
height = 160
frames = 16
layout = "ncthw"
stride = 5
fps = 30
dtype = "f32"
colour = "rgb"
range = [0, 1]
mean = [0.45, 0.45, 0.45]
std = [0.225, 0.225, 0.225]
resize = "crop"

[output]
family = "logits"
temperature = 1.5

[clip]
scope = "track"
scale = 1.5
of = ["person", "dog"]
every_s = 1.0
"#;

fn manifest(task: &str) -> String {
    let rest = match task {
        "pose" => POSE,
        "skeleton" => SKELETON,
        _ => CLIP,
    };
    format!("{}{rest}", HEAD.replace("TASK", task))
}

#[test]
fn a_pose_model_is_read() {
    let Spec::Pose(pose) = spec(&manifest("pose")) else { panic!("a pose model") };
    assert_eq!((pose.input.shape(), pose.input.element), ([1, 192, 192, 3], InputType::I32));
    assert_eq!((pose.keypoints.as_str(), pose.order), ("output_0", PointOrder::Yx));
    assert_eq!((pose.coordinates, pose.score, pose.scale), (Coordinates::Normalised, 0.2, 1.25));
    assert_eq!(pose.of, ["person"]);
    assert_eq!(Manifest::parse(&manifest("pose")).expect("a manifest").labels, Labels::None);
}

#[test]
fn a_skeleton_classifier_is_read() {
    let Spec::Skeleton(skeleton) = spec(&manifest("skeleton")) else { panic!("a skeleton classifier") };
    assert_eq!((skeleton.shape(), skeleton.rate_hz), ([1, 40, 13, 3], 25.0));
    assert_eq!((skeleton.walk.as_deref(), skeleton.run.as_deref()), (Some("walk"), None));
    let keys = [
        ("activities.published", "sit"),
        ("activities.moving", "other"),
        ("activities.gaits", "walk"),
        ("output.unknown", "other"),
    ];
    assert_eq!(skeleton.labels(), keys);
}

#[test]
fn a_clip_classifier_is_read() {
    let Spec::Clip(clip) = spec(&manifest("clip")) else { panic!("a clip classifier") };
    assert_eq!((clip.input.shape(), clip.input.frame().shape()), ([1, 3, 16, 160, 224], [1, 160, 224, 3]));
    assert_eq!(clip.input.interval(), Duration::from_micros(166_667));
    assert_eq!(clip.activation, ClipActivation::Logits { temperature: 1.5 });
    assert_eq!(clip.scope, ClipScope::Track { scale: 1.5, of: vec!["person".to_owned(), "dog".to_owned()] });
    let group = manifest("clip").replace("scope = \"track\"", "scope = \"group\"\nnear = 0.75");
    let Spec::Clip(clip) = spec(&group) else { panic!("a clip classifier") };
    let of = vec!["person".to_owned(), "dog".to_owned()];
    assert_eq!(clip.scope, ClipScope::Group { scale: 1.5, near: 0.75, of });
    let frame = manifest("clip")
        .replace("scope = \"track\"\nscale = 1.5\nof = [\"person\", \"dog\"]", "scope = \"frame\"");
    let frame = frame.replace("family = \"logits\"\ntemperature = 1.5", "family = \"probabilities\"");
    let frame = frame.replace("layout = \"ncthw\"", "layout = \"nthwc\"");
    let Spec::Clip(clip) = spec(&frame) else { panic!("a clip classifier") };
    assert_eq!((clip.scope, clip.activation), (ClipScope::Frame, ClipActivation::Probabilities));
    assert_eq!(clip.input.shape(), [1, 16, 160, 224, 3]);
}

#[test]
fn what_is_wrong_with_them_is_said() {
    let cases = [
        ("pose", "licence = \"MIT\"", "licence = \"MIT\"\nlabels = [\"a\"]"),
        ("pose", "range = [0, 255]", "range = [0, 1]"),
        ("pose", "resize = \"letterbox\"\npad = 0", "resize = \"crop\""),
        ("pose", "\"keypoints\"\n", "\"heatmaps\"\n"),
        ("pose", "order = \"yx\"", "order = \"yxs\""),
        ("pose", "score = 0.2", "score = 2"),
        ("pose", "scale = 1.25", "scale = 0.5\nof = []"),
        ("skeleton", "labels = ", "label = "),
        ("skeleton", "steps = 40", "steps = 0"),
        ("skeleton", "joints = 13", "joints = 13\nwidth = 3"),
        ("skeleton", "walk = \"walk\"", "hop = \"walk\""),
        ("skeleton", "sit = \"sit down\"", "sit = 1"),
        ("clip", "frames = 16", "frames = 300"),
        ("clip", "width = 224\nheight = 160", "width = 2000\nheight = 1600"),
        ("clip", "\"ncthw\"", "\"nchw\""),
        ("clip", "fps = 30", "fps = 0"),
        ("clip", "temperature = 1.5", "temperature = 0"),
        ("clip", "\"logits\"", "\"probabilities\""),
        ("clip", "every_s = 1.0", ""),
        ("clip", "scope = \"track\"", "scope = \"frame\""),
        ("clip", "scope = \"track\"", "scope = \"camera\""),
        ("clip", "scope = \"track\"", "scope = \"track\"\nnear = 1"),
        ("clip", "scope = \"track\"", "scope = \"group\""),
        ("clip", "scope = \"track\"\nscale = 1.5", "scope = \"group\"\nscale = 5\nnear = -1\nwide = 2"),
    ];
    let said: String = cases
        .iter()
        .map(|(task, from, to)| {
            let good = manifest(task);
            assert!(good.contains(from), "{task}: {from}");
            let bad = problems(&good.replacen(from, to, 1));
            format!("{task}: {} -> {}\n{bad}", from.replace('\n', " "), to.replace('\n', " "))
        })
        .collect();
    insta::assert_snapshot!(said, @r#"
    pose: licence = "MIT" -> licence = "MIT" labels = ["a"]
    `labels` is no key of a manifest: allowed here are schema, name, version, task, file, sha256, licence, source, input, output, thresholds, crop, selftest
    pose: range = [0, 255] -> range = [0, 1]
    `input.range = [0, 1]`: allowed is [0, 255] for dtype = "i32"
    pose: resize = "letterbox" pad = 0 -> resize = "crop"
    `input.resize = "crop"`: allowed is "letterbox", "stretch"
    pose: "keypoints"  -> "heatmaps" 
    `output.family = "heatmaps"`: allowed is "keypoints"
    pose: order = "yx" -> order = "yxs"
    `output.order = "yxs"`: allowed is "yx", "xy"
    pose: score = 0.2 -> score = 2
    `thresholds.score = 2`: allowed is a number from 0 to 1
    pose: scale = 1.25 -> scale = 0.5 of = []
    `crop.scale = 0.5`: allowed is a number from 1 to 4, in longer sides of the box
    `crop.of = []`: allowed is an array of labels of the detector
    skeleton: labels =  -> label = 
    `labels` is missing: it is the name of a file in the package with one label per line, or an array of texts
    `label` is no key of a manifest: allowed here are schema, name, version, task, file, sha256, licence, source, labels, input, output, activities, selftest
    skeleton: steps = 40 -> steps = 0
    `input.steps = 0`: allowed is a whole number from 1 to 1024
    skeleton: joints = 13 -> joints = 13 width = 3
    `input.width` is no key of a manifest: allowed here are name, steps, rate_hz, joints
    skeleton: walk = "walk" -> hop = "walk"
    `activities.gaits = { hop = "walk" }`: allowed is a table of the keys `walk` and `run`, each with a label
    skeleton: sit = "sit down" -> sit = 1
    `activities.published = { sit = 1 }`: allowed is a table from labels to words for tags
    clip: frames = 16 -> frames = 300
    `input.frames = 300`: allowed is a whole number from 1 to 256
    clip: width = 224 height = 160 -> width = 2000 height = 1600
    `input`: 16 frames of 2000x1600 pixels are more than 100 million numbers
    clip: "ncthw" -> "nchw"
    `input.layout = "nchw"`: allowed is "ncthw", "ntchw", "nthwc"
    clip: fps = 30 -> fps = 0
    `input.fps = 0`: allowed is a number from 1 to 240
    clip: temperature = 1.5 -> temperature = 0
    `output.temperature = 0`: allowed is a number from 0.01 to 100
    clip: "logits" -> "probabilities"
    `output.temperature` is no key of a manifest: allowed here are family, scores, unknown
    clip: every_s = 1.0 -> 
    `clip.every_s` is missing: it is a number of seconds from 0.05 to 3600
    clip: scope = "track" -> scope = "frame"
    `clip.of` is no key of a manifest: allowed here are every_s, scope
    `clip.scale` is no key of a manifest: allowed here are every_s, scope
    clip: scope = "track" -> scope = "camera"
    `clip.scope = "camera"`: allowed is "frame", "track", "group"
    clip: scope = "track" -> scope = "track" near = 1
    `clip.near` is no key of a manifest: allowed here are every_s, scope, scale, of
    clip: scope = "track" -> scope = "group"
    `clip.near` is missing: it is a number from 0 to 3, in longer box sides of the smaller of two people
    clip: scope = "track" scale = 1.5 -> scope = "group" scale = 5 near = -1 wide = 2
    `clip.scale = 5`: allowed is a number from 1 to 4, in the mean of the longer box sides of two people
    `clip.near = -1`: allowed is a number from 0 to 3, in longer box sides of the smaller of two people
    `clip.wide` is no key of a manifest: allowed here are every_s, scope, scale, near, of
    "#);
}
