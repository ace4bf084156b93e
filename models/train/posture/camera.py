"""A play as a camera, a detector, a tracker and a pose net see it."""

from dataclasses import dataclass

import numpy as np

from drawn.body import JOINTS, LEGS, MIRROR, PLACE, SHINS, TOP, points
from drawn.lens import project
from drawn.stage import Play
from drawn.stances import Chance, upright
from posture.plays import RATE_HZ

FAR = 1e3


@dataclass
class Film:
    """What is seen, ten steps a second; lengths in image heights."""

    # Left, right, upper and lower edge [T, 4], and whether there is a box.
    boxes: np.ndarray
    found: np.ndarray
    # [T, 13, 2], and whether the joint was seen.
    joints: np.ndarray
    seen: np.ndarray
    # Width of the image by its height.
    aspect: float
    # Height of the person upright, where they are.
    stature: np.ndarray


def stretches(c: Chance, steps: int, shortest: float, longest: float):
    start = 0
    while start < steps:
        end = start + max(1, int(c.between(shortest, longest) * RATE_HZ))
        yield slice(start, end)
        start = end


def film(c: Chance, play: Play) -> Film:
    steps = len(play.label)
    aspect = c.one_of([4 / 3, 4 / 3, 16 / 9])
    at, flesh, stature = project(c, play, aspect)
    tip = np.cos(play.angles[:, PLACE["pitch"]]) * np.cos(play.angles[:, PLACE["roll"]])
    lying = np.abs(tip) < 0.5

    # Parts that the detector leaves out, more often of who lies.
    shown = np.ones((steps, at.shape[1]), bool)
    for stretch in stretches(c, steps, 0.5, 4):
        lies = lying[stretch].any()
        if c.happens(0.35 if lies else 0.06):
            part = c.one_of([LEGS, SHINS, TOP] if lies else [LEGS, SHINS])
            shown[stretch, part] = False
    # Something that stands before them hides all below a line, always or for a while.
    floor = np.full(steps, FAR)
    if c.happens(0.2):
        feet, high = np.median(at[..., 1].max(1)), np.median(stature)
        begin = 0 if c.happens(0.5) else c.rng.integers(steps)
        end = steps if c.happens(0.5) else begin + int(c.between(0.5, 3) * RATE_HZ)
        floor[begin:end] = feet - c.between(0.1, 0.55) * high

    x, y = at[..., 0], at[..., 1]
    boxes = np.stack(
        [
            np.where(shown, x - flesh, FAR).min(1),
            np.where(shown, x + flesh, -FAR).max(1),
            np.where(shown, y - flesh, FAR).min(1),
            np.where(shown, y + flesh, -FAR).max(1),
        ],
        1,
    )
    boxes[:, 3] = np.minimum(boxes[:, 3], np.maximum(floor, boxes[:, 2] + 0.03))
    # Somebody else in the same box.
    if c.happens(0.08) and not lying.any():
        begin = c.rng.integers(steps)
        end = begin + int(c.between(0.3, 2) * RATE_HZ)
        side = c.rng.integers(2)
        boxes[begin:end, side] += (
            (2 * side - 1) * c.between(0.2, 0.7) * stature[begin:end]
        )
    size = np.repeat(
        np.column_stack([np.ptp(boxes[:, :2], 1), np.ptp(boxes[:, 2:], 1)]), 2, 1
    )
    slow, fast = c.drift(steps, 4, 4), c.rng.normal(0, 1, (steps, 4))
    # A bad camera makes everything tremble.
    trembles = c.happens(0.15)
    noise = slow * c.between(0.005, 0.035)
    noise += fast * (c.between(0.02, 0.06) if trembles else c.between(0.003, 0.02))
    boxes += noise * np.where(lying, 1.6, 1.0)[:, None] * size
    margin = [-c.between(-0.01, 0.04), c.between(-0.01, 0.04)]
    margin += [-c.between(0, 0.03), c.between(0, 0.03)]
    boxes += np.array(margin) * size
    # The tracker's motion model lags behind what moves fast.
    inertia = c.between(0, 0.45)
    for step in range(1, steps):
        boxes[step] += inertia * (boxes[step - 1] - boxes[step])
    boxes[:, :2] = np.clip(boxes[:, :2], 0, aspect)
    boxes[:, 2:] = np.clip(boxes[:, 2:], 0, 1)
    found = (np.ptp(boxes[:, :2], 1) > 0.02) & (np.ptp(boxes[:, 2:], 1) > 0.02)
    if c.happens(0.3):
        begin = c.rng.integers(steps)
        found[begin : begin + int(c.between(0.2, 1.5) * RATE_HZ)] = False

    joints, seen = pose(c, at[:, :JOINTS], boxes, lying, trembles)
    inside = (joints > 0).all(-1) & (joints < [aspect, 1]).all(-1)
    seen &= inside & (joints[..., 1] < floor[:, None] + 0.02)
    return Film(boxes, found, joints, seen, aspect, stature)


def pose(
    c: Chance, true: np.ndarray, boxes: np.ndarray, lying: np.ndarray, trembles: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The joints that a net for upright people finds, and which it is sure of."""
    steps = len(true)
    size = np.maximum(np.ptp(boxes[:, :2], 1), np.ptp(boxes[:, 2:], 1))
    usual = c.between(0.02, 0.06) if trembles else c.between(0.01, 0.03)
    error = np.where(lying, c.between(0.02, 0.08), usual) * size
    noise = c.drift(steps, 2 * JOINTS, 3).reshape(true.shape)
    noise += c.rng.normal(0, 1.0 if trembles else 0.5, true.shape)
    joints = true + noise * error[:, None, None]
    # Joints stay unseen for a while; the share is that of a standard normal.
    missing = np.where(lying, c.between(-1.3, 0.5), c.one_of([-2.1, -1.3, -0.5]))
    seen = c.drift(steps, JOINTS, 5) > missing[:, None]
    # A pose that is none: an upright body somewhere in the box.
    wrong = c.drift(steps, 1, 4)[:, 0] > np.where(lying, c.between(0.2, 2), 2.3)
    if wrong.any():
        body = points(
            np.tile(upright(c), (steps, 1)),
            np.full(steps, c.between(0, 6)),
            np.zeros((steps, 2)),
        )
        flat = np.stack([body[:, :JOINTS, 1], 0.5 - body[:, :JOINTS, 2]], -1)
        middle = boxes.reshape(steps, 2, 2).mean(-1)[:, None]
        scale = (size * c.between(0.4, 0.9))[:, None, None]
        fake = (
            middle
            + flat * scale
            + c.rng.normal(0, 0.05, true.shape) * size[:, None, None]
        )
        joints[wrong] = fake[wrong]
    swapped = c.drift(steps, 1, 4)[:, 0] > 1.6
    joints[swapped] = joints[swapped][:, MIRROR]
    seen[swapped] = seen[swapped][:, MIRROR]
    if c.happens(0.12):
        seen[:] = False
    return joints, seen
