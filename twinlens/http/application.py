"""BentoML's application with our routes and layers: how a ``bentoml.Service`` becomes the server.

BentoML 1.4 answers its own errors as bare JSON, counts requests by the path that was asked for, traces each one even
where no trace is exported, and works on for clients that have gone. :class:`HttpService` keeps its workers, its
lifespan, its API methods and its clients' schema, and replaces those layers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk import IODescriptor, Service
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive
from uvicorn.config import HTTP_PROTOCOLS

from twinlens.errors import TwinlensError
from twinlens.http import drain, logs, openapi, problems
from twinlens.http.asgi import Gate
from twinlens.http.engine import NO_INDEX, Engine
from twinlens.http.feedback import FeedbackApi
from twinlens.http.metrics import of_process
from twinlens.http.pages import HOW_TO_BUILD, ModelFiles, Page
from twinlens.http.protocol import BoundedProtocol
from twinlens.http.request import READING, TOP_K, Arrivals, K, Question, Upload, read_question, read_upload
from twinlens.settings import Settings

logger = logging.getLogger("twinlens")

_CLIENT_GONE: Final = 499


class HasEngine(Protocol):
    """What a service class must have for :class:`HttpService` to serve it."""

    settings: Settings
    engine: Engine


class ClassifyInput(IODescriptor):  # type: ignore[misc]
    """What a client may send: an image file, and how many labels it wants."""

    image: Path
    top_k: int = Field(TOP_K.default, ge=1, le=TOP_K.most)

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Upload:
        """Read a request without BentoML's own readers, which would trust the declared type and fetch addresses.

        :raises TwinlensError: as :func:`.request.read_upload` does.
        """
        del serde
        return await read_upload(request, request.app.state.max_body_bytes, request.app.state.arrivals)


class SimilarInput(IODescriptor):  # type: ignore[misc]
    """What a client may send: an image file, and how many photos like it it wants."""

    image: Path
    k: int = Field(K.default, ge=1, le=K.most)

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Question:
        """Read a request, unless there is nothing to answer it from.

        :raises TwinlensError: ``missing_index``, or as :func:`.request.read_question` does.
        """
        del serde
        if not request.app.state.has_index:
            raise TwinlensError("missing_index", NO_INDEX)
        return await read_question(request, request.app.state.max_body_bytes, request.app.state.arrivals)


class ScoredLabel(BaseModel):
    """One label with its score."""

    label: str
    score: float


class AnsweredBy(BaseModel):
    """The model that answered."""

    name: str
    version: str
    digest: str


class Classification(BaseModel):
    """The best labels, best first, and the model that answered."""

    predictions: list[ScoredLabel]
    model: AnsweredBy


class Neighbour(BaseModel):
    """One photo that is like the one that was sent."""

    id: str
    score: float
    label: str | None
    sha256: str


class IndexAsked(BaseModel):
    """The index that the photos are of."""

    photos: int
    kind: str


class Similarity(BaseModel):
    """The nearest photos, nearest first, the index that they are of, and the model that compared them."""

    neighbours: list[Neighbour]
    index: IndexAsked
    model: AnsweredBy


class HttpService(Service):  # type: ignore[misc]
    """A BentoML service that answers every request the Twinlens way.

    The service's class is a :class:`HasEngine` and has the API methods ``classify`` and ``similar``.
    """

    @property
    def openapi_spec(self) -> dict[str, Any]:
        """The true OpenAPI document; ``bentoml build`` writes it into the bento."""
        return openapi.document(self.inner.settings)

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application that a worker runs."""
        settings: Settings = self.inner.settings
        logger.setLevel(logging.INFO)
        logs.configure(settings.log_format)
        # Broken forms and images are the clients' affair, and must not fill the log.
        for name in ("python_multipart", "PIL"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self.inject_config()
        # BentoML makes uvicorn's configuration, which takes its protocol by this name.
        HTTP_PROTOCOLS["auto"] = f"{BoundedProtocol.__module__}:{BoundedProtocol.__qualname__}"
        app = _AppFactory(self, is_main=is_main)()
        return Gate(app, of_process(), settings.timeout_s, log_access=settings.access_log)


class _AppFactory(ServiceAppFactory):  # type: ignore[misc]
    """BentoML's application, with our routes instead of its own and without the layers that ours replace."""

    def __init__(self, service: HttpService, *, is_main: bool) -> None:
        super().__init__(service, is_main=is_main)
        self.settings: Settings = service.inner.settings
        self.feedback = (
            FeedbackApi(self.settings, lambda: self._engine, of_process()) if self.settings.feedback else None
        )

    def __call__(self) -> Starlette:
        """Build the application."""
        page = Page(self.settings.page, feedback=self.feedback is not None)
        if not page.is_built():
            logger.warning("There is no page at %s; / will say so. Build it with: %s", self.settings.page, HOW_TO_BUILD)
        app = Starlette(
            routes=self.routes,
            middleware=self.middlewares,
            lifespan=self.lifespan,
            exception_handlers={
                HTTPException: problems.handle,
                TwinlensError: problems.handle,
                Exception: problems.handle,
            },
        )
        app.state.max_body_bytes = self.settings.max_body_bytes
        app.state.has_index = self.settings.index is not None
        app.state.arrivals = Arrivals(self.settings.max_arriving_bytes, of_process())
        app.router.redirect_slashes = False
        app.router.default = page
        return app

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Our routes; the page takes every other path."""
        return [
            *(
                Route(method.route, functools.partial(self.api_endpoint_wrapper, name), methods=["POST"])
                for name, method in self.service.apis.items()
            ),
            *(self.feedback.routes if self.feedback is not None else ()),
            Route("/v1/model", self._model),
            Route("/livez", self.livez),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
            Route("/docs.json", self._docs),
            Route("/schema.json", self.schema_view),
            Route("/model/{path:path}", ModelFiles(self.settings.model_folder, self._version_in_use).respond),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """BentoML's, and within it the store of feedback, if there is one."""
        async with super().lifespan(app):
            if self.feedback is None:
                yield
                return
            self.feedback.start()
            try:
                yield
            finally:
                await self.feedback.stop()

    @property
    def middlewares(self) -> list[Middleware]:
        """BentoML's layers, less those that the gate replaces."""
        replaced = {
            RunnerTrafficMetricsMiddleware,
            TimeoutMiddleware,
            MaxConcurrencyMiddleware,
            OpenTelemetryMiddleware,
        }
        return [layer for layer in super().middlewares if layer.cls not in replaced]

    async def api_endpoint(self, name: str, request: Request) -> Response:
        """Answer one call of an API method; every error becomes a problem.

        BentoML's own, for every call, binds the method anew and inspects its signature.
        """
        method = self.service.apis[name]
        try:
            found = await method.input_spec.from_http_request(request, None)
            arguments = {field: getattr(found, field) for field in found.model_fields}
            answering = method.func(self._service_instance, **arguments)
            return await _while_connected(request.receive, answering)
        except ClientDisconnect:
            if request.scope.get(READING) is False:
                of_process().shed("disconnected")
            return Response(status_code=_CLIENT_GONE)
        except Exception as error:
            return problems.problem(error)

    def _add_response_headers(self, _: Response) -> None:
        """Add none of BentoML's: they name the software."""

    async def readyz(self, _: Request) -> Response:
        """Whether requests are answered, and go on to be.

        :raises TwinlensError: ``not_ready``.
        """
        if drain.of_process().begun:
            raise TwinlensError("not_ready", "The server is shutting down.")
        model = self._engine.version.contract.model
        return PlainTextResponse(f"ready: {model.name} {model.version}\n")

    async def _model(self, request: Request) -> Response:
        version = self._engine.version
        headers = {"ETag": f'"{version.digest}"', "Cache-Control": "no-cache"}
        wanted = request.headers.get("if-none-match", "")
        if wanted.strip() == "*" or headers["ETag"] in (tag.strip().removeprefix("W/") for tag in wanted.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(version.contract_bytes, headers=headers, media_type="application/json")

    def _version_in_use(self) -> str | None:
        try:
            return self._engine.version.contract.model.version
        except TwinlensError:
            return None

    async def _docs(self, _: Request) -> Response:
        return JSONResponse(openapi.document(self.settings))

    @property
    def _engine(self) -> Engine:
        return cast(HasEngine, self._service_instance).engine


async def _while_connected(receive: Receive, answering: Awaitable[Response]) -> Response:
    """Wait for an answer for as long as its client does; then cancel it, so that what still waits is never run.

    :raises ClientDisconnect: if the client went away.
    """
    asking = asyncio.current_task()
    assert asking is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        asking.cancel()

    watcher = asyncio.get_running_loop().create_task(watch())
    try:
        return await answering
    except asyncio.CancelledError:
        if gone and asking.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()
