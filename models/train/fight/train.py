"""Train and measure the net that tells fights.

python -m fight.train cross-validate --data fight --walkers vtest.avi
python -m fight.train fit --data fight --walkers vtest.avi --out ../fight-maps

`--data` is the folder of clips `fight-NNN.mp4` and `calm-NNN.mp4`, `--walkers` a film of people who walk about, who are calm; the
detector and the pose net are those of this repository.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import manifest
from fight.maps import features
from fight.people import (
    READ_HZ,
    VARIANTS,
    Detector,
    close_pairs,
    cut,
    groups,
    read,
    windows,
)
from fight.pictures import Picture
from fight.scenes import SCENES, clips, folds

MODELS = Path(__file__).resolve().parents[2]
FIGURES = Path(__file__).parent / "figures.json"
# What cross-validation leaves in the folder of work: the names of all clips, and the score of each by heads that have not seen it.
HELD_OUT = "held-out.npz"
FOLDS = 8
SEEDS = (0, 1, 2)
# Largest share of calm clips that the threshold lets pass as fights: of the figures, and of the package, whose score is 0.5 there.
CALM_TOLD = 0.08
CALM_TOLD_BY_PACKAGE = 0.04
# Number of features of the deepest layer. They come first.
DEEPEST = 7 * 160
COMPONENTS = 40
# Heads whose mean is the head, and the share of scenes that each is trained with.
HEADS = 8
SCENES_OF_HEAD = 0.75
SCENE_OF = {name: index for index, scene in enumerate(SCENES) for name in clips(scene)}
# The film of walkers: its true frame rate, how long its parts are that count as clips, and what their names begin with.
WALKERS_HZ = 7
PART_S = 2
WALKERS = "walkers"
# How much a window of theirs counts against one of the other calm clips.
WALKERS_WEIGHT = 0.1
# How a score becomes the weight of a window of a fight: offset and factor of a logistic function.
SURE = (0.6, 4.0)


@dataclass
class Windows:
    """What the net sees of every window: features, and of which clip, square and variant they are."""

    values: np.ndarray
    clip: np.ndarray
    square: np.ndarray
    variant: np.ndarray

    @property
    def fight(self) -> np.ndarray:
        return np.char.startswith(self.clip, "fight")


def backbone() -> onnx.ModelProto:
    """From the frames of a window to its features."""
    return features(onnx.load(MODELS / "movenet-lightning" / "movenet-lightning.onnx"))


def look(clip: Path | tuple[str, list[Picture]]) -> list[tuple]:
    """The features of every window of a clip, each with the clip's name, its square and its variant."""
    name, frames = (clip.stem, read(clip)) if isinstance(clip, Path) else clip
    detector = Detector(MODELS / "centernet-mobilenetv3-coco")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(backbone().SerializeToString(), options)
    pairs = [pair for frame in frames for pair in close_pairs(detector.boxes(frame))]
    found = []
    for number, square in enumerate(groups(pairs)):
        for index, variant in enumerate(VARIANTS):
            crops = cut(frames, square, variant, f"{name} {number} {index}")
            for window in windows(list(crops)):
                tensor = np.stack(window).astype(np.float32)[None]
                values = session.run(None, {"clip": tensor})[0][0]
                found.append((values, name, number, index))
    return found


def parts(film: Path) -> list[tuple[str, list[Picture]]]:
    """The film of walkers as clips; what the name of each ends with says of which half it is."""
    frames = read(film, WALKERS_HZ)
    length = PART_S * READ_HZ
    starts = range(0, len(frames) - length + 1, length)
    names = [f"{WALKERS}-{at:04d}-{int(2 * at >= len(frames))}" for at in starts]
    return [(name, frames[at : at + length]) for name, at in zip(names, starts)]


def seen(arguments: argparse.Namespace) -> Windows:
    """All windows of all clips, from the folder of work if they are there."""
    path = arguments.work / "windows.npz"
    if not path.exists():
        arguments.work.mkdir(parents=True, exist_ok=True)
        films = [*sorted(arguments.data.glob("*-???.mp4")), *parts(arguments.walkers)]
        rows = []
        with ProcessPoolExecutor() as pool:
            for index, found in enumerate(pool.map(look, films), 1):
                rows += found
                if index % 20 == 0:
                    print(f"{index} of {len(films)} clips", flush=True)
        columns = zip(
            ("values", "clip", "square", "variant"), map(np.array, zip(*rows))
        )
        np.savez(path, **dict(columns))
    data = np.load(path)
    return Windows(**{name: data[name] for name in data.files})


