"""Build centernet-mobilenetv3-coco.onnx from the weights in npm's @vladmandic/human.

The TensorFlow.js graph is not converted node by node: the network is laid out
anew from its weights, in the form that ONNX Runtime's CPU kernels run fastest.
README.md beside this file says what that changes and what it saves. "Blocked" is
ONNX Runtime's layout of eight or sixteen channels side by side (NCHWc).
"""

import argparse
import hashlib
import json
import math
import subprocess
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "@vladmandic/human@3.3.6"
SHA256 = {
    "centernet.json": "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
    "centernet.bin": "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
}
MODEL = Path(__file__).parent.parent / "centernet-mobilenetv3-coco"
OPSET, IR_VERSION = 17, 8

SIDE = 512
CLASSES = 80
# The source computes hard-swish as x * (SIXTH * clip(x + 3, 0, 6)) with a SIXTH
# rounded to half precision. ONNX's own operator has an exact sixth, so a factor
# is left over; the next convolution's weights take it.
SIXTH = float(np.float16(1 / 6))
REMAINDER = 6 * SIXTH


def fetch(folder: Path) -> Path:
    """Download the npm package into `folder` and return its folder of models."""
    subprocess.run(
        ["npm", "pack", "--silent", PACKAGE],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        for name in SHA256:
            tar.extract(f"package/models/{name}", folder, filter="data")
    return folder / "package" / "models"


def check(models: Path) -> None:
    """Refuse source files other than those this script was written for."""
    for name, expected in SHA256.items():
        found = hashlib.sha256((models / name).read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"{name}: sha256 is {found}, expected {expected}")


def read_weights(models: Path) -> dict[str, np.ndarray]:
    """Read the tensors by name, with the kernels' axes in ONNX's order."""
    (group,) = json.loads((models / "centernet.json").read_text())["weightsManifest"]
    data = (models / "centernet.bin").read_bytes()
    weights, offset = {}, 0
    for entry in group["weights"]:
        kind = np.dtype("<f2" if "quantization" in entry else "<i4")
        count = math.prod(entry["shape"])
        array = np.frombuffer(data, kind, count, offset).reshape(entry["shape"])
        offset += array.nbytes
        name = entry["name"].removeprefix("tower_0/")
        if array.ndim == 4:
            array = array.transpose(
                (2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1)
            )
        weights[name] = array
    return weights


@dataclass(frozen=True)
class Map:
    """A square feature map: `scale` times the tensor of that name."""

    name: str
    channels: int
    side: int
    scale: float = 1.0


class Graph:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes, self.initializers = [], []

    def add(self, kind: str, inputs: list[str], **attributes) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(
            numpy_helper.from_array(np.ascontiguousarray(array), name)
        )
        return name

    def weight(self, array: np.ndarray, factor: float) -> str:
        """Store half-precision weights; ONNX Runtime folds the Cast and Mul at load."""
        name = self.add("Cast", [self.constant(array)], to=TensorProto.FLOAT)
        if factor == 1:
            return name
        return self.add("Mul", [name, self.constant(np.float32(factor))])

    def convolve(
        self,
        x: Map,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str | None = None,
        stride: int = 1,
        scale: float = 1.0,
    ) -> Map:
        """Convolve, padded as TensorFlow does, to a result of the given scale."""
        channels, inputs, size, _ = kernel.shape
        names = [x.name, self.weight(kernel, x.scale / scale)]
        if bias is not None:
            names.append(self.weight(bias, 1 / scale))
        side = x.side // stride
        padding = (side - 1) * stride + size - x.side
        before, after = padding // 2, padding - padding // 2
        y = self.add(
            "Conv",
            names,
            group=x.channels // inputs,
            kernel_shape=[size, size],
            pads=[before, before, after, after],
            strides=[stride, stride],
        )
        return self.activate(Map(y, channels, side, scale), activation)

    def activate(self, x: Map, activation: str | None) -> Map:
        if activation is None:
            return x
        if activation == "Relu":
            return replace(x, name=self.add("Relu", [x.name]))
        assert x.scale == 1
        if activation == "Sigmoid":
            return replace(x, name=self.add("Sigmoid", [x.name]))
        attributes = (
            {"alpha": 1 / 6, "beta": 0.5} if activation == "HardSigmoid" else {}
        )
        return replace(
            x, name=self.add(activation, [x.name], **attributes), scale=REMAINDER
        )

    def sum(self, x: Map, y: Map) -> Map:
        assert x.scale == y.scale
        return replace(x, name=self.add("Add", [x.name, y.name]))

    def mean(self, x: Map) -> Map:
        return replace(x, name=self.add("GlobalAveragePool", [x.name]), side=1)

    def resize(self, x: Map, side: int, mode: str) -> Map:
        factor = side // x.side
        y = self.add(
            "Resize",
            [x.name, "", self.constant(np.float32([1, 1, factor, factor]))],
            mode=mode,
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        return replace(x, name=y, side=side)

    def gate(self, x: Map, gate: Map) -> Map:
        """Weigh the channels; the gate is spread out to keep the blocked layout."""
        spread = self.resize(gate, x.side, "nearest")
        y = self.add("Mul", [x.name, spread.name])
        return replace(x, name=y, scale=x.scale * gate.scale)

    def output(self, x: Map, name: str) -> onnx.ValueInfoProto:
        (node,) = (node for node in self.nodes if node.output[0] == x.name)
        node.output[0] = name
        shape = [1, x.channels, x.side, x.side]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def split(parts: list[Map], kernel: np.ndarray, axis: int) -> list[np.ndarray]:
    """Cut a kernel along an axis into pieces that belong to the parts' channels."""
    return np.split(kernel, np.cumsum([part.channels for part in parts])[:-1], axis)


class CenterNet:
    """The network, drawn into a graph.

    Where the source joins two maps by their channels, this keeps a list of parts
    instead: each is convolved by itself and the results are added up, which ONNX
    Runtime does inside the convolution.
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights, self.graph = weights, Graph()

    def kernel(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and the bias of a convolution whose normalisation is folded in."""
        return self.weights[f"{name}_weights"], self.weights[f"{name}_bn_offset"]

    def pointwise(
        self,
        parts: list[Map],
        kernel: np.ndarray,
        bias: np.ndarray,
        scale: float = 1.0,
        addend: Map | None = None,
    ) -> Map:
        """Convolve the joined parts, on top of an addend if there is one."""
        total = addend
        for part, piece in zip(parts, split(parts, kernel, axis=1), strict=True):
            y = self.graph.convolve(part, piece, bias, scale=scale)
            total = self.graph.sum(y, total) if total else y
            bias = None
        return total

    def depthwise(self, parts: list[Map], kernel: np.ndarray) -> list[Map]:
        pieces = split(parts, kernel, axis=0)
        return [self.graph.convolve(*pair) for pair in zip(parts, pieces, strict=True)]

    def excite(self, x: Map, name: str) -> Map:
        """Squeeze and excite."""
        w = self.weights
        squeezed = self.graph.convolve(
            self.graph.mean(x),
            w[f"{name}/Conv/weights"],
            w[f"{name}/Conv/biases"],
            "Relu",
        )
        gate = self.graph.convolve(
            squeezed,
            w[f"{name}/Conv_1/weights"],
            w[f"{name}/Conv_1/biases"],
            "HardSigmoid",
        )
        return self.graph.gate(x, gate)

    def block(self, x: Map, index: int) -> tuple[Map, Map]:
        """An inverted residual; returns its result and its last expanded map."""
        name = f"MobilenetV3/expanded_conv_{index}".removesuffix("_0")
        activation = "Relu" if index < 6 else "HardSwish"
        stride = 2 if index in (1, 3, 6, 12) else 1
        kernel, bias = self.kernel(f"{name}/depthwise/depthwise")
        # The largest map of the network is made in two halves, for the cache's sake.
        parts = []
        for rows in np.array_split(np.arange(len(kernel)), 2 if index == 1 else 1):
            expanded = x
            if index > 0:
                expand, offset = self.kernel(f"{name}/expand/Conv2D")
                expanded = self.graph.convolve(
                    x, expand[rows], offset[rows], activation
                )
            y = self.graph.convolve(
                expanded, kernel[rows], bias[rows], activation, stride
            )
            if f"{name}/squeeze_excite/Conv/weights" in self.weights:
                y = self.excite(y, f"{name}/squeeze_excite")
            parts.append(y)
        kernel, bias = self.kernel(f"{name}/project/Conv2D")
        residual = stride == 1 and len(kernel) == x.channels
        if residual:
            return self.pointwise(parts, kernel, bias, x.scale, x), expanded
        return self.pointwise(parts, kernel, bias), expanded

    def reverse(self, x: Map, name: str) -> Map:
        """Bring a map of the backbone into the head.

        The channels between are filled up with zeros to a multiple of eight;
        ONNX Runtime runs a depthwise convolution of 18 or 22 without blocking.
        """
        name = f"CenternetHead/{name}"
        first, offset = self.kernel(f"{name}/1x1/Conv2D")
        middle = self.weights[f"{name}/3x3/depthwise_weights"]
        last, bias = self.kernel(f"{name}/3x3/separable_conv2d")
        fill = (0, -len(first) % 8)
        none = (0, 0)
        first, offset = np.pad(first, (fill, none, none, none)), np.pad(offset, fill)
        y = self.graph.convolve(x, first, offset, "Relu")
        y = self.graph.convolve(y, np.pad(middle, (fill, none, none, none)))
        return self.graph.convolve(
            y, np.pad(last, (none, fill, none, none)), bias, "Relu"
        )

    def upsample(self, parts: list[Map], name: str) -> Map:
        """Two branches of separable convolutions, summed up and doubled in size."""
        y = None
        for axis in "xy":
            branch = f"CenternetHead/{name}/branch_{axis}_upsample_resize"
            spread = self.depthwise(parts, self.weights[f"{branch}/depthwise_weights"])
            y = self.pointwise(
                spread, *self.kernel(f"{branch}/separable_conv2d"), addend=y
            )
        return self.graph.resize(y, 2 * y.side, "linear")

    def join(self, backbone: Map, upsampled: Map) -> list[Map]:
        return [backbone, self.graph.activate(upsampled, "Relu")]

    def excite_head(self, parts: list[Map]) -> list[Map]:
        squeeze, bias = self.kernel("CenternetHead/conv1x1_se_a/Conv2D")
        means = [self.graph.mean(part) for part in parts]
        squeezed = self.graph.activate(self.pointwise(means, squeeze, bias), "Relu")
        pieces = split(
            parts, self.weights["CenternetHead/conv1x1_se_b/weights"], axis=0
        )
        return [
            self.graph.gate(
                part, self.graph.convolve(squeezed, piece, activation="Sigmoid")
            )
            for part, piece in zip(parts, pieces, strict=True)
        ]

    def predict(self, parts: list[Map], name: str, scale: float = 1.0) -> Map:
        name = f"CenternetHead/centernet_{name}_output"
        w = self.weights
        spread = self.depthwise(parts, w[f"{name}/depthwise_weights"])
        return self.pointwise(
            spread, w[f"{name}/pointwise_weights"], w[f"{name}/biases"], scale
        )

    def build(self) -> onnx.ModelProto:
        x = Map("images", 3, SIDE)
        x = self.graph.convolve(
            x, *self.kernel("MobilenetV3/Conv/Conv2D"), "HardSwish", stride=2
        )
        outputs, expanded = {}, {}
        for index in range(15):
            x, expanded[index] = self.block(x, index)
            outputs[index] = x
        x = self.graph.convolve(x, *self.kernel("extern1/Conv2D"), "HardSwish")
        x = self.upsample([x], "c5_upsample")
        x = self.upsample(
            self.join(self.reverse(outputs[11], "c4_reverse"), x), "c4_upsample"
        )
        x = self.upsample(
            self.join(self.reverse(expanded[5], "c3_reverse"), x), "c3_upsample"
        )
        parts = self.excite_head(self.join(self.reverse(expanded[3], "c2_reverse"), x))
        heatmap = self.predict(parts, "cls")
        # The source multiplies the sizes by 16 to get pixels.
        sizes = self.predict(parts, "wh", scale=1 / 16)
        assert heatmap.channels == CLASSES
        shape = [1, 3, SIDE, SIDE]
        graph = helper.make_graph(
            self.graph.nodes,
            "centernet-mobilenetv3-coco",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
            [self.graph.output(heatmap, "heatmap"), self.graph.output(sizes, "sizes")],
            self.graph.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source",
        type=Path,
        help="folder with centernet.json and .bin (default: npm pack)",
    )
    parser.add_argument("--output", type=Path, default=MODEL / f"{MODEL.name}.onnx")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = arguments.source or fetch(Path(folder))
        check(models)
        data = (
            CenterNet(read_weights(models))
            .build()
            .SerializeToString(deterministic=True)
        )
    arguments.output.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    print(f"{found}  {arguments.output}")
    manifest = tomllib.loads((MODEL / "model.toml").read_text())
    if found != manifest["sha256"]:
        raise SystemExit(f"model.toml names another sha256: {manifest['sha256']}")


if __name__ == "__main__":
    main()
