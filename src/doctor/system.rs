//! The machine: its clock, and the disk on which tags wait.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::{Area, Check, Verdict};
use crate::capture::Room;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::{Camera, Outbox};
use crate::daemon::{TIMESYNC, told_by_systemd};
use crate::publish::outbox::FILE;

/// 2026-01-01T00:00:00Z: no clock that is right shows an earlier time.
const EARLIEST: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// How much a file may be of the future.
const SKEW: Duration = Duration::from_secs(3600);
/// Those of other services that keep the time; whether they have is theirs to tell.
const OTHERS: [(&str, &str); 3] = [
    ("/run/chrony", "chronyc tracking"),
    ("/run/ntpd.pid", "ntpq -p"),
    ("/run/openntpd.pid", "ntpctl -s all"),
];
/// Less than this is no room to work with.
const LEAST_FREE_BYTES: u64 = 64_000_000;
const BYTES_PER_MB: u64 = 1_000_000;

/// The clock: whether its time is possible, and whether somebody keeps it.
pub(super) fn clock(file: &Path) -> Vec<Check> {
    let now = SystemClock.now();
    let changed = fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| Timestamp::EPOCH + at);
    vec![time(now, changed), keeper(told_by_systemd().ok(), |path| Path::new(path).exists())]
}

fn time(now: Timestamp, configured: Option<Timestamp>) -> Check {
    let new = |verdict, text: String| Check::new(Area::Clock, "time", verdict, text);
    let advice = "set the clock, and let a time server keep it: tags carry its time";
    if now < EARLIEST {
        return new(Verdict::Failure, format!("{now} is too early to be right")).advise(advice);
    }
    match configured.filter(|&at| at > now + SKEW) {
        Some(at) => {
            let text = format!("{now}, but the configuration was changed at {at}, which is later");
            new(Verdict::Failure, text).advise(advice)
        }
        None => new(Verdict::Ok, now.to_string()),
    }
}

/// `told` is what systemd says, where it can be asked.
fn keeper(told: Option<bool>, exists: impl Fn(&str) -> bool) -> Check {
    let new = |verdict, text: String| Check::new(Area::Clock, "synchronised", verdict, text);
    match told {
        Some(true) => return new(Verdict::Ok, "systemd says that a time server has set it".to_owned()),
        Some(false) => {
            let text = "systemd says that no time server has set it: tags say `clock`: `unsynchronised`";
            return new(Verdict::Warning, text.to_owned())
                .advise("`timedatectl timesync-status`, `chronyc tracking` or `ntpq -p` tells why");
        }
        None if exists(TIMESYNC) => {
            return new(Verdict::Ok, "systemd-timesyncd has set it by a time server".to_owned());
        }
        None => {}
    }
    match OTHERS.iter().find(|(path, _)| exists(path)) {
        Some((path, ask)) => {
            let text = format!(
                "another service keeps it ({path}), but systemd cannot be asked whether it has set it: tags say \
                 `clock`: `unsynchronised`"
            );
            new(Verdict::Warning, text).advise(format!("`{ask}` tells how well"))
        }
        None => new(Verdict::Warning, "nothing here tells that a time server sets it".to_owned()).advise(
            "apt install systemd-timesyncd; a container needs /run/dbus/system_bus_socket of its host",
        ),
    }
}

/// Whether this process may open as many files and have as many threads as the cameras may need.
pub(super) fn limits(cameras: &[Camera]) -> Check {
    let (needed, shortages) = (Room::of_all(cameras), Room::shortages(cameras));
    if !shortages.is_empty() {
        return Check::new(Area::Permissions, "limits", Verdict::Failure, shortages.join("; "));
    }
    let (files, threads) = (needed.descriptors, needed.threads);
    let text = format!("there is room for the {files} open files and {threads} threads that may be needed");
    Check::new(Area::Permissions, "limits", Verdict::Ok, text)
}

