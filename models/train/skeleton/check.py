"""Check the package's ONNX file against the network it was written from.

python -m skeleton.check --weights work/skeleton/all.pt --model ../skeleton-tcn-jhmdb
"""

import argparse
import hashlib
import json
import time
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from skeleton.clips import STEPS
from skeleton.train import CHECKED, FIGURES, kept

WINDOWS = 200
CLOSE = 1e-5
RUNS = 1000


def random_windows(rng: np.random.Generator) -> np.ndarray:
    """Wandering skeletons with random joints unseen, some with short histories."""
    place = rng.normal(0, 0.3, (WINDOWS, 1, 13, 2))
    place = place + rng.normal(0, 0.03, (WINDOWS, STEPS, 13, 2)).cumsum(1)
    seen = rng.random((WINDOWS, STEPS, 13)) < rng.uniform(0.3, 1.2, (WINDOWS, 1, 1))
    for window, first in zip(seen, rng.integers(0, STEPS, WINDOWS)):
        window[: first * rng.integers(2)] = False
    seen = seen[..., None]
    return np.concatenate([place * seen, seen], -1).astype(np.float32)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def moved(windows: np.ndarray, scale: float, shift: float) -> np.ndarray:
    out = windows.copy()
    out[..., :2] = (out[..., :2] * scale + shift) * out[..., 2:]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    manifest = tomllib.loads((arguments.model / "model.toml").read_text())
    labels = (arguments.model / manifest["labels"]).read_text().splitlines()
    path = arguments.model / manifest["file"]
    run = session(path)
    scores = lambda windows: np.concatenate(
        [run.run(["scores"], {"joints": window[None]})[0] for window in windows]
    )
    windows = random_windows(np.random.default_rng(0))
    given = scores(windows)
    network = kept(arguments.weights, len(labels))
    network.temperature = json.loads(FIGURES.read_text())["temperature"]
    with torch.no_grad():
        expected = network(torch.from_numpy(windows)).numpy()
    unseen = windows.copy()
    unseen[..., :2] = np.where(unseen[..., 2:] > 0, unseen[..., :2], 1e4)
    off = {
        "network": np.abs(given - expected).max(),
        "sum of scores": np.abs(given.sum(1) - 1).max(),
        "places of unseen joints": np.abs(scores(unseen) - given).max(),
        "nothing seen": 0 if np.isfinite(scores(windows[:1] * 0)).all() else np.inf,
        "shift by a body height": np.abs(scores(moved(windows, 1, 1)) - given).max(),
        "unit of a 1000th": np.abs(scores(moved(windows, 1000, 0)) - given).max(),
        "pixels": np.abs(scores(moved(windows, 64, 512)) - given).max(),
    }
    limit = dict.fromkeys(off, CLOSE)
    # Single precision keeps fewer digits of a person far from the origin.
    limit["pixels"] = 1e-3
    for name, by in off.items():
        print(f"{name}: off by {by:.1e}")
        assert by <= limit[name], name
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256 == manifest["sha256"], "sha256"
    assert path.stat().st_size < 2_000_000, "size"

    took = []
    for number in range(RUNS):
        window = windows[number % WINDOWS][None]
        start = time.process_time()
        run.run(None, {"joints": window})
        took.append(1000 * (time.process_time() - start))
    low, middle, high = np.quantile(took, (0.05, 0.5, 0.95))
    size = path.stat().st_size
    print(f"{size} bytes; {middle:.2f} ms of processor a run ({low:.2f} to {high:.2f})")
    report = {
        "off": {name: float(by) for name, by in off.items()},
        "bytes": size,
        "milliseconds": {"5 %": low, "median": middle, "95 %": high},
    }
    CHECKED.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
