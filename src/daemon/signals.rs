//! Signals: the first that asks to stop does, the second ends the process at once; SIGHUP asks for a reload.
//!
//! For `run` and for every other command that goes on until somebody stops it.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Delivered};

/// Some senders, coreutils' `timeout` among them, signal a process and then its whole group: what comes this soon after
/// the first is the same request.
const ECHO: Duration = Duration::from_secs(1);

/// Listens for signals until it is dropped.
pub struct Signals {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Calls `stop` on the first SIGINT or SIGTERM; a second one ends the process with 128 plus the signal's number.
///
/// # Errors
/// When the handlers or the thread are not to be had.
pub fn stop_on_signals(stop: impl Fn() + Send + 'static) -> std::io::Result<Signals> {
    listen(&[SIGINT, SIGTERM], stop, || ())
}

/// As [`stop_on_signals`], and calls `reload` on each SIGHUP before that. Neither may block.
pub(super) fn obey(
    stop: impl Fn() + Send + 'static,
    reload: impl Fn() + Send + 'static,
) -> std::io::Result<Signals> {
    listen(&[SIGINT, SIGTERM, SIGHUP], stop, reload)
}

fn listen(
    signals: &[i32],
    stop: impl Fn() + Send + 'static,
    reload: impl Fn() + Send + 'static,
) -> std::io::Result<Signals> {
    let mut delivered = Delivered::new(signals)?;
    let handle = delivered.handle();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked: Option<Instant> = None;
        for signal in delivered.forever() {
            match asked {
                None if signal == SIGHUP => reload(),
                None => {
                    asked = Some(Instant::now());
                    stop();
                }
                Some(_) if signal == SIGHUP => {}
                Some(at) if at.elapsed() < ECHO => {}
                Some(_) => exit_at_once(128 + signal),
            }
        }
    })?;
    Ok(Signals { handle, thread: Some(thread) })
}

/// Ends the process without a word to its other threads and libraries, which might not let it go.
pub(super) fn exit_at_once(code: i32) -> ! {
    signal_hook::low_level::exit(code)
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread `signals` has panicked");
        }
    }
}
