//! A board that boots with a wrong time of day, which a time server then sets by days, forward or backward: tracks, zones and
//! activities go on, no duration is measured by the time of day, and tags before that say that the clock was not
//! synchronised. The clock is set for the program alone, by Debian's libfaketime; systemd is D-Bus's own daemon with a
//! stand-in for systemd-timedated.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::footage;
use crate::mosquitto::{Mosquitto, Subscriber, wait};
use crate::program::{PATIENCE, Program};

/// What sets the clock of a program.
fn libfaketime() -> PathBuf {
    let found = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|triple| PathBuf::from(format!("/usr/lib/{triple}/faketime/libfaketimeMT.so.1")));
    found.into_iter().find(|path| path.exists()).expect("libfaketime is installed")
}

/// A system bus of the test's own, with a `systemd-timedated` that says what it is told to.
struct Systemd {
    folder: TempDir,
    bus: Child,
    timedated: Child,
}

impl Systemd {
    fn start(synchronised: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        let config = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg(format!("--config-file={}", config.display()))
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus is installed");
        assert!(wait(|| socket.exists()), "the bus does not listen");
        let timedated = Self::timedated(folder.path(), synchronised);
        let systemd = Systemd { folder, bus, timedated };
        systemd.await_answer(synchronised);
        systemd
    }

    fn address(folder: &Path) -> String {
        format!("unix:path={}", folder.join("bus").display())
    }

    fn timedated(folder: &Path, synchronised: bool) -> Child {
        Command::new("/usr/bin/python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/timedated.py"))
            .arg(if synchronised { "yes" } else { "no" })
            .env("DBUS_SYSTEM_BUS_ADDRESS", Self::address(folder))
            .spawn()
            .expect("python3 is installed")
    }

    /// What it says from now on.
    fn say(&mut self, synchronised: bool) {
        self.timedated.kill().unwrap();
        self.timedated.wait().unwrap();
        self.timedated = Self::timedated(self.folder.path(), synchronised);
        self.await_answer(synchronised);
    }

    /// Asks as `timedatectl` does.
    fn await_answer(&self, synchronised: bool) {
        let answers = || {
            let asked = Command::new("busctl")
                .args(["--system", "get-property", "org.freedesktop.timedate1", "/org/freedesktop/timedate1"])
                .args(["org.freedesktop.timedate1", "NTPSynchronized"])
                .env("DBUS_SYSTEM_BUS_ADDRESS", Self::address(self.folder.path()))
                .output()
                .expect("busctl is installed");
            String::from_utf8_lossy(&asked.stdout).trim() == format!("b {synchronised}")
        };
        assert!(wait(answers), "timedated does not answer");
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        for child in [&mut self.timedated, &mut self.bus] {
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                eprintln!("a process of the bus could not be killed: {error}");
            }
        }
    }
}

/// A node that looks at vtest.avi, and whose clock the test sets.
struct Board {
    program: Program,
    clock: PathBuf,
    systemd: Systemd,
    subscriber: Subscriber,
    _broker: Mosquitto,
    _folder: TempDir,
}

const CAMERA: &str = "[[camera]]\nname = \"ramp\"\nframe_rate = 7\nloop = true\n\
    [[camera.zone]]\nname = \"all\"\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]\nmin_dwell_s = 0.5\n";

