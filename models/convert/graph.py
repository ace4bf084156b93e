"""An ONNX graph of convolutions, laid out for ONNX Runtime's CPU kernels."""

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8

# The source computes hard-swish as x * (SIXTH * clip(x + 3, 0, 6)) with a SIXTH
# rounded to half precision. ONNX's own operator has an exact sixth, so a factor
# is left over; the next convolution's weights take it.
SIXTH = float(np.float16(1 / 6))
REMAINDER = 6 * SIXTH


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
        if activation == "Relu6":
            bounds = [self.constant(np.float32(bound)) for bound in (0, 6)]
            return replace(x, name=self.add("Clip", [x.name, *bounds]))
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

    def resize(
        self, x: Map, side: int, mode: str, coordinates: str = "asymmetric"
    ) -> Map:
        factor = side // x.side
        y = self.add(
            "Resize",
            [x.name, "", self.constant(np.float32([1, 1, factor, factor]))],
            mode=mode,
            coordinate_transformation_mode=coordinates,
            nearest_mode="floor",
        )
        return replace(x, name=y, side=side)

    def gate(self, x: Map, gate: Map) -> Map:
        """Weigh the channels; the gate is spread out to keep the blocked layout."""
        spread = self.resize(gate, x.side, "nearest")
        y = self.add("Mul", [x.name, spread.name])
        return replace(x, name=y, scale=x.scale * gate.scale)

    def output(self, x: Map, name: str) -> onnx.ValueInfoProto:
        return self.result(x.name, name, [1, x.channels, x.side, x.side])

    def result(self, x: str, name: str, shape: list[int]) -> onnx.ValueInfoProto:
        """Make a tensor an output of that name."""
        (node,) = (node for node in self.nodes if node.output[0] == x)
        node.output[0] = name
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def model(
        self,
        name: str,
        images: onnx.ValueInfoProto,
        outputs: list[onnx.ValueInfoProto],
    ) -> onnx.ModelProto:
        """Finish the graph."""
        graph = helper.make_graph(
            self.nodes, name, [images], outputs, self.initializers
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model
