//! Pictures for people: a frame with its tracks, joints and activities drawn on it.
//!
//! `replay --picture` writes them, and [`jpeg`] gives a frame as it is. Nothing here is on the way from frame to tag.

use std::convert::Infallible;
use std::fs::File;
use std::path::Path;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_7X14_BOLD;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, Line, Polyline, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ExtendedColorType, ImageFormat, RgbImage};

use crate::activity::{Body, Joint, Pose, Position};
use crate::frame::{Frame, Image};
use crate::geometry;
use crate::name::Name;
use crate::tag::Label;
use crate::track::Track;

/// Colours that stay apart on grey footage, one per track in turn.
const COLOURS: [Rgb888; 8] = [
    Rgb888::new(0xff, 0xc1, 0x07),
    Rgb888::new(0x4f, 0xc3, 0xf7),
    Rgb888::new(0x9c, 0xcc, 0x65),
    Rgb888::new(0xff, 0x8a, 0x65),
    Rgb888::new(0xce, 0x93, 0xd8),
    Rgb888::new(0x4d, 0xd0, 0xe1),
    Rgb888::new(0xf0, 0x62, 0x92),
    Rgb888::new(0xff, 0xf1, 0x76),
];
const FONT: embedded_graphics::mono_font::MonoFont<'_> = FONT_7X14_BOLD;

/// Joints that a line joins. The neck is a line of its own, from the nose to the middle of the shoulders.
const LIMBS: [(Joint, Joint); 12] = [
    (Joint::LeftShoulder, Joint::RightShoulder),
    (Joint::LeftShoulder, Joint::LeftElbow),
    (Joint::LeftElbow, Joint::LeftWrist),
    (Joint::RightShoulder, Joint::RightElbow),
    (Joint::RightElbow, Joint::RightWrist),
    (Joint::LeftShoulder, Joint::LeftHip),
    (Joint::RightShoulder, Joint::RightHip),
    (Joint::LeftHip, Joint::RightHip),
    (Joint::LeftHip, Joint::LeftKnee),
    (Joint::LeftKnee, Joint::LeftAnkle),
    (Joint::RightHip, Joint::RightKnee),
    (Joint::RightKnee, Joint::RightAnkle),
];
/// A picture that is smaller in pixels is of no use to anybody.
const SMALLEST: u32 = 32;
/// Whoever is higher than this is drawn with thicker lines, in pixels.
const LARGE_PX: f32 = 160.0;

/// A picture that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the picture {path}: {reason}")]
pub struct PictureError {
    path: String,
    reason: String,
}

impl PictureError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        PictureError { path: path.display().to_string(), reason: reason.to_string() }
    }
}

/// A frame that cannot be a JPEG.
#[derive(Debug, thiserror::Error)]
#[error("camera {camera}: a picture of {width}x{height} pixels cannot be written as JPEG: {reason}")]
pub struct JpegError {
    camera: Name,
    width: u32,
    height: u32,
    reason: String,
}