def half(name: str) -> int | None:
    """Of which half of the film of walkers a clip is."""
    return int(name[-1]) if name.startswith(WALKERS) else None


def scene(name: str) -> int:
    """The scene of a clip; each half of the film of walkers is one."""
    of_walkers = half(name)
    return SCENE_OF[name] if of_walkers is None else len(SCENES) + of_walkers


def linear(model, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a fitted pipeline of linear steps."""
    zero = np.zeros((1, values.shape[1]))
    bias = float(model.decision_function(zero)[0])
    return model.decision_function(np.eye(values.shape[1])) - bias, bias


def train(
    given: Windows, chosen: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Weights and bias of the head, from the `chosen` windows: the mean of `HEADS`, each of another part of the scenes."""
    scenes = np.array([scene(name) for name in given.clip])
    # Of a fight, only the square that most of the clip shares is sure to show it.
    chosen = chosen & ((given.square == 0) | ~given.fight)
    heads = []
    for _ in range(HEADS):
        of_head = random.random(len(SCENES) + 2) < SCENES_OF_HEAD
        heads.append(train_one(given, chosen & of_head[scenes]))
    return tuple(sum(part) / HEADS for part in zip(*heads))


def train_one(given: Windows, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of one head.

    A whole clip is called a fight, though not every window of it shows blows. So the head is trained twice: the second time the
    windows of fights count as much as the first head takes them for fights.
    """
    values, fight = given.values[chosen], given.fight[chosen]
    walks = np.char.startswith(given.clip[chosen], WALKERS)
    calm = ~fight * np.where(walks, WALKERS_WEIGHT, 1.0)
    weight = calm + fight * calm.sum() / fight.sum()
    weights, bias = regressions(values, fight, weight)
    sure = 1 / (1 + np.exp(-SURE[0] - SURE[1] * (values @ weights + bias)))
    return regressions(values, fight, weight * np.where(fight, sure, 1.0))


def regressions(
    values: np.ndarray, fight: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, float]:
    """Weights and bias of the mean of two logistic regressions, each with a standard deviation of 1.

    One is of the deepest layer's features, of which there are more than clips, by their main components; one is of those of the
    other layers.
    """
    weights, bias = np.zeros(values.shape[1]), 0.0
    compress = PCA(COMPONENTS, whiten=True, svd_solver="full")
    for part, steps, strength in (
        (slice(0, DEEPEST), [StandardScaler(), compress], 0.01),
        (slice(DEEPEST, None), [StandardScaler()], 0.02),
    ):
        model = make_pipeline(*steps, LogisticRegression(C=strength, max_iter=5000))
        model.fit(values[:, part], fight, logisticregression__sample_weight=weight)
        one, offset = linear(model, values[:, part])
        scale = 0.5 / model.decision_function(values[:, part]).std()
        weights[part] = one * scale
        bias += offset * scale
    return weights, bias


def clip_scores(given: Windows, scores: np.ndarray, names: list[str]) -> np.ndarray:
    """The highest score of each clip that a square has in two windows, one after the other, as the daemon wants two looks to
    agree; the lowest of all where no people are close.
    """
    found = np.full(len(names), -np.inf)
    for index, name in enumerate(names):
        of_clip = (given.clip == name) & (given.variant == 0)
        for square in np.unique(given.square[of_clip]):
            one = scores[of_clip & (given.square == square)]
            both = np.minimum(one[1:], one[:-1]) if len(one) > 1 else one
            found[index] = max(found[index], both.max())
    return np.maximum(found, found[np.isfinite(found)].min())


def threshold(calm: np.ndarray, told: float = CALM_TOLD) -> float:
    """The lowest score that at most the share `told` of the calm clips exceed."""
    return np.sort(calm)[-1 - int(told * len(calm))]


def held_out(given: Windows, names: list[str], seed: int) -> tuple[np.ndarray, dict]:
    """Each clip's score by a head that has not seen its scene, and figures."""
    fold = folds(FOLDS, seed)
    part = lambda name: fold[name] if half(name) is None else half(name)
    of = np.array([part(name) for name in given.clip])
    random = np.random.default_rng(seed)
    scores = np.zeros(len(of))
    for held in range(FOLDS):
        weights, bias = train(given, of != held, random)
        scores[of == held] = given.values[of == held] @ weights + bias
    found = clip_scores(given, scores, names)
    fight = np.array([name.startswith("fight") for name in names])
    of = np.array([fold[name] for name in names])
    # The threshold of a fold is that of the other folds' scores.
    told = np.zeros(len(names), bool)
    for held in range(FOLDS):
        told[of == held] = found[of == held] > threshold(found[~fight & (of != held)])
    fights, calm = float(told[fight].mean()), float(told[~fight].mean())
    least = threshold(found[~fight])
    after = found > least
    walkers = sorted(name for name in set(given.clip) if half(name) is not None)
    strict = threshold(found[~fight], CALM_TOLD_BY_PACKAGE)
    walking = clip_scores(given, scores, walkers)
    return found, {
        "auc": float(roc_auc_score(fight, found)),
        "fights_told": fights,
        "calm_told": calm,
        "balanced_accuracy": (fights + 1 - calm) / 2,
        "balanced_accuracy_threshold_from_all": float(
            (after[fight].mean() + 1 - after[~fight].mean()) / 2
        ),
        "best_balanced_accuracy": max(
            float(((found[fight] > at).mean() + (found[~fight] <= at).mean()) / 2)
            for at in found
        ),
        "walkers_told": float((walking > least).mean()),
        "walkers_told_by_package": float((walking > strict).mean()),
        "fights_told_by_package": float((found[fight] > strict).mean()),
    }


def measure(given: Windows, names: list[str]) -> tuple[np.ndarray, dict]:
    """Scores of the clips by heads that have not seen their scenes, and the mean figures."""
    runs = [held_out(given, names, seed) for seed in SEEDS]
    mean = {
        name: round(float(np.mean([run[name] for _, run in runs])), 3)
        for name in runs[0][1]
    }
    fight = np.array([name.startswith("fight") for name in names])
    close = np.isin(names, given.clip)
    mean["fights_with_people_close"] = round(float(close[fight].mean()), 3)
    mean["calm_with_people_close"] = round(float(close[~fight].mean()), 3)
    return np.mean([scores for scores, _ in runs], axis=0), mean


def export(head: tuple[np.ndarray, float], folder: Path) -> None:
    """Write the ONNX file, and its hash into the manifest."""
    weights, bias = head
    model = backbone()
    graph = model.graph
    # The label `other` has the logit 0.
    both = np.stack([weights, np.zeros_like(weights)]).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(both, "head_weights"))
    graph.initializer.append(
        numpy_helper.from_array(np.array([bias, 0], np.float32), "head_bias")
    )
    head_node = helper.make_node(
        "Gemm", ["features", "head_weights", "head_bias"], ["logits"], transB=1
    )
    graph.node.append(head_node)
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])
    )
    onnx.checker.check_model(model)
    path = folder / "fight-maps.onnx"
    onnx.save(model, path)
    manifest.sign(path)


