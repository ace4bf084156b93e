//! Device files: which there are, whether this user may open them, and what to do when not.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Groups that may do much more than open a device: nobody is to join them for one.
const POWERFUL: [&str; 7] = ["root", "disk", "docker", "kmem", "shadow", "sudo", "wheel"];

/// A kind of device: its subsystem in udev's terms, and the group that Debian gives such devices to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) subsystem: &'static str,
    pub(super) group: &'static str,
}

pub(super) const VIDEO: Kind = Kind { subsystem: "video4linux", group: "video" };
pub(super) const GPU: Kind = Kind { subsystem: "drm", group: "render" };

/// Why a device cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) why: String,
    pub(super) advice: Option<String>,
}

/// Whether this user may read and write a device.
pub(super) fn may_open(device: &Path) -> io::Result<()> {
    Ok(access(device, Access::READ_OK | Access::WRITE_OK)?)
}

/// Why `device` cannot be used, by what [`may_open`] says of it.
pub(super) fn closed(device: &Path, opened: io::Result<()>, kind: Kind) -> Option<Closed> {
    let error = opened.err()?;
    if error.kind() == io::ErrorKind::NotFound {
        return Some(Closed { why: "is not there".to_owned(), advice: None });
    }
    let advice = fs::metadata(device).ok().map(|metadata| {
        let group = group_name(metadata.gid());
        advice(group.as_deref(), metadata.mode(), kind)
    });
    Some(Closed { why: format!("this user may not open it: {error}"), advice })
}

/// How this user may come to open a device that belongs to `group`.
fn advice(group: Option<&str>, mode: u32, Kind { subsystem, group: usual }: Kind) -> String {
    match group.filter(|group| !POWERFUL.contains(group) && mode & 0o060 == 0o060) {
        Some(group) => format!("usermod --append --groups {group} spotter, and start it anew"),
        None => format!(
            "give it to the group {usual}, as 60-spotter.rules does for others: SUBSYSTEM==\"{subsystem}\", \
             GROUP=\"{usual}\", MODE=\"0660\" in /etc/udev/rules.d/61-spotter.rules, then `udevadm control --reload` \
             and `udevadm trigger`"
        ),
    }
}

/// The name of a group.
fn group_name(id: u32) -> Option<String> {
    let id = id.to_string();
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

/// The files that `pattern` names, in order. In its last part, `#` at the end stands for a number.
pub(super) fn files(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    let Some(stem) = name.strip_suffix('#') else {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    };
    let is_one = |name: &str| {
        name.strip_prefix(stem)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = pattern.parent().and_then(|folder| fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| is_one(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_to_join_a_powerful_group() {
        let join = |group: Option<&str>, mode| advice(group, mode, VIDEO).starts_with("usermod");
        assert!(join(Some("video"), 0o660) && join(Some("cameras"), 0o660));
        for (group, mode) in [
            (group_name(0).as_deref(), 0o660),
            (Some("disk"), 0o660),
            (None, 0o660),
            // Its group may not open it either.
            (Some("video"), 0o600),
        ] {
            assert!(!join(group, mode), "{group:?} {mode:o}");
        }
        let advice = advice(Some("root"), 0o660, GPU);
        assert!(advice.contains("SUBSYSTEM==\"drm\", GROUP=\"render\", MODE=\"0660\""), "{advice}");
    }

    #[test]
    fn a_number_stands_at_the_end_of_a_pattern() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = files(&folder.path().join(pattern));
            found.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("nvidia#"), ["nvidia0", "nvidia1"]);
        assert_eq!(names("nvidiactl"), ["nvidiactl"]);
        assert_eq!((names("kfd"), names("dri/renderD#")), (Vec::new(), Vec::new()));
    }
}
