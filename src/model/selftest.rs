//! Whether a model computes on an accelerator what it computes on the CPU.
//!
//! A model that loads and runs may still compute something else: in half precision scores stay right while joints move by
//! a tenth of the picture. So both look at the same picture, and what comes out is compared after it is decoded, in the
//! units that count: boxes, joints, probabilities.

use std::fmt;
use std::io;
use std::path::Path;

use super::manifest::{SelfTestSpec, Tolerance};
use super::package::{Package, PackageError};
use super::session::Session;
use crate::frame::{BadImage, Image};
use crate::geometry::BBox;

/// The sides of the picture that is drawn where a package brings none, in pixels.
const DRAWN: (u32, u32) = (256, 384);
/// A score further below this than a difference may be is a guess, and guesses are not compared.
const LEAST_SCORE: f32 = 0.25;

/// What a model is tried on.
#[derive(Clone, Debug)]
pub struct SelfTest {
    /// What it looks at.
    pub picture: Image,
    /// How far its answers may be off.
    pub tolerance: Tolerance,
}

/// What a model says of the picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of a detector, with the least score of a box that it gives.
    Boxes(Vec<FoundBox>, f32),
    /// Of a pose model: x, y relative to the picture, and score.
    Joints(Vec<[f32; 3]>),
    /// Of a classifier, one for each label.
    Probabilities(Vec<f32>),
}

/// A box that a detector has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundBox {
    /// Index of its label.
    pub class: u16,
    /// How sure, 0..=1.
    pub score: f32,
    /// Where.
    pub bbox: BBox,
}

/// How far two answers are from each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Difference {
    /// Of boxes.
    Boxes {
        /// Boxes that both have.
        compared: usize,
        /// Boxes that only one of the two has.
        unmatched: usize,
        /// The least overlap of the others, as IoU; 1 without any.
        iou: f32,
        /// The most that a score is off.
        score: f32,
    },
    /// Of joints.
    Joints {
        /// Joints that were compared.
        compared: usize,
        /// How far they are off in the mean, as a share of the picture's longer side.
        mean: f32,
        /// How far the worst is off.
        most: f32,
        /// The most that a score is off.
        score: f32,
    },
    /// Of probabilities.
    Probabilities {
        /// Labels.
        compared: usize,
        /// Whether the same label is the best; two that are about as likely may change places.
        same_best: bool,
        /// The most that one is off.
        most: f32,
    },
    /// Of answers of different kinds or lengths.
    Unlike,
}

/// A model that can be tried.
pub trait Testable {
    /// Why it gives no answer.
    type Error: std::error::Error;

    /// What it says of `picture`. A model that takes no pictures says something of numbers that are always the same.
    ///
    /// # Errors
    /// When it fails.
    fn answer(&mut self, picture: &Image) -> Result<Answer, Self::Error>;

    /// What runs it.
    fn session(&mut self) -> &mut Session;
}

/// `length` numbers from -1 to 1 that are the same each time: waves of several lengths.
pub(crate) fn waves(length: usize) -> Vec<f32> {
    (0..length).map(|at| at as f32).map(|at| ((at * 0.37).sin() + (at * 0.011).cos()) / 2.0).collect()
}

impl Package {
    /// What the model is tried on before it runs on an accelerator.
    ///
    /// # Errors
    /// When the picture that the manifest names cannot be read.
    pub fn self_test(&self) -> Result<SelfTest, PackageError> {
        let SelfTestSpec { picture, tolerance } = self.self_test_spec();
        let Some(picture) = picture else {
            return Ok(SelfTest { tolerance: *tolerance, ..SelfTest::drawn() });
        };
        let path = self.folder().join(picture);
        let unreadable = |why: String| PackageError::Unreadable {
            path: path.clone(),
            what: "the picture of the self-test",
            source: io::Error::new(io::ErrorKind::InvalidData, why),
        };
        let picture = read_picture(&path).map_err(unreadable)?;
        Ok(SelfTest { picture, tolerance: *tolerance })
    }
}

impl SelfTest {
    /// The drawn picture, and the usual tolerance.
    pub fn drawn() -> Self {
        SelfTest { picture: somebody(), tolerance: Tolerance::default() }
    }
}

/// Reads a picture of a package, JPEG or PNG.
fn read_picture(path: &Path) -> Result<Image, String> {
    let picture = image::open(path).map_err(|error| error.to_string())?.into_rgb8();
    Image::from_rgb(picture.dimensions(), picture.as_raw()).map_err(|error: BadImage| error.to_string())
}

