"""Compare the package with the straight conversion (straight.py) on a video."""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

import centernet
import footage
from decode import STRIDE, decode

FLOOR = 0.1
BOX_TOLERANCE, SCORE_TOLERANCE = 0.5, 0.005


def load(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )


@dataclass
class Frame:
    """One picture in the form that each of the models wants."""

    nhwc: np.ndarray
    nchw: np.ndarray

    @classmethod
    def fit(cls, picture: np.ndarray) -> "Frame":
        nhwc = footage.letterbox(picture)[np.newaxis].astype(np.float32)
        return cls(nhwc, np.ascontiguousarray(nhwc.transpose(0, 3, 1, 2)))


@dataclass
class Models:
    straight: onnxruntime.InferenceSession
    package: onnxruntime.InferenceSession

    def run_straight(self, frame: Frame) -> np.ndarray:
        inputs = {"tower_0/images:0": frame.nhwc}
        return self.straight.run(["tower_0/detections"], inputs)[0][0]

    def run_package(self, frame: Frame) -> list[np.ndarray]:
        return self.package.run(["heatmap", "sizes"], {"images": frame.nchw})


@dataclass
class Difference:
    """The most by which detections differ, and how many have no counterpart."""

    compared: int = 0
    alone: int = 0
    box: float = 0
    score: float = 0

    def add(self, expected: np.ndarray, found: np.ndarray) -> None:
        """Pair each expected detection with the nearest of its class."""
        self.compared += len(expected)
        for row in expected:
            same = found[found[:, 5] == row[5]]
            distances = np.abs(same[:, :4] - row[:4]).max(axis=1)
            if not (distances < STRIDE).any():
                self.alone += 1
                continue
            nearest = same[distances.argmin()]
            self.box = max(self.box, distances.min())
            self.score = max(self.score, abs(nearest[4] - row[4]))


def compare(models: Models, frames: list[Frame]) -> Difference:
    difference = Difference()
    for frame in frames:
        expected = models.run_straight(frame)
        found = decode(*models.run_package(frame), low=FLOOR - SCORE_TOLERANCE)
        difference.add(expected[expected[:, 4] > FLOOR], found)
    return difference


def race(models: Models, frames: list[Frame], rounds: int) -> dict[str, float]:
    """Time the models in turn; returns medians in milliseconds.

    Everything runs in this thread, so its processor time is the time taken, less
    the waits for other programs.
    """
    times = defaultdict(list)
    for frame in frames * rounds:
        start = time.thread_time()
        models.run_straight(frame)
        middle = time.thread_time()
        maps = models.run_package(frame)
        end = time.thread_time()
        decode(*maps, low=FLOOR)
        times["straight conversion"].append(middle - start)
        times["package"].append(end - middle)
        times["package and decode.py"].append(time.thread_time() - middle)
    return {name: 1000 * np.median(values) for name, values in times.items()}


def show(medians: dict[str, float]) -> None:
    """Print medians in milliseconds, each with its ratio to the straight conversion's."""
    for name, median in medians.items():
        ratio = median / medians["straight conversion"]
        print(f"{name}: median {median:.2f} ms, ratio {ratio:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("straight", type=Path, help="the file that straight.py wrote")
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()

    package = centernet.MODEL / f"{centernet.MODEL.name}.onnx"
    models = Models(load(arguments.straight), load(package))
    pictures = footage.read(arguments.video, arguments.frames)
    frames = [Frame.fit(picture) for picture in pictures]

    difference = compare(models, frames)
    print(f"frames: {len(frames)}")
    print(f"detections with a score above {FLOOR}: {difference.compared}")
    print(f"of these without a counterpart: {difference.alone}")
    print(f"greatest difference of a box: {difference.box:.4f} px")
    print(f"greatest difference of a score: {difference.score:.6f}")

    show(race(models, frames, arguments.rounds))

    same = difference.box <= BOX_TOLERANCE and difference.score <= SCORE_TOLERANCE
    if difference.alone or not same:
        raise SystemExit("the package differs from the straight conversion")


if __name__ == "__main__":
    main()
