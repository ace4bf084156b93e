//! Signals: the first asks the daemon to stop, the second ends the process at once.

use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Delivered};

use super::Stopper;

/// Listens for signals until it is dropped.
pub struct Signals {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Asks the daemon to stop on SIGINT and SIGTERM; a second one ends the process with 128 plus the signal's number.
///
/// # Errors
/// When the handlers or the thread are not to be had.
pub fn stop_on_signals(stopper: Stopper) -> std::io::Result<Signals> {
    let mut delivered = Delivered::new([SIGINT, SIGTERM])?;
    let handle = delivered.handle();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = false;
        for signal in delivered.forever() {
            if asked {
                std::process::exit(128 + signal);
            }
            asked = true;
            stopper.stop();
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