/// Somebody who stands before a wall: a head, a body, arms and legs.
fn somebody() -> Image {
    let (width, height) = DRAWN;
    let ellipse = |x: f32, y: f32, middle: (f32, f32), radius: (f32, f32)| {
        ((x - middle.0) / radius.0).powi(2) + ((y - middle.1) / radius.1).powi(2) <= 1.0
    };
    let colour = |x: u32, y: u32| {
        let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
        if ellipse(u, v, (0.5, 0.12), (0.075, 0.065)) {
            [205, 160, 130]
        } else if ellipse(u, v, (0.5, 0.33), (0.13, 0.16)) {
            [160, 40, 40]
        } else if [0.35, 0.65].iter().any(|arm| ellipse(u, v, (*arm, 0.36), (0.035, 0.17))) {
            [150, 50, 45]
        } else if [0.435, 0.565].iter().any(|leg| ellipse(u, v, (*leg, 0.68), (0.055, 0.26))) {
            [40, 50, 110]
        } else if v > 0.9 {
            [110, 100, 90]
        } else {
            [190 + (v * 40.0) as u8, 195, 190]
        }
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let rgb: Vec<u8> = pixels.flat_map(|(x, y)| colour(x, y)).collect();
    Image::from_rgb(DRAWN, &rgb).expect("a colour for every pixel")
}

impl Answer {
    /// How far it is from what the CPU says, as `reference`. Boxes and joints whose score is low are guesses and do not count;
    /// for boxes, `tolerance` says how much lower the same box may score.
    pub fn difference(&self, reference: &Answer, tolerance: &Tolerance) -> Difference {
        match (self, reference) {
            (Answer::Boxes(found, least), Answer::Boxes(expected, _)) => {
                boxes(found, expected, least.max(LEAST_SCORE) + tolerance.score)
            }
            (Answer::Joints(found), Answer::Joints(expected)) if found.len() == expected.len() => {
                joints(found, expected)
            }
            (Answer::Probabilities(found), Answer::Probabilities(expected))
                if found.len() == expected.len() =>
            {
                probabilities(found, expected)
            }
            _ => Difference::Unlike,
        }
    }
}

/// Each box of either that scores `sure` or more is held against the other's box of its class that overlaps most. Who scores
/// just as little as a model gives may be missing in the other answer.
fn boxes(found: &[FoundBox], expected: &[FoundBox], sure: f32) -> Difference {
    let (mut compared, mut unmatched, mut least, mut most) = (0, 0, 1.0_f32, 0.0_f32);
    for (these, those, is_reference) in [(expected, found, true), (found, expected, false)] {
        for this in these.iter().filter(|this| this.score >= sure || this.score.is_nan()) {
            let same = those.iter().filter(|that| that.class == this.class);
            let best = same.map(|that| (that.bbox.iou(&this.bbox), that.score));
            match best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(iou, _)| *iou > 0.5) {
                Some((iou, score)) => {
                    compared += usize::from(is_reference);
                    (least, most) = (least.min(iou), worse(most, (score - this.score).abs()));
                }
                None => unmatched += 1,
            }
        }
    }
    Difference::Boxes { compared, unmatched, iou: least, score: most }
}

fn joints(found: &[[f32; 3]], expected: &[[f32; 3]]) -> Difference {
    let (mut compared, mut sum, mut most, mut score) = (0, 0.0, 0.0_f32, 0.0_f32);
    for ([x, y, s], [to_x, to_y, to_s]) in found.iter().zip(expected) {
        score = worse(score, (s - to_s).abs());
        if to_s >= &LEAST_SCORE {
            let off = (x - to_x).hypot(y - to_y);
            (compared, sum, most) = (compared + 1, sum + off, worse(most, off));
        }
    }
    Difference::Joints { compared, mean: sum / (compared as f32).max(1.0), most, score }
}

fn probabilities(found: &[f32], expected: &[f32]) -> Difference {
    let best = |of: &[f32]| (0..of.len()).max_by(|&a, &b| of[a].total_cmp(&of[b]));
    let most = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, worse);
    Difference::Probabilities { compared: found.len(), same_best: best(found) == best(expected), most }
}

/// The greater one, or what is no number.
fn worse(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) }
}

impl Difference {
    /// Whether there was anything to compare.
    pub fn says_something(&self) -> bool {
        match *self {
            Difference::Boxes { compared, unmatched, .. } => compared + unmatched > 0,
            Difference::Joints { compared, .. } | Difference::Probabilities { compared, .. } => compared > 0,
            Difference::Unlike => true,
        }
    }

    /// Whether it is within `tolerance`. What is no number is not within it, nor is a comparison of nothing.
    pub fn is_within(&self, tolerance: &Tolerance) -> bool {
        self.says_something() && self.is_close(tolerance)
    }

