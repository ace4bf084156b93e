"""Measure the recipe by cross-validation, or train the package's model with it.

python -m skeleton.train cross-validate --data train.npz
python -m skeleton.train fit --data train.npz --out ../skeleton-tcn-jhmdb
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from skeleton import clips, evaluate, export, learn
from skeleton.network import Ensemble, Net

FOLDS = 5
SEED = 20
FIGURES = Path(__file__).parent / "figures.json"
CHECKED = Path(__file__).parent / "check.json"


def keep(model: Ensemble, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save([net.state_dict() for net in model.members], path)


def kept(path: Path, classes: int) -> Ensemble:
    members = []
    for state in torch.load(path):
        net = Net(classes)
        net.load_state_dict(state)
        members.append(net)
    return Ensemble(members, 1.0).eval()


def trained(
    data: clips.Clips, seed: int, plan: learn.Plan, path: Path
) -> tuple[Ensemble, float]:
    """The ensemble in `path`, trained first if need be, and the seconds that took."""
    took = path.with_suffix(".seconds")
    if not path.exists():
        start = time.monotonic()
        keep(learn.ensemble(data, seed, plan), path)
        took.write_text(f"{time.monotonic() - start:.0f}")
    return kept(path, len(data.names)), float(took.read_text())


def cross_validate(arguments: argparse.Namespace) -> None:
    data = clips.load(arguments.data)
    plan = learn.Plan()
    fold = clips.folds(data, FOLDS, SEED)
    models, seconds = [], []
    for number in range(FOLDS):
        path = arguments.work / f"fold-{number}.pt"
        rest = data.take(fold != number)
        model, took = trained(rest, SEED + 100 * (number + 1), plan, path)
        models.append(model)
        seconds.append(took)
        print(f"fold {number}: trained in {took:.0f} s", flush=True)
    figures = evaluate.figures(data, fold, models, SEED)
    figures |= {"plan": asdict(plan), "seed": SEED, "train_seconds": seconds}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    print(evaluate.summary(figures))


def fit(arguments: argparse.Namespace) -> None:
    data = clips.load(arguments.data)
    model, took = trained(data, SEED, learn.Plan(), arguments.work / "all.pt")
    model.temperature = json.loads(FIGURES.read_text())["temperature"]
    export.write(model, data.names, arguments.out)
    print(f"trained in {took:.0f} s; wrote {arguments.out}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for name, run in (("cross-validate", cross_validate), ("fit", fit)):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument(
            "--work",
            type=Path,
            default=Path("work/skeleton"),
            help="weights kept between runs",
        )
        command.set_defaults(run=run)
    commands.choices["fit"].add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