/// A frame in its full size as JPEG. `quality` goes from 1 to 100.
///
/// # Errors
/// When the frame has more pixels in a row or column than JPEG can have.
pub fn jpeg(frame: &Frame, quality: u8) -> Result<Vec<u8>, JpegError> {
    let image = &frame.image;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .encode(&image.to_rgb(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|error| JpegError {
            camera: frame.camera.clone(),
            width: image.width(),
            height: image.height(),
            reason: error.to_string(),
        })?;
    Ok(bytes)
}

/// The same with at most `max_bytes`, where there is such a limit: the picture is scaled down until it fits. Gives its width
/// and height too.
///
/// # Errors
/// When it cannot be made, or not even a small picture fits.
pub fn jpeg_within(
    frame: &Frame,
    quality: u8,
    max_bytes: Option<usize>,
) -> Result<(Vec<u8>, (u32, u32)), JpegError> {
    let image = &frame.image;
    let mut size = (image.width(), image.height());
    let mut bytes = jpeg(frame, quality)?;
    let Some(max_bytes) = max_bytes.filter(|max_bytes| bytes.len() > *max_bytes) else {
        return Ok((bytes, size));
    };
    let failed = |size: (u32, u32), reason: String| JpegError {
        camera: frame.camera.clone(),
        width: size.0,
        height: size.1,
        reason,
    };
    let whole = Picture::new(image).rgb;
    while bytes.len() > max_bytes {
        // A JPEG's size grows with its area, and small ones are a bit larger than that says.
        let scale = ((max_bytes as f64 / bytes.len() as f64).sqrt() * 0.95).min(0.9);
        let side = |pixels: u32| (f64::from(pixels) * scale) as u32;
        size = (side(size.0), side(size.1));
        if size.0 < SMALLEST || size.1 < SMALLEST {
            return Err(failed(size, format!("no picture of this camera fits into {max_bytes} bytes")));
        }
        let scaled = image::imageops::resize(&whole, size.0, size.1, FilterType::Triangle);
        bytes.clear();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .encode(&scaled, size.0, size.1, ExtendedColorType::Rgb8)
            .map_err(|error| failed(size, error.to_string()))?;
    }
    Ok((bytes, size))
}

/// Makes an empty file at `path`, so that a picture which cannot be written there is refused before the work for it.
///
/// # Errors
/// When the ending names no format that is written here, or there can be no such file.
pub fn reserve(path: &Path) -> Result<(), PictureError> {
    let format = ImageFormat::from_path(path).ok();
    if !matches!(format, Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(PictureError::new(path, "the name must end in .jpg, .jpeg or .png"));
    }
    File::create(path).map(drop).map_err(|error| PictureError::new(path, error))
}

/// A frame's picture in RGB, to draw on.
pub struct Picture {
    rgb: RgbImage,
}

impl Picture {
    /// The picture of a frame.
    pub fn new(image: &Image) -> Self {
        let rgb = RgbImage::from_raw(image.width(), image.height(), image.to_rgb());
        Picture { rgb: rgb.expect("an image gives three bytes per pixel") }
    }

    /// Draws people's joints that have at least `score`: a dot for each of the body, none for eyes and ears, and lines
    /// along the limbs in the track's colour. [`Picture::draw_tracks`] comes after it, so that texts stay on top.
    pub fn draw_joints(&mut self, people: &[(&Track, &Pose)], score: f32) {
        for (track, pose) in people {
            let body = Body::of(pose, score, 1.0);
            let at = |joint| body.joint(joint).and_then(|at| self.joint(at));
            let middle = |(a, b): (Point, Point)| Point::new((a.x + b.x) / 2, (a.y + b.y) / 2);
            let shoulders = at(Joint::LeftShoulder).zip(at(Joint::RightShoulder)).map(middle);
            let limbs: Vec<(Point, Point)> = LIMBS
                .iter()
                .filter_map(|&(from, to)| at(from).zip(at(to)))
                .chain(at(Joint::Nose).zip(shoulders))
                .collect();
            let joints: Vec<Point> = body.joints.iter().flatten().filter_map(|&at| self.joint(at)).collect();
            let large = track.bbox.h * self.rgb.height() as f32 > LARGE_PX;
            let (line, dot) = if large { (3, 7) } else { (2, 4) };
            // All outlines first, so that none cuts another limb.
            let outline = PrimitiveStyle::with_stroke(Rgb888::BLACK, line + 2);
            let stroke = PrimitiveStyle::with_stroke(colour(track), line);
            for style in [outline, stroke] {
                for &(from, to) in &limbs {
                    drawn(Line::new(from, to).into_styled(style).draw(self));
                }
            }
            for joint in joints {
                let dot =
                    Circle::with_center(joint, dot).into_styled(PrimitiveStyle::with_fill(Rgb888::WHITE));
                drawn(dot.draw(self));
            }
        }
    }

    /// Draws tracks, each with where its foot went, its box (thin while it is hidden) and a line of text above it, with
    /// a second one for what it does, such as `walk 0.93`, where there is an `activity`. Paths lie under boxes and boxes
    /// under texts.
    pub fn draw_tracks(
        &mut self,
        tracks: &[Track],
        label: impl Fn(&Track) -> Label,
        activity: impl Fn(&Track) -> Option<(Label, f32)>,
    ) {
        for track in tracks {
            let path: Vec<Point> = track.path.iter().map(|&point| self.pixel(point)).collect();
            let stroke = PrimitiveStyle::with_stroke(colour(track), 1);
            drawn(Polyline::new(&path).into_styled(stroke).draw(self));
        }
        for track in tracks {
            let stroke = PrimitiveStyle::with_stroke(colour(track), if track.visible { 2 } else { 1 });
            let opposite = self.pixel(geometry::Point { x: track.bbox.right(), y: track.bbox.bottom() });
            drawn(Rectangle::with_corners(self.corner(track), opposite).into_styled(stroke).draw(self));
        }
        for track in tracks {
            let object = format!("{} {} {:.2}", label(track), track.id, track.score);
            let activity = activity(track).map(|(label, score)| format!("{label} {score:.2}"));
            let lines: Vec<String> = [object].into_iter().chain(activity).collect();
            self.caption(self.corner(track), &lines, colour(track));
        }
    }

    /// Writes it as JPEG or PNG, as the file's ending says.
    ///
    /// # Errors
    /// When the ending names neither, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PictureError> {
        self.rgb.save(path).map_err(|error| PictureError::new(path, error))
    }

    /// Dark lines of text on a bar of `colour`, above `corner` where there is room and below it where not.
    fn caption(&mut self, corner: Point, lines: &[String], colour: Rgb888) {
        let size = FONT.character_size;
        let letters = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let bar = Size::new(size.width * letters as u32 + 4, size.height * lines.len() as u32);
        let right_end = self.rgb.width().saturating_sub(bar.width) as i32;
        let top = if corner.y >= bar.height as i32 { corner.y - bar.height as i32 } else { corner.y };
        let at = Point::new(corner.x.clamp(0, right_end), top);
        drawn(Rectangle::new(at, bar).into_styled(PrimitiveStyle::with_fill(colour)).draw(self));
        let style = MonoTextStyle::new(&FONT, Rgb888::BLACK);
        let text = lines.join("\n");
        drawn(Text::with_baseline(&text, at + Point::new(2, 0), style, Baseline::Top).draw(self));
    }

    /// The top left corner of a track's box.
    fn corner(&self, track: &Track) -> Point {
        self.pixel(geometry::Point { x: track.bbox.x, y: track.bbox.y })
    }

    /// Where a joint is; nothing when that is far outside the picture, as only a broken model can tell.
    fn joint(&self, at: Position) -> Option<Point> {
        let near = -1.0..=2.0;
        (near.contains(&at.x) && near.contains(&at.y))
            .then(|| self.pixel(geometry::Point { x: at.x, y: at.y }))
    }

    fn pixel(&self, point: geometry::Point) -> Point {
        let scale = |relative: f32, pixels: u32| (relative * pixels as f32).round() as i32;
        Point::new(scale(point.x, self.rgb.width()), scale(point.y, self.rgb.height()))
    }
}

