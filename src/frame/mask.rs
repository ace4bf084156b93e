//! Privacy masks: polygons whose pixels are black before anything else sees a frame.
//!
//! [`crate::capture`] applies them to every frame that it hands out, so that models and snapshots get the same.

use std::ops::Range;
use std::sync::Arc;

use super::{Image, PixelFormat};
use crate::geometry::{Orientation, Point, Polygon};

/// Black of luma in limited and full range, and colourless chroma.
const BLACK: (u8, u8) = (16, 0);
const COLOURLESS: u8 = 128;

/// Polygons that are blacked out.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    polygons: Vec<Polygon>,
    /// The spans for the size and orientation that came last.
    spans: Option<(Stored, Arc<Spans>)>,
}

/// Width and height of a picture as it is stored, and how it is shown.
type Stored = ((u32, u32), Orientation);

/// For each row of a picture as it is stored the columns that are covered.
type Spans = Vec<Vec<Range<usize>>>;

impl Mask {
    /// Blacks out every pixel that one of `polygons` touches.
    pub fn new(polygons: Vec<Polygon>) -> Self {
        Mask { polygons, spans: None }
    }

    /// `image` with the polygons black, in bytes of its own: a decoder still needs those that it gave. Without polygons
    /// it is the same image.
    pub fn apply(&mut self, image: Image) -> Image {
        if self.polygons.is_empty() {
            return image;
        }
        let spans = self.spans((image.stored, image.orientation));
        let luma = if image.colorimetry.full_range { BLACK.1 } else { BLACK.0 };
        let planes: Vec<Vec<u8>> = (0..image.format.planes())
            .map(|index| {
                let plane = image.plane(index);
                let length = plane.stride * (plane.rows - 1) + plane.samples * plane.bytes;
                let mut bytes = plane.data[..length].to_vec();
                let (across, down) = subsampling(image.format, index);
                let black = if index == 0 { luma } else { COLOURLESS };
                for (y, row) in spans.iter().enumerate() {
                    let begin = y / down * plane.stride;
                    for span in row {
                        // Every chroma sample of a covered pixel.
                        let from = span.start / across * plane.bytes;
                        let to = span.end.div_ceil(across) * plane.bytes;
                        bytes[begin + from..begin + to].fill(black);
                    }
                }
                bytes
            })
            .collect();
        Image { planes: Arc::new(planes), ..image }
    }

    fn spans(&mut self, stored: Stored) -> Arc<Spans> {
        if let Some((of, spans)) = &self.spans
            && *of == stored
        {
            return Arc::clone(spans);
        }
        let ((width, height), orientation) = stored;
        let mut spans = vec![Vec::new(); height as usize];
        for polygon in &self.polygons {
            let corners: Vec<Point> =
                polygon.corners().iter().map(|&corner| orientation.stored(corner)).collect();
            cover(&corners, (width as usize, height as usize), &mut spans);
        }
        let spans = Arc::new(spans);
        self.spans = Some((stored, Arc::clone(&spans)));
        spans
    }
}

/// How many pixels across and down share a sample of plane `index`.
fn subsampling(format: PixelFormat, index: usize) -> (usize, usize) {
    match (format, index) {
        (_, 0) | (PixelFormat::Y444 | PixelFormat::Gray8, _) => (1, 1),
        (PixelFormat::I420 | PixelFormat::Nv12, _) => (2, 2),
        (PixelFormat::Y42b, _) => (2, 1),
    }
}

