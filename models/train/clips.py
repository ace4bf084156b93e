"""The J-HMDB clips as tracks of the 13 joints that COCO shares, and their folds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE_HZ = 25.0
STEPS = 40
UNKNOWN = "unknown"

# In the package's order; the number is the joint's place in J-HMDB.
JOINTS = {
    "nose": 2,
    "left shoulder": 4,
    "right shoulder": 3,
    "left elbow": 8,
    "right elbow": 7,
    "left wrist": 12,
    "right wrist": 11,
    "left hip": 6,
    "right hip": 5,
    "left knee": 10,
    "right knee": 9,
    "left ankle": 14,
    "right ankle": 13,
}
# Where each joint goes when left and right are exchanged.
MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11])


@dataclass
class Clips:
    """Clips left-aligned in `pose`, f32 [N, STEPS, 13, 2], one body height about 1."""

    pose: np.ndarray
    frames: np.ndarray
    label: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, chosen: np.ndarray) -> "Clips":
        return Clips(
            self.pose[chosen], self.frames[chosen], self.label[chosen], self.names
        )

    def windows(self) -> np.ndarray:
        """Whole clips as the package's input, f32 [N, STEPS, 13, 3], right-aligned."""
        out = np.zeros((len(self), STEPS, len(JOINTS), 3), np.float32)
        for window, pose, frames in zip(out, self.pose, self.frames):
            window[STEPS - frames :, :, :2] = pose[:frames]
            window[STEPS - frames :, :, 2] = 1
        return out


def load(path: Path) -> Clips:
    data = np.load(path)
    offset = data["offset"]
    names = sorted(set(data["label"].tolist()))
    pose = np.zeros((len(offset) - 1, STEPS, len(JOINTS), 2), np.float32)
    for clip, start, end in zip(pose, offset[:-1], offset[1:]):
        clip[: end - start] = data["pose"][start:end, list(JOINTS.values())]
    label = np.array([names.index(name) for name in data["label"]])
    return Clips(pose, np.diff(offset), label, [*names, UNKNOWN])


def folds(label: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fold of each clip; every class is spread evenly over the folds."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(label), int)
    start = 0
    for k in np.unique(label):
        of_class = rng.permutation(np.flatnonzero(label == k))
        fold[of_class] = (start + np.arange(len(of_class))) % count
        start += len(of_class)
    return fold