fn colour(track: &Track) -> Rgb888 {
    COLOURS[(track.id.0 % COLOURS.len() as u64) as usize]
}

/// Drawing on memory cannot fail.
fn drawn<T>(result: Result<T, Infallible>) {
    match result {
        Ok(_) => {}
        Err(never) => match never {},
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.rgb.width(), self.rgb.height())
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            let inside = u32::try_from(at.x).ok().zip(u32::try_from(at.y).ok());
            if let Some(pixel) = inside.and_then(|(x, y)| self.rgb.get_pixel_mut_checked(x, y)) {
                pixel.0 = [colour.r(), colour.g(), colour.b()];
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::activity::{COCO_KEYPOINTS, Keypoint};
    use crate::clock::{ClockOf, Timestamp};
    use crate::detect::ClassId;
    use crate::frame::{Colorimetry, ColourMatrix, PixelFormat};
    use crate::geometry::BBox;
    use crate::tag::TrackId;

    fn track(bbox: BBox) -> Track {
        Track {
            id: TrackId(1),
            class: ClassId(0),
            score: 0.5,
            bbox,
            foot: bbox.foot(),
            visible: true,
            first_seen: Timestamp::EPOCH,
            last_seen: Timestamp::EPOCH,
            best_score: 0.5,
            classes: vec![(ClassId(0), 1.0)],
            path: vec![bbox.foot()],
        }
    }

    fn black() -> Image {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let planes = Arc::new(vec![vec![0; 200 * 100]]);
        Image::new(PixelFormat::Gray8, (200, 100), colorimetry, [200, 0, 0], planes).unwrap()
    }

    #[test]
    fn a_box_is_drawn_where_the_track_is() {
        let mut picture = Picture::new(&black());
        picture.draw_tracks(
            &[track(BBox { x: 0.5, y: 0.5, w: 0.25, h: 0.4 })],
            |_| "person".into(),
            |_| None,
        );
        let colour = image::Rgb([0x4f, 0xc3, 0xf7]);
        assert_eq!(picture.rgb.get_pixel(100, 70), &colour, "left edge");
        assert_eq!(picture.rgb.get_pixel(150, 70), &colour, "right edge");
        assert_eq!(picture.rgb.get_pixel(125, 70), &image::Rgb([0, 0, 0]), "inside");
        assert_eq!(picture.rgb.get_pixel(101, 40), &colour, "caption above");
    }

    #[test]
    fn an_activity_is_a_second_line() {
        let tracks = [track(BBox { x: 0.5, y: 0.5, w: 0.25, h: 0.4 })];
        // The caption's height in pixels, above the box at 50.
        for (activity, height) in [(None, 14), (Some(("walk".into(), 0.934)), 28)] {
            let mut picture = Picture::new(&black());
            picture.draw_tracks(&tracks, |_| "person".into(), |_| activity.clone());
            let colour = image::Rgb([0x4f, 0xc3, 0xf7]);
            assert_eq!(picture.rgb.get_pixel(100, 50 - height), &colour, "{activity:?}");
            assert_eq!(picture.rgb.get_pixel(100, 49 - height), &image::Rgb([0, 0, 0]), "{activity:?}");
        }
    }

    #[test]
    fn joints_that_are_sure_are_dots_and_lines_between_them() {
        let mut keypoints = [Keypoint::default(); COCO_KEYPOINTS];
        // Left shoulder, left elbow and left wrist, which is not sure; a left hip that no picture has.
        for (index, x, y, score) in
            [(5, 0.5, 0.2, 0.9), (7, 0.5, 0.6, 0.3), (9, 0.9, 0.6, 0.29), (11, 1e30, f32::INFINITY, 1.0)]
        {
            keypoints[index] = Keypoint { at: geometry::Point { x, y }, score };
        }
        keypoints[13] = Keypoint { at: geometry::Point { x: 1e30, y: -1e30 }, score: 1.0 };
        let pose = Pose { at: Timestamp::EPOCH, keypoints };
        let mut picture = Picture::new(&black());
        picture.draw_joints(&[(&track(BBox::WHOLE), &pose)], 0.3);
        let at = |x, y| picture.rgb.get_pixel(x, y).0;
        assert_eq!(at(100, 20), [0xff; 3], "shoulder");
        assert_eq!(at(100, 60), [0xff; 3], "elbow");
        assert_eq!(at(100, 40), [0x4f, 0xc3, 0xf7], "between them");
        assert_eq!(at(140, 60), [0, 0, 0], "no line to the wrist");
        assert_eq!(at(180, 60), [0, 0, 0], "no wrist");
    }

    #[test]
    fn a_frame_becomes_a_jpeg_of_its_size() {
        let frame = Frame {
            camera: Name::new("ramp").unwrap(),
            number: 0,
            at: Timestamp::EPOCH,
            by: ClockOf::Arrival,
            image: black(),
        };
        let bytes = jpeg(&frame, 80).unwrap();
        let read = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (200, 100));
        assert!(read.pixels().all(|pixel| pixel.0.iter().all(|&value| value < 8)), "black");
    }

    #[test]
    fn what_reaches_outside_is_cut() {
        let mut picture = Picture::new(&black());
        picture.draw_tracks(
            &[track(BBox { x: -0.5, y: -0.5, w: 2.0, h: 2.0 })],
            |_| "a long label".into(),
            |_| None,
        );
        let folder = tempfile::tempdir().unwrap();
        picture.write(&folder.path().join("a.jpg")).unwrap();
        assert!(picture.write(&folder.path().join("a.txt")).is_err(), "an ending that names no format");
        assert!(reserve(&folder.path().join("b.jpg")).is_ok());
        assert!(reserve(&folder.path().join("b.gif")).is_err(), "a format that is not written");
        assert!(reserve(&folder.path().join("missing/b.jpg")).is_err(), "a folder that is not there");
    }
}
