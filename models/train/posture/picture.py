"""Draw somebody who falls, as the camera sees it, and what the net says of it.

python -m posture.picture --weights work/posture/net.pt --out ../../docs/pictures/fall.svg
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from drawn.body import BONES
from drawn.stances import Chance
from posture.camera import Film, film
from posture.network import TOLD, Model, Net
from posture.plays import RATE_HZ, Life
from posture.window import windows

SEED = 14
# The moments that are shown, in seconds before and after the fall begins.
MOMENTS = [-0.6, 0.2, 0.6, 0.9, 1.3, 3.0]
PANEL, MARGIN, CHART = 150, 12, 110
# Okabe and Ito's palette: told apart by colour-blind people, too.
COLOURS = dict(
    zip(TOLD, ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"])
)


def moments(begins: int) -> list[int]:
    """The steps that are shown of a fall that begins at a step."""
    return [begins + round(moment * RATE_HZ) for moment in MOMENTS]


def scene() -> tuple[Film, int]:
    """Somebody walks, falls and lies there; and the step at which the fall begins."""
    c = Chance(SEED)
    while True:
        stage = Life(c)
        stage.walk(2.0, 0.8)
        begins = stage.steps()
        stage.fall()
        seen = film(c, stage.play())
        shown = moments(begins)
        inside = (seen.boxes[:, 2] > 0.02).all() and (seen.boxes[:, 3] < 0.98).all()
        found = shown[-1] + 3 < len(seen.found) and seen.found.all()
        if inside and found and seen.seen[shown].mean(1).min() > 0.6:
            return seen, begins


def probabilities(seen: Film, weights: Path) -> np.ndarray:
    """What the net says at every step [T, 6]."""
    net = Net()
    net.load_state_dict(torch.load(weights))
    ends = np.arange(len(seen.found))
    given = windows(seen, ends, seen.stature[ends])
    with torch.no_grad():
        return Model(net.eval(), 1.0).eval()(torch.from_numpy(given)).numpy()


def panel(
    seen: Film, steps: list[int], step: int, scores: np.ndarray, second: float
) -> list[str]:
    """The box, the joints and the surest posture of one moment, in a square."""
    # All moments show the same part of the picture: where the person is in any of them.
    boxes = seen.boxes[steps]
    left, right = boxes[:, 0].min(), boxes[:, 1].max()
    top, bottom = boxes[:, 2].min(), boxes[:, 3].max()
    scale = (PANEL - 10) / max(right - left, bottom - top)

    def place(x: float, y: float) -> tuple[float, float]:
        across = PANEL / 2 + (x - (left + right) / 2) * scale
        return round(across, 1), round(PANEL - 5 + (y - bottom) * scale, 1)

    label = TOLD[scores.argmax()]
    colour = COLOURS[label]
    box = seen.boxes[step]
    (x0, y0), (x1, y1) = place(box[0], box[2]), place(box[1], box[3])
    out = [f'<rect width="{PANEL}" height="{PANEL}" fill="#f2f2f2"/>']
    out.append(
        f'<rect x="{x0}" y="{y0}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" '
        f'fill="none" stroke="{colour}" stroke-width="2"/>'
    )
    at = [place(*joint) for joint in seen.joints[step]]
    for one, other in BONES:
        if seen.seen[step, one] and seen.seen[step, other]:
            (x0, y0), (x1, y1) = at[one], at[other]
            out.append(
                f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#333" '
                'stroke-width="2.5" stroke-linecap="round"/>'
            )
    if seen.seen[step, 0]:
        out.append(f'<circle cx="{at[0][0]}" cy="{at[0][1]}" r="4" fill="#333"/>')
    out.append(
        f'<text x="{PANEL / 2}" y="{PANEL + 16}" text-anchor="middle" fill="{colour}" '
        f'font-weight="bold">{label} {scores.max():.2f}</text>'
        f'<text x="4" y="14" fill="#333">{second:+.1f} s</text>'
    )
    return out


def chart(scores: np.ndarray, begins: int, steps: list[int], width: float) -> list[str]:
    """The probability of each posture over time, of the steps between the first and the last moment."""
    shown = np.arange(steps[0] - 3, steps[-1] + 3)
    across = (shown - shown[0]) / (len(shown) - 1) * width
    out = [f'<rect width="{width}" height="{CHART}" fill="#f2f2f2"/>']
    for step in steps:
        x = across[step - shown[0]]
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y2="{CHART}" stroke="#ccc"/>')
    for place, label in enumerate(TOLD):
        values = scores[shown, place]
        points = " ".join(
            f"{x:.1f},{CHART - 4 - value * (CHART - 8):.1f}"
            for x, value in zip(across, values)
        )
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[label]}" '
            'stroke-width="2"/>'
        )
        if values.max() >= 0.3:
            peak = values.argmax()
            y = max(14, CHART - values[peak] * (CHART - 8) + 12)
            out.append(
                f'<text x="{across[peak] + 4:.1f}" y="{y:.1f}" fill="{COLOURS[label]}" '
                f'font-weight="bold">{label}</text>'
            )
    x = across[begins - shown[0]]
    out.append(
        f'<text x="{x + 3:.1f}" y="{CHART - 6}" fill="#333">the fall begins</text>'
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    seen, begins = scene()
    scores = probabilities(seen, arguments.weights)
    steps = moments(begins)
    width = len(MOMENTS) * (PANEL + MARGIN) - MARGIN
    height = PANEL + 30 + CHART
    size = f'width="{width + 2 * MARGIN}" height="{height + 2 * MARGIN}"'
    style = 'font-family="sans-serif" font-size="12"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>']
    parts.append('<rect width="100%" height="100%" fill="#fff"/>')
    for index, (step, moment) in enumerate(zip(steps, MOMENTS)):
        x = MARGIN + index * (PANEL + MARGIN)
        parts.append(f'<g transform="translate({x} {MARGIN})">')
        parts += [*panel(seen, steps, step, scores[step], moment), "</g>"]
    parts.append(f'<g transform="translate({MARGIN} {MARGIN + PANEL + 30})">')
    parts += [*chart(scores, begins, steps, width), "</g>", "</svg>"]
    arguments.out.write_text("\n".join(parts) + "\n")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