    fn is_close(&self, tolerance: &Tolerance) -> bool {
        match *self {
            Difference::Boxes { unmatched, iou, score, .. } => {
                unmatched == 0 && iou >= tolerance.iou && score <= tolerance.score
            }
            Difference::Joints { most, score, .. } => most <= tolerance.joint && score <= tolerance.score,
            // Two labels that are about as likely may change places.
            Difference::Probabilities { most, .. } => most <= tolerance.score,
            Difference::Unlike => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Difference::Boxes { compared, unmatched, iou, score } => write!(
                f,
                "{compared} boxes compared, {unmatched} without a counterpart, overlap at least {iou:.3}, scores off by at \
                 most {score:.3}"
            ),
            Difference::Joints { compared, mean, most, score } => write!(
                f,
                "{compared} joints compared, off by {:.1} % of the picture in the mean and {:.1} % at most, scores off by \
                 at most {score:.3}",
                100.0 * mean,
                100.0 * most
            ),
            Difference::Probabilities { compared, same_best, most } => write!(
                f,
                "{compared} probabilities compared, off by at most {most:.3}, {} label is the best",
                if same_best { "the same" } else { "another" }
            ),
            Difference::Unlike => f.write_str("answers of another kind or length"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(score: f32, x: f32) -> FoundBox {
        FoundBox { class: 0, score, bbox: BBox { x, y: 0.1, w: 0.2, h: 0.4 } }
    }

    fn is_within(found: Answer, expected: Answer) -> bool {
        let tolerance = Tolerance::default();
        found.difference(&expected, &tolerance).is_within(&tolerance)
    }

    #[test]
    fn boxes_agree_by_place_and_score_and_none_is_missing() {
        let answer = |boxes: &[FoundBox]| Answer::Boxes(boxes.to_vec(), 0.1);
        let expected = || answer(&[found(0.8, 0.1), found(0.6, 0.5), found(0.26, 0.7)]);
        let cases = [
            ("the same", vec![found(0.8, 0.1), found(0.6, 0.5), found(0.26, 0.7)], true),
            ("a guess less", vec![found(0.8, 0.1), found(0.6, 0.5)], true),
            ("a little off", vec![found(0.78, 0.101), found(0.6, 0.5)], true),
            ("moved", vec![found(0.8, 0.13), found(0.6, 0.5)], false),
            ("less sure", vec![found(0.7, 0.1), found(0.6, 0.5)], false),
            ("one missing", vec![found(0.8, 0.1)], false),
            ("one too many", vec![found(0.8, 0.1), found(0.6, 0.5), found(0.5, 0.3)], false),
            ("no number", vec![found(f32::NAN, 0.1), found(0.6, 0.5)], false),
        ];
        for (what, boxes, expectation) in cases {
            assert_eq!(is_within(answer(&boxes), expected()), expectation, "{what}");
        }
        assert!(!is_within(answer(&[]), answer(&[])), "nothing was compared");
        // Of a model that gives boxes from 0.5 on, one that scores 0.502 may be missing.
        let late = |boxes: &[FoundBox]| Answer::Boxes(boxes.to_vec(), 0.5);
        assert!(is_within(late(&[found(0.8, 0.1)]), late(&[found(0.8, 0.1), found(0.502, 0.5)])));
    }

    #[test]
    fn joints_agree_by_place_even_where_scores_do() {
        let expected = || Answer::Joints(vec![[0.5, 0.2, 0.9], [0.4, 0.6, 0.8], [0.9, 0.9, 0.1]]);
        let cases = [
            ("the same", vec![[0.5, 0.2, 0.9], [0.4, 0.6, 0.8], [0.9, 0.9, 0.1]], true),
            ("a guess elsewhere", vec![[0.5, 0.2, 0.9], [0.4, 0.6, 0.8], [0.1, 0.1, 0.12]], true),
            ("right scores, wrong joints", vec![[0.5, 0.3, 0.9], [0.4, 0.6, 0.8], [0.9, 0.9, 0.1]], false),
            ("wrong scores", vec![[0.5, 0.2, 0.8], [0.4, 0.6, 0.8], [0.9, 0.9, 0.1]], false),
            ("no number", vec![[f32::NAN, 0.2, 0.9], [0.4, 0.6, 0.8], [0.9, 0.9, 0.1]], false),
            ("too few", vec![[0.5, 0.2, 0.9]], false),
        ];
        for (what, joints, expectation) in cases {
            assert_eq!(is_within(Answer::Joints(joints), expected()), expectation, "{what}");
        }
        let guesses = || Answer::Joints(vec![[0.5, 0.2, 0.1], [0.4, 0.6, 0.2]]);
        assert!(!is_within(guesses(), guesses()), "nothing was compared");
    }

    #[test]
    fn probabilities_agree_and_close_labels_may_change_places() {
        let expected = || Answer::Probabilities(vec![0.48, 0.5, 0.02]);
        let cases = [
            ("the same", vec![0.48, 0.5, 0.02], true),
            ("two that are close change places", vec![0.5, 0.48, 0.02], true),
            ("another", vec![0.6, 0.38, 0.02], false),
            ("no number", vec![f32::NAN, 0.5, 0.02], false),
        ];
        for (what, probabilities, expectation) in cases {
            assert_eq!(is_within(Answer::Probabilities(probabilities), expected()), expectation, "{what}");
        }
        assert!(!is_within(Answer::Boxes(Vec::new(), 0.1), expected()), "answers of different kinds");
    }
}
