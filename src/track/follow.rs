//! One thing that is followed, confirmed or not yet: its motion, its evidence, and its [`Track`] as the outside sees it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::{ClassId, Detection};
use crate::geometry::{BBox, Point};
use crate::tag::TrackId;

use super::config::{Confirmation, TrackerConfig};
use super::cover::Steady;
use super::evidence::{Evidence, Kind};
use super::motion::{Motion, MotionModel, Seen};
use super::stance::Stance;
use super::{Sighting, Track};

/// A path has at most so many points.
const MAX_PATH: usize = 32;
/// Most sightings kept of the time before the confirmation. When there are more, every second one goes, and never the
/// first.
const MAX_EARLIER: usize = 256;
/// Centres kept for the direction; the oldest go first.
const MAX_RECENT: usize = 64;
/// What is usual follows what is measured within this time: a part found on a few frames is not.
const USUAL_SIZE_S: f32 = 10.0;
/// How much of a part lies in the whole.
const PART_COVER: f32 = 0.8;
/// How far width and height may be off together, as logarithms: a walker's box is twice as wide in mid-stride.
const WHOLE_LOG_SIZE: f32 = 0.7;
/// The score of a track follows that of its detections within this time.
const SCORE_SMOOTHING_S: f32 = 0.5;

/// One thing that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    /// What the outside sees. The id is zero until the confirmation.
    pub(super) track: Track,
    /// Whether it was confirmed.
    pub(super) confirmed: bool,
    /// Seconds since it was last seen.
    pub(super) hidden_s: f32,
    /// The last box that a detector gave for it.
    pub(super) last_measured: BBox,
    /// Width and height that the detector usually gives it, as logarithms.
    usual_log_size: (f32, f32),
    /// The same, smoothed.
    last_seen_bbox: BBox,
    /// What was seen of it before it was confirmed, until the step after the confirmation.
    pub(super) earlier: Vec<Sighting>,
    /// Centres of the last detections with the age at each, oldest first: what is needed for the direction.
    recent: VecDeque<(f64, Point)>,
    /// Seconds since it was first seen.
    age_s: f64,
    motion: Motion,
    /// The motion of the whole, whatever part is seen.
    steady: Steady,
    /// Whether it is hidden, and only parts of it were seen before: it went behind something.
    behind: bool,
    first: BBox,
    stance: Stance,
    detections: u32,
    evidence: Evidence,
    /// Sums of scores; a parked car collects them for weeks.
    classes: Vec<(ClassId, f64)>,
    path_stride: usize,
    path_skipped: usize,
}

impl Followed {
    /// Begins with a detection.
    pub(super) fn new(at: Timestamp, detection: &Detection, config: &TrackerConfig) -> Self {
        let motion = Motion::new(&detection.bbox, &config.motion);
        let mut new = Followed {
            track: Track {
                id: TrackId(0),
                class: detection.class,
                score: detection.score,
                bbox: detection.bbox,
                visible: true,
                first_seen: at,
                last_seen: at,
                best_score: detection.score,
                classes: Vec::new(),
                path: vec![motion.bbox().foot()],
                foot: motion.bbox().clipped().foot(),
            },
            confirmed: false,
            hidden_s: 0.0,
            last_measured: detection.bbox,
            usual_log_size: (detection.bbox.w.ln(), detection.bbox.h.ln()),
            last_seen_bbox: detection.bbox,
            earlier: vec![Sighting { at, bbox: detection.bbox, score: detection.score }],
            recent: VecDeque::from([(0.0, detection.bbox.center())]),
            age_s: 0.0,
            steady: Steady::new(motion),
            behind: false,
            motion,
            first: detection.bbox,
            stance: Stance::new(&detection.bbox),
            detections: 1,
            evidence: Evidence::first(detection.score, &config.confirmation),
            classes: Vec::new(),
            path_stride: 1,
            path_skipped: 0,
        };
        new.weigh_class(detection);
        new
    }

    /// Moves on to a frame `dt_s` seconds later, before its detections are known.
    pub(super) fn predict(&mut self, dt_s: f32, model: &MotionModel) {
        self.age_s += f64::from(dt_s);
        let hidden = self.hidden_s > 0.0;
        self.behind = hidden && self.steady.is_covered();
        if self.behind {
            self.motion = *self.steady.motion();
        }
        self.motion.predict(dt_s, if hidden { Seen::Nothing } else { Seen::Whole }, model);
        self.steady.predict(dt_s, hidden, model);
        self.hidden_s += dt_s;
        self.track.visible = false;
        self.track.bbox = self.motion.bbox();
        self.track.foot = self.track.bbox.clipped().foot();
    }

