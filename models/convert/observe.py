"""Count what the package sees in a video, letterboxed and stretched."""

import argparse
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

import centernet
import footage
from decode import decode
from verify import load

FITS = {
    "letterboxed": footage.letterbox,
    "letterboxed in grey": partial(footage.letterbox, pad=114),
    "stretched": footage.stretch,
}
SCORES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
SURE = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--wide", action="store_true", help="cut the frames to 16:9")
    arguments = parser.parse_args()

    labels = (centernet.MODEL / "labels.txt").read_text().splitlines()
    session = load(centernet.MODEL / f"{centernet.MODEL.name}.onnx")
    frames = footage.read(arguments.video, arguments.frames)
    if arguments.wide:
        frames = [footage.cut(frame, 16 / 9) for frame in frames]
    for name, fit in FITS.items():
        rows = []
        for frame in frames:
            image = fit(frame).transpose(2, 0, 1)[np.newaxis].astype(np.float32)
            rows.extend(decode(*session.run(None, {"images": image}), low=min(SCORES)))
        rows = np.array(rows)
        persons = rows[rows[:, 5] == labels.index("person"), 4]
        counts = "  ".join(
            f"{s}: {(persons > s).sum() / len(frames):.2f}" for s in SCORES
        )
        print(f"{name}: persons in a frame at scores above {counts}")
        sure = Counter(labels[int(row[5])] for row in rows if row[4] > SURE)
        others = "  ".join(
            f"{label} {n / len(frames):.2f}" for label, n in sure.most_common()
        )
        print(f"    in a frame above {SURE}: {others}")


if __name__ == "__main__":
    main()
