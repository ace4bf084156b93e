//! The command line: one file per command, exit codes, and how the log looks.

mod allocator;
mod bench;
mod check;
mod demo;
mod discover;
mod doctor;
mod eval;
mod footage;
mod inside;
mod journal;
mod log;
mod manual;
mod models;
mod output;
mod probe;
mod quiet;
mod ranges;
mod reload;
mod replay;
mod run;
mod schema;
mod watch;

use std::env::VarError;
use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use spotter::capture::raise_limits;
use spotter::daemon::{bear_full_files, exit_at_once};
use tracing_subscriber::EnvFilter;

use log::complain;
use output::OutputError;

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
    after_long_help = manual::SPOTTER
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(after_long_help = manual::RUN)]
    Run(run::Arguments),
    #[command(after_long_help = manual::RELOAD)]
    Reload(reload::Arguments),
    #[command(after_long_help = manual::CHECK)]
    Check(check::Arguments),
    #[command(after_long_help = manual::DOCTOR)]
    Doctor(doctor::Arguments),
    #[command(after_long_help = manual::MODELS)]
    Models(models::Arguments),
    #[command(after_long_help = manual::DISCOVER)]
    Discover(discover::Arguments),
    #[command(after_long_help = manual::PROBE)]
    Probe(probe::Arguments),
    #[command(after_long_help = manual::REPLAY)]
    Replay(replay::Arguments),
    #[command(after_long_help = manual::DEMO)]
    Demo(demo::Arguments),
    #[command(after_long_help = manual::BENCH)]
    Bench(bench::Arguments),
    #[command(after_long_help = manual::WATCH)]
    Watch(watch::Arguments),
    #[command(after_long_help = manual::SCHEMA)]
    Schema(schema::Arguments),
    #[command(after_long_help = manual::EVAL)]
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

impl Outcome {
    fn code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Bad => 1,
            Outcome::BadConfiguration => 78,
        }
    }
}

/// Does what the arguments say.
pub fn main() -> ExitCode {
    quiet::settle();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
    };
    let default = match arguments.command {
        Command::Run(_) => "info",
        _ => "warn",
    };
    match filter(default) {
        Ok(filter) => log::start(filter),
        Err(error) => {
            complain!("spotter: {error:#}");
            return ExitCode::from(2);
        }
    }
    raise_limits();
    if let Err(error) = bear_full_files() {
        complain!("spotter: cannot take the signal of a file that is too large: {error}");
    }
    let may_leave_threads = matches!(
        arguments.command,
        Command::Run(_) | Command::Doctor(_) | Command::Models(_) | Command::Probe(_)
    );
    let outcome = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Discover(arguments) => discover::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
    };
    let code = match outcome {
        Ok(outcome) => outcome.code(),
        Err(error) if matches!(error.downcast_ref(), Some(OutputError::Closed)) => 0,
        Err(error) => {
            complain!("spotter: {error:#}");
            1
        }
    };
    if may_leave_threads {
        // A camera's or a decoder's that hangs, for which the exit handlers of libraries would wait.
        drop(stdout().flush());
        exit_at_once(code.into());
    }
    ExitCode::from(code)
}

/// What of the log is wanted: what SPOTTER_LOG asks for, or else what is `default` or worse.
fn filter(default: &str) -> anyhow::Result<EnvFilter> {
    match std::env::var("SPOTTER_LOG") {
        Ok(asked) if !asked.trim().is_empty() => {
            // Its display holds its cause already.
            EnvFilter::try_new(&asked)
                .map_err(|error| anyhow::anyhow!("SPOTTER_LOG={asked:?} is wrong: {error}"))
        }
        Err(error @ VarError::NotUnicode(_)) => Err(error).context("SPOTTER_LOG is wrong"),
        Ok(_) | Err(VarError::NotPresent) => {
            Ok(EnvFilter::new(format!("warn,rumqttd=off,spotter={default}")))
        }
    }
}

/// Ends a command line that asks for help, or that is wrong.
fn answer(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    match error.print().map_err(OutputError::from) {
        Ok(()) | Err(OutputError::Closed) => ExitCode::from(code),
        Err(error) => {
            complain!("spotter: {error}");
            ExitCode::from(code.max(1))
        }
    }
}
