"""Drawn people who do what some of J-HMDB's labels say, as clips of joints.

The few clips of a label come from still fewer videos, so a net learns those people and cameras by heart. Drawn ones add other
bodies, ways of moving and cameras. What needs things in the hands, golf or pouring, is not drawn.
"""

import numpy as np

from drawn.body import ANGLES, JOINTS, PLACE
from drawn.lens import project
from drawn.stage import UNREST, Stage, eased, hops
from drawn.stances import (
    Chance,
    bend,
    crouch,
    kneel,
    put,
    sit,
    sit_on_ground,
    stand,
    upright,
)  # fmt: skip
from skeleton.clips import RATE_HZ, STEPS, Clips

# Mean distance of a joint from the middle of all, in the unit of J-HMDB's clips.
SPREAD = 0.3
# Somebody who seems to grow more than this comes past the camera, where perspective bends a body out of shape.
MOST_GROWTH = 2.2
SHORTEST = 20
ASPECT = 16 / 9
# A gesture as long as a window, in seconds.
LONG = STEPS / RATE_HZ + 0.1
# A stage wants a label for every step; a clip has one for all.
ALL = 0


class Gesture(Stage):
    """Somebody who does one thing, at the pace of J-HMDB."""

    def __init__(self, c: Chance) -> None:
        super().__init__(c, int(RATE_HZ))

    def times(self, seconds: float) -> np.ndarray:
        return np.arange(max(2, int(seconds * RATE_HZ))) / RATE_HZ

    def start(self) -> np.ndarray:
        self.now = self.c.one_of([stand, upright])(self.c)
        return self.now

    def keep(self, shortest: float, longest: float) -> None:
        """Stay as they are for a while, in seconds."""
        self.hold(self.now, self.c.between(shortest, longest), ALL)

    def to(self, angles: np.ndarray, shortest: float, longest: float) -> None:
        """Go to a stance within some seconds."""
        self.go(angles, self.c.between(shortest, longest), ALL, ALL)

    def act(self, angles: np.ndarray, unrest: float = 1.5, **path) -> None:
        """Do as the angles say, but as no two people do it."""
        noise = self.c.drift(len(angles), len(ANGLES), self.c.between(5, 25))
        self.add(angles + noise * np.deg2rad(unrest) * UNREST, ALL, **path)

    def gait(self, seconds: float, runs: bool) -> None:
        c, time = self.c, self.times(seconds)
        strides_hz = c.between(1.15, 1.75) if runs else c.between(0.65, 1.15)
        speed = (strides_hz / 0.95) ** 2 * c.between(0.8, 1.2)
        phase = 2 * np.pi * strides_hz * time + c.between(0, 2 * np.pi)
        swing = c.between(16, 48) if runs else c.between(10, 30)
        knee = c.between(45, 115) if runs else c.between(35, 65)
        arm = c.between(0.4, 1.3) if runs else c.between(0.1, 1.1)
        elbow = c.between(20, 105) if runs else c.between(0, 35)
        usual = upright(c) if c.happens(0.8) else stand(c)
        angles = np.tile(usual, (len(time), 1))
        still = "l" if c.happens(0.12) else ""
        for s, at in (("l", phase), ("r", phase + np.pi)):
            lifts = np.clip(np.sin(at - c.between(1.6, 2.2)), 0, 1)
            hip = swing * (np.sin(at) + c.between(0.05, 0.5))
            put(
                angles,
                **{f"hip_{s}": hip, f"knee_{s}": c.between(4, 20) + knee * lifts},
            )
            if s == still:
                continue
            angles[:, PLACE[f"arm_{s}"]] -= arm * np.deg2rad(swing) * np.sin(at)
            bent = elbow * (1 - 0.25 * np.sin(at)) + c.about(8)
            wing = c.between(0, 18 if runs else 10)
            put(angles, **{f"elbow_{s}": bent, f"wing_{s}": wing})
        if runs:
            steps = np.clip(np.sin(2 * phase + c.between(0, 6)), 0, 1)
            angles[:, PLACE["lift"]] = c.between(0, 0.04) * steps
        leans = c.between(0, 18) if runs else c.between(-3, 9)
        angles[:, PLACE["pitch"]] += np.deg2rad(leans)
        turns = c.about(0.3) if c.happens(0.5) else 0.0
        heading = self.heading + turns * time
        ahead = np.stack([np.cos(heading), np.sin(heading)], 1)
        place = self.place + np.cumsum(ahead, 0) * speed / RATE_HZ
        self.act(angles, 1.2, heading=heading, place=place)
        self.heading, self.place = heading[-1], place[-1]

    def walk(self) -> None:
        self.gait(LONG, runs=False)

    def run(self) -> None:
        self.gait(LONG, runs=True)

    def walks_or_waits(self, share: float, longest: float) -> None:
        if self.c.happens(share):
            self.gait(self.c.between(0.1, longest), runs=False)
        else:
            self.keep(0.04, longest)

    def walks_runs_or_waits(self, longest_way: float, longest_wait: float) -> None:
        if self.c.happens(0.25):
            self.gait(self.c.between(0.2, longest_way), self.c.happens(0.5))
        else:
            self.keep(0.04, longest_wait)

    def lean_over(self, to: np.ndarray, share: float) -> None:
        """Go to or from a seat, mostly with the trunk ahead on the way."""
        c, seconds = self.c, self.c.between(0.5, 1.4)
        if c.happens(0.6):
            way = self.now + (to - self.now) * share
            way[PLACE["pitch"]] += np.deg2rad(c.between(5, 40))
            way[[PLACE["hip_l"], PLACE["hip_r"]]] += np.deg2rad(c.between(5, 35))
            seconds /= 2
            self.go(way, seconds, ALL, ALL)
        self.go(to, seconds, ALL, ALL)

    def sit_down(self) -> None:
        c = self.c
        self.start()
        self.walks_or_waits(0.3, 0.5)
        self.lean_over(sit(c) if c.happens(0.8) else sit_on_ground(c), 0.55)
        self.keep(0.04, 0.6)

    def stand_up(self) -> None:
        c = self.c
        low = sit if c.happens(0.75) else c.one_of([sit_on_ground, crouch, kneel])
        self.now = low(c)
        self.keep(0.04, 0.5)
        self.lean_over(c.one_of([stand, upright])(c), 0.35)
        self.walks_or_waits(0.3, 0.5)

    def pick(self) -> None:
        """Pick something up from the ground."""
        c = self.c
        self.start()
        self.walks_or_waits(0.4, 0.4)
        low = c.one_of([bend, bend, crouch])(c)
        put(low, pitch=c.between(50, 95) if c.happens(0.6) else c.between(30, 60))
        if c.happens(0.5):
            put(low, arm_l=c.between(-20, 40), elbow_l=c.between(0, 60))
        self.to(low, 0.3, 0.8)
        self.keep(0.04, 0.35)
        if c.happens(0.75):
            up = c.one_of([stand, upright])(c)
            put(up, arm_r=c.between(0, 60), elbow_r=c.between(20, 110))
            self.to(up, 0.3, 0.8)
            if c.happens(0.3):
                self.gait(c.between(0.1, 0.4), runs=False)

    def jump(self) -> None:
        """Jump on the spot, once or again and again, or ahead, mostly out of a run."""
        c = self.c
        kind = c.one_of(["hops", "ahead", "up"])
        if kind == "hops":
            self.act(hops(c, LONG, self.rate_hz))
            return
        usual, speed = upright(c), c.between(0, 0.6)
        if kind == "ahead":
            speed = c.between(0.5, 3)
            if c.happens(0.7):
                self.gait(c.between(0.2, 0.8), runs=True)
        dip, air = usual.copy(), usual.copy()
        knee = c.between(40, 100)
        put(dip, knee=knee, hip=0.75 * knee, pitch=0.3 * knee, arm=-c.between(10, 60))
        tuck, split = c.between(0, 110), c.between(-40, 60) * c.happens(0.5)
        put(air, knee_l=tuck, knee_r=tuck * c.between(0.3, 1), pitch=c.about(15))
        put(air, hip_l=0.8 * tuck + split, hip_r=0.6 * tuck - split)
        for s in "lr":
            put(air, **{f"arm_{s}": c.between(20, 160), f"wing_{s}": c.between(0, 70)})
            put(air, **{f"elbow_{s}": c.between(0, 70)})
        if self.now is None:
            self.now = usual
            self.keep(0.04, 0.2)
        self.to(dip, 0.12, 0.35)
        seconds, high = c.between(0.35, 0.8), c.between(0.08, 0.35)
        done = (self.times(seconds) + 1 / RATE_HZ) / seconds
        open_ = eased(3.2 * np.minimum(done, 1 - done))[:, None]
        angles = dip + (air - dip) * open_
        angles[:, PLACE["lift"]] = high * np.clip(4 * done * (1 - done), 0, 1)
        ahead = np.array([np.cos(self.heading), np.sin(self.heading)])
        gone = np.arange(1, len(done) + 1)[:, None] * ahead * speed / RATE_HZ
        self.add(angles, ALL, place=self.place + gone)
        self.place = self.place + gone[-1]
        self.to(dip, 0.1, 0.2)
        self.to(upright(c), 0.2, 0.5)
        if c.happens(0.3):
            self.gait(c.between(0.2, 0.5), runs=speed > 1)

    def clap(self) -> None:
        c, time = self.c, self.times(LONG)
        usual = self.start() if c.happens(0.7) else sit(c)
        angles = np.tile(usual, (len(time), 1))
        claps = np.sin(2 * np.pi * (c.between(1.2, 4) * time + c.between(0, 1)))
        arm, elbow, wide = c.between(15, 80), c.between(30, 100), c.between(5, 20)
        # With the upper arms turned in so far, the hands meet.
        wing = -18 + wide * (1 + claps)
        for s in "lr":
            put(angles, **{f"arm_{s}": arm + c.about(4), f"wing_{s}": wing})
            put(angles, **{f"elbow_{s}": elbow + c.about(5) + 3 * claps})
        self.act(angles)

    def wave(self) -> None:
        c, time = self.c, self.times(LONG)
        usual = self.start() if c.happens(0.75) else sit(c)
        put(usual, arm_l=c.between(-10, 30))
        angles = np.tile(usual, (len(time), 1))
        waving = angles.copy()
        per_second = c.between(0.8, 3.2)
        for s in "r" if c.happens(0.8) else "lr":
            waves = np.sin(2 * np.pi * (per_second * time + c.between(0, 1)))
            waves *= c.between(5, 35)
            ahead, high = c.happens(0.4), c.between(20, 165)
            elbow = c.between(40, 140) if high < 110 else c.between(0, 80)
            arm = high + c.between(0.1, 0.9) * waves
            if ahead:
                put(waving, **{f"arm_{s}": arm})
            else:
                put(waving, **{f"wing_{s}": arm, f"arm_{s}": c.between(0, 60)})
            put(waving, **{f"elbow_{s}": elbow + waves})
        raised = eased((time - c.between(-1.2, 0.3)) / c.between(0.25, 0.6))
        self.act(angles + (waving - angles) * raised[:, None])

    def catch(self) -> None:
        """Wait with the hands ready, reach for it with one or both, and pull it in."""
        c = self.c
        ready = self.start()
        put(ready, pitch=c.between(0, 25))
        knee = c.between(0, 70) * c.happens(0.6)
        put(ready, knee=knee, hip=0.7 * knee)
        put(ready, spread_l=c.between(0, 25), spread_r=c.between(0, 25))
        if c.happens(0.12):
            ready = crouch(c)
        sides = "r" if c.happens(0.3) else "lr"
        both = sides == "lr"
        if c.happens(0.7):
            for s in "lr":
                put(ready, **{f"arm_{s}": c.between(0, 60)})
                put(ready, **{f"elbow_{s}": c.between(20, 110)})
        take = ready.copy()
        put(take, pitch=c.between(-10, 25))
        high = c.between(20, 165)
        for s in sides:
            wing = c.between(-22, -5) if both else c.between(-20, 50)
            put(take, **{f"arm_{s}": high + c.about(8), f"wing_{s}": wing})
            put(take, **{f"elbow_{s}": c.between(0, 70)})
        if c.happens(0.2):
            take[PLACE["lift"]] = c.between(0.0, 0.2)
        got = take.copy()
        got[PLACE["lift"]] = 0
        for s in sides:
            put(got, **{f"arm_{s}": c.between(0, 60), f"elbow_{s}": c.between(70, 130)})
        if c.happens(0.3):
            put(got, pitch=c.between(5, 40), bow=c.between(0, 30))
        self.now = ready
        self.walks_runs_or_waits(0.7, 0.7)
        self.to(take, 0.15, 0.5)
        self.keep(0.04, 0.15)
        self.to(got, 0.15, 0.6)
        self.walks_runs_or_waits(0.5, 0.6)

    def throw(self) -> None:
        """Throw with the right arm, over the shoulder or from below."""
        c = self.c
        usual = self.start()
        back, ahead, end = usual.copy(), usual.copy(), usual.copy()
        if c.happens(0.75):
            put(back, arm_r=c.between(60, 150), wing_r=c.between(20, 80))
            put(back, elbow_r=c.between(70, 140), spin=-c.between(0, 60))
            put(back, arm_l=c.between(20, 90), elbow_l=c.between(0, 60))
            put(back, pitch=-c.between(0, 15))
            put(ahead, arm_r=c.between(80, 130), wing_r=c.between(0, 30))
            put(ahead, elbow_r=c.between(0, 40), spin=c.between(0, 40))
            put(ahead, pitch=c.between(5, 25))
            put(end, arm_r=c.between(0, 60), wing_r=-c.between(0, 25))
            put(end, elbow_r=c.between(0, 40), spin=c.between(20, 60))
            put(end, pitch=c.between(15, 50))
        else:
            put(back, arm_r=-c.between(30, 80), elbow_r=c.between(0, 40))
            put(back, pitch=c.between(5, 30))
            put(ahead, arm_r=c.between(40, 90), elbow_r=c.between(0, 30))
            put(ahead, pitch=c.between(5, 30))
            put(end, arm_r=c.between(80, 140), elbow_r=c.between(0, 40))
        if c.happens(0.5):
            put(back, hip_l=c.between(20, 100), knee_l=c.between(20, 110))
        for step in (ahead, end):
            put(step, hip_l=c.between(10, 45), hip_r=-c.between(0, 30))
            put(step, knee_l=c.between(5, 40))
        self.keep(0.04, 0.3)
        self.to(back, 0.25, 0.8)
        self.to(ahead, 0.1, 0.25)
        self.to(end, 0.1, 0.35)
        self.keep(0.04, 0.4)


