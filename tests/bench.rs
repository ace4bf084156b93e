//! `spotter bench`: what it says of this machine, and of arguments that are wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;

#[path = "support/footage.rs"]
mod footage;
#[path = "support/program.rs"]
mod program;

use program::spotter;

#[test]
fn what_a_machine_serves_is_measured() {
    if footage::vtest().is_none() {
        return;
    }
    let common = ["bench", "--cameras", "2", "--seconds", "2", "--without-activities"];
    let ended = spotter(common.iter().chain(&["--rate", "3", "--json"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["cameras"], &report["fps_wanted"]), (&2.into(), &3.0.into()), "{report:#}");
    assert_eq!(report["activities"], false, "{report:#}");
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{report:#}"));
    let rates: Vec<f64> = report["fps"].as_array().unwrap().iter().map(number).collect();
    // No more than what is wanted, but for a frame at the border of the measurement.
    assert!(rates.len() == 2 && rates.iter().all(|rate| (0.1..=4.0).contains(rate)), "{report:#}");
    let latencies = ["p50", "p95", "p99"].map(|percent| number(&report["latency_ms"][percent]));
    assert!(latencies[0] > 1.0 && latencies.is_sorted(), "{report:#}");
    let cores = number(&report["cores"]);
    assert!((0.01..=cores * 1.05).contains(&number(&report["cores_used"])), "{report:#}");
    assert!(number(&report["cpu_ms_per_frame"]) > 1.0 && number(&report["memory_mb"]) > 50.0, "{report:#}");

    let ended = spotter(common);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in
        ["2 cameras, objects, ", "  looked at   ", "  latency     ", "  processor   ", "  memory      "]
    {
        assert!(ended.stdout.lines().any(|its| its.starts_with(line)), "{line}: {ended:?}");
    }
}

#[test]
fn what_cannot_be_measured_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.toml").display().to_string();
    std::fs::write(&wrong, "[models]\nworkers = [\"npu\"]\n").unwrap();
    for (arguments, code, said) in [
        (["--footage", "/nowhere/clip.avi"], 1, "no such file: /nowhere/clip.avi"),
        (["--config", &wrong], 78, "models.workers has \"npu\", which is no [[accelerator]]"),
        (["--cameras", "0"], 2, "0 is not in 1..=200"),
        (["--rate", "inf"], 2, "it must be a number from 0.1 to 60"),
    ] {
        let ended = spotter(["bench"].iter().chain(&arguments));
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}\nhas not: {said}");
    }
}
