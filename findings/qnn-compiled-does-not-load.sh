#!/usr/bin/env bash
# ONNX Runtime's compile API can give a model that the same provider with the same options refuses to load.
#
# One would guess: what the compile API makes of a model, a session with default options takes as it takes the model itself.
# What happens: compiling optimizes nothing unless told to, so a node that the provider leaves to the CPU stays in the compiled
#   model even where its result is constant (the Shape of an input of fixed size) or where another node does the same.
#   Loading does optimize: it makes the first a constant and merges the second, so that the EPContext node after them has an
#   input less than was compiled, and QNN refuses it: "The count of graph inputs should be at least the count of
#   tensor_wrapper!". The level in the session options does not reach the compiler. Two ways help: ORT_ENABLE_BASIC as the
#   compile API's own graph_optimization_level, or loading with ORT_DISABLE_ALL.
# Versions: onnxruntime 1.32.0, onnxruntime-qnn 2.7.0 (its emulator of the HTP: soc_model 60, htp_arch 73), onnx 1.23.2,
#   Python 3.11, Linux x86-64.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check onnxruntime==1.32.0 onnxruntime-qnn==2.7.0 onnx==1.23.2 numpy==2.4.6

cat > try.py <<'PY'
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
import onnxruntime_qnn
from onnx import TensorProto, helper

which, session_level, compile_level, load_level = sys.argv[1:]

# HTP takes Cast and Mul and leaves Shape and Shrink to the CPU.
node = helper.make_node
nodes = {
    "constant": [node("Shape", ["x"], ["n"]), node("Cast", ["n"], ["f"], to=TensorProto.FLOAT), node("Mul", ["x", "f"], ["out"])],
    "twins": [node("Shrink", ["x"], ["a"]), node("Shrink", ["x"], ["b"]), node("Mul", ["a", "b"], ["out"])],
    "neither": [node("Shrink", ["x"], ["a"]), node("Mul", ["x", "a"], ["out"])],
}
graph = helper.make_graph(
    nodes[which], "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 2])],
    [helper.make_tensor_value_info("out", TensorProto.FLOAT, [4, 2])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
model = model.SerializeToString()
x = np.arange(8, dtype=np.float32).reshape(4, 2)
expected = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]

folder = pathlib.Path(onnxruntime_qnn.__file__).parent
library = next(folder.rglob("libonnxruntime_providers_qnn.so"))
ort.register_execution_provider_library("QNNExecutionProvider", str(library))
devices = [device for device in ort.get_ep_devices() if device.ep_name == "QNNExecutionProvider"]


def options(level):
    made = ort.SessionOptions()
    if level != "default":
        made.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    made.add_provider_for_devices(devices[:1], {"backend_type": "htp", "soc_model": "60", "htp_arch": "73"})
    return made


if compile_level != "none":
    more = {}
    if compile_level != "default":
        more["graph_optimization_level"] = getattr(ort.GraphOptimizationLevel, compile_level)
    compiler = ort.ModelCompiler(options(session_level), model, embed_compiled_data_into_model=True, **more)
    model = compiler.compile_to_bytes()
    print("nodes:", *(node.op_type for node in onnx.load_from_string(model).graph.node))
try:
    session = ort.InferenceSession(model, sess_options=options(load_level))
except Exception as error:
    if "The count of graph inputs should be at least the count of tensor_wrapper" not in str(error):
        raise
    print("result: refused")
    sys.exit()
right = np.allclose(session.run(None, {"x": x})[0], expected, rtol=0.01)
print("result: loads" if right else "result: loads, computes something else")
PY

failed=0
# A process for each: options of one session outlive it.
try() {
    local expect=$1 what=$2
    shift 2
    env/bin/python try.py "$@" > log 2>&1 || { echo "CHANGED: $what: another error"; tail -n 5 log; exit 1; }
    local result nodes
    result=$(sed -n 's/^result: //p' log)
    nodes=$(sed -n 's/^nodes: //p' log)
    echo "$what: $result${nodes:+ (compiled to: $nodes)}"
    [ "$result" = "$expect" ] || failed=1
}
#   expected  what                                        model    session options  compile API      load
try "loads"   "constant: the model itself"                constant default          none             default
try "refused" "constant: compiled"                        constant default          default          default
try "refused" "constant: compiled, level on the session"  constant ORT_ENABLE_BASIC default          default
try "loads"   "constant: compiled, level in compile API"  constant default          ORT_ENABLE_BASIC default
try "loads"   "constant: compiled, loaded unoptimized"    constant default          default          ORT_DISABLE_ALL
try "refused" "twins: compiled"                           twins    default          default          default
try "loads"   "twins: compiled, level in compile API"     twins    default          ORT_ENABLE_BASIC default
try "loads"   "neither: compiled"                         neither  default          default          default
if [ "$failed" = 1 ]; then
    echo CHANGED
    exit 1
fi
echo "as described"
