//! What a manifest says of a pose model.

use super::output::COORDINATES;
use super::section::{self, Section};
use super::{Coordinates, Input, Sections};

/// A pose model: one person's keypoints in COCO's order, from a square crop around the person.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseSpec {
    /// The picture that the model takes.
    pub input: Input,
    /// The output: f32 `[1, 1, 17, 3]` or `[1, 17, 3]`, two coordinates and a score.
    pub keypoints: String,
    /// The order of the two coordinates.
    pub order: PointOrder,
    /// What they are measured in.
    pub coordinates: Coordinates,
    /// From this score on a joint counts as seen, 0..=1.
    pub score: f32,
    /// The side of the crop in longer sides of the box, 1..=4.
    pub scale: f32,
    /// Labels of the detector for what has a pose; at least one.
    pub of: Vec<String>,
}

/// The order of a point's coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointOrder {
    /// Across, then down.
    Xy,
    /// Down, then across.
    Yx,
}

impl PoseSpec {
    /// `None` only when a problem has been noted.
    pub(super) fn read(sections: &mut Sections<'_>) -> Option<Self> {
        let input = sections.read("input", Input::read);
        let output = sections.read("output", output);
        let score = sections.read("thresholds", |mut section| {
            let score = section.required("score", "a number from 0 to 1", section::within(0.0..=1.0));
            section.finish();
            score
        });
        let crop = sections.read("crop", |mut section| {
            let (scale, of) = (scale(&mut section), people(&mut section));
            section.finish();
            scale.zip(of)
        });
        let ((keypoints, order, coordinates), (scale, of)) = (output?, crop?);
        Some(PoseSpec { input: input?, keypoints, order, coordinates, score: score?, scale, of })
    }
}

fn output(mut section: Section<'_>) -> Option<(String, PointOrder, Coordinates)> {
    section.choice("family", &[("keypoints", ())])?;
    let keypoints = section.required("keypoints", "the name of an output of the model", section::text);
    let order = section.choice("order", &[("yx", PointOrder::Yx), ("xy", PointOrder::Xy)]);
    let [pixels, normalised] = COORDINATES;
    let coordinates = section.choice_or_first("coordinates", &[normalised, pixels]);
    section.finish();
    Some((keypoints?, order?, coordinates?))
}

/// The key `scale` of a crop around somebody.
pub(super) fn scale(section: &mut Section<'_>) -> Option<f32> {
    section.required("scale", "a number from 1 to 4, in longer sides of the box", section::within(1.0..=4.0))
}

/// The key `of`, whose default is a person; `None` only when a problem has been noted.
pub(super) fn people(section: &mut Section<'_>) -> Option<Vec<String>> {
    section.optional_or("of", vec!["person".to_owned()], "an array of labels of the detector", section::texts)
}
