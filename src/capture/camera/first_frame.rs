//! How long a connection may take for its first frame.
//!
//! Pure. A connection that begins in the middle of garbage may never give any, nor one to a server that has only just
//! started, while the next one does at once. So a camera that has always been quick is not waited for long; but after that
//! was in vain it is, until frames come: it may have become slow. Data of which no frame is made yet are a sign of life:
//! demultiplexers wait for streams that were announced, and key frames may be 20 s apart. They extend the wait, but not for
//! ever. A server may take long to answer one question after the other; so after nothing has come at all, it is waited for
//! longest. The daemon begins with less and comes to [`Patience::MOST`] after misses; `doctor` and `probe` begin there.

use std::time::Duration;

/// A camera whose first frames are known to come is waited for so many times as long as they take, at least and at most
/// for this; where it would be more, its key frames are far apart.
const OF_QUICK: (u32, Duration, Duration) = (3, Duration::from_secs(3), Duration::from_millis(7500));
/// What one connection took longer than the others is forgotten by a part of this many with each that follows.
const FORGETS: u32 = 4;

/// What a connection may take for its first frame, beside the interval of frames that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::capture) struct Patience {
    /// For so long nothing may come.
    pub(in crate::capture) silence: Duration,
    /// For so long data may come of which no frame is made. If it is not more than `silence`, data are no sign.
    pub(in crate::capture) data: Duration,
}

impl Patience {
    /// With a camera of which nothing is known.
    pub(in crate::capture) const USUAL: Patience =
        Patience { silence: Duration::from_secs(5), data: Duration::from_secs(12) };
    /// The most that is waited with any camera: after misses, and by those who look once.
    pub(in crate::capture) const MOST: Patience =
        Patience { silence: Duration::from_secs(15), data: Duration::from_secs(30) };

    /// Whether data without a frame extend the wait.
    pub(in crate::capture) fn hopes(self) -> bool {
        self.data > self.silence
    }
}

/// What is known of a camera's first frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstFrame {
    is_file: bool,
    /// The longest that a connection has taken, of those that were made not long ago.
    longest: Option<Duration>,
    /// What the last one that was made waited for in vain, and how many have in a row.
    in_vain: Option<(Missed, u32)>,
}

/// How a connection was without a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// Data came, and no frame was made of them.
    Frames,
    /// Nothing came.
    Everything,
}

impl FirstFrame {
    /// Of a camera of which nothing is known yet.
    pub(super) fn new(is_file: bool) -> Self {
        FirstFrame { is_file, longest: None, in_vain: None }
    }

    /// A connection has given its first frame after so long.
    pub(super) fn came(&mut self, after: Duration) {
        let longest = self.longest.unwrap_or_default();
        self.longest = Some(after.max(longest - longest.saturating_sub(after) / FORGETS));
        self.in_vain = None;
    }

    /// A connection was made, and no frame came for as long as it might take.
    pub(super) fn missed(&mut self, missed: Missed) {
        let before = self.in_vain.map_or(0, |(_, misses)| misses);
        self.in_vain = Some((missed, before + 1));
    }

    /// What the next connection may take.
    pub(super) fn patience(&self) -> Patience {
        let (times, least, most) = OF_QUICK;
        let quick = self.longest.map(|longest| (longest * times).max(least)).filter(|quick| *quick <= most);
        match (self.in_vain, quick, self.longest) {
            (None, Some(limit), _) => Patience { silence: limit, data: limit },
            (None, None, Some(longest)) => {
                let (usual, most) = (Patience::USUAL, Patience::MOST);
                Patience { silence: (longest * 2).clamp(usual.silence, most.silence), data: most.data }
            }
            (None, None, None) => Patience::USUAL,
            (Some((Missed::Frames, 1)), Some(_), _) if !self.is_file => Patience::USUAL,
            (Some(_), ..) => Patience::MOST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_ms(ms: &[u64]) -> FirstFrame {
        let mut first = FirstFrame::new(false);
        ms.iter().for_each(|ms| first.came(Duration::from_millis(*ms)));
        first
    }

    fn short(ms: u64) -> Patience {
        let limit = Duration::from_millis(ms);
        Patience { silence: limit, data: limit }
    }

    /// Of a camera whose frames are known to come late.
    fn slow(silence_ms: u64) -> Patience {
        Patience { silence: Duration::from_millis(silence_ms), ..Patience::MOST }
    }

    #[test]
    fn a_camera_that_was_never_slow_is_not_waited_for_long() {
        assert_eq!(after_ms(&[]).patience(), Patience::USUAL, "who knows");
        assert_eq!(after_ms(&[300]).patience(), short(3000));
        assert_eq!(after_ms(&[300, 2000]).patience(), short(6000));
        assert!(!short(3000).hopes() && Patience::USUAL.hopes() && Patience::MOST.hopes());
    }

    #[test]
    fn a_camera_with_few_key_frames_or_a_slow_server_is_waited_for_as_long_as_it_took() {
        assert_eq!(after_ms(&[300, 2600]).patience(), slow(5200));
        assert_eq!(after_ms(&[7000]).patience(), slow(14_000));
        assert_eq!(after_ms(&[20_000]).patience(), Patience::MOST);
    }

    #[test]
    fn one_slow_connection_is_forgotten_after_some_quick_ones() {
        assert_eq!(after_ms(&[300, 2000, 400]).patience(), short(4800));
        assert_eq!(after_ms(&[5000, 200]).patience(), slow(7600));
        assert_eq!(after_ms(&[[5000].as_slice(), &[200; 12]].concat()).patience(), short(3000));
        // One whose first frame comes sooner or later is not believed to be quick.
        assert!(after_ms(&[9000, 300, 6000, 2000, 800, 7000, 100]).patience().hopes());
    }

    #[test]
    fn it_is_waited_for_longer_after_each_time_in_vain() {
        let mut first = after_ms(&[300]);
        first.missed(Missed::Frames);
        assert_eq!(first.patience(), Patience::USUAL);
        first.missed(Missed::Frames);
        assert_eq!(first.patience(), Patience::MOST);
        first.came(Duration::from_millis(400));
        assert_eq!(first.patience(), short(3000));
        first.came(Duration::from_secs(4));
        assert_eq!(first.patience(), slow(8000), "it has become slow");
    }

    #[test]
    fn a_camera_that_was_never_quick_a_file_and_a_server_that_gave_nothing_are_waited_for_longest_at_once() {
        let known = after_ms(&[300]);
        for (mut first, missed) in [
            (FirstFrame::new(false), Missed::Frames),
            (FirstFrame { is_file: true, ..known }, Missed::Frames),
            (FirstFrame::new(false), Missed::Everything),
            (known, Missed::Everything),
        ] {
            first.missed(missed);
            assert_eq!(first.patience(), Patience::MOST, "{first:?}");
        }
    }
}
