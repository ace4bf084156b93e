//! `spotter eval skeleton`: how well the skeleton classifier tells activities.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value, json};
use spotter::activity::{Classify, SkeletonClassifier};
use spotter::config::Models;
use spotter::eval::skeleton::{self, CLIP_RATE_HZ, Probabilities, SkeletonScore};
use spotter::model::{Package, Runtime, SessionOptions};
use spotter::tag::{Label, ModelRef};

use crate::cli::Outcome;
use crate::cli::output::{OutputError, print, say};

/// Scores a skeleton classifier on clips of one person's joints whose activity is known.
///
/// DATA is a NumPy archive (npz) of clips at 25 frames per second. Prints accuracy, the figures of every label, the
/// expected calibration error and the confusion matrix, all of them defined below.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The clips.
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// The model package: its name, or its folder.
    #[arg(long, value_name = "NAME|FOLDER", default_value = "skeleton-tcn-jhmdb")]
    model: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let clips = skeleton::read(&arguments.data)?;
    let package = package(&arguments.model)?;
    let runtime = Runtime::load(None)?;
    let mut classifier = SkeletonClassifier::open(&package, &runtime, &SessionOptions::default())?;
    anyhow::ensure!(
        classifier.rate_hz() == CLIP_RATE_HZ,
        "the model {} takes {} joints per second; clips have {CLIP_RATE_HZ}",
        package.reference().name,
        classifier.rate_hz(),
    );
    let unknown = classifier.unknown();
    let known = classifier.labels().iter().enumerate().filter(|&(index, _)| Some(index) != unknown);
    let labels: Vec<Label> = known.map(|(_, label)| label.clone()).collect();
    let truths = skeleton::truths(&clips, &labels).with_context(|| arguments.data.display().to_string())?;
    let steps = classifier.steps();
    let answers = skeleton::answer(&clips, &truths, steps, |window| {
        classifier.classify(window).map(|scores| Probabilities::of(scores, unknown))
    })?;
    let score = SkeletonScore::of(&answers, &labels).context("there is no clip")?;
    if arguments.json {
        say!("{}", json(package.reference(), &score))?;
    } else {
        show(package.reference(), &score)?;
    }
    Ok(Outcome::Done)
}

/// A folder when the text looks like one.
fn package(model: &str) -> anyhow::Result<Package> {
    let folder = Path::new(model);
    if model.contains('/') {
        return Ok(Package::open(folder)?);
    }
    Ok(Package::find(model, &Models::default().directories)?)
}

fn json(model: &ModelRef, score: &SkeletonScore) -> Value {
    let of_class = |class: &skeleton::ClassScore| {
        let figures = json!({
            "clips": class.clips,
            "unknown": class.unknown,
            "precision": class.precision,
            "recall": class.recall,
            "f1": class.f1,
        });
        (class.label.to_string(), figures)
    };
    let labels: Vec<&str> = score.per_class.iter().map(|class| &*class.label).collect();
    json!({
        "model": { "name": model.name, "version": model.version, "sha256": model.sha256 },
        "clips": score.clips,
        "accuracy": score.accuracy,
        "accuracy_with_unknown": score.accuracy_with_unknown,
        "unknown": score.unknown,
        "ece": score.ece,
        "labels": labels,
        "per_class": score.per_class.iter().map(of_class).collect::<Map<String, Value>>(),
        "confusion": score.confusion,
    })
}

fn show(model: &ModelRef, score: &SkeletonScore) -> Result<(), OutputError> {
    say!("model                 {:>8} {}", model.name, model.version)?;
    say!("clips                 {:>8}", score.clips)?;
    for (name, figure) in [
        ("accuracy", score.accuracy),
        ("accuracy_with_unknown", score.accuracy_with_unknown),
        ("unknown", score.unknown),
        ("ece", score.ece),
    ] {
        say!("{name:<21} {figure:>8.3}")?;
    }
    let widest = score.per_class.iter().map(|class| class.label.chars().count()).max().unwrap_or(0).max(5);
    say!(
        "\n{:<widest$} {:>6} {:>8} {:>10} {:>7} {:>6}",
        "label",
        "clips",
        "unknown",
        "precision",
        "recall",
        "f1"
    )?;
    let shown = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.3}"));
    for class in &score.per_class {
        say!(
            "{:<widest$} {:>6} {:>8} {:>10} {:>7} {:>6}",
            &*class.label,
            class.clips,
            class.unknown,
            shown(class.precision),
            shown(class.recall),
            shown(class.f1),
        )?;
    }
    say!("\nconfusion: rows are the clips' labels, columns the answers")?;
    print(format_args!("{:<widest$}", ""))?;
    for class in &score.per_class {
        print(format_args!(" {:>width$}", &*class.label, width = column(&class.label)))?;
    }
    say!("")?;
    for (class, row) in score.per_class.iter().zip(&score.confusion) {
        print(format_args!("{:<widest$}", &*class.label))?;
        for (answer, &count) in score.per_class.iter().zip(row) {
            let count = if count == 0 { ".".to_owned() } else { count.to_string() };
            print(format_args!(" {count:>width$}", width = column(&answer.label)))?;
        }
        say!("")?;
    }
    Ok(())
}

/// The width of an answer's column.
fn column(label: &str) -> usize {
    label.chars().count().max(4)
}
