//! Smooths what a clip classifier says of one subject over time.

use std::time::Duration;

use super::Window;
use super::kinematics::share;
use crate::clock::Timestamp;

/// Probabilities, each new one weighted by how much of what it was taken from is new: what overlaps with the clip
/// before by nine tenths says little that is new.
#[derive(Clone, Debug, Default)]
pub(super) struct Smooth {
    at: Option<Timestamp>,
    smoothed: Vec<f32>,
}

impl Smooth {
    /// Takes in the `probabilities` of the clip that spans `window`, and gives the smoothed ones.
    pub(super) fn add(&mut self, at: Timestamp, window: Window, probabilities: &[f32]) -> &[f32] {
        let span = window.to.since(window.from).max(Duration::from_millis(1));
        let since_s = self.at.filter(|before| *before <= at).map(|before| at.since(before).as_secs_f32());
        self.at = Some(at);
        match since_s {
            Some(since_s) => {
                let weight = share(since_s, span);
                for (smoothed, new) in self.smoothed.iter_mut().zip(probabilities) {
                    *smoothed += (new - *smoothed) * weight;
                }
            }
            None => self.smoothed = probabilities.to_vec(),
        }
        &self.smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_that_is_mostly_the_one_before_changes_little() {
        let at = |ms: i64| Timestamp::from_micros(ms * 1000);
        let mut smooth = Smooth::default();
        let mut add = |now_ms: i64, probabilities: [f32; 2]| {
            let window = Window { from: at(now_ms - 1000), to: at(now_ms) };
            smooth.add(at(now_ms), window, &probabilities)[0]
        };
        assert_eq!(add(1000, [1.0, 0.0]), 1.0);
        let soon = add(1100, [0.0, 1.0]);
        assert!((0.88..0.93).contains(&soon), "{soon}");
        let later = add(6100, [0.0, 1.0]);
        assert!(later < 0.01, "{later}");
        // The clock was set back.
        assert_eq!(add(500, [1.0, 0.0]), 1.0);
    }
}
