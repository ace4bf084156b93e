//! What commands print: every line to standard output goes through [`say!`], so that a reader who has seen enough ends
//! the command quietly instead of with a panic.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Why a line could not be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// Whoever read it has gone, as `head` does. No failure: [`super::main`] exits with 0 and says nothing.
    #[error("nobody reads standard output any more")]
    Closed,
    /// The disk that it goes to is full, for one.
    #[error("cannot write to standard output: {0}")]
    Unwritable(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => OutputError::Closed,
            _ => OutputError::Unwritable(error),
        }
    }
}

/// Prints `text` as it is, at once.
pub(super) fn print(text: Arguments<'_>) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_fmt(text)?;
    Ok(stdout.flush()?)
}

/// What is said when a file cannot be written.
pub(super) fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Prints a line; the result is [`OutputError`]'s.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(super) use say;
