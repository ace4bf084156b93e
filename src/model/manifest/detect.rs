//! What a manifest says of a detector.

use toml::Value;

use super::section::{self, Section};
use super::{Input, Output, Sections};

/// A detector: the picture it takes, the boxes it gives, and what to make of them.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectSpec {
    /// The picture that the model takes.
    pub input: Input,
    /// The numbers that it gives.
    pub output: Output,
    /// The scores and the overlap to work with.
    pub thresholds: Thresholds,
    /// What the labels mean to those who follow the objects.
    pub objects: Objects,
}

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

impl DetectSpec {
    /// `None` only when a problem has been noted.
    pub(super) fn read(sections: &mut Sections<'_>) -> Option<Self> {
        let input = sections.read("input", Input::read);
        let output = sections.read("output", Output::read);
        let thresholds = sections.read("thresholds", |section| thresholds_section(section, output.as_ref()));
        let objects = sections.read("objects", |section| Some(objects_section(section)));
        Some(DetectSpec {
            input: input?,
            output: output?,
            thresholds: thresholds?,
            objects: objects.unwrap_or_default(),
        })
    }

    /// Keys and their words that must be labels.
    pub(super) fn labels(&self) -> Vec<(&'static str, &str)> {
        let Objects { reported, animate } = &self.objects;
        let lists = [("objects.reported", reported), ("objects.animate", animate)];
        lists.into_iter().flat_map(|(key, list)| list.iter().map(move |word| (key, word.as_str()))).collect()
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
    let mut labels = |key| section.optional(key, "an array of texts", section::texts).unwrap_or_default();
    let objects = Objects { reported: labels("reported"), animate: labels("animate") };
    section.finish();
    objects
}
