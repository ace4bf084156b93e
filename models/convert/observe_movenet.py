"""How a joint's score tells whether it sits right, on people of a video.

Nobody has marked the joints, so a joint counts as steady if it stays where it is
when the crop is moved, scaled or mirrored; a guess wanders off. Crops with nobody
in them show which scores are worth nothing.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

import footage
import movenet
from people import SCALE, Crop, Finder
from verify import load

# Scale of the crop and its shift in sides of the crop; each is mirrored as well.
CHANGES = [(1.1, 0, 0), (1.4, 0, 0), (1.25, 0.06, 0), (1.25, -0.06, 0), (1.25, 0, 0.05)]
# Wandering further than this part of the person's box is not steady.
STEADY = 0.05
EDGES = (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1)
GROUPS = {
    "nose, eyes, ears": range(5),
    "shoulders": (5, 6),
    "elbows": (7, 8),
    "wrists": (9, 10),
    "hips": (11, 12),
    "knees": (13, 14),
    "ankles": (15, 16),
}
# The joints in the order of the mirror's.
MIRROR = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
# A crop is empty if no box with even this score reaches into it.
FAINT = 0.08


class Poser:
    def __init__(self) -> None:
        self.session = load(movenet.MODEL / f"{movenet.MODEL.name}.onnx")

    def pose(self, crop: Crop, mirrored: bool = False) -> np.ndarray:
        """Rows of x, y (pixels of the frame) and score."""
        image = crop.nchw
        if mirrored:
            image = np.ascontiguousarray(image[..., ::-1])
        keypoints = self.session.run(None, {"images": image})[0][0, 0]
        if mirrored:
            keypoints = keypoints[MIRROR] * [1, -1, 1] + [0, 1, 0]
        return crop.place(keypoints)


def size(box: np.ndarray) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def changed(box: np.ndarray, scale: float, right: float, down: float) -> np.ndarray:
    """The box whose crop is the one of `box` scaled and shifted."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    side = scale * size(box)
    x, y, half = x + right * side, y + down * side, side / SCALE / 2
    return np.array([x - half, y - half, x + half, y + half])


def wander(poser: Poser, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Rows of a joint's score and its usual shift in parts of the person's box."""
    base = poser.pose(Crop.cut(frame, box))
    shifts = []
    for mirrored in (False, True):
        for change in CHANGES:
            other = poser.pose(Crop.cut(frame, changed(box, *change)), mirrored)
            shifts.append(np.hypot(*(other - base)[:, :2].T))
    return np.stack([base[:, 2], np.median(shifts, axis=0) / size(box)], axis=1)


def empty(
    poser: Poser, frame: np.ndarray, faint: np.ndarray, random: np.random.Generator
) -> np.ndarray | None:
    """The scores in a crop of a random place, if there is nobody in it."""
    height, width, _ = frame.shape
    side = random.uniform(75, 125)
    x, y = random.uniform(0, width - side), random.uniform(0, height - side)
    apart = (faint[:, 0] > x + side) | (faint[:, 2] < x)
    apart |= (faint[:, 1] > y + side) | (faint[:, 3] < y)
    if not apart.all():
        return None
    half = side / SCALE / 2
    x, y = x + side / 2, y + side / 2
    box = np.array([x - half, y - half, x + half, y + half])
    return poser.pose(Crop.cut(frame, box))[:, 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--least", type=float, default=60, help="size of a person, px")
    parser.add_argument("--most", type=float, default=100)
    arguments = parser.parse_args()

    finder, poser = Finder(), Poser()
    random = np.random.default_rng(0)
    people, nobody = [], []
    for frame in footage.read(arguments.video, arguments.frames):
        for box in finder.find(frame):
            if arguments.least <= size(box) <= arguments.most:
                people.append(wander(poser, frame, box))
        faint = finder.find(frame, FAINT)
        nobody += [empty(poser, frame, faint, random) for _ in range(20)]
    people = np.array(people)
    nobody = np.array([scores for scores in nobody if scores is not None])

    print(f"people: {len(people)}, empty crops: {len(nobody)}")
    scores, shifts = people[..., 0], people[..., 1]
    for name, joints in GROUPS.items():
        part = scores[:, list(joints)]
        quantiles = np.quantile(part, (0.05, 0.25, 0.5, 0.75))
        line = "  ".join(f"{value:.2f}" for value in quantiles)
        steady = (shifts[:, list(joints)] < STEADY).mean()
        print(f"{name}: scores at 5, 25, 50, 75 %: {line}; steady {steady:.3f}")
    for name, crops in (("people", scores), ("empty crops", nobody)):
        quantiles = np.quantile(crops.mean(axis=1), (0.01, 0.05, 0.5, 0.95, 0.99))
        line = "  ".join(f"{value:.2f}" for value in quantiles)
        print(f"mean of 17 scores, {name}, at 1, 5, 50, 95, 99 %: {line}")
    print("score: part of the joints, steady ones, usual shift; part in empty crops")
    for low, high in itertools.pairwise(EDGES):
        among = (scores >= low) & (scores < high)
        void = ((nobody >= low) & (nobody < high)).mean()
        steady = (shifts[among] < STEADY).mean() if among.any() else float("nan")
        usual = np.median(shifts[among]) if among.any() else float("nan")
        print(
            f"{low:.2f} to {high:.2f}: {among.mean():.3f}  {steady:.2f}"
            f"  {usual:.3f}; {void:.3f}"
        )


if __name__ == "__main__":
    main()
