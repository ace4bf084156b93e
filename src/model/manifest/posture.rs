//! What a manifest says of a classifier of postures.

use super::Sections;
use super::input::window;
use super::section::{self, Section};

/// A classifier of how a person holds themselves, from their box and joints over time.
#[derive(Clone, Debug, PartialEq)]
pub struct PostureSpec {
    /// The name of its input: f32 `[1, steps, values]`; [`crate::activity::PostureWindow`] says which values.
    pub input: String,
    /// Steps of a window, 1..=1024.
    pub steps: usize,
    /// Steps per second, 1..=120.
    pub rate_hz: f32,
    /// Values of a step, 1..=1024.
    pub values: usize,
    /// The output: f32 `[1, labels]` probabilities that sum to 1.
    pub scores: String,
    /// The label of who is on their feet, of who lies, and of who falls or has just fallen.
    pub up: String,
    /// See `up`.
    pub lie: String,
    /// See `up`.
    pub fall: String,
}

impl PostureSpec {
    /// The input's shape.
    pub(super) fn shape(&self) -> [usize; 3] {
        [1, self.steps, self.values]
    }

    /// `None` only when a problem has been noted.
    pub(super) fn read(sections: &mut Sections<'_>) -> Option<Self> {
        let input = sections.read("input", |section| window(section, "values", 1024));
        let scores = sections.read("output", output);
        let roles = sections.read("postures", roles);
        let ((input, steps, rate_hz, values), scores, (up, lie, fall)) = (input?, scores?, roles?);
        Some(PostureSpec { input, steps, rate_hz, values, scores, up, lie, fall })
    }

    /// Keys and their words that must be labels.
    pub(super) fn labels(&self) -> Vec<(&'static str, &str)> {
        vec![("postures.up", &self.up), ("postures.lie", &self.lie), ("postures.fall", &self.fall)]
    }
}

fn output(mut section: Section<'_>) -> Option<String> {
    section.choice("family", &[("probabilities", ())])?;
    let scores = section.required("scores", "the name of an output of the model", section::text);
    section.finish();
    scores
}

fn roles(mut section: Section<'_>) -> Option<(String, String, String)> {
    let mut role = |key| section.required(key, "a label", section::text);
    let (up, lie, fall) = (role("up"), role("lie"), role("fall"));
    section.finish();
    Some((up?, lie?, fall?))
}
