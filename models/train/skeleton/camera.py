"""Training windows: clips as a camera and a pose network would have observed them.

A window is made the way Spotter makes it from live tracks: a joint is observed at the
camera's irregular instants, or missed there, and is interpolated to the 25 Hz grid
between observations at most half a second apart.
"""

from dataclasses import dataclass

import numpy as np

from drawn.body import MIRROR
from skeleton.clips import RATE_HZ, STEPS, Clips

LONGEST_GAP_S = 0.5
GRID_S = (np.arange(STEPS, dtype=np.float32) - (STEPS - 1)) / np.float32(RATE_HZ)
FASTEST_HZ = 30.0
# Enough for a window and the gap before it at the fastest rate and some jitter.
OBSERVATIONS = int((STEPS / RATE_HZ + LONGEST_GAP_S) * FASTEST_HZ) + 2

LEGS = np.arange(7, 13)
# What something in front of a person hides together.
LIMBS = [
    [3, 5],
    [4, 6],
    [9, 11],
    [10, 12],
    [9, 10, 11, 12],
    [7, 8, 9, 10, 11, 12],
    [0],
    [5, 6],
    [1, 3, 5, 7, 9, 11],
    [2, 4, 6, 8, 10, 12],
    [1, 2, 3, 4, 5, 6],
    [11, 12],
]
HIDDEN = np.zeros((len(LIMBS), 13), bool)
for row, limb in zip(HIDDEN, LIMBS):
    row[limb] = True
# Pairs that a pose network exchanges together: the arms, the legs, all.
SWAPS = np.array(
    [
        [0, 2, 1, 4, 3, 6, 5, 7, 8, 9, 10, 11, 12],
        [0, 1, 2, 3, 4, 5, 6, 8, 7, 10, 9, 12, 11],
        MIRROR,
    ]
)


