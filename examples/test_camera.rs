//! An RTSP camera for trying Spotter without one, and one that misbehaves when it is told to.
//!
//! ```sh
//! cargo run --release --example test_camera -- --port 8554 --people
//! spotter probe rtsp://127.0.0.1:8554/h264
//! ```
//!
//! It listens on loopback, says `listening on 127.0.0.1:PORT`, and serves what it sees as `/h264`, `/h265`, `/mjpeg` and
//! `/live`. Then it takes commands, one a line on standard input, and answers each with `done` or `cannot: why`; it ends
//! when its standard input does. Killing it is what a camera without power does, and SIGSTOP what one does that hangs.

#![allow(missing_docs, reason = "nothing of an example is for others")]

#[path = "test_camera/faults.rs"]
mod faults;
#[path = "../src/cli/demo/figure.rs"]
mod figure;
#[path = "test_camera/picture.rs"]
mod picture;
#[path = "test_camera/sensor.rs"]
mod sensor;
#[path = "test_camera/server.rs"]
mod server;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Parser;
use gstreamer as gst;

use faults::Faults;
use sensor::{Sensor, Shape};
use server::{Access, Codec, Method, Server};

/// Said to whoever gives a command that is none.
const COMMANDS: &str = "freeze | thaw | hang | go on | garbage on|off | jump SECONDS | clock SECONDS | size WIDTH HEIGHT | rate N | \
    codec h264|h265|mjpeg | refuse | accept | close | unmount | mount";

/// An RTSP camera that misbehaves on command.
///
/// Commands come by lines on standard input: freeze and thaw (the same picture over and over), hang and `go on`
/// (connected, and no data), garbage on|off (damaged payloads), jump SECONDS (time stamps, from now on; negative for
/// backwards), clock SECONDS (how far its clock, as RTCP tells it, is ahead), size WIDTH HEIGHT, rate N, codec h264|h265|mjpeg (of /live), refuse and accept (every password is wrong),
/// close (cuts all connections), unmount and mount (no such path). It ends when its input does.
#[derive(Parser)]
struct Arguments {
    /// Port to listen on, 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Who may watch; anybody without.
    #[arg(long, requires = "password")]
    user: Option<String>,
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// How the password travels.
    #[arg(long, value_enum, default_value_t)]
    auth: Method,
    /// Speak TLS (rtsps://) with this certificate, PEM.
    #[arg(long, requires = "key", value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, requires = "tls", value_name = "FILE")]
    key: Option<PathBuf>,
    /// In pixels, a multiple of 8.
    #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u32).range(16..=4096))]
    width: u32,
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(16..=4096))]
    height: u32,
    /// Pictures per second.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=240))]
    rate: u32,
    /// Pictures from one key frame to the next.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    key_interval: u32,
    /// Grey levels of sensor noise to each side.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=40))]
    noise: u8,
    /// Seconds by which its clock is ahead; negative for behind.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    clock: f64,
    /// Two people walk to and fro; otherwise nothing moves.
    #[arg(long)]
    people: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    gst::init()?;
    let faults = Arc::new(Faults::default());
    faults.set_clock(arguments.clock);
    let shape = Shape { size: (arguments.width & !7, arguments.height & !7), rate: arguments.rate };
    let sensor = Arc::new(Sensor::new(shape, arguments.people, arguments.noise, Arc::clone(&faults)));
    let access = Access {
        user: arguments.user.zip(arguments.password).map(|(user, password)| (user, password, arguments.auth)),
        tls: arguments.tls.zip(arguments.key),
    };
    let (draws, known) = (Arc::clone(&sensor), Arc::clone(&faults));
    let mut camera = Camera {
        server: Server::start(arguments.port, access, arguments.key_interval, Arc::clone(&sensor), known)?,
        sensor,
        faults,
    };
    std::thread::Builder::new().name("sensor".to_owned()).spawn(move || {
        if let Err(error) = draws.run() {
            eprintln!("the sensor has failed: {error}");
            std::process::exit(1);
        }
    })?;
    say(&format!("listening on 127.0.0.1:{}", camera.server.port()))?;
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match camera.obey(&words) {
            Some(()) => say("done")?,
            None => say(&format!("cannot: {COMMANDS}"))?,
        }
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// What commands work on.
struct Camera {
    server: Server,
    sensor: Arc<Sensor>,
    faults: Arc<Faults>,
}

impl Camera {
    /// Does what these words say; nothing when they say nothing that it can.
    fn obey(&mut self, words: &[&str]) -> Option<()> {
        let side = |text: &str| text.parse().ok().filter(|side| (16..=4096).contains(side) && side % 8 == 0);
        let faults = &self.faults;
        match *words {
            ["freeze"] => faults.frozen.store(true, Ordering::Relaxed),
            ["thaw"] => faults.frozen.store(false, Ordering::Relaxed),
            ["hang"] => faults.silent.store(true, Ordering::Relaxed),
            ["go", "on"] => faults.silent.store(false, Ordering::Relaxed),
            ["garbage", "on"] => faults.garbage.store(true, Ordering::Relaxed),
            ["garbage", "off"] => faults.garbage.store(false, Ordering::Relaxed),
            ["jump", seconds] => {
                faults.jump_s.fetch_add(seconds.parse().ok()?, Ordering::Relaxed);
            }
            ["clock", seconds] => faults.set_clock(seconds.parse().ok()?),
            ["size", width, height] => {
                let size = (side(width)?, side(height)?);
                self.sensor.reshape(|shape| shape.size = size);
            }
            ["rate", rate] => {
                let rate = rate.parse().ok().filter(|rate| (1..=240).contains(rate))?;
                self.sensor.reshape(|shape| shape.rate = rate);
            }
            ["codec", codec] => self.server.set_codec(Codec::parse(codec)?),
            ["refuse"] => self.server.accept(false),
            ["accept"] => self.server.accept(true),
            ["close"] => self.server.cut(),
            ["unmount"] => self.server.mount(false),
            ["mount"] => self.server.mount(true),
            _ => return None,
        }
        Some(())
    }
}
