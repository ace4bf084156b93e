//! A scripted stick figure before a camera: what it does is known, so that what is recognised can be told right or wrong.
//!
//! Forward kinematics in body heights, with the proportions of Winter, *Biomechanics and Motor Control of Human Movement*
//! (4th ed. 2009, figure 4.1), filmed in perspective with noise, missing joints and irregular times. Everything random
//! has a seed.

use std::f32::consts::TAU;
use std::time::Duration;

use spotter::activity::{BODY_JOINTS, Body, Position};
use spotter::clock::Timestamp;
use spotter::geometry::BBox;

/// Width of the image against its height.
pub const ASPECT: f32 = 16.0 / 9.0;
/// Height of the camera above the ground, in body heights.
const CAMERA_HEIGHT: f32 = 1.5;
/// Focal length in image heights. Not what the recogniser assumes.
const FOCAL_LENGTH: f32 = 1.1;

const HIPS: f32 = 0.53;
const SHANK: f32 = 0.246;
const THIGH: f32 = 0.245;
const TORSO: f32 = 0.288;
const SHOULDER: f32 = 0.115;
const HIP: f32 = 0.07;
const ARM: f32 = 0.186;
const FOREARM: f32 = 0.146;
const NOSE: (f32, f32) = (0.05, 0.095);
const HEAD: f32 = 0.182;
/// Thickness of what lies on the ground.
const GROUND: f32 = 0.039;

/// What the puppet can do. Speeds in body heights per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    Stand,
    /// Stands, shifts its weight and moves its hands.
    Fidget,
    Walk(f32),
    Run(f32),
    /// From any posture to the ground, faster and faster; forwards when seen from the side, sideways from the front.
    Fall,
    /// Keeps the posture that it has.
    Stay,
    /// From the ground over a squat.
    GetUp,
    /// Sits down on the ground and leans back.
    LieDown,
    Wave,
    /// Bends over with nearly straight legs, reaches the ground and comes up.
    Pick,
    /// Down onto a chair.
    Sit,
}

/// From where the camera looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    Side,
    /// From the side and twice as far away.
    Far,
    /// It walks towards the camera.
    Front,
}

/// How the camera and the networks see.
#[derive(Clone, Copy, Debug)]
pub struct Filming {
    pub view: View,
    pub fps: f32,
    /// Share of joints missed.
    pub dropped: f32,
    /// Standard deviation of a joint and of a box's edge, in body heights.
    pub noise: f32,
    pub seed: u64,
}

/// What a frame showed.
#[derive(Clone, Debug)]
pub struct Shot {
    pub at: Timestamp,
    pub bbox: BBox,
    pub body: Body,
}

/// Angles in degrees: of the torso against up, of limbs against down, positive to the front; `out` turns arms to the side.
#[derive(Clone, Copy, Debug, Default)]
struct Posture {
    torso: f32,
    /// Of all of it, to the side.
    roll: f32,
    thigh: [f32; 2],
    shank: [f32; 2],
    arm: [f32; 2],
    forearm: [f32; 2],
    arm_out: [f32; 2],
    forearm_out: [f32; 2],
}

impl Posture {
    const STANDING: Posture = Posture {
        torso: 2.0,
        roll: 0.0,
        thigh: [1.0, 1.0],
        shank: [-1.0, -1.0],
        arm: [2.0, 2.0],
        forearm: [10.0, 10.0],
        arm_out: [8.0, 8.0],
        forearm_out: [5.0, 5.0],
    };
    const SQUAT: Posture = Posture {
        torso: 35.0,
        thigh: [95.0, 85.0],
        shank: [-25.0, -35.0],
        arm: [40.0, 40.0],
        ..Posture::STANDING
    };
    const BENT: Posture = Posture {
        torso: 100.0,
        thigh: [12.0, 8.0],
        shank: [-10.0, -12.0],
        arm: [20.0, 5.0],
        forearm: [20.0, 5.0],
        ..Posture::STANDING
    };
    const ON_A_CHAIR: Posture = Posture {
        torso: -5.0,
        thigh: [85.0, 85.0],
        shank: [0.0, 0.0],
        arm: [15.0, 15.0],
        forearm: [70.0, 70.0],
        ..Posture::STANDING
    };
    const ON_THE_GROUND: Posture =
        Posture { torso: -10.0, thigh: [100.0, 95.0], shank: [75.0, 80.0], ..Posture::ON_A_CHAIR };
    const ON_THE_BACK: Posture = Posture {
        torso: -88.0,
        thigh: [89.0, 91.0],
        shank: [89.0, 88.0],
        arm: [85.0, 85.0],
        forearm: [90.0, 90.0],
        ..Posture::STANDING
    };
    const ON_THE_FACE: Posture = Posture {
        torso: 88.0,
        thigh: [-88.0, -90.0],
        shank: [-88.0, -86.0],
        arm: [150.0, 160.0],
        forearm: [100.0, 120.0],
        ..Posture::STANDING
    };
    const ON_THE_SIDE: Posture = Posture { roll: 88.0, thigh: [15.0, 2.0], ..Posture::STANDING };

