//! The square crop around somebody that pose and clip models take.

use crate::frame::{Image, Region};
use crate::geometry::BBox;

/// The square around the middle of `bbox` whose side is `scale` times the longer side of the box, in pixels of
/// `image`. It may reach outside the image.
pub(super) fn square(image: &Image, bbox: &BBox, scale: f32) -> Region {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let center = bbox.center();
    let longer = (f64::from(bbox.w) * width).max(f64::from(bbox.h) * height);
    let side = longer * f64::from(scale);
    let (x, y) = (f64::from(center.x) * width - side / 2.0, f64::from(center.y) * height - side / 2.0);
    Region { x, y, w: side, h: side }
}
