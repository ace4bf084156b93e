//! From a clip to the classifier's windows.

use crate::activity::{BODY_JOINTS, Position};

/// The windows of `steps` steps that cover `bodies`, each f32 `[steps, 13, 3]`: x, y, seen. At least one.
pub(super) fn of(bodies: &[[Position; BODY_JOINTS]], steps: usize) -> Vec<Vec<f32>> {
    if bodies.len() <= steps {
        return vec![window(bodies, steps)];
    }
    let count = bodies.len().div_ceil(steps);
    let spare = bodies.len() - steps;
    // Two windows at least; the first begins where the clip does and the last ends with it.
    (0..count)
        .map(|index| index * spare / (count - 1))
        .map(|from| window(&bodies[from..][..steps], steps))
        .collect()
}

/// `bodies` at the end of a window that is empty before them.
fn window(bodies: &[[Position; BODY_JOINTS]], steps: usize) -> Vec<f32> {
    let before = steps - bodies.len();
    let mut window = vec![0.0; before * BODY_JOINTS * 3];
    window.extend(bodies.iter().flatten().flat_map(|joint| [joint.x, joint.y, 1.0]));
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which body stands at each step; nothing where none was seen.
    fn bodies_of(window: &[f32]) -> Vec<Option<u32>> {
        let bodies = window.chunks(BODY_JOINTS * 3);
        bodies.map(|body| body.chunks(3).all(|joint| joint[2] == 1.0).then_some(body[0] as u32)).collect()
    }

    #[test]
    fn windows_cover_the_clip_and_end_with_it() {
        // Frames of the clip, steps of a window, and the first body of each window.
        for (frames, steps, expected) in [
            (3, 4, &[0][..]),
            (4, 4, &[0]),
            (5, 4, &[0, 1]),
            (8, 4, &[0, 4]),
            (9, 4, &[0, 2, 5]),
            (12, 4, &[0, 4, 8]),
            (3, 1, &[0, 1, 2]),
        ] {
            let bodies: Vec<_> =
                (0..frames).map(|n| [Position { x: n as f32, y: 1.0 }; BODY_JOINTS]).collect();
            let found: Vec<Vec<Option<u32>>> = of(&bodies, steps).iter().map(|w| bodies_of(w)).collect();
            let wanted: Vec<Vec<Option<u32>>> = expected
                .iter()
                .map(|&from| {
                    let before = steps.saturating_sub(frames);
                    let seen = from..from + (steps - before) as u32;
                    std::iter::repeat_n(None, before).chain(seen.map(Some)).collect()
                })
                .collect();
            assert_eq!(found, wanted, "{frames} frames in windows of {steps}");
        }
    }
}
