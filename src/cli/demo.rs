//! `spotter demo`: everything at once, with nothing set up.

mod figure;
mod scene;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use spotter::config::{Activities, Camera, Capture, Config, Health, Models, Objects, Runtime, Source};
use spotter::daemon::{Daemon, Event, Pulses};
use spotter::name::Name;
use spotter::publish::subscriber::Summary;

use super::inside::{Came, Inside};
use super::output::{self, say};
use super::ranges::YEAR_S;
use super::watch::{on_interrupt, print};
use super::{Outcome, footage};

/// What stands above the lines of [`spotter::publish::line`], in their widths.
const HEADER: &str =
    "time (UTC)    camera        kind      what            phase   score where                     latency";

/// Shows tags arrive at a subscriber: footage plays as a camera, a broker runs inside, and nothing needs setting up.
///
/// What is printed is what an MQTT subscriber receives, checked against the contract. The footage is vtest.avi, which
/// `make setup` takes out of Debian's opencv-doc, at the 7 frames a second that it was recorded at; without it a scene is
/// generated. Goes on until Ctrl-C or `--seconds`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Stop after so many seconds.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=YEAR_S))]
    seconds: Option<u64>,
    /// Play this file instead.
    #[arg(short, long, value_name = "FILE", conflicts_with = "generated")]
    footage: Option<PathBuf>,
    /// Play the generated scene even if there is footage.
    #[arg(long)]
    generated: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let interrupted = on_interrupt()?;
    let scratch = tempfile::tempdir().context("no folder for the generated scene")?;
    let (name, source) = footage_of(arguments, scratch.path())?;
    let mut inside = Inside::start()?;
    let config = Config {
        node: Name::new("demo")?,
        runtime: Runtime::default(),
        models: Models::default(),
        mqtt: inside.mqtt().clone(),
        health: Health::default(),
        cameras: vec![Camera {
            name: Name::new(name)?,
            capture: Capture::of(source),
            objects: Objects::default(),
            activities: Activities::default(),
            tracks: false,
            zones: Vec::new(),
            lines: Vec::new(),
        }],
    };
    say!("Playing {} as camera `{name}`; a broker runs inside.", config.cameras[0].capture.source)?;
    say!("Subscribe from another terminal, for as long as this runs:")?;
    say!("    mosquitto_sub -h 127.0.0.1 -p {} -t '{}/#' -v", config.mqtt.port, config.mqtt.root)?;
    say!("Loading the models ...\n")?;
    let mut daemon = Daemon::start(&config, None, &Pulses::default())?;
    say!("{HEADER}")?;

    let deadline = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while !interrupted.load(Ordering::Relaxed) && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        if let Some(Event::Ended(what)) = daemon.watch(Duration::ZERO) {
            anyhow::bail!("{what} ended without being asked to");
        }
        if let Came::Message(received) = inside.hear(Duration::from_millis(100))? {
            print(&received, false)?;
        }
    }
    say!("\nStopping: every track ends.")?;
    let summary = inside.stop(daemon, |received| Ok(print(received, false)?))?;
    say!("\nReceived {summary}.")?;
    Ok(if is_whole(&summary) { Outcome::Done } else { Outcome::Bad })
}

/// Every start has had its end, and nothing broke the contract.
fn is_whole(summary: &Summary) -> bool {
    summary.violations == 0 && summary.starts == summary.ends
}

fn footage_of(arguments: &Arguments, scratch: &std::path::Path) -> anyhow::Result<(&'static str, Source)> {
    if let Some(path) = &arguments.footage {
        anyhow::ensure!(path.is_file(), "no such file: {}", path.display());
        footage::ensure_utf8(path)?;
        return Ok(("footage", Source::File { path: path.clone(), repeat: true, frame_rate: None }));
    }
    match footage::cached("vtest.avi") {
        Some(path) if !arguments.generated => {
            Ok(("carpark", Source::File { path, repeat: true, frame_rate: Some(footage::VTEST_FRAME_RATE) }))
        }
        _ => {
            if !arguments.generated {
                say!("There is no footage (`make setup` fetches it), so this is a generated scene:")?;
            }
            output::print(format_args!("drawing figures that walk past "))?;
            // Nobody needs the dots: whether somebody reads shows with the next line.
            let fragment = scene::draw(scratch, |_| drop(output::print(format_args!("."))))?;
            say!("")?;
            Ok(("generated", Source::Pipeline { fragment }))
        }
    }
}
