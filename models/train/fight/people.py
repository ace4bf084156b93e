"""Finds people who are close together in a clip, and cuts what the net sees of them.

Squares are made as `src/activity/groups.rs` makes them, with two differences: here a square is of a whole clip, which takes two
seconds, and people smaller than 40 pixels count too.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime

from maps import RATE_HZ, SIDE, STEPS

# Frames are read at twice the net's pace, so that a clip has windows of both phases.
READ_HZ = 2 * RATE_HZ
# Longer side of a frame, at most, in pixels.
LONGEST = 640
# The detector's input and the step of its map, in pixels, and the least score of a person.
DETECTOR_SIDE = 512
STRIDE = 4
SCORE = 0.25
# `scale` and `near` of `[clip]` in the manifest of the package.
SCALE = 2.0
NEAR = 0.45
# MOST_SIZE_RATIO, JOIN_IOU, SUPPORT_IOU and MOST_GROUPS of `src/activity/groups.rs`.
LIKE = 2.5
JOINS = 0.25
COUNTS = 0.35
MOST = 3
# Frames between the starts of two windows of a clip.
HOP = 4


@dataclass
class Variant:
    """How a square is cut: its zoom, its greatest shift in sides, whether to mirror it, and its brightness."""

    zoom: float = 1.0
    shift: float = 0.0
    mirror: bool | None = False
    gain: float = 1.0


# The first is what the daemon does; the others are for training only.
VARIANTS = (
    Variant(),
    Variant(mirror=True),
    Variant(zoom=0.85, shift=0.08, mirror=None),
    Variant(zoom=1.2, shift=0.1, mirror=None, gain=0.9),
)


@dataclass
class Square:
    """A region in picture heights: its centre and its side."""

    x: float
    y: float
    side: float

    def iou(self, other: "Square") -> float:
        reach = (self.side + other.side) / 2
        least = min(self.side, other.side)
        across = min(least, reach - abs(self.x - other.x))
        down = min(least, reach - abs(self.y - other.y))
        shared = max(0.0, across) * max(0.0, down)
        return shared / (self.side**2 + other.side**2 - shared)


def read(path: Path) -> list[np.ndarray]:
    """Frames at `READ_HZ`, RGB, at most `LONGEST` pixels on the longer side."""
    found: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        begun = None
        for frame in container.decode(stream):
            begun = frame.time if begun is None else begun
            if (frame.time - begun) * READ_HZ + 1e-3 < len(found):
                continue
            image = frame.to_ndarray(format="rgb24")
            scale = min(1.0, LONGEST / max(image.shape[:2]))
            if scale < 1:
                image = cv2.resize(
                    image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
                )
            found.append(image)
    return found


class Detector:
    """CenterNet of the package `centernet-mobilenetv3-coco`: people's boxes in picture heights."""

    def __init__(self, package: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            package / "centernet-mobilenetv3-coco.onnx", options
        )

    def boxes(self, image: np.ndarray) -> np.ndarray:
        """Left, top, right and lower edge of each person, in picture heights."""
        height, width = image.shape[:2]
        scale = DETECTOR_SIDE / max(height, width)
        wide, high = round(width * scale), round(height * scale)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        left, top = (DETECTOR_SIDE - wide) // 2, (DETECTOR_SIDE - high) // 2
        whole = np.zeros((DETECTOR_SIDE, DETECTOR_SIDE, 3), np.float32)
        whole[top : top + high, left : left + wide] = cv2.resize(
            image, (wide, high), interpolation=method
        )
        heat, sizes = self.session.run(
            ["heatmap", "sizes"], {"images": whole.transpose(2, 0, 1)[None]}
        )
        score = 1 / (1 + np.exp(-heat[0, 0]))
        peak = (score >= SCORE) & (score == cv2.dilate(score, np.ones((3, 3))))
        rows, columns = np.nonzero(peak)
        reach = sizes[0, :, rows, columns] * np.array([-1, -1, 1, 1])
        centre = np.stack([columns, rows, columns, rows], 1) * STRIDE
        return (centre + reach - np.array([left, top, left, top])) / scale / height


def close_pairs(boxes: np.ndarray) -> list[Square]:
    """The squares of every two people who are close."""
    found = []
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
    for one in range(len(boxes)):
        for other in range(one):
            least, most = sorted((sides[one], sides[other]))
            gap = (
                np.maximum(boxes[one], boxes[other])[:2]
                - np.minimum(boxes[one], boxes[other])[2:]
            )
            if most > LIKE * least or gap.max() >= NEAR * least:
                continue
            low = np.minimum(boxes[one], boxes[other])[:2]
            high = np.maximum(boxes[one], boxes[other])[2:]
            side = max(SCALE * (least + most) / 2, *(1.1 * (high - low)))
            found.append(Square(*(low + high) / 2, side))
    return found


def groups(pairs: list[Square]) -> list[Square]:
    """The squares that most of the `pairs` of all frames of a clip share, `MOST` at most."""
    found: list[Square] = []
    while pairs and len(found) < MOST:
        shared = np.array([[one.iou(other) for other in pairs] for one in pairs])
        votes = np.where(shared > COUNTS, shared, 0).sum(1)
        voters = [
            pair for pair, share in zip(pairs, shared[votes.argmax()]) if share > COUNTS
        ]
        middle = np.median([(pair.x, pair.y, pair.side) for pair in voters], axis=0)
        found.append(Square(*middle))
        pairs = [pair for pair in pairs if pair.iou(found[-1]) < JOINS]
    return found


def cut(
    frames: list[np.ndarray], square: Square, variant: Variant, name: str
) -> np.ndarray:
    """The square of each frame, u8 [frames, 3, SIDE, SIDE]; chance is seeded by `name`."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    height = frames[0].shape[0]
    side = square.side * variant.zoom * height
    across, down = rng.uniform(-variant.shift, variant.shift, 2) * side
    flips = rng.random() < 0.5
    mirror = flips if variant.mirror is None else variant.mirror
    scale = SIDE / side
    found = []
    for frame in frames:
        small = frame
        if scale < 0.7:
            small = cv2.resize(
                frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
        zoom = 1.0 if scale < 0.7 else scale
        left = SIDE / 2 - scale * (square.x * height + across)
        top = SIDE / 2 - scale * (square.y * height + down)
        crop = cv2.warpAffine(
            small, np.array([[zoom, 0, left], [0, zoom, top]]), (SIDE, SIDE)
        )
        crop = crop[:, ::-1] if mirror else crop
        found.append(
            np.clip(crop * variant.gain, 0, 255)
            .round()
            .astype(np.uint8)
            .transpose(2, 0, 1)
        )
    return np.stack(found)


def windows(frames: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Every window of the net, at its pace; of a clip that is too short the last frame is repeated."""
    length = (STEPS - 1) * READ_HZ // RATE_HZ + 1
    frames = frames + [frames[-1]] * max(0, length - len(frames))
    starts = range(0, len(frames) - length + 1, HOP)
    return [frames[start : start + length : READ_HZ // RATE_HZ] for start in starts]
