//! How somebody holds themselves over time: on their feet, seated, down; and how they came to be down.
//!
//! [`super::Person`] gives it what the posture classifier says of every moment. The classifier sees two seconds and tells a
//! fall from lying down; what has to be remembered for longer is here: who fell is down until they are up again.

mod classifier;
mod window;

use super::kinematics::share;
use super::parameters::Parameters;

pub use classifier::{ClassifyPosture, PostureClassifier, Roles};
pub use window::PostureWindow;
pub(super) use window::Seen;

/// A person counts as down after this number of moments in a row. One moment may be a mistake.
const LEAST_LOOKS: u32 = 2;
/// A person who vanishes has fallen when the probability that they were going down was at least this.
const VANISHED: f32 = 0.25;
/// A person who is down has fallen when this is as many times as likely as that they lay down.
const FELL: f32 = 2.5;
/// Nothing of posture is surer than this.
const SUREST: f32 = 0.95;

/// A soft step from 0 to 1 at an edge with a softness.
pub(super) fn above(value: f32, (edge, softness): (f32, f32)) -> f32 {
    1.0 / (1.0 + ((edge - value) / softness).exp())
}

/// A soft step from 1 to 0.
pub(super) fn below(value: f32, edge: (f32, f32)) -> f32 {
    1.0 - above(value, edge)
}

/// What the classifier says of one moment, each 0..=1; the rest is other postures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// On their feet.
    pub(super) up: f32,
    pub(super) lie: f32,
    /// Falls, or has just fallen.
    pub(super) fall: f32,
}

impl Look {
    fn down(&self) -> f32 {
        self.lie + self.fall
    }

    /// Whether who is down fell: a false alarm costs more than a fall that is told as lying.
    fn fell(&self) -> bool {
        self.fall >= FELL * self.lie
    }
}

/// Somebody who is down.
#[derive(Clone, Copy, Debug)]
struct Down {
    /// They went down faster than who lies down.
    quick: bool,
    fell: bool,
    for_s: f32,
    /// For how long they have been on their feet again, and for how long neither lying nor falling.
    up_s: f32,
    not_lying_s: f32,
}

/// What somebody's being down is called, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lying {
    pub(super) kind: Kind,
    /// 0..=1; the rest is not down.
    pub(super) probability: f32,
}

/// The ways to be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fall,
    Fallen,
    Lie,
}

/// Posture over time.
#[derive(Clone, Debug)]
pub(super) struct Posture {
    /// What was seen last, smoothed.
    look: Look,
    seen: bool,
    /// How many moments in a row they have been down.
    down_looks: u32,
    /// For how long they have been neither on their feet nor down, and how long ago they were last on their feet or had been
    /// seated for a while.
    seated_s: f32,
    unsteady_s: f32,
    down: Option<Down>,
}

impl Posture {
    /// Of somebody not seen yet, who is taken to be on their feet.
    pub(super) fn new() -> Self {
        Posture {
            look: Look { up: 1.0, lie: 0.0, fall: 0.0 },
            seen: false,
            down_looks: 0,
            seated_s: 0.0,
            unsteady_s: 0.0,
            down: None,
        }
    }

    /// Takes in a moment, `dt_s` seconds after the last one.
    pub(super) fn see(&mut self, look: Look, dt_s: f32, parameters: &Parameters) {
        let first = !std::mem::replace(&mut self.seen, true);
        let follows = if first { 1.0 } else { share(dt_s, parameters.posture_follows) };
        // Who is down gets up more slowly than they fall.
        let calmer = if self.down.is_some() { parameters.calm_follows } else { parameters.posture_follows };
        let down_follows = if first { 1.0 } else { share(dt_s, calmer) };
        self.look.up += (look.up - self.look.up) * follows;
        self.look.lie += (look.lie - self.look.lie) * down_follows;
        self.look.fall += (look.fall - self.look.fall) * down_follows;
        let seated = look.up + look.down() < 0.5;
        self.seated_s = if seated { self.seated_s + dt_s } else { 0.0 };
        let steady = look.up >= 0.5 || self.seated_s >= parameters.seated_before.as_secs_f32();
        self.unsteady_s = if steady { 0.0 } else { self.unsteady_s + dt_s };
        self.down_looks = if look.down() >= 0.5 { self.down_looks.saturating_add(1) } else { 0 };
        match &mut self.down {
            None if self.look.down() >= 0.5 && self.down_looks >= LEAST_LOOKS => {
                let quick = self.unsteady_s <= parameters.fall_within.as_secs_f32();
                let fell = quick && self.look.fell();
                self.down = Some(Down { quick, fell, for_s: 0.0, up_s: 0.0, not_lying_s: 0.0 });
            }
            None => {}
            Some(down) => {
                down.go_on(&self.look, dt_s, parameters);
                if down.is_over(parameters) {
                    self.down = None;
                }
            }
        }
    }

    /// They are not seen any more: who vanishes while they fall has fallen.
    pub(super) fn vanish(&mut self) {
        if self.down.is_none() && self.look.down() >= VANISHED && self.look.fall >= self.look.lie {
            self.down = Some(Down { quick: true, fell: true, for_s: 0.0, up_s: 0.0, not_lying_s: 0.0 });
        }
    }