DRAWN = {
    "catch": Gesture.catch,
    "clap": Gesture.clap,
    "jump": Gesture.jump,
    "pick": Gesture.pick,
    "run": Gesture.run,
    "sit": Gesture.sit_down,
    "stand": Gesture.stand_up,
    "throw": Gesture.throw,
    "walk": Gesture.walk,
    "wave": Gesture.wave,
}
# These go on all the time, so a clip may begin anywhere in them; the others begin soon.
LASTING = ("clap", "jump", "run", "walk", "wave")


def clip(c: Chance, name: str) -> np.ndarray:
    """Joints [T, 13, 2] of somebody who does it, 20 to 40 frames, in the unit of J-HMDB's clips."""
    while True:
        somebody = Gesture(c)
        DRAWN[name](somebody)
        at = project(c, somebody.play(), ASPECT)[0][:, :JOINTS]
        frames = min(len(at), c.rng.integers(SHORTEST, STEPS + 1))
        latest = len(at) - frames if name in LASTING else min(7, len(at) - frames)
        begin = c.rng.integers(latest + 1)
        at = at[begin : begin + frames]
        # The camera follows, smoothly, and not always all the way.
        time, middle = np.arange(frames), at.mean(1)
        smooth = np.stack(
            [np.polyval(np.polyfit(time, m, 2), time) for m in middle.T], 1
        )
        at = at - (smooth - smooth[:1])[:, None] * c.between(0, 1.1) - smooth[:1]
        size = np.sqrt(np.square(at - at.mean(1, keepdims=True)).sum(2).mean(1))
        if size.max() <= MOST_GROWTH * size.min():
            return at * SPREAD / np.sqrt(np.square(size).mean())


def draw(names: list[str], each: int, seed: int) -> Clips:
    """So many clips of each label that is drawn."""
    c = Chance(seed)
    poses, frames, label = [], [], []
    for number, name in enumerate(names):
        for _ in range(each if name in DRAWN else 0):
            pose = clip(c, name)
            poses.append(np.pad(pose, ((0, STEPS - len(pose)), (0, 0), (0, 0))))
            frames.append(len(pose))
            label.append(number)
    return Clips(np.array(poses, np.float32), np.array(frames), np.array(label), names)