impl Board {
    /// It boots with a clock that is wrong by `by`, such as `-1000d`.
    fn boot(vtest: &Path, by: &str) -> Self {
        let broker = Mosquitto::start("");
        let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
        let systemd = Systemd::start(false);
        let folder = tempfile::tempdir().unwrap();
        let (config, clock) = (folder.path().join("spotter.toml"), folder.path().join("clock"));
        let (port, vtest) = (broker.port(), vtest.display());
        let text = format!(
            "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\n{CAMERA}source = \"{vtest}\"\n"
        );
        // A key of the camera comes before its zones.
        let text = text
            .replace(&format!("source = \"{vtest}\"\n"), "")
            .replace("name = \"ramp\"\n", &format!("name = \"ramp\"\nsource = \"{vtest}\"\n"));
        std::fs::write(&config, text).unwrap();
        std::fs::write(&clock, format!("{by}\n")).unwrap();
        let address = Systemd::address(systemd.folder.path());
        let variables: [(&str, &OsStr); 5] = [
            ("LD_PRELOAD", libfaketime().leak().as_os_str()),
            ("FAKETIME_TIMESTAMP_FILE", clock.as_os_str()),
            ("FAKETIME_NO_CACHE", "1".as_ref()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".as_ref()),
            ("DBUS_SYSTEM_BUS_ADDRESS", address.as_ref()),
        ];
        let arguments = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
        let program = Program::start_with(arguments, &variables);
        Board { program, clock, systemd, subscriber, _broker: broker, _folder: folder }
    }

    /// A time server sets the clock right.
    fn synchronise(&mut self) {
        self.systemd.say(true);
        // In one step, as a program reads it at any moment.
        let new = self.clock.with_extension("new");
        std::fs::write(&new, "+0d\n").unwrap();
        std::fs::rename(&new, &self.clock).unwrap();
    }

    /// The next tag, and the node's status until then.
    fn tag(&self) -> Value {
        loop {
            if let (topic, Some(message)) = self.subscriber.next_or_cleared()
                && topic.contains("/tag/")
            {
                return message;
            }
        }
    }
}

fn year(tag: &Value, field: &str) -> i32 {
    tag[field].as_str().unwrap()[..4].parse().unwrap()
}

/// What a tag speaks of.
fn subject(tag: &Value) -> (String, u64, String) {
    let part = match tag["kind"].as_str().unwrap() {
        "activity" => format!("{} since {}", tag["label"], tag["activity"]["since"]),
        kind => kind.to_owned(),
    };
    (part, tag["track"].as_u64().unwrap_or(0), tag["camera"].to_string())
}

/// Sees tags before and after the clock is set, and what became of all that had begun before.
fn things_outlive_a_step(by: &str) {
    let Some(vtest) = footage::vtest() else { return };
    let mut board = Board::boot(&vtest, by);
    let mut open = Vec::new();
    let follow = |open: &mut Vec<_>, tag: &Value| match tag["phase"].as_str().unwrap() {
        "start" => open.push(subject(tag)),
        "end" => {
            let subject = subject(tag);
            let at = open.iter().position(|begun| *begun == subject);
            open.swap_remove(at.unwrap_or_else(|| panic!("an end without its start: {tag}")));
        }
        _ => assert!(open.contains(&subject(tag)), "an update without its start: {tag}"),
    };
    let of_kind =
        |open: &[(String, u64, String)], kind: &str| open.iter().any(|(part, ..)| part.contains(kind));
    let wrong_year = loop {
        let tag = board.tag();
        assert_eq!(tag["clock"], "unsynchronised", "{tag}");
        follow(&mut open, &tag);
        if open.len() >= 5 && of_kind(&open, "zone") && of_kind(&open, "since") {
            break year(&tag, "at");
        }
    };
    board.synchronise();
    let begun = open.clone();
    // Past the moments in which a tag may be of before the step, and one after the step not known to be right yet.
    let mut after = Vec::new();
    while after.len() < 25 || begun.iter().all(|subject| open.contains(subject)) {
        let tag = board.tag();
        follow(&mut open, &tag);
        assert!(tag["latency_ms"].as_f64().unwrap() < 60_000.0, "{tag}");
        if let Some(duration_s) = tag["summary"]["duration_s"].as_f64() {
            assert!(duration_s < 600.0, "{tag}");
        }
        if let Some(duration_s) = tag["activity"]["summary"]["duration_s"].as_f64() {
            assert!(duration_s < 600.0, "{tag}");
        }
        if let Some(dwell_s) = tag["zone"]["dwell_s"].as_f64() {
            assert!(dwell_s < 600.0, "{tag}");
        }
        if after.is_empty() && year(&tag, "at") == wrong_year {
            assert_eq!(tag["clock"], "unsynchronised", "{tag}");
            continue;
        }
        assert_ne!(year(&tag, "at"), wrong_year, "{tag}");
        after.push(tag);
        assert!(after.len() < 500, "nothing of {begun:?} has ended");
    }
    // Had the step ended everything, ends of all that had begun would have come at once.
    let first: Vec<_> = after.iter().take(begun.len()).collect();
    assert!(first.iter().any(|tag| tag["phase"] != "end"), "{first:#?}");
    assert!(after.last().unwrap().get("clock").is_none(), "{:#}", after.last().unwrap());
    let survived =
        after.iter().filter(|tag| tag["phase"] == "update" && begun.contains(&subject(tag))).count();
    let ended = after.iter().filter(|tag| tag["phase"] == "end" && begun.contains(&subject(tag))).count();
    assert!(survived + ended > 0);
    assert!(ended < begun.len() || survived > 0, "all of {begun:?} ended");

    board.program.signal("TERM");
    let Board { program, .. } = board;
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("the clock was set"), "{}", ended.stderr);
    assert!(ended.stderr.contains("the clock is synchronised now"), "{}", ended.stderr);
}

#[test]
fn a_clock_that_is_set_forward_by_years_ends_nothing() {
    things_outlive_a_step("-1200d");
}

#[test]
fn a_clock_that_is_set_back_by_years_ends_nothing() {
    things_outlive_a_step("+1200d");
}
