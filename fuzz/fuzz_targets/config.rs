//! Any text as a configuration: reading it never panics, what is refused says why on lines of its own, and what is accepted
//! holds to what `spotter::config` promises and shows no password.

#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use spotter::config::{Config, ConfigError, Source};
use tempfile::TempDir;
use url::Url;

/// What stands in the password file; long enough to be in no other text by chance.
const PASSWORD: &str = "Zk3-pAssw0rd-of-the-broker";

/// The configuration's folder, with the files that the corpus names.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder for temporary files");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a temporary file");
    };
    write("password", &format!("{PASSWORD}\n"));
    write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    write("client.pem", "-----BEGIN CERTIFICATE-----\n");
    write("client.key", &format!("-----BEGIN PRIVATE KEY-----\n{PASSWORD}\n"));
    folder
});

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else { return Corpus::Reject };
    match Config::parse(text, FOLDER.path()) {
        Ok(config) => {
            check(&config);
            let again = Config::parse(text, FOLDER.path()).expect("what was valid once");
            assert_eq!(again, config, "the same text is the same configuration");
        }
        Err(ConfigError::Wrong { problems, rest }) => {
            assert!(!problems.is_empty(), "refused without a reason");
            let lines = 1 + text.bytes().filter(|&byte| byte == b'\n').count();
            let mut last = 1;
            for problem in &problems {
                assert!((last..=lines).contains(&problem.line), "{problem} in a text of {lines} lines");
                last = problem.line;
                let said = problem.to_string();
                assert!(!said.chars().any(char::is_control), "not on one line: {said:?}");
                assert!(!said.contains(PASSWORD), "shows a password: {said}");
            }
            // `spotter check` looks at it further.
            if let Some(rest) = rest {
                shows_no_password(&rest);
            }
        }
        Err(error @ ConfigError::Unreadable { .. }) => panic!("nothing was to be read: {error}"),
    }
    Corpus::Keep
});

fn check(config: &Config) {
    assert!(!config.cameras.is_empty(), "no camera");
    let names: BTreeSet<_> = config.cameras.iter().map(|camera| &camera.name).collect();
    assert_eq!(names.len(), config.cameras.len(), "names of cameras are unique");
    assert!((0.05..=0.95).contains(&config.runtime.activity_share));
    assert!(!config.mqtt.root.is_empty() && !config.mqtt.root.contains(['+', '#', '\0']));
    assert!(config.mqtt.root.split('/').all(|level| !level.is_empty()), "{:?}", config.mqtt.root);
    assert!(!config.mqtt.host.is_empty() && config.mqtt.keep_alive.as_secs() > 0);
    for camera in &config.cameras {
        assert!(camera.objects.score.is_none_or(|score| score > 0.0 && score <= 1.0));
        assert!(camera.activities.pose_rate_hz > 0.0 && camera.activities.pose_rate_hz.is_finite());
        for rule in camera.activities.labels.values().chain([&camera.activities.default]) {
            assert!(rule.threshold > 0.0 && rule.threshold <= 1.0);
        }
        let places: BTreeSet<_> = camera
            .zones
            .iter()
            .map(|zone| &zone.name)
            .chain(camera.lines.iter().map(|line| &line.name))
            .collect();
        assert_eq!(
            places.len(),
            camera.zones.len() + camera.lines.len(),
            "names of zones and lines are unique"
        );
        if let Source::File { frame_rate: Some(rate), .. } = camera.capture.source {
            assert!(rate > 0.0 && rate.is_finite());
        }
    }
    shows_no_password(config);
}

/// Neither logs nor people see one.
fn shows_no_password(config: &Config) {
    let printed = format!("{config:?}");
    assert!(!printed.contains(PASSWORD), "{printed}");
    for camera in &config.cameras {
        if let Some(url) = camera.capture.source.url() {
            let real = Url::parse(url.reveal()).expect("it was read from one");
            let shown = Url::parse(&url.to_string()).expect("still an address");
            assert!(shown.password().is_none(), "{shown}");
            assert!(shown.username().is_empty() || shown.username() == "***", "{shown}");
            assert!(shown.query().is_none_or(|query| query == "***"), "{shown}");
            assert_eq!((shown.host(), shown.port()), (real.host(), real.port()));
            // From where a login begins in it, a path is hidden.
            let path_is_right = match shown.path().strip_suffix("***") {
                Some(kept) => real.path().starts_with(kept),
                None => shown.path() == real.path(),
            };
            assert!(path_is_right, "{shown}");
        }
    }
}
