//! `[mqtt.outbox]`: where tags wait for the broker, and how many.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::read::Section;

/// What `directory` says for an outbox without a disk; an empty text says the same.
const IN_MEMORY: &str = "memory";

/// Where the package has the configuration of the service,
const OF_PACKAGE: &str = "/etc/spotter/spotter.toml";
/// and what systemd makes of the unit's `StateDirectory=spotter`, which is the home of the service's user as well.
const OF_SERVICE: &str = "/var/lib/spotter";

const BYTES_PER_MB: u64 = 1_000_000;

/// `[mqtt.outbox]`: where tags wait for the broker, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// The folder of its file; nothing when tags wait in memory only and are gone with the process.
    pub directory: Option<PathBuf>,
    /// The most that may wait, in bytes; past it the oldest tag goes, counted.
    pub max_bytes: u64,
    /// The longest that a tag may wait; then it goes, counted.
    pub max_age: Duration,
    /// When tags are on the disk.
    pub sync: Sync,
    /// The most time between two commits, with [`Sync::Interval`].
    pub commit_interval: Duration,
    /// The most tags per second that have waited and go out beside live ones.
    pub backlog_rate: u32,
    /// How many tags may wait in memory when there is no disk to write to.
    pub memory_tags: usize,
}

/// When tags are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Together with those of one commit interval: a power cut can lose these.
    Interval,
    /// Each before it is offered to the broker: a power cut loses none.
    Always,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            directory: state_directory(|variable| std::env::var_os(variable)),
            max_bytes: 1000 * BYTES_PER_MB,
            max_age: Duration::from_secs(168 * 3600),
            sync: Sync::Interval,
            commit_interval: Duration::from_millis(50),
            backlog_rate: 500,
            memory_tags: 20_000,
        }
    }
}

impl Outbox {
    /// The default one, without a disk.
    pub fn in_memory() -> Self {
        Outbox { directory: None, ..Outbox::default() }
    }

    /// Where tags wait that a daemon with the configuration `file` takes, for whoever looks from outside. It is not
    /// [`Outbox::directory`] where that is the default one, systemd has not said it here, and the service has its own.
    pub fn seen_from_outside(&self, file: &Path) -> Option<PathBuf> {
        let variable = |variable: &str| std::env::var_os(variable);
        let named = self.directory != state_directory(variable);
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let of_service = if named { None } else { directory_of_service(&file, variable) };
        of_service.filter(|directory| directory.is_dir()).or_else(|| self.directory.clone())
    }
}

/// The state of the installed service, for its configuration and for its user, unless something says where state belongs.
fn directory_of_service(file: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let says = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_said = ["STATE_DIRECTORY", "XDG_STATE_HOME"].into_iter().any(|name| says(name).is_some());
    let is_of_service = file == Path::new(OF_PACKAGE) || says("HOME").is_some_and(|home| home == OF_SERVICE);
    (is_of_service && !is_said).then(|| PathBuf::from(OF_SERVICE))
}

/// Where state belongs, as the variables of the environment say: what systemd gives a service, else the user's own place. Without either there is none.
pub fn state_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_service = service_directory(&variable, "STATE_DIRECTORY");
    of_service
        .or_else(|| path("XDG_STATE_HOME").map(|state| state.join("spotter")))
        .or_else(|| path("HOME").map(|home| home.join(".local/state/spotter")))
}

/// The folder that systemd names in a variable, or the first of several.
pub fn service_directory(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    let list = variable(name)?;
    std::env::split_paths(&list).next().filter(|first| !first.as_os_str().is_empty())
}

pub(super) fn read(mut section: Section<'_, '_, '_>, base: &Path) -> Outbox {
    let defaults = Outbox::default();
    let outbox = Outbox {
        directory: match section.string("directory").as_deref() {
            None => defaults.directory,
            Some("" | IN_MEMORY) => None,
            Some(path) => Some(base.join(path)),
        },
        max_bytes: section
            .integer("max_size_mb", 1..=100_000)
            .map_or(defaults.max_bytes, |megabytes| megabytes.unsigned_abs() * BYTES_PER_MB),
        max_age: section
            .integer("max_age_h", 1..=8760)
            .map_or(defaults.max_age, |hours| Duration::from_secs(hours.unsigned_abs() * 3600)),
        sync: section
            .parsed("sync", |text| match text {
                "interval" => Ok(Sync::Interval),
                "always" => Ok(Sync::Always),
                other => Err(format!("is \"{other}\"; allowed: \"interval\", \"always\"")),
            })
            .unwrap_or(defaults.sync),
        commit_interval: section
            .integer("commit_interval_ms", 1..=100)
            .map_or(defaults.commit_interval, |ms| Duration::from_millis(ms.unsigned_abs())),
        backlog_rate: section
            .integer("backlog_rate", 1..=100_000)
            .map_or(defaults.backlog_rate, |rate| rate as u32),
        memory_tags: section
            .integer("memory_tags", 128..=1_000_000)
            .map_or(defaults.memory_tags, |tags| tags as usize),
    };
    section.finish();
    outbox
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_where_the_system_says() {
        type Variables = [(&'static str, &'static str)];
        let cases: [(&Variables, Option<&str>); 6] = [
            (&[("STATE_DIRECTORY", "/var/lib/spotter"), ("HOME", "/root")], Some("/var/lib/spotter")),
            (&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")], Some("/var/lib/a")),
            (&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/me")], Some("/state/spotter")),
            (&[("HOME", "/home/me")], Some("/home/me/.local/state/spotter")),
            (
                &[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", ""), ("HOME", "/h")],
                Some("/h/.local/state/spotter"),
            ),
            (&[], None),
        ];
        for (variables, expected) in cases {
            let variable =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            assert_eq!(state_directory(variable), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn whoever_looks_at_the_service_from_outside_finds_its_state() {
        type Variables = [(&'static str, &'static str)];
        let (packaged, own) = ("/etc/spotter/spotter.toml", "/home/me/spotter.toml");
        let cases: [(&str, &Variables, bool); 8] = [
            // sudo -u spotter, systemd-run --uid=spotter, sudo
            (packaged, &[("HOME", "/var/lib/spotter")], true),
            (own, &[("HOME", "/var/lib/spotter")], true),
            (packaged, &[("HOME", "/root"), ("XDG_STATE_HOME", "")], true),
            (packaged, &[], true),
            // Somebody's own, and what is said.
            (own, &[("HOME", "/home/me")], false),
            (own, &[], false),
            (packaged, &[("HOME", "/var/lib/spotter"), ("STATE_DIRECTORY", "/state")], false),
            (packaged, &[("HOME", "/root"), ("XDG_STATE_HOME", "/state")], false),
        ];
        for (file, variables, expected) in cases {
            let variable =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            let found = directory_of_service(Path::new(file), variable);
            assert_eq!(found, expected.then(|| PathBuf::from(OF_SERVICE)), "{file} {variables:?}");
        }
        // What the configuration names is named.
        let named = Outbox { directory: Some("/elsewhere".into()), ..Outbox::default() };
        assert_eq!(named.seen_from_outside(Path::new(packaged)), Some("/elsewhere".into()));
    }
}
