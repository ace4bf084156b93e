//! The frames that a clip needs, chosen by their times.

use std::collections::VecDeque;
use std::time::Duration;

use crate::activity::Window;
use crate::clock::Timestamp;

/// A pause between two frames that is longer than this, and than two intervals, begins a new window, in microseconds.
const LONGEST_PAUSE_US: i64 = 1_000_000;

/// What a clip of T frames, one per interval, needs of the frames that somebody is seen on. Times alone count, so that
/// any frame rate will do, an uneven one too.
///
/// Which frames are kept: the first one, at `t`; then one for each of the instants `t + interval`, `t + 2 * interval`,
/// ... That is the frame that is nearest to the instant, if the frame after it comes as soon as it came itself: the
/// first whose time, and on top half the time since the frame before it (at most half an interval), reach the instant.
/// A frame that reaches several is kept once.
///
/// Which make a clip: it ends with the frame that was kept last, at `e`; for each of the instants `e - (T - 1) *
/// interval`, ..., `e - interval`, `e` it takes the frame kept last that is at most half an interval later. So a
/// camera that is slower than the model shows it some frames twice. There is a clip once the first frame kept is at
/// most half an interval later than the first instant.
///
/// After a pause of more than a second that is also more than two intervals, and when time runs backwards, the window
/// begins anew. At most T + 2 frames are kept, each once.
///
/// Of each frame an `F` is kept.
pub(super) struct FrameWindow<F> {
    frames: usize,
    interval_us: i64,
    /// Oldest first.
    kept: VecDeque<Kept<F>>,
    /// The instant that waits for its frame.
    next_us: i64,
    /// When the last frame was, kept or not.
    seen_us: Option<i64>,
}

struct Kept<F> {
    at_us: i64,
    frame: F,
}

