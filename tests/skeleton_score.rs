//! Skeleton evaluation against NumPy: files that it wrote, and figures that it worked out
//! (`tests/fixtures/skeleton/make.py`).

use std::path::{Path, PathBuf};

use serde_json::Value;
use spotter::activity::Joint;
use spotter::eval::skeleton::{Answer, Probabilities, SkeletonScore, read};
use spotter::tag::Label;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/skeleton").join(name)
}

#[test]
fn a_file_that_numpy_wrote_is_read() {
    let clips = read(&fixture("clips.npz")).expect("clips");
    let shown: Vec<(&str, usize)> =
        clips.iter().map(|clip| (clip.label.as_str(), clip.bodies.len())).collect();
    assert_eq!(shown, [("walk", 3), ("sit", 40), ("a longer label", 55)]);
    // Which joint of J-HMDB each is.
    let joints = [
        (Joint::Nose, 2),
        (Joint::LeftShoulder, 4),
        (Joint::RightShoulder, 3),
        (Joint::LeftElbow, 8),
        (Joint::RightElbow, 7),
        (Joint::LeftWrist, 12),
        (Joint::RightWrist, 11),
        (Joint::LeftHip, 6),
        (Joint::RightHip, 5),
        (Joint::LeftKnee, 10),
        (Joint::RightKnee, 9),
        (Joint::LeftAnkle, 14),
        (Joint::RightAnkle, 13),
    ];
    for (frame, body) in clips.iter().flat_map(|clip| &clip.bodies).enumerate() {
        for (joint, of_jhmdb) in joints {
            let (found, expected) = (body[joint as usize], of_jhmdb as f32 + frame as f32 / 100.0);
            assert!((found.x - expected).abs() < 1e-5, "{joint:?} on frame {frame} at {}", found.x);
            assert!((found.y + expected).abs() < 1e-5, "{joint:?} on frame {frame} at {}", found.y);
        }
    }
}

#[test]
fn figures_are_those_that_numpy_works_out() {
    let text = std::fs::read_to_string(fixture("score.json")).expect("figures");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let number = |value: &Value| value.as_f64().expect("a number");
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let labels: Vec<Label> =
        list(&expected["labels"]).iter().map(|label| Label::from(label.as_str().expect("a text"))).collect();
    let rows = list(&expected["truth"]).into_iter().zip(list(&expected["probabilities"]));
    let answers: Vec<Answer> = rows
        .zip(list(&expected["unknown"]))
        .map(|((truth, probabilities), unknown)| Answer {
            truth: truth.as_u64().expect("an index") as usize,
            probabilities: Probabilities {
                labels: list(&probabilities).iter().map(number).collect(),
                unknown: number(&unknown),
            },
        })
        .collect();
    let score = SkeletonScore::of(&answers, &labels).expect("a score");
    for (name, found, expected) in [
        ("accuracy", score.accuracy, &expected["accuracy"]),
        ("accuracy_with_unknown", score.accuracy_with_unknown, &expected["accuracy_with_unknown"]),
        ("unknown", score.unknown, &expected["share_unknown"]),
        ("ece", score.ece, &expected["ece"]),
    ] {
        assert!((found - number(expected)).abs() < 1e-9, "{name}: {found}, not {expected}");
    }
    let confusion: Vec<Vec<u64>> = list(&expected["confusion"])
        .iter()
        .map(|row| list(row).iter().map(|count| count.as_u64().expect("a count")).collect())
        .collect();
    let found: Vec<Vec<u64>> =
        score.confusion.iter().map(|row| row.iter().map(|&count| count as u64).collect()).collect();
    assert_eq!(found, confusion);
    for class in &score.per_class {
        let expected = &expected["per_class"][&*class.label];
        assert_eq!(Some(class.clips as u64), expected["clips"].as_u64(), "{}", class.label);
        for (name, found) in [("precision", class.precision), ("recall", class.recall), ("f1", class.f1)] {
            let expected = expected[name].as_f64();
            let near = found.unwrap_or(-1.0) - expected.unwrap_or(-1.0);
            assert!(near.abs() < 1e-9, "{name} of {}: {found:?}, not {expected:?}", class.label);
        }
    }
}
