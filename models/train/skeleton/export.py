"""Write the ensemble as the package's ONNX file."""

import hashlib
from pathlib import Path

import onnx
import torch

from skeleton.clips import STEPS
from skeleton.network import Ensemble

NAME = "skeleton-tcn-jhmdb"
VERSION = "1.1.0"
OPSET = 17

MANIFEST = """\
schema = 1
name = "{name}"
version = "{version}"
task = "skeleton"
file = "{name}.onnx"
sha256 = "{sha256}"
licence = "CC-BY-4.0"
source = "trained by models/train/skeleton on J-HMDB's joint annotations and on people drawn by a program"
labels = "labels.txt"

[input]
name = "joints"
steps = 40
rate_hz = 25.0
joints = 13

[output]
family = "probabilities"
scores = "scores"
unknown = "unknown"

[activities]
published = {{ sit = "sit down", stand = "stand up" }}
moving = ["push"]
gaits = {{ walk = "walk", run = "run" }}
"""


def write(model: Ensemble, names: list[str], out: Path) -> None:
    """The ONNX file, its labels and its manifest, in the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.onnx"
    torch.onnx.export(
        model.eval(),
        (torch.zeros(1, STEPS, 13, 3),),
        str(path),
        input_names=["joints"],
        output_names=["scores"],
        opset_version=OPSET,
        dynamo=False,
    )
    graph = onnx.load(path)
    graph.producer_name, graph.producer_version = "", ""
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)
    (out / "labels.txt").write_text("\n".join(names) + "\n")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = MANIFEST.format(name=NAME, version=VERSION, sha256=sha256)
    (out / "model.toml").write_text(manifest)
