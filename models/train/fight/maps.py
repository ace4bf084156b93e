"""What the pose net sees of a clip, as numbers: the part of the model that is not trained here.

MoveNet's maps say where joints are, of all people in the picture at once. How these maps change from frame to frame, and what
is in them, are the features. A linear head on top is all that is trained.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEPS = 7
RATE_HZ = 5
SIDE = 192
# Layers of MoveNet Lightning, from the end of its backbone to its joint maps.
LAYERS = ("add_187", "relu_216", "relu_227", "relu_238", "sigmoid_288")
# Cells on each side of a map after averaging.
CELLS = 12


class Graph:
    """Nodes and constants of an ONNX graph, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, op: str, *inputs: str, **attributes) -> str:
        """Adds a node and gives the name of its output."""
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, values, kind=np.float32) -> str:
        """Adds a constant and gives its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def part(self, maps: str, first: int, last: int) -> str:
        """The steps from `first` up to `last`, without it."""
        bounds = (self.constant([bound], np.int64) for bound in (first, last, 0))
        return self.add("Slice", maps, *bounds)


def statistics(graph: Graph, maps: str) -> list[str]:
    """Seven numbers of each channel of `maps` [STEPS, channels, rows, columns]."""

    def mean(values: str, *axes: int) -> str:
        return graph.add("ReduceMean", values, axes=axes, keepdims=0)

    def highest(values: str) -> str:
        return mean(graph.add("ReduceMax", values, axes=(2, 3), keepdims=0), 0)

    later, earlier = graph.part(maps, 1, STEPS), graph.part(maps, 0, STEPS - 1)
    step = graph.add("Sub", later, earlier)
    change = graph.add("Abs", step)
    square = graph.add("Mul", change, change)
    turn = graph.add(
        "Sub", graph.part(step, 1, STEPS - 1), graph.part(step, 0, STEPS - 2)
    )
    middle = mean(maps, 2, 3)
    variance = graph.add(
        "Sub",
        mean(graph.add("Mul", maps, maps), 2, 3),
        graph.add("Mul", middle, middle),
    )
    spread = graph.add("Sqrt", graph.add("Relu", variance))
    return [
        mean(change, 0, 2, 3),
        mean(graph.add("Sqrt", mean(square, 2, 3)), 0),
        highest(change),
        mean(graph.add("Abs", turn), 0, 2, 3),
        mean(maps, 0, 2, 3),
        highest(maps),
        mean(spread, 0),
    ]


def features(pose: onnx.ModelProto) -> onnx.ModelProto:
    """The model from a clip, f32 [1, STEPS, 3, SIDE, SIDE], RGB, 0 to 255, to its features, f32 [1, n]."""
    inferred = onnx.shape_inference.infer_shapes(pose)
    trunk = onnx.utils.Extractor(inferred).extract_model(["images"], list(LAYERS)).graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in trunk.output
    }
    graph = Graph()
    frames = graph.add(
        "Reshape", "clip", graph.constant([STEPS, 3, SIDE, SIDE], np.int64)
    )
    for node in trunk.node:
        node.input[:] = [
            frames if name == "images" else f"pose_{name}" if name else ""
            for name in node.input
        ]
        node.output[:] = [f"pose_{name}" for name in node.output]
    for constant in trunk.initializer:
        constant.name = f"pose_{constant.name}"
    graph.nodes += trunk.node
    numbers: list[str] = []
    for layer in LAYERS:
        maps, cell = f"pose_{layer}", shapes[layer][-1] // CELLS
        if cell > 1:
            maps = graph.add(
                "AveragePool", maps, kernel_shape=(cell, cell), strides=(cell, cell)
            )
        numbers += statistics(graph, maps)
    values = graph.add("Concat", *numbers, axis=0)
    larger = graph.add("Mul", graph.add("Abs", values), graph.constant(4.0))
    size = graph.add("Log", graph.add("Add", larger, graph.constant(1.0)))
    signed = graph.add("Mul", graph.add("Sign", values), size)
    graph.nodes.append(
        helper.make_node(
            "Unsqueeze", [signed, graph.constant([0], np.int64)], ["features"]
        )
    )
    width = 7 * sum(shapes[layer][1] for layer in LAYERS)
    whole = helper.make_graph(
        graph.nodes,
        "fight",
        [
            helper.make_tensor_value_info(
                "clip", TensorProto.FLOAT, [1, STEPS, 3, SIDE, SIDE]
            )
        ],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, width])],
        [*graph.constants, *trunk.initializer],
    )
    model = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model)
    return model
