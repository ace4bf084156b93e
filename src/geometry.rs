//! Boxes and points in relative image coordinates: 0..1, origin top left, x to the right, y down.
//!
//! A leaf that every stage uses. Relative coordinates keep tags, zones and tracks independent of a camera's
//! resolution; pixels exist only in [`crate::frame`] and in a model's input.

mod orientation;
mod polygon;
mod segment;

pub use orientation::Orientation;
pub use polygon::{BadPolygon, Polygon};
pub use segment::{BadSegment, Segment};

/// A point, relative to the image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Distance from the left edge, in image widths.
    pub x: f32,
    /// Distance from the top edge, in image heights.
    pub y: f32,
}

impl Point {
    /// Euclidean distance in relative units (an image that is not square stretches it).
    pub fn distance(self, other: Point) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// Whether it is in the image, its edges included.
    pub fn is_in_image(self) -> bool {
        (0.0..=1.0).contains(&self.x) && (0.0..=1.0).contains(&self.y)
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {}]", self.x, self.y)
    }
}

/// On which side of the way from `a` to `b` the point `c` lies: above zero on its right, as y goes down. The value is
/// twice the area of the triangle.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    let along =
        |from: Point, to: Point| (f64::from(to.x) - f64::from(from.x), f64::from(to.y) - f64::from(from.y));
    let ((ux, uy), (vx, vy)) = (along(a, b), along(a, c));
    ux * vy - uy * vx
}

/// An axis-aligned box, relative to the image. Width and height are never negative; a box may reach outside 0..1
/// until [`BBox::clipped`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BBox {
    /// Left edge, in image widths.
    pub x: f32,
    /// Top edge, in image heights.
    pub y: f32,
    /// Width, in image widths.
    pub w: f32,
    /// Height, in image heights.
    pub h: f32,
}

impl BBox {
    /// The whole image.
    pub const WHOLE: BBox = BBox { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };

    /// A box from two opposite corners, in any order.
    pub fn from_corners(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        BBox { x: x1.min(x2), y: y1.min(y2), w: (x2 - x1).abs(), h: (y2 - y1).abs() }
    }

    /// A box from its centre and size; a negative size counts as zero.
    pub fn from_center(cx: f32, cy: f32, w: f32, h: f32) -> Self {
        let (w, h) = (w.max(0.0), h.max(0.0));
        BBox { x: cx - w / 2.0, y: cy - h / 2.0, w, h }
    }

    /// Right edge.
    pub fn right(&self) -> f32 {
        self.x + self.w
    }

    /// Bottom edge.
    pub fn bottom(&self) -> f32 {
        self.y + self.h
    }

    /// The middle of the box.
    pub fn center(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Where the thing in the box touches the ground: the middle of the bottom edge.
    pub fn foot(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.bottom() }
    }

    /// Area in relative units.
    pub fn area(&self) -> f32 {
        self.w * self.h
    }

    /// Area shared with `other`; zero when they only touch.
    pub fn intersection(&self, other: &BBox) -> f32 {
        let w = self.right().min(other.right()) - self.x.max(other.x);
        let h = self.bottom().min(other.bottom()) - self.y.max(other.y);
        if w > 0.0 && h > 0.0 { w * h } else { 0.0 }
    }

    /// Intersection over union, 0..=1; zero for two boxes without area.
    pub fn iou(&self, other: &BBox) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { (shared / union).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The part inside the image.
    pub fn clipped(&self) -> BBox {
        let (x1, y1) = (self.x.clamp(0.0, 1.0), self.y.clamp(0.0, 1.0));
        let (x2, y2) = (self.right().clamp(0.0, 1.0), self.bottom().clamp(0.0, 1.0));
        BBox::from_corners(x1, y1, x2, y2)
    }

    /// Whether all four numbers are finite.
    pub fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.w.is_finite() && self.h.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxes() -> impl Strategy<Value = BBox> {
        (-0.5f32..1.5, -0.5f32..1.5, 0.0f32..1.0, 0.0f32..1.0).prop_map(|(x, y, w, h)| BBox { x, y, w, h })
    }

    #[test]
    fn iou_of_known_boxes() {
        let unit = BBox::WHOLE;
        let cases = [
            (unit, unit, 1.0),
            (unit, BBox { x: 0.5, ..unit }, 1.0 / 3.0),
            (unit, BBox { x: 1.0, ..unit }, 0.0),
            (unit, BBox { x: 0.25, y: 0.25, w: 0.5, h: 0.5 }, 0.25),
            (BBox::default(), BBox::default(), 0.0),
        ];
        for (a, b, expected) in cases {
            assert!((a.iou(&b) - expected).abs() < 1e-6, "{a:?} {b:?}");
        }
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in boxes(), b in boxes()) {
            prop_assert_eq!(a.iou(&b), b.iou(&a));
            prop_assert!((0.0..=1.0).contains(&a.iou(&b)));
        }

        #[test]
        fn clipping_stays_inside_and_is_idempotent(a in boxes()) {
            let c = a.clipped();
            prop_assert!(c.x >= 0.0 && c.y >= 0.0 && c.right() <= 1.0 + 1e-6 && c.bottom() <= 1.0 + 1e-6);
            prop_assert!((c.clipped().area() - c.area()).abs() < 1e-6);
            prop_assert!(c.area() <= a.area() + 1e-6);
        }

        #[test]
        fn a_box_survives_its_centre_form(a in boxes()) {
            let c = a.center();
            let b = BBox::from_center(c.x, c.y, a.w, a.h);
            prop_assert!((a.x - b.x).abs() < 1e-5 && (a.y - b.y).abs() < 1e-5);
        }
    }
}
