//! Whether the time of day is right, as systemd tells it, and when somebody sets it.
//!
//! A thread of the daemon. It changes nothing but what tags say of the clock, and the log: no duration is measured by the
//! time of day.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use systemd::bus::Bus;
use systemd::bus::types::Variant;

use crate::clock::{Clock, Standing, note_standing};

/// systemd-timesyncd makes it when a time server has set the clock.
pub const TIMESYNC: &str = "/run/systemd/timesync/synchronized";
/// How often the clock is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often systemd is asked: while the clock may be wrong, and after that.
const ASK: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
/// How long systemd may take to answer.
const ANSWER: Duration = Duration::from_secs(1);

/// What `timedatectl` shows as "System clock synchronized"; an error where there is no systemd to ask. It holds for every
/// program that keeps the time by the kernel, such as systemd-timesyncd, chrony and ntpd.
///
/// # Errors
/// When the bus or the service `systemd-timedated` is not there, with the reason.
pub fn told_by_systemd() -> Result<bool, systemd::bus::Error> {
    const SERVICE: &str = "org.freedesktop.timedate1";
    let mut bus = Bus::open_system()?;
    let path = "/org/freedesktop/timedate1";
    let mut call = bus.new_method_call(SERVICE, path, "org.freedesktop.DBus.Properties", "Get")?;
    call.append(SERVICE)?;
    call.append("NTPSynchronized")?;
    let answer = call.call(u64::try_from(ANSWER.as_micros()).unwrap_or(u64::MAX));
    bus.close();
    let property: Option<Variant<bool>> = answer?.iter()?.next()?;
    Ok(property.is_some_and(|property| property.0))
}

/// Whether the clock is known to be right. Where systemd cannot be asked, the file speaks that systemd-timesyncd leaves.
fn standing() -> Standing {
    match told_by_systemd().unwrap_or_else(|_| Path::new(TIMESYNC).exists()) {
        true => Standing::Synchronised,
        false => Standing::Unsynchronised,
    }
}

/// The running thread. Dropping it asks it to end.
pub(super) struct Timekeeper {
    end: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Timekeeper {
    /// Starts the thread. Until systemd has answered, the clock counts as what was noted before.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (end, ended) = sync_channel(1);
        let mut watch = Watch::new(clock.setting().ahead_us);
        let run = move || {
            loop {
                watch.look(clock.setting().ahead_us, Instant::now(), standing);
                if ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("clock".to_owned()).spawn(run)?;
        Ok(Timekeeper { end, thread })
    }

    /// Ends the thread and joins it.
    pub(super) fn stop(self) {
        drop(self.end);
        if self.thread.join().is_err() {
            tracing::error!("the thread `clock` has panicked");
        }
    }
}

/// What the thread knows.
struct Watch {
    ahead_us: i64,
    /// Nothing before the first answer.
    standing: Option<Standing>,
    ask_at: Option<Instant>,
}

impl Watch {
    fn new(ahead_us: i64) -> Self {
        Watch { ahead_us, standing: None, ask_at: None }
    }

    /// Looks whether the clock was set, and asks how it stands when that is due.
    fn look(&mut self, ahead_us: i64, now: Instant, ask: impl Fn() -> Standing) {
        let step_us = ahead_us.saturating_sub(std::mem::replace(&mut self.ahead_us, ahead_us));
        if step_us != 0 {
            tracing::warn!(
                by_s = step_us as f64 / 1e6,
                "the clock was set; tracks and everything else go on"
            );
        }
        if step_us == 0 && self.ask_at.is_some_and(|at| now < at) {
            return;
        }
        let standing = ask();
        self.ask_at = Some(now + if standing == Standing::Synchronised { ASK.1 } else { ASK.0 });
        match (self.standing.replace(standing), standing) {
            (Some(before), after) if before == after => return,
            (Some(_), Standing::Synchronised) => tracing::info!("the clock is synchronised now"),
            (None, Standing::Synchronised) => {}
            // As on every board without a battery, until a time server has answered.
            (None, Standing::Unsynchronised) => {
                tracing::info!("the clock is not known to be synchronised: tags say so");
            }
            (Some(_), Standing::Unsynchronised) => {
                tracing::warn!("the clock is not known to be synchronised any more: tags say so");
            }
        }
        note_standing(standing);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn systemd_is_asked_when_the_clock_is_set_and_now_and_then() {
        let (begun, asked) = (Instant::now(), Cell::new(0));
        let mut watch = Watch::new(0);
        for (what, ahead_us, at_s, answer, asks) in [
            ("at the start", 0, 0, Standing::Unsynchronised, 1),
            ("too soon", 0, 9, Standing::Synchronised, 1),
            ("after a while", 0, 10, Standing::Unsynchronised, 2),
            ("set by a time server", 1_000_000, 11, Standing::Synchronised, 3),
            ("right for some time", 1_000_000, 310, Standing::Unsynchronised, 3),
            ("the server is lost", 1_000_000, 311, Standing::Unsynchronised, 4),
        ] {
            watch.look(ahead_us, begun + Duration::from_secs(at_s), || {
                asked.set(asked.get() + 1);
                answer
            });
            assert_eq!(asked.get(), asks, "{what}");
        }
        assert_eq!(watch.standing, Some(Standing::Unsynchronised));
    }
}
