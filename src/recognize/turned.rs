//! Looks at the turned picture, for people who lie.
//!
//! Detectors learn from pictures in which people are upright. Of somebody who lies they find the legs, or nothing. In a
//! picture that is turned by a quarter or a half, so that the head is up, they find the same person whole.
//!
//! [`super::Recognizer`] asks after each usual look whether such a look is due, and in which turn. There is one every few
//! seconds, and more while somebody may be down, or was found a moment ago. Who lies stays where they are, so what a look
//! has found holds for the frames up to the next one.

use std::time::Duration;

use crate::activity::is_large_enough;
use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::frame::Image;
use crate::geometry::Orientation;

/// The turns, in the order in which they are tried, but for the first, which is tried last.
const TURNS: [Orientation; 3] =
    [Orientation::HALF_TURN, Orientation::CLOCKWISE, Orientation::COUNTERCLOCKWISE];
/// The pause between two looks while nobody is down.
const SWEEP: Duration = Duration::from_millis(2500);
/// The same while somebody may be down.
const WATCH: Duration = Duration::from_millis(250);
/// The same while somebody is lost who may be down.
const SEARCH: Duration = Duration::from_millis(120);
/// A find stays valid for this time: long enough for the next look in the same turn.
const HOLDS: Duration = Duration::from_millis(650);
/// After a find, the next looks use the same turn for this time.
const KEPT: Duration = Duration::from_secs(3);
/// One look of this number uses another turn, which may show more of the person.
const OTHER_TURN: u32 = 3;
/// The other turn is kept when its score times length is larger by this factor.
const BETTER: f32 = 1.2;
/// A score below this is no find.
const LEAST_SCORE: f32 = 0.25;
/// So much is added to the log-odds of a find: a detector is less sure of who lies, whichever way they are turned.
const SURER: f32 = 0.6;
/// Who lies across the picture has a box this many times as wide as high.
const LYING_WIDTH: f32 = 1.1;
/// Who is upright has a box this many times as high as wide.
const UPRIGHT_HEIGHT: f32 = 1.3;
/// A box that is covered by this share of its area is a part of the one that covers it.
const PART: f32 = 0.7;
/// Two boxes that overlap by this, as IoU, are of the same person.
const SAME: f32 = 0.45;

/// Whether somebody of a camera's people may be down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Suspicion {
    /// Nobody.
    #[default]
    None,
    /// Somebody who fell, and whose track has ended.
    Remembered,
    /// Somebody who is seen.
    Down,
    /// Somebody who is not seen any more.
    Lost,
}

/// When to look at the turned picture of one camera, and what came of it.
#[derive(Debug, Default)]
pub(super) struct TurnedLooks {
    last: Option<Timestamp>,
    /// Whether somebody might have been down then.
    suspicion: Suspicion,
    /// The turn of the last look.
    turn: usize,
    /// Looks since somebody was found first.
    looks: u32,
    /// Whom looks have found, in the picture's own coordinates, in which turn, and when that was new last.
    finds: Vec<Detection>,
    finds_turn: usize,
    /// When they were found.
    looked: Option<Timestamp>,
    found: Option<Timestamp>,
}

impl TurnedLooks {
    /// The turn that a frame at `at` is to be looked at in; nothing when no look is due.
    pub(super) fn due(&mut self, at: Timestamp, suspicion: Suspicion) -> Option<Orientation> {
        let keeps = self.found.is_some_and(|found| at.since(found) <= KEPT && found <= at);
        let pause = match suspicion {
            Suspicion::Lost => SEARCH,
            Suspicion::None | Suspicion::Remembered if !keeps => SWEEP,
            _ => WATCH,
        };
        if self.last.is_some_and(|last| at.since(last) < pause && last <= at) {
            return None;
        }
        self.last = Some(at);
        self.suspicion = suspicion;
        self.looks = if keeps { self.looks + 1 } else { 0 };
        if !keeps {
            self.finds.clear();
            self.turn = (self.turn + 1) % TURNS.len();
        } else if self.looks.is_multiple_of(OTHER_TURN) {
            let others = 1 + (self.looks / OTHER_TURN) as usize % (TURNS.len() - 1);
            self.turn = (self.finds_turn + others) % TURNS.len();
        } else {
            self.turn = self.finds_turn;
        }
        Some(TURNS[self.turn])
    }

