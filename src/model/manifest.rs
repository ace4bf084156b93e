//! The manifest `model.toml`: what a package says about itself, read strictly.
//!
//! Every key is known and every value checked; all problems of a file are found in one pass. Called by
//! [`super::Package`] only. Nothing here opens a file.

mod input;
mod output;
mod section;

use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use crate::name::Name;
use section::Section;

pub use input::Input;
pub(super) use input::{Align, Channels, InputType, Layout, Resize};
pub use output::{Activation, Coordinates, CornerOrder, Output};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Objects and their boxes on a frame.
    Detect,
}

/// One thing wrong with a manifest: the key, what is there, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

/// The scores and the overlap that a detector works with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    score: f32,
    low: f32,
    nms_iou: Option<f32>,
}

/// Thresholds that make no sense together.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("score = {score} and low = {low}: both lie above 0 and up to 1, and low is at most score")]
pub struct BadThresholds {
    score: f32,
    low: f32,
}

impl Thresholds {
    /// A detection is sure from `score` on and thrown away below `low`.
    ///
    /// # Errors
    /// Unless `0 < low <= score <= 1`.
    pub fn new(score: f32, low: f32, nms_iou: Option<f32>) -> Result<Self, BadThresholds> {
        if low > 0.0 && low <= score && score <= 1.0 {
            Ok(Thresholds { score, low, nms_iou: nms_iou.map(|iou| iou.clamp(0.0, 1.0)) })
        } else {
            Err(BadThresholds { score, low })
        }
    }

    /// From this score on a detection is sure, 0..=1.
    pub fn score(&self) -> f32 {
        self.score
    }

    /// The lowest score that is handed on at all, 0..=1.
    pub fn low(&self) -> f32 {
        self.low
    }

    /// Two boxes of a class that overlap more than this are one thing, 0..=1; `None` for a model that gives every thing
    /// one box.
    pub fn nms_iou(&self) -> Option<f32> {
        self.nms_iou
    }
}

/// What the labels mean to those who follow the objects: the section `[objects]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Labels that are worth a tag unless the configuration names others; every label when empty.
    pub reported: Vec<String>,
    /// Labels of what lives: it comes and goes, so something that was never seen to move takes surer detections.
    pub animate: Vec<String>,
}

/// Where the labels are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Labels {
    /// In a file of the package, one per line.
    File(PathBuf),
    /// In the manifest.
    Inline(Vec<String>),
}

/// A manifest whose every value has been checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    pub name: String,
    pub version: String,
    pub task: Task,
    /// The `.onnx`, relative to the package.
    pub file: PathBuf,
    /// 64 lower-case hex digits.
    pub sha256: String,
    pub licence: String,
    pub source: String,
    pub labels: Labels,
    pub input: Input,
    pub output: Output,
    pub thresholds: Thresholds,
    pub objects: Objects,
}

impl Manifest {
    /// Reads the text of a `model.toml`.
    ///
    /// # Errors
    /// Every problem of the text, in the order of the file's sections.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let table = text.parse::<Table>().map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            vec![Problem(format!("line {line} is not TOML: {}", error.message().replace('\n', " ")))]
        })?;
        let mut problems = Vec::new();
        match Self::read(table, &mut problems) {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(problems),
        }
    }

    /// `None` only when a problem has been noted.
    fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut top = Section::new("", table, problems);
        let schema = top.required("schema", "1", |v| v.as_integer().filter(|&n| n == 1));
        let name = top
            .required("name", "1 to 64 characters out of A-Z a-z 0-9 _ -", |v| Name::new(v.as_str()?).ok());
        let version = top.required("version", "1 to 32 characters out of A-Z a-z 0-9 . _ + -", version);
        let task = top.choice("task", &[("detect", Task::Detect)]);
        let file = top.required("file", "the name of a file in the package", inner_path);
        let sha256 = top.required(
            "sha256",
            "the model file's SHA-256 as 64 hex digits, as sha256sum prints it",
            sha256,
        );
        let licence = top.required("licence", "a text such as \"MIT\"", section::text);
        let source = top.required("source", "a text that says where the model comes from", section::text);
        let labels = top.required(
            "labels",
            "the name of a file in the package with one label per line, or an array of texts",
            labels,
        );
        let [input, output, thresholds] = ["input", "output", "thresholds"].map(|key| top.table(key));
        let objects = top.optional("objects", "the section [objects]", |value| value.as_table().cloned());
        top.finish();

        let input = input.and_then(|table| Input::read(Section::new("input", table, problems)));
        let output = output.and_then(|table| Output::read(Section::new("output", table, problems)));
        let thresholds = thresholds.and_then(|table| {
            thresholds_section(Section::new("thresholds", table, problems), output.as_ref())
        });
        let objects = objects.map(|table| objects_section(Section::new("objects", table, problems)));
        schema?;
        Some(Manifest {
            name: name?.as_str().to_owned(),
            version: version?,
            task: task?,
            file: file?,
            sha256: sha256?,
            licence: licence?,
            source: source?,
            labels: labels?,
            input: input?,
            output: output?,
            thresholds: thresholds?,
            objects: objects.unwrap_or_default(),
        })
    }
}

fn thresholds_section(mut section: Section<'_>, output: Option<&Output>) -> Option<Thresholds> {
    let share = |v: &Value| section::number(v).filter(|n| (0.0..=1.0).contains(n));
    let score = section.required("score", "a number above 0 and up to 1", share);
    let low = section.required("low", "a number above 0 and up to `score`", share);
    let overlap = "a number from 0 to 1";
    let nms_iou = match output {
        Some(output) if output.needs_nms() => section.required("nms_iou", overlap, share),
        _ => section.optional("nms_iou", overlap, share),
    };
    let thresholds = match (score, low) {
        (Some(score), Some(low)) => match Thresholds::new(score, low, nms_iou) {
            Ok(thresholds) => Some(thresholds),
            Err(bad) => {
                section.problem(format!("`thresholds`: {bad}"));
                None
            }
        },
        _ => None,
    };
    section.finish();
    thresholds
}

fn objects_section(mut section: Section<'_>) -> Objects {
    let mut labels = |key| section.optional(key, "an array of texts", texts).unwrap_or_default();
    let objects = Objects { reported: labels("reported"), animate: labels("animate") };
    section.finish();
    objects
}

fn version(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let fits = (1..=32).contains(&text.len());
    let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
    (fits && safe).then(|| text.to_owned())
}

fn sha256(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| text.to_ascii_lowercase())
}

/// A relative path that stays inside the package.
fn inner_path(value: &Value) -> Option<PathBuf> {
    let path = Path::new(value.as_str()?);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    (inside && path.file_name().is_some()).then(|| path.to_owned())
}

fn labels(value: &Value) -> Option<Labels> {
    match value {
        Value::Array(_) => texts(value).map(Labels::Inline),
        _ => inner_path(value).map(Labels::File),
    }
}

/// Texts, at least one.
fn texts(value: &Value) -> Option<Vec<String>> {
    let texts: Option<Vec<String>> = value.as_array()?.iter().map(section::text).collect();
    texts.filter(|texts| !texts.is_empty())
}

#[cfg(test)]
mod tests;
