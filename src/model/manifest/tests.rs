//! Manifests that are right, and what is said of each that is not.

use super::*;
use crate::frame::Filter;

mod activities;

const GOOD: &str = r#"
schema = 1
name = "toy"
version = "1.0.0"
task = "detect"
file = "toy.onnx"
sha256 = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
licence = "MIT"
source = "made by hand"
labels = "labels.txt"

[input]
name = "images"
width = 64
height = 32
layout = "nchw"
dtype = "f32"
colour = "rgb"
range = [0, 1]
resize = "letterbox"
pad = 114

[output]
family = "yolox"
strides = [8, 16]

[thresholds]
score = 0.3
low = 0.1
nms_iou = 0.45
"#;

fn good_with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` is not in the good manifest");
    GOOD.replace(from, to)
}

fn spec(text: &str) -> Spec {
    Manifest::parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).spec
}

fn detect(text: &str) -> DetectSpec {
    match spec(text) {
        Spec::Detect(spec) => spec,
        other => panic!("a detector, found {other:?}"),
    }
}

fn problems(text: &str) -> String {
    let problems = Manifest::parse(text).expect_err("a bad manifest");
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = Manifest::parse(GOOD).expect("a good manifest");
    assert_eq!(manifest.sha256, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    assert_eq!(manifest.labels, Labels::File("labels.txt".into()));
    let spec = detect(GOOD);
    assert_eq!(spec.input.shape(), [1, 3, 32, 64]);
    assert_eq!(spec.input.resize, Resize::Letterbox { pad: 114, align: Align::Center });
    assert_eq!(spec.input.filter, Filter::Bilinear);
    let sharper = detect(&GOOD.replace("pad = 114", "pad = 114\nfilter = \"hamming\""));
    assert_eq!(sharper.input.filter, Filter::Hamming);
    assert_eq!(spec.output.family(), "yolox");
    assert_eq!(spec.thresholds, Thresholds::new(0.3, 0.1, Some(0.45)).expect("thresholds"));
}

#[test]
fn what_labels_mean_is_optional() {
    let read = |section: &str| detect(&format!("{GOOD}{section}")).objects;
    assert_eq!(read(""), Objects::default());
    let animate = vec!["person".to_owned()];
    assert_eq!(read("[objects]\nanimate = [\"person\"]"), Objects { animate, ..Objects::default() });
    insta::assert_snapshot!(problems(&format!("{GOOD}[objects]\nreported = []\nalive = [\"a\"]")), @r#"
    `objects.reported = []`: allowed is an array of texts
    `objects.alive` is no key of a manifest: allowed here are reported, animate
    "#);
}

#[test]
fn mean_and_deviation_come_after_the_range() {
    let text = good_with("range = [0, 1]", "range = [0, 1]\nmean = [0.5, 0.25, 0]\nstd = [0.5, 1, 2]");
    let input = detect(&text).input;
    for (channel, (mean, std)) in [(0.5, 0.5), (0.25, 1.0), (0.0, 2.0)].into_iter().enumerate() {
        for value in [0.0f32, 51.0, 255.0] {
            let found = value * input.scale[channel] + input.offset[channel];
            assert!((found - (value / 255.0 - mean) / std).abs() < 1e-6);
        }
    }
}

#[test]
fn every_family_is_read() {
    let cases = [
        "family = \"boxes\"\ncoordinates = \"pixels\"",
        "family = \"boxes\"\nname = \"rows\"\ncoordinates = \"normalised\"",
        "family = \"ssd\"\nboxes = \"b\"\nscores = \"s\"\nclasses = \"c\"\ncount = \"n\"\norder = \"yxyx\"\n\
         coordinates = \"normalised\"\nfirst_class = 1",
        "family = \"yolov8\"",
        "family = \"detr\"\nlogits = \"l\"\nboxes = \"b\"\nactivation = \"sigmoid\"",
        "family = \"detr\"\nlogits = \"l\"\nboxes = \"b\"\nactivation = \"softmax\"\nbackground = 0",
        "family = \"centernet\"\nheatmap = \"h\"\nsizes = \"s\"\nstride = 4",
    ];
    for case in cases {
        let spec = detect(&good_with("family = \"yolox\"\nstrides = [8, 16]", case));
        assert!(case.contains(spec.output.family()));
    }
}

#[test]
fn a_self_test_has_a_picture_of_the_package_and_tolerances() {
    let of = |text: &str| Manifest::parse(&good_with("[thresholds]", &format!("{text}\n[thresholds]")));
    let usual = of("").expect("a manifest").selftest;
    assert_eq!(usual, SelfTestSpec::default());
    let own =
        of("[selftest]\npicture = \"street.jpg\"\niou = 0.8\nscore = 0.1").expect("a manifest").selftest;
    assert_eq!(own.picture, Some("street.jpg".into()));
    assert_eq!(
        (own.tolerance.iou, own.tolerance.score, own.tolerance.joint),
        (0.8, 0.1, usual.tolerance.joint)
    );
    for (text, expected) in [
        (
            "[selftest]\npicture = \"../street.jpg\"",
            "`selftest.picture = \"../street.jpg\"`: allowed is the name of a JPEG or PNG",
        ),
        ("[selftest]\niou = 2", "`selftest.iou = 2`: allowed is a number from 0 to 1"),
        (
            "[selftest]\nimage = \"a.jpg\"",
            "`selftest.image` is no key of a manifest: allowed here are picture, iou, joint, score",
        ),
    ] {
        let problems = of(text).expect_err(text);
        assert!(problems.iter().any(|problem| problem.to_string().contains(expected)), "{problems:?}");
    }
}