    /// Takes what the look has found that was due last; `turned` are in the coordinates of the turned picture, and `image`
    /// is the frame's own. While nobody may be down, who is upright is left out, and who is too small for a pose.
    pub(super) fn take(&mut self, turned: &[Detection], people: &[ClassId], image: &Image) {
        let (turn, aspect) = (TURNS[self.turn], image.aspect());
        let whole = |found: &Detection| {
            let bbox = turn.stored_box(&found.bbox);
            let score = 1.0 / (1.0 + (1.0 - found.score) / found.score * (-SURER).exp());
            Detection { bbox, score, ..*found }
        };
        let suspected = self.suspicion != Suspicion::None;
        // Turned by a quarter, who lies across the picture looks upright; turned by a half, whose head is towards the camera.
        // But the detector finds upright people upside down as well: a tall box counts there only while somebody may be down.
        let lies = |found: &Detection| match turn.is_sideways() {
            true => found.bbox.w * aspect >= LYING_WIDTH * found.bbox.h,
            false => suspected || !is_upright(found, aspect),
        };
        let is_large = |found: &Detection| suspected || is_large_enough(&found.bbox, image);
        let people =
            turned.iter().filter(|found| people.contains(&found.class) && found.score >= LEAST_SCORE);
        let finds: Vec<Detection> = people.map(whole).filter(lies).filter(is_large).collect();
        if self.turn == self.finds_turn || worth(&finds) > BETTER * worth(&self.finds) {
            (self.finds, self.finds_turn, self.looked) = (finds, self.turn, self.last);
        }
    }

    /// Adds whom the last look has found to the `detections` of a frame at `at`, while that holds. Who was found as well
    /// without the turn stays one, and parts give way to the whole.
    pub(super) fn add(&mut self, detections: &mut Vec<Detection>, at: Timestamp, aspect: f32) {
        let Some(looked) = self.looked.filter(|looked| *looked <= at && at.since(*looked) <= HOLDS) else {
            return;
        };
        for find in &self.finds {
            if add_whole(detections, *find, aspect, self.suspicion) {
                self.found = Some(looked);
            }
        }
    }
}

/// How much of people who lie is shown, and how surely.
fn worth(finds: &[Detection]) -> f32 {
    finds.iter().map(|find| find.score * find.bbox.w.max(find.bbox.h)).fold(0.0, f32::max)
}

fn is_upright(person: &Detection, aspect: f32) -> bool {
    person.bbox.h > UPRIGHT_HEIGHT * person.bbox.w * aspect
}

fn is_covered(part: &Detection, whole: &Detection) -> bool {
    part.bbox.intersection(&whole.bbox) >= PART * part.bbox.area()
}

