//! Work that may hang: done on a thread of its own, and left to itself when it does.
//!
//! GStreamer's changes of state wait for elements, and those for drivers, servers and each other. No camera may hang for
//! that, and nothing may keep the daemon from stopping.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How often whoever waits looks whether it is still to wait.
const STEP: Duration = Duration::from_millis(50);

/// The work was not done in time. Its thread goes on; what it gives is dropped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late;

/// Does `work` on a thread called `thread` and waits for it, up to `limit()`, which is asked again and again: it may
/// shrink. When no thread is to be had, the work is not done, and late.
pub(super) fn apart<T: Send + 'static>(
    thread: &str,
    limit: impl Fn() -> Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Late> {
    let begun = Instant::now();
    let (done, wait) = sync_channel(1);
    // Nobody may be waiting any more.
    let run = move || drop(done.send(work()));
    if let Err(error) = std::thread::Builder::new().name(thread.to_owned()).spawn(run) {
        tracing::warn!(thread, %error, "no thread is to be had");
        return Err(Late);
    }
    loop {
        match wait.recv_timeout(STEP) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() < limit() => {}
            // It may have been done since.
            Err(_) => return wait.try_recv().map_err(|_| Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_done_in_time_is_given() {
        assert_eq!(apart("quick", || LONG, || 7), Ok(7));
    }

    #[test]
    fn what_hangs_is_left_to_itself_and_ends_by_itself() {
        let (go_on, held) = channel::<()>();
        let (dropped, seen) = channel();
        struct Tells(std::sync::mpsc::Sender<()>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.send(()).expect("the test waits");
            }
        }
        let value = Tells(dropped);
        let late = apart(
            "hangs",
            || Duration::from_millis(1),
            move || {
                held.recv().expect("the test lets go");
                value
            },
        );
        assert!(late.is_err());
        assert!(seen.try_recv().is_err(), "it still hangs");
        go_on.send(()).expect("the thread is there");
        seen.recv_timeout(LONG).expect("what comes late is dropped");
    }
}
