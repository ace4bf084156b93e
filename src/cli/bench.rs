//! `spotter bench`: how many cameras this machine serves, and what they take.

mod figures;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use spotter::clock::{Clock, SystemClock};
use spotter::config::{
    Activities, Camera, Capture, Config, ConfigError, Health, Models, Objects, Runtime, Source,
};
use spotter::daemon::{Daemon, Event, Pulses};
use spotter::name::Name;
use spotter::publish::subscriber::Received;
use spotter::publish::wire::Message;

use super::inside::{Came, Inside};
use super::output::say;
use super::ranges::{YEAR_S, number};
use super::{Outcome, allocator, footage, run::refuse};
use figures::{Figures, Usage};

/// How long the first frame of every camera may take, models loaded.
const PATIENCE: Duration = Duration::from_secs(60);
/// What goes by between the first frames and the measurement.
const SETTLES: Duration = Duration::from_secs(3);

/// Measures how many cameras this machine serves: each plays a file, as a camera that sends it live.
///
/// All runs in this process: cameras, models, outbox in memory, a broker and its subscriber. The file is vtest.avi, which `make
/// setup` takes out of Debian's opencv-doc, at the 10 frames a second that it states: six to eight people who walk about. All
/// cameras begin together, so that their frames come at the same moments, which is the worst that can happen.
#[derive(clap::Args)]
pub struct Arguments {
    /// So many cameras.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=200))]
    cameras: u16,
    /// Look at so many frames per second of each.
    #[arg(short, long, value_name = "HZ", default_value_t = 2.0, value_parser = number(0.1..=60.0))]
    rate: f64,
    /// Measure for so many seconds, once every camera has given a frame.
    #[arg(short, long, value_name = "N", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=YEAR_S))]
    seconds: u64,
    /// Recognise objects only.
    #[arg(long)]
    without_activities: bool,
    /// Play this file instead.
    #[arg(short, long, value_name = "FILE")]
    footage: Option<PathBuf>,
    /// Take [runtime] and [models] of this configuration.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    allocator::settle();
    let (runtime, models) = match &arguments.config {
        None => (Runtime::default(), Models::default()),
        Some(path) => match Config::load(path) {
            Ok(config) => (config.runtime, config.models),
            Err(error @ (ConfigError::Wrong { .. } | ConfigError::Unreadable { .. })) => {
                return Ok(refuse(path, &error));
            }
        },
    };
    let source = source(arguments)?;
    let mut inside = Inside::start()?;
    let camera = |number: u16| -> anyhow::Result<Camera> {
        let capture = Capture { max_frame_rate: Some(arguments.rate), ..Capture::of(source.clone()) };
        Ok(Camera {
            name: Name::new(&format!("camera-{number}"))?,
            capture,
            objects: Objects::default(),
            activities: Activities { enabled: !arguments.without_activities, ..Activities::default() },
            tracks: true,
            zones: Vec::new(),
            lines: Vec::new(),
        })
    };
    let config = Config {
        node: Name::new("bench")?,
        runtime,
        models,
        mqtt: inside.mqtt().clone(),
        health: Health::default(),
        cameras: (1..=arguments.cameras).map(camera).collect::<Result<_, _>>()?,
    };
    if !arguments.json {
        say!("Loading the models, and waiting for a frame of {} cameras ...", arguments.cameras)?;
    }
    let mut daemon = Daemon::start(&config, None, &Pulses::default())?;
    let measured = measure(arguments, &mut daemon, &mut inside);
    inside.stop(daemon, |_| Ok(()))?;
    let figures = measured?;
    if arguments.json {
        say!("{:#}", figures.json())?;
    } else {
        say!("{figures}")?;
    }
    Ok(Outcome::Done)
}

fn source(arguments: &Arguments) -> anyhow::Result<Source> {
    if let Some(path) = &arguments.footage {
        anyhow::ensure!(path.is_file(), "no such file: {}", path.display());
        footage::ensure_utf8(path)?;
        return Ok(Source::File { path: path.clone(), repeat: true, frame_rate: None });
    }
    let path = footage::cached("vtest.avi")
        .context("there is no footage: `make setup` fetches it, or name a file with --footage")?;
    Ok(Source::File { path, repeat: true, frame_rate: None })
}

fn measure(arguments: &Arguments, daemon: &mut Daemon, inside: &mut Inside) -> anyhow::Result<Figures> {
    let mut frames: BTreeMap<Name, u64> = BTreeMap::new();
    let wanted = usize::from(arguments.cameras);
    listen(daemon, inside, Instant::now() + PATIENCE, |name, _| {
        *frames.entry(name).or_default() += 1;
        frames.len() < wanted
    })?;
    anyhow::ensure!(
        frames.len() == wanted,
        "{} of {wanted} cameras gave a frame within {} s",
        frames.len(),
        PATIENCE.as_secs()
    );
    listen(daemon, inside, Instant::now() + SETTLES, |_, _| true)?;
    if !arguments.json {
        say!("Measuring for {} s ...\n", arguments.seconds)?;
    }
    frames.values_mut().for_each(|count| *count = 0);
    let mut latencies = Vec::new();
    let (before, begun) = (Usage::now()?, Instant::now());
    listen(daemon, inside, begun + Duration::from_secs(arguments.seconds), |name, latency| {
        *frames.entry(name).or_default() += 1;
        latencies.push(latency);
        true
    })?;
    let (took, used) = (begun.elapsed(), Usage::now()?);
    latencies.sort();
    Ok(Figures {
        wanted: arguments.rate,
        activities: !arguments.without_activities,
        rates: frames.values().map(|count| *count as f64 / took.as_secs_f64()).collect(),
        latencies,
        took,
        processor: used.processor.saturating_sub(before.processor),
        memory_bytes: used.memory_bytes,
    })
}

/// Has `looked_at` hear of every frame that was looked at, with how long it took from its capture to here, until it has heard
/// enough or the time is over.
fn listen(
    daemon: &mut Daemon,
    inside: &mut Inside,
    until: Instant,
    mut looked_at: impl FnMut(Name, Duration) -> bool,
) -> anyhow::Result<()> {
    while Instant::now() < until {
        if let Some(Event::Ended(what)) = daemon.watch(Duration::ZERO) {
            anyhow::bail!("{what} ended without being asked to");
        }
        let left = until.saturating_duration_since(Instant::now());
        if let Came::Message(received) = inside.hear(left.min(Duration::from_millis(100)))?
            && let Received { message: Some(Message::Tracks(tracks)), .. } = *received
            && !looked_at(tracks.camera, SystemClock.now().since(tracks.at))
        {
            break;
        }
    }
    Ok(())
}