#[test]
fn each_problem_names_the_key_the_value_and_what_is_allowed() {
    let cases = [
        ("schema = 1", "schema = 2"),
        ("schema = 1", ""),
        ("\"toy\"", "\"toy/1\""),
        ("\"1.0.0\"", "1.0"),
        ("\"detect\"", "\"track\""),
        ("\"toy.onnx\"", "\"../toy.onnx\""),
        ("00112233", ""),
        ("\"MIT\"", "\"\""),
        ("\"labels.txt\"", "[]"),
        ("\"labels.txt\"", "[\"a\", 2]"),
        ("licence", "license"),
        ("width = 64", "width = 0"),
        ("height = 32", "height = \"32\""),
        ("layout = \"nchw\"", "layout = \"chw\""),
        ("dtype = \"f32\"", "dtype = \"f16\""),
        ("dtype = \"f32\"", "dtype = \"u8\""),
        ("colour = \"rgb\"", "color = \"rgb\""),
        ("range = [0, 1]", "range = [1, 1]"),
        ("range = [0, 1]", "range = [0, 1]\nstd = [1, 1, 0]"),
        ("pad = 114", "pad = 256"),
        ("pad = 114", ""),
        ("pad = 114", "pad = 114\nalign = \"left\""),
        ("pad = 114", "pad = 114\nfilter = \"lanczos\""),
        ("resize = \"letterbox\"", "resize = \"stretch\""),
        ("family = \"yolox\"", "family = \"yolo\""),
        ("family = \"yolox\"", "family = \"boxes\""),
        ("strides = [8, 16]", "strides = [8, 0]"),
        ("strides = [8, 16]", ""),
        ("score = 0.3", "score = 30"),
        ("score = 0.3", "score = 0.05"),
        ("nms_iou = 0.45", ""),
        ("[thresholds]", "[threshold]"),
        ("low = 0.1", "low = "),
    ];
    let said: String = cases
        .iter()
        .map(|(from, to)| {
            format!("{} -> {}\n{}\n", from, to.replace('\n', " "), problems(&good_with(from, to)))
        })
        .collect();
    insta::assert_snapshot!(said, @r#"
    schema = 1 -> schema = 2
    `schema = 2`: allowed is 1

    schema = 1 -> 
    `schema` is missing: it is 1

    "toy" -> "toy/1"
    `name = "toy/1"`: allowed is 1 to 64 characters out of A-Z a-z 0-9 _ -

    "1.0.0" -> 1.0
    `version = 1.0`: allowed is 1 to 32 characters out of A-Z a-z 0-9 . _ + -

    "detect" -> "track"
    `task = "track"`: allowed is "detect", "pose", "posture", "skeleton", "clip"

    "toy.onnx" -> "../toy.onnx"
    `file = "../toy.onnx"`: allowed is the name of a file in the package

    00112233 -> 
    `sha256 = "445566778899AABBCCDDEEFF445566778899aabbccddeeff"`: allowed is the model file's SHA-256 as 64 hex digits, as sha256sum prints it

    "MIT" -> ""
    `licence = ""`: allowed is a text such as "MIT"

    "labels.txt" -> []
    `labels = []`: allowed is the name of a file in the package with one label per line, or an array of texts

    "labels.txt" -> ["a", 2]
    `labels = ["a", 2]`: allowed is the name of a file in the package with one label per line, or an array of texts

    licence -> license
    `licence` is missing: it is a text such as "MIT"
    `license` is no key of a manifest: allowed here are schema, name, version, task, file, sha256, licence, source, labels, input, output, thresholds, objects, selftest

    width = 64 -> width = 0
    `input.width = 0`: allowed is a whole number of pixels from 1 to 8192

    height = 32 -> height = "32"
    `input.height = "32"`: allowed is a whole number of pixels from 1 to 8192

    layout = "nchw" -> layout = "chw"
    `input.layout = "chw"`: allowed is "nchw", "nhwc"

    dtype = "f32" -> dtype = "f16"
    `input.dtype = "f16"`: allowed is "f32", "u8", "i32"

    dtype = "f32" -> dtype = "u8"
    `input.range = [0, 1]`: allowed is [0, 255] for dtype = "u8"

    colour = "rgb" -> color = "rgb"
    `input.colour` is missing: it is "rgb", "bgr"
    `input.color` is no key of a manifest: allowed here are name, width, height, layout, dtype, colour, range, mean, std, resize, pad, align, filter

    range = [0, 1] -> range = [1, 1]
    `input.range = [1, 1]`: allowed is two different numbers, such as [0, 1]

    range = [0, 1] -> range = [0, 1] std = [1, 1, 0]
    `input.std = [1, 1, 0]`: allowed is three numbers above 0, in the order of `colour`

    pad = 114 -> pad = 256
    `input.pad = 256`: allowed is a grey from 0 to 255

    pad = 114 -> 
    `input.pad` is missing: it is a grey from 0 to 255

    pad = 114 -> pad = 114 align = "left"
    `input.align = "left"`: allowed is "center", "top-left"

    pad = 114 -> pad = 114 filter = "lanczos"
    `input.filter = "lanczos"`: allowed is "bilinear", "hamming"

    resize = "letterbox" -> resize = "stretch"
    `input.pad` is no key of a manifest: allowed here are name, width, height, layout, dtype, colour, range, mean, std, resize, filter

    family = "yolox" -> family = "yolo"
    `output.family = "yolo"`: allowed is "boxes", "ssd", "yolox", "yolov8", "detr", "centernet"

    family = "yolox" -> family = "boxes"
    `output.coordinates` is missing: it is "pixels", "normalised"
    `output.strides` is no key of a manifest: allowed here are family, name, coordinates

    strides = [8, 16] -> strides = [8, 0]
    `output.strides = [8, 0]`: allowed is an array of whole numbers above 0, such as [8, 16, 32]

    strides = [8, 16] -> 
    `output.strides` is missing: it is an array of whole numbers above 0, such as [8, 16, 32]

    score = 0.3 -> score = 30
    `thresholds.score = 30`: allowed is a number above 0 and up to 1

    score = 0.3 -> score = 0.05
    `thresholds`: score = 0.05 and low = 0.1: both lie above 0 and up to 1, and low is at most score

    nms_iou = 0.45 -> 
    `thresholds.nms_iou` is missing: it is a number from 0 to 1

    [thresholds] -> [threshold]
    `thresholds` is missing: it is the section [thresholds]
    `threshold` is no key of a manifest: allowed here are schema, name, version, task, file, sha256, licence, source, labels, input, output, thresholds, objects, selftest

    low = 0.1 -> low = 
    line 29 is not TOML: string values must be quoted, expected literal string
    "#);
}

#[test]
fn all_problems_are_found_in_one_pass() {
    let text = good_with("licence = \"MIT\"", "licence = \"\"")
        .replace("width = 64", "width = -1")
        .replace("family = \"yolox\"", "family = \"v5\"")
        .replace("low = 0.1", "low = 0");
    insta::assert_snapshot!(problems(&text), @r#"
    `licence = ""`: allowed is a text such as "MIT"
    `input.width = -1`: allowed is a whole number of pixels from 1 to 8192
    `output.family = "v5"`: allowed is "boxes", "ssd", "yolox", "yolov8", "detr", "centernet"
    `thresholds`: score = 0.3 and low = 0: both lie above 0 and up to 1, and low is at most score
    "#);
}
