"""Finds people who are close together in a clip, and cuts what the net sees of them.

Squares are made as `src/activity/groups.rs` makes them, with two differences: here a square is of a whole clip, which takes two
seconds, and people smaller than 40 pixels count too.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import onnxruntime
from PIL import Image
from scipy.ndimage import maximum_filter

from fight.maps import RATE_HZ, SIDE, STEPS
from fight.pictures import Picture

# Frames are read at twice the net's pace, so that a clip has windows of both phases.
READ_HZ = 2 * RATE_HZ
# Longer side of a frame, at most, in pixels: PICTURE_PX of `src/activity/clip.rs`.
LONGEST = 640
# The detector's input and the step of its map, in pixels, and the least score of a person.
DETECTOR_SIDE = 512
STRIDE = 4
SCORE = 0.25
# `filter` of `[input]` in the manifests of the detector and of this package.
DETECTOR_FILTER = Image.Resampling.BILINEAR
FILTER = Image.Resampling.HAMMING
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


def read(path: Path, frame_rate: float | None = None) -> list[Picture]:
    """Frames at `READ_HZ`, at most `LONGEST` pixels on the longer side. A film that says a wrong frame rate needs the true one."""
    found: list[Picture] = []
    with av.open(str(path)) as container:
        begun = None
        for number, frame in enumerate(container.decode(video=0)):
            begun = frame.time if begun is None else begun
            time = number / frame_rate if frame_rate else frame.time - begun
            picture = None
            while time * READ_HZ + 1e-3 >= len(found):
                picture = picture or Picture.of(frame).shrink(LONGEST, FILTER)
                found.append(picture)
    return found


class Detector:
    """CenterNet of the package `centernet-mobilenetv3-coco`: people's boxes in picture heights."""

    def __init__(self, package: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            package / "centernet-mobilenetv3-coco.onnx", options
        )

    def boxes(self, picture: Picture) -> np.ndarray:
        """Left, top, right and lower edge of each person, in picture heights."""
        width, height = picture.size
        scale = DETECTOR_SIDE / max(width, height)
        wide, high = round(width * scale), round(height * scale)
        left, top = (DETECTOR_SIDE - wide) // 2, (DETECTOR_SIDE - high) // 2
        whole = np.zeros((DETECTOR_SIDE, DETECTOR_SIDE, 3), np.float32)
        whole[top : top + high, left : left + wide] = picture.sample(
            (0, 0), scale, (wide, high), DETECTOR_FILTER
        )
        heat, sizes = self.session.run(
            ["heatmap", "sizes"], {"images": whole.transpose(2, 0, 1)[None]}
        )
        score = 1 / (1 + np.exp(-heat[0, 0]))
        peak = (score >= SCORE) & (score == maximum_filter(score, 3))
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
    frames: list[Picture], square: Square, variant: Variant, name: str
) -> np.ndarray:
    """The square of each frame, u8 [frames, 3, SIDE, SIDE]; chance is seeded by `name`."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    height = frames[0].size[1]
    side = square.side * variant.zoom * height
    across, down = rng.uniform(-variant.shift, variant.shift, 2) * side
    flips = rng.random() < 0.5
    mirror = flips if variant.mirror is None else variant.mirror
    corner = (
        square.x * height + across - side / 2,
        square.y * height + down - side / 2,
    )
    found = []
    for frame in frames:
        crop = frame.sample(corner, SIDE / side, (SIDE, SIDE), FILTER)
        crop = crop[:, ::-1] if mirror else crop
        crop = np.clip(crop * variant.gain, 0, 255).round().astype(np.uint8)
        found.append(crop.transpose(2, 0, 1))
    return np.stack(found)


def windows(frames: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Every window of the net, at its pace; of a clip that is too short the last frame is repeated."""
    length = (STEPS - 1) * READ_HZ // RATE_HZ + 1
    frames = frames + [frames[-1]] * max(0, length - len(frames))
    starts = range(0, len(frames) - length + 1, HOP)
    return [frames[start : start + length : READ_HZ // RATE_HZ] for start in starts]
