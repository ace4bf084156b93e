"""Windows of boxes and joints as the posture net takes them.

`src/activity/posture/window.rs` does the same: change neither alone.
"""

import numpy as np

from posture.camera import Film

STEPS = 24
VALUES = 51
JOINTS = slice(10, 36)
SEEN = slice(36, 49)
STATURE = slice(49, 51)
BORDER = 0.01
LARGEST = 4.0


def windows(film: Film, ends: np.ndarray, stature: np.ndarray) -> np.ndarray:
    """Windows f32 [N, STEPS, VALUES] that end at these steps, which have a box.

    `stature` [N] is the upright height that is known then, or no number.
    """
    count = len(ends)
    at = ends[:, None] - np.arange(STEPS)[::-1]
    there = at >= 0
    at = np.maximum(at, 0)
    box, found = film.boxes[at], film.found[at] & there
    left, right, top, bottom = np.moveaxis(box, -1, 0)
    width, height = right - left, bottom - top
    unit = np.where(found, np.maximum(height, width / 2), 0).max(1)
    unit = np.maximum(unit, 1e-3)[:, None]
    foot_x = ((left + right) / 2)[:, -1:]
    foot_y = bottom[:, -1:]
    aspect = film.aspect
    out = np.zeros((count, STEPS, VALUES), np.float32)
    out[..., :10] = np.stack(
        [
            (left - foot_x) / unit,
            (right - foot_x) / unit,
            (top - foot_y) / unit,
            (bottom - foot_y) / unit,
            np.log(np.maximum(width, 1e-3) / np.maximum(height, 1e-3)),
            np.ones_like(width),
            left < BORDER * aspect,
            right > (1 - BORDER) * aspect,
            top < BORDER,
            bottom > 1 - BORDER,
        ],
        -1,
    )
    middle = np.stack([(left + right) / 2, (top + bottom) / 2], -1)
    seen = film.seen[at] & found[..., None]
    joints = (film.joints[at] - middle[:, :, None]) / unit[..., None, None]
    out[..., JOINTS] = (joints * seen[..., None]).reshape(count, STEPS, -1)
    out[..., SEEN] = seen
    known = np.isfinite(stature)
    ratio = np.log(unit[:, 0] / np.where(known, stature, 1.0))
    out[..., STATURE] = np.stack([np.where(known, ratio, 0), known], -1)[:, None]
    return np.clip(out * found[..., None], -LARGEST, LARGEST)
