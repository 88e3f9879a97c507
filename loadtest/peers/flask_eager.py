"""Flask, gunicorn and PyTorch in eager mode, as PyTorch's own tutorial serves an image classifier.

From https://docs.pytorch.org/tutorials/intermediate/flask_rest_api_tutorial.html, with the deployed weights in
torchvision's network (``eager``). https://flask.palletsprojects.com/en/stable/deploying/gunicorn/ starts at two workers
a core, which is for work that waits; this one computes, so ``catalogue`` starts one a core, and each keeps to one
thread: https://docs.pytorch.org/docs/stable/notes/multiprocessing.html, on oversubscription. Path ``/v1/classify``.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from torchvision import transforms

from loadtest.peers.eager import network_of
from loadtest.peers.plain import Model, opened, resized

torch.set_num_threads(1)
app = Flask(__name__)
served = Model()
model = network_of(onnx.load(served.graph).graph, served.contract)
to_tensor = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize(served.contract.normalize.mean, served.contract.normalize.std)]
)


@app.route("/v1/classify", methods=["POST"])  # type: ignore[untyped-decorator]
def classify() -> ResponseReturnValue:
    """The best labels for one photo."""
    try:
        image = resized(opened(request.files["image"].stream), served.contract)
    except OSError:
        abort(400, "This is not an image.")
    with torch.inference_mode():
        logits: Any = model(to_tensor(image)[None])[0]
    return jsonify(served.answer(logits.numpy()))


@app.route("/readyz")  # type: ignore[untyped-decorator]
def ready() -> ResponseReturnValue:
    """The network is there once this module was imported."""
    return jsonify(status="ready")
