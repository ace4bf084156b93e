//! When frames were captured, by when they arrive: for live sources that stamp them by a clock of their own, RTP aside.
//!
//! Pure. A server may begin with seconds of old frames at once (its cache of the last group of pictures), and a network may
//! hold frames up and let them through together. So time stamps say how far apart frames are, and how far that clock is from
//! this one is the least of arrival minus stamp that was seen lately: of the frame that took the shortest way. Lately,
//! because two clocks drift apart over days.

use std::collections::VecDeque;
use std::time::Duration;

/// For so long an offset is remembered, in steps of the second. A connection that is held up for longer is given up.
const WINDOW: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));
/// An older frame is not believed to be that old.
const OLDEST: Duration = Duration::from_secs(60);
/// How far the time between two frames may be from the time between their arrivals, before what was seen of encoded frames
/// is not believed any more.
const BELIEVED: Duration = Duration::from_secs(5);

/// Encoded frames that say whether a burst is passing, and the pause after which it has passed.
const BURST: (usize, Duration) = (5, Duration::from_millis(200));

/// Arrival minus time stamp, in microseconds.
type Offset = i64;

/// The least offset of the last while.
#[derive(Debug, Default)]
struct Least {
    /// By step of the window, oldest first.
    steps: VecDeque<(u64, Offset)>,
}

impl Least {
    fn see(&mut self, offset: Offset, arrived: Duration) {
        let (window, length) = WINDOW;
        let step = arrived.as_secs() / length.as_secs();
        match self.steps.back_mut() {
            Some((last, least)) if *last == step => *least = offset.min(*least),
            _ => self.steps.push_back((step, offset)),
        }
        while self.steps.front().is_some_and(|(first, _)| first + window.as_secs() / length.as_secs() < step)
        {
            self.steps.pop_front();
        }
    }

    fn get(&self) -> Option<Offset> {
        self.steps.iter().map(|(_, offset)| *offset).min()
    }
}

/// What was seen of one connection. Arrivals are by a clock that only goes forward, of any beginning.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Of encoded frames, which run ahead of decoded ones: of a burst all have come before the first is decoded.
    encoded: Least,
    /// Stamps and arrivals of the last encoded frames.
    recent: VecDeque<(Duration, Duration)>,
    /// Whether time stamps have jumped, so that those of encoded frames are not those of decoded ones.
    jumped: bool,
    decoded: Least,
    /// Capture time of the last frame that was told, in microseconds.
    told: Option<i64>,
}

impl Arrivals {
    /// An encoded frame has come.
    pub(super) fn encoded(&mut self, stamp: Duration, arrived: Duration) {
        if let Some((last, then)) = self.recent.back().copied() {
            let (step, waited) = (micros(stamp) - micros(last), micros(arrived) - micros(then));
            self.jumped |= (step - waited).unsigned_abs() > BELIEVED.as_micros() as u64;
        }
        self.encoded.see(micros(arrived) - micros(stamp), arrived);
        self.recent.push_back((stamp, arrived));
        if self.recent.len() > BURST.0 {
            self.recent.pop_front();
        }
    }

    /// Whether encoded frames come as fast as they were captured, so that it is known how old they are; in a burst they come
    /// faster.
    pub(super) fn has_settled(&self, now: Duration) -> bool {
        let (most, pause) = BURST;
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else { return true };
        if now.saturating_sub(last.1) >= pause {
            return true;
        }
        self.recent.len() == most && last.0.saturating_sub(first.0) <= 2 * last.1.saturating_sub(first.1)
    }

