"""Write how likely a fight is in squares of a film, as training reads, cuts and computes them, for Rust to compare.

python -m fight.check --film vtest.avi

A row of `check.txt` is the first frame of the window, the left, upper edge, width and height of the square as shares of the
picture, and the probability that the package gives. The film is vtest.avi of Debian's package `opencv-doc`.
"""

import argparse
from itertools import islice
from pathlib import Path

import av
import numpy as np
import onnxruntime

from fight.maps import STEPS
from fight.people import FILTER, LONGEST, Square, Variant, cut
from fight.pictures import Picture
from fight.train import MODELS

CHECK = Path(__file__).parent / "check.txt"
# People who walk, alone and close together.
SQUARES = [
    (0, (0.894, 0.5061, 0.1878, 0.2504)),
    (60, (0.4138, 0.2467, 0.1943, 0.259)),
    (60, (0.325, 0.2527, 0.1442, 0.1923)),
    (100, (0.4322, 0.2541, 0.2084, 0.2778)),
    (100, (0.6141, 0.1915, 0.172, 0.2293)),
]
# The film has about ten frames a second.
STRIDE = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", type=Path, required=True)
    arguments = parser.parse_args()
    span = STRIDE * (STEPS - 1) + 1
    with av.open(str(arguments.film)) as container:
        films = islice(container.decode(video=0), SQUARES[-1][0] + span)
        frames = [Picture.of(frame).shrink(LONGEST, FILTER) for frame in films]
    width, height = frames[0].size
    session = onnxruntime.InferenceSession(MODELS / "fight-maps" / "fight-maps.onnx")
    rows = []
    for first, (left, top, across, down) in SQUARES:
        middle = ((left + across / 2) * width / height, top + down / 2)
        square = Square(*middle, max(across * width / height, down))
        chosen = frames[first : first + span : STRIDE]
        crops = cut(chosen, square, Variant(), "")[None].astype(np.float32)
        fight, other = session.run(None, {"clip": crops})[0][0]
        probability = 1 / (1 + np.exp(other - fight))
        rows.append(f"{first} {left} {top} {across} {down} {probability:.4f}\n")
    CHECK.write_text("".join(rows))
    print(CHECK.read_text(), end="")


if __name__ == "__main__":
    main()
