//! Packages on disk: found by name, and refused with one clear message when something is wrong with them.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use spotter::activity::{ClipClassifier, PoseEstimator, PostureClassifier, SkeletonClassifier};
use spotter::detect::Detector;
use spotter::model::{Package, Runtime, SessionOptions, Task};
use tempfile::TempDir;

/// A copy of a fixture whose labels are a file, to break.
struct Copy(TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let copy = Copy(tempfile::tempdir().expect("a folder"));
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let folders = ["models", "activity"].map(|folder| fixtures.join(folder).join(name));
        let fixture = folders.iter().find(|folder| folder.exists()).expect("a fixture");
        for file in ["model.toml", "model.onnx"] {
            fs::copy(fixture.join(file), copy.path(file)).expect("a copy");
        }
        copy
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("model.toml")).expect("a manifest");
        assert!(text.contains(from), "`{from}` is not in the manifest");
        fs::write(self.path("model.toml"), text.replace(from, to)).expect("a manifest");
    }

    /// Puts other bytes in the model's place, and their hash in the manifest.
    fn replace_model(&self, bytes: &[u8]) {
        let hash = |bytes: &[u8]| -> String {
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let before = hash(&fs::read(self.path("model.onnx")).expect("a model"));
        fs::write(self.path("model.onnx"), bytes).expect("a model");
        self.edit(&before, &hash(bytes));
    }

    /// What is said when the package is opened for `task`, the folder's path left out.
    fn refusal(&self, task: Task) -> String {
        let said = match Package::open(self.0.path()) {
            Err(error) => error.to_string(),
            Ok(package) => {
                let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
                opened(&package, &runtime, task).err().unwrap_or_else(|| "nothing is wrong".to_owned())
            }
        };
        said.replace(&self.0.path().display().to_string(), "<package>")
    }
}

/// Opens the model of `package` for `task`, or says why it does not do.
fn opened(package: &Package, runtime: &Runtime, task: Task) -> Result<(), String> {
    let options = SessionOptions::on_cpu(1);
    let said = |error: &dyn std::error::Error| error.to_string();
    match task {
        Task::Detect => Detector::open(package, runtime, &options).map(drop).map_err(|e| said(&e)),
        Task::Pose => PoseEstimator::open(package, runtime, &options).map(drop).map_err(|e| said(&e)),
        Task::Posture => PostureClassifier::open(package, runtime, &options).map(drop).map_err(|e| said(&e)),
        Task::Skeleton => {
            SkeletonClassifier::open(package, runtime, &options).map(drop).map_err(|e| said(&e))
        }
        Task::Clip => ClipClassifier::open(package, runtime, &options).map(drop).map_err(|e| said(&e)),
    }
}

type Fault = (&'static str, &'static str, fn(&Copy));

