"""Serves ONNX files over the Open Inference Protocol (v2) with KServe's model server, REST and gRPC, for tests.

    python kserve_server.py --model NAME=PATH.onnx [--model ...] --http PORT --grpc PORT [--certificate PEM --key PEM]

Listens on 127.0.0.1 only, prints `ready` on standard output once both ports take connections, ends on SIGTERM.
"""

import argparse
import socket
import sys
import threading
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", action="append", required=True, metavar="NAME=PATH.onnx")
parser.add_argument("--http", type=int, required=True)
parser.add_argument("--grpc", type=int, required=True)
parser.add_argument("--certificate", help="PEM file; with --key, both ports speak TLS")
parser.add_argument("--key", help="PEM file")
args = parser.parse_args()

# kserve reads the command line for itself while it is imported, takes --http for --http_port, and stops at --grpc.
# The size of gRPC messages (8 MiB in both directions unless told) can be set in no other way.
sys.argv[1:] = [f"--grpc_max_{way}_message_length={64 << 20}" for way in ("send", "receive")]

import grpc  # noqa: E402
import kserve  # noqa: E402
import kserve.model_server  # noqa: E402
import onnxruntime  # noqa: E402

DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(int8)": "INT8",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
}


def described(tensors):
    return [
        {
            "name": tensor.name,
            "datatype": DATATYPES[tensor.type],
            "shape": [size if isinstance(size, int) else -1 for size in tensor.shape],
        }
        for tensor in tensors
    ]


class OnnxModel(kserve.Model):
    def __init__(self, name, path):
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.ready = True

    async def get_input_types(self):
        return described(self.session.get_inputs())

    async def get_output_types(self):
        return described(self.session.get_outputs())

    def predict(self, payload, headers=None, response_headers=None):
        arrays = self.session.run(None, {tensor.name: tensor.as_numpy() for tensor in payload.inputs})
        outputs = []
        for array, about in zip(arrays, described(self.session.get_outputs())):
            output = kserve.InferOutput(about["name"], list(array.shape), about["datatype"])
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        # A response without an id does not pass kserve's own check.
        return kserve.InferResponse(
            payload.id or "none",
            self.name,
            outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def on_loopback():
    """kserve has no setting for the address, nor for TLS on the gRPC port."""
    rest = kserve.model_server.RESTServer
    plain = grpc.aio.server

    def rest_on_loopback(*positional, **named):
        server = rest(*positional, **named)
        server.config.host = "127.0.0.1"
        return server

    def grpc_on_loopback(*positional, **named):
        server = plain(*positional, **named)
        address = f"127.0.0.1:{args.grpc}"
        if args.certificate:
            with open(args.key, "rb") as key, open(args.certificate, "rb") as certificate:
                credentials = grpc.ssl_server_credentials([(key.read(), certificate.read())])
            server.add_secure_port(address, credentials)
        else:
            server.add_insecure_port(address)
        server.add_insecure_port = lambda _: None
        return server

    kserve.model_server.RESTServer = rest_on_loopback
    grpc.aio.server = grpc_on_loopback


def announce():
    for port in (args.http, args.grpc):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
    print("ready", flush=True)


models = [OnnxModel(*named.split("=", 1)) for named in args.model]
on_loopback()
threading.Thread(target=announce, daemon=True).start()
kserve.ModelServer(
    http_port=args.http,
    grpc_port=args.grpc,
    enable_latency_logging=False,
    grace_period=2,
    ssl_certfile=args.certificate,
    ssl_keyfile=args.key,
).start(models)
