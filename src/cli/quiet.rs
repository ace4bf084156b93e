//! The environment in which libraries keep to themselves: no reports, no look-ups, no files outside of the state.
//!
//! They read it when they are loaded or on first use, and a running program may not change it (other threads read it), so
//! that the program starts anew in its own place, before it has any thread. Its process stays the same.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use spotter::config::state_directory;
use spotter::model::NO_REPORTS;

use super::log::complain;

/// What is set whatever the environment says.
const SET: [(&str, &str); 4] = [
    NO_REPORTS,
    // GIO's settings: dconf makes a file in the user's cache folder, and asks the session's bus.
    ("GSETTINGS_BACKEND", "memory"),
    // GIO's proxies: libproxy may look a host `wpad` up, and connect to what the environment names.
    ("GIO_USE_PROXY_RESOLVER", "dummy"),
    // GIO's files: gvfs fetches what an address in a certificate names.
    ("GIO_USE_VFS", "local"),
];

/// What is taken away: proxies, which GStreamer's HTTP source connects to in the place of a camera.
const UNSET: [&str; 8] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "ftp_proxy",
    "FTP_PROXY",
];

/// Where Orc, which writes machine code for GStreamer's conversions, makes a file that it takes away at once. Without it Orc
/// takes the home folder.
const RUNTIME: &str = "XDG_RUNTIME_DIR";

/// Where GStreamer keeps its list of plug-ins, for its first version and for any.
const REGISTRY: [&str; 2] = ["GST_REGISTRY_1_0", "GST_REGISTRY"];

/// Makes the environment so, and comes back only when it is, or cannot be made so.
pub fn settle() {
    let changes = changes(|name| std::env::var_os(name));
    if changes.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "spotter".into());
    let arguments: Vec<OsString> = arguments.collect();
    let start = |program: PathBuf| {
        let mut command = Command::new(program);
        command.arg0(&name).args(&arguments);
        for (variable, value) in &changes {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command.exec()
    };
    // The file may have been replaced since, as an upgrade does.
    let mut error = std::env::current_exe().map_or_else(|error| error, start);
    if error.kind() == std::io::ErrorKind::NotFound {
        error = start("/proc/self/exe".into());
    }
    complain!(
        "spotter: cannot start anew with an environment in which libraries keep to themselves: {error}"
    );
}

/// What must change in an environment, by name.
fn changes(variable: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, Option<OsString>)> {
    let mut changes = Vec::new();
    for (name, value) in SET {
        if variable(name).as_deref() != Some(OsStr::new(value)) {
            changes.push((name, Some(value.into())));
        }
    }
    changes.extend(UNSET.into_iter().filter(|name| variable(name).is_some()).map(|name| (name, None)));
    let Some(state) = state_directory(&variable) else { return changes };
    if REGISTRY.iter().all(|name| variable(name).is_none()) {
        changes.push((REGISTRY[1], Some(state.join("gstreamer-registry.bin").into_os_string())));
    }
    if variable(RUNTIME).is_none() {
        changes.push((RUNTIME, Some(state.into_os_string())));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(environment: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let show = |(name, value): (&str, Option<OsString>)| match value {
            Some(value) => format!("{name}={}", value.display()),
            None => format!("-{name}"),
        };
        changes(variable).into_iter().map(show).collect()
    }

    #[test]
    fn libraries_are_kept_quiet_whatever_the_environment_says() {
        let quiet = [
            "ORT_DISABLE_TELEMETRY=1",
            "GSETTINGS_BACKEND=memory",
            "GIO_USE_PROXY_RESOLVER=dummy",
            "GIO_USE_VFS=local",
        ];
        let loud = [
            ("ORT_DISABLE_TELEMETRY", "0"),
            ("GSETTINGS_BACKEND", "dconf"),
            ("GST_REGISTRY", "/r"),
            ("https_proxy", "http://p:1"),
        ];
        assert_eq!(changed(&loud), [&quiet[..], &["-https_proxy"]].concat());
        assert_eq!(changed(&[]), quiet);
        let state =
            ["GST_REGISTRY=/var/lib/spotter/gstreamer-registry.bin", "XDG_RUNTIME_DIR=/var/lib/spotter"];
        assert_eq!(changed(&[("STATE_DIRECTORY", "/var/lib/spotter")]), [&quiet[..], &state].concat());
    }

    #[test]
    fn an_environment_that_is_so_stays_so() {
        let mut environment = SET.to_vec();
        environment.push(("GST_REGISTRY_1_0", "/r"));
        environment.push(("HOME", "/root"));
        environment.push(("XDG_RUNTIME_DIR", "/run/user/0"));
        assert_eq!(changed(&environment), Vec::<String>::new());
    }
}
