//! How much speaks for a thing: sums over the frames that showed it or did not.

use super::config::Confirmation;

/// Sums of evidence. What a sighting is worth depends on whether the thing stands, which is known only later; so what
/// is summed is the log-odds of scores, and the neutral score's are taken off when the sum is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// Log-odds of the scores.
    log_odds: f32,
    /// Independent looks that showed it.
    seen: f32,
    /// Independent looks that did not.
    missed: f32,
}

/// What evidence is measured against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// It has moved.
    Moved,
    /// It stands, and is of an animate class.
    StandingAnimate,
    /// It stands, and is of a class that may.
    StandingInanimate,
}

impl Evidence {
    /// The first sighting.
    pub(super) fn first(score: f32, config: &Confirmation) -> Self {
        Evidence { log_odds: config.first_look * log_odds(score), seen: config.first_look, missed: 0.0 }
    }

    /// A frame that follows the last one by `dt_s` seconds shows it.
    pub(super) fn see(&mut self, dt_s: f32, score: f32, config: &Confirmation) {
        let share = share(dt_s, config);
        self.log_odds += log_odds(score) * share;
        self.seen += share;
    }

    /// A frame that follows the last one by `dt_s` seconds does not show it.
    pub(super) fn miss(&mut self, dt_s: f32, config: &Confirmation) {
        self.missed += share(dt_s, config);
    }

    /// What it comes to, as log-odds of a thing against clutter.
    pub(super) fn sum(&self, kind: Kind, config: &Confirmation) -> f32 {
        let (neutral, miss) = match kind {
            Kind::Moved => (config.neutral_score, config.miss),
            Kind::StandingAnimate => (config.standing_score, config.standing_miss),
            Kind::StandingInanimate => (config.neutral_score, config.miss),
        };
        self.log_odds - log_odds(neutral) * self.seen - miss * self.missed
    }
}

/// Log-odds of a score; no detector is so sure that one look settles it.
fn log_odds(score: f32) -> f32 {
    let p = score.clamp(0.001, 0.999);
    (p / (1.0 - p)).ln()
}

/// How much of an independent look a frame is that follows the last one by `dt_s` seconds, 0..=1.
fn share(dt_s: f32, config: &Confirmation) -> f32 {
    (dt_s / config.independence.as_secs_f32().max(f32::EPSILON)).min(1.0)
}
