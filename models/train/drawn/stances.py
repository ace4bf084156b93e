"""How people stand, sit, crouch, kneel, bend and lie: angles drawn by chance."""

import numpy as np

from drawn.body import ANGLES, PLACE


class Chance:
    """A source of chance; angles in degrees."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def between(self, low: float, high: float) -> float:
        return self.rng.uniform(low, high)

    def about(self, deviation: float) -> float:
        return self.rng.normal(0, deviation)

    def happens(self, share: float) -> bool:
        return self.rng.random() < share

    def one_of(self, choices):
        return choices[self.rng.integers(len(choices))]

    def drift(self, steps: int, width: int, memory: float) -> np.ndarray:
        """Noise [steps, width] of deviation 1 that forgets with `memory` steps."""
        keep = np.exp(-1 / max(memory, 1e-6))
        fresh = self.rng.normal(0, np.sqrt(1 - keep * keep), (steps, width))
        out = np.empty((steps, width))
        last = self.rng.normal(0, 1, width)
        for step in range(steps):
            last = keep * last + fresh[step]
            out[step] = last
        return out


def stance(**degrees: float) -> np.ndarray:
    """Angles of which these are not zero."""
    out = np.zeros(len(ANGLES))
    put(out, **degrees)
    return out


def put(out: np.ndarray, **degrees: float | np.ndarray) -> None:
    """Change these angles of `out` [..., 19]; a name without a side means both."""
    for name, value in degrees.items():
        names = [name] if name in PLACE else [f"{name}_l", f"{name}_r"]
        for name in names:
            out[..., PLACE[name]] = np.deg2rad(value)


def upright(c: Chance) -> np.ndarray:
    out = stance(bow=c.about(4), nod=c.between(-10, 30))
    for s in "lr":
        put(
            out,
            **{
                f"arm_{s}": c.about(10),
                f"wing_{s}": abs(c.about(8)),
                f"elbow_{s}": c.between(0, 30),
                f"spread_{s}": c.between(0, 10),
                f"knee_{s}": c.between(0, 8),
            },
        )
    return out


def stand(c: Chance) -> np.ndarray:
    """With the hands down, before the body, at an ear, out, aside or up."""
    out = upright(c)
    kind = c.rng.integers(6)
    for s in "lr":
        arm, wing, elbow = f"arm_{s}", f"wing_{s}", f"elbow_{s}"
        if kind == 1:
            put(out, **{arm: c.between(10, 40), elbow: c.between(60, 110)})
        elif kind == 2 and (s == "l" or c.happens(0.3)):
            put(out, **{arm: c.between(20, 50), elbow: c.between(100, 145)})
        elif kind == 3:
            put(out, **{arm: c.between(30, 90), elbow: c.between(0, 60)})
        elif kind == 4:
            put(out, **{wing: c.between(10, 60), elbow: c.between(0, 90)})
        elif kind == 5 and c.happens(0.5):
            put(out, **{arm: c.between(60, 170), elbow: c.between(0, 90)})
    return out


def sit(c: Chance) -> np.ndarray:
    """On a chair, a bench or a bed."""
    lean = c.between(-25, 25)
    out = upright(c)
    put(out, pitch=0.6 * lean, bow=0.6 * lean + c.between(-5, 20))
    legs_out = c.happens(0.25)
    for s in "lr":
        knee = c.between(20, 70) if legs_out else c.between(70, 115)
        put(
            out,
            **{
                f"hip_{s}": c.between(75, 100) + 0.6 * lean,
                f"knee_{s}": knee,
                f"spread_{s}": c.between(0, 22),
                f"arm_{s}": c.between(-5, 50),
                f"elbow_{s}": c.between(20, 100),
            },
        )
    if c.happens(0.15):
        put(out, knee_l=c.between(30, 70), hip_l=c.between(85, 110) + 0.6 * lean)
    return out


def sit_on_ground(c: Chance) -> np.ndarray:
    lean, bent = c.between(-40, 20), c.between(0, 100)
    out = upright(c)
    put(out, pitch=lean, bow=c.between(0, 40))
    for s in "lr":
        knee = max(bent + c.about(10), 0)
        put(
            out,
            **{
                f"hip_{s}": 90 + lean + knee / 2,
                f"knee_{s}": knee,
                f"spread_{s}": c.between(0, 40),
                f"arm_{s}": c.between(-40, 60),
                f"elbow_{s}": c.between(0, 60),
            },
        )
    return out


def crouch(c: Chance) -> np.ndarray:
    pitch, knee = c.between(10, 50), c.between(95, 140)
    out = upright(c)
    put(out, pitch=pitch, bow=c.between(10, 45))
    for s in "lr":
        put(
            out,
            **{
                f"hip_{s}": pitch + 0.62 * knee + c.about(8),
                f"knee_{s}": knee + c.about(6),
                f"spread_{s}": c.between(0, 30),
                f"arm_{s}": c.between(10, 90),
                f"elbow_{s}": c.between(0, 90),
            },
        )
    return out


def kneel(c: Chance) -> np.ndarray:
    """On both knees, on one, or sitting on the heels."""
    pitch, on_heels = c.between(-5, 30), c.happens(0.3)
    out = upright(c)
    put(out, pitch=pitch, bow=c.between(0, 30))
    for s in "lr":
        flex = c.between(60, 85) if on_heels else c.between(-5, 20)
        put(
            out,
            **{
                f"hip_{s}": pitch + flex,
                f"knee_{s}": flex + c.between(80, 95),
                f"arm_{s}": c.between(-10, 70),
                f"elbow_{s}": c.between(0, 90),
            },
        )
    if c.happens(0.4):
        put(out, hip_l=pitch + 90, knee_l=90)
    return out


def on_all_fours(c: Chance) -> np.ndarray:
    out = upright(c)
    put(out, pitch=c.between(70, 95), nod=c.between(-50, 10))
    for s in "lr":
        put(
            out,
            **{
                f"hip_{s}": 90 + c.about(10),
                f"knee_{s}": 90 + c.about(8),
                f"arm_{s}": 90 + c.about(12),
                f"elbow_{s}": c.between(0, 25),
            },
        )
    return out


def bend(c: Chance) -> np.ndarray:
    """Down to something on the ground or in a shelf."""
    pitch, knee = c.between(35, 75), c.between(0, 55)
    out = upright(c)
    put(out, pitch=pitch, bow=c.between(15, 45), nod=c.between(-20, 20))
    for s in "lr":
        put(
            out,
            **{
                f"hip_{s}": pitch + 0.55 * knee + c.about(4),
                f"knee_{s}": knee,
                f"arm_{s}": pitch + c.between(10, 50),
                f"elbow_{s}": c.between(0, 30),
            },
        )
    return out


def lie(c: Chance, side: str | None = None) -> np.ndarray:
    """On the belly, the back, the left or the right side."""
    side = side or c.one_of(["belly", "back", "left", "right"])
    flat = side in ("belly", "back")
    pitch = {"belly": 90, "back": -90}.get(side) or c.one_of([-90, 90])
    spin = {"left": 90, "right": -90}.get(side, 0) + c.about(15 if flat else 20)
    out = upright(c)
    put(out, pitch=pitch, spin=spin, nod=c.between(-25, 25))
    put(out, bow=c.about(10) if flat else c.between(-5, 40))
    bent = c.happens(0.45)
    for s in "lr":
        knee = c.between(10, 100) if bent and c.happens(0.75) else c.between(0, 15)
        arm = c.one_of([c.between(-20, 30), c.between(60, 180), c.between(0, 90)])
        belly = side == "belly"
        put(
            out,
            **{
                f"arm_{s}": arm,
                f"wing_{s}": c.between(0, 70),
                f"elbow_{s}": c.between(0, 110),
                f"spread_{s}": c.between(0, 25),
                f"knee_{s}": 0.7 * knee if belly else knee,
                f"hip_{s}": 0 if belly else 0.55 * knee,
            },
        )
    return out
