//! A polygon in the image: where a zone is.

use std::fmt;

use super::{Point, turn};

/// A point that is so close to an edge lies on it.
const ON_EDGE: f64 = 1e-6;
/// A polygon with less area than this is a line: a pixel of a 4K picture is a tenth of it.
const LEAST_AREA: f64 = 1e-6;

/// A simple polygon inside the image: 3 to 64 corners, edges that do not meet, an area. It closes by itself.
#[derive(Clone, PartialEq)]
pub struct Polygon(Vec<Point>);

/// Corners that make no such polygon. Reads after the name of what holds them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadPolygon {
    /// Too few or too many corners.
    #[error("has {0} corners; it must have 3 to 64")]
    Corners(usize),
    /// A corner outside the image.
    #[error("has the corner {0}, which is outside the picture; x and y go from 0 to 1")]
    Outside(Point),
    /// A corner that is there twice.
    #[error("has the corner {0} twice; the last corner is joined to the first by itself")]
    Twice(Point),
    /// Two edges that meet where no corner is.
    #[error("crosses itself: the edge from {0} meets the one from {1}")]
    Crossing(Point, Point),
    /// All corners on a line.
    #[error("has no area: its corners lie on a line")]
    Flat,
}

impl Polygon {
    /// Checks and keeps `corners`, in either direction.
    ///
    /// # Errors
    /// When they make no simple polygon inside the image.
    pub fn new(corners: Vec<Point>) -> Result<Self, BadPolygon> {
        if !(3..=64).contains(&corners.len()) {
            return Err(BadPolygon::Corners(corners.len()));
        }
        if let Some(&outside) = corners.iter().find(|corner| !corner.is_in_image()) {
            return Err(BadPolygon::Outside(outside));
        }
        for (index, corner) in corners.iter().enumerate() {
            if corners[..index].contains(corner) {
                return Err(BadPolygon::Twice(*corner));
            }
        }
        let polygon = Polygon(corners);
        let origin = polygon.0[0];
        let doubled: f64 = polygon.edges().map(|(from, to)| turn(origin, from, to)).sum();
        if polygon.0.iter().all(|&corner| turn(origin, polygon.0[1], corner).abs() < LEAST_AREA) {
            return Err(BadPolygon::Flat);
        }
        if let Some((one, other)) = polygon.crossing() {
            return Err(BadPolygon::Crossing(one, other));
        }
        if doubled.abs() / 2.0 < LEAST_AREA { Err(BadPolygon::Flat) } else { Ok(polygon) }
    }

    /// The corners.
    pub fn corners(&self) -> &[Point] {
        &self.0
    }

    /// Whether `point` is inside or on an edge.
    pub fn contains(&self, point: Point) -> bool {
        let mut inside = false;
        for (from, to) in self.edges() {
            if distance(point, from, to) <= ON_EDGE {
                return true;
            }
            // Counts the edges that a ray to the right meets; a corner belongs to one of its edges only.
            if (from.y > point.y) != (to.y > point.y) {
                let is_right_of_point = (turn(from, to, point) > 0.0) == (to.y > from.y);
                inside ^= is_right_of_point;
            }
        }
        inside
    }

    /// The distance of `point` from the nearest edge, in relative units.
    pub fn distance(&self, point: Point) -> f32 {
        self.edges().map(|(from, to)| distance(point, from, to)).fold(f64::INFINITY, f64::min) as f32
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> + Clone {
        self.0.iter().copied().zip(self.0.iter().copied().cycle().skip(1))
    }

    /// The beginnings of the first two edges that meet elsewhere than in the corner that joins them.
    fn crossing(&self) -> Option<(Point, Point)> {
        let edges: Vec<_> = self.edges().collect();
        let last = edges.len() - 1;
        for (index, &(a, b)) in edges.iter().enumerate() {
            for (other, &(c, d)) in edges.iter().enumerate().skip(index + 1) {
                let meet = if other == index + 1 {
                    folds(a, b, d)
                } else if index == 0 && other == last {
                    folds(c, a, b)
                } else {
                    meet((a, b), (c, d))
                };
                if meet {
                    return Some((a, c));
                }
            }
        }
        None
    }
}

impl fmt::Debug for Polygon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|corner| (corner.x, corner.y))).finish()
    }
}

/// Whether the way over `a`, `b` and `c` goes back on itself at `b`.
fn folds(a: Point, b: Point, c: Point) -> bool {
    let ahead = f64::from(b.x - a.x) * f64::from(c.x - b.x) + f64::from(b.y - a.y) * f64::from(c.y - b.y);
    turn(a, b, c) == 0.0 && ahead < 0.0
}

