//! The pauses between attempts to connect a camera.
//!
//! Pure, but for the chance in them: the cameras of a site that lost its power must not all come back at one moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// After so many failures in a row; from the begin of one attempt to the next, but never less than the first after its end:
/// an attempt that waited in vain has paused enough. The last is for all that follow: a camera that comes back is found
/// soon, and asking every few seconds costs nothing.
const PAUSES_MS: [u64; 5] = [500, 1000, 2000, 4000, 5000];
/// The same for a server that refuses: cameras lock an account that is tried too often, and nothing changes by itself.
const REFUSED_S: [u64; 6] = [10, 20, 40, 80, 160, 300];
/// A server that has let this camera in before is not believed so many times: it may just be starting.
const DISBELIEVED: usize = 12;

/// A connection that gave frames for this long has worked, so that the pauses start anew.
const PROVED: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Something failed, or the source said that it is over.
    Broken,
    /// The server does not let it in, or has no such stream.
    Refused,
}

/// The pauses between attempts: they grow while nothing works, and differ by a fifth.
#[derive(Default)]
pub(super) struct Backoff {
    failures: usize,
    refusals: usize,
    /// Whether more than one frame has ever come.
    proved: bool,
    chance: RandomState,
}

impl Backoff {
    /// The pause after a connection that took so long from its begin to its end and gave frames for `played` of that.
    pub(super) fn after(&mut self, end: End, took: Duration, played: Duration) -> Duration {
        let pause = self.pause(end, took, played);
        // From 0.8 to 1.2.
        let share = self.chance.hash_one(self.failures + self.refusals) % 401;
        pause * (800 + share as u32) / 1000
    }

    fn pause(&mut self, end: End, took: Duration, played: Duration) -> Duration {
        self.proved |= !played.is_zero();
        if played >= PROVED {
            self.failures = 0;
        }
        if end == End::Refused {
            let disbelieved = if self.proved { DISBELIEVED } else { 0 };
            let refusals = self.refusals;
            self.refusals += 1;
            if let Some(believed) = refusals.checked_sub(disbelieved) {
                return Duration::from_secs(REFUSED_S[believed.min(REFUSED_S.len() - 1)]);
            }
        } else {
            self.refusals = 0;
        }
        let apart = Duration::from_millis(PAUSES_MS[self.failures.min(PAUSES_MS.len() - 1)]);
        self.failures += 1;
        apart.saturating_sub(took).max(Duration::from_millis(PAUSES_MS[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pauses in milliseconds after connections that ended so and gave frames for so many seconds.
    fn pauses(ends: &[(End, u64)]) -> Vec<u128> {
        let mut backoff = Backoff::default();
        ends.iter()
            .map(|&(end, played_s)| {
                let played = Duration::from_secs(played_s);
                backoff.pause(end, Duration::ZERO, played).as_millis()
            })
            .collect()
    }

    #[test]
    fn pauses_grow_until_a_connection_has_worked() {
        use End::Broken;
        let ends =
            [(Broken, 0), (Broken, 0), (Broken, 1), (Broken, 2), (Broken, 0), (Broken, 1), (Broken, 2)];
        assert_eq!(pauses(&ends), [500, 1000, 2000, 500, 1000, 2000, 500]);
        assert_eq!(pauses(&[(Broken, 0); 8])[4..], [5000; 4]);
    }

    #[test]
    fn who_is_refused_asks_seldom() {
        let refused = pauses(&[(End::Refused, 0); 8]);
        assert_eq!(refused, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
        assert_eq!(
            pauses(&[(End::Refused, 0), (End::Broken, 0), (End::Refused, 0)])[2],
            10_000,
            "it was away"
        );
    }

    #[test]
    fn a_server_that_let_it_in_before_is_asked_often_for_a_while() {
        let mut ends = vec![(End::Broken, 20)];
        ends.extend([(End::Refused, 0); 14]);
        let pauses = pauses(&ends);
        assert_eq!(pauses[..6], [500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(pauses[12..], [5000, 10_000, 20_000]);
    }

    #[test]
    fn an_attempt_that_waited_in_vain_has_paused_already() {
        let mut backoff = Backoff::default();
        let mut after =
            |end, took_ms| backoff.pause(end, Duration::from_millis(took_ms), Duration::ZERO).as_millis();
        let pauses = [(); 4].map(|()| after(End::Broken, 10));
        assert_eq!(pauses, [500, 990, 1990, 3990]);
        assert_eq!(after(End::Broken, 3000), 2000);
        assert_eq!(after(End::Broken, 15_000), 500);
        assert_eq!(after(End::Refused, 15_000), 10_000, "an account is locked all the same");
    }

    #[test]
    fn no_two_cameras_keep_step() {
        let pause = || Backoff::default().after(End::Broken, Duration::ZERO, Duration::ZERO);
        let pauses: Vec<Duration> = (0..50).map(|_| pause()).collect();
        assert!(pauses.iter().all(|pause| (400..=600).contains(&pause.as_millis())), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
