"""Convert a model as it is with tf2onnx: the reference for the verification."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import centernet
import movenet
from graph import OPSET

SOURCES = {source.name: source for source in (centernet.SOURCE, movenet.SOURCE)}


def patch(model: dict) -> None:
    """Give two kinds of node the attributes that tf2onnx insists on."""
    for node in model["modelTopology"]["node"]:
        if node["op"] in ("_FusedConv2D", "FusedDepthwiseConv2dNative"):
            count = int(node["attr"]["num_args"]["i"])
            node["attr"]["TArgs"] = {"list": {"type": ["DT_FLOAT"] * count}}
        elif node["op"] == "TopKV2":
            node["attr"]["index_type"] = {"type": "DT_INT32"}


def convert(name: str, models: Path, output: Path) -> None:
    model = json.loads((models / f"{name}.json").read_text())
    patch(model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "model.json").write_text(json.dumps(model))
        shutil.copy(models / f"{name}.bin", folder)
        command = [sys.executable, "-m", "tf2onnx.convert"]
        command += ["--tfjs", str(folder / "model.json")]
        command += ["--output", str(output), "--opset", str(OPSET)]
        subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", type=Path, help="folder with the model's .json and .bin"
    )
    parser.add_argument("model", choices=SOURCES)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    source = SOURCES[arguments.model]
    with source.open(arguments.source) as models:
        convert(source.name, models, arguments.output)


if __name__ == "__main__":
    main()
