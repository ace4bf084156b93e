//! Room for pipelines: the descriptors and threads that this process may still have.
//!
//! GLib ends the process (SIGTRAP) when it wants one more than there is, so no pipeline is built that might. The figures of
//! each kind of source were measured with GStreamer 1.22 and are rounded up; `docs/operations.md` has the table.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::CaptureError;
use crate::config::{Camera, Source, Transport};

/// What the process needs without cameras: log, models, outbox, broker, sockets that others ask at.
const BASE: Room = Room { descriptors: 48, threads: 40 };

/// Descriptors and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Open files, sockets and the like.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

impl Room {
    /// What one camera with this source takes at most while it is connected, its own thread included.
    pub fn of(source: &Source) -> Room {
        let (descriptors, threads) = match source {
            Source::File { .. } => (10, 7),
            Source::Rtsp { transport: Transport::Udp, .. } => (22, 11),
            Source::Rtsp { .. } => (12, 9),
            Source::Http { .. } => (20, 13),
            Source::V4l2 { .. } => (16, 6),
            Source::Libcamera { .. } => (32, 10),
            Source::Genicam(_) => (20, 11),
            Source::Pipeline { .. } => (12, 8),
        };
        Room { descriptors, threads }
    }

    /// What a configuration with these cameras takes at most.
    pub fn of_all(cameras: &[Camera]) -> Room {
        cameras.iter().map(|camera| Room::of(&camera.capture.source)).fold(BASE, Room::and)
    }

    fn and(self, other: Room) -> Room {
        Room {
            descriptors: self.descriptors.saturating_add(other.descriptors),
            threads: self.threads.saturating_add(other.threads),
        }
    }

    /// What this process may have. It has raised its soft limit of descriptors to the hard one when the command line called
    /// [`raise_limits`].
    pub fn allowed() -> Room {
        let user = if rustix::process::geteuid().is_root() {
            u64::MAX
        } else {
            getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX)
        };
        Room {
            descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            threads: user.min(most_of_group().unwrap_or(u64::MAX)),
        }
    }

    /// Why this machine has no room for these cameras: a sentence with figures for each that is too low.
    pub fn shortages(cameras: &[Camera]) -> Vec<String> {
        short(Room::of_all(cameras), Room::allowed(), cameras.len())
    }
}

fn short(needed: Room, allowed: Room, cameras: usize) -> Vec<String> {
    let mut short = Vec::new();
    if needed.descriptors > allowed.descriptors {
        short.push(format!(
            "{cameras} cameras may need {} open files and this process may have {}: raise the hard limit (LimitNOFILE= of \
             the unit, `ulimit -Hn`, `--ulimit nofile` of a container)",
            needed.descriptors, allowed.descriptors
        ));
    }
    if needed.threads > allowed.threads {
        short.push(format!(
            "{cameras} cameras may need {} threads and this process may have {}: raise the limit (TasksMax= of the unit, \
             `ulimit -u`, `--pids-limit` of a container)",
            needed.threads, allowed.threads
        ));
    }
    short
}

/// Lets this process open as many files as it may: raises the soft limit, 1024 nearly everywhere, to the hard one. `strace`
/// of pipelines saw no `select`, which breaks beyond 1024.
pub fn raise_limits() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!("the limit of open files stays at {current:?} and cannot be {maximum:?}: {error}");
    }
}

/// The threads that the control group of this process may have; nothing where that is not limited.
fn most_of_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // A container sees its own group as the root.
    let path = format!("/sys/fs/cgroup{}/pids.max", group.trim_end_matches('/'));
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What all pipelines of this process have taken.
static TAKEN: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

/// Room that a pipeline has taken; dropping it gives it back.
pub(super) struct Taken(Room);

impl Taken {
    /// Takes room for a pipeline of this source.
    ///
    /// # Errors
    /// When that is more than this process may have.
    pub(super) fn take(source: &Source) -> Result<Taken, CaptureError> {
        static ALLOWED: OnceLock<Room> = OnceLock::new();
        let allowed = *ALLOWED.get_or_init(Room::allowed);
        let full = |what, most| CaptureError::NoRoom { source_name: source.to_string(), what, most };
        let room = Room::of(source);
        let add = |taken: &AtomicU64, more: u64, most: u64| {
            let fits = |taken: u64| taken.checked_add(more).filter(|all| *all <= most);
            taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
        };
        let most = allowed.descriptors.saturating_sub(BASE.descriptors);
        if !add(&TAKEN.0, room.descriptors, most) {
            return Err(full("open files", allowed.descriptors));
        }
        if !add(&TAKEN.1, room.threads, allowed.threads.saturating_sub(BASE.threads)) {
            TAKEN.0.fetch_sub(room.descriptors, Ordering::Relaxed);
            return Err(full("threads", allowed.threads));
        }
        Ok(Taken(room))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.0.fetch_sub(self.0.descriptors, Ordering::Relaxed);
        TAKEN.1.fetch_sub(self.0.threads, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_low_is_told_with_its_figures() {
        let needed = Room { descriptors: 1600, threads: 1200 };
        assert_eq!(short(needed, Room { descriptors: 1600, threads: 1200 }, 130), Vec::<String>::new());
        let told = short(needed, Room { descriptors: 1024, threads: 512 }, 130);
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("130 cameras may need 1600 open files and this process may have 1024:"));
        assert!(told[1].starts_with("130 cameras may need 1200 threads and this process may have 512:"));
    }

    #[test]
    fn room_that_was_taken_is_given_back() {
        let source = Source::Pipeline { fragment: "videotestsrc".to_owned() };
        let before = TAKEN.0.load(Ordering::Relaxed);
        let taken = Taken::take(&source).unwrap();
        assert!(TAKEN.0.load(Ordering::Relaxed) >= Room::of(&source).descriptors);
        drop(taken);
        // Other tests may take and give meanwhile, so this is all that is certain.
        assert!(before < u64::MAX / 2 && TAKEN.0.load(Ordering::Relaxed) < u64::MAX / 2);
    }
}
