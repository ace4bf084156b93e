//! What `spotter eval activity` prints: a table for people, one JSON object for machines.

use serde_json::{Map, Value, json};
use spotter::eval::activity::{ActivityScore, Bin, Calibration, LabelScore, Rules};

use crate::cli::output::{OutputError, say};

/// What nothing is called in the confusion of time.
const NOTHING: &str = "nothing";

/// Prints everything, as JSON or as a table.
pub(super) fn print(
    score: &ActivityScore,
    calibration: &Calibration,
    rules: &Rules,
    is_json: bool,
) -> Result<(), OutputError> {
    if is_json { say!("{}", json(score, calibration, rules)) } else { show(score, calibration, rules) }
}

/// What was told for how long, longest first.
fn times<'a>(score: &'a LabelScore) -> Vec<(&'a str, f64)> {
    let named = |(told, time_s): (&'a Option<String>, &f64)| (told.as_deref().unwrap_or(NOTHING), *time_s);
    let mut times: Vec<(&str, f64)> = score.told_s.iter().map(named).collect();
    times.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    times
}

fn json(score: &ActivityScore, calibration: &Calibration, rules: &Rules) -> Value {
    let of_label = |(label, figures): (&String, &LabelScore)| {
        let told_s: Map<String, Value> =
            times(figures).into_iter().map(|(told, time_s)| (told.to_owned(), time_s.into())).collect();
        let value = json!({
            "events": figures.events,
            "told": figures.delays_s.len(),
            "recall": figures.recall(),
            "delay_s": { "median": figures.median_delay_s(), "most": figures.delays_s.last() },
            "false_events": figures.false_events,
            "false_per_hour": score.false_per_hour(label),
            "time_s": figures.time_s,
            "right": score.right(label, rules),
            "told_s": told_s,
        });
        (label.clone(), value)
    };
    let of_bin = |bin: Bin| {
        json!({
            "from": bin.from,
            "to": bin.to,
            "tags": bin.tags,
            "time_s": bin.time_s,
            "mean_score": bin.mean_score,
            "right": bin.right,
        })
    };
    json!({
        "time_s": score.time_s,
        "labels": score.labels.iter().map(of_label).collect::<Map<String, Value>>(),
        "calibration": calibration.bins().map(of_bin).collect::<Vec<Value>>(),
        "calibration_error": calibration.error(),
    })
}

fn show(score: &ActivityScore, calibration: &Calibration, rules: &Rules) -> Result<(), OutputError> {
    let widest = score.labels.keys().map(|label| label.chars().count()).max().unwrap_or(0).max(5);
    say!(
        "{:<widest$} {:>6} {:>6} {:>9} {:>9} {:>6} {:>8} {:>8} {:>6}",
        "label",
        "events",
        "told",
        "delay [s]",
        "most [s]",
        "false",
        "false/h",
        "time [s]",
        "right"
    )?;
    for (label, figures) in &score.labels {
        say!(
            "{label:<widest$} {:>6} {:>6} {:>9} {:>9} {:>6} {:>8} {:>8.1} {:>6}",
            figures.events,
            figures.delays_s.len(),
            shown(figures.median_delay_s(), 1),
            shown(figures.delays_s.last().copied(), 1),
            figures.false_events,
            shown(score.false_per_hour(label), 1),
            figures.time_s,
            shown(score.right(label, rules), 3),
        )?;
    }
    say!("\n{:<widest$} what was told of its time, in seconds", "label")?;
    for (label, figures) in score.labels.iter().filter(|(_, figures)| figures.time_s > 0.0) {
        let times: Vec<String> =
            times(figures).into_iter().map(|(told, time_s)| format!("{told} {time_s:.1}")).collect();
        say!("{label:<widest$} {}", times.join(", "))?;
    }
    say!("\n{:.1} s of known truth", score.time_s)?;
    show_calibration(calibration)
}

fn show_calibration(calibration: &Calibration) -> Result<(), OutputError> {
    say!("\n{:<9} {:>6} {:>9} {:>10} {:>6}", "score", "tags", "time [s]", "mean score", "right")?;
    for bin in calibration.bins() {
        say!(
            "{:.1} - {:.1} {:>6} {:>9.1} {:>10} {:>6}",
            bin.from,
            bin.to,
            bin.tags,
            bin.time_s,
            shown(bin.mean_score, 3),
            shown(bin.right, 3),
        )?;
    }
    say!("calibration error {}", shown(calibration.error(), 3))
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
}
