#!/usr/bin/env bash
# ONNX Runtime's memory pattern, which is on by default, makes a session on the CPU hold twice what its runs need.
#
# One would guess: the pattern saves memory. After the first run ONNX Runtime knows every buffer of a run, plans them as one
#   block, and later runs take that block instead of single buffers.
# What happens: the single buffers of the first run stay in the session's arena, and the block of the second run comes on top
#   of them; nothing gives either back. Without the pattern later runs take the same buffers again, and the session holds half.
#   The time of a run is the same. It is not the arena's growth in powers of two: the arena is the same in both.
# Versions: onnxruntime 1.32.0, onnx 1.22.0, numpy 1.26.4, Python 3.11, Linux x86-64.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check onnxruntime==1.32.0 onnx==1.22.0 numpy==1.26.4

cat > try.py <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

pattern = sys.argv[1] == "pattern"
SIDE, CHANNELS, LAYERS = 256, 32, 12
rng = np.random.default_rng(0)
nodes, weights, last = [], [], "x"
for layer in range(LAYERS):
    stride = 2 if layer in (3, 6) else 1
    kernel = rng.standard_normal((CHANNELS, CHANNELS, 3, 3), dtype=np.float32) / 20
    weights.append(numpy_helper.from_array(kernel, f"w{layer}"))
    nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1], strides=[stride, stride]))
    nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
    last = f"r{layer}"
graph = helper.make_graph(
    nodes, "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, CHANNELS, SIDE, SIDE])],
    [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, CHANNELS, SIDE // 4, SIDE // 4])],
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.enable_mem_pattern = pattern
session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
x = rng.standard_normal((1, CHANNELS, SIDE, SIDE), dtype=np.float32)
before = resident_mb()
after = []
for run in range(6):
    session.run(None, {"x": x})
    after.append(round(resident_mb() - before))
print(*after)
PY

with=$(env/bin/python try.py pattern)
without=$(env/bin/python try.py none)
echo "MB that six runs have added, with the pattern:    $with"
echo "MB that six runs have added, without the pattern: $without"
read -r first second _ _ _ last <<< "$with"
read -r alone _ _ _ _ end <<< "$without"
# The second run adds as much again as the first did; without the pattern it adds nothing to speak of.
if (( second < first * 3 / 2 || last < second - 2 || end > alone * 5 / 4 )); then
    echo CHANGED
    exit 1
fi
