//! Every output family against numbers that an independent implementation computed: `tests/fixtures/make.py` makes the
//! packages, runs them with ONNX Runtime in Python, decodes in numpy, and writes `expected.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spotter::detect::{Detection, Detector};
use spotter::frame::{Colorimetry, ColourMatrix, Image, PixelFormat};
use spotter::model::{Package, Runtime, SessionOptions};

/// Class, score, and left, top, width and height relative to the picture.
type Expected = Vec<(u16, f32, f32, f32, f32, f32)>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn expected(name: &str) -> Expected {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).expect("the fixtures");
    let mut all: BTreeMap<String, Expected> = serde_json::from_str(&text).expect("detections by package");
    all.remove(name).unwrap_or_else(|| panic!("expected.json has no `{name}`"))
}

/// The picture of `make.py`: planes by formula.
fn picture(width: u32, height: u32) -> Image {
    let plane = |formula: fn(u32, u32) -> u32| -> Vec<u8> {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        pixels.map(|(x, y)| (formula(x, y) % 256) as u8).collect()
    };
    let planes = vec![
        plane(|x, y| 8 * x + 3 * y),
        plane(|x, y| 64 + 2 * x + 5 * y),
        plane(|x, y| 200 + 3 * x + 250 * y),
    ];
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    Image::new(PixelFormat::Y444, (width, height), colorimetry, [width as usize; 3], Arc::new(planes))
        .expect("planes as long as the size says")
}

fn detector(package: &Package) -> Detector {
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    Detector::open(package, &runtime, &SessionOptions::on_cpu(1)).unwrap_or_else(|error| panic!("{error}"))
}

fn compare(name: &str, found: &[Detection], expected: &Expected) {
    assert_eq!(found.len(), expected.len(), "{name}: {found:#?}");
    for (found, &(class, score, x, y, w, h)) in found.iter().zip(expected) {
        let b = found.bbox;
        assert_eq!(found.class.0, class, "{name}: {found:?}");
        for (found_number, number) in [found.score, b.x, b.y, b.w, b.h].into_iter().zip([score, x, y, w, h]) {
            assert!((found_number - number).abs() < 2e-4, "{name}: {found:?} for {:?}", (score, x, y, w, h));
        }
    }
}

#[test]
fn every_family_finds_what_the_reference_finds() {
    for name in ["boxes", "ssd", "yolox", "yolov8", "detr-sigmoid", "detr-softmax", "centernet"] {
        let package = Package::open(&fixtures().join("models").join(name)).expect("a fixture");
        let mut detector = detector(&package);
        let first = detector.detect(&picture(32, 24)).expect("detections");
        compare(name, &first, &expected(name));
        assert!(first.iter().all(|d| usize::from(d.class.0) < detector.labels().len()));
        assert_eq!(detector.model().name, name);
        // The same again, with a picture of another shape in between.
        detector.detect(&picture(20, 40)).expect("detections");
        assert_eq!(detector.detect(&picture(32, 24)).expect("detections"), first, "{name}");
    }
}

#[test]
fn yolox_nano_finds_what_the_reference_finds() {
    let shared = std::env::var_os("SPOTTER_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let model = shared.join("data/models/yolox_nano.onnx");
    if !model.exists() {
        println!("skipped: {} is not there", model.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(&model, folder.path().join("model.onnx")).expect("a copy");
    let labels: Vec<String> = (0..80).map(|n| format!("\"{n}\"")).collect();
    let manifest = format!(
        r#"
        schema = 1
        name = "yolox-nano"
        version = "0.1.1"
        task = "detect"
        file = "model.onnx"
        sha256 = "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd"
        licence = "Apache-2.0"
        source = "Megvii YOLOX"
        labels = [{}]
        [input]
        name = "images"
        width = 416
        height = 416
        layout = "nchw"
        dtype = "f32"
        colour = "bgr"
        range = [0, 255]
        resize = "letterbox"
        pad = 114
        align = "top-left"
        [output]
        family = "yolox"
        strides = [8, 16, 32]
        [thresholds]
        score = 0.3
        low = 0.004
        nms_iou = 0.45
        "#,
        labels.join(", ")
    );
    std::fs::write(folder.path().join("model.toml"), manifest).expect("a manifest");
    let package = Package::open(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let mut detector = detector(&package);
    let found = detector.detect(&picture(416, 312)).expect("detections");
    let expected = expected("yolox-nano");
    compare("yolox-nano", &found[..expected.len()], &expected);
}
