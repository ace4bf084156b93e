//! Signals: the first that asks to stop does, the second ends the process at once; SIGHUP asks for a reload.
//!
//! For `run` and for every other command that goes on until somebody stops it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals as Delivered};

/// Some senders, coreutils' `timeout` among them, signal a process and then its whole group: what comes this soon after
/// the first is the same request. They do so within a system call or two; nobody presses a key twice as fast.
const ECHO: Duration = Duration::from_millis(200);

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
        let mut asked = Asked::default();
        for signal in delivered.forever() {
            match asked.by(signal, Instant::now()) {
                Wish::Reload => reload(),
                Wish::Stop => stop(),
                Wish::Exit => exit_at_once(128 + signal),
                Wish::Nothing => {}
            }
        }
    })?;
    Ok(Signals { handle, thread: Some(thread) })
}

/// When somebody has first asked to stop.
#[derive(Default)]
struct Asked(Option<Instant>);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Reload,
    Stop,
    /// To end at once.
    Exit,
    Nothing,
}

impl Asked {
    fn by(&mut self, signal: i32, now: Instant) -> Wish {
        match self.0 {
            None if signal == SIGHUP => Wish::Reload,
            None => {
                self.0 = Some(now);
                Wish::Stop
            }
            Some(at) if signal == SIGHUP || now.saturating_duration_since(at) < ECHO => Wish::Nothing,
            Some(_) => Wish::Exit,
        }
    }
}

/// Lets a file that has reached the size which its owner may write (`ulimit -f`, systemd's `LimitFSIZE`) be an error of
/// writing, as a full disk is, and not the end of the program.
///
/// # Errors
/// When the signal cannot be taken.
pub fn bear_full_files() -> std::io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Ends the process without a word to its other threads and libraries, which might not let it go.
pub fn exit_at_once(code: i32) -> ! {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signal_ends_the_process_unless_it_is_the_first_ones_echo() {
        let begun = Instant::now();
        let mut asked = Asked::default();
        for (at_ms, signal, expected) in [
            (0, SIGHUP, Wish::Reload),
            (50, SIGHUP, Wish::Reload),
            (1000, SIGTERM, Wish::Stop),
            (1000, SIGTERM, Wish::Nothing),
            (1150, SIGINT, Wish::Nothing),
            (1200, SIGHUP, Wish::Nothing),
            (1200, SIGINT, Wish::Exit),
        ] {
            let now = begun + Duration::from_millis(at_ms);
            assert_eq!(asked.by(signal, now), expected, "{signal} at {at_ms} ms");
        }
    }
}
