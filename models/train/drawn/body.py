"""People of sticks in space: from the angles of their joints to points.

The frame of a body: x forwards, y to its left, z up; the origin is between the hips.
Lengths are in body heights, angles in radians.
"""

import numpy as np

# Winter, Biomechanics and Motor Control of Human Movement, 4th ed. 2009, figure 4.1.
SHANK, THIGH, TRUNK = 0.246, 0.245, 0.288
UPPER_ARM, FOREARM = 0.186, 0.146
# Half the distance between the shoulders and between the hips, as joints, not as skin.
SHOULDER, HIP = 0.11, 0.055
NOSE = np.array([0.06, 0.0, 0.12])
CROWN = np.array([0.0, 0.0, 0.19])
FOOT = 0.10

# Of the whole body, of the trunk against the pelvis, of the limbs, left and right; how
# high the lowest point is above the ground.
ANGLES = [
    "pitch", "roll", "spin", "bow", "lean", "nod",
    "hip_l", "hip_r", "spread_l", "spread_r", "knee_l", "knee_r",
    "arm_l", "arm_r", "wing_l", "wing_r", "elbow_l", "elbow_r", "lift",
]  # fmt: skip
PLACE = {name: place for place, name in enumerate(ANGLES)}

# The 13 joints of the package, then the crown, the feet. Distances from each to the skin.
NAMES = [
    "nose", "left shoulder", "right shoulder", "left elbow", "right elbow",
    "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee",
    "left ankle", "right ankle", "crown", "left toe", "right toe",
]  # fmt: skip
JOINTS = 13
# Pairs of joints with a limb between them, and of one side of the trunk with another.
BONES = [
    (1, 2), (1, 3), (3, 5), (2, 4), (4, 6), (7, 8),
    (1, 7), (2, 8), (7, 9), (9, 11), (8, 10), (10, 12),
]  # fmt: skip
# Where each joint goes when left and right are exchanged.
MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11])
FLESH = np.array(
    [0.06, 0.06, 0.06, 0.04, 0.04, 0.035, 0.035, 0.08, 0.08, 0.05, 0.05, 0.04, 0.04]
    + [0.03, 0.03, 0.03]
)
LEGS = [9, 10, 11, 12, 14, 15]
SHINS = [11, 12, 14, 15]
TOP = [0, 1, 2, 3, 4, 5, 6, 13]


def turn(axis: str, angle: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] about an axis."""
    c, s = np.cos(angle), np.sin(angle)
    o, i = np.zeros_like(c), np.ones_like(c)
    rows = {
        "x": [[i, o, o], [o, c, -s], [o, s, c]],
        "y": [[c, o, s], [o, i, o], [-s, o, c]],
        "z": [[c, -s, o], [s, c, o], [o, o, i]],
    }[axis]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def direction(flex: np.ndarray, spread: np.ndarray, side: int) -> np.ndarray:
    """Where a limb points that is lifted forwards by `flex` and sideways by `spread`."""
    return np.stack(
        [
            np.sin(flex) * np.cos(spread),
            side * np.sin(spread),
            -np.cos(flex) * np.cos(spread),
        ],
        -1,
    )


def points(angles: np.ndarray, heading: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Points [T, 16, 3] of angles [T, 19], headings [T], places [T, 2] of the ankles.

    The lowest point touches the ground, or is as high above it as the body is lifted.
    """
    of = {name: angles[:, place] for name, place in PLACE.items()}
    trunk = turn("y", of["bow"]) @ turn("x", of["lean"])
    head = trunk @ turn("y", of["nod"])
    neck = TRUNK * trunk[:, :, 2]
    sides = (("l", 1), ("r", -1))
    shoulder, elbow, wrist, hip, knee, ankle, toe = ({} for _ in range(7))
    for key, side in sides:
        shoulder[key] = neck + side * SHOULDER * trunk[:, :, 1]
        lift, wing, bent = of[f"arm_{key}"], of[f"wing_{key}"], of[f"elbow_{key}"]
        upper = np.einsum("tij,tj->ti", trunk, direction(lift, wing, side))
        close = wing * (1 - 0.6 * np.clip(bent, 0, 1))
        lower = np.einsum("tij,tj->ti", trunk, direction(lift + bent, close, side))
        elbow[key] = shoulder[key] + UPPER_ARM * upper
        wrist[key] = elbow[key] + FOREARM * lower
        flex, spread = of[f"hip_{key}"], of[f"spread_{key}"]
        shin = flex - of[f"knee_{key}"]
        hip[key] = np.broadcast_to([0, side * HIP, 0.0], (len(angles), 3))
        knee[key] = hip[key] + THIGH * direction(flex, spread, side)
        ankle[key] = knee[key] + SHANK * direction(shin, spread, side)
        toe[key] = ankle[key] + FOOT * direction(shin + 0.45 * np.pi, spread, side)
    pairs = [shoulder, elbow, wrist, hip, knee, ankle]
    listed = [neck + head @ NOSE]
    listed += [pair[key] for pair in pairs for key, _ in sides]
    listed += [neck + head @ CROWN, toe["l"], toe["r"]]
    whole = turn("z", heading) @ turn("y", of["pitch"])
    whole = whole @ turn("x", of["roll"]) @ turn("z", of["spin"])
    out = np.einsum("tij,tnj->tni", whole, np.stack(listed, 1))
    lowest = (out[..., 2] - FLESH).min(1)
    out[..., 2] += (of["lift"] - lowest)[:, None]
    out[..., :2] += (place - out[:, 11:13, :2].mean(1))[:, None]
    return out
