//! A straight line between two points, with a left and a right side.

use super::{Point, turn};

/// A line shorter than this has no direction.
const SHORTEST: f32 = 0.001;

/// A line from one point of the image to another. Its sides are those of somebody who walks along it:
///
/// ```text
///              left
///   from ------------------> to
///              right
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    from: Point,
    to: Point,
}

/// Two points that make no line. Reads after the name of what holds them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadSegment {
    /// An end outside the image.
    #[error("has the end {0}, which is outside the picture; x and y go from 0 to 1")]
    Outside(Point),
    /// Two ends in one place.
    #[error("has no length: it begins and ends at {0}")]
    Short(Point),
}

impl Segment {
    /// The line from `from` to `to`.
    ///
    /// # Errors
    /// When an end is outside the image, or both are in one place.
    pub fn new(from: Point, to: Point) -> Result<Self, BadSegment> {
        if let Some(&outside) = [from, to].iter().find(|end| !end.is_in_image()) {
            return Err(BadSegment::Outside(outside));
        }
        if from.distance(to) < SHORTEST {
            return Err(BadSegment::Short(from));
        }
        Ok(Segment { from, to })
    }

    /// Where it begins.
    pub fn from(&self) -> Point {
        self.from
    }

    /// Where it ends.
    pub fn to(&self) -> Point {
        self.to
    }

    /// The distance of `point` from the line, made endless, in relative units: above zero on its right side, below zero
    /// on its left.
    pub fn distance_to_right(&self, point: Point) -> f32 {
        (turn(self.from, self.to, point) / f64::from(self.from.distance(self.to))) as f32
    }

    /// Whether the way from `a` to `b`, on different sides of the line made endless, goes through it between its ends.
    pub fn is_between_ends(&self, a: Point, b: Point) -> bool {
        let (before, after) = (turn(a, b, self.from), turn(a, b, self.to));
        (before >= 0.0 && after <= 0.0) || (before <= 0.0 && after >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point((x, y): (f32, f32)) -> Point {
        Point { x, y }
    }

    fn segment(from: (f32, f32), to: (f32, f32)) -> Result<Segment, BadSegment> {
        Segment::new(point(from), point(to))
    }

    #[test]
    fn right_is_right_for_who_walks_along_it() {
        // From, to, a point, and its distance to the right.
        for (from, to, at, expected) in [
            ((0.0, 0.5), (1.0, 0.5), (0.3, 0.7), 0.2),
            ((0.0, 0.5), (1.0, 0.5), (0.3, 0.1), -0.4),
            ((1.0, 0.5), (0.0, 0.5), (0.3, 0.7), -0.2),
            // Down the picture, right is its left.
            ((0.5, 0.0), (0.5, 1.0), (0.2, 0.5), 0.3),
            ((0.5, 1.0), (0.5, 0.0), (0.2, 0.5), -0.3),
            // Beyond its ends as well.
            ((0.4, 0.5), (0.6, 0.5), (0.9, 0.6), 0.1),
        ] {
            let found = segment(from, to).unwrap().distance_to_right(point(at));
            assert!((found - expected).abs() < 1e-6, "{from:?} {to:?} {at:?}: {found}");
        }
    }

    #[test]
    fn a_way_past_an_end_does_not_go_through() {
        let line = segment((0.4, 0.5), (0.6, 0.5)).unwrap();
        for (a, b, through) in [
            ((0.5, 0.4), (0.5, 0.6), true),
            ((0.5, 0.6), (0.5, 0.4), true),
            ((0.3, 0.4), (0.3, 0.6), false),
            ((0.7, 0.6), (0.7, 0.4), false),
            ((0.3, 0.4), (0.55, 0.6), true),
            ((0.6, 0.4), (0.6, 0.6), true),
        ] {
            assert_eq!(line.is_between_ends(point(a), point(b)), through, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_line_has_a_length_inside_the_image() {
        assert_eq!(
            segment((0.5, -0.1), (0.5, 1.0)).map_err(|error| error.to_string()),
            Err("has the end [0.5, -0.1], which is outside the picture; x and y go from 0 to 1".to_owned())
        );
        assert_eq!(
            segment((0.5, 0.5), (0.5, 0.5)).map_err(|error| error.to_string()),
            Err("has no length: it begins and ends at [0.5, 0.5]".to_owned())
        );
    }
}
