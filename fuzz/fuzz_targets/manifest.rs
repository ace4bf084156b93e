//! Any text as a package's `model.toml`: opening the package never panics, what is refused says why, and what is accepted
//! describes a model that can be given memory.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use spotter::model::{Package, PackageError, Task};
use tempfile::TempDir;

/// The package around the manifest. The model is no model: opening a package only compares its hash, which is
/// 9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder for temporary files");
    std::fs::write(folder.path().join("model.onnx"), "model").expect("a temporary file");
    std::fs::write(folder.path().join("labels.txt"), "person\nbicycle\ncar\n").expect("a temporary file");
    folder
});

fuzz_target!(|data: &[u8]| -> Corpus {
    if std::str::from_utf8(data).is_err() {
        return Corpus::Reject;
    }
    std::fs::write(FOLDER.path().join("model.toml"), data).expect("a temporary file");
    match Package::open(FOLDER.path()) {
        Ok(package) => check(&package),
        Err(error) => {
            if let PackageError::Manifest { problems, .. } = &error {
                assert!(!problems.is_empty(), "refused without a reason");
            }
            assert!(!error.to_string().is_empty());
        }
    }
    Corpus::Keep
});

fn check(package: &Package) {
    let reference = package.reference();
    assert!(!reference.name.is_empty() && !reference.version.is_empty());
    assert!(!package.licence().trim().is_empty() && !package.source().trim().is_empty());
    assert_eq!(reference.sha256, "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4");
    assert_eq!(package.labels().is_empty(), package.task() == Task::Pose, "{:?}", package.labels());
    match package.task() {
        Task::Detect => {
            let spec = package.detect().expect("its task");
            let thresholds = &spec.thresholds;
            assert!(
                0.0 < thresholds.low() && thresholds.low() <= thresholds.score() && thresholds.score() <= 1.0
            );
            assert!(thresholds.nms_iou().is_none_or(|iou| (0.0..=1.0).contains(&iou)));
            assert!(pixels(spec.input.width(), spec.input.height()) > 0);
            let known = |label: &String| package.labels().iter().any(|known| **known == **label);
            assert!(spec.objects.reported.iter().chain(&spec.objects.animate).all(known));
        }
        Task::Pose => {
            let spec = package.pose().expect("its task");
            assert!(pixels(spec.input.width(), spec.input.height()) > 0);
        }
        Task::Posture => drop(format!("{:?}", package.posture().expect("its task"))),
        Task::Skeleton => drop(format!("{:?}", package.skeleton().expect("its task"))),
        Task::Clip => drop(format!("{:?}", package.clip().expect("its task"))),
    }
}

/// Of a picture that memory can be had for.
fn pixels(width: u32, height: u32) -> u32 {
    width.checked_mul(height).expect("a picture of that size exists")
}
