//! How somebody holds themselves: on their feet, upright, lying; and how they came to lie.
//!
//! [`super::Person`] gives it a [`Look`] for every pose, or for every box while there are no poses.
//!
//! What cannot be told from one picture: somebody who falls or lies in the line of sight has a torso that looks upright,
//! only shorter, and counts as crouching. Whose legs are never seen does not lie by their torso alone: bending over behind
//! a counter looks the same.

use super::joints::{Body, Joint, Position};
use super::kinematics::{Edges, share};
use super::parameters::Parameters;

/// The length of a torso, from the middle of the shoulders to that of the hips, in body heights (Winter, *Biomechanics
/// and Motor Control of Human Movement*, 4th ed. 2009, figure 4.1: 0.818 - 0.53).
const TORSO: f32 = 0.288;
/// From the shoulders down to the ankles, likewise (0.818 - 0.039), and from the nose, which we take to be at 0.91.
const NOSE_TO_ANKLES: f32 = 0.87;
const SHOULDERS_TO_ANKLES: f32 = 0.78;
/// From the hips down to the knees against down to the ankles.
const KNEES_OF_LEGS: f32 = 0.5;
/// Who stands has legs that reach this many torsos down. It is 1.7 for straight legs and 0.9 on a chair.
const STANDING_LEGS: f32 = 1.35;
/// Torsos closer to vertical than this tell the body's height, in degrees.
const HEIGHT_ANGLE: f32 = 25.0;
/// A box as high as this many body heights shows nobody lying, whatever joints say; and the softness of that.
const TALL_BOX: (f32, f32) = (0.88, 0.03);
/// How sure a box alone can be.
const BOX_TRUST: f32 = 0.9;
/// Who is down was lying in so many looks in a row, since one may be a mistake, or in one on which joints and box agree.
const LEAST_LOOKS: u32 = 2;
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

/// What one pose or one box says, each 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Lies on the ground or near it.
    pub(super) lying: f32,
    /// The torso is upright and not on the ground.
    pub(super) upright: f32,
    /// Stands on both feet, bent over or not; nothing when the legs are not seen.
    pub(super) on_feet: Option<f32>,
    /// Whether joints and box agree on lying.
    pub(super) confirmed: bool,
}

/// What a body's torso and legs measure, lengths in image heights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Build {
    /// Angle of the torso against the vertical, 0 to 180 degrees.
    angle: f32,
    torso: f32,
    /// Height of the hips above the ankles, when legs were seen.
    hips: Option<f32>,
    /// Height of the hips above the lower ankle.
    stance: Option<f32>,
    /// Height of the hips above the knees.
    thighs: Option<f32>,
    /// Body height by this body, when it stands.
    pub(super) height: Option<f32>,
}

impl Build {
    /// Nothing when the torso was not seen, or has no length.
    pub(super) fn of(body: &Body) -> Option<Self> {
        let shoulders = middle(body, Joint::LeftShoulder, Joint::RightShoulder)?;
        let hip = middle(body, Joint::LeftHip, Joint::RightHip)?;
        let (across, down) = ((hip.x - shoulders.x).abs(), hip.y - shoulders.y);
        let angle = across.atan2(down).to_degrees();
        let torso = across.hypot(down);
        if !(torso > 0.0 && torso.is_finite()) {
            return None;
        }
        let lowest = |a: Joint, b: Joint| {
            let (a, b) = (body.joint(a), body.joint(b));
            a.into_iter().chain(b).map(|at| at.y).reduce(f32::max)
        };
        // The leg that is stood on: a runner's other foot is at the height of the knee.
        let stance = lowest(Joint::LeftAnkle, Joint::RightAnkle).map(|ankle| ankle - hip.y);
        let ankles = middle(body, Joint::LeftAnkle, Joint::RightAnkle).map(|at| at.y - hip.y);
        let thighs = middle(body, Joint::LeftKnee, Joint::RightKnee).map(|at| at.y - hip.y);
        let stands = |stance: f32| angle < HEIGHT_ANGLE && stance > STANDING_LEGS * torso;
        let height = stance.filter(|stance| stands(*stance)).map(|stance| stance + hip.y).map(|ankles| {
            match body.joint(Joint::Nose) {
                Some(nose) => (ankles - nose.y) / NOSE_TO_ANKLES,
                None => (ankles - shoulders.y) / SHOULDERS_TO_ANKLES,
            }
        });
        Some(Build {
            angle,
            torso,
            hips: ankles.or(thighs.map(|thighs| thighs / KNEES_OF_LEGS)),
            stance,
            thighs,
            height,
        })
    }

    /// Body height by the torso alone.
    pub(super) fn height_of_torso(&self) -> f32 {
        self.torso / TORSO
    }

    /// What it says of somebody `height` image heights tall, in `edges`.
    pub(super) fn look(&self, height: f32, edges: Option<&Edges>, parameters: &Parameters) -> Look {
        let horizontal = above(self.angle, parameters.lying_angle);
        let vertical = below(self.angle, parameters.upright_angle);
        let Some(hips) = self.hips.map(|hips| hips / height) else {
            return Look { lying: 0.4 * horizontal, upright: vertical, on_feet: None, confirmed: false };
        };
        let tall = edges
            .filter(|edges| !edges.cut_down)
            .map_or(1.0, |edges| below(edges.height() / height, TALL_BOX));
        let on_feet = self.thighs.map(|thighs| {
            let stance = self.stance.unwrap_or(thighs / KNEES_OF_LEGS);
            above(stance / height, parameters.feet_hips) * above(thighs / height, parameters.feet_thighs)
        });
        let by_box = edges.and_then(|edges| look_at_box(edges, height, parameters));
        Look {
            lying: horizontal * below(hips, parameters.lying_hips) * tall,
            upright: vertical * above(hips, parameters.upright_hips),
            on_feet,
            confirmed: by_box.is_some_and(|look| look.lying >= 0.5),
        }
    }
}