/// Adds somebody who lies; says whether that tells anything new. While somebody is lost who may be down, a part of somebody
/// else may be that person behind them.
fn add_whole(detections: &mut Vec<Detection>, whole: Detection, aspect: f32, suspicion: Suspicion) -> bool {
    let may_be_hidden = suspicion == Suspicion::Lost;
    let is_same_class = |other: &Detection| other.class == whole.class;
    let is_larger = |other: &Detection| other.bbox.area() > whole.bbox.area();
    // Somebody upright, or several of them, who are seen better without the turn; or somebody of whom this is a part.
    let is_known = |other: &Detection| {
        let upright =
            is_upright(other, aspect) && other.score + 0.1 >= whole.score && is_covered(other, &whole);
        let larger =
            !may_be_hidden && is_larger(other) && other.score >= whole.score && is_covered(&whole, other);
        is_same_class(other) && (upright || larger)
    };
    if detections.iter().any(is_known) {
        return false;
    }
    let same = |other: &&mut Detection| is_same_class(other) && other.bbox.iou(&whole.bbox) >= SAME;
    if let Some(other) = detections.iter_mut().find(same) {
        let is_better = whole.score > other.score;
        if is_better {
            *other = whole;
        }
        return is_better;
    }
    let is_part = |other: &Detection| {
        let upright = is_upright(other, aspect);
        is_same_class(other) && !upright && !is_larger(other) && is_covered(other, &whole)
    };
    detections.retain(|other| !(is_part(other) && other.score <= whole.score));
    detections.push(whole);
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::{Colorimetry, ColourMatrix, PixelFormat};
    use crate::geometry::BBox;

    const PERSON: ClassId = ClassId(0);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_micros(ms * 1000)
    }

    fn detection(score: f32, bbox: [f32; 4]) -> Detection {
        let [x, y, w, h] = bbox;
        Detection { class: PERSON, score, bbox: BBox { x, y, w, h } }
    }

    fn image(width: u32, height: u32) -> Image {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let planes = Arc::new(vec![vec![0; (width * height) as usize]]);
        Image::new(PixelFormat::Gray8, (width, height), colorimetry, [width as usize, 0, 0], planes).unwrap()
    }

    /// Somebody on the frame, as the picture shows them that is turned by `turn`.
    fn seen(turn: Orientation, found: Detection) -> Detection {
        Detection { bbox: turn.undone().stored_box(&found.bbox), ..found }
    }

    /// How many looks there are in ten seconds of ten frames each, when every look finds somebody in `found`, or nobody.
    fn looks(suspicion: Suspicion, found: Option<[f32; 4]>) -> usize {
        let mut turned = TurnedLooks::default();
        let mut looks = 0;
        for frame in 0..100 {
            let now = at(frame * 100);
            if let Some(turn) = turned.due(now, suspicion) {
                looks += 1;
                let found = found.map(|found| seen(turn, detection(0.5, found)));
                turned.take(found.as_slice(), &[PERSON], &image(100, 100));
            }
            turned.add(&mut Vec::new(), now, 1.0);
        }
        looks
    }

    #[test]
    fn looks_are_rare_until_somebody_may_be_down() {
        assert_eq!(looks(Suspicion::None, None), 4);
        assert_eq!(looks(Suspicion::Down, None), 34);
        assert_eq!(looks(Suspicion::Lost, None), 50);
    }

    #[test]
    fn looks_go_on_where_one_found_who_lies() {
        let lies = [0.1, 0.4, 0.5, 0.1];
        assert_eq!(looks(Suspicion::None, Some(lies)), 34);
        let is_upright = [0.4, 0.1, 0.1, 0.5];
        assert_eq!(looks(Suspicion::None, Some(is_upright)), 4);
        let is_too_small = [0.1, 0.4, 0.3, 0.1];
        assert_eq!(looks(Suspicion::None, Some(is_too_small)), 4);
    }

    #[test]
    fn a_clock_set_back_keeps_nobody_waiting() {
        let mut turned = TurnedLooks::default();
        assert!(turned.due(at(100_000), Suspicion::None).is_some());
        assert!(turned.due(at(50_000), Suspicion::None).is_some());
        assert!(turned.due(at(50_100), Suspicion::None).is_none());
    }

    #[test]
    fn the_whole_takes_the_place_of_its_parts_for_a_moment() {
        let mut turned = TurnedLooks::default();
        assert_eq!(turned.due(at(0), Suspicion::Down), Some(Orientation::CLOCKWISE));
        let legs = detection(0.4, [0.5, 0.82, 0.2, 0.1]);
        let passer_by = detection(0.7, [0.1, 0.2, 0.1, 0.5]);
        // Upright in the picture that was turned clockwise: the head is up, so it was to the left.
        turned.take(&[detection(0.5, [0.05, 0.3, 0.15, 0.4])], &[PERSON], &image(400, 300));
        for (ms, found) in
            [(0, [0.3, 0.8, 0.4, 0.15]), (600, [0.3, 0.8, 0.4, 0.15]), (700, [0.5, 0.82, 0.2, 0.1])]
        {
            let mut detections = vec![passer_by, legs];
            turned.add(&mut detections, at(ms), 4.0 / 3.0);
            assert_eq!(detections.len(), 2, "{ms}: {detections:?}");
            assert_eq!(detections[0], passer_by);
            let BBox { x, y, w, h } = detections[1].bbox;
            assert_eq!([x, y, w, h].map(|side| (side * 100.0).round() / 100.0), found, "{ms}");
        }
    }

    #[test]
    fn a_part_of_somebody_is_nobody_else() {
        let sits = detection(0.9, [0.3, 0.4, 0.2, 0.5]);
        for (score, part, suspicion, people) in [
            (0.8, [0.28, 0.45, 0.18, 0.1], Suspicion::Down, 1),
            // Surer than the whole.
            (0.95, [0.28, 0.45, 0.18, 0.1], Suspicion::Down, 2),
            // Half of it beside whoever sits.
            (0.8, [0.1, 0.6, 0.35, 0.1], Suspicion::Down, 2),
            // Perhaps who is lost, behind whoever sits.
            (0.8, [0.28, 0.45, 0.18, 0.1], Suspicion::Lost, 2),
        ] {
            let mut detections = vec![sits];
            let is_new = add_whole(&mut detections, detection(score, part), 1.0, suspicion);
            assert_eq!((is_new, detections.len()), (people == 2, people), "{score} {part:?} {suspicion:?}");
        }
    }

    /// How many people a look at a frame of `size` finds, when somebody is there in `found`.
    fn people(suspicion: Suspicion, size: (u32, u32), found: [f32; 4], turn: Orientation) -> usize {
        let mut turned = TurnedLooks::default();
        let image = image(size.0, size.1);
        let mut now = at(0);
        while turned.due(now, suspicion) != Some(turn) {
            now = now + SWEEP;
        }
        turned.finds_turn = turned.turn;
        turned.take(&[seen(turn, detection(0.5, found))], &[PERSON], &image);
        let mut detections = Vec::new();
        turned.add(&mut detections, now, image.aspect());
        detections.len()
    }

    #[test]
    fn whose_head_is_towards_the_camera_is_found_while_somebody_may_be_down() {
        let (size, tall) = ((400, 300), [0.4, 0.2, 0.1, 0.5]);
        for (suspicion, found) in
            [(Suspicion::None, 0), (Suspicion::Remembered, 1), (Suspicion::Down, 1), (Suspicion::Lost, 1)]
        {
            assert_eq!(people(suspicion, size, tall, Orientation::HALF_TURN), found, "{suspicion:?}");
            assert_eq!(people(suspicion, size, tall, Orientation::CLOCKWISE), 0, "{suspicion:?}");
        }
    }

    #[test]
    fn small_people_are_found_while_somebody_may_be_down() {
        // 45 x 20 pixels, and 35 x 20.
        for (suspicion, width, found) in
            [(Suspicion::None, 45.0, 1), (Suspicion::None, 35.0, 0), (Suspicion::Down, 35.0, 1)]
        {
            let lies = [0.4, 0.6, width / 400.0, 20.0 / 200.0];
            assert_eq!(people(suspicion, (400, 200), lies, Orientation::CLOCKWISE), found, "{width}");
        }
    }

    #[test]
    fn who_is_upright_is_not_found_twice() {
        let mut turned = TurnedLooks::default();
        let upright = detection(0.7, [0.4, 0.2, 0.1, 0.5]);
        for frame in 0..6 {
            let now = at(frame * 1000);
            let Some(turn) = turned.due(now, Suspicion::Down) else { panic!("no look is due") };
            let mut detections = vec![upright];
            turned.take(&[seen(turn, Detection { score: 0.5, ..upright })], &[PERSON], &image(100, 100));
            turned.add(&mut detections, now, 1.0);
            assert_eq!(detections, [upright], "{turn:?}");
        }
    }
}
