"""What people do over time, and what it is called."""

import numpy as np

from drawn.body import PLACE
from drawn.stage import UNSURE, Play, Stage, hops
from drawn.stances import (
    Chance,
    bend,
    crouch,
    kneel,
    lie,
    on_all_fours,
    put,
    sit,
    sit_on_ground,
    stand,
    upright,
)  # fmt: skip

RATE_HZ = 10
LABELS = ["up", "sit", "crouch", "bend", "jump", "lie", "fall"]
UP, SIT, CROUCH, BEND, JUMP, LIE, FALL = range(len(LABELS))


class Life(Stage):
    """Somebody of whom each step has one of `LABELS`."""

    def __init__(self, c: Chance) -> None:
        super().__init__(c, RATE_HZ)

    def walk(self, seconds: float, speed: float) -> None:
        """Walk or run: `speed` is in body heights a second."""
        c, runs = self.c, speed > 1.3
        n = max(1, int(seconds * RATE_HZ))
        time = np.arange(n) / RATE_HZ
        strides_hz = 0.95 * np.sqrt(speed) * c.between(0.9, 1.1)
        phase = 2 * np.pi * strides_hz * time + c.between(0, 2 * np.pi)
        angles = np.tile(stand(c) if c.happens(0.3) else upright(c), (n, 1))
        swing = np.deg2rad(np.clip(27 * np.sqrt(speed), 10, 45))
        for s, at in (("l", phase), ("r", phase + np.pi)):
            angles[:, PLACE[f"hip_{s}"]] = swing * (np.sin(at) + 0.15)
            lifts = np.clip(np.sin(at - 1.9), 0, 1)
            angles[:, PLACE[f"knee_{s}"]] = np.deg2rad(8 + (90 if runs else 55) * lifts)
            angles[:, PLACE[f"arm_{s}"]] -= 0.8 * swing * np.sin(at)
            if runs:
                angles[:, PLACE[f"elbow_{s}"]] = np.deg2rad(85)
        angles[:, PLACE["pitch"]] += np.deg2rad(
            c.between(5, 15) if runs else c.between(0, 8)
        )
        turns = c.about(0.3) if c.happens(0.5) else 0.0
        heading = self.heading + np.cumsum(np.full(n, turns / RATE_HZ))
        step = np.stack([np.cos(heading), np.sin(heading)], 1) * speed / RATE_HZ
        place = self.place + np.cumsum(step, 0)
        self.add(angles, UP, heading, place)
        self.heading, self.place = heading[-1], place[-1]

    def jump(self, seconds: float) -> None:
        self.add(hops(self.c, seconds, RATE_HZ), JUMP)

    def gesture(self, seconds: float) -> None:
        """Stand and wave, point, or talk with the hands."""
        c = self.c
        n = int(seconds * RATE_HZ)
        time = np.arange(n) / RATE_HZ
        begin, end = c.between(0, 1), c.between(0, 1)
        raised = np.clip(np.minimum(time - begin, seconds - end - time) / 0.5, 0, 1)[
            :, None
        ]
        angles = np.tile(upright(c), (n, 1))
        active = angles.copy()
        for s in c.one_of(["l", "r", "lr"]):
            waves = np.sin(2 * np.pi * (c.between(0.4, 2) * time + c.between(0, 1)))
            wide = c.between(5, 40)
            ahead = c.happens(0.4)
            active[:, PLACE[f"{'arm' if ahead else 'wing'}_{s}"]] = np.deg2rad(
                c.between(20, 170) + wide * waves * c.happens(0.5)
            )
            active[:, PLACE[f"elbow_{s}"]] = np.deg2rad(
                c.between(0, 100) + wide * waves
            )
        self.add(angles + (active - angles) * raised, UP)

    def fall(self) -> None:
        """Fall over, collapse or miss a chair; then lie there."""
        c = self.c
        kind = c.one_of(
            ["over", "knees", "back", "back", "side", "side", "chair", "slow", "turn"]
        )
        before = UP
        if kind == "over":
            parts = [(self.reaching(lie(c, "belly")), c.between(0.6, 1.2), 1.8)]
        elif kind == "knees":
            down = self.reaching(lie(c, "belly"))
            parts = [
                (kneel(c), c.between(0.3, 0.6), 1.6),
                (down, c.between(0.35, 0.8), 1.5),
            ]
        elif kind == "back":
            down = lie(c, "back")
            parts = [(down, c.between(0.6, 1.2), 1.8)]
            if c.happens(0.6):
                parts = [
                    (sit_on_ground(c), c.between(0.4, 0.8), 1.6),
                    (down, c.between(0.2, 0.6), 1.2),
                ]
        elif kind == "side":
            down = lie(c, c.one_of(["left", "right"]))
            parts = [(down, c.between(0.6, 1.2), 1.7)]
            if c.happens(0.5):
                tipped = self.now.copy()
                put(tipped, roll=c.one_of([-1, 1]) * c.between(60, 85))
                parts = [(tipped, c.between(0.5, 0.95), 1.8), (down, 0.3, 1.0)]
        elif kind == "chair":
            down = lie(c, c.one_of(["back", "left", "right"]))
            parts = [
                (sit_on_ground(c), c.between(0.3, 0.7), 1.4),
                (down, c.between(0.3, 0.6), 1.3),
            ]
            if c.happens(0.6):
                parts.insert(0, (sit(c), c.between(0.3, 0.6), 1.2))
            elif c.happens(0.5):
                seat = sit(c)
                self.go(seat, c.between(0.7, 1.2), UP, SIT)
                self.hold(seat, c.between(0.5, 3), SIT)
                before = SIT
        elif kind == "slow":
            half = c.one_of([crouch, kneel, sit_on_ground])(c)
            parts = [
                (half, c.between(0.5, 1.1), 1.2),
                (lie(c), c.between(0.5, 1.1), 1.2),
            ]
        else:
            self.heading += c.about(1)
            parts = [
                (crouch(c), c.between(0.3, 0.5), 1.3),
                (lie(c), c.between(0.3, 0.6), 1.4),
            ]
        first = len(self.parts)
        for to, seconds, power in parts:
            self.go(to, seconds, before, FALL, power)
        labels = [part[3] for part in self.parts[first:]]
        done = np.arange(sum(map(len, labels))) / sum(map(len, labels))
        for label in labels:
            share, done = done[: len(label)], done[len(label) :]
            label[:] = np.where(
                share < 0.35, before, np.where(share < 0.6, UNSURE, FALL)
            )
        self.hold(self.now, 0.8, FALL, (1.5,))
        self.hold(self.now, 0.5, UNSURE, (1,))
        self.rest()

    def reaching(self, down: np.ndarray) -> np.ndarray:
        """With the arms ahead, as who falls forwards has them."""
        for s in "lr":
            put(
                down,
                **{
                    f"arm_{s}": self.c.between(60, 170),
                    f"elbow_{s}": self.c.between(0, 60),
                },
            )
        return down

    def rest(self) -> None:
        """Lie there, perhaps turn over."""
        c = self.c
        self.hold(self.now, c.between(1, 5), LIE, (0.3, 1, 3))
        if c.happens(0.3):
            self.go(lie(c), c.between(0.8, 2), LIE, LIE)
            self.hold(self.now, c.between(0.5, 3), LIE, (0.3, 1, 3))

    def lie_down(self) -> None:
        """Lie down on purpose: by way of a seat, the knees or the ground."""
        c = self.c
        if c.happens(0.5):
            self.lie_down_at_once()
            return
        way = c.one_of([sit, kneel, crouch, on_all_fours, sit_on_ground])
        label = SIT if way in (sit, sit_on_ground) else CROUCH
        self.go(way(c), c.between(0.7, 1.6), UP, label)
        self.hold(self.now, c.between(0.3, 1.5), label)
        if way in (kneel, crouch) and c.happens(0.6):
            self.go(on_all_fours(c), c.between(0.6, 1.2), CROUCH, CROUCH)
            self.hold(self.now, c.between(0.2, 0.8), CROUCH)
        self.go(lie(c), c.between(1.2, 2.5), label, LIE)
        self.rest()

    def lie_down_at_once(self) -> None:
        """Lie down without a pause, but slower than anybody falls."""
        c = self.c
        ways = [
            (crouch(c), CROUCH, c.between(0.25, 0.4)),
            (sit_on_ground(c), SIT, c.between(0.2, 0.35)),
        ]
        if c.happens(0.4):
            ways = [(c.one_of([kneel, crouch])(c), CROUCH, c.between(0.35, 0.55))]
        seconds, before = c.between(2.9, 5.5), UP
        left = 1.0
        for to, label, share in ways:
            self.go(to, share * seconds, before, label)
            before, left = label, left - share
        self.go(lie(c), left * seconds, before, LIE)
        self.rest()

    def get_up(self) -> None:
        c = self.c
        half = c.one_of([sit_on_ground, kneel, on_all_fours])(c)
        self.go(half, c.between(0.8, 2), LIE, UNSURE)
        self.hold(half, c.between(0.4, 2), UNSURE)
        self.go(stand(c), c.between(0.7, 1.8), UNSURE, UP)
        self.hold(self.now, c.between(0.5, 3), UP)

    def come(self) -> None:
        if self.c.happens(0.5):
            self.walk(self.c.between(0.4, 3), self.c.between(0.35, 1.0))
        else:
            self.hold(stand(self.c), self.c.between(0.3, 3), UP)

    def settle(self, stance, label: int, come_share: float, seconds) -> None:
        """Take a stance and others of its kind, perhaps from standing and back."""
        c = self.c
        if c.happens(come_share):
            self.come()
            self.go(stance(c), c.between(0.35, 1.5), UP, label)
        else:
            self.now = stance(c)
        for _ in range(c.rng.integers(1, 4)):
            self.hold(self.now, c.between(*seconds), label)
            if c.happens(0.5):
                self.go(stance(c), c.between(0.4, 1.2), label, label)
        if c.happens(0.6):
            self.go(stand(c), c.between(0.5, 1.6), label, UP)
            self.hold(self.now, c.between(0.5, 2), UP)


