//! `spotter demo`: everything at once, with nothing set up.

mod scene;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use spotter::config::{Camera, Config, Models, Mqtt, Objects, Runtime, Source};
use spotter::daemon::{Daemon, Event};
use spotter::name::Name;
use spotter::publish::broker::Broker;
use spotter::publish::subscriber::{Heard, Subscriber, Summary};

use super::watch::{on_interrupt, print};
use super::{Outcome, footage};

/// Shows tags arrive at a subscriber: footage plays as a camera, a broker runs inside, and nothing needs setting up.
///
/// What is printed is what an MQTT subscriber receives, checked against the contract. The footage is vtest.avi, which
/// `make setup` takes out of Debian's opencv-doc; without it a scene is generated. Goes on until Ctrl-C or `--seconds`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Stop after so many seconds.
    #[arg(short, long, value_name = "N")]
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
    let broker = Broker::start(None)?;
    let mqtt = Mqtt { host: "127.0.0.1".to_owned(), port: broker.port(), ..Mqtt::default() };
    let config = Config {
        node: Name::new("demo")?,
        runtime: Runtime::default(),
        models: Models::default(),
        mqtt: mqtt.clone(),
        cameras: vec![Camera { name: Name::new(name)?, source, objects: Objects::default() }],
    };
    let mut subscriber = Subscriber::new(&mqtt)?;
    wait_for_subscription(&mut subscriber)?;
    println!("Playing {} as camera `{name}`; a broker runs inside.", config.cameras[0].source);
    println!("Subscribe from another terminal, for as long as this runs:");
    println!("    mosquitto_sub -h 127.0.0.1 -p {} -t '{}/#' -v", broker.port(), mqtt.root);
    println!("Loading the model ...\n");
    let mut daemon = Daemon::start(&config)?;
    println!("time (UTC)    camera        what            phase   score                            latency");

    let deadline = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while !interrupted.load(Ordering::Relaxed) && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        if let Some(Event::Ended(what)) = daemon.watch(Duration::ZERO) {
            anyhow::bail!("{what} ended without being asked to");
        }
        listen(&mut subscriber, Duration::from_millis(100))?;
    }
    println!("\nStopping: every track ends.");
    // The end of every track is published while the daemon stops, so somebody must listen meanwhile.
    let stopping = std::thread::Builder::new().name("stopping".to_owned()).spawn(move || daemon.stop())?;
    while !stopping.is_finished() {
        listen(&mut subscriber, Duration::from_millis(50))?;
    }
    let stopped = stopping.join().map_err(|_| anyhow::anyhow!("the thread `stopping` has panicked"))?;
    while listen(&mut subscriber, Duration::from_millis(300))? {}
    let summary = subscriber.summary();
    println!("\nReceived {summary}.");
    broker.stop();
    stopped?;
    Ok(if is_whole(&summary) { Outcome::Done } else { Outcome::Bad })
}

/// Every start has had its end, and nothing broke the contract.
fn is_whole(summary: &Summary) -> bool {
    summary.violations == 0 && summary.starts == summary.ends
}

fn footage_of(arguments: &Arguments, scratch: &std::path::Path) -> anyhow::Result<(&'static str, Source)> {
    if let Some(path) = &arguments.footage {
        anyhow::ensure!(path.is_file(), "no such file: {}", path.display());
        return Ok(("footage", Source::File { path: path.clone(), repeat: true }));
    }
    match footage::cached("vtest.avi") {
        Some(path) if !arguments.generated => Ok(("carpark", Source::File { path, repeat: true })),
        _ => {
            if !arguments.generated {
                println!("There is no footage (`make setup` fetches it), so this is a generated scene:");
            }
            print!("drawing figures that walk past ");
            let fragment = scene::draw(scratch, |_| {
                print!(".");
                drop(std::io::stdout().flush());
            })?;
            println!();
            Ok(("generated", Source::Pipeline { fragment }))
        }
    }
}

fn wait_for_subscription(subscriber: &mut Subscriber) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        match subscriber.next(Duration::from_millis(200)) {
            Some(Heard::Subscribed) => return Ok(()),
            Some(Heard::Refused(why)) => anyhow::bail!(why),
            Some(Heard::Lost(_) | Heard::Received(_)) | None => {}
        }
    }
    anyhow::bail!("the broker inside does not answer")
}

/// Prints what comes within `timeout`; whether anything came.
fn listen(subscriber: &mut Subscriber, timeout: Duration) -> anyhow::Result<bool> {
    match subscriber.next(timeout) {
        Some(Heard::Received(received)) => print(&received, false),
        Some(Heard::Lost(why)) => println!("{why}"),
        Some(Heard::Refused(why)) => anyhow::bail!(why),
        Some(Heard::Subscribed) => {}
        None => return Ok(false),
    }
    Ok(true)
}
