"""Drawn people as a camera without faults shows them."""

import numpy as np

from drawn.body import FLESH, points
from drawn.stage import Play
from drawn.stances import Chance


def project(c: Chance, play: Play, aspect: float) -> tuple[np.ndarray, ...]:
    """Points [T, 16, 2] in the image, distances to the skin [T, 16], statures [T]."""
    body = points(play.angles, play.heading, play.place)
    focal = c.between(0.65, 1.6)
    # At the chest, at a door's height, under a ceiling.
    height = c.one_of(
        [c.between(0.5, 1.1)] + 2 * [c.between(1.1, 2.2)] + [c.between(2, 3.2)]
    )
    distance = np.exp(c.between(np.log(1.6), np.log(9)))
    around = c.between(0, 2 * np.pi)
    target = np.append(play.place[c.rng.integers(len(play.place))], 0.45)
    eye = target + distance * np.array([np.cos(around), np.sin(around), 0])
    eye[2] = height
    aim = target + 0.5 * distance * np.array(
        [c.about(0.25), c.about(0.25), c.about(0.2)]
    )
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    tilt = np.deg2rad(c.about(2))
    right, down = (
        right * np.cos(tilt) + down * np.sin(tilt),
        down * np.cos(tilt) - right * np.sin(tilt),
    )

    def image(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        depth = np.maximum((at - eye) @ ahead, 0.3)
        x = focal * ((at - eye) @ right) / depth + aspect / 2
        return x, focal * ((at - eye) @ down) / depth + 0.5, depth

    x, y, depth = image(body)
    feet = np.column_stack([play.place, np.zeros(len(play.place))])
    stature = np.abs(image(feet + [0, 0, 1])[1] - image(feet)[1])
    return np.stack([x, y], -1), focal * FLESH / depth, stature
