//! Where the control socket lies: a place that the daemon and whoever asks it come to on their own.

use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::{service_directory, state_directory};

/// What systemd makes of the unit's `RuntimeDirectory=spotter`, for those who ask from outside of the service.
const OF_SERVICE: &str = "/run/spotter";

/// Only the daemon's user may enter.
const MODE: u32 = 0o700;

/// A folder for the socket and its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Where the daemon with this configuration listens; nothing when there is no place for it.
    pub(super) fn of_daemon(file: &Path) -> Option<Place> {
        let variable = |name: &str| std::env::var_os(name);
        of_service(variable).or_else(|| of_file(file, variable))
    }

    #[cfg(test)]
    pub(super) fn at(folder: PathBuf) -> Place {
        Place(folder)
    }

    /// Where it may listen, as far as one can tell from outside.
    pub(super) fn candidates(file: &Path) -> Vec<Place> {
        candidates(file, |name| std::env::var_os(name))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Makes the folder, which nobody else may enter.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(MODE).create(&self.0)?;
        std::fs::set_permissions(&self.0, Permissions::from_mode(MODE))
    }
}

fn of_service(variable: impl Fn(&str) -> Option<OsString>) -> Option<Place> {
    Some(Place(service_directory(variable, "RUNTIME_DIRECTORY")?.join("control")))
}

fn of_file(file: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<Place> {
    Some(Place(state_directory(variable)?.join(format!("control-{}", digest(file)))))
}

fn candidates(file: &Path, variable: impl Fn(&str) -> Option<OsString> + Copy) -> Vec<Place> {
    let mut places: Vec<Place> = of_service(variable).into_iter().chain(of_file(file, variable)).collect();
    let of_unit = Place(Path::new(OF_SERVICE).join("control"));
    if !places.contains(&of_unit) {
        places.push(of_unit);
    }
    places
}

/// Eight letters for the configuration's path, the same for every way to write it. The file itself may be a link that
/// leads elsewhere tomorrow.
pub(super) fn digest(file: &Path) -> String {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = match (folder.canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()),
    };
    Sha256::digest(path.as_os_str().as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_place() {
        let file = Path::new("/etc/spotter/spotter.toml");
        let of_file = format!("control-{}", digest(file));
        type Variables = [(&'static str, &'static str)];
        // What is set, where the daemon listens, and where one looks for it.
        let cases: [(&Variables, &str, &[&str]); 3] = [
            (
                &[("RUNTIME_DIRECTORY", "/run/spotter"), ("STATE_DIRECTORY", "/var/lib/spotter")],
                "/run/spotter/control",
                &["/run/spotter/control", "/var/lib/spotter/FILE"],
            ),
            (
                &[("RUNTIME_DIRECTORY", "/run/a:/run/b"), ("HOME", "/root")],
                "/run/a/control",
                &["/run/a/control", "/root/.local/state/spotter/FILE", "/run/spotter/control"],
            ),
            (
                &[("RUNTIME_DIRECTORY", ""), ("XDG_STATE_HOME", "/state")],
                "/state/spotter/FILE",
                &["/state/spotter/FILE", "/run/spotter/control"],
            ),
        ];
        for (variables, listens, looks) in cases {
            let variable = |name: &str| -> Option<OsString> {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            };
            let place = |text: &str| Place(PathBuf::from(text.replace("FILE", &of_file)));
            let listening = of_service(variable).or_else(|| super::of_file(file, variable));
            assert_eq!(listening, Some(place(listens)), "{variables:?}");
            let looks: Vec<Place> = looks.iter().map(|look| place(look)).collect();
            assert_eq!(candidates(file, variable), looks, "{variables:?}");
        }
    }

    #[test]
    fn every_way_to_write_a_path_is_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("etc"), folder.path().join("link")).unwrap();
        let digest_of = |path: &str| digest(&folder.path().join(path));
        assert_eq!(digest_of("etc/a.toml"), digest_of("link/a.toml"));
        assert_eq!(digest_of("etc/a.toml"), digest_of("etc/../etc/./a.toml"));
        assert_ne!(digest_of("etc/a.toml"), digest_of("etc/b.toml"));
        assert_eq!(digest(Path::new("a.toml")), digest(&std::env::current_dir().unwrap().join("a.toml")));
    }
}
