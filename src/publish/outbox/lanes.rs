//! Which of two lanes is served next: the backlog of historical records, or what is live.
//!
//! Strict order, oldest first over both, is kept as long as that delays no live tag for long. When the oldest live tag
//! has waited for [`PATIENCE`], live tags overtake until the backlog is gone. The backlog goes out at a configured rate
//! the whole time, with half a second's worth at once, so that a small one is sent in order and without a pause. Pure:
//! time is passed in.

use std::time::{Duration, Instant};

/// How long a live tag waits for older ones.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// What waits to be offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Whether there is a backlog at all.
    pub backlog: bool,
    /// Whether its oldest record is in memory and can be had at once.
    pub backlog_ready: bool,
    /// Since when the oldest live tag waits.
    pub live_since: Option<Instant>,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What waited because the broker was away or refused it.
    Backlog,
    /// What is new.
    Live,
}

/// The scheduler.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// Backlog records per second.
    rate: f64,
    /// Backlog records that may go now.
    tokens: f64,
    counted: Instant,
    overtaking: bool,
}

impl Lanes {
    /// A scheduler for so many backlog records a second, at least one.
    pub fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate.max(1));
        Lanes { rate, tokens: burst(rate), counted: now, overtaking: false }
    }

    /// The lane to serve now. The caller takes a record from it at once.
    pub fn next(&mut self, now: Instant, waiting: Waiting) -> Option<Lane> {
        self.refill(now);
        if !waiting.backlog {
            self.overtaking = false;
            return waiting.live_since.map(|_| Lane::Live);
        }
        if waiting.live_since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE) {
            self.overtaking = true;
        }
        if self.overtaking && waiting.live_since.is_some() {
            return Some(Lane::Live);
        }
        if waiting.backlog_ready && self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Some(Lane::Backlog);
        }
        None
    }

    /// When to ask again although nothing new has come in: the rate allows more then, or a live tag need not wait any
    /// longer. `None` when nothing waits that time alone would let go.
    pub fn next_due(&self, now: Instant, waiting: Waiting) -> Option<Instant> {
        if !waiting.backlog || (self.overtaking && waiting.live_since.is_some()) {
            return waiting.live_since.map(|_| now);
        }
        let missing = (1.0 - self.tokens).max(0.0);
        let allowed =
            waiting.backlog_ready.then(|| self.counted + Duration::from_secs_f64(missing / self.rate));
        let overtakes = waiting.live_since.map(|since| since + PATIENCE);
        [allowed, overtakes].into_iter().flatten().min().map(|due| due.max(now))
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.counted).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(burst(self.rate));
        self.counted = self.counted.max(now);
    }
}

fn burst(rate: f64) -> f64 {
    (rate * PATIENCE.as_secs_f64()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Serves two queues, the backlog given by size and live tags arriving every `every`, until `end`; each message
    /// takes a millisecond of the connection. When each was served, in order.
    fn serve(
        rate: u32,
        mut backlog: usize,
        every: Duration,
        end: Duration,
    ) -> Vec<(Lane, Duration, Duration)> {
        let start = Instant::now();
        let mut lanes = Lanes::new(rate, start);
        let mut live: Vec<Instant> = Vec::new();
        let mut arrives = start;
        let mut served = Vec::new();
        let mut now = start;
        while now < start + end {
            while arrives <= now {
                live.push(arrives);
                arrives += every;
            }
            let waiting = Waiting {
                backlog: backlog > 0,
                backlog_ready: backlog > 0,
                live_since: live.first().copied(),
            };
            match lanes.next(now, waiting) {
                Some(Lane::Backlog) => {
                    backlog -= 1;
                    served.push((Lane::Backlog, now - start, Duration::ZERO));
                    now += MS;
                }
                Some(Lane::Live) => {
                    served.push((Lane::Live, now - start, now - live.remove(0)));
                    now += MS;
                }
                None => {
                    let due = lanes.next_due(now, waiting).unwrap_or(arrives).min(arrives);
                    now = due.max(now + MS / 10);
                }
            }
        }
        served
    }

    #[test]
    fn a_small_backlog_goes_out_first_and_without_a_pause() {
        let served = serve(500, 100, 10 * MS, 300 * MS);
        assert!(served[..100].iter().all(|(lane, ..)| *lane == Lane::Backlog));
        assert!(served[99].1 < 120 * MS, "{:?}", served[99]);
        assert!(served[100..].iter().all(|(lane, ..)| *lane == Lane::Live));
    }

    #[test]
    fn live_tags_overtake_a_large_backlog_which_drains_at_its_rate() {
        let served = serve(100, 10_000, 20 * MS, 10_000 * MS);
        let slowest = served.iter().map(|(_, _, waited)| *waited).max().unwrap();
        assert!(slowest <= PATIENCE + 2 * MS, "{slowest:?}");
        let late = served.iter().filter(|(_, at, _)| *at > 1_000 * MS).map(|(_, _, waited)| *waited);
        assert!(late.max().unwrap() <= 5 * MS);
        let backlog = served.iter().filter(|(lane, ..)| *lane == Lane::Backlog).count();
        assert!((1_000..=1_051).contains(&backlog), "{backlog}");
    }

    #[test]
    fn strict_order_comes_back_after_the_backlog() {
        let now = Instant::now();
        let mut lanes = Lanes::new(100, now);
        let live_since = Some(now);
        let both = Waiting { backlog: true, backlog_ready: true, live_since };
        assert_eq!(lanes.next(now, both), Some(Lane::Backlog));
        assert_eq!(lanes.next(now + PATIENCE, both), Some(Lane::Live));
        assert_eq!(
            lanes.next(now + PATIENCE, Waiting { live_since, ..Waiting::default() }),
            Some(Lane::Live)
        );
        let fresh = Waiting { live_since: Some(now + PATIENCE), ..both };
        assert_eq!(lanes.next(now + PATIENCE, fresh), Some(Lane::Backlog));
    }

    #[test]
    fn what_is_not_in_memory_yet_holds_live_tags_up_only_for_so_long() {
        let now = Instant::now();
        let mut lanes = Lanes::new(100, now);
        let loading = Waiting { backlog: true, backlog_ready: false, live_since: Some(now) };
        assert_eq!(lanes.next(now, loading), None);
        assert_eq!(lanes.next_due(now, loading), Some(now + PATIENCE));
        assert_eq!(lanes.next_due(now, Waiting::default()), None);
    }
}