/// What is wrong, the fixture that it is done to, and how.
const FAULTS: &[Fault] = &[
    ("nothing", "yolox", |_| {}),
    ("no manifest", "yolox", |copy| fs::remove_file(copy.path("model.toml")).expect("removed")),
    ("unknown key", "yolox", |copy| copy.edit("[input]", "[input]\nsize = 32")),
    ("bad value", "yolox", |copy| copy.edit("width = 32", "width = 0")),
    ("no [input]", "yolox", |copy| {
        let text = fs::read_to_string(copy.path("model.toml")).expect("a manifest");
        let (before, after) = text.split_once("[input]").expect("a section");
        let (_, after) = after.split_once("[output]").expect("a section");
        fs::write(copy.path("model.toml"), format!("{before}[output]{after}")).expect("a manifest");
    }),
    ("unknown family", "yolox", |copy| copy.edit("\"yolox\"\nstrides", "\"yolov3\"\nstrides")),
    ("two problems", "yolox", |copy| {
        copy.edit("width = 32", "width = 0");
        copy.edit("score = 0.5", "score = 5");
    }),
    ("missing labels file", "yolox", |copy| copy.edit("[\"a\", \"b\"]", "\"labels.txt\"")),
    ("empty label", "yolox", |copy| {
        copy.edit("[\"a\", \"b\"]", "\"labels.txt\"");
        fs::write(copy.path("labels.txt"), "a\n\nb\n").expect("labels");
    }),
    ("missing model", "yolox", |copy| fs::remove_file(copy.path("model.onnx")).expect("removed")),
    ("wrong hash", "yolox", |copy| fs::write(copy.path("model.onnx"), b"other bytes").expect("a model")),
    ("truncated model", "yolox", |copy| {
        let bytes = fs::read(copy.path("model.onnx")).expect("a model");
        copy.replace_model(&bytes[..bytes.len() / 2]);
    }),
    ("text as model", "yolox", |copy| copy.replace_model(b"version https://git-lfs.github.com/spec/v1\n")),
    ("empty model", "yolox", |copy| copy.replace_model(b"")),
    ("wrong input name", "yolox", |copy| copy.edit("\"images\"", "\"image\"")),
    ("wrong input shape", "yolox", |copy| copy.edit("width = 32", "width = 64")),
    ("wrong input layout", "boxes", |copy| copy.edit("\"nhwc\"", "\"nchw\"")),
    ("wrong input dtype", "ssd", |copy| copy.edit("\"u8\"", "\"f32\"")),
    ("label count", "yolox", |copy| copy.edit("[\"a\", \"b\"]", "[\"a\", \"b\", \"c\"]")),
    ("wrong strides", "yolox", |copy| copy.edit("[8, 16]", "[8, 16, 32]")),
    ("wrong output name", "yolov8", |copy| copy.edit("\"output0\"", "\"output1\"")),
    ("wrong family", "yolov8", |copy| copy.edit("\"yolov8\"\nname", "\"yolox\"\nstrides = [8]\nname")),
    ("output name left out", "detr-sigmoid", |copy| {
        copy.edit(
            "family = \"detr\"\nlogits = \"logits\"\nboxes = \"boxes\"\nactivation = \"sigmoid\"",
            "family = \"boxes\"\ncoordinates = \"pixels\"",
        );
    }),
    ("class columns", "detr-softmax", |copy| copy.edit("[\"a\", \"b\", \"c\"]", "[\"a\", \"b\"]")),
    ("wrong stride", "centernet", |copy| copy.edit("stride = 4", "stride = 8")),
    ("output type", "ssd", |copy| copy.edit("scores = \"scores\"", "scores = \"classes\"")),
    ("reported object without label", "yolox", |copy| {
        copy.edit("[thresholds]", "[objects]\nreported = [\"a\", \"person\"]\n\n[thresholds]");
    }),
    ("class without label", "boxes", |copy| copy.edit("[\"a\", \"b\", \"c\"]", "[\"a\"]")),
];

