//! Which frames of a camera are wanted, when fewer are than it gives.
//!
//! Pure. Called for each decoded frame by [`super::flow`].

use std::time::Duration;

/// Picks frames so that no more than a given number come in a second, evenly, as far as the camera's own rate allows.
#[derive(Debug)]
pub(super) struct Picker {
    period: Option<Duration>,
    due: Option<Duration>,
}

impl Picker {
    /// At most `rate` frames per second; every one when absent.
    pub(super) fn new(rate: Option<f64>) -> Self {
        Picker { period: rate.map(|rate| Duration::from_secs_f64(rate.recip())), due: None }
    }

    /// Whether the frame of this time, later than those before, is wanted.
    pub(super) fn wants(&mut self, at: Duration) -> bool {
        let Some(period) = self.period else { return true };
        match self.due {
            Some(due) if at < due => false,
            // Keeps to the grid, so that the mean is right; after a pause a new grid begins.
            Some(due) if at < due + period => {
                self.due = Some(due + period);
                true
            }
            _ => {
                self.due = Some(at + period);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of the wanted frames of a camera with `fps` during `seconds`.
    fn wanted(rate: Option<f64>, fps: u64, seconds: u64) -> Vec<u64> {
        let mut picker = Picker::new(rate);
        (0..fps * seconds)
            .map(|n| n * 1000 / fps)
            .filter(|&ms| picker.wants(Duration::from_millis(ms)))
            .collect()
    }

    #[test]
    fn the_mean_rate_is_the_wanted_one() {
        assert_eq!(wanted(None, 25, 2).len(), 50);
        for (rate, fps, expected) in
            [(10.0, 25, 100), (5.0, 30, 50), (12.0, 25, 120), (25.0, 10, 100), (0.5, 25, 5)]
        {
            let count = wanted(Some(rate), fps, 10).len();
            assert!(count.abs_diff(expected) <= 1, "{rate} of {fps}: {count}");
        }
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut picker = Picker::new(Some(2.0));
        let frames = [0, 100, 500, 5000, 5100, 5400, 5500];
        let wants: Vec<bool> = frames.iter().map(|&ms| picker.wants(Duration::from_millis(ms))).collect();
        assert_eq!(wants, [true, false, true, true, false, false, true]);
    }
}
