"""Makes the model package `in-part`, of which an accelerator takes a part.

    pip install numpy==2.4.6 onnx==1.23.2
    python tests/accelerators/make.py

A classifier of joint windows: two products with a `Shrink` between them, which few execution providers have.
"""

import hashlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "in-part"
STEPS, JOINTS, LABELS = 8, 13, 2
VALUES = STEPS * JOINTS * 3

MANIFEST = """schema = 1
name = "in-part"
version = "1.0.0"
task = "skeleton"
file = "model.onnx"
sha256 = "{sha256}"
licence = "MIT OR Apache-2.0"
source = "tests/accelerators/make.py"
labels = ["one", "other"]

[input]
name = "joints"
joints = 13
steps = 8
rate_hz = 25

[output]
family = "probabilities"
scores = "scores"
"""


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model():
    rng = np.random.default_rng(0)
    weights = [
        constant("flat", np.int64([1, VALUES])),
        constant("first", rng.normal(0, 0.1, (VALUES, 16)).astype(np.float32)),
        constant("second", rng.normal(0, 0.5, (16, LABELS)).astype(np.float32)),
    ]
    nodes = [
        helper.make_node("Reshape", ["joints", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "first"], ["hidden"]),
        helper.make_node("Shrink", ["hidden"], ["shrunk"], lambd=0.1),
        helper.make_node("MatMul", ["shrunk", "second"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "in-part",
        [helper.make_tensor_value_info("joints", TensorProto.FLOAT, [1, STEPS, JOINTS, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, LABELS])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    data = model()
    (FOLDER / "model.onnx").write_bytes(data)
    (FOLDER / "model.toml").write_text(MANIFEST.format(sha256=hashlib.sha256(data).hexdigest()))
