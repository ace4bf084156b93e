"""Train and measure the net that tells fights.

python train.py cross-validate --data fight
python train.py fit --data fight --out ../../fight-maps

`--data` is the folder of clips `fight-NNN.mp4` and `calm-NNN.mp4`; the detector and the pose net are those of this repository.
"""

import argparse
import hashlib
import json
import re
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

from maps import features
from people import VARIANTS, Detector, close_pairs, cut, groups, read, windows
from scenes import SCENES, clips, folds

MODELS = Path(__file__).resolve().parents[2]
FIGURES = Path(__file__).parent / "figures.json"
FOLDS = 8
SEEDS = (0, 1, 2)
# Largest share of calm clips that the threshold lets pass as fights: of the figures, and of the package, whose score is 0.5 there.
CALM_TOLD = 0.08
CALM_TOLD_BY_PACKAGE = 0.04
# Number of features of the deepest layer. They come first.
DEEPEST = 7 * 160
COMPONENTS = 40
# Heads whose mean is the head, and the share of scenes that each is trained with.
HEADS = 4
SCENES_OF_HEAD = 0.75
SCENE_OF = {name: index for index, scene in enumerate(SCENES) for name in clips(scene)}
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


def look(path: Path) -> list[tuple[np.ndarray, int, int]]:
    """The features of every window of a clip, each with its square and its variant."""
    detector = Detector(MODELS / "centernet-mobilenetv3-coco")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    pose = onnx.load(MODELS / "movenet-lightning" / "movenet-lightning.onnx")
    session = onnxruntime.InferenceSession(features(pose).SerializeToString(), options)
    frames = read(path)
    pairs = [pair for frame in frames for pair in close_pairs(detector.boxes(frame))]
    found = []
    for number, square in enumerate(groups(pairs)):
        for index, variant in enumerate(VARIANTS):
            crops = cut(frames, square, variant, f"{path.stem} {number} {index}")
            for window in windows(list(crops)):
                clip = np.stack(window).astype(np.float32)[None]
                found.append((session.run(None, {"clip": clip})[0][0], number, index))
    return found


def seen(data: Path, work: Path) -> Windows:
    """All windows of all clips, from `work` if they are there."""
    path = work / "windows.npz"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        films = sorted(data.glob("*-???.mp4"))
        rows = []
        with ProcessPoolExecutor() as pool:
            for index, (clip, found) in enumerate(zip(films, pool.map(look, films)), 1):
                rows += [
                    (values, clip.stem, square, variant)
                    for values, square, variant in found
                ]
                if index % 20 == 0:
                    print(f"{index} of {len(films)} clips", flush=True)
        np.savez(
            path,
            **dict(
                zip(("values", "clip", "square", "variant"), map(np.array, zip(*rows)))
            ),
        )
    data = np.load(path)
    return Windows(**{name: data[name] for name in data.files})


def linear(model, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a fitted pipeline of linear steps."""
    zero = np.zeros((1, values.shape[1]))
    bias = float(model.decision_function(zero)[0])
    return model.decision_function(np.eye(values.shape[1])) - bias, bias


def train(
    given: Windows, chosen: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Weights and bias of the head, from the `chosen` windows: the mean of `HEADS`, each of another part of the scenes."""
    scene = np.array([SCENE_OF[name] for name in given.clip])
    # Of a fight, only the square that most of the clip shares is sure to show it.
    chosen = chosen & ((given.square == 0) | ~given.fight)
    heads = []
    for _ in range(HEADS):
        of_head = random.random(len(SCENES)) < SCENES_OF_HEAD
        heads.append(train_one(given, chosen & of_head[scene]))
    return tuple(sum(part) / HEADS for part in zip(*heads))


def train_one(given: Windows, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of one head.

    A whole clip is called a fight, though not every window of it shows blows. So the head is trained twice: the second time the
    windows of fights count as much as the first head takes them for fights.
    """
    values, fight = given.values[chosen], given.fight[chosen]
    weight = np.where(fight, (~fight).sum() / fight.sum(), 1.0)
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
    of = np.array([fold[name] for name in given.clip])
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
    after = found > threshold(found[~fight])
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
    }


def measure(given: Windows, data: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    """Scores of clips by heads that have not seen their scenes, which are fights, and the mean figures."""
    names = sorted(clip.stem for clip in data.glob("*-???.mp4"))
    runs = [held_out(given, names, seed) for seed in SEEDS]
    mean = {
        name: round(float(np.mean([run[name] for _, run in runs])), 3)
        for name in runs[0][1]
    }
    fight = np.array([name.startswith("fight") for name in names])
    close = np.isin(names, given.clip)
    mean["fights_with_people_close"] = round(float(close[fight].mean()), 3)
    mean["calm_with_people_close"] = round(float(close[~fight].mean()), 3)
    return np.mean([scores for scores, _ in runs], axis=0), fight, mean


def export(head: tuple[np.ndarray, float], folder: Path) -> None:
    """Write the ONNX file, and its hash into the manifest."""
    weights, bias = head
    model = features(onnx.load(MODELS / "movenet-lightning" / "movenet-lightning.onnx"))
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
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = folder / "model.toml"
    manifest.write_text(
        re.sub(r'(?m)^sha256 = ".*"$', f'sha256 = "{digest}"', manifest.read_text())
    )


def cross_validate(arguments: argparse.Namespace) -> None:
    given = seen(arguments.data, arguments.work)
    *_, figures = measure(given, arguments.data)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    print(FIGURES.read_text(), end="")


def fit(arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    given = seen(arguments.data, arguments.work)
    scores, fight, _ = measure(given, arguments.data)
    weights, bias = train(
        given, np.ones(len(given.clip), bool), np.random.default_rng(SEEDS[0])
    )
    # Clips that were held out give the slope and the threshold, which becomes the probability 0.5.
    slope = LogisticRegression(C=1e6).fit(scores[:, None], fight).coef_[0, 0]
    least = threshold(scores[~fight], CALM_TOLD_BY_PACKAGE)
    bias -= least
    export((weights * slope, bias * slope), arguments.out)
    told = float((scores[fight] > least).mean())
    print(f"the score 0.5 tells {told:.0%} of the fights that were held out")
    print(f"wrote {arguments.out} after {time.monotonic() - begun:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for name, run in (("cross-validate", cross_validate), ("fit", fit)):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--work", type=Path, default=Path("work"))
        command.set_defaults(run=run)
        if run is fit:
            command.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
