//! The control socket: how `spotter reload` asks the daemon of this machine, and hears what came of it.
//!
//! A request is a line, the answer is lines until the end of the stream:
//!
//! ```text
//! reload <digest of the configuration's path>
//! applied <what> | refused, and a line for each problem | failed <why> | other <the daemon's configuration>
//! ```
//!
//! The socket lies in a folder that only the daemon's user may enter; that is all the access control there is. One request
//! is served at a time, and others wait in the socket's own queue. Whoever has not said what they want when the daemon stops
//! is not waited for.

mod client;
mod place;

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::Shutdown;

pub use client::{ReloadError, ask_to_reload, is_running};
use place::Place;

use super::{Applied, Asker, Refused};
use crate::config::visible;

/// A request is shorter.
const MAX_REQUEST_BYTES: usize = 256;
/// How long a request or an answer may be on its way.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a connection that could not be had.
const PAUSE: Duration = Duration::from_millis(50);

/// What came of a reload, as whoever asked at the socket is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The daemon runs with the new configuration, of which this says a few words.
    Applied(String),
    /// The new one is wrong, as these lines say; the daemon goes on with the old one.
    Refused(Vec<String>),
    /// Neither, and why.
    Failed(String),
}

impl From<Result<Applied, Refused>> for Outcome {
    fn from(reloaded: Result<Applied, Refused>) -> Self {
        match reloaded {
            Ok(applied) => Outcome::Applied(applied.to_string()),
            Err(Refused::Wrong(problems)) => Outcome::Refused(problems),
            Err(Refused::Unreadable(error)) => Outcome::Refused(vec![error.to_string()]),
            Err(Refused::Stopping) => Outcome::Failed("the daemon is stopping".to_owned()),
            Err(error @ (Refused::NoFile | Refused::Crowded)) => Outcome::Failed(error.to_string()),
        }
    }
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon has it.
    #[error(
        "another spotter runs with this configuration (process {process}); it has {}",
        socket.display()
    )]
    Taken {
        /// The socket.
        socket: PathBuf,
        /// Its process, as far as that is known.
        process: String,
    },
    /// It cannot be made.
    #[error("no control socket at {}: {error}", path.display())]
    Unusable {
        /// What cannot be had.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// There is no folder for it.
    #[error("no control socket: neither $RUNTIME_DIRECTORY nor a state directory is known")]
    Nowhere,
}

/// The daemon's end of the socket. Dropping it removes the socket.
pub(super) struct Control {
    listener: Arc<UnixListener>,
    serving: Arc<Serving>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
    /// Held for as long as the socket is this daemon's; the system frees it however the process ends.
    _lock: File,
}

/// What serves requests.
struct Desk {
    digest: String,
    /// The configuration's file, for those who ask about another one.
    file: String,
    asker: Asker,
    serving: Arc<Serving>,
}

/// Who is served, and whether anybody is to be any more.
#[derive(Default)]
struct Serving {
    stopping: AtomicBool,
    stream: Mutex<Option<UnixStream>>,
}

impl Serving {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// From now on nobody is heard. What is being done is still answered.
    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let ended =
            self.stream().as_ref().map_or(Ok(()), |stream| rustix::net::shutdown(stream, Shutdown::Read));
        if let Err(error) = ended {
            tracing::debug!(%error, "who is served at the control socket has gone");
        }
    }

    fn stream(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// Listens for requests about the configuration's `file`.
    ///
    /// # Errors
    /// When another daemon does so already, or the socket cannot be made.
    pub(super) fn start(file: &Path, asker: Asker) -> Result<Self, ControlError> {
        Self::at(&Place::of_daemon(file).ok_or(ControlError::Nowhere)?, file, asker)
    }

    fn at(place: &Place, file: &Path, asker: Asker) -> Result<Self, ControlError> {
        let unusable = |path: &Path| {
            let path = path.to_path_buf();
            move |error| ControlError::Unusable { path, error }
        };
        place.make().map_err(unusable(place.folder()))?;
        let lock = lock(place)?;
        let socket = place.socket();
        // Nobody listens there: the lock was free.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&socket)(error)),
            _ => {}
        }
        let listener = Arc::new(UnixListener::bind(&socket).map_err(unusable(&socket))?);
        let serving = Arc::<Serving>::default();
        let desk = Desk {
            digest: place::digest(file),
            file: file.display().to_string(),
            asker,
            serving: Arc::clone(&serving),
        };
        let serve = {
            let listener = Arc::clone(&listener);
            move || desk.serve(&listener)
        };
        let thread =
            std::thread::Builder::new().name("control".to_owned()).spawn(serve).map_err(unusable(&socket))?;
        Ok(Control { listener, serving, thread: Some(thread), socket, _lock: lock })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.stop();
        // Wakes the thread out of waiting for a connection.
        let woken = rustix::net::shutdown(&*self.listener, Shutdown::Both);
        if let Err(error) = woken.map_err(io::Error::from).and_then(|()| std::fs::remove_file(&self.socket)) {
            tracing::debug!(%error, "the control socket is not closed as it should be");
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread `control` has panicked");
        }
    }
}

