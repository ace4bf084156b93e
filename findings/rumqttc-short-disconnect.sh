#!/usr/bin/env bash
# One would guess: the client rumqttc 0.25.1 reads every form of MQTT 5's DISCONNECT, since brokers end sessions with it and
# its reason says why.
# What happens: the standard (3.14.2) allows three forms: without a reason (e0 00: normal), with the reason alone (e0 01 8e:
# session taken over) and with properties (e0 02 8e 00). The client tells the reason of the third only. The first is an error,
# and of the second nothing is told: when the broker then closes the connection, all that the program hears is that it was
# closed. mosquitto 2.1 sends the second at a take-over, so two programs that share a client id take the session from each
# other for ever, and neither learns why.
# Versions: rumqttc 0.25.1, Rust 1.95.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cargo init --quiet --vcs none --name short-disconnect
cat > Cargo.toml <<'TOML'
[package]
name = "short-disconnect"
version = "0.0.0"
edition = "2024"

[dependencies]
rumqttc = { version = "=0.25.1", default-features = false }
TOML
cat > src/main.rs <<'RUST'
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rumqttc::v5::{Client, MqttOptions};

/// What the client says of a broker that takes the connection, sends these bytes and closes.
fn told(packet: &'static [u8]) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connect = [0; 256];
        assert!(stream.read(&mut connect).unwrap() > 0);
        // CONNACK: no session, success, no properties.
        stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        thread::sleep(Duration::from_millis(500));
        stream.write_all(packet).unwrap();
        thread::sleep(Duration::from_millis(500));
    });
    let (_client, mut connection) = Client::new(MqttOptions::new("camera", "127.0.0.1", port), 4);
    let mut heard = Vec::new();
    for event in connection.iter() {
        heard.push(format!("{event:?}"));
        if event.is_err() {
            break;
        }
    }
    broker.join().unwrap();
    heard
}

fn main() {
    for (form, packet) in [
        ("e0 00", &[0xe0, 0][..]),
        ("e0 01 8e", &[0xe0, 1, 0x8e]),
        ("e0 02 8e 00", &[0xe0, 2, 0x8e, 0]),
    ] {
        let heard = told(packet);
        let names_it = heard.iter().any(|event| event.contains("SessionTakenOver"));
        println!("{form}: names the reason: {names_it}: {}", heard.last().unwrap());
    }
}
RUST
cargo run --quiet | tee heard
if [ "$(grep -c 'names the reason: false' heard)" -ne 2 ] || ! grep -q '^e0 02 8e 00: names the reason: true' heard; then
  echo CHANGED
  exit 1
fi
