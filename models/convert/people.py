"""People of a video, cut out for the pose model."""

from dataclasses import dataclass

import cv2
import numpy as np

import centernet
import footage
import movenet
from decode import decode
from verify import load

PERSON = 0
SURE = 0.3
# The side of the crop, in longer sides of the person's box.
SCALE = 1.25


@dataclass
class Crop:
    """A square around a person: RGB of the model's size, and where it comes from."""

    picture: np.ndarray
    left: float
    top: float
    side: float

    @classmethod
    def cut(cls, frame: np.ndarray, box: np.ndarray) -> "Crop":
        """Cut out the square; what lies beyond the frame is black."""
        x1, y1, x2, y2 = box[:4]
        side = SCALE * max(x2 - x1, y2 - y1)
        left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
        scale = movenet.SIDE / side
        # OpenCV counts from the pixels' centres.
        shift = [(0.5 - corner) * scale - 0.5 for corner in (left, top)]
        matrix = np.float64([[scale, 0, shift[0]], [0, scale, shift[1]]])
        size = (movenet.SIDE, movenet.SIDE)
        picture = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR)
        return cls(picture, left, top, side)

    @property
    def nhwc(self) -> np.ndarray:
        return self.picture[np.newaxis].astype(np.int32)

    @property
    def nchw(self) -> np.ndarray:
        planes = self.picture.transpose(2, 0, 1)[np.newaxis]
        return np.ascontiguousarray(planes, np.float32)

    def place(self, keypoints: np.ndarray) -> np.ndarray:
        """Keypoints of the model as x, y (pixels of the frame) and score."""
        y, x, score = keypoints.T
        return np.stack(
            [self.left + x * self.side, self.top + y * self.side, score], axis=1
        )


class Finder:
    """The object model, asked for people."""

    def __init__(self) -> None:
        self.session = load(centernet.MODEL / f"{centernet.MODEL.name}.onnx")

    def find(self, frame: np.ndarray, low: float = SURE) -> np.ndarray:
        """Rows of x1, y1, x2, y2 (pixels of the frame) and score, best first."""
        picture = footage.letterbox(frame)
        image = picture.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        rows = decode(*self.session.run(None, {"images": image}), low=low)
        rows = rows[rows[:, 5] == PERSON, :5]
        height, width, _ = frame.shape
        longer = max(height, width)
        margin = [(longer - width) / 2, (longer - height) / 2]
        rows[:, :4] = rows[:, :4] * (longer / footage.SIDE) - np.tile(margin, 2)
        return rows
