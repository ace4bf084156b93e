"""The J-HMDB clips as tracks of the 13 joints that COCO shares, and their folds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from drawn.body import BONES

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

# What is measured of a body: the bones, and from the nose to the shoulders.
MEASURED = [*BONES, (0, 1), (0, 2)]
CLIPS_OF_VIDEO = 3
FEWEST_VIDEOS = 6


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


def videos(clips: Clips) -> np.ndarray:
    """A guess of the video that each clip was cut from, which the file does not say.

    Clips of one label in which the mean pose and the limbs as long as they are seen are alike count as one video. There are
    about three clips to a video.
    """
    looks = []
    for pose, frames in zip(clips.pose, clips.frames):
        pose = pose[:frames] - pose[:frames].mean(1, keepdims=True)
        pose = pose / np.sqrt(np.square(pose).sum((1, 2)).mean())
        limbs = [np.linalg.norm(pose[:, a] - pose[:, b], axis=-1) for a, b in MEASURED]
        longest = np.percentile(limbs, 90, axis=1)
        looks.append(np.concatenate([pose.mean(0).ravel(), 2 * longest]))
    looks = np.array(looks)
    video = np.zeros(len(clips), int)
    for k in np.unique(clips.label):
        chosen = np.flatnonzero(clips.label == k)
        count = max(FEWEST_VIDEOS, round(len(chosen) / CLIPS_OF_VIDEO))
        alike = AgglomerativeClustering(count, linkage="average")
        video[chosen] = video.max() + 1 + alike.fit_predict(looks[chosen])
    return video


def folds(clips: Clips, count: int, seed: int) -> np.ndarray:
    """The fold of each clip: no guessed video is split, and every label is spread evenly over the folds."""
    video = videos(clips)
    rng = np.random.default_rng(seed)
    fold, load = np.zeros(len(clips), int), np.zeros(count)
    for k in np.unique(clips.label):
        of_label = np.zeros(count)
        shuffled = rng.permutation(np.unique(video[clips.label == k]))
        for one in sorted(shuffled, key=lambda one: -(video == one).sum()):
            least = np.argmin(of_label + 1e-3 * load)
            fold[video == one] = least
            of_label[least] += (video == one).sum()
            load[least] += (video == one).sum()
    return fold
