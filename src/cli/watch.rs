//! `spotter watch`: see and check every message at a broker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use spotter::config::{Broker, Config, Mqtt, MqttVersion, Tls, visible};
use spotter::daemon::{Signals, stop_on_signals};
use spotter::publish::line;
use spotter::publish::subscriber::{Heard, Received, Subscriber};

use super::log::complain;
use super::output::{OutputError, say};
use super::ranges::YEAR_S;
use super::{Outcome, run::refuse};

/// Subscribes to a broker, checks every message against the contract and prints it.
///
/// Prints one line for each message and one for everything that breaks the contract: a payload that is not what its
/// topic promises, a sequence number that is missing or comes twice, an update or an end without a start. Ends on
/// Ctrl-C or after `--seconds` with a summary on standard error, a line for each run of a node and one for all; exits
/// with 1 when anything broke the contract.
#[derive(clap::Args)]
pub struct Arguments {
    /// The broker, such as mqtt://localhost, mqtts://host:8883 or ws://host:8080/mqtt.
    #[arg(short, long, value_name = "URL", default_value = "mqtt://localhost", conflicts_with = "config")]
    broker: Broker,
    /// The version of MQTT to speak.
    #[arg(long, value_name = "VERSION", default_value = "5", conflicts_with = "config")]
    mqtt_version: MqttVersion,
    /// First part of every topic.
    #[arg(long, value_name = "TOPIC", default_value = "spotter/v1", conflicts_with = "config")]
    root: String,
    /// Take broker, login and root from this configuration instead.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop after so many seconds.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=YEAR_S))]
    seconds: Option<u64>,
    /// Print the JSON as it came instead of a readable line.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mqtt = match &arguments.config {
        None => {
            let Broker { tls, web, host, port } = arguments.broker.clone();
            let (tls, version) = (tls.then(Tls::default), arguments.mqtt_version);
            Mqtt { version, tls, web, host, port, root: arguments.root.clone(), ..Mqtt::default() }
        }
        Some(path) => match Config::load(path) {
            Ok(config) => config.mqtt,
            Err(error) => return Ok(refuse(path, &error)),
        },
    };
    let interrupted = on_interrupt()?;
    let deadline = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let subscriber = Subscriber::new(&mqtt)?;
    let mut subscriber = if arguments.config.is_some() { subscriber } else { subscriber.by_flags() };
    while !interrupted.load(Ordering::Relaxed) && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        match subscriber.next(Duration::from_millis(200)) {
            Some(Heard::Received(received)) => print(&received, arguments.json)?,
            Some(Heard::Subscribed) => {
                complain!("subscribed to {}/# at {}", mqtt.root, mqtt.address())
            }
            Some(Heard::Lost(why)) => complain!("{why}; trying again"),
            Some(Heard::Refused(why)) => anyhow::bail!(why),
            None => {}
        }
    }
    subscriber.runs().iter().for_each(|run| complain!("{run}"));
    let summary = subscriber.summary();
    complain!("{summary}");
    Ok(if summary.violations > 0 { Outcome::Bad } else { Outcome::Done })
}

/// Whether Ctrl-C or SIGTERM came, for as long as this lives.
pub(super) struct Interrupted {
    flag: Arc<AtomicBool>,
    _signals: Signals,
}

impl std::ops::Deref for Interrupted {
    type Target = AtomicBool;

    fn deref(&self) -> &AtomicBool {
        &self.flag
    }
}

/// A flag that Ctrl-C and SIGTERM set.
pub(super) fn on_interrupt() -> anyhow::Result<Interrupted> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let signals = stop_on_signals(move || set.store(true, Ordering::Relaxed))?;
    Ok(Interrupted { flag, _signals: signals })
}

/// Prints a message and what is wrong with it.
pub(super) fn print(received: &Received, json: bool) -> Result<(), OutputError> {
    match &received.message {
        Some(message) if !json => say!("{}", line(message))?,
        _ if json => say!("{} {}", received.topic, received.payload)?,
        None if received.payload.is_empty() => say!("{} cleared", visible(&received.topic))?,
        _ => say!("{} {}", visible(&received.topic), visible(&received.payload))?,
    }
    received.violations.iter().try_for_each(|violation| say!("  ! {}: {violation}", visible(&received.topic)))
}
