"""Build movenet-lightning.onnx from the weights in npm's @vladmandic/human.

As with the object model, the network is laid out anew from its weights. README.md
beside this file says what that changes and what it saves.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

import package
from graph import Graph, Map
from source import Source

SOURCE = Source(
    "movenet-lightning",
    json_sha256="df8cbde44d00f533ccc4916a7c6ebc17316532fb3fadad114ec667fef22872e9",
    bin_sha256="bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
)
MODEL = Path(__file__).parent.parent / "movenet-lightning"

SIDE = 192
CELLS = 48
JOINTS = 17
# The blocks that halve the map; and those whose results the pyramid takes in again,
# with the name of the convolution that they pass.
HALVING = (1, 3, 6, 13)
LATERAL = {2: "conv2d_3", 5: "conv2d_2", 9: "conv2d_1"}
FEATURES = "center_net_mobile_net_v2fpn_feature_extractor/model_1"


class MoveNet:
    """The network and its decoder, drawn into a graph."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights, self.graph = weights, Graph()

    def folded(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and the bias of a convolution whose normalisation is folded in."""
        name = f"{FEATURES}/{name}"
        return self.weights[f"{name}_weights"], self.weights[f"{name}_bn_offset"]

    def plain(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and the bias of a convolution without normalisation."""
        kernel = self.weights[f"{name}/Conv2D/ReadVariableOp"]
        return kernel, self.weights[f"{name}/BiasAdd/ReadVariableOp"]

    def constant(self, *values: int) -> str:
        return self.graph.constant(np.int64(values))

    def reshape(self, name: str, *shape: int) -> str:
        return self.graph.add("Reshape", [name, self.constant(*shape)])

    def normalise(self, images: Map) -> Map:
        """Bring the values to -1..1; what is a factor goes into the first kernel.

        The padding of the first convolution is a zero after the normalisation, so
        the subtraction stays.
        """
        factors = self.weights["truediv"]
        factor = float(factors.flat[0])
        assert (factors == factor).all() and not self.weights["Reshape"].any()
        middle = float(self.weights["sub_1/y"]) / factor
        y = self.graph.add(
            "Sub", [images.name, self.graph.constant(np.float32(middle))]
        )
        return Map(y, images.channels, images.side, factor)

    def block(self, x: Map, index: int) -> Map:
        """An inverted residual."""
        name = f"model/block_{index}" if index else "model/expanded_conv"
        y = x
        if index > 0:
            y = self.graph.convolve(x, *self.folded(f"{name}_expand/Conv2D"), "Relu6")
        stride = 2 if index in HALVING else 1
        y = self.graph.convolve(
            y, *self.folded(f"{name}_depthwise/depthwise"), "Relu6", stride
        )
        y = self.graph.convolve(y, *self.folded(f"{name}_project/Conv2D"))
        if stride == 1 and y.channels == x.channels:
            return self.graph.sum(y, x)
        return y

    def features(self, images: Map) -> Map:
        """The map that all predictions are made from: MobileNetV2 and a pyramid."""
        x = self.graph.convolve(
            self.normalise(images),
            *self.folded("model/Conv1/Conv2D"),
            "Relu6",
            stride=2,
        )
        lateral = []
        for index in range(17):
            x = self.block(x, index)
            if index in LATERAL:
                lateral.append((x, f"{FEATURES}/{LATERAL[index]}"))
        x = self.graph.convolve(x, *self.folded("model/Conv_1/Conv2D"), "Relu6")
        x = self.graph.convolve(x, *self.plain(f"{FEATURES}/conv2d"))
        for step, (y, name) in enumerate(reversed(lateral)):
            x = self.graph.resize(x, y.side, "linear", "half_pixel")
            x = self.graph.sum(self.graph.convolve(y, *self.plain(name)), x)
            name = "separable_conv2d" + (f"_{step}" if step else "")
            name = f"{name}/separable_conv2d"
            spread = self.weights[f"{FEATURES}/{name}/ReadVariableOp"]
            x = self.graph.convolve(x, spread)
            x = self.graph.convolve(x, *self.folded(name), "Relu")
        return x

    def head(self, x: Map, name: str, index: int, stride: int = 1) -> Map:
        """Predict something for every cell, or for every patch of three by three."""
        separable = f"{name}/separable_conv2d_{index}"
        spread = self.weights[f"{separable}/separable_conv2d/ReadVariableOp"]
        kernel = self.weights[f"{separable}/separable_conv2d/ReadVariableOp_1"]
        bias = self.weights[f"{separable}/BiasAdd/ReadVariableOp"]
        x = self.graph.convolve(x, spread, stride=stride)
        x = self.graph.convolve(x, kernel, bias, "Relu")
        return self.graph.convolve(x, *self.plain(f"{name}/conv2d_{index + 1}"))

    def border(self, features: Map) -> str:
        """The map with a rim of zeros, as `[channels, cells]`."""
        pads = self.constant(0, 0, 1, 1, 0, 0, 1, 1)
        padded = self.graph.add("Pad", [features.name, pads])
        return self.reshape(padded, features.channels, -1)

    def patches(self, bordered: str, channels: int, cells: str, rows: str) -> Map:
        """Cut out the cells with their neighbours, `[n, channels, 3, 3]`."""
        offsets = np.add.outer((CELLS + 2) * np.arange(3), np.arange(3)).reshape(1, 9)
        rims = self.graph.add("Mul", [rows, self.constant(2)])
        corners = self.reshape(self.graph.add("Add", [cells, rims]), -1, 1)
        indices = self.graph.add("Add", [corners, self.graph.constant(offsets)])
        found = self.graph.add("Gather", [bordered, indices], axis=1)
        found = self.graph.add("Transpose", [found], perm=[1, 0, 2])
        return Map(self.reshape(found, -1, channels, 3, 3), channels, 3)

    def locate(self, cells: str) -> tuple[str, str]:
        """Rows of the cells, `[n]`, and rows and columns as floats, `[n, 2]`."""
        width = self.constant(CELLS)
        rows = self.graph.add("Div", [cells, width])
        columns = self.graph.add("Mod", [cells, width])
        parts = [self.reshape(part, -1, 1) for part in (rows, columns)]
        both = self.graph.add("Concat", parts, axis=1)
        return rows, self.graph.add("Cast", [both], to=TensorProto.FLOAT)

    def peaks(self, heatmap: str, channels: int) -> str:
        """The greatest cell of each channel, `[channels]`."""
        cells = self.reshape(heatmap, channels, -1)
        return self.graph.add("ArgMax", [cells], axis=1, keepdims=0)

    def squares(self, places: str, axis: int) -> str:
        """Squared distances along an axis from the places to all cells."""
        place = self.graph.add("Gather", [places, self.constant(axis)], axis=1)
        shape = [1, JOINTS, 1, 1]
        line = np.arange(CELLS, dtype=np.float32)
        line = line.reshape((1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1))
        away = self.graph.add(
            "Sub", [self.graph.constant(line), self.reshape(place, *shape)]
        )
        return self.graph.add("Mul", [away, away])

    def build(self) -> onnx.ModelProto:
        """The network, and the decoder of the source.

        The person whose centre weighs most (a centre in the middle of the picture
        weighs more) has regressed places for its joints. A joint is where its heat
        is the greatest for the distance to that place; an offset, finer than a cell,
        is added there.
        """
        w, graph = self.weights, self.graph
        features = self.features(Map("images", 3, SIDE))
        bordered = self.border(features)

        centre = graph.activate(self.head(features, "center_0", 3), "Sigmoid")
        weighting = w["ConstantFolding/StatefulPartitionedCall/truediv_2_recip"]
        weighting = graph.weight(weighting.reshape(1, 1, CELLS, CELLS), 1)
        cell = self.peaks(graph.add("Mul", [centre.name, weighting]), 1)
        row, middle = self.locate(cell)
        patch = self.patches(bordered, features.channels, cell, row)
        places = self.head(patch, "kpt_regress_0", 5, stride=3)
        places = self.reshape(places.name, JOINTS, 2)
        places = graph.add("Add", [middle, places])

        heat = graph.activate(self.head(features, "kpt_heatmap_0", 4), "Sigmoid")
        squares = [self.squares(places, axis) for axis in (0, 1)]
        distances = graph.add("Sqrt", [graph.add("Add", squares)])
        nearness = graph.constant(np.float32(w["add_5/y"]))
        weights = graph.add("Add", [distances, nearness])
        cells = self.peaks(graph.add("Div", [heat.name, weights]), JOINTS)

        rows, joints = self.locate(cells)
        patches = self.patches(bordered, features.channels, cells, rows)
        offsets = self.head(patches, "kpt_offset_0", 6, stride=3)
        offsets = self.reshape(offsets.name, JOINTS, JOINTS, 2)
        own = graph.constant(np.repeat(np.arange(JOINTS), 2).reshape(JOINTS, 2))
        offsets = graph.add("GatherND", [offsets, own])
        joints = graph.add("Add", [joints, offsets])
        size = graph.constant(np.float32(w["Reshape_13"].flat[0]))
        joints = graph.add("Mul", [joints, size])

        scores = graph.add(
            "GatherElements",
            [self.reshape(heat.name, JOINTS, -1), self.reshape(cells, JOINTS, 1)],
            axis=1,
        )
        keypoints = graph.add("Concat", [joints, scores], axis=1)
        keypoints = self.reshape(keypoints, 1, 1, JOINTS, 3)
        return graph.model(
            MODEL.name,
            helper.make_tensor_value_info(
                "images", TensorProto.FLOAT, [1, 3, SIDE, SIDE]
            ),
            [graph.result(keypoints, "keypoints", [1, 1, JOINTS, 3])],
        )


def build(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    return MoveNet(weights).build()


if __name__ == "__main__":
    package.main(__doc__, SOURCE, "StatefulPartitionedCall/", MODEL, build)
