//! Factory cameras: Aravis's own camera of GigE Vision (`arv-fake-gv-camera-0.8` of Debian's aravis-tools), in a network
//! namespace that has nothing but its loopback. Root makes it, as in CI.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spotter::capture::{Stream, Timing};
use spotter::clock::SystemClock;
use spotter::config::Config;
use spotter::name::Name;

use crate::namespace::{ADDRESS, inside};
use crate::peers::Running;
use crate::watched::{PATIENCE, Watched};

/// Small enough that a frame fits into the receive buffer that Linux gives by default: Aravis asks for no other.
const SIZE: (u32, u32) = (320, 240);
const SMALL: &str = "width = 320\nheight = 240\n";

/// Aravis's camera on the loopback, once it answers.
fn camera(options: &[&str]) -> Running {
    let camera = Command::new("arv-fake-gv-camera-0.8")
        .args(["-i", "127.0.0.1", "-s", "GV02"])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("aravis-tools is installed");
    let running = Running(camera);
    let deadline = Instant::now() + PATIENCE;
    let is_it = |camera: &spotter::discover::VisionCamera| camera.is_called("GV02");
    while spotter::discover::vision_camera(Duration::from_millis(500), is_it).is_none() {
        assert!(Instant::now() < deadline, "the camera does not answer");
    }
    running
}

fn watch(source: &str, settings: &str) -> Watched {
    Watched::start(&format!("source = \"{source}\"\n[camera.genicam]\n{SMALL}{settings}"))
}

/// Waits for two frames of now.
fn plays(camera: &Watched, what: &str) {
    camera.frames(2, what, |shot| shot.size == SIZE && (0.0..5.0).contains(&shot.age_s));
}

#[test]
fn a_gige_vision_camera_is_found_by_every_name_that_it_has() {
    inside("genicam::a_gige_vision_camera_is_found_by_every_name_that_it_has", || {
        let _camera = camera(&[]);
        for source in ["genicam:", "genicam:GV02", "genicam:Aravis-Fake-GV02", "genicam:127.0.0.1"] {
            plays(&watch(source, ""), source);
        }
        let stranger = watch("genicam:GV99", "");
        let why = stranger.offline();
        assert!(
            why.contains("genicam:GV99: no such camera answers; there are Aravis Fake GV02 at 127.0.0.1"),
            "{why}"
        );
    });
}

#[test]
fn every_pixel_format_of_the_camera_and_its_settings_play() {
    inside("genicam::every_pixel_format_of_the_camera_and_its_settings_play", || {
        let _camera = camera(&[]);
        for format in ["Mono8", "Mono16", "BayerRG8", "BayerGB8", "RGB8"] {
            plays(&watch("genicam:127.0.0.1", &format!("pixel_format = \"{format}\"\n")), format);
        }
        let settings = "pixel_format = \"Mono8\"\nframe_rate = 10\nexposure_us = 5000\ngain_db = \"auto\"\npacket_size = \"auto\"\n\
                        features = [\"TestFloat=1\"]\n";
        let unknown = watch("genicam:127.0.0.1", settings);
        let why = unknown.offline();
        assert!(why.contains("TestFloat"), "a feature that it does not have is named: {why}");
        plays(&watch("genicam:127.0.0.1", &settings.replace("features", "# features")), "settings");
        let format = watch("genicam:127.0.0.1", "pixel_format = \"YUV422_8\"\n").offline();
        assert!(format.contains("it cannot give what is configured: pixel_format"), "{format}");
    });
}

#[test]
fn frames_of_which_packets_are_lost_are_counted() {
    inside("genicam::frames_of_which_packets_are_lost_are_counted", || {
        // Five of a thousand packets, about 55 for a frame.
        let _camera = camera(&["-r", "5"]);
        let lossy = watch("genicam:127.0.0.1", "pixel_format = \"Mono8\"\n");
        let deadline = Instant::now() + PATIENCE;
        while lossy.faults().incomplete < 3 {
            assert!(Instant::now() < deadline, "{:?}", lossy.faults());
            plays(&lossy, "frames between lost ones");
        }
        let faults = lossy.faults();
        assert_eq!((faults.damaged, faults.time_jumps), (0, 0), "{faults:?}");
    });
}

#[test]
fn a_camera_that_another_program_controls_is_told_and_comes_when_that_one_dies() {
    inside("genicam::a_camera_that_another_program_controls_is_told_and_comes_when_that_one_dies", || {
        let _camera = camera(&[]);
        let mut other = Command::new("stdbuf")
            .args([
                "-oL",
                "arv-camera-test-0.8",
                "-n",
                "127.0.0.1",
                "-w",
                "64",
                "-h",
                "64",
                "--no-packet-socket",
                "--duration",
                "120",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Kept to its end, or the program's next word would end it. It goes back to the begin of its line, and never on.
        let mut said = BufReader::new(other.stdout.take().unwrap());
        let other = Running(other);
        let mut word = Vec::new();
        while !word.ends_with(b"/s") {
            assert_ne!(
                said.read_until(b's', &mut word).unwrap(),
                0,
                "it ended: {}",
                String::from_utf8_lossy(&word)
            );
        }
        let held = watch("genicam:127.0.0.1", "pixel_format = \"Mono8\"\n");
        let why = held.offline();
        // It refuses what would start it, or does not answer that at all.
        assert!(why.contains("host controls it"), "{why}");
        // It says no word of its end: the camera waits for its signs of life.
        drop(other);
        plays(&held, "frames once it is free");
    });
}

#[test]
fn a_camera_that_is_gone_is_told_and_comes_back() {
    inside("genicam::a_camera_that_is_gone_is_told_and_comes_back", || {
        let first = camera(&[]);
        let watched = watch("genicam:127.0.0.1", "pixel_format = \"Mono8\"\n");
        plays(&watched, "frames");
        drop(first);
        let why = watched.offline();
        assert!(
            why.contains("no whole frame came") || why.contains("answer") || why.contains("no frame for"),
            "{why}"
        );
        let _second = camera(&[]);
        plays(&watched, "frames of the second");
    });
}

#[test]
fn checking_a_configuration_opens_no_camera() {
    inside("genicam::checking_a_configuration_opens_no_camera", || {
        let address = Ipv4Addr::from(ADDRESS);
        let control = UdpSocket::bind((address, 3956)).unwrap();
        control.set_nonblocking(true).unwrap();
        let text = format!(
            "[[camera]]\nname = \"press\"\nsource = \"genicam:{address}\"\n[camera.genicam]\n{SMALL}"
        );
        let config = Config::parse(&text, Path::new("")).unwrap();
        if let Err(error) = Stream::check(&config.cameras[0].capture) {
            panic!("{error}");
        }
        assert!(control.recv(&mut [0; 600]).is_err(), "the camera was spoken to");
        // The element does speak to it, as soon as it is told the name.
        let name = Name::new("press").unwrap();
        let opened = Stream::open(name, &config.cameras[0].capture, Timing::Live(Arc::new(SystemClock)));
        assert!(opened.is_err() && control.recv(&mut [0; 600]).is_ok());
    });
}
