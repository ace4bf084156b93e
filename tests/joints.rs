//! Pose models and classifiers of joint windows: toys whose answers are known, and MoveNet on real frames.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spotter::activity::{Body, COCO_KEYPOINTS, Classify, Joint, Motion, PoseEstimator, SkeletonClassifier};
use spotter::clock::Timestamp;
use spotter::detect::Detector;
use spotter::frame::{Colorimetry, ColourMatrix, Image, PixelFormat};
use spotter::geometry::{BBox, Point};
use spotter::model::{Package, Runtime, SessionOptions};

#[path = "support/footage.rs"]
mod footage;

const OPTIONS: SessionOptions = SessionOptions::on_cpu(1);

fn runtime() -> Runtime {
    Runtime::load(None).unwrap_or_else(|error| panic!("{error}"))
}

fn package(folder: &str) -> Package {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    Package::open(&folder).unwrap_or_else(|error| panic!("{error}"))
}

/// Black, with a white square of 8 pixels around `spot`.
fn spotted((width, height): (u32, u32), spot: (u32, u32)) -> Image {
    let lit = |x: u32, y: u32| x.abs_diff(spot.0).max(y.abs_diff(spot.1)) < 4;
    // Even around a spot that lies between four pixels.
    let shifted = |x: u32, y: u32| lit(x, y) || lit(x + 1, y + 1) || lit(x + 1, y) || lit(x, y + 1);
    let luma = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let luma: Vec<u8> = luma.map(|(x, y)| if shifted(x, y) { 255 } else { 0 }).collect();
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    Image::new(PixelFormat::Gray8, (width, height), colorimetry, [width as usize, 0, 0], Arc::new(vec![luma]))
        .expect("a picture")
}

#[test]
fn keypoints_come_back_to_where_they_are_in_the_image() {
    let mut poses = PoseEstimator::open(&package("tests/fixtures/activity/pose"), &runtime(), &OPTIONS)
        .expect("a pose model");
    assert_eq!((poses.joint_score(), poses.of()), (0.2, &["person".to_owned()][..]));
    // The box and the spot, in pixels of 320 x 240: inside, over each border, and wider than high.
    let cases = [
        ([100.0, 60.0, 40.0, 80.0], (110, 90)),
        ([100.0, 60.0, 40.0, 80.0], (150, 120)),
        ([0.0, 10.0, 30.0, 96.0], (20, 30)),
        ([290.0, 140.0, 30.0, 100.0], (300, 220)),
        ([120.0, 0.0, 100.0, 20.0], (180, 12)),
        ([0.0, 0.0, 320.0, 240.0], (40, 200)),
    ];
    let (width, height) = (320.0, 240.0);
    for ([x, y, w, h], spot) in cases {
        let bbox = BBox { x: x / width, y: y / height, w: w / width, h: h / height };
        let image = spotted((320, 240), spot);
        let pose = poses.estimate(&image, &bbox, Timestamp::from_micros(7)).expect("a pose");
        assert_eq!(pose.at, Timestamp::from_micros(7));
        let found = pose.keypoints[0].at;
        let (off_x, off_y) = (found.x * width - spot.0 as f32, found.y * height - spot.1 as f32);
        // Pixels of the image, of which the model sees one in 12 at the least.
        assert!(off_x.hypot(off_y) < 0.25, "{bbox:?} {spot:?}: off by {off_x}, {off_y}");
        // How lit the spot is, which is less than a pixel of the largest crop.
        let score = pose.keypoints[0].score;
        assert!(score >= poses.joint_score(), "{bbox:?} {spot:?}: {score}");
        // The others are the same of every crop: k / 16 down and 1 - k / 32 across the square.
        let side = w.max(h) * 1.25;
        let (left, top) = (x + w / 2.0 - side / 2.0, y + h / 2.0 - side / 2.0);
        for (k, keypoint) in pose.keypoints.iter().enumerate().skip(1) {
            let share = k as f32 / 16.0;
            let at =
                Point { x: (left + side * (1.0 - share / 2.0)) / width, y: (top + side * share) / height };
            assert!(
                keypoint.at.distance(at) < 1e-5 && (keypoint.score - share).abs() < 1e-6,
                "{k}: {keypoint:?}"
            );
        }
    }
}

