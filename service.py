"""The BentoML service: what is served, declared in one place. How it is done is in ``twinlens.http``."""

from __future__ import annotations

import bentoml
from starlette.responses import JSONResponse, Response

from twinlens.http import drain, tracing
from twinlens.http.application import Classification, ClassifyInput, HttpService, SimilarInput, Similarity
from twinlens.http.engine import Engine
from twinlens.http.metrics import forget_dead_workers, of_process
from twinlens.http.parent import end_with_parent
from twinlens.settings import Settings


@bentoml.service(
    name="twinlens",
    description="One image classifier that gives the same answer over HTTP and in the visitor's browser.",
    service_class=HttpService,
    # One process with threads: a second one would hold the model twice and share the same cores.
    workers=1,
    logging={"access": {"enabled": False}},
    envs=[{"name": "BENTOML_DO_NOT_TRACK", "value": "true"}],
)
class Twinlens:
    """Answers photos with labels, by the model that the settings name."""

    settings = Settings.from_environment()

    def __init__(self) -> None:
        self.engine = Engine(self.settings, of_process())

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Load the model while the server already answers its probes."""
        forget_dead_workers()
        tracing.start()
        drain.of_process().listen(self.settings, of_process())
        self.engine.start()
        self.parent_watch = end_with_parent()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Drop what waits."""
        self.parent_watch.cancel()
        await self.engine.stop()
        tracing.stop()

    @bentoml.api(  # type: ignore[untyped-decorator]
        route="/v1/classify", input_spec=ClassifyInput, output_spec=Classification
    )
    async def classify(self, image: bytes, top_k: int) -> Response:
        """The best labels for one image, best first.

        :param image: the bytes of an image file.
        :param top_k: how many labels at most.
        """
        return JSONResponse(await self.engine.classify(image, top_k))

    @bentoml.api(  # type: ignore[untyped-decorator]
        route="/v1/similar", input_spec=SimilarInput, output_spec=Similarity
    )
    async def similar(self, image: bytes, k: int) -> Response:
        """The photos of the index that are most like one image, nearest first.

        :param image: the bytes of an image file.
        :param k: how many photos at most.
        """
        return JSONResponse(await self.engine.similar(image, k))