KINDS = (
    ["stand", "gesture", "walk", "walk", "run", "sit", "sit", "ground", "crouch"]
    + ["bend", "bend", "jump", "lie", "lie"]
    + ["lie down", "lie down", "lie down", "fall", "fall", "fall", "fall"]
)


def play(c: Chance) -> Play:
    """Somebody who does one of these things, some seconds long."""
    stage, kind = Life(c), c.one_of(KINDS)
    if kind == "stand":
        for turn in range(3):
            to = stand(c)
            if turn:
                stage.go(to, c.between(0.4, 1), UP, UP)
            stage.hold(to, c.between(1, 4), UP)
    elif kind == "gesture":
        if c.happens(0.5):
            stage.come()
        stage.gesture(c.between(3, 6))
    elif kind == "walk":
        stage.walk(c.between(2, 6), c.between(0.35, 1.0))
        if c.happens(0.5):
            stage.hold(stand(c), c.between(0.5, 2), UP)
            stage.heading += c.about(1.5)
            stage.walk(c.between(1, 4), c.between(0.35, 1.0))
    elif kind == "run":
        stage.walk(c.between(3, 6), c.between(1.4, 3))
    elif kind == "sit":
        stage.settle(sit, SIT, 0.6, (1, 6))
    elif kind == "ground":
        stage.settle(sit_on_ground, SIT, 0.6, (1, 6))
    elif kind == "crouch":
        stage.settle(c.one_of([crouch, kneel, on_all_fours]), CROUCH, 0.6, (1, 6))
    elif kind == "bend":
        stage.settle(bend, BEND, 0.9, (0.3, 3))
    elif kind == "jump":
        if c.happens(0.4):
            stage.come()
        stage.jump(c.between(3, 6))
        if c.happens(0.3):
            stage.hold(stand(c), 1, UP)
    elif kind == "lie":
        stage.now = lie(c)
        stage.rest()
    elif kind == "lie down":
        stage.come()
        stage.lie_down()
    else:
        stage.come()
        stage.fall()
    if kind in ("lie", "lie down", "fall") and c.happens(0.35):
        stage.get_up()
    return stage.play()