    const CURLED: Posture =
        Posture { torso: 10.0, roll: 88.0, thigh: [75.0, 65.0], shank: [30.0, 20.0], ..Posture::ON_A_CHAIR };

    fn towards(&self, to: &Posture, share: f32) -> Posture {
        let share = share.clamp(0.0, 1.0);
        let one = |a: f32, b: f32| a + (b - a) * share;
        let two = |a: [f32; 2], b: [f32; 2]| [one(a[0], b[0]), one(a[1], b[1])];
        Posture {
            torso: one(self.torso, to.torso),
            roll: one(self.roll, to.roll),
            thigh: two(self.thigh, to.thigh),
            shank: two(self.shank, to.shank),
            arm: two(self.arm, to.arm),
            forearm: two(self.forearm, to.forearm),
            arm_out: two(self.arm_out, to.arm_out),
            forearm_out: two(self.forearm_out, to.forearm_out),
        }
    }

    /// Along keyframes at shares of the whole, each reached softly.
    fn along(&self, frames: &[(f32, Posture)], share: f32) -> Posture {
        let (mut from, mut at) = (0.0, *self);
        for (until, next) in frames {
            if share < *until {
                return at.towards(next, soft((share - from) / (until - from)));
            }
            (from, at) = (*until, *next);
        }
        at
    }

    /// In the middle of a stride that takes `stride_s`, with legs that swing by `swing` degrees.
    fn striding(now_s: f32, stride_s: f32, swing: f32, flex: f32, lean: f32, elbows: f32) -> Posture {
        let phase = TAU * now_s / stride_s;
        let mut posture = Posture { torso: lean, ..Posture::STANDING };
        for (side, phase) in [phase, phase + TAU / 2.0].into_iter().enumerate() {
            posture.thigh[side] = 4.0 + swing * phase.sin();
            // The knee bends while the leg swings to the front.
            posture.shank[side] = posture.thigh[side] - 6.0 - flex * phase.cos().max(0.0);
            posture.arm[side] = -0.8 * swing * phase.sin();
            posture.forearm[side] = posture.arm[side] + elbows;
        }
        posture
    }
}

fn soft(share: f32) -> f32 {
    let share = share.clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// A place in body heights: to the puppet's front, its left, and up.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    front: f32,
    left: f32,
    up: f32,
}

impl Place {
    /// On by `length` at angles in degrees: against down, and out to the left.
    fn on(self, length: f32, angle: f32, out: f32) -> Place {
        let (angle, out) = (angle.to_radians(), out.to_radians());
        Place {
            front: self.front + length * angle.sin() * out.cos(),
            left: self.left + length * out.sin(),
            up: self.up - length * angle.cos() * out.cos(),
        }
    }
}