/// Whether two edges have a point in common.
fn meet((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let sides = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
    let apart = |one: f64, other: f64| (one > 0.0) == (other > 0.0) && one != 0.0 && other != 0.0;
    if sides == [0.0; 4] {
        return [c, d].iter().any(|&point| distance(point, a, b) == 0.0) || distance(a, c, d) == 0.0;
    }
    !apart(sides[0], sides[1]) && !apart(sides[2], sides[3])
}

/// The distance of `point` from the nearest point between `from` and `to`.
fn distance(point: Point, from: Point, to: Point) -> f64 {
    let [px, py] = [f64::from(point.x) - f64::from(from.x), f64::from(point.y) - f64::from(from.y)];
    let [ux, uy] = [f64::from(to.x) - f64::from(from.x), f64::from(to.y) - f64::from(from.y)];
    let share = ((px * ux + py * uy) / (ux * ux + uy * uy)).clamp(0.0, 1.0);
    (px - share * ux).hypot(py - share * uy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(corners: &[(f32, f32)]) -> Vec<Point> {
        corners.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    /// The corners, and what is said of them.
    type Case<'a> = (&'a [(f32, f32)], Option<&'a str>);

    #[test]
    fn polygons_are_simple_and_inside_the_image() {
        let cases: &[Case<'_>] = &[
            (&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)], None),
            (&[(0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)], None),
            // A corner in the middle of a side is none that matters.
            (&[(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 1.0)], None),
            (&[(0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 1.0)], None),
            (&[(0.0, 0.0), (1.0, 0.0)], Some("has 2 corners; it must have 3 to 64")),
            (
                &[(0.0, 0.0), (1.5, 0.0), (1.0, 1.0)],
                Some("has the corner [1.5, 0], which is outside the picture; x and y go from 0 to 1"),
            ),
            (
                &[(0.0, 0.0), (1.0, f32::NAN), (1.0, 1.0)],
                Some("has the corner [1, NaN], which is outside the picture; x and y go from 0 to 1"),
            ),
            (
                &[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)],
                Some("has the corner [0, 0] twice; the last corner is joined to the first by itself"),
            ),
            (
                &[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)],
                Some("crosses itself: the edge from [0, 0] meets the one from [1, 0]"),
            ),
            // A corner on another edge, and a side that goes back on itself.
            (
                &[(0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.0, 1.0)],
                Some("crosses itself: the edge from [0, 0] meets the one from [0.5, 0.5]"),
            ),
            (
                &[(0.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.5, 1.0)],
                Some("crosses itself: the edge from [0, 0] meets the one from [1, 0]"),
            ),
            (&[(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)], Some("has no area: its corners lie on a line")),
            (&[(0.1, 0.1), (0.1001, 0.1), (0.1, 0.1001)], Some("has no area: its corners lie on a line")),
        ];
        for (corners, said) in cases {
            let found = Polygon::new(points(corners)).err().map(|error| error.to_string());
            assert_eq!(found.as_deref(), *said, "{corners:?}");
        }
        assert_eq!(Polygon::new(vec![Point::default(); 65]), Err(BadPolygon::Corners(65)));
    }

    #[test]
    fn edges_belong_to_the_inside_and_bays_do_not() {
        let bay = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.5), (0.1, 0.9)];
        let bay = Polygon::new(points(&bay)).unwrap();
        for (x, y, inside) in [
            (0.5, 0.3, true),
            (0.2, 0.7, true),
            (0.8, 0.7, true),
            (0.5, 0.7, false),
            (0.1, 0.1, true),
            (0.5, 0.1, true),
            (0.9, 0.5, true),
            (0.7, 0.7, true),
            // Level with a corner.
            (0.05, 0.5, false),
            (0.3, 0.5, true),
            (0.95, 0.9, false),
            (0.5, 0.05, false),
        ] {
            assert_eq!(bay.contains(Point { x, y }), inside, "({x}, {y})");
        }
        let whole = Polygon::new(points(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])).unwrap();
        assert!(whole.contains(Point { x: 0.3, y: 1.0 }), "a foot at the lower edge of the picture");
    }

    proptest! {
        /// Corners around a middle at growing angles make a simple polygon with the middle inside, in either direction.
        #[test]
        fn a_star_holds_its_middle(radii in prop::collection::vec(0.1f32..0.5, 5..20), reversed: bool) {
            let step = std::f32::consts::TAU / radii.len() as f32;
            let mut corners: Vec<Point> = radii
                .iter()
                .enumerate()
                .map(|(index, radius)| {
                    let (sine, cosine) = (index as f32 * step).sin_cos();
                    Point { x: 0.5 + radius * cosine, y: 0.5 + radius * sine }
                })
                .collect();
            if reversed {
                corners.reverse();
            }
            let star = Polygon::new(corners).unwrap();
            let middle = Point { x: 0.5, y: 0.5 };
            prop_assert!(star.contains(middle));
            let outside = Point { x: 0.005, y: 0.005 };
            prop_assert!(!star.contains(outside));
        }
    }
}
