"""Build centernet-mobilenetv3-coco.onnx from the weights in npm's @vladmandic/human.

The TensorFlow.js graph is not converted node by node: the network is laid out
anew from its weights, in the form that ONNX Runtime's CPU kernels run fastest.
README.md beside this file says what that changes and what it saves. "Blocked" is
ONNX Runtime's layout of eight or sixteen channels side by side (NCHWc).
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

import package
from graph import Graph, Map
from source import Source

SOURCE = Source(
    "centernet",
    json_sha256="bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
    bin_sha256="1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
)
MODEL = Path(__file__).parent.parent / "centernet-mobilenetv3-coco"

SIDE = 512
CLASSES = 80


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
        images = helper.make_tensor_value_info(
            "images", TensorProto.FLOAT, [1, 3, SIDE, SIDE]
        )
        return self.graph.model(
            MODEL.name,
            images,
            [self.graph.output(heatmap, "heatmap"), self.graph.output(sizes, "sizes")],
        )


def build(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    return CenterNet(weights).build()


if __name__ == "__main__":
    package.main(__doc__, SOURCE, "tower_0/", MODEL, build)
