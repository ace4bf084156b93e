"""The figures of a cross-validation: every window is scored by a model that has not
been trained on its clip."""

from collections.abc import Callable
from functools import partial

import numpy as np

from skeleton import camera, learn, measures
from skeleton.clips import Clips
from skeleton.network import Ensemble

RATES_HZ = (5, 10, 15, 25, 30)
DROPPED = (0.0, 0.15, 0.3)
NOISES = (0.0, 0.03)
REPEATS = 3

Windows = Callable[[Clips, np.ndarray], np.ndarray]


def out_of_fold(
    data: Clips, fold: np.ndarray, models: list[Ensemble], windows: Windows
) -> np.ndarray:
    """Logits [N, K] of a window for each clip, by the model of its fold."""
    out = np.empty((len(data), len(data.names)), np.float32)
    for number, model in enumerate(models):
        held = np.flatnonzero(fold == number)
        out[held] = learn.logits(model, windows(data, held))
    return out


def whole(data: Clips, held: np.ndarray) -> np.ndarray:
    return data.take(held).windows()


def figures(data: Clips, fold: np.ndarray, models: list[Ensemble], seed: int) -> dict:
    rng = np.random.default_rng(seed)
    count, unknown = len(models), len(data.names) - 1
    logits = out_of_fold(data, fold, models, whole)
    # A fold's temperature comes from the other folds.
    scores = np.empty(logits.shape)
    temperatures = []
    for number in range(count):
        held = fold == number
        temperatures.append(measures.temperature(logits[~held], data.label[~held]))
        scores[held] = measures.softmax(logits[held], temperatures[-1])
    choice = measures.forced(scores)
    forced, strict = choice == data.label, scores.argmax(1) == data.label
    per_fold = lambda right: [float(right[fold == n].mean()) for n in range(count)]
    singles = []
    for place in range(len(models[0].members)):
        lone = [Ensemble([m.members[place]], 1.0).eval() for m in models]
        lone_logits = out_of_fold(data, fold, lone, whole)
        singles.append(float((measures.forced(lone_logits) == data.label).mean()))
    given14 = scores[:, :-1] / scores[:, :-1].sum(1, keepdims=True)
    table = measures.confusion(scores.argmax(1), data.label, len(data.names))

    of_clip = np.array(temperatures)[fold][:, None]

    def scored(windows: Windows) -> np.ndarray:
        return measures.softmax(out_of_fold(data, fold, models, windows), of_clip)

    def live(how: Callable[[int], camera.Conditions], kind: str, crop: bool) -> Windows:
        def windows(data: Clips, held: np.ndarray) -> np.ndarray:
            size = len(held)
            span = rng.uniform(0.5, 1.6, size) if crop else np.full(size, np.inf)
            kinds = np.full(size, kind, object)
            return camera.live(rng, data, held, how(size), span, np.ones(size), kinds)

        return windows

    def repeated(windows: Windows) -> np.ndarray:
        return np.stack([scored(windows) for _ in range(REPEATS)])

    robustness = []
    for noise in NOISES:
        for dropped in DROPPED:
            for rate in RATES_HZ:
                how = partial(camera.fixed, rate_hz=rate, dropped=dropped, noise=noise)
                got = repeated(live(how, "known", False))
                robustness.append(
                    {
                        "rate_hz": rate,
                        "dropped": dropped,
                        "noise": noise,
                        "forced": float((measures.forced(got) == data.label).mean()),
                        "unknown": float((got.argmax(-1) == unknown).mean()),
                    }
                )

    rough = lambda n: camera.varied(rng, n, 0.0)
    small = lambda n: camera.fixed(n, 10, 0.15, 0.04)
    conditions = {
        "whole clips, as annotated": live(camera.clean, "known", False),
        "parts of 0.5 to 1.6 s, as annotated": live(camera.clean, "known", True),
        "whole clips, varied cameras": live(rough, "known", False),
        "parts of 0.5 to 1.6 s, varied cameras": live(rough, "known", True),
    }
    known = []
    for name, windows in conditions.items():
        got = repeated(windows)
        flat, label = got.reshape(-1, got.shape[-1]), np.tile(data.label, REPEATS)
        known.append(
            {
                "windows": name,
                "forced": float((measures.forced(got) == data.label).mean()),
                "strict": float((got.argmax(-1) == data.label).mean()),
                "unknown": float((got.argmax(-1) == unknown).mean()),
                "calibration_error": measures.calibration_error(flat, label),
            }
        )
    strange = []
    for kind in camera.STRANGE:
        for name, how in (("as annotated", camera.clean), ("varied cameras", rough)):
            got = repeated(live(how, kind, True))
            strange.append({"kind": kind, "camera": name} | outcome(got, data.names))
    surveillance = []
    walking = data.label == data.names.index("walk")
    upright = np.isin(
        data.label, [data.names.index(n) for n in ("walk", "wave", "throw")]
    )
    for name, kind, who in (
        ("walking", "known", walking),
        ("standing still", "frozen", upright),
    ):
        got = np.stack([scored(live(small, kind, True))[who] for _ in range(10)])
        surveillance.append({"person": name} | outcome(got, data.names))
    return {
        "clips": len(data),
        "names": data.names,
        "folds": count,
        "forced": per_fold(forced),
        "strict": per_fold(strict),
        "single_members": singles,
        "per_class": {
            name: float(forced[data.label == k].mean())
            for k, name in enumerate(data.names[:-1])
        },
        "confusion": table.tolist(),
        "temperature": measures.temperature(logits, data.label),
        "fold_temperatures": temperatures,
        "calibration_error": measures.calibration_error(scores, data.label),
        "calibration_error_forced": measures.calibration_error(given14, data.label),
        "uncalibrated_error": measures.calibration_error(
            measures.softmax(logits), data.label
        ),
        "reliability": measures.reliability(scores, data.label),
        "robustness": robustness,
        "known": known,
        "strange": strange,
        "surveillance": surveillance,
    }


def outcome(scores: np.ndarray, names: list[str]) -> dict:
    """The share of each best label, and of labels scored above a half."""
    best = scores.argmax(-1).ravel()
    sure = scores.max(-1).ravel() > 0.5
    share = np.bincount(best, minlength=len(names)) / len(best)
    confident = np.bincount(best[sure], minlength=len(names)) / len(best)
    return {
        "best": dict(zip(names, share.tolist())),
        "above_half": dict(zip(names, confident.tolist())),
    }


def summary(figures: dict) -> str:
    forced, strict = np.array(figures["forced"]), np.array(figures["strict"])
    return (
        f"accuracy {forced.mean():.3f} +- {forced.std(ddof=1):.3f}, "
        f"unknown counted wrong {strict.mean():.3f} +- {strict.std(ddof=1):.3f}, "
        f"calibration error {figures['calibration_error']:.3f}"
    )
