"""The TensorFlow.js models in npm's @vladmandic/human, where the weights come from."""

import contextlib
import hashlib
import json
import math
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PACKAGE = "@vladmandic/human@3.3.6"


@dataclass(frozen=True)
class Source:
    """One of the models: two files of that name, known by their sha256."""

    name: str
    json_sha256: str
    bin_sha256: str

    @property
    def files(self) -> dict[str, str]:
        return {
            f"{self.name}.json": self.json_sha256,
            f"{self.name}.bin": self.bin_sha256,
        }

    @contextlib.contextmanager
    def open(self, folder: Path | None) -> Iterator[Path]:
        """The checked files' folder, which is fetched if there is none yet."""
        with tempfile.TemporaryDirectory() as scratch:
            models = folder or self.fetch(Path(scratch))
            self.check(models)
            yield models

    def fetch(self, folder: Path) -> Path:
        """Download the npm package into `folder` and return its folder of models."""
        subprocess.run(
            ["npm", "pack", "--silent", PACKAGE],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as tar:
            for name in self.files:
                tar.extract(f"package/models/{name}", folder, filter="data")
        return folder / "package" / "models"

    def check(self, models: Path) -> None:
        """Refuse files other than those the scripts were written for."""
        for name, expected in self.files.items():
            found = hashlib.sha256((models / name).read_bytes()).hexdigest()
            if found != expected:
                raise SystemExit(f"{name}: sha256 is {found}, expected {expected}")

    def read_weights(self, models: Path, prefix: str) -> dict[str, np.ndarray]:
        """Read the tensors by name less `prefix`, kernels' axes in ONNX's order."""
        model = json.loads((models / f"{self.name}.json").read_text())
        depthwise = {
            node["input"][1]
            for node in model["modelTopology"]["node"]
            if "DepthwiseConv2dNative" in node["op"]
        }
        (group,) = model["weightsManifest"]
        data = (models / f"{self.name}.bin").read_bytes()
        weights, offset = {}, 0
        for entry in group["weights"]:
            kind = np.dtype("<f2" if "quantization" in entry else "<i4")
            count = math.prod(entry["shape"])
            array = np.frombuffer(data, kind, count, offset).reshape(entry["shape"])
            offset += array.nbytes
            name = entry["name"]
            if array.ndim == 4:
                order = (2, 3, 0, 1) if name in depthwise else (3, 2, 0, 1)
                array = array.transpose(order)
            weights[name.removeprefix(prefix)] = array
        return weights