/// Takes the place, and notes who has it.
fn lock(place: &Place) -> Result<File, ControlError> {
    let path = place.lock();
    let unusable = |error| ControlError::Unusable { path: path.clone(), error };
    let mut lock =
        File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let read = lock.take(20).read_to_string(&mut process);
            let process = read.ok().filter(|read| *read > 0).map_or("unknown".to_owned(), |_| process);
            return Err(ControlError::Taken { socket: place.socket(), process: visible(&process) });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).map_err(unusable)?;
    Ok(lock)
}

impl Desk {
    fn serve(&self, listener: &UnixListener) {
        loop {
            let accepted = listener.accept();
            if self.serving.is_stopping() {
                return;
            }
            let served = accepted.and_then(|(stream, _)| self.serve_one(stream));
            if let Err(error) = served {
                tracing::debug!(%error, "a request at the control socket was not served");
                // Too many open files, for one: not to be tried again in a tight loop.
                std::thread::park_timeout(PAUSE);
            }
        }
    }

    fn serve_one(&self, stream: UnixStream) -> io::Result<()> {
        *self.serving.stream() = Some(stream.try_clone()?);
        // Whoever ends it may not have seen this one.
        if self.serving.is_stopping() {
            self.serving.stop();
        }
        let answered = self.answer(stream);
        *self.serving.stream() = None;
        answered
    }

    fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = read_request(&mut stream)?;
        let lines = match request.split_once(' ') {
            Some(("reload", digest)) if digest == self.digest => lines(&self.reload().into()),
            Some(("reload", _)) => format!("other {}", visible(&self.file)),
            _ => "failed this daemon knows no such request".to_owned(),
        };
        writeln!(stream, "{lines}")
    }

    fn reload(&self) -> Result<Applied, Refused> {
        self.asker.ask_for_answer()?.wait(&self.serving.stopping)
    }
}

/// The request without its end, which must come in time.
fn read_request(stream: &mut UnixStream) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; MAX_REQUEST_BYTES];
        let read = stream.read(&mut bytes)?;
        request.extend_from_slice(&bytes[..read]);
        if let Some(end) = request.iter().position(|byte| *byte == b'\n') {
            request.truncate(end);
            return String::from_utf8(request)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if read == 0 || request.len() >= MAX_REQUEST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no request"));
        }
    }
}

/// An outcome as lines.
fn lines(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied(what) => format!("applied {}", visible(what)),
        Outcome::Failed(why) => format!("failed {}", visible(why)),
        Outcome::Refused(problems) => {
            let problems = problems.iter().map(|problem| format!("\n{}", visible(problem)));
            std::iter::once("refused".to_owned()).chain(problems).collect()
        }
    }
}

/// The outcome that lines tell of; nothing for what is none.
fn outcome(lines: &str) -> Option<Outcome> {
    let mut lines = lines.lines();
    let first = lines.next()?;
    match first.split_once(' ').unwrap_or((first, "")) {
        ("applied", what) => Some(Outcome::Applied(what.to_owned())),
        ("failed", why) => Some(Outcome::Failed(why.to_owned())),
        ("refused", "") => Some(Outcome::Refused(lines.map(str::to_owned).collect())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
