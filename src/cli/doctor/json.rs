//! What `doctor --json` and `probe --json` print.

use std::path::Path;

use serde_json::{Map, Value, json};
use spotter::doctor::{Check, Facts, Report};

/// The whole report.
pub(in crate::cli) fn report(report: &Report, pictures: &Path) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "well": report.is_well(),
        "configuration_valid": !report.bad_configuration,
        "pictures": pictures.display().to_string(),
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    let mut value = json!({
        "area": check.area.to_string(),
        "name": check.name,
        "verdict": check.verdict.to_string(),
        "text": check.text,
        "advice": check.advice,
    });
    if let (Some(found), Some(value)) = (&check.facts, value.as_object_mut()) {
        value.insert("camera".to_owned(), facts(found));
    }
    value
}

/// What a camera gave.
pub(in crate::cli) fn facts(facts: &Facts) -> Value {
    let faults: Map<String, Value> =
        facts.faults().into_iter().map(|(fault, count)| (fault.to_owned(), count.into())).collect();
    let (width, height) = facts.video.size;
    json!({
        "codec": facts.video.codec,
        "width": width,
        "height": height,
        "decoder": facts.video.decoder,
        "hardware": facts.video.hardware,
        "frames_per_second": facts.frame_rate.map(|rate| (rate * 100.0).round() / 100.0),
        "first_frame_ms": u64::try_from(facts.first_frame_after.as_millis()).unwrap_or(u64::MAX),
        "frames": facts.seen.given,
        "before_key": facts.seen.before_key,
        "faults": faults,
        "ended": facts.ended,
        "picture": facts.picture.as_ref().map(|path| path.display().to_string()),
    })
}
