//! `spotter discover` against what answers a probe: Aravis's GigE Vision camera and PyPI's WSDiscovery 2.1.2, in a network
//! namespace; and against replies that no camera should send.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use spotter::config::Config;

use crate::namespace::{ADDRESS, inside};
use crate::peers::{Running, python_programs};
use crate::program::{Ended, spotter};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xc);
const PORT: u16 = 3702;

fn discover(arguments: &[&str]) -> Ended {
    spotter(["discover", "--interface", "cam0"].iter().chain(arguments))
}

fn cameras(ended: &Ended) -> Vec<Value> {
    let value: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    value["cameras"].as_array().unwrap().clone()
}

#[test]
fn cameras_of_both_kinds_are_found_with_lines_for_the_configuration() {
    inside("discover::cameras_of_both_kinds_are_found_with_lines_for_the_configuration", || {
        std::fs::write("/proc/sys/net/ipv6/conf/cam0/disable_ipv6", "1").unwrap();
        let address = Ipv4Addr::from(ADDRESS).to_string();
        let gige =
            Command::new("arv-fake-gv-camera-0.8").args(["-i", &address, "-s", "GV07"]).spawn().unwrap();
        let _gige = Running(gige);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/onvif_device.py");
        let onvif = Command::new(python_programs().join("python"))
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut onvif = Running(onvif);
        let mut line = String::new();
        BufReader::new(onvif.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        // Under load an answer may come late.
        let ended = discover(&["--json", "--only", "onvif,genicam", "--timeout", "8"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let found = cameras(&ended);
        let kinds: Vec<_> = found.iter().map(|camera| camera["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["onvif", "genicam"], "each once: {ended:?}");
        let details = &found[0]["details"];
        assert_eq!(details["name"], "Gate Cam");
        assert_eq!(details["hardware"], "HW-1");
        assert_eq!(details["locations"], serde_json::json!(["yard"]));
        assert_eq!(details["services"], serde_json::json!(["http://192.0.2.9:8000/onvif/device_service"]));
        assert_eq!(found[0]["source"], Value::Null, "its stream is not known");
        assert_eq!(found[1]["source"], "genicam:GV07");
        assert_eq!(found[1]["details"]["address"], address.as_str());
        // What it prints for people is a configuration.
        let text = discover(&["--only", "onvif,genicam", "--timeout", "8"]).stdout;
        let config = Config::parse(&text, Path::new("")).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let names: Vec<_> = config.cameras.iter().map(|camera| camera.name.as_str()).collect();
        assert_eq!(names, ["gate-cam", "fake"], "{text}");
        assert_eq!(config.cameras[1].capture.source.to_string(), "genicam:GV07");
    });
}

/// A device that answers every probe with all of these, until it is dropped.
struct Device(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Device {
    fn start(socket: UdpSocket, replies: Vec<Vec<u8>>) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let answer = move || {
            let mut probe = vec![0; 65_536];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut probe) else { continue };
                assert!(String::from_utf8_lossy(&probe[..length]).contains(":Probe>"), "a probe");
                for reply in &replies {
                    // Who asked may have gone.
                    socket.send_to(reply, from).ok();
                }
            }
        };
        let named = std::thread::Builder::new().name("device".to_owned());
        Device(over, Some(named.spawn(answer).unwrap()))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if self.1.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the device has panicked");
        }
    }
}

fn device_v4() -> UdpSocket {
    let socket = UdpSocket::bind((GROUP, PORT)).unwrap();
    socket.join_multicast_v4(&GROUP, &ADDRESS.into()).unwrap();
    socket
}

fn reply(endpoint: &str, scopes: &str, addresses: &str) -> Vec<u8> {
    format!(
        "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><e:Body><d:ProbeMatches><d:ProbeMatch>\
         <a:EndpointReference><a:Address>{endpoint}</a:Address></a:EndpointReference>\
         <d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{addresses}</d:XAddrs>\
         </d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
    )
    .into_bytes()
}

#[test]
fn replies_that_no_camera_should_send_harm_nobody() {
    inside("discover::replies_that_no_camera_should_send_harm_nobody", || {
        let scope = "onvif://www.onvif.org/name/%1b%5b31mRed%0a%5bmqtt%5d%0abroker=%22mqtt://evil%22";
        let good = reply("urn:uuid:1", scope, "http://me:hunter2@192.0.2.9/onvif javascript:alert(1)");
        let text = String::from_utf8(good.clone()).unwrap();
        let replies = vec![
            good.clone(),
            good,
            b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            text.as_bytes()[..text.len() / 2].to_vec(),
            format!("<!DOCTYPE x [<!ENTITY n \"v\">]>{text}").into_bytes(),
            [text.as_bytes(), &vec![b' '; 20_000]].concat(),
            vec![0xff; 1000],
            Vec::new(),
        ];
        let _device = Device::start(device_v4(), replies);
        let ended = discover(&["--only", "onvif", "--timeout", "4"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            !said.contains('\u{1b}') && !said.contains("hunter2") && !said.contains("javascript"),
            "{said}"
        );
        let config =
            Config::parse(&ended.stdout, Path::new("")).unwrap_or_else(|error| panic!("{said}\n{error}"));
        assert_eq!(config.cameras.len(), 1, "{said}");
        assert!(!config.mqtt.host.contains("evil"), "{said}");
    });
}

#[test]
fn a_device_that_speaks_ipv6_alone_is_found() {
    inside("discover::a_device_that_speaks_ipv6_alone_is_found", || {
        let interfaces = spotter::discover::interfaces().unwrap();
        let cam0 = interfaces.iter().find(|interface| interface.name == "cam0").expect("it is up");
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT)).unwrap();
        socket.join_multicast_v6(&GROUP_V6, cam0.index).unwrap();
        let replies =
            vec![reply("urn:uuid:6", "onvif://www.onvif.org/hardware/SIX", "http://[2001:db8::9]/onvif")];
        let _device = Device::start(socket, replies);
        let ended = discover(&["--json", "--only", "onvif", "--timeout", "4"]);
        let found = cameras(&ended);
        assert_eq!(found.len(), 1, "{ended:?}");
        assert_eq!(found[0]["details"]["host"], "[2001:db8::9]");
    });
}

#[test]
fn nothing_found_and_what_cannot_be_asked_are_told() {
    inside("discover::nothing_found_and_what_cannot_be_asked_are_told", || {
        let ended = discover(&["--interface", "nosuch0", "--timeout", "0.2", "--only", "onvif,genicam"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("there is no network interface `nosuch0`"), "{ended:?}");
        assert!(ended.stderr.contains("no camera was found (asked: cam0;"), "{ended:?}");
        assert_eq!(discover(&["--timeout", "0"]).code, Some(2));
        std::io::stdout().flush().unwrap();
    });
}
