"""What the pose net sees of a clip, as numbers: the part of the model that is not trained here.

MoveNet's maps say where joints are, of all people in the picture at once. How these maps change from frame to frame, and what
is in them, are the features. A linear head on top is all that is trained.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEPS = 7
RATE_HZ = 5
SIDE = 192
# Layers of MoveNet Lightning, from the end of its backbone to its joint maps.
LAYERS = ("add_187", "relu_216", "relu_227", "relu_238", "sigmoid_288")
# Cells on each side of a map after averaging, at most.
CELLS = 12
# A step is moved by at most so many cells.
REACH = 2


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


def mean(graph: Graph, values: str, *axes: int) -> str:
    return graph.add("ReduceMean", values, axes=axes, keepdims=0)


def most(graph: Graph, values: str, *axes: int) -> str:
    return graph.add("ReduceMax", values, axes=axes, keepdims=0)


def deviation(graph: Graph, values: str, *axes: int) -> str:
    middle = mean(graph, values, *axes)
    square = mean(graph, graph.add("Mul", values, values), *axes)
    variance = graph.add("Sub", square, graph.add("Mul", middle, middle))
    return graph.add("Sqrt", graph.add("Relu", variance))


@dataclass
class Changes:
    """What a layer's maps [STEPS, channels, cells, cells] become from step to step."""

    later: str
    earlier: str
    # Absolute differences of the steps, and of the steps' differences.
    change: str
    turn: str


def changes(graph: Graph, maps: str) -> Changes:
    later, earlier = graph.part(maps, 1, STEPS), graph.part(maps, 0, STEPS - 1)
    step = graph.add("Sub", later, earlier)
    turn = graph.add(
        "Sub", graph.part(step, 1, STEPS - 1), graph.part(step, 0, STEPS - 2)
    )
    return Changes(later, earlier, graph.add("Abs", step), graph.add("Abs", turn))


def amounts(graph: Graph, maps: str, seen: Changes) -> list[str]:
    """Seven numbers of each channel: how much changes, and what there is."""
    square = graph.add("Mul", seen.change, seen.change)
    return [
        mean(graph, seen.change, 0, 2, 3),
        mean(graph, graph.add("Sqrt", mean(graph, square, 2, 3)), 0),
        mean(graph, most(graph, seen.change, 2, 3), 0),
        mean(graph, seen.turn, 0, 2, 3),
        mean(graph, maps, 0, 2, 3),
        mean(graph, most(graph, maps, 2, 3), 0),
        mean(graph, deviation(graph, maps, 2, 3), 0),
    ]


def places(graph: Graph, seen: Changes, channels: int) -> list[str]:
    """Six numbers of each channel of a map of `CELLS` cells: where it changes and when. Who fights stays in one place, where all
    changes all the time; who walks past changes one cell after the other.
    """
    lasting = mean(graph, seen.change, 0)
    left = unmoved(graph, seen, channels)
    return [
        most(graph, lasting, 1, 2),
        deviation(graph, lasting, 1, 2),
        deviation(graph, mean(graph, seen.change, 2, 3), 0),
        most(graph, mean(graph, seen.turn, 0), 1, 2),
        mean(graph, left, 0),
        most(graph, left, 0),
    ]


def unmoved(graph: Graph, seen: Changes, channels: int) -> str:
    """What is left of the change of each channel, [STEPS - 1, channels], when all channels of a step are moved together by up to
    `REACH` cells so that they fit the next step best.
    """

    def core(maps: str, down: int, across: int) -> str:
        starts = graph.constant([REACH + down, REACH + across], np.int64)
        ends = graph.constant([CELLS - REACH + down, CELLS - REACH + across], np.int64)
        return graph.add("Slice", maps, starts, ends, graph.constant([2, 3], np.int64))

    middle, first = core(seen.later, 0, 0), graph.constant([0], np.int64)
    moves = range(-REACH, REACH + 1)
    rests = []
    for down, across in product(moves, moves):
        moved = core(seen.earlier, down, across)
        change = graph.add("Abs", graph.add("Sub", middle, moved))
        rests.append(graph.add("Unsqueeze", mean(graph, change, 2, 3), first))
    rest = graph.add("Concat", *rests, axis=0)
    whole = graph.add("ReduceMean", rest, axes=(2,), keepdims=1)
    best = graph.add("ArgMin", whole, axis=0, keepdims=1)
    shape = graph.constant([1, STEPS - 1, channels], np.int64)
    chosen = graph.add("GatherElements", rest, graph.add("Expand", best, shape), axis=0)
    return graph.add("Squeeze", chosen, first)


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
    width = 0
    for layer in LAYERS:
        maps, (_, channels, _, side) = f"pose_{layer}", shapes[layer]
        if side > CELLS:
            size = (side // CELLS, side // CELLS)
            maps = graph.add("AveragePool", maps, kernel_shape=size, strides=size)
        seen = changes(graph, maps)
        of_layer = amounts(graph, maps, seen)
        if side >= CELLS:
            of_layer += places(graph, seen, channels)
        numbers += of_layer
        width += channels * len(of_layer)
    values = graph.add("Concat", *numbers, axis=0)
    larger = graph.add("Mul", graph.add("Abs", values), graph.constant(4.0))
    size = graph.add("Log", graph.add("Add", larger, graph.constant(1.0)))
    signed = graph.add("Mul", graph.add("Sign", values), size)
    graph.nodes.append(
        helper.make_node(
            "Unsqueeze", [signed, graph.constant([0], np.int64)], ["features"]
        )
    )
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
