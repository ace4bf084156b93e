#!/usr/bin/env bash
# Qualcomm's HTP computes a floating-point model in half precision, whatever the option for it says.
#
# One would guess: the provider option enable_htp_fp16_precision=0 gives single precision, or an error where the device cannot.
# What happens: for a model in f32, 0 and 1 give the same bits, and both are off from the CPU by parts in thousands, as half
#   precision is, where single precision would be off by parts in millions.
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
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
weights = numpy_helper.from_array(rng.normal(size=(64, 64)).astype(np.float32), "w")
nodes = [
    helper.make_node("MatMul", ["x", "w"], ["y"]),
    helper.make_node("Relu", ["y"], ["z"]),
    helper.make_node("MatMul", ["z", "w"], ["out"]),
]
graph = helper.make_graph(
    nodes, "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
    [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 64])],
    [weights],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "model.onnx")
x = rng.normal(size=(1, 64)).astype(np.float32)

if sys.argv[1] == "cpu":
    session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
else:
    folder = pathlib.Path(onnxruntime_qnn.__file__).parent
    library = next(folder.rglob("libonnxruntime_providers_qnn.so"))
    ort.register_execution_provider_library("QNNExecutionProvider", str(library))
    devices = [device for device in ort.get_ep_devices() if device.ep_name == "QNNExecutionProvider"]
    options = ort.SessionOptions()
    chosen = {"backend_type": "htp", "soc_model": "60", "htp_arch": "73", "enable_htp_fp16_precision": sys.argv[1]}
    options.add_provider_for_devices(devices[:1], chosen)
    session = ort.InferenceSession("model.onnx", sess_options=options)
np.save(f"{sys.argv[1]}.npy", session.run(None, {"x": x})[0])
PY

# A process for each: options of one session outlive it.
for how in cpu 0 1; do
    env/bin/python try.py "$how" > "$how.log" 2>&1 || { echo "CHANGED: $how does not run"; tail -n 5 "$how.log"; exit 1; }
done
env/bin/python - <<'PY'
import sys

import numpy as np

cpu, off, on = (np.load(f"{name}.npy") for name in ("cpu", "0", "1"))
same = np.array_equal(off, on)
print("enable_htp_fp16_precision 0 and 1 give the same bits:", same)
scale = np.abs(cpu).max()
error = np.abs(off - cpu).max() / scale
print(f"off from the CPU by at most {error:.1e} of the largest value")
if not same or not 1e-4 < error < 1e-1:
    print("CHANGED")
    sys.exit(1)
print("as described")
PY
