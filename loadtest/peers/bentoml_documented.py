"""BentoML's batchable endpoint as its documentation has it: a list of images in, batches made by BentoML around it all.

From https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html (``@bentoml.api(batchable=True)`` on a list)
and https://docs.bentoml.com/en/latest/build-with-bentoml/iotypes.html (``PIL.Image.Image`` as an input), every option
its default. Path ``/v1/classify``, by ``route``; ``/readyz`` is BentoML's own.
"""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import onnxruntime
from _bentoml_sdk.io_models import IODescriptor
from PIL.Image import Image
from starlette.responses import JSONResponse, Response

from loadtest.peers.plain import Model, opened


class Answer(IODescriptor):  # type: ignore[misc]
    """The answer to a request of one photo: BentoML would send a list of one, other servers send no list."""

    @classmethod
    async def to_http_response(cls, obj: list[dict[str, Any]], serde: Any) -> Response:
        """Send the only element."""
        del serde
        return JSONResponse(obj[0])


@bentoml.service
class ImageClassifier:
    """One session, every option its default."""

    def __init__(self) -> None:
        self.model = Model()
        self.session = onnxruntime.InferenceSession(self.model.graph, providers=["CPUExecutionProvider"])

    @bentoml.api(route="/v1/classify", batchable=True, output_spec=Answer)  # type: ignore[untyped-decorator]
    def classify(self, image: list[Image]) -> list[dict[str, Any]]:
        """The best labels for each photo of a batch."""
        graph = self.model.contract.graphs.onnx
        pixels = np.stack([self.model.pixels(opened(each)) for each in image])
        (logits,) = self.session.run([graph.logits.name], {graph.input.name: pixels})
        return [self.model.answer(each) for each in logits]