/// Adds the spans of every pixel that a polygon with these corners touches. Such a pixel is met by an edge, or lies inside whole, and then its
/// middle does.
fn cover(corners: &[Point], (width, height): (usize, usize), spans: &mut Spans) {
    let corners: Vec<(f64, f64)> = corners
        .iter()
        .map(|corner| (f64::from(corner.x) * width as f64, f64::from(corner.y) * height as f64))
        .collect();
    let edges = || corners.iter().zip(corners.iter().cycle().skip(1)).map(|(&from, &to)| (from, to));
    let span = |from: f64, to: f64| {
        let from = from.floor().clamp(0.0, width as f64) as usize;
        // A pixel that is met at its border only counts as met.
        from..((to.floor() + 1.0).clamp(0.0, width as f64) as usize)
    };
    for (y, row) in spans.iter_mut().enumerate() {
        let (top, bottom) = (y as f64, (y + 1) as f64);
        for ((x0, y0), (x1, y1)) in edges() {
            if y0.max(y1) < top || y0.min(y1) > bottom {
                continue;
            }
            let x_at = |y: f64| if y0 == y1 { x0 } else { x0 + (y - y0) / (y1 - y0) * (x1 - x0) };
            let (a, b) =
                if y0 == y1 { (x0, x1) } else { (x_at(y0.clamp(top, bottom)), x_at(y1.clamp(top, bottom))) };
            row.push(span(a.min(b), a.max(b)));
        }
        let middle = (top + bottom) / 2.0;
        let mut crossings: Vec<f64> = edges()
            .filter(|((_, y0), (_, y1))| (*y0 > middle) != (*y1 > middle))
            .map(|((x0, y0), (x1, y1))| x0 + (middle - y0) / (y1 - y0) * (x1 - x0))
            .collect();
        crossings.sort_by(f64::total_cmp);
        row.extend(crossings.chunks_exact(2).map(|pair| span(pair[0], pair[1])));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Colorimetry, ColourMatrix};
    use crate::geometry::Point;

    fn polygon(corners: &[(f32, f32)]) -> Polygon {
        Polygon::new(corners.iter().map(|&(x, y)| Point { x, y }).collect()).unwrap()
    }

    fn image(format: PixelFormat, (width, height): (u32, u32), full_range: bool) -> Image {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt709, full_range };
        let mut strides = [0; 3];
        let planes: Vec<Vec<u8>> = (0..format.planes())
            .map(|index| {
                let (samples, rows, bytes) = format.plane_shape(index, width as usize, height as usize);
                strides[index] = samples * bytes + 5;
                vec![200; strides[index] * rows]
            })
            .collect();
        Image::new(format, (width, height), colorimetry, strides, Arc::new(planes)).unwrap()
    }

    /// Whether all samples of the pixel are black, and whether none is.
    fn black(image: &Image, x: usize, y: usize) -> (bool, bool) {
        let luma = if image.colorimetry.full_range { 0 } else { 16 };
        let samples: Vec<bool> = (0..image.format.planes())
            .flat_map(|index| {
                let plane = image.plane(index);
                let (across, down) = subsampling(image.format, index);
                let at = y / down * plane.stride + x / across * plane.bytes;
                let expected = if index == 0 { luma } else { 128 };
                (0..plane.bytes).map(move |byte| plane.data[at + byte] == expected).collect::<Vec<_>>()
            })
            .collect();
        (samples.iter().all(|&black| black), !samples.iter().any(|&black| black))
    }

    #[test]
    fn what_is_inside_is_black_in_every_layout_and_what_is_outside_is_as_it_was() {
        for format in PixelFormat::ALL {
            for (size, full_range) in [((64, 48), false), ((63, 47), true)] {
                // A triangle and a rectangle that reaches the corner of the picture.
                let shapes = [
                    polygon(&[(0.1, 0.1), (0.5, 0.1), (0.1, 0.7)]),
                    polygon(&[(0.75, 0.75), (1.0, 0.75), (1.0, 1.0), (0.75, 1.0)]),
                ];
                let masked = Mask::new(shapes.to_vec()).apply(image(format, size, full_range));
                let (width, height) = (size.0 as usize, size.1 as usize);
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let middle =
                        Point { x: (x as f32 + 0.5) / width as f32, y: (y as f32 + 0.5) / height as f32 };
                    let (all, none) = black(&masked, x, y);
                    let inside = shapes.iter().any(|shape| shape.contains(middle));
                    assert!(all || !inside, "{format:?} {size:?}: ({x}, {y}) can be seen");
                    let near = (-3..=3).flat_map(|dy| (-3..=3).map(move |dx| (dx as f32, dy as f32)));
                    let is_far = near.into_iter().all(|(dx, dy)| {
                        let point =
                            Point { x: middle.x + dx / width as f32, y: middle.y + dy / height as f32 };
                        !shapes.iter().any(|shape| shape.contains(point))
                    });
                    assert!(none || !is_far, "{format:?} {size:?}: ({x}, {y}) is black for no reason");
                }
            }
        }
    }

    #[test]
    fn a_turned_picture_is_black_where_it_is_shown_so() {
        // The top left corner as it is shown.
        let corner = polygon(&[(0.0, 0.0), (0.25, 0.0), (0.25, 0.25), (0.0, 0.25)]);
        let mut mask = Mask::new(vec![corner]);
        for orientation in (1..=8).filter_map(Orientation::of_exif) {
            let masked = mask.apply(image(PixelFormat::I420, (64, 48), true).shown_as(orientation, 2.0));
            let (width, height) = (masked.width() as usize, masked.height() as usize);
            let rgb = masked.to_rgb();
            let green = |x: usize, y: usize| rgb[3 * (y * width + x) + 1];
            let found =
                [green(4, 4), green(width - 5, 4), green(4, height - 5), green(width - 5, height - 5)];
            assert!(
                found[0] == 0 && found[1..].iter().all(|&green| green > 50),
                "{orientation:?}: {found:?}"
            );
        }
    }

    #[test]
    fn another_size_gets_its_own_spans() {
        let mut mask = Mask::new(vec![polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])]);
        for size in [(16, 16), (40, 8), (7, 9)] {
            let masked = mask.apply(image(PixelFormat::I420, size, false));
            let pixels = (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x as usize, y as usize)));
            assert!(pixels.into_iter().all(|(x, y)| black(&masked, x, y).0), "{size:?}");
        }
    }

    proptest! {
        /// A hair-thin sliver hides every pixel that it touches.
        #[test]
        fn every_pixel_that_is_touched_is_black(
            ax in 0.0f32..1.0, ay in 0.0f32..1.0, bx in 0.0f32..1.0, by in 0.0f32..1.0, t in 0.01f32..0.99,
        ) {
            let sliver = Polygon::new(vec![
                Point { x: ax, y: ay }, Point { x: bx, y: by }, Point { x: (ax + 0.01).min(1.0), y: ay },
            ]);
            if let Ok(sliver) = sliver {
                let masked = Mask::new(vec![sliver]).apply(image(PixelFormat::Gray8, (50, 40), false));
                let (x, y) = (ax + t * (bx - ax), ay + t * (by - ay));
                let pixel = (((x * 50.0) as usize).min(49), ((y * 40.0) as usize).min(39));
                prop_assert!(black(&masked, pixel.0, pixel.1).0, "{pixel:?}");
            }
        }
    }
}
