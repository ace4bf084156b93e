//! What is known beforehand of how people stand, walk, run and fall.

use std::time::Duration;

/// Times, and lengths in body heights: the upright height of the person in the picture.
///
/// The gaits' limits are of people's speed as the picture shows it. Adults walk comfortably with 1.27 to 1.46 m/s (Bohannon,
/// *Age and Ageing* 26, 1997, 15-19), which is about 0.8 body heights a second, and go over to running between 1.9 and 3 m/s
/// (Baker, Long and Srinivasan, arXiv:2501.00720), which is 1.1 to 1.8. That people stroll with 0.4 to 0.6 and that runners
/// do 1.8 to 3 are assumptions of ours, as is every value that names no source.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Joints are kept for grids up to this long; the classifier's window should fit.
    pub joints_kept: Duration,
    /// The least share of a window's joints that must have been seen for the classifier to be asked.
    pub joints_seen: f32,
    /// The classifier is asked no sooner than this after the last time: its windows would be nearly the same.
    pub classified_every: Duration,
    /// What a pose says holds for this time; then only the box is left.
    pub pose_holds: Duration,

    /// Speed is fitted to the boxes of this time.
    pub speed_window: Duration,
    /// What has been watched for less than this has no speed yet.
    pub speed_least: Duration,
    /// Approach and departure are fitted to the boxes of this time: growth is slow and sizes are noisy.
    pub growth_window: Duration,
    /// What a growth must exceed, in standard errors of its fit, to be motion.
    pub growth_errors: f32,
    /// The camera's focal length in image heights, which makes a growth a speed: 1.3 is a vertical field of view of 42
    /// degrees. Only used for people who come or go.
    pub focal_length: f32,
    /// Time constants with which the body height follows larger sights of the upright person, smaller ones, and ones too
    /// small for somebody on their feet.
    pub height_follows: (Duration, Duration, Duration),
    /// A box lower than this share of the body height is too small for somebody on their feet.
    pub seated_below: f32,

    /// Speed between standing and walking, and how soft that edge is (the scale of a logistic curve).
    pub walk_from: (f32, f32),
    /// Speed between walking and running, and its softness.
    pub run_from: (f32, f32),
    /// Speed above which somebody does nothing that is done on the spot, and its softness: a thrower takes a step.
    pub spot_until: (f32, f32),
    /// How far a joint strays from its mean place in the classifier's window, as a standard deviation, from which somebody
    /// does something, and its softness. Of the clips that the classifier learnt from, only half of those of pouring, a tenth
    /// of waving and next to none else are below; the joints of who stands still are below with a noise of 2 %.
    pub stirs_from: (f32, f32),
    /// How likely walking looks like standing, because it goes towards the camera or away.
    pub walk_unseen: f32,
    /// How likely running looks like walking, because it goes obliquely, and how likely like standing.
    pub run_unseen: (f32, f32),
    /// The share of what the classifier does not know that is unknown to kinematics as well; the rest is split evenly
    /// between stand, walk and run.
    pub unknown_share: f32,
    /// How often people do what the classifier knows besides walking and running, against how often it was shown in
    /// training, where every activity came as often as walking.
    pub gestures_are_rare: f32,
    /// How likely the classifier takes standing, walking or running for another of the three.
    pub gaits_confused: f32,
    /// The time constant with which scores follow; falls do not wait for it.
    pub smoothing: Duration,

    /// The time constant with which the posture follows.
    pub posture_follows: Duration,
    /// The same for lying once somebody is down, which falls do not wait for.
    pub calm_follows: Duration,

    /// From the last moment on their feet, or seated for a while, to being down: who takes longer lies down.
    pub fall_within: Duration,
    /// For how long somebody is seated who may fall off a chair.
    pub seated_before: Duration,
    /// Who went down fell when that is seen within this time.
    pub fall_told_by: Duration,
    /// A fall is called `fall` for this time, then `fallen`.
    pub fall_lasts: Duration,
    /// Who is not seen for this time has vanished.
    pub vanished_after: Duration,
    /// Who was down is up again after being on their feet for this time.
    pub up_again: Duration,
    /// Who fell is no longer fallen after neither lying nor falling for this time: they sit on a chair.
    pub seated_again: Duration,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            joints_kept: Duration::from_secs(3),
            joints_seen: 0.6,
            classified_every: Duration::from_millis(150),
            pose_holds: Duration::from_millis(600),

            speed_window: Duration::from_secs(1),
            speed_least: Duration::from_millis(400),
            growth_window: Duration::from_millis(2500),
            growth_errors: 2.0,
            focal_length: 1.3,
            height_follows: (
                Duration::from_millis(700),
                Duration::from_millis(1500),
                Duration::from_secs(15),
            ),
            seated_below: 0.8,

            walk_from: (0.2, 0.03),
            run_from: (1.7, 0.12),
            spot_until: (0.4, 0.05),
            stirs_from: (0.034, 0.003),
            walk_unseen: 0.08,
            run_unseen: (0.03, 0.01),
            unknown_share: 0.04,
            gestures_are_rare: 0.3,
            gaits_confused: 0.3,
            smoothing: Duration::from_millis(500),

            posture_follows: Duration::from_millis(150),
            calm_follows: Duration::from_millis(600),

            fall_within: Duration::from_millis(1800),
            seated_before: Duration::from_millis(2500),
            fall_told_by: Duration::from_millis(1500),
            fall_lasts: Duration::from_millis(1500),
            vanished_after: Duration::from_millis(400),
            up_again: Duration::from_secs(1),
            seated_again: Duration::from_secs(10),
        }
    }
}