/// The posture and the way gone, in body heights, at a time of the script.
fn perform(script: &[(Move, f32)], view: View, now_s: f32) -> (Posture, f32) {
    let (mut posture, mut way, mut begin_s) = (Posture::STANDING, 0.0, 0.0);
    for (index, (act, lasts_s)) in script.iter().enumerate() {
        let in_s = (now_s - begin_s).min(*lasts_s);
        let share = in_s / lasts_s;
        let start = posture;
        posture = match *act {
            Move::Stand => start.towards(&Posture::STANDING, soft(in_s / 0.4)),
            Move::Fidget => {
                let (shift, talk) = ((TAU * 0.45 * in_s).sin(), (TAU * 0.7 * in_s).sin());
                let bend = [12.0 * shift.max(0.0), 12.0 * (-shift).max(0.0)];
                let fidget = Posture {
                    torso: 2.0 + 3.0 * shift,
                    thigh: [1.0 + bend[0], 1.0 + bend[1]],
                    shank: [-1.0 - bend[0], -1.0 - bend[1]],
                    arm: [10.0 + 12.0 * talk, 2.0 - 8.0 * shift],
                    forearm: [45.0 + 30.0 * talk, 15.0 - 8.0 * shift],
                    ..Posture::STANDING
                };
                start.towards(&fidget, in_s / 0.4)
            }
            Move::Walk(speed) => {
                way += speed * in_s;
                let stride = Posture::striding(in_s, 1.05, 24.0, 45.0, 4.0, 15.0);
                start.towards(&stride, in_s / 0.3)
            }
            Move::Run(speed) => {
                way += speed * in_s;
                let stride = Posture::striding(in_s, 0.7, 42.0, 80.0, 12.0, 80.0);
                start.towards(&stride, in_s / 0.3)
            }
            Move::Fall => {
                let ground = if view == View::Front { Posture::ON_THE_SIDE } else { Posture::ON_THE_FACE };
                start.towards(&ground, share * share)
            }
            Move::Stay => start,
            Move::GetUp => start.along(&[(0.55, Posture::SQUAT), (1.0, Posture::STANDING)], share),
            Move::LieDown => {
                let frames = [
                    (0.35, Posture::SQUAT),
                    (0.55, Posture::ON_THE_GROUND),
                    (1.0, if view == View::Front { Posture::CURLED } else { Posture::ON_THE_BACK }),
                ];
                start.along(&frames, share)
            }
            Move::Wave => {
                let out = 165.0 + 35.0 * (TAU * 1.6 * in_s).sin();
                let up = Posture {
                    arm_out: [100.0, 8.0],
                    forearm_out: [out, 5.0],
                    forearm: [0.0, 10.0],
                    ..Posture::STANDING
                };
                start.towards(&up, soft((in_s / 0.5).min((lasts_s - in_s) / 0.5)))
            }
            Move::Pick => {
                let frames = [(0.4, Posture::BENT), (0.55, Posture::BENT), (1.0, Posture::STANDING)];
                start.along(&frames, share)
            }
            Move::Sit => {
                let lean = Posture {
                    torso: 40.0,
                    thigh: [45.0, 45.0],
                    shank: [-15.0, -15.0],
                    ..Posture::ON_A_CHAIR
                };
                start.along(&[(0.5, lean), (1.0, Posture::ON_A_CHAIR)], share)
            }
        };
        begin_s += lasts_s;
        if now_s < begin_s || index + 1 == script.len() {
            break;
        }
    }
    // Nobody stands like a statue.
    posture.torso += 0.8 * (TAU * 0.3 * now_s).sin();
    (posture, way)
}

/// The 13 joints and the top of the head, standing over the origin of the ground.
fn joints(posture: &Posture, striding: bool) -> [Place; BODY_JOINTS + 1] {
    let root = Place { up: HIPS, ..Place::default() };
    let turned = 180.0 - posture.torso;
    let neck = root.on(TORSO, turned, 0.0);
    let mut places = [neck; BODY_JOINTS + 1];
    places[BODY_JOINTS] = neck.on(HEAD, turned, 0.0);
    places[0] = neck.on(NOSE.1, turned, 0.0).on(NOSE.0, turned - 90.0, 0.0);
    for (side, sign) in [1.0f32, -1.0].into_iter().enumerate() {
        let shoulder = Place { left: sign * SHOULDER, ..neck };
        let elbow = shoulder.on(ARM, posture.arm[side], sign * posture.arm_out[side]);
        let hip = Place { left: sign * HIP, ..root };
        let knee = hip.on(THIGH, posture.thigh[side], sign * 2.0);
        places[1 + side] = shoulder;
        places[3 + side] = elbow;
        places[5 + side] = elbow.on(FOREARM, posture.forearm[side], sign * posture.forearm_out[side]);
        places[7 + side] = hip;
        places[9 + side] = knee;
        places[11 + side] = knee.on(SHANK, posture.shank[side], 0.0);
    }
    let (sin, cos) = posture.roll.to_radians().sin_cos();
    for place in &mut places {
        (place.left, place.up) = (place.left * cos + place.up * sin, place.up * cos - place.left * sin);
    }
    let lowest = places.iter().map(|place| place.up).fold(f32::INFINITY, f32::min);
    let (feet_front, feet_left) =
        ((places[11].front + places[12].front) / 2.0, (places[11].left + places[12].left) / 2.0);
    for place in &mut places {
        place.up += GROUND - lowest;
        if !striding {
            (place.front, place.left) = (place.front - feet_front, place.left - feet_left);
        }
    }
    places
}

