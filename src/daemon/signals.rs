//! Signals: the first asks to stop, the second ends the process at once.
//!
//! For `run` and for every other command that goes on until somebody stops it.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
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
    let mut delivered = Delivered::new([SIGINT, SIGTERM])?;
    let handle = delivered.handle();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked: Option<Instant> = None;
        for signal in delivered.forever() {
            match asked {
                None => {
                    asked = Some(Instant::now());
                    stop();
                }
                Some(at) if at.elapsed() < ECHO => {}
                Some(_) => std::process::exit(128 + signal),
            }
        }
    })?;
    Ok(Signals { handle, thread: Some(thread) })
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread `signals` has panicked");
        }
    }
}