#[test]
fn what_is_wrong_with_a_package_is_said_when_it_is_opened() {
    let mut said = String::new();
    for (what, fixture, damage) in FAULTS {
        let copy = Copy::of(fixture);
        damage(&copy);
        said += &format!("{what}: {}\n", copy.refusal(Task::Detect));
    }
    insta::assert_snapshot!(said, @r#"
    nothing: nothing is wrong
    no manifest: <package>/model.toml: the manifest cannot be read: No such file or directory (os error 2)
    unknown key: <package>/model.toml: `input.size` is no key of a manifest: allowed here are name, width, height, layout, dtype, colour, range, mean, std, resize, pad, align, filter
    bad value: <package>/model.toml: `input.width = 0`: allowed is a whole number of pixels from 1 to 8192
    no [input]: <package>/model.toml: `input` is missing: it is the section [input]
    unknown family: <package>/model.toml: `output.family = "yolov3"`: allowed is "boxes", "ssd", "yolox", "yolov8", "detr", "centernet"
    two problems: <package>/model.toml: 
      `input.width = 0`: allowed is a whole number of pixels from 1 to 8192
      `thresholds.score = 5`: allowed is a number above 0 and up to 1
    missing labels file: <package>/labels.txt: the labels file cannot be read: No such file or directory (os error 2)
    empty label: <package>/labels.txt: line 2 is empty: a labels file has one label per line
    missing model: <package>/model.onnx: the model cannot be read: No such file or directory (os error 2)
    wrong hash: <package>/model.onnx: SHA-256 is a3ead5eedad5df82318c51685dbc1c147a36d1ff8584fc82de6b08d0bf63a795, but model.toml promises 072e5b0497c92fad4ee4be8f4e81918dc4c3bb81712bc06c5d7fba0809013adf
    truncated model: <package>/model.onnx: ONNX Runtime cannot load the model: Failed to load model because protobuf parsing failed.
    text as model: <package>/model.onnx: ONNX Runtime cannot load the model: Failed to load model because protobuf parsing failed.
    empty model: <package>/model.onnx: ONNX Runtime cannot load the model: No graph was found in the protobuf.
    wrong input name: <package>/model.onnx: the manifest describes the model's only input as `image` f32 [1, 3, 32, 32], but its inputs are `images` f32 [1, 3, 32, 32]
    wrong input shape: <package>/model.onnx: the manifest describes the model's only input as `images` f32 [1, 3, 32, 64], but its inputs are `images` f32 [1, 3, 32, 32]
    wrong input layout: <package>/model.onnx: the manifest describes the model's only input as `pixels` f32 [1, 3, 32, 32], but its inputs are `pixels` f32 [1, 32, 32, 3]
    wrong input dtype: <package>/model.onnx: the manifest describes the model's only input as `image` f32 [1, 32, 32, 3], but its inputs are `image` u8 [any, 32, 32, 3]
    label count: model `yolox`: family `yolox` expects output `output` f32 [1, 20, 8] (grids of 4x4, 2x2; 5 + 3 labels), found `output` f32 [1, 20, 7]
    wrong strides: model `yolox`: family `yolox` expects output `output` f32 [1, 21, 7] (grids of 4x4, 2x2, 1x1; 5 + 2 labels), found `output` f32 [1, 20, 7]
    wrong output name: model `yolov8`: family `yolov8` takes output `output1`, but the outputs are `output0` f32 [1, 7, 16]
    wrong family: model `yolov8`: family `yolox` expects output `output0` f32 [1, 16, 8] (grids of 4x4; 5 + 3 labels), found `output0` f32 [1, 7, 16]
    output name left out: model `detr-sigmoid`: [output] name is missing, and the outputs are `logits` f32 [1, 12, 2], `boxes` f32 [1, 12, 4]
    class columns: model `detr-softmax`: family `detr` expects output `logits` f32 [1, any, 3] (2 labels and the background), found `logits` f32 [1, 12, 4]
    wrong stride: model `centernet`: family `centernet` expects output `heatmap` f32 [1, 2, 4, 4] (2 labels, cells of 8 pixels), found `heatmap` f32 [1, 2, 8, 8]
    output type: model `ssd`: family `ssd` expects output `classes` f32 [1, any] or [any] (one score per box), found `classes` i64 [1, 16]
    reported object without label: <package>/model.toml: `objects.reported` has "person", which is none of the package's labels
    class without label: model `boxes`: an object of class 1, but the labels go from 0 to 0
    "#);
}

/// What is wrong, the task that the package is opened for, the fixture, and a change to its manifest.
const FAULTS_OF_ACTIVITIES: &[(&str, Task, &str, (&str, &str))] = &[
    ("nothing", Task::Pose, "pose", ("", "")),
    ("nothing", Task::Skeleton, "skeleton", ("", "")),
    ("nothing", Task::Clip, "clip-ncthw", ("", "")),
    ("a pose model as a detector", Task::Detect, "pose", ("", "")),
    ("a detector as a pose model", Task::Pose, "yolox", ("", "")),
    ("a clip model for joints", Task::Skeleton, "clip-nthwc", ("", "")),
    ("joints for a clip model", Task::Clip, "skeleton", ("", "")),
    ("wrong input dtype", Task::Pose, "pose", ("\"i32\"", "\"u8\"")),
    ("wrong output name", Task::Pose, "pose", ("keypoints = \"keypoints\"", "keypoints = \"heatmaps\"")),
    ("wrong steps", Task::Skeleton, "skeleton", ("steps = 4", "steps = 5")),
    ("wrong joints", Task::Skeleton, "skeleton", ("joints = 13", "joints = 17")),
    ("too few labels", Task::Skeleton, "skeleton", (", \"push\", \"other\"]", ", \"push\"]")),
    ("label count", Task::Clip, "clip-ncthw", ("[\"a\", ", "[")),
    ("no such label", Task::Skeleton, "skeleton", ("{ walk = \"walk\" }", "{ run = \"run\" }")),
    ("no such label", Task::Clip, "clip-ncthw", ("unknown = \"other\"", "unknown = \"none\"")),
    ("wrong layout", Task::Clip, "clip-ntchw", ("\"ntchw\"", "\"ncthw\"")),
    ("wrong frames", Task::Clip, "clip-nthwc", ("frames = 4", "frames = 8")),
    ("logits that are no probabilities", Task::Clip, "clip-nthwc", ("\"logits\"\n", "\"probabilities\"\n")),
];

#[test]
fn each_fault_of_a_model_of_activities_is_refused_with_what_was_found_and_expected() {
    let said: String = FAULTS_OF_ACTIVITIES
        .iter()
        .map(|(what, task, fixture, (from, to))| {
            let copy = Copy::of(fixture);
            copy.edit(from, to);
            format!("{what}: {}\n", copy.refusal(*task))
        })
        .collect();
    insta::assert_snapshot!(said, @r#"
    nothing: nothing is wrong
    nothing: nothing is wrong
    nothing: nothing is wrong
    a pose model as a detector: package `pose` is for `pose`, but `models.detect` needs one that is for `detect`
    a detector as a pose model: package `yolox` is for `detect`, but `models.pose` needs one that is for `pose`
    a clip model for joints: package `clip-nthwc` is for `clip`, but `models.skeleton` needs one that is for `skeleton`
    joints for a clip model: package `skeleton` is for `skeleton`, but `models.clips` needs one that is for `clip`
    wrong input dtype: <package>/model.onnx: the manifest describes the model's only input as `crop` u8 [1, 32, 32, 3], but its inputs are `crop` i32 [1, 32, 32, 3]
    wrong output name: model `pose`: family `keypoints` takes output `heatmaps`, but the outputs are `keypoints` f32 [1, 1, 17, 3]
    wrong steps: <package>/model.onnx: the manifest describes the model's only input as `joints` f32 [1, 5, 13, 3], but its inputs are `joints` f32 [1, 4, 13, 3]
    wrong joints: model `skeleton` takes 17 joints, but a body has 13
    too few labels: <package>/model.toml: `output.unknown` has "other", which is none of the package's labels
    label count: model `clip-ncthw`: family `logits` expects output `out` f32 [1, 4] or [4] (4 labels), found `out` f32 [1, 5]
    no such label: <package>/model.toml: `activities.gaits` has "run", which is none of the package's labels
    no such label: <package>/model.toml: `output.unknown` has "none", which is none of the package's labels
    wrong layout: <package>/model.onnx: the manifest describes the model's only input as `frames` f32 [1, 3, 5, 16, 20], but its inputs are `frames` f32 [1, 5, 3, 16, 20]
    wrong frames: <package>/model.onnx: the manifest describes the model's only input as `clip` u8 [1, 8, 24, 18, 3], but its inputs are `clip` u8 [1, 4, 24, 18, 3]
    logits that are no probabilities: model `clip-nthwc`: family `probabilities` takes output `probabilities`, but the outputs are `logits` f32 [1, 5]
    "#);
}

#[test]
fn every_package_that_comes_with_the_program_does_what_its_manifest_says() {
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    let folders =
        Package::folders(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("models")]).expect("a directory");
    assert!(folders.len() >= 2, "{folders:?}");
    for folder in folders {
        let package = Package::open(&folder).unwrap_or_else(|error| panic!("{error}"));
        opened(&package, &runtime, package.task()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(folder.file_name(), Some(package.reference().name.as_ref()));
    }
}

#[test]
fn packages_are_found_by_the_name_of_their_folder() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    let own = tempfile::tempdir().expect("a folder");
    let missing = own.path().join("missing");
    let directories = [missing, own.path().to_owned(), fixtures.clone()];

    let package = Package::find("ssd", &directories).expect("a fixture");
    assert_eq!(package.folder(), fixtures.join("ssd"));
    assert_eq!((package.reference().name.as_str(), package.labels().len()), ("ssd", 2));

    // A folder of the same name in an earlier directory hides the later one; one without a manifest does not.
    fs::create_dir(own.path().join("ssd")).expect("a folder");
    assert_eq!(Package::find("ssd", &directories).expect("a fixture").folder(), fixtures.join("ssd"));
    fs::copy(fixtures.join("yolox/model.toml"), own.path().join("ssd/model.toml")).expect("a copy");
    fs::copy(fixtures.join("yolox/model.onnx"), own.path().join("ssd/model.onnx")).expect("a copy");
    assert_eq!(Package::find("ssd", &directories).expect("a package").reference().name, "yolox");

    let error =
        Package::find("../ssd", std::slice::from_ref(&fixtures)).expect_err("no such package").to_string();
    let error = error.replace(&fixtures.display().to_string(), "<models>");
    insta::assert_snapshot!(error, @"there is no model package `../ssd`; looked in <models>; found boxes, centernet, detr-sigmoid, detr-softmax, ssd, yolov8, yolox");
    // What a directory has that cannot be read might have come first.
    let file = fixtures.join("ssd/model.toml");
    let error = Package::find("ssd", &[file.clone(), fixtures]).expect_err("no directory").to_string();
    let error = error.replace(&file.display().to_string(), "<file>");
    insta::assert_snapshot!(error, @"<file>: the directory of models cannot be read: Not a directory (os error 20)");
    let error = Package::find("ssd", &[]).expect_err("no such package");
    insta::assert_snapshot!(error, @"there is no model package `ssd`; looked in none; found none");
}