def cross_validate(arguments: argparse.Namespace) -> None:
    given = seen(arguments)
    names = sorted(clip.stem for clip in arguments.data.glob("*-???.mp4"))
    scores, figures = measure(given, names)
    np.savez(arguments.work / HELD_OUT, names=names, scores=scores)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    print(FIGURES.read_text(), end="")


def fit(arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    if not (arguments.work / HELD_OUT).exists():
        raise SystemExit("run cross-validate first: its scores set the threshold")
    measured = np.load(arguments.work / HELD_OUT)
    scores, fight = measured["scores"], np.char.startswith(measured["names"], "fight")
    given = seen(arguments)
    weights, bias = train(
        given, np.ones(len(given.clip), bool), np.random.default_rng(SEEDS[0])
    )
    # Clips that were held out give the slope and the threshold, which becomes the probability 0.5.
    slope = LogisticRegression(C=1e6).fit(scores[:, None], fight).coef_[0, 0]
    least = threshold(scores[~fight], CALM_TOLD_BY_PACKAGE)
    bias -= least
    export((weights * slope, bias * slope), arguments.out)
    print(f"wrote {arguments.out} after {time.monotonic() - begun:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for name, run in (("cross-validate", cross_validate), ("fit", fit)):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--walkers", type=Path, required=True)
        command.add_argument("--work", type=Path, default=Path("work/fight"))
        command.set_defaults(run=run)
        if run is fit:
            command.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
