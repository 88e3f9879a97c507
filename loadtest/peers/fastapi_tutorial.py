"""FastAPI and ONNX Runtime as tutorials put them together: one photo a request, one session, every option its default.

A ``def`` endpoint that takes an ``UploadFile`` runs in FastAPI's pool of threads
(https://fastapi.tiangolo.com/tutorial/request-files/, https://fastapi.tiangolo.com/async/); the session is made and run
as ONNX Runtime's own page has it (https://onnxruntime.ai/docs/get-started/with-python.html). Path ``/v1/classify``.
"""

from __future__ import annotations

from typing import Any

import onnxruntime
from fastapi import FastAPI, HTTPException, UploadFile

from loadtest.peers.plain import Model, opened

app = FastAPI()
model = Model()
session = onnxruntime.InferenceSession(model.graph, providers=["CPUExecutionProvider"])
input_name = model.contract.graphs.onnx.input.name
output_name = model.contract.graphs.onnx.logits.name


@app.post("/v1/classify")  # type: ignore[untyped-decorator]
def classify(image: UploadFile) -> dict[str, Any]:
    """The best labels for one photo."""
    try:
        pixels = model.pixels(opened(image.file))
    except OSError as error:
        raise HTTPException(400, "This is not an image.") from error
    (logits,) = session.run([output_name], {input_name: pixels[None]})
    return model.answer(logits[0])


@app.get("/readyz")  # type: ignore[untyped-decorator]
def ready() -> dict[str, str]:
    """The session is there once this module was imported."""
    return {"status": "ready"}
