"""Draw people who do things, and train the posture net on them.

python -m posture.train fit --out ../posture-tcn

Nothing is read: the people are drawn by a program, so the net has seen no footage.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import manifest
from drawn.stances import Chance
from posture.camera import film
from posture.network import TOLD, Model, Net, mirror, told
from posture.plays import play
from posture.window import JOINTS, SEEN, STATURE, STEPS, VALUES, windows

SEED = 14
PLAYS = 30_000
CHUNKS = 60
PER_PLAY = 6
STEPS_OF_TRAINING = 4000
BATCH = 256
RATE = 2e-3
FIGURES = Path(__file__).parent / "figures.json"


def draw(seed: int, plays: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of so many plays, and their labels."""
    c = Chance(seed)
    given, wanted = [], []
    for _ in range(plays):
        scene = play(c)
        seen = film(c, scene)
        # Many are found only after a while.
        if c.happens(0.4):
            seen.found[: c.rng.integers(20)] = False
        ends = np.flatnonzero((scene.label >= 0) & seen.found)
        ends = ends[ends > 0]
        if len(ends) == 0:
            continue
        # Changes are short: what comes within two seconds of one is taken more often.
        before = scene.label[np.maximum(ends - 20, 0)]
        weight = np.where(scene.label[ends] != before, 4.0, 1.0)
        count = min(PER_PLAY, len(ends))
        ends = c.rng.choice(ends, count, replace=False, p=weight / weight.sum())
        measured = seen.stature[ends] * np.exp(c.rng.normal(0, 0.06, count))
        known = c.rng.random(count) < 0.6
        given.append(windows(seen, ends, np.where(known, measured, np.nan)))
        wanted.append(scene.label[ends])
    return np.concatenate(given).astype(np.float16), np.concatenate(wanted)


def all_windows(work: Path) -> tuple[np.ndarray, np.ndarray]:
    """All windows, drawn first if need be."""
    path = work / "windows.npz"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        seeds = [SEED * 1000 + chunk for chunk in range(CHUNKS)]
        with ProcessPoolExecutor() as pool:
            parts = list(pool.map(draw, seeds, CHUNKS * [PLAYS // CHUNKS]))
        given, wanted = (np.concatenate(part) for part in zip(*parts))
        np.savez(path, given=given, wanted=wanted)
    data = np.load(path)
    return data["given"], data["wanted"]


def train(given: np.ndarray, wanted: np.ndarray) -> Net:
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    net, flip = Net().train(), mirror()
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=STEPS_OF_TRAINING, pct_start=0.1
    )
    for step in range(STEPS_OF_TRAINING):
        chosen = rng.integers(0, len(wanted), BATCH)
        x = torch.from_numpy(given[chosen].astype(np.float32))
        y = torch.from_numpy(wanted[chosen])
        flipped = torch.rand(BATCH) < 0.5
        x[flipped] = x[flipped] @ flip
        # Now and then there are no joints, or no stature.
        x[torch.rand(BATCH) < 0.15, :, JOINTS.start : SEEN.stop] = 0
        x[torch.rand(BATCH) < 0.2, :, STATURE] = 0
        loss = F.cross_entropy(net(x), y, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 499:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    return net.eval()


@torch.no_grad()
def figures(net: Net, given: np.ndarray, wanted: np.ndarray) -> dict:
    """Accuracy and confusion on plays that the net has not seen."""
    model = Model(net, 1.0)
    parts = torch.from_numpy(given.astype(np.float32)).split(1024)
    found = torch.cat([model(part) for part in parts]).numpy().argmax(1)
    wanted = told().numpy().argmax(1)[wanted]
    confusion = np.zeros((len(TOLD), len(TOLD)), int)
    np.add.at(confusion, (wanted, found), 1)
    return {
        "windows": len(wanted),
        "accuracy": round(float((found == wanted).mean()), 4),
        "labels": TOLD,
        "confusion": confusion.tolist(),
    }


def export(net: Net, folder: Path) -> None:
    """Write the ONNX file, and its hash into the manifest."""
    path = folder / "posture-tcn.onnx"
    torch.onnx.export(
        Model(net, 1.0).eval(),
        (torch.zeros(1, STEPS, VALUES),),
        str(path),
        input_names=["person"],
        output_names=["scores"],
        opset_version=17,
        dynamo=False,
    )
    manifest.sign(path)


def fit(arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    given, wanted = all_windows(arguments.work)
    print(f"{len(wanted)} windows after {time.monotonic() - begun:.0f} s", flush=True)
    # Windows of one play lie side by side: the last ones are of other plays.
    held = len(wanted) // 20
    net = train(given[:-held], wanted[:-held])
    torch.save(net.state_dict(), arguments.work / "net.pt")
    measured = figures(net, given[-held:], wanted[-held:])
    FIGURES.write_text(json.dumps(measured, indent=1) + "\n")
    print(f"accuracy on plays held back: {measured['accuracy']}")
    export(net, arguments.out)
    print(f"wrote {arguments.out} after {time.monotonic() - begun:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("fit")
    command.add_argument("--work", type=Path, default=Path("work/posture"))
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=fit)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
