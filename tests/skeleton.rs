//! `spotter eval skeleton` with the committed model: on the clips that it was trained on, and on what it must refuse.
//!
//! The clips are not part of the repository: they are looked for in the folder that `SPOTTER_SHARED` names, or in
//! `../shared`, and the test is skipped where they are absent.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use serde_json::Value;

#[path = "support/program.rs"]
mod program;

use program::spotter;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The clips, or nothing with a printed reason.
fn data() -> Option<PathBuf> {
    let shared =
        std::env::var_os("SPOTTER_SHARED").map_or_else(|| Path::new(ROOT).join("../shared"), PathBuf::from);
    let path = shared.join("data/jhmdb/train.npz");
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn the_committed_model_knows_what_it_was_trained_on() {
    let Some(data) = data() else { return };
    let ended = spotter(["eval".as_ref(), "skeleton".as_ref(), data.as_os_str(), "--json".as_ref()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let score: Value = serde_json::from_str(&ended.stdout).unwrap();
    let number = |key: &str| score[key].as_f64().unwrap();
    assert_eq!(score["clips"], 433);
    assert!(number("accuracy") > 0.9, "{}", number("accuracy"));
    assert!(number("accuracy_with_unknown") <= number("accuracy"));
    assert!((0.0..0.3).contains(&number("ece")), "{}", number("ece"));
    let labels = score["labels"].as_array().unwrap().len();
    assert_eq!(labels, 14);
    assert_eq!(score["per_class"].as_object().unwrap().len(), labels);
    let counts: u64 = score["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(counts, 433, "every clip is in the confusion matrix");
}

#[test]
fn what_cannot_be_scored_is_one_clear_line() {
    let fixture = |name: &str| format!("{ROOT}/tests/fixtures/{name}");
    let mut told = Vec::new();
    for arguments in [
        vec![fixture("skeleton/missing.npz")],
        vec![fixture("expected.json")],
        vec![fixture("skeleton/clips.npz")],
        vec![fixture("skeleton/clips.npz"), "--model".to_owned(), fixture("models/yolox")],
    ] {
        let ended = spotter(["eval".to_owned(), "skeleton".to_owned()].into_iter().chain(arguments));
        assert_eq!(ended.stdout, "");
        told.push(ended.complaint(Path::new(ROOT)));
    }
    for (said, expected) in told.iter().zip([
        "1: spotter: cannot read <folder>/tests/fixtures/skeleton/missing.npz: No such file",
        "1: spotter: <folder>/tests/fixtures/expected.json is no npz file: ",
        "1: spotter: <folder>/tests/fixtures/skeleton/clips.npz: the data has \"a longer label\", which the model does not know",
        "1: spotter: ",
    ]) {
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
