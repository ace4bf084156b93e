//! How often a camera gives frames, learned, and whether it still does.
//!
//! Pure. A camera that gives 25 frames per second has stalled after two seconds; one that gives a key frame every eight
//! has not.

use std::time::{Duration, Instant};

use super::first_frame::Patience;

/// A camera whose frames come so many times later than usual has stalled.
pub(in crate::capture) const STALLED_INTERVALS: f64 = 5.0;
/// No camera has stalled sooner: networks and encoders have pauses.
const LEAST_STALL: Duration = Duration::from_secs(2);
/// While no interval is known, it is believed to be at most this.
const UNKNOWN: Duration = Duration::from_secs(2);
/// One that has stalled is lost after twice that time, but not sooner than this.
pub(in crate::capture) const LEAST_LOSS: Duration = Duration::from_secs(6);
/// While no interval is known, one that sends data of which no frame is made is lost after this: its frames may be as far
/// apart as the first one may take.
const DATA_UNKNOWN: Duration = Patience::MOST.data;
/// The same when an interval is known.
const DATA_KNOWN: Duration = Patience::USUAL.data;
/// How much a new interval counts.
const WEIGHT: f64 = 0.1;
/// A pause is no interval to learn from as it is: it counts no more than so many usual ones.
const LONGEST_LESSON: f64 = 4.0;

/// Whether frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::capture) enum Life {
    /// They do, or it is too early to say.
    Flowing,
    /// None has come for this long, which is more than usual.
    Stalled(Duration),
    /// None has come for this long, which is no pause any more.
    Lost(Duration),
}

/// The usual time between two frames of a camera, and when the last came.
#[derive(Clone, Debug)]
pub(in crate::capture) struct Rhythm {
    usual: Option<f64>,
    given: u64,
    last: Instant,
    /// When data came last of which no frame was made.
    data: Option<Instant>,
    /// How long this connection may take for its first frame.
    patience: Patience,
}

