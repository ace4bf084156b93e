"""What drawn people do over time: steps of angles, headings, places and labels."""

from dataclasses import dataclass

import numpy as np

from drawn.body import ANGLES, PLACE
from drawn.stances import Chance, upright

# A moment that may be called one or the other.
UNSURE = -1

# How much each angle of somebody alive moves, against the others.
UNREST = np.array(
    [0.2, 0.2, 0.1, 0.5, 0.4, 1.5, 0.4, 0.4, 0.2, 0.2, 0.4, 0.4]
    + [2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 0.0]
)


@dataclass
class Play:
    angles: np.ndarray
    heading: np.ndarray
    place: np.ndarray
    label: np.ndarray


def eased(share: np.ndarray) -> np.ndarray:
    """From 0 to 1, slowly at both ends."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


class Stage:
    """Somebody who does one thing after the other; so many steps are a second."""

    def __init__(self, c: Chance, rate_hz: int) -> None:
        self.c = c
        self.rate_hz = rate_hz
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self.heading = c.between(0, 2 * np.pi)
        self.place = np.zeros(2)
        self.now: np.ndarray | None = None

    def play(self) -> Play:
        return Play(*(np.concatenate(part) for part in zip(*self.parts)))

    def steps(self) -> int:
        return sum(len(part[0]) for part in self.parts)

    def add(self, angles, label, heading=None, place=None) -> None:
        n = len(angles)
        heading = np.full(n, self.heading) if heading is None else heading
        place = np.tile(self.place, (n, 1)) if place is None else place
        label = np.broadcast_to(label, (n,)).copy()
        self.parts.append((angles, heading, place, label))
        self.now = angles[-1]

    def hold(self, angles, seconds: float, label: int, unrest=(1, 2, 5)) -> None:
        """Stay so, as somebody alive does."""
        n = max(1, int(seconds * self.rate_hz))
        c = self.c
        noise = c.drift(n, len(ANGLES), c.between(3, 15))
        self.add(angles + noise * np.deg2rad(c.one_of(unrest)) * UNREST, label)

    def go(self, to, seconds: float, before: int, after: int, power=None) -> None:
        """Change to another stance: smoothly, or faster and faster by a power."""
        n = max(1, round(seconds * self.rate_hz))
        time = (np.arange(n) + 1) / n
        done = time**power if power else eased(time)
        angles = self.now + (to - self.now) * done[:, None]
        label = np.where(done < 0.35, before, np.where(done > 0.65, after, UNSURE))
        self.add(angles, label)


def hops(c: Chance, seconds: float, rate_hz: int) -> np.ndarray:
    """Angles of who jumps on the spot, with or without the arms and legs of a jumping jack."""
    n = int(seconds * rate_hz)
    phase = c.between(0.8, 2.6) * np.arange(n) / rate_hz + c.between(0, 1)
    wave = np.sin(2 * np.pi * phase)
    air, dip = np.clip(wave, 0, 1), np.clip(-wave, 0, 1)
    knee, swing = c.between(10, 80), c.one_of([3, 10, 40, 160])
    angles = np.tile(upright(c), (n, 1))
    angles[:, PLACE["lift"]] = c.between(0.04, 0.2) * air
    angles[:, PLACE["pitch"]] = np.deg2rad(10) * dip
    jack = c.happens(0.3)
    for s in "lr":
        angles[:, PLACE[f"knee_{s}"]] = np.deg2rad(5 + knee * dip)
        angles[:, PLACE[f"hip_{s}"]] = np.deg2rad(0.55 * knee * dip)
        angles[:, PLACE[f"arm_{s}"]] = np.deg2rad(swing / 2 * wave)
        if jack:
            angles[:, PLACE[f"wing_{s}"]] = np.deg2rad(40 + 40 * wave)
            angles[:, PLACE[f"spread_{s}"]] = np.deg2rad(10 + 10 * wave)
    return angles
