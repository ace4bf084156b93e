//! `[[camera.zone]]` and `[[camera.line]]`: places in the picture.

use std::collections::BTreeSet;
use std::time::Duration;

use super::read::Section;
use crate::geometry::{Point, Polygon, Segment};
use crate::name::Name;

/// A part of the picture that things are inside of or not, by their foot points.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its name: unique among the camera's zones and lines.
    pub name: Name,
    /// Where it is.
    pub polygon: Polygon,
    /// Only these labels; those of the camera's objects when absent.
    pub labels: Option<Vec<String>>,
    /// A thing must have been inside for so long before that is told.
    pub min_dwell: Duration,
}

/// A line that things cross, by their foot points.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name: unique among the camera's zones and lines.
    pub name: Name,
    /// Where it is.
    pub segment: Segment,
    /// Only these labels; those of the camera's objects when absent.
    pub labels: Option<Vec<String>>,
}

impl Zone {
    /// The shortest stay that is told of unless the zone says otherwise.
    pub const MIN_DWELL: Duration = Duration::from_secs(1);
}

/// Reads a camera's zones and lines. `seen` are the labels that the camera's objects
/// are limited to, if they are.
pub(super) fn read(section: &mut Section<'_, '_, '_>, seen: Option<&[String]>) -> (Vec<Zone>, Vec<Line>) {
    let mut names = BTreeSet::new();
    let zones = section.each("zone", |section| {
        let name = name(section, &mut names);
        let polygon = polygon(section);
        let labels = labels(section, seen);
        let min_dwell =
            section.number("min_dwell_s", 0.0..=3600.0).map_or(Zone::MIN_DWELL, Duration::from_secs_f64);
        Some(Zone { name: name?, polygon: polygon?, labels, min_dwell })
    });
    let lines = section.each("line", |section| {
        let name = name(section, &mut names);
        let mut end = |key| {
            let end = section.point(key);
            require(section, key, "give one end of the line, such as [0.2, 0.6]");
            end.map(point)
        };
        let (from, to) = (end("from"), end("to"));
        let segment = from.zip(to).and_then(|(from, to)| match Segment::new(from, to) {
            Ok(segment) => Some(segment),
            Err(error) => {
                section.problem(if from.is_in_image() { "to" } else { "from" }, error.to_string());
                None
            }
        });
        let labels = labels(section, seen);
        Some(Line { name: name?, segment: segment?, labels })
    });
    (zones, lines)
}

/// The value of `polygon`, which must be there.
pub(super) fn polygon(section: &mut Section<'_, '_, '_>) -> Option<Polygon> {
    require(section, "polygon", "give its corners, such as [[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]");
    let corners = section.points("polygon")?;
    let polygon = Polygon::new(corners.into_iter().map(point).collect());
    polygon.map_err(|error| section.problem("polygon", error.to_string())).ok()
}

fn name(section: &mut Section<'_, '_, '_>, names: &mut BTreeSet<Name>) -> Option<Name> {
    let name = section.parsed("name", Name::new);
    require(section, "name", "every zone and line needs one of its own");
    let name = name?;
    if !names.insert(name.clone()) {
        section.problem("name", format!("is \"{name}\", which another zone or line of this camera has"));
    }
    Some(name)
}

fn labels(section: &mut Section<'_, '_, '_>, seen: Option<&[String]>) -> Option<Vec<String>> {
    let labels = section.strings("labels")?;
    if labels.is_empty() {
        section.problem(
            "labels",
            "is an empty list, so nothing would ever be reported; leave it out for every label",
        );
    }
    if let Some(seen) = seen
        && let Some(unseen) = labels.iter().find(|label| !seen.contains(label))
    {
        let seen = seen.join(", ");
        section
            .problem("labels", format!("has \"{unseen}\", which objects.labels leaves out; it has: {seen}"));
    }
    Some(labels)
}

fn require(section: &mut Section<'_, '_, '_>, key: &'static str, what: &str) {
    if !section.has(key) {
        section.problem(key, format!("is missing; {what}"));
    }
}

fn point([x, y]: [f64; 2]) -> Point {
    Point { x: x as f32, y: y as f32 }
}