/// What a box alone says of somebody `height` image heights tall; nothing when the border cuts it.
pub(super) fn look_at_box(edges: &Edges, height: f32, parameters: &Parameters) -> Option<Look> {
    if edges.cut_down || edges.cut_across {
        return None;
    }
    let wide = above(edges.width() / edges.height(), parameters.lying_box);
    let of_height = edges.height() / height;
    let low = below(of_height, parameters.lying_height);
    Some(Look {
        lying: BOX_TRUST * wide * low,
        upright: (1.0 - wide) * (1.0 - low),
        on_feet: Some(above(of_height, parameters.feet_height)),
        confirmed: false,
    })
}

/// The middle of two joints, or the one that was seen.
fn middle(body: &Body, a: Joint, b: Joint) -> Option<Position> {
    match (body.joint(a), body.joint(b)) {
        (Some(a), Some(b)) => Some(Position { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 }),
        (a, b) => a.or(b),
    }
}

/// Somebody who is down.
#[derive(Clone, Copy, Debug)]
struct Down {
    fell: bool,
    for_s: f32,
    /// For how long they have been upright again.
    upright_s: f32,
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
    lying: f32,
    upright: f32,
    on_feet: f32,
    seen: bool,
    /// For how long they have been on their feet and upright, all in all, since they were down.
    stood_s: f32,
    /// How long ago they were last seen so.
    since_stood_s: f32,
    /// How many looks in a row, and for how long, they have been lying; they began to at any time in the gap before.
    lying_looks: u32,
    lying_s: f32,
    gap_s: f32,
    down: Option<Down>,
}

impl Posture {
    /// Of somebody not seen yet, who is taken to be on their feet.
    pub(super) fn new() -> Self {
        Posture {
            lying: 0.0,
            upright: 1.0,
            on_feet: 1.0,
            seen: false,
            stood_s: 0.0,
            since_stood_s: 0.0,
            lying_looks: 0,
            lying_s: 0.0,
            gap_s: 0.0,
            down: None,
        }
    }

    /// Takes in a look, `dt_s` seconds after the last one.
    pub(super) fn see(&mut self, look: Look, dt_s: f32, parameters: &Parameters) {
        let first = !std::mem::replace(&mut self.seen, true);
        let follows = if first { 1.0 } else { share(dt_s, parameters.posture_follows) };
        // Who is down gets up more slowly than they fall.
        let calmer = if self.down.is_some() { parameters.calm_follows } else { parameters.posture_follows };
        let lying_follows = if first { 1.0 } else { share(dt_s, calmer) };
        self.lying += (look.lying - self.lying) * lying_follows;
        self.upright += (look.upright - self.upright) * follows;
        if let Some(on_feet) = look.on_feet {
            let follows = if first { 1.0 } else { share(dt_s, parameters.calm_follows) };
            self.on_feet += (on_feet - self.on_feet) * follows;
        }
        if look.lying >= 0.5 {
            if self.lying_looks == 0 {
                self.gap_s = dt_s;
            } else {
                self.lying_s += dt_s;
            }
            self.lying_looks = self.lying_looks.saturating_add(if look.confirmed { LEAST_LOOKS } else { 1 });
        } else {
            (self.lying_looks, self.lying_s) = (0, 0.0);
        }
        let Some(down) = &mut self.down else { return self.see_up(look, dt_s, parameters) };
        down.for_s += dt_s;
        down.upright_s = if self.upright >= 0.5 { down.upright_s + dt_s } else { 0.0 };
        if down.upright_s >= parameters.up_again.as_secs_f32() {
            self.down = None;
            (self.stood_s, self.since_stood_s) = (0.0, 0.0);
        }
    }

    /// A look at somebody who is not down, or just goes down.
    fn see_up(&mut self, look: Look, dt_s: f32, parameters: &Parameters) {
        if look.upright >= 0.5 && look.on_feet.is_some_and(|on_feet| on_feet >= 0.5) {
            self.stood_s += dt_s;
            self.since_stood_s = 0.0;
        } else {
            self.since_stood_s += dt_s;
        }
        if self.lying >= 0.5 && self.lying_looks >= LEAST_LOOKS {
            let took_s = self.since_stood_s - self.lying_s - self.gap_s / 2.0;
            let fell = self.stood_s >= parameters.fall_stood.as_secs_f32()
                && took_s <= parameters.fall_within.as_secs_f32();
            self.down = Some(Down { fell, for_s: 0.0, upright_s: 0.0 });
        }
    }

    /// Whether somebody is more likely on their feet than not, down or seated, 0..=1.
    pub(super) fn on_feet(&self) -> f32 {
        self.on_feet
    }

    /// Whether somebody lies rather than not.
    pub(super) fn is_lying(&self) -> bool {
        self.down.is_some() || self.lying >= 0.3
    }

    /// Whether somebody is down. Who fell is so until they are up again, though they crawl or sit on the ground meanwhile.
    pub(super) fn lying(&self, parameters: &Parameters) -> Lying {
        match self.down {
            Some(Down { fell: true, for_s, upright_s }) => Lying {
                kind: if for_s < parameters.fall_lasts.as_secs_f32() { Kind::Fall } else { Kind::Fallen },
                probability: SUREST - 0.4 * (upright_s / parameters.up_again.as_secs_f32()).min(1.0),
            },
            _ => Lying { kind: Kind::Lie, probability: self.lying.min(SUREST) },
        }
    }
}
