//! The Debian package: built once on Debian 12, installed into a Debian 12 and a Debian 13 of its own, run there as the
//! service's user, upgraded, removed.
//! And the lists of packages, which are written down in several places.
//!
//! Installing needs root, debootstrap and a mirror of Debian; without them the test says so and passes, unless
//! `SPOTTER_REQUIRE_PACKAGE` is set. What was fetched stays in the cache.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

#[path = "support/cargo.rs"]
mod cargo;
#[path = "support/debian.rs"]
mod debian;
#[path = "support/footage.rs"]
mod footage;

use cargo::from_shell;
use debian::{Debian, RELEASES};

/// Frames of the footage that are replayed: enough for people to be confirmed.
const FRAMES: usize = 40;

/// Runs what follows as the service's unit does: its user, its groups, none of root's powers, its state directory.
const AS_SERVICE: &str = "setpriv --reuid=spotter --regid=spotter --init-groups --no-new-privs --bounding-set=-all \
     env HOME=/var/lib/spotter STATE_DIRECTORY=/var/lib/spotter";

/// Stands in for systemd while a package is installed: writes down what it is asked to do.
const SYSTEMCTL: &str = "#!/bin/sh
echo \"$*\" >> /var/tmp/systemctl.log
";

#[test]
fn the_package_installs_runs_upgrades_and_goes() {
    let folder = TempDir::new().unwrap();
    // The two are fetched at the same time.
    let debians = std::thread::scope(|scope| {
        let unpacked = RELEASES.map(|release| scope.spawn(move || Debian::unpack(release)));
        unpacked.map(|thread| thread.join().unwrap())
    });
    let [old, new] = ["old.deb", "new.deb"].map(|package| folder.path().join(package));
    for (release, debian) in RELEASES.into_iter().zip(debians) {
        let debian = match debian {
            Ok(debian) => debian,
            Err(why) => {
                let required = std::env::var_os("SPOTTER_REQUIRE_PACKAGE").is_some();
                assert!(!required, "there is no Debian {release} to install into: {why}");
                eprintln!("skipped: there is no Debian {release} to install into: {why}");
                continue;
            }
        };
        if !old.exists() {
            build(&old);
            newer(&old, &new);
        }
        for package in [&old, &new] {
            fs::copy(package, debian.path("var/tmp").join(package.file_name().unwrap())).unwrap();
        }
        it_lives_there(&debian, folder.path());
    }
}

/// The package's life in one release.
fn it_lives_there(debian: &Debian, folder: &Path) {
    debian.apt("update -qq", "");

    a_container_needs_no_systemd(debian);
    debian.apt("install -y --no-install-recommends /var/tmp/old.deb", "");
    everything_is_in_place(debian);
    the_first_configuration_runs(debian);
    the_doctor_finds_all_that_is_installed(debian);
    replay_says_what_it_says_here(debian, folder);
    an_upgrade_keeps_what_was_changed(debian);
    it_goes_without_a_trace(debian);
    assert_eq!(debian.mounts(), Vec::<String>::new(), "nothing stays mounted");
}