impl<F> FrameWindow<F> {
    /// An empty window for clips of `frames` frames, `interval` apart.
    pub(super) fn new(frames: usize, interval: Duration) -> Self {
        let interval_us = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX / 4096).max(1);
        FrameWindow { frames, interval_us, kept: VecDeque::new(), next_us: 0, seen_us: None }
    }

    /// The time that a clip would be of; nothing while there is none.
    pub(super) fn span(&self) -> Option<Window> {
        let (oldest, newest) = (self.kept.front()?.at_us, self.kept.back()?.at_us);
        let at = Timestamp::from_micros;
        (oldest <= self.first_by(newest)).then(|| Window { from: at(oldest), to: at(newest) })
    }

    /// Takes note of a frame at `at`; says whether it is to be kept.
    pub(super) fn wants(&mut self, at: Timestamp) -> bool {
        let at_us = at.as_micros();
        let since = self.seen_us.replace(at_us).map(|seen| at_us - seen);
        let longest = LONGEST_PAUSE_US.max(2 * self.interval_us);
        match since {
            Some(0) => false,
            Some(since) if (1..=longest).contains(&since) => {
                let reached = at_us + since.min(self.interval_us) / 2;
                let wanted = reached >= self.next_us;
                if wanted {
                    self.next_us += ((reached - self.next_us) / self.interval_us + 1) * self.interval_us;
                }
                wanted
            }
            _ => {
                self.kept.clear();
                self.next_us = at_us + self.interval_us;
                true
            }
        }
    }

    /// Keeps the frame that was asked about last. `make` makes it, and may use the memory of one that is not kept any more.
    pub(super) fn keep(&mut self, at: Timestamp, make: impl FnOnce(Option<F>) -> F) {
        let at_us = at.as_micros();
        let first_by = self.first_by(at_us);
        let mut gone = None;
        while let Some(first) = self.kept.pop_front() {
            let second_us = self.kept.front().map_or(at_us, |second| second.at_us);
            if self.kept.len() <= self.frames && second_us > first_by {
                self.kept.push_front(first);
                break;
            }
            gone = Some(first.frame);
        }
        self.kept.push_back(Kept { at_us, frame: make(gone) });
    }

    /// The frames of the clip that ends with the frame kept last, oldest first; nothing while there is none.
    pub(super) fn clip(&self) -> Option<impl Iterator<Item = &F>> {
        let Window { to, .. } = self.span()?;
        let by = move |index: usize| {
            let back = self.interval_us * (self.frames - 1 - index) as i64;
            to.as_micros() - back + self.interval_us / 2
        };
        let frame = move |index| {
            let after = self.kept.partition_point(|kept| kept.at_us <= by(index));
            &self.kept[after.saturating_sub(1)].frame
        };
        Some((0..self.frames).map(frame))
    }

    /// By when the first frame of a clip that ends at `end_us` must have been.
    fn first_by(&self, end_us: i64) -> i64 {
        end_us - self.interval_us * (self.frames - 1) as i64 + self.interval_us / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows frames at these times in milliseconds, each of one byte that is its number; gives those that were kept,
    /// and the last clip.
    fn show(window: &mut FrameWindow<Vec<u8>>, times_ms: &[i64]) -> (Vec<usize>, Option<Vec<u8>>) {
        let mut kept = Vec::new();
        for (index, time) in times_ms.iter().enumerate() {
            let at = Timestamp::from_micros(time * 1000);
            if window.wants(at) {
                window.keep(at, |_| vec![index as u8]);
                kept.push(index);
            }
        }
        (kept, window.clip().map(|frames| frames.map(|frame| frame[0]).collect()))
    }

    /// What it is, times in ms, which of these frames are kept, and the last clip of them.
    type Case<'a> = (&'a str, &'a [i64], &'a [usize], Option<[u8; 3]>);

    #[test]
    fn frames_are_chosen_by_their_times() {
        // Times in ms; the frames that a window of 3, 200 ms apart, keeps; its clip.
        let cases: [Case<'_>; 9] = [
            ("none", &[], &[], None),
            ("at its pace", &[0, 200, 400, 600], &[0, 1, 2, 3], Some([1, 2, 3])),
            ("not yet", &[0, 200], &[0, 1], None),
            ("twice as fast", &[0, 100, 200, 300, 400, 500], &[0, 2, 4], Some([0, 2, 4])),
            ("1.5 times", &[0, 133, 267, 400, 533, 667, 800], &[0, 2, 3, 5, 6], Some([3, 5, 6])),
            ("half as fast", &[0, 400, 800], &[0, 1, 2], Some([1, 1, 2])),
            ("uneven", &[0, 20, 190, 210, 330, 440, 450], &[0, 2, 5], Some([0, 2, 5])),
            ("a gap", &[0, 200, 400, 1300, 1400], &[0, 1, 2, 3], Some([2, 2, 3])),
            ("a pause", &[0, 200, 400, 1401], &[0, 1, 2, 3], None),
        ];
        for (what, times, kept, clip) in cases {
            let mut window = FrameWindow::new(3, Duration::from_millis(200));
            let expected = (kept.to_vec(), clip.map(|clip| clip.to_vec()));
            assert_eq!(show(&mut window, times), expected, "{what}");
        }
    }

    #[test]
    fn time_that_runs_backwards_begins_anew_and_the_same_frame_twice_is_one() {
        let mut window = FrameWindow::new(2, Duration::from_millis(200));
        assert_eq!(show(&mut window, &[1000, 1200, 1200]), (vec![0, 1], Some(vec![0, 1])));
        assert_eq!(show(&mut window, &[500]), (vec![0], None));
        assert_eq!(window.kept.len(), 1);
    }

    #[test]
    fn no_rate_makes_a_window_grow() {
        for frames in [1, 2, 5] {
            for step_ms in [1, 7, 33, 40, 99, 101, 150, 199, 333, 999] {
                let mut window = FrameWindow::new(frames, Duration::from_millis(100));
                for index in 0..500 {
                    // Every third frame is late, and some are missing.
                    let late = if index % 3 == 0 { step_ms / 2 } else { 0 };
                    let at = Timestamp::from_micros((index * step_ms + late) * 1000);
                    if index % 7 != 0 && window.wants(at) {
                        window.keep(at, |_| vec![0; 12]);
                    }
                    assert!(window.kept.len() <= frames + 2, "{frames} frames, every {step_ms} ms");
                }
                let clip = window.clip().map(Iterator::count);
                assert!(
                    clip == Some(frames) || (step_ms == 999 && frames > 1),
                    "{frames}, {step_ms} ms: {clip:?}"
                );
            }
        }
    }
}
