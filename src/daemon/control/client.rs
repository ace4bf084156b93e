//! The other end: asks the daemon that runs with a configuration.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::{Place, digest};
use super::{Outcome, PATIENCE, outcome};
use crate::config::visible;

/// How long the daemon may take to look at a configuration, which it does by loading its models.
const LONGEST: Duration = Duration::from_secs(600);
/// An answer is shorter.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// No daemon runs with this configuration, as far as one can see.
    #[error("no running spotter has the configuration {}{}", file.display(), reasons(looked))]
    Nobody {
        /// The configuration.
        file: PathBuf,
        /// Where it was looked for, and what was found there.
        looked: Vec<(PathBuf, String)>,
    },
    /// The daemon was there and has not answered.
    #[error("{} does not answer: {error}", socket.display())]
    Silent {
        /// Its socket.
        socket: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

fn reasons(looked: &[(PathBuf, String)]) -> String {
    looked.iter().map(|(socket, why)| format!("; {}: {why}", socket.display())).collect()
}

/// Asks the daemon that runs with the configuration `file` to read it again, and waits for the outcome.
///
/// # Errors
/// When there is no such daemon, or it does not answer.
pub fn ask_to_reload(file: &Path) -> Result<Outcome, ReloadError> {
    let mut looked = Vec::new();
    for place in Place::candidates(file) {
        let socket = place.socket();
        let silent = |error| ReloadError::Silent { socket: socket.clone(), error };
        let stream = match UnixStream::connect(&socket) {
            Ok(stream) => stream,
            Err(error) => {
                looked.push((socket, error.to_string()));
                continue;
            }
        };
        let said = ask(stream, &format!("reload {}", digest(file))).map_err(silent)?;
        if let Some(other) = said.strip_prefix("other ") {
            looked.push((socket, format!("its configuration is {}", visible(other.trim_end()))));
            continue;
        }
        return outcome(&said).ok_or_else(|| silent(io::ErrorKind::UnexpectedEof.into()));
    }
    Err(ReloadError::Nobody { file: file.to_path_buf(), looked })
}

/// Whether a daemon listens where one with the configuration `file` would, or where the service does. It is not, as far as
/// this user may know, when they may not enter the folder.
pub fn is_running(file: &Path) -> bool {
    somebody_listens(Place::candidates(file))
}

pub(super) fn somebody_listens(places: impl IntoIterator<Item = Place>) -> bool {
    places.into_iter().any(|place| UnixStream::connect(place.socket()).is_ok())
}

/// Sends a line and reads until the end.
fn ask(mut stream: UnixStream, request: &str) -> io::Result<String> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(LONGEST))?;
    writeln!(stream, "{request}")?;
    let mut said = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut said)?;
    Ok(said)
}