/// Builds the package as `make deb` does, but packs it faster.
fn build(package: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deb.sh");
    let mut script = Command::new(script);
    let built = from_shell(&mut script).args(["--fast", "--output"]).arg(package).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// The same package with a higher version and another configuration, as a later release has.
fn newer(old: &Path, new: &Path) {
    let folder = TempDir::new().unwrap();
    let content = folder.path().join("content");
    let succeeds = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    succeeds(Command::new("dpkg-deb").arg("--raw-extract").arg(old).arg(&content));
    let change = |path: &str, of: &dyn Fn(String) -> String| {
        let path = content.join(path);
        fs::write(&path, of(fs::read_to_string(&path).unwrap())).unwrap();
    };
    change("DEBIAN/control", &|text| {
        let version = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
        text.replace(version, &format!("{version}+later"))
    });
    change("etc/spotter/spotter.toml", &|text| text + "\n# A later release has one more comment.\n");
    // Its size is another now; nothing else looks at the sums.
    fs::remove_file(content.join("DEBIAN/md5sums")).ok();
    succeeds(
        Command::new("dpkg-deb")
            .args(["-Zgzip", "-z1", "--root-owner-group", "--build"])
            .arg(&content)
            .arg(new),
    );
}

/// The `Containerfile` installs the package like this.
fn a_container_needs_no_systemd(debian: &Debian) {
    let plan = debian.run(
        "apt-get --simulate --no-install-recommends install systemd-standalone-sysusers /var/tmp/old.deb",
    );
    let installs = |package: &str| plan.lines().any(|line| line.starts_with(&format!("Inst {package} ")));
    assert!(installs("spotter") && installs("gstreamer1.0-libav"), "{plan}");
    assert!(!installs("systemd"), "{plan}");
}

fn everything_is_in_place(debian: &Debian) {
    let groups = debian.run("id -nG spotter");
    let groups: BTreeSet<&str> = groups.split_whitespace().collect();
    assert_eq!(groups, BTreeSet::from(["spotter", "video", "render"]));
    // Passwords of cameras are for the service alone.
    assert_eq!(debian.run("stat -c '%a %U %G' /etc/spotter/spotter.toml"), "640 root spotter\n");
    assert_eq!(debian.run("stat -c '%a %U %G' /etc/spotter"), "750 root spotter\n");
    assert_eq!(debian.run("systemctl is-enabled spotter.service || true").trim(), "disabled");
    debian.run("systemd-analyze verify /lib/systemd/system/spotter.service");
    // As at every start of the machine.
    debian.run("systemd-tmpfiles --create spotter.conf");
    assert_eq!(debian.run("stat -c '%a %U %G' /var/lib/spotter"), "750 spotter spotter\n");
    // Everything beside the program belongs to somebody, who is named.
    for licence in ["copyright", "third-party-notices.txt", "onnxruntime-ThirdPartyNotices.txt"] {
        assert!(debian.read(&format!("usr/share/doc/spotter/{licence}")).contains("icen"), "{licence}");
    }
}

/// As installed, with nothing changed: it is valid, the daemon starts with it, waits for no broker, and stops when asked.
fn the_first_configuration_runs(debian: &Debian) {
    let said = debian.run(&format!("{AS_SERVICE} spotter check"));
    assert!(said.contains("valid; node ") && said.contains("camera example"), "{said}");
    // A minute is long for what takes a second.
    let said = debian.run(&format!(
        "{AS_SERVICE} spotter run > /var/tmp/log & daemon=$!
        for tenth in $(seq 600); do
            ! grep -q online /var/tmp/log || break
            kill -0 $daemon
            sleep 0.1
        done
        kill -TERM $daemon
        wait $daemon
        cat /var/tmp/log"
    ));
    assert!(said.contains("ready") && said.contains("online"), "{said}");
}

/// Elements, decoders, runtime, models, folders: all is there. Whether somewhere a broker listens is another matter.
fn the_doctor_finds_all_that_is_installed(debian: &Debian) {
    let said = debian.run(&format!(
        "{AS_SERVICE} spotter doctor --seconds 1 --json --pictures /var/lib/spotter/pictures || test $? = 1"
    ));
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let checks = report["checks"].as_array().unwrap();
    for area in ["configuration", "gstreamer", "runtime", "permissions", "disk", "cameras"] {
        let of_area: Vec<_> = checks.iter().filter(|check| check["area"] == area).collect();
        let is_well = of_area.iter().all(|check| check["verdict"] == "ok");
        assert!(is_well && !of_area.is_empty(), "{area}: {of_area:#?}");
    }
    let camera = &checks.iter().find(|check| check["name"] == "example").unwrap()["camera"];
    assert!(camera["frames_per_second"].as_f64().is_some_and(|rate| rate > 1.0), "{camera:#}");
    assert_eq!(camera["picture"], "/var/lib/spotter/pictures/example.jpg");
    debian.run("test -s /var/lib/spotter/pictures/example.jpg && rm -r /var/lib/spotter/pictures");
}

/// The installed program, with the installed models and libraries, against the one that was built here.
fn replay_says_what_it_says_here(debian: &Debian, folder: &Path) {
    let h264 = folder.join("pattern.mp4");
    let made = Command::new("gst-launch-1.0")
        .args(
            "-q videotestsrc num-buffers=30 ! video/x-raw,width=320,height=240 ! openh264enc ! h264parse"
                .split(' '),
        )
        .args(["!", "mp4mux", "!", "filesink", &format!("location={}", h264.display())])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let people = footage::vtest().map(|avi| {
        let clip = folder.join("people.avi");
        fs::write(&clip, footage::clip(&fs::read(avi).unwrap(), FRAMES)).unwrap();
        clip
    });
    for clip in [Some(h264), people].into_iter().flatten() {
        let name = clip.file_name().unwrap().to_str().unwrap();
        fs::copy(&clip, debian.path("var/tmp").join(name)).unwrap();
        let said = debian.run(&format!(
            "{AS_SERVICE} spotter replay /var/tmp/{name} --tags /var/lib/spotter/tags --config /etc/spotter/spotter.toml
            mv /var/lib/spotter/tags /var/tmp/{name}.tags"
        ));
        let count = if name == "people.avi" { FRAMES } else { 30 };
        assert!(said.contains(&format!("{count} frames in ")), "{said}");

        let here = folder.join(format!("{name}.tags"));
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/spotter");
        let node = debian.run("cat /proc/sys/kernel/hostname");
        let config = folder.join("spotter.toml");
        fs::write(&config, debian.read("etc/spotter/spotter.toml")).unwrap();
        let replayed = Command::new(built)
            .arg("replay")
            .arg(&clip)
            .arg("--tags")
            .arg(&here)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap();
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
        let there = debian.read(&format!("var/tmp/{name}.tags"));
        assert_eq!(there, fs::read_to_string(&here).unwrap(), "{name} on {node}");
        assert_eq!(there.contains("\"person\""), name == "people.avi", "{name}: {there}");
    }
}

/// With an owner who has changed the configuration and enabled the service, and with systemd at work.
fn an_upgrade_keeps_what_was_changed(debian: &Debian) {
    debian.run("systemctl enable spotter.service && echo '# mine' >> /etc/spotter/spotter.toml");
    debian.run("chmod 0600 /etc/spotter/spotter.toml && chown spotter: /etc/spotter/spotter.toml");
    debian.run("mkdir -p /run/systemd/system && : > /var/tmp/systemctl.log");
    debian.run("dpkg-divert --quiet --rename --add /usr/bin/systemctl");
    debian.write("usr/bin/systemctl", SYSTEMCTL);
    debian.run("chmod +x /usr/bin/systemctl");

    // dpkg asks which configuration to take; an empty answer is its default.
    let said = debian.apt("install -y /var/tmp/new.deb", "\n");
    assert!(said.contains("+later"), "{said}");
    assert!(debian.read("etc/spotter/spotter.toml").ends_with("# mine\n"));
    assert_eq!(debian.run("stat -c '%a %U' /etc/spotter/spotter.toml"), "600 spotter\n");
    assert!(debian.read("etc/spotter/spotter.toml.dpkg-dist").contains("A later release"));
    let asked = debian.read("var/tmp/systemctl.log");
    assert!(asked.contains("daemon-reload") && asked.contains("try-restart spotter.service"), "{asked}");
    assert!(debian.path("etc/systemd/system/multi-user.target.wants/spotter.service").is_symlink());
    debian.run(&format!("{AS_SERVICE} spotter check"));
}

fn it_goes_without_a_trace(debian: &Debian) {
    debian.run(": > /var/tmp/systemctl.log; mkdir -p /var/cache/spotter; touch /var/lib/spotter/outbox");
    debian.apt("remove -y spotter", "");
    let asked = debian.read("var/tmp/systemctl.log");
    assert!(asked.contains("stop spotter.service"), "{asked}");
    assert!(!debian.path("usr/bin/spotter").exists());
    assert!(debian.read("etc/spotter/spotter.toml").ends_with("# mine\n"), "it is still there");
    assert!(debian.path("var/lib/spotter/outbox").exists(), "it may still be delivered");

    // And back: what is left is taken up again.
    debian.apt("install -y --no-install-recommends /var/tmp/new.deb", "\n");
    assert!(debian.read("etc/spotter/spotter.toml").ends_with("# mine\n"));
    assert!(!debian.path("etc/systemd/system/spotter.service").exists(), "it is not masked");

    debian.apt("purge -y spotter", "");
    let left = debian.run(
        "find / -xdev -ipath '*spotter*' -not -path '/proc/*' -not -path '/var/tmp/*' -not -path '/dev/*'",
    );
    assert_eq!(left, "", "only the user stays");
    assert!(debian.run("getent passwd spotter").starts_with("spotter:"));
}

/// The packages of one part of packaging/debian-packages.txt.
fn listed(part: &str) -> BTreeSet<String> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian-packages.txt"))
            .unwrap();
    let lines = text.lines().skip_while(|line| *line != format!("# {part}")).skip(1);
    lines.take_while(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn manifest() -> toml::Table {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap().parse().unwrap()
}

#[test]
fn the_package_depends_on_what_running_needs() {
    let manifest = manifest();
    let depends = manifest["package"]["metadata"]["deb"]["depends"].as_str().unwrap();
    let depends: BTreeSet<String> = depends.split(", ").map(str::to_owned).collect();
    let mut expected = listed("To run");
    expected.extend(["$auto".to_owned(), "systemd | systemd-standalone-sysusers".to_owned()]);
    assert_eq!(depends, expected, "Cargo.toml and packaging/debian-packages.txt");
}

#[test]
fn the_package_has_every_model() {
    let manifest = manifest();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let packed: BTreeSet<String> = assets
        .iter()
        .filter_map(|asset| asset[0].as_str().unwrap().strip_prefix("models/"))
        .map(|model| model.trim_end_matches("/*").to_owned())
        .collect();
    let models = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap().flatten();
    let models = models.filter(|entry| entry.path().join("model.toml").is_file());
    let models: BTreeSet<String> = models.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(packed, models, "Cargo.toml and models/");
}

/// The packages that each `apt-get install` of the Containerfile names, in its order.
fn installed_in_containers() -> Vec<BTreeSet<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    let commands = text.split("apt-get install -y --no-install-recommends ").skip(1);
    let packages = |rest: &str| {
        let command = rest.split("&&").next().unwrap().lines().next().unwrap();
        command.split_whitespace().map(str::to_owned).collect()
    };
    commands.map(packages).collect()
}

#[test]
fn a_container_builds_and_runs_with_the_same_packages() {
    let mut build = listed("To build");
    build.extend(listed("To fetch the runtime library and the demo's footage"));
    let run = ["systemd-standalone-sysusers", "/tmp/spotter.deb"].map(str::to_owned);
    assert_eq!(installed_in_containers(), [build, BTreeSet::from(run)], "Containerfile");
}

#[test]
fn a_container_builds_with_a_compiler_that_is_new_enough() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfile")).unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let image = text.split("library/rust:").nth(1).unwrap().split('-').next().unwrap();
    let least = manifest()["package"]["rust-version"].as_str().unwrap().to_owned();
    assert!(minor(image) >= minor(&least), "the image has {image}, Cargo.toml wants {least}");
}