    /// How old a decoded frame is that arrives now. It came with the stamp `given`, which is `repaired` now, and is the first
    /// after a jump or not. Nothing when it is older than the one before, of which it was not known yet how old it was.
    pub(super) fn age(
        &mut self,
        given: Option<Duration>,
        repaired: Duration,
        jumped: bool,
        arrived: Duration,
    ) -> Option<Duration> {
        self.jumped |= jumped;
        self.decoded.see(micros(arrived) - micros(repaired), arrived);
        let ahead = self.encoded.get().zip(given).filter(|_| !self.jumped);
        let ahead = ahead.map(|(offset, given)| offset - (micros(repaired) - micros(given)));
        let least = self.decoded.get().into_iter().chain(ahead).min().unwrap_or_default();
        let (at, now) = (micros(repaired) + least, micros(arrived));
        let age = Duration::from_micros(u64::try_from(now - at).unwrap_or(0)).min(OLDEST);
        let at = now - micros(age);
        if self.told.is_some_and(|told| at < told) {
            return None;
        }
        self.told = Some(at);
        Some(age)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Ages in milliseconds of decoded frames, each with stamp and arrival.
    fn ages(arrivals: &mut Arrivals, frames: impl IntoIterator<Item = (u64, u64)>) -> Vec<Option<u128>> {
        let mut age = |(stamp, arrived)| arrivals.age(Some(ms(stamp)), ms(stamp), false, ms(arrived));
        frames.into_iter().map(|frame| age(frame).map(|age| age.as_millis())).collect()
    }

    #[test]
    fn a_burst_whose_encoded_frames_run_ahead_is_as_old_as_it_is() {
        let mut arrivals = Arrivals::default();
        // Eight seconds, of stamps from anywhere, within 40 ms; the last is from now.
        for n in 0..=80 {
            arrivals.encoded(ms(500_000 + n * 100), ms(300 + n / 2));
        }
        let burst = ages(&mut arrivals, (0..=80).map(|n| (500_000 + n * 100, 400 + n)));
        assert_eq!((burst[0], burst[40], burst[80]), (Some(8060), Some(4100), Some(140)));
        let live = ages(&mut arrivals, (1..=20).map(|n| (508_000 + n * 100, 360 + n * 100)));
        assert!(live.iter().all(|age| *age == Some(20)), "{live:?}");
    }

    #[test]
    fn of_a_burst_that_is_seen_only_when_decoded_what_is_older_than_was_told_is_left_out() {
        let mut arrivals = Arrivals::default();
        let burst = ages(&mut arrivals, (0..=80).map(|n| (n * 100, 300 + n)));
        // Each turns out to be as new as the one before, within the millisecond by which they come apart.
        assert!(burst.iter().all(|age| *age == Some(0)), "{burst:?}");
        let live = ages(&mut arrivals, (1..=20).map(|n| (8000 + n * 100, 380 + n * 100)));
        assert!(live.iter().all(|age| *age == Some(0)), "{live:?}");
        // The first was told as new; then it turns out that all were old.
        let mut arrivals = Arrivals::default();
        assert_eq!(ages(&mut arrivals, [(0, 300)]), [Some(0)]);
        for n in 1..=80 {
            arrivals.encoded(ms(n * 100), ms(300 + n / 2));
        }
        let rest = ages(&mut arrivals, (1..=80).map(|n| (n * 100, 301 + n)));
        assert_eq!((rest[0], rest[78], rest[79]), (None, None, Some(41)));
    }

    #[test]
    fn a_burst_has_passed_when_frames_come_at_their_own_pace() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.has_settled(ms(300)), "there are no encoded frames");
        for n in 0..80 {
            arrivals.encoded(ms(n * 40), ms(300 + n));
            assert!(!arrivals.has_settled(ms(301 + n)));
        }
        assert!(!arrivals.has_settled(ms(578)));
        assert!(arrivals.has_settled(ms(579)), "a pause");
        for n in 0..4 {
            arrivals.encoded(ms(3200 + n * 40), ms(419 + n * 40));
        }
        assert!(arrivals.has_settled(ms(540)), "their own pace");
    }

    #[test]
    fn what_a_network_holds_up_is_told_as_old() {
        let mut arrivals = Arrivals::default();
        ages(&mut arrivals, (0..50).map(|n| (n * 100, 1000 + n * 100)));
        let held = ages(&mut arrivals, (50..=80).map(|n| (n * 100, 9000 + n)));
        assert_eq!((held[0], held[30]), (Some(3050), Some(80)));
    }

    #[test]
    fn clocks_that_drift_apart_are_followed() {
        // A clock that is slow or fast by 1 part in 1000: 86 s a day.
        for per_second in [999, 1001] {
            let mut arrivals = Arrivals::default();
            let day = ages(&mut arrivals, (0..86_400).map(|n| (n * per_second, 500 + n * 1000)));
            assert!(day.iter().all(|age| age.is_some_and(|age| age <= 35)), "{:?}", day.last());
        }
    }

    #[test]
    fn after_a_jump_encoded_frames_do_not_count() {
        let mut arrivals = Arrivals::default();
        for n in 0..50 {
            arrivals.encoded(ms(n * 100), ms(200 + n * 100));
        }
        // Stamps jump by an hour; decoded ones are repaired.
        for n in 50..60 {
            arrivals.encoded(ms(3_600_000 + n * 100), ms(200 + n * 100));
        }
        let age = arrivals.age(Some(ms(4900)), ms(4900), false, ms(5120));
        assert_eq!(age, Some(Duration::ZERO));
        let age = arrivals.age(Some(ms(3_605_000)), ms(5000), true, ms(5230));
        assert_eq!(age, Some(ms(10)));
    }

    #[test]
    fn nothing_is_older_than_a_minute() {
        let mut arrivals = Arrivals::default();
        arrivals.encoded(ms(100_000), ms(300));
        assert_eq!(ages(&mut arrivals, [(0, 400)]), [Some(60_000)]);
    }
}