impl Rhythm {
    /// Of a camera whose frames come with this interval, as far as its configuration says.
    pub(in crate::capture) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Rhythm {
            usual: interval.map(|interval| interval.as_secs_f64()),
            given: 0,
            last: now,
            data: None,
            patience: Patience::USUAL,
        }
    }

    /// A new connection begins, on which frames are counted from 0.
    pub(in crate::capture) fn begin(&mut self, now: Instant, patience: Patience) {
        (self.given, self.last, self.data, self.patience) = (0, now, None, patience);
    }

    /// Encoded frames have come on this connection that cannot be decoded yet: the first needs a key frame.
    pub(in crate::capture) fn hope(&mut self, now: Instant) {
        if self.given == 0 && self.patience.hopes() {
            self.last = now;
        }
    }

    /// Data have come of which no frame was made yet.
    pub(in crate::capture) fn hear(&mut self, now: Instant) {
        self.data = Some(now);
    }

    /// So many frames have come on this connection.
    pub(in crate::capture) fn see(&mut self, given: u64, now: Instant) -> Life {
        if given == self.given {
            return self.judge(now);
        }
        let waited = now.saturating_duration_since(self.last);
        // The first of a connection says how long connecting took, not how often frames come.
        if self.given > 0 {
            self.learn(waited.as_secs_f64() / (given - self.given) as f64);
        }
        (self.given, self.last) = (given, now);
        Life::Flowing
    }

    /// The usual interval; nothing before two frames have come.
    pub(in crate::capture) fn usual(&self) -> Option<Duration> {
        self.usual.map(Duration::from_secs_f64)
    }

    fn learn(&mut self, interval: f64) {
        self.usual = Some(match self.usual {
            None => interval,
            Some(usual) => usual + WEIGHT * (interval.min(usual * LONGEST_LESSON) - usual),
        });
    }

    /// When it is lost, if nothing more comes.
    pub(in crate::capture) fn lost_at(&self) -> Instant {
        let data = self.heard();
        if self.given == 0 {
            let Patience { silence, data: most } = self.patience;
            let usual = self.usual().unwrap_or_default();
            return if self.patience.hopes() {
                (data + silence).min(self.last + most) + usual
            } else {
                self.last + silence + usual
            };
        }
        let lost = (self.stall() * 2).max(LEAST_LOSS);
        let most = if self.usual.is_some() { DATA_KNOWN } else { DATA_UNKNOWN };
        (data + LEAST_LOSS).min(self.last + most).max(self.last + lost)
    }

    /// When something came last: a frame, or data.
    pub(in crate::capture) fn heard(&self) -> Instant {
        self.data.unwrap_or(self.last).max(self.last)
    }

    /// After how long without a frame it has stalled.
    fn stall(&self) -> Duration {
        self.usual().unwrap_or(UNKNOWN).mul_f64(STALLED_INTERVALS).max(LEAST_STALL)
    }

    fn judge(&self, now: Instant) -> Life {
        let waited = now.saturating_duration_since(self.last);
        if now >= self.lost_at() {
            Life::Lost(waited)
        } else if self.given == 0 || waited < self.stall() {
            Life::Flowing
        } else {
            Life::Stalled(waited)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera that has given a frame every `interval` milliseconds for a while, and the moment of the last.
    fn running(interval: u64, frames: u64) -> (Rhythm, Instant) {
        let begun = Instant::now();
        let mut rhythm = Rhythm::new(None, begun);
        for n in 1..=frames {
            assert_eq!(rhythm.see(n, begun + Duration::from_millis(n * interval)), Life::Flowing);
        }
        (rhythm, begun + Duration::from_millis(frames * interval))
    }

    fn after(rhythm: &mut Rhythm, last: Instant, ms: u64) -> Life {
        rhythm.see(rhythm.given, last + Duration::from_millis(ms))
    }

    #[test]
    fn a_fast_camera_has_stalled_after_two_seconds_and_is_lost_after_six() {
        let (mut rhythm, last) = running(40, 100);
        for (ms, expected) in [
            (1999, Life::Flowing),
            (2000, Life::Stalled(Duration::from_secs(2))),
            (5999, Life::Stalled(Duration::from_millis(5999))),
            (6000, Life::Lost(Duration::from_secs(6))),
        ] {
            assert_eq!(after(&mut rhythm, last, ms), expected, "{ms}");
        }
    }

    #[test]
    fn a_slow_camera_is_given_its_own_time() {
        let (mut rhythm, last) = running(8000, 20);
        assert_eq!(after(&mut rhythm, last, 39_000), Life::Flowing);
        assert_eq!(after(&mut rhythm, last, 41_000), Life::Stalled(Duration::from_secs(41)));
        assert_eq!(after(&mut rhythm, last, 81_000), Life::Lost(Duration::from_secs(81)));
    }

    #[test]
    fn a_camera_of_which_one_frame_is_known_may_be_a_slow_one() {
        let (mut rhythm, last) = running(40, 1);
        assert_eq!(after(&mut rhythm, last, 9900), Life::Flowing);
        assert_eq!(after(&mut rhythm, last, 19_900), Life::Stalled(Duration::from_millis(19_900)));
        assert_eq!(after(&mut rhythm, last, 20_100), Life::Lost(Duration::from_millis(20_100)));
    }

    #[test]
    fn pauses_teach_little_and_bursts_are_counted_by_frame() {
        let (mut rhythm, last) = running(100, 50);
        assert_eq!(rhythm.see(51, last + Duration::from_secs(60)), Life::Flowing);
        assert!(rhythm.usual().unwrap() < Duration::from_millis(140), "{rhythm:?}");
        // Five at once, half a second later.
        assert_eq!(rhythm.see(56, last + Duration::from_millis(60_500)), Life::Flowing);
        assert!(rhythm.usual().unwrap() < Duration::from_millis(140), "{rhythm:?}");
    }

    #[test]
    fn a_slower_camera_is_learned() {
        let (mut rhythm, mut last) = running(100, 50);
        for n in 51..150 {
            last += Duration::from_secs(1);
            rhythm.see(n, last);
        }
        assert!(rhythm.usual().unwrap() > Duration::from_millis(900), "{rhythm:?}");
    }

    #[test]
    fn a_new_connection_has_time_for_its_first_frame_and_keeps_what_was_learned() {
        let (mut rhythm, last) = running(1000, 20);
        rhythm.begin(last, Patience::USUAL);
        assert_eq!(after(&mut rhythm, last, 5900), Life::Flowing);
        assert_eq!(after(&mut rhythm, last, 6100), Life::Lost(Duration::from_millis(6100)));
        rhythm.hope(last + Duration::from_secs(4));
        assert_eq!(after(&mut rhythm, last, 9900), Life::Flowing, "frames come that need a key frame");
        let usual = rhythm.usual();
        assert_eq!(rhythm.see(1, last + Duration::from_secs(9)), Life::Flowing);
        assert_eq!(rhythm.usual(), usual, "connecting is no interval");
        rhythm.begin(last, Patience::USUAL);
        rhythm.see(2, last + Duration::from_secs(4));
        assert_eq!(rhythm.usual(), usual, "nor when more have come at once");
    }

    #[test]
    fn a_file_whose_rate_is_known_has_it_from_the_beginning() {
        let begun = Instant::now();
        let mut rhythm = Rhythm::new(Some(Duration::from_secs(10)), begun);
        assert_eq!(after(&mut rhythm, begun, 14_000), Life::Flowing);
        rhythm.see(1, begun + Duration::from_secs(14));
        assert_eq!(after(&mut rhythm, begun, 60_000), Life::Flowing);
    }

    /// When a camera is lost, in milliseconds after its last frame or the begin, that sends data every second for as long as
    /// this, and no frame.
    fn lost_with_data(rhythm: &mut Rhythm, last: Instant, data_s: u64) -> u64 {
        let tenths = (0..1000).map(|tenth| tenth * 100);
        let mut moments = tenths.map(|ms| (ms, last + Duration::from_millis(ms)));
        let lost = moments.find(|&(ms, now)| {
            if ms % 1000 == 0 && ms <= data_s * 1000 {
                rhythm.hear(now);
            }
            matches!(rhythm.see(rhythm.given, now), Life::Lost(_))
        });
        lost.expect("it has an end").0
    }

    #[test]
    fn data_without_a_frame_are_a_sign_of_life_for_a_while() {
        let begun = Instant::now();
        let short = Patience { silence: Duration::from_secs(3), data: Duration::from_secs(3) };
        for (patience, data_s, lost_ms) in [
            (Patience::USUAL, 100, 12_000),
            (Patience::USUAL, 2, 7000),
            (Patience::MOST, 100, 30_000),
            (Patience::MOST, 4, 19_000),
            (short, 100, 3000),
        ] {
            let mut rhythm = Rhythm::new(None, begun);
            rhythm.begin(begun, patience);
            assert_eq!(lost_with_data(&mut rhythm, begun, data_s), lost_ms, "{patience:?} {data_s}");
        }
    }

    #[test]
    fn data_between_two_frames_are_too() {
        for (interval_ms, frames, data_s, lost_ms) in [
            (100, 50, 0, 6000),
            (100, 50, 3, 9000),
            (100, 50, 100, 12_000),
            (100, 1, 10, 20_000),
            (100, 1, 100, 30_000),
            (8000, 20, 100, 80_000),
        ] {
            let (mut rhythm, last) = running(interval_ms, frames);
            assert_eq!(lost_with_data(&mut rhythm, last, data_s), lost_ms, "{interval_ms} {frames} {data_s}");
        }
    }
}
