#!/usr/bin/env bash
# A model server answers 500 and drops the connection without saying so.
#
# One would guess: an HTTP/1.1 answer of 500 without `Connection: close` leaves the connection open, as a 404 does, so
#   a client may put it back in its pool.
# What happens: when the model raises, MLServer (FastAPI on uvicorn) sends a complete 500 with a Content-Length and no
#   Connection header, then closes the socket. The next request on that connection meets the end of the stream.
#   A client must not reuse a connection after a 5xx, or must try once more.
# Versions: mlserver 1.7.1, uvicorn 0.54.0, starlette 0.46.2, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q mlserver==1.7.1 uvicorn==0.54.0 starlette==0.46.2
cat > serve.py <<'PY'
import asyncio
import sys

import mlserver


class Failing(mlserver.MLModel):
    async def predict(self, payload):
        raise ValueError("no")


async def main():
    settings = mlserver.Settings(
        host="127.0.0.1",
        http_port=int(sys.argv[1]),
        grpc_port=int(sys.argv[2]),
        parallel_workers=0,
        metrics_endpoint=None,
        debug=False,
    )
    await mlserver.MLServer(settings).start([mlserver.ModelSettings(name="failing", implementation=Failing)])


asyncio.run(main())
PY
cat > ask.py <<'PY'
import socket
import sys
import time

BODY = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}'


def asked(model):
    """The head of the answer, and whether the server closed the connection within two seconds of it."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
        connection.settimeout(2)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
            closed = True
        except TimeoutError:
            closed = False
        return answer.split(b"\r\n\r\n")[0].decode(), closed


for _ in range(100):
    try:
        missing, missing_closed = asked("missing")
        break
    except ConnectionRefusedError:
        time.sleep(0.2)
failing, failing_closed = asked("failing")
for head, closed in ((missing, missing_closed), (failing, failing_closed)):
    print(head, "\n-> connection", "closed" if closed else "left open", "\n")
as_found = (
    " 404 " in missing
    and not missing_closed
    and " 500 " in failing
    and failing_closed
    and "connection:" not in failing.lower()
)
print("AS FOUND" if as_found else "CHANGED")
sys.exit(not as_found)
PY
read -r http grpc < <(venv/bin/python -c '
import socket
a, b = socket.socket(), socket.socket()
a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0))
print(a.getsockname()[1], b.getsockname()[1])')
venv/bin/python serve.py "$http" "$grpc" > log 2>&1 &
server=$!
venv/bin/python ask.py "$http"
