"""Serves ONNX files over the Open Inference Protocol (v2) with MLServer, REST and gRPC, for tests.

    python mlserver_server.py --model NAME=PATH.onnx [--model ...] --http PORT --grpc PORT [--certificate PEM --key PEM]

Listens on 127.0.0.1 only, prints `ready` on standard output once both ports take connections and all models are
loaded, ends on SIGTERM. A certificate is used on the REST port only: MLServer's gRPC port has no TLS.
"""

import argparse
import asyncio

import mlserver
import numpy
import onnxruntime
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, MetadataTensor, ResponseOutput

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
        MetadataTensor(
            name=tensor.name,
            datatype=DATATYPES[tensor.type],
            shape=[size if isinstance(size, int) else -1 for size in tensor.shape],
        )
        for tensor in tensors
    ]


class OnnxModel(mlserver.MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = described(self.session.get_inputs())
        self.outputs = described(self.session.get_outputs())
        return True

    async def predict(self, payload):
        arrays = self.session.run(None, {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs})
        # MLServer leaves it to the model to answer with the outputs that were asked for.
        wanted = [output.name for output in payload.outputs or []]
        # Not NumpyCodec.encode_output: that makes [N] into [N, 1], and NaN into null, which gRPC cannot carry.
        outputs = [
            ResponseOutput(
                name=about.name, shape=list(array.shape), datatype=about.datatype, data=numpy.ravel(array).tolist()
            )
            for array, about in zip(arrays, self.outputs)
            if not wanted or about.name in wanted
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def announce(server, http, grpc, names):
    for port in (http, grpc):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.05)
    while sum(model.ready for model in await server._model_registry.get_models()) < len(names):
        await asyncio.sleep(0.05)
    print("ready", flush=True)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", required=True, metavar="NAME=PATH.onnx")
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("--grpc", type=int, required=True)
    parser.add_argument("--certificate", help="PEM file; with --key, the REST port speaks TLS")
    parser.add_argument("--key", help="PEM file")
    args = parser.parse_args()

    settings = mlserver.Settings(
        host="127.0.0.1",
        http_port=args.http,
        grpc_port=args.grpc,
        grpc_max_message_length=64 << 20,
        parallel_workers=0,  # no child processes
        metrics_endpoint=None,  # no third port, and no .metrics folder
        debug=False,
    )
    if args.certificate:
        settings._custom_rest_server_settings = {"ssl_certfile": args.certificate, "ssl_keyfile": args.key}
    models = [
        mlserver.ModelSettings(name=name, implementation=OnnxModel, parameters=mlserver.settings.ModelParameters(uri=path))
        for name, path in (named.split("=", 1) for named in args.model)
    ]
    server = mlserver.MLServer(settings)
    watcher = asyncio.create_task(announce(server, args.http, args.grpc, models))
    await server.start(models)
    watcher.cancel()


if __name__ == "__main__":
    asyncio.run(main())
