//! The publisher's thread: keeps a connection to the broker for as long as it is told to.
//!
//! Started by [`super::Publisher`]. It never holds the lock of what is pending while it waits, so the threads that
//! recognise never wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::connection::{Connection, Ended};
use super::dial::Dial;
use super::link::{Blame, Limits};
use super::shared::{Order, Shared};
use super::suspects::Suspects;
use crate::telemetry::Troubles;

/// The pauses between attempts: a broker that restarts is found within a second or two, one that is gone for long costs
/// little.
const PAUSES_MS: [u64; 7] = [100, 250, 500, 1000, 2000, 5000, 15_000];

/// Reason codes of a broker that cannot do what the last will wants: the next attempt wants less.
const RETAIN_NOT_SUPPORTED: u8 = 0x9A;
const QOS_NOT_SUPPORTED: u8 = 0x9B;

/// After so many connections in a row on which the broker has acknowledged nothing, it is taken for one without QoS 1.
const UNACKNOWLEDGED: usize = 2;

/// A connection that ends sooner proves nothing, whatever the broker has acknowledged.
const SHORT_LIVED: Duration = Duration::from_secs(10);

/// Connects and publishes, again and again, until ordered to end. Returns whether the broker was told goodbye.
pub(super) async fn run(
    shared: &Arc<Shared>,
    mut dial: Dial,
    boot: Uuid,
    mut orders: watch::Receiver<Order>,
) -> bool {
    let mut troubles = Troubles::default();
    let mut failures = 0;
    let mut suspects = Suspects::default();
    let mut known = Limits::default();
    let mut unacknowledged = 0;
    loop {
        if matches!(*orders.borrow(), Order::Abandon) {
            return false;
        }
        if let Some(other) = shared.pending().adopt() {
            (dial, failures, known, unacknowledged) = (other, 0, Limits::default(), 0);
            suspects = Suspects::default();
            tracing::info!(broker = %dial.address(), "publishing by the changed settings");
        }
        let (mut connection, event_loop) = Connection::new(&dial, shared, &mut suspects, known);
        let began = Instant::now();
        let ended = connection.run(event_loop, &mut orders).await;
        let (has_proved, welcome) = (connection.taken.messages > 0, connection.welcome);
        unacknowledged = if connection.unacknowledged { unacknowledged + 1 } else { 0 };
        let proved = has_proved && began.elapsed() >= SHORT_LIVED;
        failures = if proved { 0 } else { failures + 1 };
        let mut trouble = match ended {
            Ended::Parted => return true,
            Ended::Left => {
                shared.pending().disconnected(None);
                continue;
            }
            Ended::Abandoned => {
                shared.pending().disconnected(None);
                return false;
            }
            Ended::Lost(trouble) => trouble,
        };
        match (welcome, trouble.code) {
            (Some(limits), _) => known = limits,
            (None, RETAIN_NOT_SUPPORTED) => known.retains = false,
            (None, QOS_NOT_SUPPORTED) => known.acknowledges = false,
            _ => {}
        }
        if unacknowledged >= UNACKNOWLEDGED {
            known.acknowledges = false;
            suspects = Suspects::default();
        }
        if trouble.blame != Blame::None && suspects.may_be_why() {
            trouble.text.push_str("; perhaps it does not take a message of this node");
        } else if has_proved && failures > 1 && trouble.without_reason {
            trouble = dial.again(&trouble);
        }
        shared.pending().disconnected(Some(&trouble));
        if proved {
            troubles.settle();
        }
        if let Some(repeated) = troubles.hear(&trouble.text, Instant::now()) {
            let waiting = shared.pending().counts().waiting;
            tracing::warn!(repeated, waiting, "broker: {}; trying again", trouble.text);
        }
        if shared.pending().is_moving() {
            continue;
        }
        if !matches!(*orders.borrow(), Order::Publish) {
            return false;
        }
        let pause = if trouble.patient { longest_pause() } else { pause(failures, boot) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Told to stop during a pause: one more attempt, at once, to bring out what waits. Or told of other settings.
            _ = orders.changed() => {}
        }
    }
}

/// The pause after so many failures in a row, a fifth longer or shorter so that the nodes of a site do not all come back
/// at the same moment.
fn pause(failures: usize, boot: Uuid) -> Duration {
    let base_ms = PAUSES_MS[failures.min(PAUSES_MS.len() - 1)];
    let digest = Sha256::new().chain_update(boot.as_bytes()).chain_update(failures.to_be_bytes()).finalize();
    let share = u64::from(digest[0]) * 400 / 255;
    Duration::from_micros(base_ms * (800 + share))
}

fn longest_pause() -> Duration {
    Duration::from_millis(PAUSES_MS[PAUSES_MS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_nodes() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let pauses: Vec<Duration> = (0..20).map(|failures| pause(failures, one)).collect();
        assert!(pauses.iter().take(4).sum::<Duration>() < Duration::from_millis(2300));
        assert!(pauses.iter().all(|pause| *pause <= longest_pause().mul_f64(1.2)));
        assert!(pauses[6..].iter().all(|pause| *pause >= longest_pause().mul_f64(0.8)));
        assert_ne!(pause(6, one), pause(6, other));
    }
}