    /// The clock was set back: `ago` must be taken off all times, so that they stay in order.
    pub(super) fn set_back(&mut self, ago: Duration) {
        let earlier = self.earlier.iter_mut().map(|sighting| &mut sighting.at);
        for time in earlier.chain([&mut self.track.first_seen, &mut self.track.last_seen]) {
            let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
            *time = Timestamp::from_micros(time.as_micros().saturating_sub(micros));
        }
    }

    /// How well a box goes on in the direction that the track had, -1 (turns back) ..= 1 (goes straight on), near 0 when
    /// one of the two ways is too short to tell.
    pub(super) fn keeps_direction(&self, bbox: &BBox, config: &TrackerConfig) -> f32 {
        let [Some((_, before)), Some((_, last))] = [self.recent.front(), self.recent.back()] else {
            return 0.0;
        };
        let next = bbox.center();
        let way = |from: &Point, to: &Point| ((to.x - from.x) / bbox.w, (to.y - from.y) / bbox.h);
        let (past, coming) = (way(before, last), way(last, &next));
        let (past_length, coming_length) = (past.0.hypot(past.1), coming.0.hypot(coming.1));
        let product = past_length * coming_length;
        if product <= f32::EPSILON {
            return 0.0;
        }
        let cosine = (past.0 * coming.0 + past.1 * coming.1) / product;
        let certainty = |length: f32| (length / config.direction_travel.max(f32::EPSILON)).min(1.0);
        cosine * certainty(past_length) * certainty(coming_length)
    }

    /// Whether a box shows the whole of it where a part was found last: it covers the part and is of the usual size.
    pub(super) fn is_whole_again(&self, bbox: &BBox) -> bool {
        let part = &self.last_measured;
        let (log_w, log_h) = self.usual_log_size;
        let other = (bbox.w.ln() - log_w).abs() + (bbox.h.ln() - log_h).abs();
        part.intersection(bbox) >= PART_COVER * part.area() && other <= WHOLE_LOG_SIZE
    }

    /// Where it is expected, and how far the centre of that may be off, across and down.
    pub(super) fn expected(&self) -> (BBox, (f32, f32)) {
        (self.track.bbox, self.motion.center_sd())
    }

    /// The same for the whole of it.
    pub(super) fn expected_whole(&self) -> (BBox, (f32, f32)) {
        let motion = self.steady.motion();
        (motion.bbox(), motion.center_sd())
    }

    /// The whole of it, when a box may show a part.
    pub(super) fn whole(&self, bbox: &BBox) -> Option<BBox> {
        self.steady.whole(bbox)
    }

    /// Whether only parts of it were seen lately.
    pub(super) fn is_covered(&self) -> bool {
        self.steady.is_covered()
    }

    /// Whether it is hidden behind something that it went behind before the last frame.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Takes in the detection that shows it on this frame, which follows the last one by `dt_s` seconds.
    /// All `detections` of the frame say whether another thing covers a part of it.
    pub(super) fn see(
        &mut self,
        at: Timestamp,
        dt_s: f32,
        (index, detections): (usize, &[Detection]),
        config: &TrackerConfig,
    ) {
        let detection = &detections[index];
        let others = detections.iter().enumerate();
        let others = others.filter(|(other, by)| *other != index && by.score >= config.high_score);
        let others = others.map(|(_, by)| &by.bbox);
        self.motion.update(&detection.bbox, &config.motion);
        self.steady.see(dt_s, &detection.bbox, others, &self.motion, &config.motion);
        self.remember_center(detection.bbox.center(), config);
        self.learn_size(&detection.bbox, dt_s);
        self.last_measured = detection.bbox;
        let unseen_s = std::mem::take(&mut self.hidden_s);
        self.detections = self.detections.saturating_add(1);
        self.weigh_class(detection);
        let track = &mut self.track;
        track.visible = true;
        track.bbox = self.motion.bbox();
        track.foot = self.steady.foot(&track.bbox);
        self.last_seen_bbox = track.bbox;
        track.last_seen = at;
        track.best_score = track.best_score.max(detection.score);
        track.score += (detection.score - track.score) * (1.0 - (-dt_s / SCORE_SMOOTHING_S).exp());
        self.extend_path();
        if !self.confirmed {
            self.stance.see(unseen_s, &detection.bbox);
            self.evidence.see(dt_s, detection.score, &config.confirmation);
            if self.earlier.len() == MAX_EARLIER {
                thin(&mut self.earlier);
            }
            self.earlier.push(Sighting { at, bbox: self.track.bbox, score: detection.score });
        }
    }

