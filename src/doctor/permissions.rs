//! Permissions: who may read what holds passwords, and whether this user may open devices.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::device::{self, Closed, GPU, Kind, VIDEO};
use super::{Area, Check, Verdict};
use crate::config::{Config, Decoder, Secrets, Source};

/// Where GPUs are.
const GPUS: &str = "/dev/dri/renderD#";
/// The configuration of the installed service, and its user.
const OF_SERVICE: (&str, &str) = ("/etc/spotter/spotter.toml", "spotter");

pub(super) fn checks(file: &Path, config: Option<&Config>) -> Vec<Check> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut checks = Vec::new();
    checks.extend(root(&read("/proc/self/status"), &read("/etc/passwd"), file));
    if let Ok(text) = fs::read_to_string(file) {
        let Secrets { inside, files } = Secrets::of(&text, file.parent().unwrap_or(Path::new("")));
        checks.extend(readable(file, inside));
        checks.extend(files.iter().filter_map(|file| readable(file, true)));
    }
    for camera in config.iter().flat_map(|config| &config.cameras) {
        if let Source::V4l2 { device } = &camera.capture.source {
            checks.push(device_check(device, VIDEO, Verdict::Failure));
        }
    }
    let hardware = |wanted: fn(&Decoder) -> bool| {
        config.iter().flat_map(|config| &config.cameras).any(|camera| wanted(&camera.capture.decoder))
    };
    if hardware(|decoder| *decoder != Decoder::Software) {
        let bad = if hardware(|decoder| *decoder == Decoder::Hardware) {
            Verdict::Failure
        } else {
            Verdict::Warning
        };
        checks.extend(device::files(Path::new(GPUS)).iter().map(|gpu| device_check(gpu, GPU, bad)));
    }
    checks
}

/// A warning when this process is root, by its `status` from the kernel: root may do everything, so what is found to be well
/// need not be so for the service's user, who is looked for among `users` of the machine.
fn root(status: &str, users: &str, file: &Path) -> Option<Check> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // The real one comes first, then the effective one.
    ids.split_whitespace().nth(1).filter(|id| *id == "0")?;
    let (config, user) = OF_SERVICE;
    let is_of_service = std::path::absolute(file).is_ok_and(|file| file == Path::new(config));
    let has_user = users.lines().any(|line| line.split(':').next() == Some(user));
    let advice = if is_of_service {
        format!("sudo -u {user} spotter doctor")
    } else if has_user {
        format!("sudo -u {user} spotter doctor --config {}", file.display())
    } else {
        "run it as the user whom Spotter runs as, unless that is root".to_owned()
    };
    let text = "this is root, who may do more than Spotter's own user: what is ok here need not be there";
    Some(Check::new(Area::Permissions, "user", Verdict::Warning, text).advise(advice))
}

/// Who may read a file; nothing when it is not there.
fn readable(file: &Path, secret: bool) -> Option<Check> {
    let mode = fs::metadata(file).ok()?.mode() & 0o7777;
    let new = |verdict, text| Check::new(Area::Permissions, file.display().to_string(), verdict, text);
    Some(match (mode & 0o004 != 0, secret) {
        (true, true) => {
            new(Verdict::Warning, format!("everybody here may read it ({mode:04o}), and it holds a password"))
                .advise(format!("chmod o-r {}", file.display()))
        }
        (true, false) => {
            new(Verdict::Ok, format!("everybody here may read it ({mode:04o}); it holds no password"))
        }
        (false, _) => new(Verdict::Ok, format!("not for everybody to read ({mode:04o})")),
    })
}

/// Whether this user may read and write a device; `bad` when not.
fn device_check(file: &Path, kind: Kind, bad: Verdict) -> Check {
    let new = |verdict, text: &str| Check::new(Area::Permissions, file.display().to_string(), verdict, text);
    match device::closed(file, device::may_open(file), kind) {
        None => new(Verdict::Ok, "this user may open it"),
        Some(Closed { why, advice }) => Check { advice, ..new(bad, &why) },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_everybody_may_read_holds_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spotter.toml");
        fs::write(&file, "").unwrap();
        for (mode, secret, expected) in
            [(0o644, true, Verdict::Warning), (0o644, false, Verdict::Ok), (0o640, true, Verdict::Ok)]
        {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(readable(&file, secret).unwrap().verdict, expected, "{mode:o}");
        }
        assert_eq!(readable(&folder.path().join("missing"), true), None);
    }

    #[test]
    fn what_root_may_do_says_little_of_the_service() {
        let status = |real: u32, effective: u32| {
            format!("Name:\tspotter\nUid:\t{real}\t{effective}\t0\t0\nGid:\t0\t0\t0\t0\n")
        };
        let (alone, installed) = ("root:x:0:0::/:\n", "root:x:0:0::/:\nspotter:x:998:998::/:\n");
        let (packaged, own) = (Path::new("/etc/spotter/spotter.toml"), Path::new("/srv/own.toml"));
        for (users, file, expected) in [
            (installed, packaged, "sudo -u spotter spotter doctor"),
            (alone, packaged, "sudo -u spotter spotter doctor"),
            (installed, own, "sudo -u spotter spotter doctor --config /srv/own.toml"),
            (alone, own, "run it as the user whom Spotter runs as, unless that is root"),
        ] {
            let check = root(&status(1000, 0), users, file).unwrap();
            assert_eq!((check.verdict, check.advice.as_deref()), (Verdict::Warning, Some(expected)));
        }
        for status in [status(0, 998), String::new()] {
            assert_eq!(root(&status, installed, packaged), None, "{status}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_said() {
        let check = device_check(Path::new("/dev/nosuchvideo"), VIDEO, Verdict::Failure);
        assert_eq!((check.verdict, check.text.as_str()), (Verdict::Failure, "is not there"));
        assert_eq!(device_check(Path::new("/dev/null"), VIDEO, Verdict::Failure).verdict, Verdict::Ok);
    }
}
