//! The program as a service: what a notify socket hears of it, how it reloads and stops, what it answers about its health,
//! and the unit that systemd runs it by.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[path = "support/held.rs"]
mod held;
#[path = "support/held_back.rs"]
mod held_back;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;

use held::{At, Held, threads};
use held_back::HeldBack;
use machine::Machine;
use mosquitto::{Mosquitto, free_port, request, wait, write_password_file};
use program::{Ended, PATIENCE, Program};

/// What stopping may take in all.
const STOP: Duration = Duration::from_secs(5);
/// What a busy machine may add to that before anybody here sees it.
const SLACK: Duration = Duration::from_secs(1);

fn camera(name: &str) -> String {
    format!(
        "[[camera]]\nname = \"{name}\"\nactivities.enabled = false\npipeline = \"videotestsrc is-live=true ! \
         video/x-raw,width=160,height=120,framerate=5/1\"\n"
    )
}

/// SIGTERM, and how it ended; panics when that takes too long.
fn stop(program: Program) -> Ended {
    let asked = Instant::now();
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert!(asked.elapsed() < STOP + SLACK, "{:?}\n{}", asked.elapsed(), ended.stderr);
    ended
}

/// The status code and the body of what the health endpoint answers.
fn ask(port: u16, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: `{answer}`"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.trim_end().to_owned())
}

