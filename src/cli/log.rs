//! Where the log goes: to standard error, or to the journal. A line that cannot be written is counted as lost; it ends
//! nothing and holds up nothing for long.
//!
//! [`complain!`] is for what a command says on standard error, under the same rules.

use std::io::{self, IsTerminal, Write, stderr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use spotter::telemetry::LOG;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::journal::{self, Journal};

/// A pipe that has room takes as many bytes without blocking (`PIPE_BUF`).
const CHUNK: usize = 4096;
/// How long a line waits for a reader who is slow. One who has stopped reading gets no further wait.
const PATIENCE: Duration = Duration::from_millis(200);

/// Sends the log to the journal when standard error leads there, else to standard error.
pub(super) fn start(filter: EnvFilter) {
    if journal::is_stderr() {
        tracing_subscriber::registry().with(filter).with(Journal::or(write_line)).init();
    } else {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(|| Lines)
            .with_ansi(stderr().is_terminal())
            // What cannot be written cannot be complained about there either: `eprintln!` would panic.
            .log_internal_errors(false)
            .init();
    }
}

/// Writes a line to standard error.
macro_rules! complain {
    ($($text:tt)*) => {
        $crate::cli::log::write_line(&format!("{}\n", format_args!($($text)*)))
    };
}

pub(super) use complain;

/// Writes `line`, which ends with a line break, to standard error, or counts it as lost.
pub(super) fn write_line(line: &str) {
    STDERR.lock().unwrap_or_else(PoisonError::into_inner).write(stderr().as_fd(), line.as_bytes());
}

/// The lines of [`tracing_subscriber::fmt`], each of which is one call.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        STDERR.lock().unwrap_or_else(PoisonError::into_inner).write(stderr().as_fd(), line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static STDERR: Mutex<Sink> = Mutex::new(Sink { unsaid: 0, torn: false, stuck: false });

/// What was written to standard error, as far as the next line must know.
#[derive(Debug, Default)]
struct Sink {
    /// Lines lost since the last that was written.
    unsaid: u64,
    /// Whether the last line was written in part.
    torn: bool,
    /// Whether the reader did not read when the last line came.
    stuck: bool,
}

impl Sink {
    /// Writes a line, after a word about those that were lost before it; or counts it as lost.
    fn write(&mut self, to: BorrowedFd<'_>, line: &[u8]) {
        let mut text = Vec::with_capacity(line.len());
        if self.torn {
            text.push(b'\n');
        }
        if self.unsaid > 0 {
            let why = LOG.now().map(|(_, why)| why).unwrap_or_default();
            text.extend(format!("spotter: {} lines of the log are lost: {why}\n", self.unsaid).bytes());
        }
        text.extend(line);
        let patience = if self.stuck { Duration::ZERO } else { PATIENCE };
        match put(to, &text, patience) {
            Ok(()) => *self = Sink::default(),
            Err(Unwritten { done, why }) => {
                LOG.add(&why.to_string());
                // A line break alone tears nothing.
                self.torn |= done > usize::from(self.torn);
                self.unsaid += 1;
                self.stuck = why == Errno::AGAIN;
            }
        }
    }
}

/// Why the rest of a text is not written.
struct Unwritten {
    /// Bytes that are.
    done: usize,
    why: Errno,
}

/// Writes all of `text`, and waits for a reader who is slow for no longer than `patience`.
fn put(to: BorrowedFd<'_>, text: &[u8], patience: Duration) -> Result<(), Unwritten> {
    let until = Instant::now() + patience;
    let mut done = 0;
    while done < text.len() {
        let failed = |why| Unwritten { done, why };
        let chunk = &text[done..text.len().min(done + CHUNK)];
        let written = match await_room(to, until) {
            Ok(()) => rustix::io::write(to, chunk),
            Err(error) => Err(error),
        };
        match written {
            Ok(written) => done += written,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if Instant::now() < until => {}
            Err(why) => return Err(failed(why)),
        }
    }
    Ok(())
}

/// Waits until something can be written, or fails with [`Errno::AGAIN`].
fn await_room(to: BorrowedFd<'_>, until: Instant) -> Result<(), Errno> {
    let left = until.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
    let mut polled = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
    match poll(&mut polled, Some(&left))? {
        0 => Err(Errno::AGAIN),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read};
    use std::os::fd::AsFd;

    use super::*;

    fn read(from: &mut PipeReader, bytes: usize) -> String {
        let mut text = vec![0; bytes];
        from.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_reader_who_has_left_or_stopped_costs_lines_and_nothing_else() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut sink = Sink::default();
        sink.write(writer.as_fd(), b"one\n");
        sink.write(writer.as_fd(), b"two\n");
        assert_eq!((sink.unsaid, sink.torn, sink.stuck), (2, false, false));

        let (mut reader, writer) = io::pipe().unwrap();
        let mut sink = Sink::default();
        // Fills the pipe, whatever its size.
        let line = [&[b'x'; 8191][..], b"\n"].concat();
        let mut written = 0;
        while sink.unsaid == 0 {
            sink.write(writer.as_fd(), &line);
            written += 1;
        }
        assert!(sink.stuck);
        let begun = Instant::now();
        (0..100).for_each(|_| sink.write(writer.as_fd(), b"lost\n"));
        assert!(begun.elapsed() < 100 * PATIENCE, "only the first line waits");
        let lost = sink.unsaid;
        let whole = read(&mut reader, (written - 1) * line.len());
        assert!(whole.ends_with("x\n"));
        let torn = sink.torn;
        sink.write(writer.as_fd(), b"again\n");
        assert_eq!(sink.unsaid, 0);
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(
            rest.ends_with("\nagain\n") && rest.contains(&format!("{lost} lines of the log are lost")),
            "{rest}"
        );
        assert_eq!(torn, rest.starts_with('x'), "a line that was cut short ends before the next one begins");
    }
}