/// The disk: whether the outbox of the daemon with the configuration `file` can be written, and has the room that it may
/// take.
pub(super) fn disk(outbox: &Outbox, file: &Path) -> Check {
    let Some(folder) = outbox.seen_from_outside(file) else {
        let text = "tags wait in memory: those that wait are lost when the power goes";
        return Check::new(Area::Disk, "outbox", Verdict::Warning, text)
            .advise("name a folder with directory in [mqtt.outbox], unless there is no disk");
    };
    let name = folder.display().to_string();
    let existing = match writable(&folder) {
        Ok(existing) => existing,
        Err(why) => {
            return Check::new(Area::Disk, name, Verdict::Failure, why).advise(
                "give the folder to the user whom Spotter runs as, or name another in [mqtt.outbox]",
            );
        }
    };
    let used = fs::metadata(folder.join(FILE)).map_or(0, |metadata| metadata.len());
    match rustix::fs::statvfs(&existing).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)) {
        Ok(free) => room(name, free, used, outbox.max_bytes),
        Err(error) => {
            Check::new(Area::Disk, name, Verdict::Warning, format!("free space is not to be had: {error}"))
        }
    }
}

fn room(name: String, free: u64, used: u64, max: u64) -> Check {
    let wanted = max.saturating_sub(used);
    let megabytes = |bytes: u64| bytes / BYTES_PER_MB;
    let text = format!("{} MB free, {} MB may be taken", megabytes(free), megabytes(wanted));
    if free < LEAST_FREE_BYTES.min(wanted) {
        Check::new(Area::Disk, name, Verdict::Failure, text).advise("make room on the disk")
    } else if free < wanted {
        Check::new(Area::Disk, name, Verdict::Warning, text)
            .advise("make room on the disk, or set max_size_mb in [mqtt.outbox] lower")
    } else {
        Check::new(Area::Disk, name, Verdict::Ok, text)
    }
}

/// The folder, or where it would be made; or why no file can be made there.
fn writable(folder: &Path) -> Result<PathBuf, String> {
    let existing = folder.ancestors().find(|path| path.exists() && !path.as_os_str().is_empty());
    let existing = existing.unwrap_or(Path::new("."));
    let shown = existing.display();
    if !existing.is_dir() {
        return Err(format!("{shown} is no folder"));
    }
    let trial = existing.join(format!(".spotter-doctor-{}", std::process::id()));
    fs::File::create_new(&trial).map_err(|error| format!("{shown} cannot be written: {error}"))?;
    fs::remove_file(&trial).map_err(|error| format!("{} cannot be removed: {error}", trial.display()))?;
    Ok(existing.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_times_are_seen() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        assert_eq!(time(now, Some(now)).verdict, Verdict::Ok);
        assert_eq!(time(now, None).verdict, Verdict::Ok);
        assert_eq!(time(now, Some(now + SKEW + SKEW)).verdict, Verdict::Failure);
        assert_eq!(time(Timestamp::EPOCH, None).verdict, Verdict::Failure);
    }

    #[test]
    fn who_keeps_the_clock_is_told() {
        assert_eq!(keeper(Some(true), |_| false).verdict, Verdict::Ok);
        assert_eq!(keeper(Some(false), |path| path == TIMESYNC).verdict, Verdict::Warning);
        assert_eq!(keeper(None, |path| path == TIMESYNC).verdict, Verdict::Ok);
        let by_chrony = keeper(None, |path| path == "/run/chrony");
        assert_eq!(by_chrony.verdict, Verdict::Warning);
        assert!(by_chrony.advice.is_some_and(|advice| advice.contains("chronyc tracking")));
        assert_eq!(keeper(None, |_| false).verdict, Verdict::Warning);
    }

    #[test]
    fn room_is_held_against_what_the_outbox_may_take() {
        let verdict = |free_mb: u64, used_mb: u64, max_mb: u64| {
            room(String::new(), free_mb * BYTES_PER_MB, used_mb * BYTES_PER_MB, max_mb * BYTES_PER_MB).verdict
        };
        assert_eq!(verdict(2000, 0, 1000), Verdict::Ok);
        assert_eq!(verdict(500, 600, 1000), Verdict::Ok);
        assert_eq!(verdict(500, 0, 1000), Verdict::Warning);
        assert_eq!(verdict(10, 0, 1000), Verdict::Failure);
        assert_eq!(verdict(10, 0, 5), Verdict::Ok);
    }

    #[test]
    fn a_folder_is_where_it_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(writable(&folder.path().join("a/b")).as_deref(), Ok(folder.path()));
        fs::write(folder.path().join("a"), "").unwrap();
        assert!(writable(&folder.path().join("a")).unwrap_err().ends_with("is no folder"));
        assert!(writable(&folder.path().join("a/b")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