fn get(port: u16, path: &str) -> (u16, String) {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn systemd_hears_how_the_service_is_from_its_start_to_its_end() {
    let mut broker = Mosquitto::reserve("");
    let machine = Machine::new(broker.port());
    machine.configure(&camera("ramp"));
    // Every two seconds a sign of life.
    let allowed = Duration::from_secs(4);
    let allowed_us = allowed.as_micros().to_string();
    let program = machine.run_with("run", &[("WATCHDOG_USEC", allowed_us.as_ref())]);

    let first = machine.until(|heard| heard.starts_with("STATUS="));
    assert_eq!(first, "STATUS=starting: loading the models");
    let ready = machine.until_ready();
    assert_eq!(ready.lines().count(), 2, "{ready}");
    assert!(ready.lines().nth(1).unwrap().starts_with("STATUS=0 of 1 cameras online"), "{ready}");
    machine.until(|heard| {
        heard.starts_with("STATUS=1 of 1 cameras online; ")
            && (heard.ends_with("the broker is away") || heard.ends_with("for the broker, which is away"))
    });
    broker.restart();
    machine.until_status("1 of 1 cameras online");

    let is_sign = |heard: &str| heard == "WATCHDOG=1";
    machine.until(is_sign);
    for _ in 0..2 {
        let before = Instant::now();
        machine.until(is_sign);
        let pause = before.elapsed();
        assert!(pause > allowed / 4 && pause < allowed, "{pause:?}");
    }

    machine.configure(&[camera("ramp"), camera("gate")].concat());
    program.signal("HUP");
    let reloading = machine.until(|heard| heard.starts_with("RELOADING=1\n"));
    let fields: Vec<&str> = reloading.lines().collect();
    let monotonic = fields[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap();
    assert!(monotonic > 0);
    assert_eq!(fields[2..], ["STATUS=reloading the configuration"]);
    machine.until_ready();
    machine.until_status("2 of 2 cameras online");

    program.signal("TERM");
    machine.until(|heard| heard == "STOPPING=1\nSTATUS=stopping: every track ends");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the changed configuration is taken: unchanged: ramp; started: gate"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_reload_is_applied_or_refused_whole_and_whoever_asked_is_told() {
    let broker = Mosquitto::start("");
    let machine = Machine::new(broker.port());
    machine.configure(&camera("ramp"));
    let folder = machine.folder.path().to_path_buf();
    let none = machine.reload();
    assert_eq!(none.code, Some(1), "{}", none.stderr);
    assert!(none.stderr.contains("no running spotter has the configuration"), "{}", none.stderr);

    // What a killed daemon leaves behind is in nobody's way.
    let mut killed = machine.run();
    machine.until_ready();
    killed.kill();
    let program = machine.run();
    machine.until_ready();
    machine.until_status("1 of 1 cameras online");

    machine.configure(&format!("commands = [\"dance\"]\n{}colour = \"red\"\n", camera("ramp")));
    let refused = machine.reload();
    // Which keys a camera may have is tests/config.rs's.
    let complaint = refused.complaint(&folder);
    let (told, keys) = complaint.split_once("allowed here: ").unwrap();
    assert_eq!(
        told,
        "78: <folder>/spotter.toml: line 5: mqtt.commands has \"dance\"; allowed: snapshot, reload, camera/enable, \
         camera/disable, stats, models\n<folder>/spotter.toml: line 10: camera[1].colour is unknown; "
    );
    assert!(keys.starts_with("name, source, ") && keys.lines().count() == 1, "{keys}");
    machine.until(|heard| heard.starts_with("RELOADING=1\n"));
    machine.until(|heard| heard == "READY=1\nSTATUS=1 of 1 cameras online");

    machine.configure(&[camera("ramp"), camera("gate")].concat());
    let applied = machine.reload();
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    assert_eq!(
        applied.stdout.replace(&folder.display().to_string(), "<folder>"),
        "<folder>/spotter.toml: applied; unchanged: ramp; started: gate\n"
    );
    machine.until(|heard| heard.starts_with("RELOADING=1\n"));
    machine.until_ready();

    let second = machine.run().wait(PATIENCE);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(
        second.stderr.contains("another spotter runs with this configuration (process "),
        "{}",
        second.stderr
    );
    assert_eq!(stop(program).code, Some(0));
    assert_eq!(machine.reload().code, Some(1), "it is gone, and its socket with it");
}

#[test]
fn stopping_waits_neither_for_a_broker_nor_for_a_camera_and_not_at_all_when_asked_twice() {
    // Both take connections and never answer.
    let [broker, silent] = [0; 2].map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let machine = Machine::new(broker.local_addr().unwrap().port());
    let port = silent.local_addr().unwrap().port();
    machine.configure(&format!(
        "{}[[camera]]\nname = \"gate\"\nactivities.enabled = false\nsource = \"rtsp://127.0.0.1:{port}/\"\n",
        camera("ramp")
    ));
    silent.set_nonblocking(true).unwrap();
    let mut connections = Vec::new();
    let mut is_asked = || {
        connections.extend(silent.accept().map(|(stream, _)| stream));
        !connections.is_empty()
    };

    let program = machine.run();
    machine.until_ready();
    assert!(wait(&mut is_asked), "the camera is not connected to");
    let ended = stop(program);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    machine.until(|heard| heard.starts_with("STOPPING=1\n"));

    let program = machine.run();
    machine.until_ready();
    program.signal("TERM");
    machine.until(|heard| heard.starts_with("STOPPING=1\n"));
    // A second one within 200 ms is an echo of the first.
    let pause = Duration::from_millis(300);
    let asked = Instant::now();
    while asked.elapsed() < pause {
        std::thread::park_timeout(pause.saturating_sub(asked.elapsed()));
    }
    let again = Instant::now();
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert!(again.elapsed() < SLACK, "{:?}", again.elapsed());
    assert_eq!(ended.code, Some(128 + 15), "{}", ended.stderr);
}

#[test]
fn the_health_endpoint_tells_whether_it_lives_and_is_ready() {
    let machine = Machine::new(free_port());
    let port = free_port();
    let listen = format!("[health]\nlisten = \"127.0.0.1:{port}\"\n{}", camera("ramp"));
    machine.configure(&listen);
    let program = machine.run();
    // It listens before the models are loaded.
    let mut first = String::new();
    let answers = wait(|| {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && {
            first = get(port, "/readyz").1;
            true
        }
    });
    assert!(answers);
    assert!([r#"{"status":"starting"}"#, r#"{"status":"ready"}"#].contains(&&*first), "{first}");
    machine.until_ready();
    assert_eq!(get(port, "/readyz"), (200, r#"{"status":"ready"}"#.to_owned()));
    assert_eq!(get(port, "/healthz"), (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(ask(port, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), (200, String::new()));
    assert_eq!(get(port, "/metrics").0, 404);
    assert_eq!(ask(port, "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").0, 405);
    assert_eq!(ask(port, "what is it\r\n\r\n").0, 400);
    let long = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nLong: {}\r\n\r\n", "x".repeat(5000));
    assert_eq!(ask(port, &long).0, 200, "a long head is none too long");

    // Another daemon has the port: refused. Then it moves to another port, and then nowhere.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    machine.configure(&listen.replace(&port.to_string(), &taken.local_addr().unwrap().port().to_string()));
    let refused = machine.reload();
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("health.listen: cannot listen on 127.0.0.1:"), "{}", refused.stderr);
    assert_eq!(get(port, "/healthz").0, 200, "the old one goes on");
    machine.configure(&camera("ramp"));
    assert_eq!(machine.reload().code, Some(0));
    assert!(wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()), "nothing listens any more");
    assert_eq!(stop(program).code, Some(0));
}

#[test]
fn a_node_that_starts_anew_is_ready_when_it_has_and_does_then_what_was_asked_meanwhile() {
    let machine = Machine::new(free_port());
    let port = free_port();
    let health = format!("[health]\nlisten = \"127.0.0.1:{port}\"\n");
    machine.configure(&[&*health, &camera("ramp")].concat());
    let program = machine.run();
    machine.until_ready();

    let held_back = HeldBack::new(machine.folder.path());
    let others = [&*health, "[models]\ndirectories = [\"models\"]\n", &camera("ramp")].concat();
    machine.configure(&others);
    let checked = held_back.give(2);
    let first = machine.reload();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stdout.ends_with("applied; the node starts anew (models changed)\n"), "{}", first.stdout);
    drop(checked);
    machine.until(|heard| heard.starts_with("RELOADING=1\n"));
    machine.until_status("starting: loading the models");
    let starting = (503, r#"{"status":"starting"}"#.to_owned());
    assert_eq!(get(port, "/readyz"), starting);

    machine.configure(&[others, camera("gate")].concat());
    program.signal("HUP");
    let second = machine.run_with("reload", &[]);
    // Nothing is told in the time that an answer would take: the models are not there.
    let told = machine.heard.recv_timeout(Duration::from_secs(2));
    assert!(told.is_err(), "it is told: {told:?}");
    assert_eq!(get(port, "/readyz"), starting);

    let loaded = held_back.give(2);
    machine.until_ready();
    drop(loaded);
    // The signal and the command, one after the other; the first brings the camera.
    for _ in 0..2 {
        machine.until(|heard| heard.starts_with("RELOADING=1\n"));
        machine.until_ready();
    }
    let second = second.wait(PATIENCE);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stdout.contains("applied; unchanged: ramp"), "{}", second.stdout);
    machine.until(|heard| heard.starts_with("STATUS=2 of 2 cameras online"));
    assert_eq!(get(port, "/readyz").0, 200);
    let ended = stop(program);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("is taken: unchanged: ramp; started: gate"), "{}", ended.stderr);
}

#[test]
fn stopping_ends_well_while_a_node_starts_anew_and_loads_models() {
    let machine = Machine::new(free_port());
    machine.configure(&camera("ramp"));
    let program = machine.run();
    machine.until_ready();
    let held_back = HeldBack::new(machine.folder.path());
    machine.configure(&["[models]\ndirectories = [\"models\"]\n", &camera("ramp")].concat());
    let checked = held_back.give(2);
    program.signal("HUP");
    machine.until(|heard| heard.starts_with("RELOADING=1\n"));
    machine.until_status("starting: loading the models");
    drop(checked);

    let ended = stop(program);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopping takes more than 5s: ending at once"), "{}", ended.stderr);
}

#[test]
fn stopping_does_not_wait_for_a_reload_by_mqtt() {
    let broker = Mosquitto::start("");
    let machine = Machine::new(broker.port());
    machine.configure(&["commands = [\"reload\"]\n", &camera("ramp")].concat());
    let program = machine.run();
    machine.until_ready();
    machine.until_status("1 of 1 cameras online");
    let held_back = HeldBack::new(machine.folder.path());
    machine.configure(&["[models]\ndirectories = [\"models\"]\n", &camera("ramp")].concat());

    let port = broker.port();
    let asks = std::thread::Builder::new().name("asks".to_owned());
    let asks = asks.spawn(move || request(port, "spotter/v1/edge/command/reload", "")).unwrap();
    let mut checked = held_back.give(1);
    assert!(wait(|| checked.has_given()), "the models are not looked at");
    let ended = stop(program);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ending at once"), "{}", ended.stderr);
    let reply = asks.join().unwrap();
    assert_eq!(reply["error"]["message"], "the node is stopping", "{reply}");
}

#[test]
fn systemd_hears_of_a_reload_by_mqtt_as_of_any_other() {
    let broker = Mosquitto::start("");
    let machine = Machine::new(broker.port());
    let commands = "commands = [\"reload\"]\n";
    machine.configure(&[commands, &camera("ramp")].concat());
    let program = machine.run();
    machine.until_ready();
    machine.until_status("1 of 1 cameras online");
    let ask = || request(broker.port(), "spotter/v1/edge/command/reload", "");
    let reloading = |heard: &str| heard.starts_with("RELOADING=1\n");

    machine.configure(&[commands, &camera("ramp"), &camera("gate")].concat());
    let applied = ask();
    assert_eq!(applied["result"]["cameras"], 2, "{applied}");
    machine.until(reloading);
    machine.until_ready();
    machine.until_status("2 of 2 cameras online");

    machine.configure(&[commands, "profile = \"loud\"\n", &camera("ramp")].concat());
    let refused = ask();
    assert!(refused["error"]["message"].as_str().unwrap().contains("mqtt.profile"), "{refused}");
    machine.until(reloading);
    machine.until(|heard| heard == "READY=1\nSTATUS=2 of 2 cameras online");

    machine.configure(&[commands, "[runtime]\nthreads = 1\n", &camera("ramp")].concat());
    let anew = ask();
    assert_eq!(anew["result"]["cameras"], 1, "{anew}");
    machine.until(reloading);
    machine.until_status("starting: loading the models");
    machine.until_ready();
    assert_eq!(stop(program).code, Some(0));
}

#[test]
fn stopping_is_counted_from_the_signal_though_a_reload_waits_for_a_camera_that_hangs() {
    // It takes connections and never answers.
    let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let machine = Machine::new(broker.local_addr().unwrap().port());
    let port = free_port();
    let health = format!("[health]\nlisten = \"127.0.0.1:{port}\"\n");
    machine.configure(&[&*health, &camera("ramp"), &camera("gate")].concat());
    let program = machine.run();
    machine.until_ready();
    machine.until(|heard| heard.starts_with("STATUS=2 of 2 cameras online"));
    let Some(held) = Held::hold(program.id(), "camera-gate", At::Wait) else { return };
    machine.configure(&[&*health, &camera("ramp"), &camera("gate").replace("5/1", "4/1")].concat());
    program.signal("HUP");
    assert!(wait(|| !threads(program.id(), "camera-join").is_empty()), "the camera is not replaced");

    let asked = Instant::now();
    program.signal("TERM");
    assert!(wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()), "it goes on");
    let took = asked.elapsed();
    drop(held);
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{took:?}\n{}", ended.stderr);
    assert!(ended.stderr.contains("the camera's thread hangs; it is left to itself"), "{}", ended.stderr);
    assert!(took < STOP, "{took:?}");
}

#[test]
fn the_daemon_ends_without_exit_handlers_which_would_wait_for_threads_that_hang() {
    let machine = Machine::new(free_port());
    machine.configure(&camera("ramp"));
    let log = machine.folder.path().join("loader");
    // The loader notes which handlers it calls.
    let variables = [("LD_DEBUG", "files".as_ref()), ("LD_DEBUG_OUTPUT", log.as_os_str())];
    let handlers = |process: u32| {
        let log = fs::read_to_string(log.with_extension(process.to_string())).unwrap();
        assert!(log.contains("initialize program: "), "it notes nothing");
        log.lines().filter(|line| line.contains("calling fini: ")).count()
    };
    let program = machine.run_with("run", &variables);
    let process = program.id();
    machine.until_ready();
    assert_eq!(stop(program).code, Some(0));
    assert_eq!(handlers(process), 0);

    let other = machine.run_with("reload", &variables);
    let process = other.id();
    assert_eq!(other.wait(PATIENCE).code, Some(1));
    assert!(handlers(process) > 0, "any other command ends as programs do");
}

#[test]
fn a_stuck_thread_ends_the_signs_of_life_until_it_goes_on_and_does_not_hold_up_stopping() {
    let broker = Mosquitto::start("");
    let machine = Machine::new(broker.port());
    let port = free_port();
    // More frames than the worker can take, so that it is never at rest; and a camera that is lost all the time.
    let busy = camera("ramp").replace("160,height=120,framerate=5/1", "640,height=480,framerate=100/1");
    let lost = "[[camera]]\nname = \"gate\"\nsource = \"rtsp://127.0.0.1:1/\"\n";
    // With one worker, whose thread has a name that is known.
    let one = "[models]\nworkers = [\"cpu\"]\n";
    machine.configure(&format!("{one}[health]\nlisten = \"127.0.0.1:{port}\"\n{busy}{lost}"));
    let program = machine.run_with("run", &[("WATCHDOG_USEC", "1000000".as_ref())]);
    machine.until_ready();
    machine.until_status("1 of 2 cameras online");
    let is_sign = |heard: &str| heard == "WATCHDOG=1";
    machine.until(is_sign);
    // What came before is passed by; then no sign comes in the time of several.
    let no_sign_comes = || {
        while machine.heard.try_recv().is_ok() {}
        let until = Instant::now() + Duration::from_secs(2);
        while let Ok(heard) = machine.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            assert_ne!(heard, "WATCHDOG=1");
        }
    };
    // The threads that are stuck, and for how many seconds.
    let stuck = || {
        let (code, body) = get(port, "/healthz");
        let body: Value = serde_json::from_str(&body).unwrap();
        let one = |stuck: &Value| (stuck["thread"].as_str().unwrap().to_owned(), stuck["stuck_s"].as_u64());
        let all: BTreeMap<_, _> = body["threads"].as_array().into_iter().flatten().map(one).collect();
        let (expected_code, status) = if all.is_empty() { (200, "ok") } else { (503, "stuck") };
        assert_eq!((code, &body["status"]), (expected_code, &json!(status)), "{body}");
        all
    };

    // The camera's last: without its frames the worker would come to rest.
    let threads = [("recognize", At::Once), ("camera-ramp", At::Wait)];
    let mut held = Vec::new();
    for (thread, at) in threads {
        let Some(hold) = Held::hold(program.id(), thread, at) else { return };
        held.push((thread, hold));
    }
    let begun = Instant::now();
    assert!(wait(|| stuck().len() == threads.len()), "only these are noticed: {:?}", stuck());
    assert!(begun.elapsed() > Duration::from_secs(18), "{:?}", begun.elapsed());
    // They go on one after the other, and each of them alone is enough.
    while let Some((thread, hold)) = held.pop() {
        let now = stuck();
        assert!(now.values().all(|stuck_s| *stuck_s >= Some(20)), "{now:?}");
        assert!(now.contains_key(thread), "{thread}: {now:?}");
        assert_eq!(now.len(), held.len() + 1, "a lost camera is at rest: {now:?}");
        no_sign_comes();
        drop(hold);
        assert!(wait(|| !stuck().contains_key(thread)), "{thread} does not go on");
    }
    machine.until(is_sign);
    assert!(stuck().is_empty(), "and one camera is lost still: {:?}", stuck());

    // What hangs does not keep the process from stopping.
    let held = Held::hold(program.id(), "recognize", At::Once).unwrap();
    let asked = Instant::now();
    program.signal("TERM");
    assert!(wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()), "it goes on");
    assert!(asked.elapsed() < STOP + SLACK, "{:?}", asked.elapsed());
    drop(held);
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopping takes more than 5s: ending at once"), "{}", ended.stderr);
    for (thread, _) in threads {
        for told in ["the thread is stuck", "the thread was stuck and goes on"] {
            let told = |line: &&str| line.contains(told) && line.contains(&format!("\"{thread}\""));
            assert_eq!(ended.stderr.lines().filter(told).count(), 1, "{thread}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_credential_of_systemd_is_the_password_for_the_broker() {
    let mut broker = Mosquitto::reserve("allow_anonymous false");
    let passwords = broker.folder().join("passwords");
    write_password_file(&passwords, "spotter", "right");
    broker.configure(&format!("password_file {}", passwords.display()));
    broker.restart();
    let machine = Machine::new(broker.port());
    let credentials = machine.folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("mqtt-password"), "right\n").unwrap();
    let login = "username = \"spotter\"\npassword_file = \"credential:mqtt-password\"\n";
    machine.configure(&format!("{login}{}", camera("ramp")));

    let without = machine.run().wait(PATIENCE);
    assert_eq!(without.code, Some(78), "{}", without.stderr);
    assert!(without.stderr.contains("$CREDENTIALS_DIRECTORY is not set"), "{}", without.stderr);
    let program = machine.run_with("run", &[("CREDENTIALS_DIRECTORY", credentials.as_os_str())]);
    machine.until_ready();
    machine.until_status("1 of 1 cameras online");
    let ended = stop(program);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("connected to the broker"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("right"), "{}", ended.stderr);
}

/// The unit with the program where it is here.
fn unit(folder: &Path) -> PathBuf {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/spotter.service");
    let text = fs::read_to_string(packaging).unwrap();
    assert_eq!(text.matches("=/usr/bin/spotter ").count(), 2, "one to start and one to reload");
    let path = folder.join("spotter.service");
    let here = format!("={} ", env!("CARGO_BIN_EXE_spotter"));
    fs::write(&path, text.replace("=/usr/bin/spotter ", &here)).unwrap();
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> String {
    let analyzed = Command::new("systemd-analyze").args(arguments).arg(unit).output();
    let analyzed = analyzed.expect("systemd-analyze is installed");
    let said = [analyzed.stdout, analyzed.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(analyzed.status.success(), "{said}");
    said
}

#[test]
fn the_unit_is_right_and_exposes_little() {
    let folder = tempfile::tempdir().unwrap();
    let unit = unit(folder.path());
    assert_eq!(analyze(&["verify", "--man=no"], &unit), "");
    let said = analyze(&["security", "--offline=true", "--no-pager"], &unit);
    let line = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let figure = line.split(": ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(figure.parse::<f32>().unwrap() <= 2.0, "{line}");

    // Its own promises agree with the program's.
    let text = fs::read_to_string(&unit).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
        line.to_owned()
    };
    let seconds = |key: &str| Duration::from_secs(value(key).parse().unwrap());
    assert_eq!(value("Type"), "notify");
    assert!(seconds("TimeoutStopSec") > STOP);
    assert!(seconds("WatchdogSec") > Duration::from_secs(20), "a thread is stuck after 20 s");
    assert_eq!(value("RestartPreventExitStatus"), "78");
}
