//! How long a connection may take for its first frame.
//!
//! Pure. A connection that begins in the middle of garbage may never give any, nor one to a server that has only just
//! started, while the next one does at once. So a camera that has always been quick is not waited for long; but after that
//! was in vain it is, until frames come: it may have become slow. A server may take long to answer one question after the
//! other; so after nothing has come at all, it is waited for longest.

use std::time::Duration;

/// How long a connection usually may take, beside the interval of frames that is known, and between two signs that there
/// will be one.
pub(super) const USUAL: Duration = Duration::from_secs(5);
/// The same after a connection on which nothing came at all, and for a file that gave no frame: what it begins with may
/// be sound.
const AFTER_NOTHING: Duration = Duration::from_secs(15);
/// A camera whose first frames are known to come is waited for so many times as long as they take, at least and at most
/// for this; where it would be more, its key frames are far apart.
const OF_QUICK: (u32, Duration, Duration) = (3, Duration::from_secs(3), Duration::from_millis(7500));
/// What one connection took longer than the others is forgotten by a part of this many with each that follows.
const FORGETS: u32 = 4;

/// What the next connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// For so long nothing may come.
    pub(super) limit: Duration,
    /// Whether data without a key frame are a sign that a frame will come, so that the time begins anew.
    pub(super) hopes: bool,
}

/// What is known of a camera's first frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstFrame {
    is_file: bool,
    /// The longest that a connection has taken, of those that were made not long ago.
    longest: Option<Duration>,
    /// What the last one that was made waited for in vain.
    in_vain: Option<Missed>,
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
        self.in_vain = Some(missed);
    }

    /// What the next connection may take.
    pub(super) fn patience(&self) -> Patience {
        let (times, least, most) = OF_QUICK;
        let quick = self.longest.map(|longest| (longest * times).max(least));
        match (self.in_vain, quick.filter(|quick| *quick <= most)) {
            (None, Some(limit)) => Patience { limit, hopes: false },
            (Some(missed), _) if self.is_file || missed == Missed::Everything => {
                Patience { limit: AFTER_NOTHING, hopes: true }
            }
            _ => Patience { limit: USUAL, hopes: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Patience = Patience { limit: USUAL, hopes: true };

    fn after_ms(ms: &[u64]) -> FirstFrame {
        let mut first = FirstFrame::new(false);
        ms.iter().for_each(|ms| first.came(Duration::from_millis(*ms)));
        first
    }

    fn short(ms: u64) -> Patience {
        Patience { limit: Duration::from_millis(ms), hopes: false }
    }

    #[test]
    fn a_camera_that_was_never_slow_is_not_waited_for_long() {
        assert_eq!(after_ms(&[]).patience(), LONG, "who knows");
        assert_eq!(after_ms(&[300]).patience(), short(3000));
        assert_eq!(after_ms(&[300, 2000]).patience(), short(6000));
        assert_eq!(after_ms(&[300, 2600]).patience(), LONG, "it sends few key frames");
    }

    #[test]
    fn one_slow_connection_is_forgotten_after_some_quick_ones() {
        assert_eq!(after_ms(&[300, 2000, 400]).patience(), short(4800));
        assert_eq!(after_ms(&[5000, 200]).patience(), LONG);
        assert_eq!(after_ms(&[[5000].as_slice(), &[200; 12]].concat()).patience(), short(3000));
        // One whose first frame comes sooner or later is not believed to be quick.
        assert_eq!(after_ms(&[9000, 300, 6000, 2000, 800, 7000, 100]).patience(), LONG);
    }

    #[test]
    fn it_is_waited_for_long_after_it_was_waited_for_in_vain() {
        let mut first = after_ms(&[300]);
        first.missed(Missed::Frames);
        assert_eq!(first.patience(), LONG);
        first.missed(Missed::Frames);
        assert_eq!(first.patience(), LONG);
        first.came(Duration::from_millis(400));
        assert_eq!(first.patience(), short(3000));
        first.came(Duration::from_secs(4));
        assert_eq!(first.patience(), LONG, "it has become slow");
    }

    #[test]
    fn a_file_without_a_frame_and_a_server_that_gave_nothing_are_waited_for_longer() {
        for (is_file, missed) in [(true, Missed::Frames), (false, Missed::Everything)] {
            let mut first = FirstFrame::new(is_file);
            assert_eq!(first.patience(), LONG);
            first.missed(missed);
            assert_eq!(first.patience(), Patience { limit: AFTER_NOTHING, hopes: true });
        }
    }
}
