//! How often a camera usually gives a frame.

/// At most so much longer or shorter does one interval make the usual one.
const STEP: f32 = 1.25;
/// No camera is slower than this; what takes longer is a gap.
const SLOWEST_S: f32 = 4.0;
/// How late a frame may come, in intervals.
const LATE: f32 = 0.5;
/// Intervals between two sightings after which a track is lost, however short they are.
const FRAMES_HIDDEN: f32 = 2.0 + LATE;

/// The usual interval between frames, in seconds; none before the second frame. It follows slowly, so that one long gap
/// remains a gap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(Option<f32>);

impl Pace {
    /// Takes in an interval.
    pub(super) fn learn(&mut self, dt_s: f32) {
        let dt_s = dt_s.min(SLOWEST_S);
        self.0 = Some(self.0.map_or(dt_s, |usual| dt_s.clamp(usual / STEP, usual * STEP)));
    }

    /// How long may pass between two sightings of something that may be hidden for `max_hidden_s`: half an interval more,
    /// for the frame that shows it again comes late.
    pub(super) fn max_hidden_s(&self, max_hidden_s: f32) -> f32 {
        let usual = self.0.unwrap_or(SLOWEST_S);
        (max_hidden_s + LATE * usual).max(FRAMES_HIDDEN * usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gap_is_no_pace_but_many_are() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            pace.learn(0.1);
        }
        pace.learn(10.0);
        assert_eq!(pace.max_hidden_s(1.5), 1.5 + 0.125 / 2.0);
        for _ in 0..20 {
            pace.learn(2.0);
        }
        assert_eq!(pace.max_hidden_s(1.5), 5.0);
        for _ in 0..20 {
            pace.learn(60.0);
        }
        assert_eq!(pace.max_hidden_s(1.5), 10.0);
        assert_eq!(pace.max_hidden_s(30.0), 32.0);
    }
}
