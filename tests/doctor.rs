//! `spotter doctor` and `spotter probe`: what they say of a machine where all is well, and of one where it is not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;
#[path = "support/test_camera.rs"]
mod test_camera;

use mosquitto::{Mosquitto, free_port, write_password_file};
use program::{Ended, spotter};
use test_camera::TestCamera;

const PASSWORD: &str = "s3cret-pw";
/// Frames per second of the test camera.
const RATE: f64 = 10.0;
const PICTURE: &str =
    "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=20/1\"";

/// A configuration in a folder of its own.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(mqtt: &str, directory: &str, cameras: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut text = format!(
            "[node]\nname = \"edge\"\n[mqtt]\n{mqtt}\n[mqtt.outbox]\ndirectory = \"{directory}\"\nmax_size_mb = 10\n"
        );
        for (name, source) in cameras {
            text += &format!("[[camera]]\nname = \"{name}\"\nactivities.enabled = false\n{source}\n");
        }
        let machine = Machine { folder };
        fs::write(machine.config(), text).unwrap();
        fs::write(machine.path("password"), PASSWORD).unwrap();
        for file in ["spotter.toml", "password"] {
            fs::set_permissions(machine.path(file), fs::Permissions::from_mode(0o600)).unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("spotter.toml")
    }

    /// Runs the doctor, with further arguments.
    fn doctor(&self, further: &[&str]) -> Ended {
        let (config, pictures) = (self.config(), self.path("pictures"));
        let mut arguments = vec!["doctor", "--seconds", "1", "--config", config.to_str().unwrap()];
        arguments.extend(["--pictures", pictures.to_str().unwrap()]);
        arguments.extend(further);
        let ended = spotter(&arguments);
        assert!(!ended.stdout.contains(PASSWORD) && !ended.stderr.contains(PASSWORD), "{ended:?}");
        ended
    }
}

fn broker(port: u16) -> String {
    format!("broker = \"mqtt://127.0.0.1:{port}\"")
}

/// Area, name and text of every check with this verdict.
fn with(report: &Value, verdict: &str) -> Vec<(String, String, String)> {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == verdict);
    checks.map(|check| (text(check, "area"), text(check, "name"), text(check, "text"))).collect()
}

/// What is advised about a check of this area and verdict.
fn advice(report: &Value, area: &str, verdict: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["area"] == area && check["verdict"] == verdict);
    check.unwrap_or_else(|| panic!("{report}"))["advice"].as_str().unwrap().to_owned()
}

/// A JPEG camera. `http://127.0.0.1:PORT/PICTURES/THEN` gives so many pictures at once, and then closes the connection
/// (`close`) or says no more (`hold`).
fn jpeg_camera() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let serve = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever watches may go at any time.
            named("watcher").spawn(move || drop(show(stream))).unwrap();
        }
    };
    named("camera").spawn(serve).unwrap();
    port
}

