"""Frames of a video, fitted to the model's square input."""

from pathlib import Path

import cv2
import numpy as np

SIDE = 512


def read(video: Path, count: int) -> list[np.ndarray]:
    """Read `count` RGB frames spread evenly over a video."""
    capture = cv2.VideoCapture(str(video))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(np.linspace(0, total - 1, count).astype(int).tolist())
    frames = []
    for index in range(total):
        valid, frame = capture.read()
        if not valid:
            raise SystemExit(f"{video}: cannot decode frame {index} of {total}")
        if index in wanted:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return frames


def cut(frame: np.ndarray, aspect: float) -> np.ndarray:
    """Cut the same number of rows off the top and off the bottom."""
    height, width, _ = frame.shape
    margin = (height - round(width / aspect)) // 2
    return frame[margin : height - margin]


def stretch(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def letterbox(frame: np.ndarray, pad: int = 0) -> np.ndarray:
    height, width, _ = frame.shape
    scale = SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    result = np.full((SIDE, SIDE, 3), pad, np.uint8)
    resized = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    result[top : top + size[1], left : left + size[0]] = resized
    return result