#[test]
fn a_box_without_an_area_or_outside_the_image_is_padding() {
    let mut poses = PoseEstimator::open(&package("tests/fixtures/activity/pose"), &runtime(), &OPTIONS)
        .expect("a pose model");
    let image = spotted((64, 64), (32, 32));
    let nothing = [
        BBox { x: 0.5, y: 0.5, w: 0.0, h: 0.0 },
        BBox { x: 3.0, y: -2.0, w: 0.5, h: 0.5 },
        BBox { x: f32::NAN, y: 0.0, w: 0.5, h: 0.5 },
    ];
    for bbox in nothing {
        let pose = poses.estimate(&image, &bbox, Timestamp::EPOCH).expect("a pose");
        assert_eq!(pose.keypoints[0].score, 0.0, "{bbox:?}");
        assert!(pose.keypoints.iter().all(|keypoint| keypoint.at.x.is_finite() && keypoint.at.y.is_finite()));
    }
}

#[test]
fn windows_of_joints_are_classified() {
    let package = package("tests/fixtures/activity/skeleton");
    let mut skeletons = SkeletonClassifier::open(&package, &runtime(), &OPTIONS).expect("a classifier");
    let words: Vec<(&str, Motion)> =
        (0..4).map(|index| (&**skeletons.published(index), skeletons.motion(index))).collect();
    assert_eq!(
        words,
        [
            ("walk", Motion::Walking),
            ("sit down", Motion::OnTheSpot),
            ("push", Motion::Moving),
            ("other", Motion::OnTheSpot)
        ]
    );
    assert_eq!((skeletons.steps(), skeletons.rate_hz(), skeletons.unknown()), (4, 25.0, Some(3)));
    for seed in [1, 2, 3] {
        let joints: Vec<f32> = (0..4 * 13 * 3).map(|i| ((i * seed * 31) % 17) as f32 / 17.0).collect();
        // The model of tests/fixtures/activity.py.
        let weight = |i: usize, k: usize| ((7 * i + 13 * k) % 11) as f64 / 10.0 - 0.5;
        let logit = |k| joints.iter().enumerate().map(|(i, &v)| f64::from(v) * weight(i, k)).sum::<f64>();
        let exps: Vec<f64> = (0..4).map(|k| logit(k).exp()).collect();
        let sum: f64 = exps.iter().sum();
        let scores = skeletons.classify(&joints).expect("scores");
        for (found, expected) in scores.iter().zip(&exps) {
            assert!((f64::from(*found) - expected / sum).abs() < 1e-5, "{scores:?}");
        }
    }
    assert!(skeletons.classify(&[0.0; 10]).is_err());
}

#[test]
fn movenet_puts_the_joints_of_walkers_in_order() {
    let Some(vtest) = footage::vtest() else { return };
    let runtime = runtime();
    let mut detector = Detector::open(&package("models/centernet-mobilenetv3-coco"), &runtime, &OPTIONS)
        .expect("a detector");
    let mut poses =
        PoseEstimator::open(&package("models/movenet-lightning"), &runtime, &OPTIONS).expect("a pose model");
    let (mut people, mut in_order, mut seen, mut inside) = (0, 0, 0, 0);
    for frame in footage::frames(&vtest, 60).iter().step_by(10) {
        let aspect = frame.image.width() as f32 / frame.image.height() as f32;
        let walkers = detector.detect(&frame.image).expect("detections");
        let is_walker = |label: &str, bbox: &BBox| label == "person" && bbox.h > 0.12 && bbox.h > bbox.w;
        for walker in walkers.iter().filter(|walker| walker.score > 0.4) {
            let (label, bbox) = (&detector.labels()[usize::from(walker.class.0)], walker.bbox);
            if !is_walker(label, &bbox) {
                continue;
            }
            let pose = poses.estimate(&frame.image, &bbox, frame.at).expect("a pose");
            let body = Body::of(&pose, poses.joint_score(), aspect);
            let near = BBox::from_center(bbox.center().x, bbox.center().y, bbox.w * 1.5, bbox.h * 1.15);
            let within = |at: Point| near.intersection(&BBox { x: at.x, y: at.y, w: 1e-4, h: 1e-4 }) > 0.0;
            let sure = pose.keypoints.iter().filter(|keypoint| keypoint.score >= poses.joint_score());
            for keypoint in sure {
                seen += 1;
                inside += usize::from(within(keypoint.at));
            }
            let down = |joint| body.joint(joint).map(|at| at.y);
            if let (Some(nose), Some(hip), Some(ankle)) =
                (down(Joint::Nose), down(Joint::LeftHip), down(Joint::LeftAnkle))
            {
                people += 1;
                in_order += usize::from(nose < hip && hip < ankle);
            }
        }
    }
    println!("{in_order} of {people} people in order; {inside} of {seen} joints by their boxes");
    assert!(people >= 15 && in_order * 100 >= people * 95, "{in_order} of {people} people");
    assert!(seen >= people * COCO_KEYPOINTS / 2 && inside * 100 >= seen * 95, "{inside} of {seen} joints");
}
