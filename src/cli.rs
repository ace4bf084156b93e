//! The command line: one file per command, exit codes, and how the log looks.

mod check;
mod demo;
mod eval;
mod footage;
mod replay;
mod run;
mod watch;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Edge video tagger: recognises objects on camera streams and publishes tags over MQTT.
///
/// Spotter pulls frames through GStreamer, recognises objects with ONNX Runtime, follows them over time and publishes a
/// tag when a thing is there, when it has changed and when it is gone. Video stays on the device.
#[derive(Parser)]
#[command(
    name = "spotter",
    version,
    max_term_width = 110,
    after_help = "Start with `spotter demo`, then `spotter run --help`.",
    after_long_help = "\
EXIT STATUS
    0    it did what it was asked to
    1    it failed; the last line says why
    2    the command line is wrong
    78   the configuration is wrong; every error has its line

ENVIRONMENT
    SPOTTER_LOG      what to log, such as `debug` or `spotter::capture=trace` (default: `info`)
    ORT_DYLIB_PATH   the ONNX Runtime library, unless the configuration names one
    GST_DEBUG        GStreamer's own log

EXAMPLES
    spotter demo
        See tags of real footage arrive at a subscriber, with nothing set up.
    spotter check --config /etc/spotter/spotter.toml && spotter run --config /etc/spotter/spotter.toml
        Run as a daemon.
    spotter replay clip.avi --tags tags.jsonl --picture tracks.jpg
        See what it makes of a file.
    spotter watch --broker mqtt://localhost
        See and check every message of every node at a broker."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Replay(replay::Arguments),
    Demo(demo::Arguments),
    Watch(watch::Arguments),
    Eval(eval::Arguments),
}

/// How a command that did not fail ends.
enum Outcome {
    /// It did what it was asked to.
    Done,
    /// It went through, and what it found is not good; it has said what.
    Bad,
    /// The configuration is wrong; it has said how (`EX_CONFIG` of sysexits.h).
    BadConfiguration,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Bad => ExitCode::FAILURE,
            Outcome::BadConfiguration => ExitCode::from(78),
        }
    }
}

/// Does what the arguments say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr(match arguments.command {
        Command::Run(_) => "info",
        _ => "warn",
    });
    let outcome = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("spotter: {error:#}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_env("SPOTTER_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,rumqttd=off,rumqttc=off,spotter={default}")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}
