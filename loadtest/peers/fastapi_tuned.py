"""FastAPI as it is at its best here: the tutorial's server with our decoding, our graph and our threads.

It lacks only what our server adds: decoding lanes, batches, limits, deadlines, metrics. Threads are as many as the
cgroup allows and do not spin, see :class:`twinlens.inference.Network`. The endpoint is a ``def`` in FastAPI's pool of
threads (https://fastapi.tiangolo.com/async/#path-operation-functions). Path ``/v1/classify``.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException, UploadFile

from loadtest.peers.plain import MOST_LABELS, VERSION
from twinlens.classifier import Answer, Classifier
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import open_version

app = FastAPI()
classifier = Classifier(open_version(Path(os.environ[VERSION])), Settings())
classifier.warm_up()


@app.post("/v1/classify", response_model=None)  # type: ignore[untyped-decorator]
def classify(image: UploadFile) -> Answer:
    """The best labels for one photo."""
    try:
        pixels = classifier.pixels(classifier.read_header(image.file.read()))
    except TwinlensError as error:
        raise HTTPException(error.status, error.detail) from error
    return classifier.answer(classifier.scores(pixels[None])[0], MOST_LABELS)


@app.get("/readyz")  # type: ignore[untyped-decorator]
def ready() -> dict[str, str]:
    """The model is there once this module was imported."""
    return {"status": "ready"}