    /// The track at its end: where it was last seen, not where it was expected since.
    pub(super) fn ended(&self) -> Track {
        Track { bbox: self.last_seen_bbox, ..self.track.clone() }
    }

    /// Takes in that this frame, which follows the last one by `dt_s` seconds, does not show it.
    pub(super) fn miss(&mut self, dt_s: f32, config: &Confirmation) {
        self.evidence.miss(dt_s, config);
    }

    /// Whether there is enough evidence to confirm it, at a place that asks for `doubt` more.
    pub(super) fn is_convincing(&self, doubt: f32, config: &TrackerConfig) -> bool {
        let (kind, config) = (self.kind(config), &config.confirmation);
        let standing = match kind {
            Kind::StandingInanimate => config.standing_inanimate,
            Kind::Moved | Kind::StandingAnimate => config.standing * self.first.iou(&self.last_measured),
        };
        self.detections >= config.min_detections
            && self.evidence.sum(kind, config) >= config.confirm + standing + doubt
    }

    /// Whether it turned out to be nothing.
    pub(super) fn is_refuted(&self, config: &TrackerConfig) -> bool {
        self.evidence.sum(self.kind(config), &config.confirmation) < config.confirmation.refute
    }

    /// Whether it stands where it was some seconds ago.
    pub(super) fn stands(&self) -> bool {
        !self.stance.moved()
    }

    fn kind(&self, config: &TrackerConfig) -> Kind {
        match (self.stands(), config.animate.contains(&self.track.class)) {
            (false, _) => Kind::Moved,
            (true, true) => Kind::StandingAnimate,
            (true, false) => Kind::StandingInanimate,
        }
    }

    /// Takes in the size that it has on a frame, which follows the last one by `dt_s` seconds.
    fn learn_size(&mut self, bbox: &BBox, dt_s: f32) {
        let share = 1.0 - (-dt_s / USUAL_SIZE_S).exp();
        let (log_w, log_h) = &mut self.usual_log_size;
        *log_w += (bbox.w.ln() - *log_w) * share;
        *log_h += (bbox.h.ln() - *log_h) * share;
    }

    /// Keeps one centre from before the span of the direction, and all within it.
    fn remember_center(&mut self, center: Point, config: &TrackerConfig) {
        self.recent.push_back((self.age_s, center));
        let span_start = self.age_s - config.direction_span.as_secs_f64();
        while self.recent.len() > MAX_RECENT || self.recent.get(1).is_some_and(|(age, _)| *age < span_start) {
            self.recent.pop_front();
        }
    }

    /// Adds a detection to the evidence of its class.
    fn weigh_class(&mut self, detection: &Detection) {
        match self.classes.iter_mut().find(|(class, _)| *class == detection.class) {
            Some((_, weight)) => *weight += f64::from(detection.score),
            None => self.classes.push((detection.class, f64::from(detection.score))),
        }
        self.classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let sum: f64 = self.classes.iter().map(|(_, weight)| weight).sum();
        self.track.class = self.classes[0].0;
        self.track.classes.clear();
        #[allow(clippy::cast_possible_truncation, reason = "a share is between 0 and 1")]
        let shares = self.classes.iter().map(|&(class, weight)| (class, (weight / sum) as f32));
        self.track.classes.extend(shares);
    }

    /// Adds the foot point to the path. The last point is always the newest; when the path is full, every second point
    /// goes and from then on half as many are kept.
    fn extend_path(&mut self) {
        let foot = self.track.foot;
        let path = &mut self.track.path;
        self.path_skipped += 1;
        if self.path_skipped < self.path_stride && path.len() > 1 {
            *path.last_mut().expect("longer than one") = foot;
            return;
        }
        self.path_skipped = 0;
        if path.len() == MAX_PATH {
            thin(path);
            self.path_stride *= 2;
        }
        path.push(foot);
    }
}

/// Drops every second point and keeps the first.
fn thin<T>(list: &mut Vec<T>) {
    let mut keep = false;
    list.retain(|_| {
        keep = !keep;
        keep
    });
}
