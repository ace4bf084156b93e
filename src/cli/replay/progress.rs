//! How far a replay is: a bar for a terminal, a line now and then for a log.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::log::complain;

/// Pause between two lines in a log.
const LINE_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Progress {
    begun: Instant,
    total: Option<Duration>,
    bar: Option<ProgressBar>,
    last_line: Cell<Instant>,
}

impl Progress {
    /// Begins; `total` is how long the file plays, when it says so.
    pub(super) fn start(total: Option<Duration>) -> Self {
        let begun = Instant::now();
        let bar = stderr().is_terminal().then(|| match total {
            Some(total) => {
                let bar = ProgressBar::with_draw_target(Some(millis(total)), ProgressDrawTarget::stderr());
                bar.with_style(
                    ProgressStyle::with_template("{msg:>24} [{bar:40}] {percent:>3} %, {eta} left")
                        .expect("the template is fixed and valid")
                        .progress_chars("=> "),
                )
            }
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
        });
        Progress { begun, total, bar, last_line: Cell::new(begun) }
    }

    /// `at` of the file is reached after `frames` frames.
    pub(super) fn at(&self, at: Duration, frames: u64) {
        let rate = frames as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{frames} frames, {rate:.1}/s"));
            bar.set_position(millis(at));
        } else if self.last_line.get().elapsed() >= LINE_PAUSE {
            self.last_line.set(Instant::now());
            let of = self.total.map(|total| format!(" of {:.0}", total.as_secs_f64())).unwrap_or_default();
            complain!("{:.0}{of} s, {frames} frames, {rate:.1} per second", at.as_secs_f64());
        }
    }

    /// Ends; gives how long it took.
    pub(super) fn finish(&self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.begun.elapsed()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
