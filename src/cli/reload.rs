//! `spotter reload`: asks the running daemon to apply its changed configuration.

use std::path::PathBuf;

use spotter::daemon::{Outcome as Reloaded, ask_to_reload};

use super::Outcome;
use super::log::complain;
use super::output::say;

/// Has the running daemon apply its configuration file, and prints what came of it.
///
/// The daemon that was started with this file reads it again. A configuration with any error is refused whole: every error
/// is printed, and the daemon goes on as before. SIGHUP does the same, with the outcome in the log. Asking is for the
/// daemon's own user and for root.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration that the daemon was started with.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/spotter/spotter.toml")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let path = arguments.config.display();
    match ask_to_reload(&arguments.config)? {
        Reloaded::Applied(what) => {
            say!("{path}: applied; {what}")?;
            Ok(Outcome::Done)
        }
        Reloaded::Refused(problems) => {
            for problem in problems {
                complain!("{path}: {problem}");
            }
            Ok(Outcome::BadConfiguration)
        }
        Reloaded::Failed(why) => anyhow::bail!("{why}"),
    }
}
