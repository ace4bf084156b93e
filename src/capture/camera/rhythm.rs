//! How often a camera gives frames, learned, and whether it still does.
//!
//! Pure. A camera that gives 25 frames per second has stalled after two seconds; one that gives a key frame every eight
//! has not.

use std::time::{Duration, Instant};

use super::first_frame;

/// A camera whose frames come so many times later than usual has stalled.
pub(in crate::capture) const STALLED_INTERVALS: f64 = 5.0;
/// No camera has stalled sooner: networks and encoders have pauses.
const LEAST_STALL: Duration = Duration::from_secs(2);
/// While no interval is known, it is believed to be at most this.
const UNKNOWN: Duration = Duration::from_secs(2);
/// One that has stalled is lost after twice that time, but not sooner than this.
pub(in crate::capture) const LEAST_LOSS: Duration = Duration::from_secs(6);
/// How much a new interval counts.
const WEIGHT: f64 = 0.1;
/// A pause is no interval to learn from as it is: it counts no more than so many usual ones.
const LONGEST_LESSON: f64 = 4.0;

/// Whether frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// They do, or it is too early to say.
    Flowing,
    /// None has come for this long, which is more than usual.
    Stalled(Duration),
    /// None has come for this long, which is no pause any more.
    Lost(Duration),
}

/// The usual time between two frames of a camera, and when the last came.
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    usual: Option<f64>,
    given: u64,
    last: Instant,
    /// How long this connection may take for its first frame.
    patience: Duration,
}

impl Rhythm {
    /// Of a camera whose frames come with this interval, as far as its configuration says.
    pub(super) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Rhythm {
            usual: interval.map(|interval| interval.as_secs_f64()),
            given: 0,
            last: now,
            patience: first_frame::USUAL,
        }
    }

    /// A new connection begins, on which frames are counted from 0 and the first may take so long.
    pub(super) fn begin(&mut self, now: Instant, patience: Duration) {
        (self.given, self.last, self.patience) = (0, now, patience);
    }

    /// Something has come on this connection that is no frame yet: the first needs a key frame.
    pub(super) fn hope(&mut self, now: Instant) {
        if self.given == 0 {
            self.last = now;
        }
    }

    /// So many frames have come on this connection.
    pub(super) fn see(&mut self, given: u64, now: Instant) -> Life {
        let waited = now.saturating_duration_since(self.last);
        if given == self.given {
            return self.judge(waited);
        }
        // The first of a connection says how long connecting took, not how often frames come.
        if self.given > 0 {
            self.learn(waited.as_secs_f64() / (given - self.given) as f64);
        }
        (self.given, self.last) = (given, now);
        Life::Flowing
    }

    /// The usual interval; nothing before two frames have come.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.usual.map(Duration::from_secs_f64)
    }

    fn learn(&mut self, interval: f64) {
        self.usual = Some(match self.usual {
            None => interval,
            Some(usual) => usual + WEIGHT * (interval.min(usual * LONGEST_LESSON) - usual),
        });
    }

    fn judge(&self, waited: Duration) -> Life {
        if self.given == 0 {
            let usual = self.usual().unwrap_or_default();
            return if waited < self.patience + usual { Life::Flowing } else { Life::Lost(waited) };
        }
        let usual = self.usual().unwrap_or(UNKNOWN);
        let stall = usual.mul_f64(STALLED_INTERVALS).max(LEAST_STALL);
        if waited < stall {
            Life::Flowing
        } else if waited < (stall * 2).max(LEAST_LOSS) {
            Life::Stalled(waited)
        } else {
            Life::Lost(waited)
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
        rhythm.begin(last, first_frame::USUAL);
        assert_eq!(after(&mut rhythm, last, 5900), Life::Flowing);
        assert_eq!(after(&mut rhythm, last, 6100), Life::Lost(Duration::from_millis(6100)));
        rhythm.hope(last + Duration::from_secs(4));
        assert_eq!(after(&mut rhythm, last, 9900), Life::Flowing, "packets come");
        let usual = rhythm.usual();
        assert_eq!(rhythm.see(1, last + Duration::from_secs(9)), Life::Flowing);
        assert_eq!(rhythm.usual(), usual, "connecting is no interval");
        rhythm.begin(last, first_frame::USUAL);
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
}