def resample(
    at_s: np.ndarray, pose: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Observations to the grid, joint by joint.

    at_s [B, N] ascending, pose [B, N, 13, 2], seen bool [B, N, 13]; gives pose
    [B, STEPS, 13, 2] and seen [B, STEPS, 13].
    """
    batch, count = at_s.shape
    number = np.arange(count)[None, :, None]
    last = np.maximum.accumulate(np.where(seen, number, -1), 1)
    following = np.where(seen, number, count)[:, ::-1]
    following = np.minimum.accumulate(following, 1)[:, ::-1]
    # The observations on either side of each instant; one exactly at it is both.
    slack = 1e-4
    before = (at_s[:, None, :] <= GRID_S[None, :, None] + slack).sum(2) - 1
    after = (at_s[:, None, :] < GRID_S[None, :, None] - slack).sum(2)
    row = np.arange(batch)[:, None]
    prev = np.where(before[..., None] >= 0, last[row, np.maximum(before, 0)], -1)
    next_ = np.where(
        after[..., None] < count, following[row, np.minimum(after, count - 1)], count
    )
    found = (prev >= 0) & (next_ < count)
    prev, next_ = np.where(found, prev, 0), np.where(found, next_, 0)
    row, joint = np.arange(batch)[:, None, None], np.arange(13)[None, None, :]
    start, end = at_s[row, prev], at_s[row, next_]
    found &= end - start <= LONGEST_GAP_S + slack
    share = (GRID_S[None, :, None] - start) / np.maximum(end - start, 1e-6)
    share = np.where(end > start, np.clip(share, 0, 1), 0)[..., None]
    a, b = pose[row, prev, joint], pose[row, next_, joint]
    return np.where(found[..., None], a + share * (b - a), 0), found


def window(pose: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.concatenate([pose, seen[..., None]], -1).astype(np.float32)


@dataclass
class Conditions:
    """How a batch is observed; each field is [B] unless it says otherwise."""

    rate_hz: np.ndarray
    jitter: np.ndarray  # of the time between two observations
    dropped: np.ndarray  # share of single joints missed
    noise: np.ndarray  # of a joint, in body heights
    outliers: np.ndarray  # share of joints put somewhere else
    swaps: np.ndarray  # share of observations with left and right exchanged
    hidden: np.ndarray  # bool: a limb is hidden for a while


def clean(batch: int) -> Conditions:
    zero = np.zeros(batch, np.float32)
    rate = np.full(batch, RATE_HZ, np.float32)
    return Conditions(rate, zero, zero, zero, zero, zero, zero > 0)


def fixed(batch: int, rate_hz: float, dropped: float, noise: float) -> Conditions:
    """One cell of the robustness table."""
    zero = np.zeros(batch, np.float32)
    return Conditions(
        zero + rate_hz, zero + 0.1, zero + dropped, zero + noise, zero, zero, zero > 0
    )


def varied(rng: np.random.Generator, batch: int, clean_share: float) -> Conditions:
    """Cameras of 5 to 30 fps, of which `clean_share` see like the annotators did."""
    rough = rng.random(batch) >= clean_share
    uniform = lambda low, high: rng.uniform(low, high, batch).astype(np.float32)
    log = lambda low, high: np.exp(uniform(np.log(low), np.log(high)))
    often = lambda share: rng.random(batch) < share
    return Conditions(
        np.where(rough, log(5, FASTEST_HZ), RATE_HZ).astype(np.float32),
        uniform(0, 0.3) * rough,
        uniform(0, 0.3) * (rough & often(0.7)),
        np.where(rough, log(0.003, 0.04), uniform(0, 0.006)),
        uniform(0, 0.03) * (rough & often(0.5)),
        uniform(0, 0.1) * (rough & often(0.3)),
        rough & often(0.35),
    )


def instants(rng: np.random.Generator, how: Conditions) -> np.ndarray:
    """Times of observations before the newest, which is at 0; [B, OBSERVATIONS]."""
    number = np.arange(OBSERVATIONS, dtype=np.float32)[::-1]
    jitter = rng.uniform(-0.5, 0.5, (len(how.rate_hz), OBSERVATIONS))
    jitter = (jitter * how.jitter[:, None]).astype(np.float32)
    jitter[:, -1] = 0
    return (jitter - number) / how.rate_hz[:, None]


def at_times(clips: Clips, chosen: np.ndarray, source_s: np.ndarray) -> np.ndarray:
    """Poses of clips at any time within them; [B, N] gives [B, N, 13, 2]."""
    frame = np.clip(source_s * RATE_HZ, 0, (clips.frames[chosen] - 1)[:, None])
    first = np.minimum(frame.astype(int), STEPS - 2)
    share = (frame - first)[..., None, None].astype(np.float32)
    row = chosen[:, None]
    return clips.pose[row, first] * (1 - share) + clips.pose[row, first + 1] * share


def observe(
    rng: np.random.Generator, pose: np.ndarray, at_s: np.ndarray, how: Conditions
) -> tuple[np.ndarray, np.ndarray]:
    """Noise, outliers, swaps and misses on poses [B, N, 13, 2]."""
    batch, count = pose.shape[:2]
    column = lambda values: values[:, None, None]
    normal = lambda *shape: rng.standard_normal(shape, np.float32)
    swap = rng.random((batch, count)) < how.swaps[:, None]
    if swap.any():
        order = SWAPS[rng.integers(len(SWAPS), size=swap.sum())]
        pose = pose.copy()
        pose[swap] = np.take_along_axis(pose[swap], order[..., None], 1)
    # Half the noise is fresh at every observation, half is the network's lasting error.
    each = column(how.noise)[..., None] * rng.uniform(0.5, 1.5, (batch, 1, 13, 1))
    lasting = normal(batch, 1, 13, 2)
    pose = pose + each.astype(np.float32) * (normal(*pose.shape) + 0.7 * lasting)
    out = rng.random((batch, count, 13)) < column(how.outliers)
    pose[out] += 0.2 * normal(out.sum(), 2)
    seen = rng.random((batch, count, 13)) >= column(how.dropped)
    limb = HIDDEN[rng.integers(len(LIMBS), size=batch)]
    start = rng.uniform(-1.6, -0.1, batch)
    length = rng.uniform(0.3, 2.0, batch)
    hidden = (at_s >= start[:, None]) & (at_s < (start + length)[:, None])
    seen &= ~(hidden[..., None] & limb[:, None] & column(how.hidden))
    return pose, seen


def viewpoint(rng: np.random.Generator, pose: np.ndarray) -> np.ndarray:
    """Other sides, builds and cameras: mirror, stretch, shear, rotation."""
    batch = len(pose)
    mirrored = rng.random(batch) < 0.5
    pose = np.where(
        mirrored[:, None, None, None], pose[:, :, MIRROR] * np.float32([-1, 1]), pose
    )
    angle = rng.normal(0, 0.15, batch)
    stretch = np.exp(rng.normal(0, 0.12, batch))
    shear = rng.normal(0, 0.06, batch)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1)
    shape = np.stack([stretch, shear, np.zeros(batch), 1 / stretch], 1)
    matrix = (turn.reshape(-1, 2, 2) @ shape.reshape(-1, 2, 2)).astype(np.float32)
    return pose @ matrix.transpose(0, 2, 1)[:, None]


def proportions(rng: np.random.Generator, pose: np.ndarray) -> np.ndarray:
    """Arms and legs some percent longer or shorter, the left as the right."""
    batch = len(pose)
    change = lambda: np.exp(rng.normal(0, 0.08, (batch, 1, 1, 1))).astype(np.float32)
    out = pose.copy()
    arm, hand, thigh, shank = change(), change(), change(), change()
    for root, middle, end, upper, lower in (
        (1, 3, 5, arm, hand),
        (2, 4, 6, arm, hand),
        (7, 9, 11, thigh, shank),
        (8, 10, 12, thigh, shank),
    ):
        out[:, :, middle] = out[:, :, root] + upper[:, 0] * (
            pose[:, :, middle] - pose[:, :, root]
        )
        out[:, :, end] = out[:, :, middle] + lower[:, 0] * (
            pose[:, :, end] - pose[:, :, middle]
        )
    return out


@dataclass
class Recipe:
    """How far a training batch is from whole, well seen, known clips."""

    clean_share: float = 0.5
    crop_share: float = 0.4
    unknown_share: float = 0.2
    # With the legs of another clip of the same activity.
    legs_share: float = 0.2


# What no label fits, and how often each is made.
STRANGE = {
    "frozen": 0.7,
    "chimera": 0.12,
    "shuffled": 0.06,
    "few joints": 0.06,
    "short": 0.06,
}


def batch(
    rng: np.random.Generator, clips: Clips, chosen: np.ndarray, recipe: Recipe
) -> tuple[np.ndarray, np.ndarray]:
    """Windows f32 [B, STEPS, 13, 3] and labels [B] of the chosen clips, for training."""
    size = len(chosen)
    how = varied(rng, size, recipe.clean_share)
    kind = np.where(rng.random(size) < recipe.legs_share, "other legs", "known")
    kind = kind.astype(object)
    strange = rng.random(size) < recipe.unknown_share
    kind[strange] = rng.choice(list(STRANGE), strange.sum(), p=list(STRANGE.values()))
    speed = np.exp(rng.uniform(np.log(0.8), np.log(1.25), size))
    speed = np.where(rng.random(size) < 0.4, 1, speed)
    cropped = rng.random(size) < recipe.crop_share
    span = np.where(cropped, rng.uniform(0.5, 1.6, size), np.inf)
    windows = live(rng, clips, chosen, how, span, speed, kind, vary=True)
    return windows, np.where(strange, len(clips.names) - 1, clips.label[chosen])


def live(
    rng: np.random.Generator,
    clips: Clips,
    chosen: np.ndarray,
    how: Conditions,
    span_s: np.ndarray,
    speed: np.ndarray,
    kind: np.ndarray,
    vary: bool = False,
) -> np.ndarray:
    """Windows of the last `span_s` before a random instant of each chosen clip.

    A `kind` of `STRANGE` makes the window one that no label fits; `vary` draws other
    bodies and viewpoints.
    """
    size = len(chosen)
    at_s = instants(rng, how)
    length = (clips.frames[chosen] - 1) / RATE_HZ
    span = np.minimum(span_s * speed, length)
    end = length - rng.random(size) * (length - span)
    source = end[:, None] + at_s * speed[:, None]
    present = source >= (end - span)[:, None] - 1e-4
    pose = compose(rng, clips, chosen, kind, source, present, at_s)
    if vary:
        pose = viewpoint(rng, proportions(rng, pose))
    pose, seen = observe(rng, pose, at_s, how)
    seen &= present[..., None]
    for i in np.flatnonzero(kind == "few joints"):
        kept = rng.choice(13, rng.integers(1, 5), replace=False)
        seen[i][:, np.setdiff1d(np.arange(13), kept)] = False
    for i in np.flatnonzero(kind == "short"):
        seen[i, at_s[i] < -rng.uniform(0, 0.3)] = False
    return window(*resample(at_s, pose, seen))


def compose(
    rng: np.random.Generator,
    clips: Clips,
    chosen: np.ndarray,
    kind: np.ndarray,
    source: np.ndarray,
    present: np.ndarray,
    at_s: np.ndarray,
) -> np.ndarray:
    """Poses at the observations, made strange according to `kind`."""
    source = source.copy()
    frozen = kind == "frozen"
    source[frozen] = source[frozen, -1:]
    for i in np.flatnonzero(kind == "shuffled"):
        piece = rng.uniform(0.15, 0.4)
        part = np.floor(-at_s[i] / piece).astype(int)
        order = rng.permutation(part[present[i]].max() + 1)
        order = np.concatenate([order, np.arange(len(order), part.max() + 1)])
        source[i] = source[i, -1] - (order[part] * piece + (-at_s[i]) % piece)
    pose = at_times(clips, chosen, source)
    for i in np.flatnonzero((kind == "chimera") | (kind == "other legs")):
        same = clips.label == clips.label[chosen[i]]
        other = rng.choice(np.flatnonzero(same if kind[i] == "other legs" else ~same))
        length = (clips.frames[other] - 1) / RATE_HZ
        at = np.clip(source[i] - source[i, -1] + length, 0, length)
        legs = at_times(clips, np.array([other]), at[None])[0]
        hips = pose[i][:, [7, 8]].mean(1, keepdims=True)
        legs = legs[:, LEGS] - legs[:, [7, 8]].mean(1, keepdims=True) + hips
        pose[i][:, LEGS] = legs
    return pose
