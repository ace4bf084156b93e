//! Logins that cameras take anywhere in their address are shown nowhere: not in a log, not by a command, not at the broker.

use std::fs;
use std::path::Path;

use crate::mosquitto::{Mosquitto, Subscriber, retained, wait};
use crate::program::{PATIENCE, Program, spotter};
use crate::strange_camera::StrangeCamera;

/// What may be shown of no address.
const SECRET: &str = "s3cr3t";

/// What follows the host, as makers of cameras have it, or as somebody writes it into a configuration.
const PATHS: [&str; 16] = [
    "user=admin&password=s3cr3t&channel=1&stream=0.sdp",
    "user=admin&password=s3cr3t&channel=1&stream=0.sdp?real_stream",
    "user=admin_password=s3cr3t_channel=1_stream=0.sdp",
    "user=admin_password=a_b_s3cr3t_channel=1_stream=0.sdp",
    "live/ch1?username=admin&password=s3cr3t",
    "cgi-bin/video?usr=admin&pwd=s3cr3t&x=1",
    "stream1;pwd=s3cr3t",
    "u=admin&p=s3cr3t",
    "admin:s3cr3t/stream1",
    "user/admin/password/s3cr3t/1",
    "live/token/s3cr3t",
    "%75ser%3Dadmin%26p%61ssword%3Ds3cr3t",
    "user=admin&password=s%33cr%33t",
    "user%253Dadmin%2526password%253Ds3cr3t",
    "rtsp%3A%2F%2Fadmin%3As3cr3t%40192.0.2.1",
    "stream1#s3cr3t",
];

/// Whether the secret stands in `text` in any form.
fn shows_secret(text: &str) -> bool {
    let text = text.to_lowercase().replace("%33", "3");
    text.contains(SECRET)
}

fn configure(folder: &Path, port: u16, camera: &StrangeCamera) -> std::path::PathBuf {
    let cameras: String = PATHS
        .iter()
        .enumerate()
        .map(|(number, path)| {
            format!("[[camera]]\nname = \"c{number}\"\nsource = \"{}\"\n", camera.url("rtsp", path))
        })
        .collect();
    let inside = format!(
        "[[camera]]\nname = \"in-front\"\nsource = \"rtsp://admin:s3cr3t@127.0.0.1:{0}/x\"\n\
         [[camera]]\nname = \"pipeline\"\npipeline = \"rtspsrc location=rtsp://127.0.0.1:{0}/user=admin&password=s3cr3t ! decodebin\"\n",
        camera.port()
    );
    let path = folder.join("spotter.toml");
    let head = format!(
        "[node]\nname = \"box\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{port}\"\n[activities]\nenabled = false\n"
    );
    fs::write(&path, head + &cameras + &inside).unwrap();
    path
}

#[test]
fn no_login_of_an_address_is_shown_by_the_daemon_or_at_the_broker() {
    let none: [&str; 0] = [];
    // It repeats, in its answer, what it was asked for.
    let camera = StrangeCamera::start("rtsp", none);
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start("");
    let config = configure(folder.path(), broker.port(), &camera);
    let said = Subscriber::start(broker.port(), "#", &[]);
    let debug = [("SPOTTER_LOG", "warn,rumqttd=off,rumqttc=off,spotter=debug".as_ref())];
    let arguments = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
    let program = Program::start_with(arguments, &debug);
    let names: Vec<String> = (0..PATHS.len())
        .map(|number| format!("c{number}"))
        .chain(["in-front".into(), "pipeline".into()])
        .collect();
    let mut waiting: Vec<&str> = names.iter().map(String::as_str).collect();
    while !waiting.is_empty() {
        let (topic, message) = said.next();
        assert!(!shows_secret(&message.to_string()), "{topic}: {message}");
        let camera = topic.split('/').nth(3).unwrap_or_default().to_owned();
        if message["state"] == "offline" {
            let reason = message["reason"].as_str().unwrap();
            assert!(reason.contains("no such stream") || reason.contains("***"), "{camera}: {reason}");
            waiting.retain(|name| *name != camera);
        }
    }
    for name in &names {
        let kept = retained(broker.port(), &format!("spotter/v1/box/{name}/status"));
        assert!(!shows_secret(&String::from_utf8_lossy(&kept)), "{name}");
    }
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("no such stream") && ended.stderr.contains("***"), "{}", ended.stderr);
    assert!(!shows_secret(&ended.stderr) && !shows_secret(&ended.stdout), "{}", ended.stderr);
    assert!(wait(|| !shows_secret(&broker.log())), "the broker's log");
}

#[test]
fn no_login_of_an_address_is_shown_by_a_command() {
    let none: [&str; 0] = [];
    let camera = StrangeCamera::start("rtsp", none);
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start("");
    let config = configure(folder.path(), broker.port(), &camera);
    for arguments in [&["check"][..], &["doctor", "--json"], &["doctor"]] {
        let ended = spotter(arguments.iter().copied().chain(["--config", config.to_str().unwrap()]));
        assert!(ended.stdout.contains("***"), "{arguments:?}: {ended:?}");
        let shown = [&ended.stdout, &ended.stderr]
            .into_iter()
            .flat_map(|said| said.lines())
            .find(|line| shows_secret(line));
        assert_eq!(shown, None, "{arguments:?}");
    }
    for path in [PATHS[0], PATHS[2], PATHS[9], PATHS[11]] {
        let ended = spotter(["probe", "--json", &camera.url("rtsp", path)]);
        assert!(ended.stderr.contains("***"), "{ended:?}");
        assert!(!shows_secret(&ended.stderr) && !shows_secret(&ended.stdout), "{path}: {ended:?}");
    }
}

#[test]
fn a_login_that_ends_its_own_host_is_refused_with_a_hint_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("spotter.toml");
    for source in [
        "rtsp://admin:12/s3cr3t@192.0.2.1/s",
        "rtsp://admin:12?s3cr3t@192.0.2.1/s",
        "rtsp://admin:12#s3cr3t@192.0.2.1/s",
        "rtsp://admin:s3cr3t/x@192.0.2.1/s",
        "rtsps://admin/s3cr3t@192.0.2.1",
        "http://admin:12/s3cr3t@192.0.2.1/s",
        "https://admin:12#s3cr3t@192.0.2.1/s",
    ] {
        fs::write(&config, format!("[[camera]]\nname = \"ramp\"\nsource = \"{source}\"\n")).unwrap();
        let ended = spotter(["check".as_ref(), "--config".as_ref(), config.as_os_str()]);
        assert_eq!(ended.code, Some(78), "{source}: {ended:?}");
        assert!(ended.stderr.contains("%2F") && ended.stderr.contains("password_file"), "{}", ended.stderr);
        assert!(!shows_secret(&ended.stderr), "{}", ended.stderr);
        let ended = spotter(["probe", source]);
        assert_eq!(ended.code, Some(2), "{source}: {ended:?}");
        assert!(ended.stderr.contains("%2F") && !shows_secret(&ended.stderr), "{}", ended.stderr);
    }
}
