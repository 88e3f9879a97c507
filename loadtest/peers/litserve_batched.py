"""LitServe with batching: decode each request, predict a batch.

From https://lightning.ai/docs/litserve/features/batching and https://lightning.ai/docs/litserve/api-reference/litapi,
which has batches of 8 and 0.1 s to fill one. Its reference of ``LitServer`` advises as many workers as cores on a CPU
(https://lightning.ai/docs/litserve/api-reference/litserver), and each then gets its share of the cores. Path
``/v1/classify``, by ``api_path``; ``/health`` is LitServe's own.
"""

from __future__ import annotations

import os

import litserve
import numpy as np
import onnxruntime
from fastapi import HTTPException
from numpy.typing import NDArray

from loadtest.peers.plain import CORES, Model, opened


class ImageClassifier(litserve.LitAPI):  # type: ignore[misc]
    """What a worker does."""

    def setup(self, device: str) -> None:
        """Load the model, in each worker."""
        del device
        self.model = Model()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.model.graph, options, providers=["CPUExecutionProvider"])

    # LitServe takes what these two are annotated with for FastAPI's types; its documentation leaves it away.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """A form's photo as the network's input."""
        try:
            return self.model.pixels(opened(request["image"].file))
        except (OSError, KeyError) as error:
            raise HTTPException(400, "This is not an image.") from error

    def predict(self, x: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch, which LitServe has stacked."""
        graph = self.model.contract.graphs.onnx
        (logits,) = self.session.run([graph.logits.name], {graph.input.name: x})
        return np.asarray(logits)

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        """The best labels for one photo."""
        return self.model.answer(output)


if __name__ == "__main__":
    api = ImageClassifier(max_batch_size=8, batch_timeout=0.1, api_path="/v1/classify")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ[CORES]))
    server.run(host="127.0.0.1", port=int(os.environ["PEER_PORT"]), generate_client_file=False)
