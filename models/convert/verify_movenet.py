"""Compare the pose package with the straight conversion on people of a video."""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

import footage
import movenet
from people import Crop, Finder
from verify import load, show

PLACE_TOLERANCE, SCORE_TOLERANCE = 1e-4, 1e-4


@dataclass
class Models:
    straight: onnxruntime.InferenceSession
    package: onnxruntime.InferenceSession

    def run_straight(self, nhwc: np.ndarray) -> np.ndarray:
        return self.straight.run(["Identity:0"], {"input:0": nhwc})[0][0, 0]

    def run_package(self, nchw: np.ndarray) -> np.ndarray:
        return self.package.run(["keypoints"], {"images": nchw})[0][0, 0]


def compare(models: Models, crops: list[Crop]) -> np.ndarray:
    """The greatest differences of y, x and score."""
    differences = [
        models.run_straight(crop.nhwc) - models.run_package(crop.nchw) for crop in crops
    ]
    return np.abs(differences).max(axis=(0, 1))


def race(models: Models, crops: list[Crop], rounds: int) -> dict[str, float]:
    """Time the models in turn, as verify.py does; returns medians in milliseconds."""
    inputs = [(crop.nhwc, crop.nchw) for crop in crops]
    times = defaultdict(list)
    for nhwc, nchw in inputs * rounds:
        start = time.thread_time()
        models.run_straight(nhwc)
        middle = time.thread_time()
        models.run_package(nchw)
        times["straight conversion"].append(middle - start)
        times["package"].append(time.thread_time() - middle)
    return {name: 1000 * np.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("straight", type=Path, help="the file that straight.py wrote")
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()

    package = movenet.MODEL / f"{movenet.MODEL.name}.onnx"
    models = Models(load(arguments.straight), load(package))
    finder = Finder()
    frames = footage.read(arguments.video, arguments.frames)
    crops = [Crop.cut(frame, box) for frame in frames for box in finder.find(frame)]

    y, x, score = compare(models, crops)
    print(f"crops: {len(crops)}")
    print(f"greatest difference of a place: {max(x, y):.7f} of the crop's side")
    print(f"greatest difference of a score: {score:.7f}")

    show(race(models, crops, arguments.rounds))

    if max(x, y) > PLACE_TOLERANCE or score > SCORE_TOLERANCE:
        raise SystemExit("the package differs from the straight conversion")


if __name__ == "__main__":
    main()
