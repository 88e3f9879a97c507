"""A server that takes feedback, with a real engine and a real store, for tests of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from tests import images, models
from twinlens.errors import TwinlensError
from twinlens.http import problems
from twinlens.http.engine import Engine
from twinlens.http.feedback import FeedbackApi
from twinlens.http.metrics import Metrics
from twinlens.http.request import Arrivals
from twinlens.settings import Settings

PHOTO = images.encoded(models.picture("blue"), "JPEG")
OTHER = images.encoded(models.picture("green"), "PNG")
TOKEN = "an admin's token".replace(" ", "-")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Site:
    """A server's routes, and clients of several addresses."""

    def __init__(self, app: Starlette, registry: CollectorRegistry, engine: Engine, api: FeedbackApi) -> None:
        self._app, self._registry = app, registry
        self.engine, self.api = engine, api

    async def ask(self, method: str, path: str, address: str = "192.0.2.7", **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, path, **options)

    async def say(
        self, label: str | None, photo: bytes = PHOTO, address: str = "192.0.2.7", name: str = "a.jpg", **more: Any
    ) -> httpx.Response:
        data = {} if label is None else {"label": label}
        files = {"image": (name, photo, "image/jpeg")}
        return await self.ask("POST", "/v1/feedback", address, files=files, data=data | more)

    async def listed(self, **params: Any) -> list[dict[str, Any]]:
        answer = await self.ask("GET", "/v1/feedback", params=params, headers=BEARER)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["feedback"])

    def counted(self, outcome: str) -> float | None:
        return self._registry.get_sample_value("twinlens_feedback_total", {"outcome": outcome})


async def serve(settings: Settings, test: Callable[[Site], Awaitable[None]]) -> None:
    """Run a test on a server with feedback."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    engine = Engine(settings, metrics)
    engine.start()
    assert engine._loading is not None
    await engine._loading
    api = FeedbackApi(settings, lambda: engine, metrics)
    app = Starlette(routes=api.routes, exception_handlers={TwinlensError: problems.handle, Exception: problems.handle})
    app.state.max_body_bytes, app.state.arrivals = settings.max_body_bytes, Arrivals(1 << 30, metrics)
    api.start()
    try:
        await test(Site(app, registry, engine, api))
    finally:
        await api.stop()
        await engine.stop()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def code(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == problems.MEDIA_TYPE, answer.text
    return str(answer.json()["code"])