fn show(mut stream: TcpStream) -> std::io::Result<()> {
    let lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let request: Vec<String> = lines.collect();
    let words: Vec<&str> = request[0].split([' ', '/']).filter(|word| !word.is_empty()).collect();
    let ["GET", pictures, then, ..] = words[..] else { panic!("{request:?}") };
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n")?;
    for number in 0..pictures.parse().unwrap() {
        let picture = image::RgbImage::from_pixel(160, 120, image::Rgb([number, 100, 100]));
        let mut jpeg = Cursor::new(Vec::new());
        picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let jpeg = jpeg.into_inner();
        write!(stream, "--next\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len())?;
        stream.write_all(&jpeg)?;
        write!(stream, "\r\n")?;
    }
    if then == "hold" {
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

fn size(jpeg: &Path) -> (u32, u32) {
    let picture =
        image::load_from_memory_with_format(&fs::read(jpeg).unwrap(), image::ImageFormat::Jpeg).unwrap();
    (picture.width(), picture.height())
}

#[test]
fn all_is_well_where_it_is() {
    let broker_ = Mosquitto::start("");
    let masked =
        format!("{PICTURE}\n[[camera.mask]]\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]");
    let machine = Machine::new(&broker(broker_.port()), "state", &[("ramp", PICTURE), ("masked", &masked)]);
    let ended = machine.doctor(&["--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["well"], &report["configuration_valid"]), (&Value::Bool(true), &Value::Bool(true)));
    let well = with(&report, "ok");
    for area in ["configuration", "gstreamer", "runtime", "clock", "disk", "permissions", "broker", "cameras"]
    {
        assert!(well.iter().any(|(of, ..)| of == area), "{area} in {well:?}");
    }
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    assert_eq!(with(&report, "warning").iter().any(|(_, name, _)| name == "user"), is_root, "{report}");
    let text = |name: &str| {
        &well.iter().find(|(_, of, _)| of == name).unwrap_or_else(|| panic!("{name}: {well:?}")).2
    };
    assert!(text("providers").contains("CPU"), "{well:?}");
    assert!(text("decoding h264").contains("avdec_h264 (software) works"), "{well:?}");
    assert!(text("models.detect").contains("is loaded and runs"), "{well:?}");
    let checks = report["checks"].as_array().unwrap();
    let camera = &checks.iter().find(|check| check["name"] == "ramp").unwrap()["camera"];
    assert_eq!(
        (&camera["codec"], &camera["width"], &camera["height"]),
        (&"raw".into(), &160.into(), &120.into())
    );
    let rate = camera["frames_per_second"].as_f64().unwrap();
    assert!((18.0..=22.0).contains(&rate), "{rate}");
    assert_eq!(size(&machine.path("pictures/ramp.jpg")), (160, 120));
    let masked = image::open(machine.path("pictures/masked.jpg")).unwrap().to_rgb8();
    assert!(
        masked.pixels().all(|pixel| pixel.0.iter().all(|&value| value < 16)),
        "the mask covers all of it"
    );

    let ended = machine.doctor(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("\nall is well"), "{ended:?}");
}

#[test]
fn what_fails_is_named() {
    let lonely = free_port();
    let camera = TestCamera::start(&["--user", "me", "--password", "other"]);
    let refused = format!("source = \"{}\"", camera.url_as("rtsp", &format!("me:{PASSWORD}@"), "h264"));
    let file_in_its_place = Machine::new(&broker(lonely), "state", &[("ramp", PICTURE), ("gate", &refused)]);
    fs::write(file_in_its_place.path("state"), "no folder").unwrap();
    let everybody = fs::Permissions::from_mode(0o644);
    fs::set_permissions(file_in_its_place.config(), everybody).unwrap();
    let ended = file_in_its_place.doctor(&["--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["well"], Value::Bool(false));
    let failures = with(&report, "failure");
    let areas: Vec<&str> = failures.iter().map(|(area, ..)| area.as_str()).collect();
    assert_eq!(areas, ["disk", "broker", "cameras"], "{failures:?}");
    assert!(failures[0].2.ends_with("is no folder"), "{failures:?}");
    assert!(failures[1].2.contains(&format!("cannot reach 127.0.0.1:{lonely}")), "{failures:?}");
    let advised = advice(&report, "broker", "failure");
    assert!(advised.contains("firewall") && advised.contains("tags wait in the outbox"), "{advised}");
    assert_eq!(failures[2].1, "gate");
    assert!(failures[2].2.contains("user name or password is wrong"), "{failures:?}");
    let warnings = with(&report, "warning");
    assert!(
        warnings.iter().any(|(area, _, text)| area == "permissions" && text.contains("password")),
        "{warnings:?}"
    );
    assert_eq!(size(&file_in_its_place.path("pictures/ramp.jpg")), (160, 120), "the others are looked at");
}

#[test]
fn a_camera_whose_frames_cease_to_come_does_not_work() {
    let port = jpeg_camera();
    let jpeg = |path: &str| format!("source = \"http://127.0.0.1:{port}/{path}\"");
    let test = "videotestsrc is-live=true";
    let clip =
        format!("pipeline = \"{test} num-buffers=10 ! video/x-raw,width=160,height=120,framerate=20/1\"");
    let (some, closed) = (jpeg("10/hold"), jpeg("10/close"));
    let seldom = format!("{PICTURE}\nmax_frame_rate = 0.1");
    let cameras = [
        ("some", some.as_str(), "failure", ", the first after ", "no further frame for "),
        ("closed", closed.as_str(), "failure", ", the first after ", "the stream ended"),
        ("clip", clip.as_str(), "failure", " frames per second, the first after ", "the stream ended"),
        ("seldom", seldom.as_str(), "ok", " frames per second, the first after ", ""),
    ];
    let sources = cameras.map(|(name, source, ..)| (name, source));
    let machine = Machine::new(&broker(free_port()), "state", &sources);
    let ended = machine.doctor(&["--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    for (name, _, verdict, came, then) in cameras {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        let text = check["text"].as_str().unwrap();
        assert_eq!(check["verdict"], verdict, "{check}");
        assert!(text.contains(came) && text.contains(then), "{check}");
        assert_eq!(check["advice"].is_string(), verdict != "ok", "{check}");
        assert_eq!(check["camera"]["ended"], then == "the stream ended", "{check}");
        assert_eq!(size(&machine.path(&format!("pictures/{name}.jpg"))), (160, 120));
    }
}

#[test]
fn a_broker_that_speaks_no_tls_is_advised_on() {
    let plain = Mosquitto::start("");
    let mqtt = format!("broker = \"mqtts://127.0.0.1:{}\"\ninsecure = true", plain.port());
    let machine = Machine::new(&mqtt, "state", &[("ramp", PICTURE)]);
    let report: Value = serde_json::from_str(&machine.doctor(&["--json"]).stdout).unwrap();
    let advised = advice(&report, "broker", "failure");
    assert!(advised.contains("ca_file") && advised.contains("certificate"), "{advised}");
}

#[test]
fn a_broker_that_refuses_the_password_is_named() {
    let mut guarded = Mosquitto::reserve("allow_anonymous false");
    let users = guarded.folder().join("users");
    write_password_file(&users, "edge", "another");
    guarded.configure(&format!("password_file {}", users.display()));
    guarded.restart();
    let login = format!("{}\nusername = \"edge\"\npassword_file = \"password\"", broker(guarded.port()));
    let machine = Machine::new(&login, "state", &[("ramp", PICTURE)]);
    let ended = machine.doctor(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let line = ended.stdout.lines().find(|line| line.contains("refuses the login")).unwrap();
    assert!(line.trim_start().starts_with("failure"), "{line}");
    assert!(ended.stdout.contains("-> check username and password_file in [mqtt]"), "{ended:?}");
    assert!(ended.stdout.contains("not well: 1 failed"), "{ended:?}");
}

#[test]
fn usual_mistakes_with_accelerators_are_found() {
    let broker_ = Mosquitto::start("");
    let machine = Machine::new(&broker(broker_.port()), "state", &[("ramp", PICTURE)]);
    let text = fs::read_to_string(machine.config()).unwrap();
    let accelerators = "[models]\non = [\"card\", \"plug-in\", \"script\", \"cpu\"]\nfallback = \"announce\"\n\
        [[accelerator]]\nname = \"card\"\nprovider = \"cann\"\n\
        [[accelerator]]\nname = \"plug-in\"\nprovider = \"ggml\"\nlibrary = \"missing.so\"\n\
        [[accelerator]]\nname = \"script\"\nprovider = \"another\"\nlibrary = \"password\"\n\
        [[accelerator]]\nname = \"spare\"\nprovider = \"cuda\"\n";
    fs::write(machine.config(), text.clone() + accelerators).unwrap();
    let ended = machine.doctor(&["--json"]);
    assert_eq!(ended.code, Some(0), "nothing fails, the CPU runs the models: {ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks: Vec<_> =
        report["checks"].as_array().unwrap().iter().filter(|check| check["area"] == "accelerators").collect();
    for (name, verdict, text, advice) in [
        ("card", "warning", "this machine has no Ascend NPU", "with `on` in [models]"),
        ("plug-in", "warning", "missing.so is not there", "install the provider's package"),
        ("script", "warning", "password is no library", "a file that ends with .so"),
        ("spare", "skipped", "no model is to run on it", ""),
    ] {
        let is_it = |check: &&Value| {
            check["name"] == name
                && check["verdict"] == verdict
                && check["text"].as_str().unwrap().contains(text)
                && check["advice"].as_str().unwrap_or_default().contains(advice)
        };
        assert!(checks.iter().copied().any(|check| is_it(&check)), "{name}: {checks:#?}");
    }
    // With `refuse` they are failures; and an accelerator that is wrong hides nothing.
    let server = accelerators.replace("\"announce\"", "\"refuse\"")
        + "[[accelerator]]\nname = \"rack\"\nprovider = \"oip\"\naddress = \"grpc://127.0.0.1:1\"\n";
    fs::write(machine.config(), text + &server.replace("on = [\"card\"", "on = [\"rack\", \"card\""))
        .unwrap();
    let ended = machine.doctor(&["--json"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let failures = with(&report, "failure");
    let has =
        |area: &str, text: &str| failures.iter().any(|(its, _, told)| its == area && told.contains(text));
    assert!(has("configuration", "allow_remote must be true"), "{failures:?}");
    assert!(has("runtime", "`rack`: the configuration has no sound [[accelerator]]"), "{failures:?}");
    assert!(has("accelerators", "this machine has no Ascend NPU"), "{failures:?}");
}

#[test]
fn a_wrong_configuration_does_not_hide_the_rest() {
    let broker_ = Mosquitto::start("");
    let wrong = format!("{}\nnonsense = 1\nversion = \"7\"", broker(broker_.port()));
    let machine = Machine::new(&wrong, "state", &[("ramp", PICTURE)]);
    let ended = machine.doctor(&["--json"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["configuration_valid"], Value::Bool(false));
    let failures = with(&report, "failure");
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures.iter().all(|(area, ..)| area == "configuration"), "{failures:?}");
    assert!(with(&report, "ok").iter().any(|(area, name, _)| area == "cameras" && name == "ramp"));
    let ended = spotter(["doctor", "--config", "/nowhere/spotter.toml"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stdout.contains("decoding h264"), "{ended:?}");
}

#[test]
fn a_probe_tells_what_a_camera_gives() {
    let camera = TestCamera::start(&["--user", "me", "--password", PASSWORD]);
    let folder = TempDir::new().unwrap();
    let (password, picture) = (folder.path().join("password"), folder.path().join("first.jpg"));
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let probe = |path: &str, further: &[&str]| {
        let url = camera.url(path);
        let login = ["--username", "me", "--password-file", password.to_str().unwrap()];
        let arguments = ["probe", &url, "--seconds", "2"];
        let ended = spotter(arguments.iter().chain(&login).chain(further));
        assert!(!ended.stdout.contains(PASSWORD) && !ended.stderr.contains(PASSWORD), "{ended:?}");
        ended
    };
    for (path, codec, further) in
        [("h264", "h264", vec!["--json"]), ("mjpeg", "jpeg", vec!["--json", "--transport", "udp"])]
    {
        let ended = probe(path, &further);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said: Value = serde_json::from_str(&ended.stdout).unwrap();
        let found = &said["camera"];
        assert_eq!((&said["works"], &found["codec"]), (&Value::Bool(true), &codec.into()), "{said}");
        assert!(found["width"].as_u64().unwrap() >= 16 && found["decoder"].is_string(), "{said}");
        let rate = found["frames_per_second"].as_f64().unwrap();
        assert!((RATE * 0.8..=RATE * 1.2).contains(&rate), "{said}");
    }
    let ended = probe("h264", &["--picture", picture.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (width, height) = size(&picture);
    assert!(ended.stdout.contains(&format!("{width}x{height}")), "{ended:?}");
    let ended = probe("nosuch", &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the server has no such stream"), "{ended:?}");
}

#[test]
fn a_probe_of_a_stream_that_does_not_go_on_says_so() {
    let port = jpeg_camera();
    for (path, why) in [("10/hold", "no further frame for "), ("10/close", "the stream ended")] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let ended = spotter(["probe", &url, "--seconds", "1"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains("160x120") && ended.stdout.contains(why), "{ended:?}");
        assert!(ended.stderr.contains(&format!("spotter: {url}: {why}")), "{ended:?}");
        let ended = spotter(["probe", &url, "--seconds", "1", "--json"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let said: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&said["works"], &said["camera"]["width"]), (&Value::Bool(false), &160.into()), "{said}");
        assert!(said["error"].as_str().unwrap().starts_with(&format!("{url}: {why}")), "{said}");
    }
    // A file may end.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("picture.jpg");
    image::RgbImage::new(160, 120).save(&file).unwrap();
    let ended = spotter(["probe", file.to_str().unwrap(), "--seconds", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("the file ended"), "{ended:?}");
}

#[test]
fn a_camera_without_a_frame_is_not_looked_at_for_as_long_as_frames_are_counted() {
    let url = format!("http://127.0.0.1:{}/0/hold", jpeg_camera());
    let ended = spotter(["probe", &url, "--seconds", "3600"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no frame for 1"), "{ended:?}");
}

#[test]
fn a_probe_of_what_is_no_source_is_a_wrong_command_line() {
    for arguments in [
        vec!["probe", "srt://me:s3cret-pw@cam"],
        vec!["probe", "rtsp://me:s3cret-pw@["],
        vec!["probe", "rtsp://cam", "--no-verify-tls"],
        vec!["probe", "clip.avi", "--transport", "udp"],
        vec!["probe"],
    ] {
        let ended = spotter(&arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.stderr.contains(PASSWORD), "{ended:?}");
    }
}
