//! Whether what a camera sends is decoded.
//!
//! Pure. Headers that arrive damaged can leave a parser or a decoder that makes a frame of every key frame only, or the
//! same one over and over, for as long as the connection lasts, while camera and network are well again. Connecting anew
//! cures that. It does not cure a network that loses most packets, so after each attempt in vain it is waited for longer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Fewer frames prove nothing.
const LEAST_FRAMES: u64 = 12;
/// Of so many frames that came, one at least is decoded by a connection that is of use.
const OF_WHICH_ONE: u64 = 3;
/// It is borne for so long at first, and then for twice as long each time, up to the second.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(300));
/// A connection that has lasted for so long was of use.
const CURED_AFTER: Duration = Duration::from_secs(60);

/// Frames of a connection that came, and those among them that were decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) sent: u64,
    pub(super) decoded: u64,
}

/// The last frames of a connection.
#[derive(Clone, Debug)]
pub(super) struct Undecoded {
    /// What had come when; of looks that are older than they need be, the newest is the first.
    looks: VecDeque<(Instant, Share)>,
    begun: Instant,
    patience: Duration,
}

impl Undecoded {
    pub(super) fn new(now: Instant) -> Self {
        Undecoded { looks: VecDeque::new(), begun: now, patience: PATIENCE.0 }
    }

    /// A new connection begins, or its first frame has come that was waited for; so many frames have come until then.
    pub(super) fn begin(&mut self, now: Instant, total: Share) {
        self.looks.clear();
        self.looks.push_back((now, total));
        self.begun = now;
    }

    /// So many frames have come on this connection. Gives the last ones, when too few of them were decoded.
    pub(super) fn see(&mut self, total: Share, now: Instant) -> Option<Share> {
        if now.saturating_duration_since(self.begun) >= CURED_AFTER {
            self.patience = PATIENCE.0;
        }
        if self.looks.back().is_none_or(|(_, last)| last.sent < total.sent) {
            self.looks.push_back((now, total));
        }
        let is_enough = |&(at, then): &(Instant, Share)| {
            now.saturating_duration_since(at) >= self.patience && total.sent - then.sent >= LEAST_FRAMES
        };
        while self.looks.get(1).is_some_and(is_enough) {
            self.looks.pop_front();
        }
        let (_, then) = self.looks.front().filter(|first| is_enough(first))?;
        let share = Share { sent: total.sent - then.sent, decoded: total.decoded - then.decoded };
        if share.decoded * OF_WHICH_ONE >= share.sent {
            return None;
        }
        self.patience = (self.patience * 2).min(PATIENCE.1);
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many milliseconds a connection is given up that brings a frame each `every_ms`, of which `decoded` says
    /// how many were decoded in all.
    fn given_up(
        undecoded: &mut Undecoded,
        begun: Instant,
        every_ms: u64,
        decoded: impl Fn(u64) -> u64,
    ) -> Option<u64> {
        undecoded.begin(begun, Share::default());
        (0..600_000 / every_ms).find_map(|n| {
            let (total, at) =
                (Share { sent: n, decoded: decoded(n) }, begun + Duration::from_millis(n * every_ms));
            undecoded.see(total, at).map(|_| n * every_ms)
        })
    }

    #[test]
    fn what_is_decoded_goes_on() {
        let begun = Instant::now();
        let mut undecoded = Undecoded::new(begun);
        // All but the first few, every second field, and every third frame of a bad network.
        for decoded in [|n: u64| n.saturating_sub(5), |n: u64| n / 2, |n: u64| n.div_ceil(3)] {
            assert_eq!(given_up(&mut undecoded, begun, 200, decoded), None);
        }
        assert!(undecoded.looks.len() < 20, "{}", undecoded.looks.len());
        // Nothing is known of what is no RTP.
        undecoded.begin(begun, Share::default());
        let total = |decoded| Share { sent: 0, decoded };
        assert!((0..1000).all(|n| undecoded.see(total(n), begun + Duration::from_secs(n)).is_none()));
    }

    #[test]
    fn a_decoder_that_makes_key_frames_only_is_given_up() {
        let begun = Instant::now();
        let well_until = |last: u64| move |n: u64| n.min(last) + n.saturating_sub(last) / 5;
        let given_up =
            |every_ms, last| given_up(&mut Undecoded::new(begun), begun, every_ms, well_until(last));
        assert_eq!(given_up(200, 0), Some(3000), "five frames a second");
        assert!(
            (17_000..20_000).contains(&given_up(1000, 8).unwrap()),
            "one a second: {:?}",
            given_up(1000, 8)
        );
        let late = given_up(200, 100).unwrap();
        assert!((22_000..23_000).contains(&late), "after twenty good seconds: {late}");
    }

    #[test]
    fn a_connection_that_is_no_better_is_borne_longer_and_longer_until_one_is_of_use() {
        let begun = Instant::now();
        let mut undecoded = Undecoded::new(begun);
        let nothing: Vec<_> = (0..4).map(|_| given_up(&mut undecoded, begun, 200, |_| 0)).collect();
        assert_eq!(nothing, [Some(3000), Some(6000), Some(12_000), Some(24_000)]);
        let begun = begun + Duration::from_secs(600);
        assert_eq!(given_up(&mut undecoded, begun, 200, |n| n), None);
        assert_eq!(given_up(&mut undecoded, begun, 200, |_| 0), Some(3000));
    }
}
