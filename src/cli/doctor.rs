//! `spotter doctor`: what an installer would look at.

pub(super) mod json;

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spotter::doctor::{Check, Examination, Progress, Report, Verdict, examine};

use super::Outcome;
use super::output::{OutputError, say};

/// Checks everything that an installer would: is this machine fit for the configuration?
///
/// Looks at the configuration, GStreamer's plug-ins and decoders (each is given a short clip), the runtime library and the
/// models, the clock, the disk, permissions, the broker, and every camera: connects to it, measures its frame rate and
/// saves its first frame as CAMERA.jpg. Privacy masks are blacked out. Run it as the user whom the service runs as; a
/// daemon that runs meanwhile goes on.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
    /// Where to save the cameras' pictures; a new folder for temporary files without.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// How long to count the frames of each camera.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let pictures = folder(arguments.pictures.as_deref())?;
    let examination = Examination {
        config: &arguments.config,
        pictures: &pictures,
        measure: Duration::from_secs(arguments.seconds),
    };
    let spinner = spinner();
    let mut printed: Result<(), OutputError> = Ok(());
    let report = examine(&examination, &mut |progress| match progress {
        Progress::Looks(area) => {
            spinner.set_message(area.to_string());
            if !arguments.json && printed.is_ok() {
                printed = spinner.suspend(|| say!("{area}"));
            }
        }
        Progress::Found(check) if !arguments.json && printed.is_ok() => {
            printed = spinner.suspend(|| say!("{}", line(check)));
        }
        Progress::Found(_) => {}
    });
    spinner.finish_and_clear();
    printed?;
    if arguments.json {
        say!("{:#}", json::report(&report, &pictures))?;
    } else {
        say!("\n{}", summary(&report, &pictures))?;
    }
    Ok(match (report.bad_configuration, report.is_well()) {
        (true, _) => Outcome::BadConfiguration,
        (false, true) => Outcome::Done,
        (false, false) => Outcome::Bad,
    })
}

/// Makes sure that there is a folder for pictures.
fn folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    match asked {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
            Ok(folder.to_path_buf())
        }
        None => {
            let made = tempfile::Builder::new().prefix("spotter-doctor-").tempdir();
            Ok(made.context("cannot make a folder for pictures: name one with --pictures")?.keep())
        }
    }
}

/// Turns while something is looked at, where somebody sees it.
fn spinner() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style =
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// A check as a line, and a second one for what to do.
fn line(check: &Check) -> String {
    let Check { name, verdict, text, advice, .. } = check;
    let line = format!("  {:8} {name}: {text}", verdict.to_string());
    match advice {
        Some(advice) => format!("{line}\n           -> {advice}"),
        None => line,
    }
}

fn summary(report: &Report, pictures: &Path) -> String {
    let (failures, warnings) = (report.count(Verdict::Failure), report.count(Verdict::Warning));
    let verdict = match (failures, warnings) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("all is well, with {warnings} to look at (warning)"),
        (failures, warnings) => {
            format!("not well: {failures} failed (failure), {warnings} to look at (warning)")
        }
    };
    let saved = report.checks.iter().filter(|check| check.facts.is_some()).count();
    if saved == 0 { verdict } else { format!("{verdict}; pictures are in {}", pictures.display()) }
}
