"""Write a film, its last window and what the net says of it, for Rust to compare.

python -m posture.check --weights work/posture/net.pt

`check.txt` has one row for each step of the film: the box's left, right, upper and lower
edge, then x, y and whether it was seen for each joint. Rows of a window follow, then one
row of probabilities. The first row has the aspect and the stature.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from drawn.stances import Chance
from posture.camera import film
from posture.network import Model, Net
from posture.plays import FALL, play
from posture.window import windows

SEED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    arguments = parser.parse_args()
    c = Chance(SEED)
    while True:
        scene = play(c)
        seen = film(c, scene)
        ends = np.flatnonzero((scene.label == FALL) & seen.found)
        if len(ends) and ends[0] > 30 and seen.seen.mean() > 0.5 and seen.found.all():
            break
    end = ends[len(ends) // 2]
    # Rust draws lines over short gaps, which the drawn films do not: here are none.
    seen.seen[:] = np.arange(13) % 5 != 3
    stature = np.array([seen.stature[end]])
    window = windows(seen, np.array([end]), stature)
    net = Net()
    net.load_state_dict(torch.load(arguments.weights))
    with torch.no_grad():
        scores = Model(net.eval(), 1.0).eval()(torch.from_numpy(window))[0].numpy()
    rows = [[seen.aspect, stature[0]]]
    for step in range(end - 29, end + 1):
        joints = np.column_stack([seen.joints[step], seen.seen[step]])
        rows.append([*seen.boxes[step], *joints.ravel()])
    rows += [*window[0], scores]
    lines = (" ".join(f"{value:.6g}" for value in row) for row in rows)
    Path(__file__).with_name("check.txt").write_text("\n".join(lines) + "\n")
    print(f"wrote check.txt; scores {scores.round(3)}")


if __name__ == "__main__":
    main()