    /// Time goes on while they are not seen.
    pub(super) fn wait(&mut self, dt_s: f32) {
        if let Some(down) = &mut self.down {
            down.for_s += dt_s;
        }
    }

    /// They are somebody who fell before, and was lost.
    pub(super) fn has_fallen(&mut self, parameters: &Parameters) {
        let for_s = parameters.fall_lasts.as_secs_f32();
        self.down = Some(Down { quick: true, fell: true, for_s, up_s: 0.0, not_lying_s: 0.0 });
    }

    /// Whether somebody is down, however they came to be.
    pub(super) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Whether somebody fell, and is not up again.
    pub(super) fn fell(&self) -> bool {
        self.down.is_some_and(|down| down.fell)
    }

    /// Whether somebody is more likely on their feet than not.
    pub(super) fn is_up(&self) -> bool {
        self.look.up >= 0.5
    }

    /// Whether somebody may be down, or on the way there, as everybody is who has just left their feet.
    pub(super) fn may_be_down(&self, parameters: &Parameters) -> bool {
        let leaves_feet = self.unsteady_s > 0.0 && self.unsteady_s <= parameters.fall_within.as_secs_f32();
        self.down.is_some() || self.look.down() >= 0.3 || leaves_feet
    }

    /// Whether somebody is down. Who fell is so until they are up again, though they crawl or sit on the ground meanwhile.
    pub(super) fn lying(&self, parameters: &Parameters) -> Lying {
        match self.down {
            Some(Down { fell: true, for_s, up_s, .. }) => Lying {
                kind: if for_s < parameters.fall_lasts.as_secs_f32() { Kind::Fall } else { Kind::Fallen },
                probability: SUREST - 0.4 * (up_s / parameters.up_again.as_secs_f32()).min(1.0),
            },
            _ => Lying { kind: Kind::Lie, probability: self.look.down().min(SUREST) },
        }
    }
}

impl Down {
    fn go_on(&mut self, look: &Look, dt_s: f32, parameters: &Parameters) {
        self.for_s += dt_s;
        self.up_s = if look.up >= 0.5 { self.up_s + dt_s } else { 0.0 };
        self.not_lying_s = if look.down() < 0.5 { self.not_lying_s + dt_s } else { 0.0 };
        // The first moments of a fall may look like lying down.
        if self.quick && !self.fell && self.for_s <= parameters.fall_told_by.as_secs_f32() && look.fell() {
            (self.fell, self.for_s) = (true, 0.0);
        }
    }

    /// Who lay down is up as soon as they do not lie; who fell, once they are on their feet, or were helped to a seat.
    fn is_over(&self, parameters: &Parameters) -> bool {
        let seated = if self.fell { parameters.seated_again } else { parameters.up_again };
        self.up_s >= parameters.up_again.as_secs_f32() || self.not_lying_s >= seated.as_secs_f32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of somebody who is seen ten times a second: for each pair, looks for so many tenths of a second.
    fn told(script: &[(u32, (f32, f32, f32))]) -> Vec<(u32, Kind)> {
        let (mut posture, parameters) = (Posture::new(), Parameters::default());
        let (mut told, mut tenth): (Vec<(u32, Kind)>, u32) = (Vec::new(), 0);
        for (tenths, (up, lie, fall)) in script {
            for _ in 0..*tenths {
                posture.see(Look { up: *up, lie: *lie, fall: *fall }, 0.1, &parameters);
                let Lying { kind, probability } = posture.lying(&parameters);
                if probability >= 0.5 && told.last().is_none_or(|last| last.1 != kind) {
                    told.push((tenth, kind));
                }
                tenth += 1;
            }
        }
        told
    }

    const UP: (f32, f32, f32) = (0.95, 0.01, 0.01);
    const LIES: (f32, f32, f32) = (0.02, 0.93, 0.02);
    const FALLS: (f32, f32, f32) = (0.05, 0.1, 0.8);
    const SITS: (f32, f32, f32) = (0.05, 0.05, 0.05);

    #[test]
    fn who_falls_has_fallen_until_they_are_up() {
        assert_eq!(told(&[(20, UP), (15, FALLS), (20, LIES)]), [(21, Kind::Fall), (36, Kind::Fallen)]);
        // To sit on the ground for a moment is not to be up, and a second fall is one of its own.
        let script = [(20, UP), (15, FALLS), (20, LIES), (20, SITS), (20, LIES), (30, UP), (15, FALLS)];
        assert_eq!(told(&script), [(21, Kind::Fall), (36, Kind::Fallen), (126, Kind::Fall)]);
    }

    #[test]
    fn who_lies_down_did_not_fall_and_one_look_is_no_fall() {
        assert_eq!(told(&[(20, UP), (20, LIES)]), [(21, Kind::Lie)]);
        assert_eq!(told(&[(20, UP), (1, FALLS), (20, UP)]), []);
        // A fall that looked like lying down at first.
        assert_eq!(told(&[(20, UP), (5, LIES), (10, FALLS)]), [(21, Kind::Lie), (34, Kind::Fall)]);
    }
}
