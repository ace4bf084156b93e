//! What a manifest says of a classifier of joint windows.

use std::collections::BTreeMap;

use toml::Value;

use super::Sections;
use super::input::window;
use super::section::{self, Section};

/// A classifier of what a person does, from the person's joints over time.
#[derive(Clone, Debug, PartialEq)]
pub struct SkeletonSpec {
    /// The name of its input: f32 `[1, steps, joints, 3]` of x, y and whether the joint was seen, 0 or 1.
    pub input: String,
    /// Steps of a window, 1..=1024.
    pub steps: usize,
    /// Steps per second, 1..=120.
    pub rate_hz: f32,
    /// Joints of a person, 1..=64.
    pub joints: usize,
    /// The output: f32 `[1, labels]` probabilities that sum to 1.
    pub scores: String,
    /// The label that means none of the others.
    pub unknown: Option<String>,
    /// What labels are called in tags, where that is not the label.
    pub published: BTreeMap<String, String>,
    /// Labels of what people do while they move about, at any speed.
    pub moving: Vec<String>,
    /// The label of moving at a walk.
    pub walk: Option<String>,
    /// The label of moving at a run.
    pub run: Option<String>,
}

impl SkeletonSpec {
    /// The input's shape.
    pub(super) fn shape(&self) -> [usize; 4] {
        [1, self.steps, self.joints, 3]
    }

    /// `None` only when a problem has been noted.
    pub(super) fn read(sections: &mut Sections<'_>) -> Option<Self> {
        let input = sections.read("input", |section| window(section, "joints", 64));
        let output = sections.read("output", output);
        let activities = sections.read("activities", |section| Some(Activities::read(section)));
        let Activities { published, moving, walk, run } = activities.unwrap_or_default();
        let ((input, steps, rate_hz, joints), (scores, unknown)) = (input?, output?);
        Some(SkeletonSpec { input, steps, rate_hz, joints, scores, unknown, published, moving, walk, run })
    }

    /// Keys and their words that must be labels.
    pub(super) fn labels(&self) -> Vec<(&'static str, &str)> {
        let published = self.published.keys().map(|word| ("activities.published", word));
        let moving = self.moving.iter().map(|word| ("activities.moving", word));
        let gaits = self.walk.iter().chain(&self.run).map(|word| ("activities.gaits", word));
        let unknown = self.unknown.iter().map(|word| ("output.unknown", word));
        published.chain(moving).chain(gaits).chain(unknown).map(|(key, word)| (key, word.as_str())).collect()
    }
}

fn output(mut section: Section<'_>) -> Option<(String, Option<String>)> {
    section.choice("family", &[("probabilities", ())])?;
    let scores = section.required("scores", "the name of an output of the model", section::text);
    let unknown = section.optional("unknown", "a label", section::text);
    section.finish();
    Some((scores?, unknown))
}

/// The section `[activities]`.
#[derive(Default)]
struct Activities {
    published: BTreeMap<String, String>,
    moving: Vec<String>,
    walk: Option<String>,
    run: Option<String>,
}

impl Activities {
    fn read(mut section: Section<'_>) -> Self {
        let published = section.optional("published", "a table from labels to words for tags", words);
        let moving = section.optional("moving", "an array of labels", section::texts);
        let mut gaits =
            section.optional("gaits", "a table of the keys `walk` and `run`, each with a label", |value| {
                words(value).filter(|gaits| gaits.keys().all(|key| key == "walk" || key == "run"))
            });
        section.finish();
        let mut gait = |key| gaits.as_mut().and_then(|gaits| gaits.remove(key));
        let (walk, run) = (gait("walk"), gait("run"));
        Activities { published: published.unwrap_or_default(), moving: moving.unwrap_or_default(), walk, run }
    }
}

/// A table of texts.
fn words(value: &Value) -> Option<BTreeMap<String, String>> {
    value.as_table()?.iter().map(|(key, value)| Some((key.clone(), section::text(value)?))).collect()
}
