#!/usr/bin/env bash
# One would guess: ONNX Runtime 1.32.0 from PyPI writes nothing into the user's folders, least of all after the program has
# called disable_telemetry_events(), which exists for that.
# What happens (Linux, x86_64): opening any session writes a device id and a database of events below the user's cache
# folder. disable_telemetry_events() changes nothing about that, even called before the first session. Only the environment
# variable ORT_DISABLE_TELEMETRY=1, set before the library is loaded, keeps the folder empty.
# Versions: onnxruntime 1.32.0, onnx 1.19.1, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv env
env/bin/pip --quiet --disable-pip-version-check install onnxruntime==1.32.0 onnx==1.19.1

env/bin/python - <<'PYTHON'
import onnx
from onnx import TensorProto, helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", ends[:1], ends[1:])
opset = helper.make_opsetid("", 13)
onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), "relu.onnx")
PYTHON

cat > session.py <<'PYTHON'
import sys

import onnxruntime

if "quiet" in sys.argv:
    onnxruntime.disable_telemetry_events()
onnxruntime.InferenceSession("relu.onnx")
PYTHON

# Opens a session as a user with an empty home; prints and counts the files that it leaves there.
# $1: "quiet" calls disable_telemetry_events(); $2: a variable of the environment.
files() {
  rm -rf home && mkdir home
  env -i PATH="$PATH" HOME="$PWD/home" ${2:+"$2"} env/bin/python session.py "$1" >&2
  find home -type f -printf '  %P, %s bytes\n' >&2
  find home -type f | wc -l
}

echo "as it is:" >&2
plain=$(files plain)
echo "after disable_telemetry_events():" >&2
quiet=$(files quiet)
echo "with ORT_DISABLE_TELEMETRY=1:" >&2
variable=$(files plain ORT_DISABLE_TELEMETRY=1)
echo "files in the home: $plain as it is, $quiet after the call, $variable with the variable"
if [ "$plain" -eq 0 ] || [ "$quiet" -eq 0 ] || [ "$variable" -ne 0 ]; then
  echo CHANGED
  exit 1
fi
