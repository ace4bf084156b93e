"""Write the tables of figures.json into the model card, between its markers.

    python -m skeleton.card --card ../skeleton-tcn-jhmdb/MODEL_CARD.md

A table called `name` stands between `<!-- name -->` and `<!-- end -->`; what was there
is replaced.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np

from skeleton import camera
from skeleton.train import CHECKED, FIGURES

MARKED = re.compile(r"(<!-- (?!end)([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def share(value: float) -> str:
    return f"{100 * value:.0f} %"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def accuracy(figures: dict) -> str:
    rows = []
    for name, key in (
        ("best of the 14 activities", "forced"),
        ("`unknown` counted as wrong", "strict"),
    ):
        values = np.array(figures[key])
        rows.append(
            [name, percent(values.mean()), percent(values.std(ddof=1))]
            + [percent(value) for value in values]
        )
    folds = [f"fold {number + 1}" for number in range(figures["folds"])]
    return table(["accuracy, %", "mean", "spread", *folds], rows)


def members(figures: dict) -> str:
    values = ", ".join(percent(value) for value in figures["single_members"])
    return f"The members by themselves reach {values} %.\n"


def per_class(figures: dict) -> str:
    rows = [[name, percent(value)] for name, value in figures["per_class"].items()]
    return table(["activity", "accuracy, %"], rows)


def confusion(figures: dict) -> str:
    names = figures["names"]
    rows = [
        [name, *(str(count or "") for count in row)]
        for name, row in zip(names[:-1], figures["confusion"])
    ]
    return table(["", *names], rows)


def calibration(figures: dict) -> str:
    rows = [
        ["15 scores, temperature from the other folds", "calibration_error"],
        ["14 activities, `unknown` taken out", "calibration_error_forced"],
        ["15 scores, no temperature", "uncalibrated_error"],
    ]
    rows = [[name, f"{figures[key]:.3f}"] for name, key in rows]
    return table(["", "expected calibration error"], rows)


def reliability(figures: dict) -> str:
    rows = [
        [
            f"{b['from']:.2f} to {b['from'] + 1 / 15:.2f}",
            str(b["count"]),
            f"{b['score']:.3f}",
            f"{b['right']:.3f}",
        ]
        for b in figures["reliability"]
    ]
    return table(["best score", "clips", "mean score", "share right"], rows)


def robustness(figures: dict) -> str:
    cells = figures["robustness"]
    rates = sorted({cell["rate_hz"] for cell in cells})
    rows: dict[tuple, list[str]] = {}
    for cell in cells:
        row = rows.setdefault((cell["noise"], cell["dropped"]), [])
        row.append(f"{percent(cell['forced'])} ({percent(cell['unknown'])})")
    return table(
        ["noise", "joints missed", *(f"{rate} fps" for rate in rates)],
        [[f"{n:g}", share(d), *row] for (n, d), row in rows.items()],
    )


def known(figures: dict) -> str:
    rows = [
        [
            entry["windows"],
            percent(entry["forced"]),
            percent(entry["strict"]),
            percent(entry["unknown"]),
            f"{entry['calibration_error']:.3f}",
        ]
        for entry in figures["known"]
    ]
    head = ["windows", "of the 14, %", "of the 15, %", "came out unknown, %", "ECE"]
    return table(head, rows)


def most(shares: dict[str, float]) -> str:
    others = [(share, name) for name, share in shares.items() if name != "unknown"]
    best = sorted(others, reverse=True)[:4]
    return ", ".join(
        f"{name} {percent(share)}" for share, name in best if share >= 5e-4
    )


def strange(figures: dict) -> str:
    rows = [
        [
            entry["kind"],
            entry["camera"],
            percent(entry["best"]["unknown"]),
            percent(1 - entry["best"]["unknown"]),
            percent(sum(entry["above_half"].values()) - entry["above_half"]["unknown"]),
            most(entry["best"]),
        ]
        for entry in figures["strange"]
    ]
    head = ["windows", "observed", "unknown, %", "an activity, %"]
    return table([*head, "an activity above 0.5, %", "most often, %"], rows)


def surveillance(figures: dict) -> str:
    rows = [
        [
            entry["person"],
            percent(entry["best"]["walk"]),
            percent(entry["best"]["unknown"]),
            percent(1 - entry["best"]["walk"] - entry["best"]["unknown"]),
            most({n: s for n, s in entry["above_half"].items() if n != "walk"}),
        ]
        for entry in figures["surveillance"]
    ]
    head = ["person", "walk, %", "unknown, %", "other, %", "other above 0.5, %"]
    return table(head, rows)


def recipe(figures: dict) -> str:
    plan, how = figures["plan"], camera.Recipe()
    rows = [
        ["members", str(plan["members"])],
        [
            f"steps, each of {plan['batch']} windows of J-HMDB and {plan['drawn']} of drawn people",
            str(plan["steps"]),
        ],
        ["drawn clips of each of ten labels", str(plan["drawn_clips"])],
        [
            "learning rate at its highest; weight decay",
            f"{plan['rate']}; {plan['decay']}",
        ],
        ["label smoothing", str(plan["smoothing"])],
        ["moving average of the weights", str(plan["average"])],
        ["windows as annotated but for slight noise", share(how.clean_share)],
        ["windows cut to a part", share(how.crop_share)],
        ["legs of another clip of the same activity", share(how.legs_share)],
        ["windows made `unknown`", share(how.unknown_share)],
        ["of these", ", ".join(f"{k} {share(s)}" for k, s in camera.STRANGE.items())],
        ["temperature", f"{figures['temperature']:.3f}"],
        ["of the folds", ", ".join(f"{t:.3f}" for t in figures["fold_temperatures"])],
        ["seed", str(figures["seed"])],
        [
            "seconds, for each fold",
            ", ".join(f"{s:.0f}" for s in figures["train_seconds"]),
        ],
    ]
    return table(["", "value"], rows)


def checks(figures: dict) -> str:
    report = json.loads(CHECKED.read_text())
    rows = [[name, f"{by:.0e}"] for name, by in report["off"].items()]
    took = report["milliseconds"]
    return table(["largest difference of a score", ""], rows) + (
        f"\n{report['bytes'] / 1e6:.2f} MB. A run takes {took['median']:.2f} ms of processor time (median; "
        f"{took['5 %']:.2f} at the 5th, {took['95 %']:.2f} at the 95th percentile).\n"
    )


TABLES = {
    "recipe": recipe,
    "checks": checks,
    "accuracy": accuracy,
    "members": members,
    "per class": per_class,
    "confusion": confusion,
    "calibration": calibration,
    "reliability": reliability,
    "robustness": robustness,
    "known": known,
    "strange": strange,
    "surveillance": surveillance,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--card", type=Path, required=True)
    arguments = parser.parse_args()
    figures = json.loads(FIGURES.read_text())
    fill = lambda match: match[1] + TABLES[match[2]](figures) + match[3]
    arguments.card.write_text(MARKED.sub(fill, arguments.card.read_text()))


if __name__ == "__main__":
    main()
