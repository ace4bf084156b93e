//! Repairs the time stamps of a live source: what jumps or runs backwards would hold frames up, or make their capture
//! times lies.
//!
//! Pure. Called for each decoded frame, and for each packet of RTP, by [`super::flow`].

use std::time::Duration;

/// How far the time between two frames may be from the time between their arrivals: bursts of a network and buffers of a
/// server stay well below.
const BELIEVED: Duration = Duration::from_secs(5);

/// The time stamps of one connection, made to go forward as time does.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    last: Option<Last>,
}

/// Of the frame before.
#[derive(Clone, Copy, Debug)]
struct Last {
    given: Duration,
    told: Duration,
    arrived: Duration,
}

/// What a frame's time stamp is, and whether it had to be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When it is to be shown.
    pub at: Duration,
    /// Whether the one that it came with jumped or ran backwards.
    pub jumped: bool,
}

impl Timeline {
    /// The time stamp of the next frame, which came with `given` and `arrived` then by a clock that only goes forward.
    /// Times that follow a jump are counted from there. A frame without a time stamp takes that of its arrival. The first
    /// one that lies in the future by the pipeline's own time, which is `now`, takes that, for it would be waited for. That is no
    /// jump: segments of fragmented MP4 count from the beginning of a stream that has been running for hours.
    pub(super) fn next(
        &mut self,
        given: Option<Duration>,
        arrived: Duration,
        now: impl Fn() -> Duration,
    ) -> Stamp {
        let Some(last) = self.last else {
            let given = given.unwrap_or(arrived);
            let now = now();
            let at = if given > now + BELIEVED { now } else { given };
            self.last = Some(Last { given, told: at, arrived });
            return Stamp { at, jumped: false };
        };
        let waited = arrived.saturating_sub(last.arrived);
        let step = match given {
            None => Some(waited),
            Some(given) => given.checked_sub(last.given).filter(|step| step.abs_diff(waited) <= BELIEVED),
        };
        let at = last.told + step.unwrap_or(waited);
        self.last = Some(Last { given: given.unwrap_or(last.given + waited), told: at, arrived });
        Stamp { at, jumped: step.is_none() }
    }
}

/// The first packet of another frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewFrame {
    /// Whether its time stamp is another one than its arrival lets believe.
    pub jumped: bool,
}

/// Looks at the time stamps of RTP packets, which a jitter buffer replaces where they jump, and says nothing.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// Time stamp and arrival of the packet before.
    last: Option<(u32, Duration)>,
}

impl Packets {
    /// Whether the next packet begins a frame: all packets of one have its time stamp, in ticks of which there are `rate`
    /// per second. Ticks run over.
    pub(super) fn next(&mut self, ticks: u32, rate: u32, arrived: Duration) -> Option<NewFrame> {
        let Some((last, then)) = self.last.replace((ticks, arrived)) else {
            return Some(NewFrame { jumped: false });
        };
        let step_s = f64::from(ticks.wrapping_sub(last).cast_signed()) / f64::from(rate);
        let waited_s = arrived.saturating_sub(then).as_secs_f64();
        let jumped = (step_s - waited_s).abs() > BELIEVED.as_secs_f64();
        (ticks != last || jumped).then_some(NewFrame { jumped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs frames, each given and arrived at these milliseconds, and gives the stamps and the jumps.
    fn run(frames: &[(Option<u64>, u64)]) -> (Vec<u128>, usize) {
        let mut timeline = Timeline::default();
        let stamps: Vec<Stamp> = frames
            .iter()
            .map(|&(given, arrived)| {
                let arrived = Duration::from_millis(arrived);
                timeline.next(given.map(Duration::from_millis), arrived, || arrived)
            })
            .collect();
        (
            stamps.iter().map(|stamp| stamp.at.as_millis()).collect(),
            stamps.iter().filter(|stamp| stamp.jumped).count(),
        )
    }

    #[test]
    fn what_is_right_stays() {
        let frames = [(Some(100), 7), (Some(140), 40), (Some(180), 300), (Some(220), 301), (Some(220), 310)];
        assert_eq!(run(&frames), (vec![100, 140, 180, 220, 220], 0));
    }

    #[test]
    fn a_pause_of_the_camera_is_no_jump() {
        let frames = [(Some(0), 0), (Some(40), 40), (Some(20_040), 20_060), (Some(20_080), 20_100)];
        assert_eq!(run(&frames), (vec![0, 40, 20_040, 20_080], 0));
    }

    #[test]
    fn a_jump_forward_takes_as_long_as_it_took() {
        let frames = [(Some(0), 0), (Some(40), 40), (Some(3_600_000), 80), (Some(3_600_040), 120)];
        assert_eq!(run(&frames), (vec![0, 40, 80, 120], 1));
    }

    #[test]
    fn a_camera_that_begins_in_the_future_begins_now() {
        let frames = [(Some(3_600_000), 300), (Some(3_600_040), 340), (Some(3_600_080), 385)];
        assert_eq!(run(&frames), (vec![300, 340, 380], 0));
        assert_eq!(run(&[(Some(4000), 300), (Some(4040), 340)]), (vec![4000, 4040], 0), "a buffer's length");
    }

    #[test]
    fn time_that_runs_backwards_goes_on() {
        let frames = [(Some(5000), 0), (Some(5040), 40), (Some(10), 85), (Some(50), 120), (Some(45), 160)];
        assert_eq!(run(&frames), (vec![5000, 5040, 5085, 5125, 5165], 2));
    }

    #[test]
    fn a_clock_that_stands_still_while_time_passes_is_a_jump() {
        let frames = [(Some(0), 0), (Some(1), 9000), (Some(2), 9040)];
        assert_eq!(run(&frames), (vec![0, 9000, 9001], 1));
    }

    #[test]
    fn packets_jump_when_their_time_is_not_that_of_their_arrival() {
        let mut packets = Packets::default();
        let mut next = |ticks: u32, ms| packets.next(ticks, 90_000, Duration::from_millis(ms));
        let just_before = u32::MAX - 1800;
        assert_eq!(next(just_before, 0), Some(NewFrame { jumped: false }));
        assert_eq!(next(just_before, 1), None, "another packet of the same frame");
        let mut jumps = |ticks, ms| next(ticks, ms).is_some_and(|frame| frame.jumped);
        assert!(!jumps(just_before.wrapping_add(3600), 40), "it runs over");
        assert!(!jumps(just_before.wrapping_add(1800), 80), "pictures that are sent out of order");
        assert!(!jumps(just_before.wrapping_add(60 * 90_000), 60_200), "a pause");
        assert!(jumps(just_before.wrapping_add(66 * 90_000), 60_240), "forward");
        assert!(!jumps(just_before.wrapping_add(66 * 90_000 + 3600), 60_280));
        assert!(jumps(just_before.wrapping_add(60 * 90_000), 60_320), "backwards");
        assert!(jumps(just_before.wrapping_add(60 * 90_000), 66_320), "it stands still");
    }

    #[test]
    fn frames_without_a_stamp_are_placed_by_their_arrival() {
        assert_eq!(run(&[(None, 10), (None, 50), (None, 90)]), (vec![10, 50, 90], 0));
        assert_eq!(run(&[(Some(1000), 10), (None, 50), (Some(1080), 90)]), (vec![1000, 1040, 1080], 0));
    }
}