/// Films the whole script. The puppet comes from the left or from far away, so that it ends in the middle.
pub fn film(script: &[(Move, f32)], filming: &Filming) -> Vec<Shot> {
    let mut random = Random(filming.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let lasts_s: f32 = script.iter().map(|(_, lasts_s)| lasts_s).sum();
    let (_, whole_way) = perform(script, filming.view, lasts_s);
    let frames = (lasts_s * filming.fps) as usize;
    (0..frames)
        .map(|frame| {
            let now_s = (frame as f32 + random.between(0.0, 0.4)) / filming.fps;
            let (posture, way) = perform(script, filming.view, now_s);
            let mut begin_s = 0.0;
            let act = script.iter().find(|(_, lasts_s)| {
                begin_s += lasts_s;
                now_s < begin_s
            });
            let striding = matches!(act, Some((Move::Walk(_) | Move::Run(_), _)));
            let left = way - whole_way;
            let distance = match filming.view {
                View::Side => 6.0,
                View::Far => 12.0,
                View::Front => 5.0,
            };
            let project = |place: &Place| {
                let (across, away) = match filming.view {
                    View::Front => (0.3 + place.left, distance - left - place.front),
                    _ => (left + whole_way / 2.0 + place.front, distance - place.left),
                };
                Position {
                    x: ASPECT / 2.0 + FOCAL_LENGTH * across / away,
                    y: 0.45 + FOCAL_LENGTH * (CAMERA_HEIGHT - place.up) / away,
                }
            };
            let size = FOCAL_LENGTH / (distance - if filming.view == View::Front { left } else { 0.0 });
            let seen: Vec<Position> = joints(&posture, striding).iter().map(project).collect();
            let at = Timestamp::EPOCH + Duration::from_secs_f32(now_s);
            Shot {
                at,
                bbox: around(&seen, size, filming, &mut random),
                body: body(at, &seen, size, filming, &mut random),
            }
        })
        .collect()
}

/// The box around all of it, with flesh on the joints and noise on the edges.
fn around(seen: &[Position], size: f32, filming: &Filming, random: &mut Random) -> BBox {
    let mut edge = |value: fn(&Position) -> f32, sign: f32| {
        let most = seen.iter().map(|at| sign * value(at)).fold(f32::NEG_INFINITY, f32::max);
        sign * (most + (0.035 + filming.noise * random.normal()) * size)
    };
    let (left, right) = (edge(|at| at.x, -1.0), edge(|at| at.x, 1.0));
    let (top, bottom) = (edge(|at| at.y, -1.0), edge(|at| at.y, 1.0));
    BBox::from_corners(left / ASPECT, top, right / ASPECT, bottom).clipped()
}

fn body(at: Timestamp, seen: &[Position], size: f32, filming: &Filming, random: &mut Random) -> Body {
    let mut joints = [None; BODY_JOINTS];
    for (joint, place) in joints.iter_mut().zip(seen) {
        let noise = filming.noise * size;
        let noisy = Position { x: place.x + noise * random.normal(), y: place.y + noise * random.normal() };
        let kept = random.between(0.0, 1.0) >= filming.dropped;
        let inside = (0.0..=ASPECT).contains(&noisy.x) && (0.0..=1.0).contains(&noisy.y);
        *joint = (kept && inside).then_some(noisy);
    }
    Body { at, joints }
}

/// Marsaglia's xorshift generator.
struct Random(u64);

impl Random {
    fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + (high - low) * ((self.0 >> 40) as f32 / (1u64 << 24) as f32)
    }

    /// Of mean 0 and variance 1: Box and Muller's.
    fn normal(&mut self) -> f32 {
        let (a, b) = (self.between(1e-7, 1.0), self.between(0.0, 1.0));
        (-2.0 * a.ln()).sqrt() * (TAU * b).cos()
    }
}
