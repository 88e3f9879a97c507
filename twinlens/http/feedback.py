"""``/v1/feedback``: visitors say whether an answer was right, and whoever has the admin token reads and decides.

What the model said is never taken from the visitor: the server answers the photo again, in its turn among the others.
Databases and files are worked on in threads of their own, which are few, and photos that wait for them are no longer
among those that the engine has in hand, so that a slow store holds up feedback alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import hmac
import json
import logging
import os
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from twinlens.contract import Contract
from twinlens.decode import MEDIA_TYPES
from twinlens.errors import TwinlensError
from twinlens.feedback.rows import Answerer, Feedback, State, Word
from twinlens.feedback.verdict import Verdict
from twinlens.http.engine import Engine
from twinlens.http.metrics import FEEDBACK_ROUTES, Metrics
from twinlens.http.request import Form, TextField, read_form
from twinlens.settings import Settings

if TYPE_CHECKING:
    from twinlens.feedback.desk import Desk
    from twinlens.feedback.limits import Rate

Result = TypeVar("Result")

LABEL_FIELD: Final = "label"
MODEL_FIELD: Final = "model"
DEFAULT_LIMIT: Final = 100
MOST_LIMIT: Final = 1000
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_MOST_JSON: Final = 10_000
_NAMED_LABELS: Final = 20
_THREADS: Final = 2
_MOST_IN_HAND: Final = 32
"""Photos with feedback in hand at once, from their arrival until they are kept."""
_MOST_BYTES_IN_HAND: Final = 64 * 2**20
"""The same for their files together; one photo is always taken."""
_SEQUENCE: Final = re.compile("[0-9]{1,18}")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_PROXIES: Final = "FORWARDED_ALLOW_IPS"
"""Whose word on who the client is the HTTP server takes; read by uvicorn."""
_CLIENT_GONE: Final = 499
_FIELDS: Final[Mapping[str, TextField]] = {
    LABEL_FIELD: TextField(1024, "unknown_label", "label is longer than any label of the model."),
    MODEL_FIELD: TextField(64, "invalid_request", "model is the digest of a model, 64 hexadecimal digits."),
}

logger = logging.getLogger("twinlens")


class Hand:
    """What of feedback is in hand, until the thread that keeps it is done, whether or not its client still waits."""

    def __init__(self) -> None:
        self._photos = 0
        self._bytes = 0
        self._changing = threading.Lock()

    def take(self, size: int) -> Callable[[], None]:
        """Take one more photo in hand.

        :param size: of its file, in bytes.
        :return: lets it go; to be called once, from any thread.
        :raises TwinlensError: ``overloaded`` if there are as many as may be.
        """
        with self._changing:
            if self._photos >= _MOST_IN_HAND or (self._photos and self._bytes + size > _MOST_BYTES_IN_HAND):
                held = f"{self._photos} photos of {self._bytes / 2**20:.0f} MiB"
                raise TwinlensError("overloaded", f"{held} with feedback wait to be kept. Try again later.", 5)
            self._photos += 1
            self._bytes += size
        return functools.partial(self._let_go, size)

    def _let_go(self, size: int) -> None:
        with self._changing:
            self._photos -= 1
            self._bytes -= size


class FeedbackApi:
    """The routes, and what they need.

    :param settings: which have a database of feedback.
    :param engine: gives the server's engine, once there is one.
    :param metrics: what becomes of feedback is counted there.
    """

    def __init__(self, settings: Settings, engine: Callable[[], Engine], metrics: Metrics) -> None:
        # Only a server that takes feedback needs a database, and waits for its libraries.
        from twinlens.feedback.desk import Desk
        from twinlens.feedback.limits import Rate

        self._settings = settings
        self._engine = engine
        self._metrics = metrics
        self._desk: Desk = Desk(settings)
        self._rate: Rate = Rate(settings.feedback_per_minute)
        self._hand = Hand()
        self._threads = ThreadPoolExecutor(_THREADS, "feedback")

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes; those that read and decide only where there is an admin token."""
        collection, photo, decision = FEEDBACK_ROUTES
        if not self._settings.feedback_token:
            return [Route(collection, self._take, methods=["POST"])]
        return [
            Route(collection, self._take_or_list, methods=["GET", "POST"]),
            Route(photo, self._photo, methods=["GET"]),
            Route(decision, self._decide, methods=["POST"]),
        ]

    def start(self) -> None:
        """Open the store in the background: a database that is away now is tried again by the first feedback."""
        if os.environ.get(_PROXIES) == "*":
            logger.warning(
                "%s is *: anyone can claim to be another client, and has no limit of feedback then. Name the proxy.",
                _PROXIES,
            )
        self._threads.submit(self._open)

    async def stop(self) -> None:
        """Let what is being written end, and let go of the store."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        self._desk.close()

    def _open(self) -> None:
        try:
            logger.info("Feedback is taken; %d wait for a decision.", self._desk.store.counts()["states"]["new"])
        except TwinlensError as error:
            logger.error("Feedback cannot be taken yet: %s: %s", error.code, error)
        except Exception:
            logger.exception("Feedback cannot be taken yet.")

    async def _take_or_list(self, request: Request) -> Response:
        return await (self._take(request) if request.method == "POST" else self._list(request))

    async def _take(self, request: Request) -> Response:
        try:
            return await self._taken(request)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE)
        except TwinlensError as error:
            self._metrics.feedback(error.code)
            raise

    async def _taken(self, request: Request) -> Response:
        from twinlens.feedback.limits import network_of

        if _is_of_another_site(request):  # before it is counted: it is not what the visitor wants to say
            raise TwinlensError("not_allowed", "Feedback is given on the page of this server, not from another site.")
        network = network_of(request.client.host if request.client else None)
        self._rate.hit(network)
        state = request.app.state
        form = await read_form(request, state.max_body_bytes, state.arrivals, _FIELDS)
        image, engine = form.image(), self._engine()
        contract = engine.version.contract
        label, asked = _label(form, contract), _asked(form)
        let_go = self._hand.take(len(image))
        try:
            with engine.admitted(len(image)):
                answer = await engine.answer(image, 1)
            (best,) = answer["predictions"]
            word = Word(
                label=label,
                predicted=best["label"],
                score=best["score"],
                model=Answerer(**answer["model"]),
                asked=asked,
            )
            keeping = self._submit(self._desk.take, image, network, word, contract)
        except BaseException:
            let_go()
            raise
        keeping.add_done_callback(lambda _: let_go())
        kept, outcome = await asyncio.wrap_future(keeping)
        self._metrics.feedback(outcome)
        told = kept.model_dump(mode="json", include={"id", "photo", "label", "predicted", "score", "model"})
        told["replaced"] = outcome == "replaced"
        return JSONResponse(told, 200 if outcome == "replayed" else 201, headers={"Cache-Control": "no-store"})

    async def _list(self, request: Request) -> Response:
        self._check_token(request)
        given = request.query_params
        state = given.get("state")
        if state is not None and state not in get_args(State):
            raise TwinlensError("invalid_request", f"state is one of {', '.join(get_args(State))}.")
        text = given.get("limit", str(DEFAULT_LIMIT))
        limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_LIMIT)) else 0
        if not 1 <= limit <= MOST_LIMIT:
            raise TwinlensError("invalid_request", f"limit is a whole number from 1 to {MOST_LIMIT}.")
        after = given.get("after", "0")
        if not _SEQUENCE.fullmatch(after):
            raise TwinlensError("invalid_request", "after is `next` of the page before.")
        found = await self._in_thread(self._listed, state, limit, int(after))
        following = str(found[-1].sequence) if len(found) == limit else None
        told = {"feedback": [each.model_dump(mode="json") for each in found], "next": following}
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    async def _photo(self, request: Request) -> Response:
        self._check_token(request)
        data, found = await self._in_thread(self._desk.photo, request.path_params["id"])
        return Response(data, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPES[found.format])

    async def _decide(self, request: Request) -> Response:
        self._check_token(request)
        number: str = request.path_params["id"]
        verdict = await _verdict(request)
        decided = await self._in_thread(self._desk.record, number, verdict)
        return JSONResponse(decided.model_dump(mode="json"), headers={"Cache-Control": "no-store"})

    def _listed(self, state: State | None, limit: int, after: int) -> list[Feedback]:
        return self._desk.store.page(state, limit, after)

    def _check_token(self, request: Request) -> None:
        """Let nobody in but who has the admin token.

        :raises TwinlensError: ``unauthorised``.
        """
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._settings.feedback_token.encode())
        if scheme.lower() != "bearer" or not right:
            raise TwinlensError(
                "unauthorised",
                "This needs the server's admin token: Authorization: Bearer TWINLENS_FEEDBACK_TOKEN.",
            )

    def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Awaitable[Result]:
        return asyncio.wrap_future(self._submit(work, *arguments))

    def _submit(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Work in a thread of feedback's own; what is logged there has the id of the request."""
        return self._threads.submit(functools.partial(contextvars.copy_context().run, work, *arguments))


def _is_of_another_site(request: Request) -> bool:
    """Whether a page of another site has the visitor's browser send this; where it says nothing, it is no browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "cross-site"
    if origin is None:
        return False
    try:  # browsers that are old, or that came over plain HTTP
        scheme, host = urlsplit(origin)[:2]
    except ValueError:
        return True
    port = _DEFAULT_PORTS.get(scheme, "")
    return host.lower().removesuffix(port) != request.headers.get("host", "").lower().removesuffix(port)


def _label(form: Form, contract: Contract) -> str | None:
    """The label that the visitor says is right; None for none of the model's.

    :raises TwinlensError: ``unknown_label``; ``invalid_request`` if several are given.
    """
    label = _text(form, LABEL_FIELD)
    labels = contract.label_names
    if label and label not in labels:
        named = ", ".join(labels[:_NAMED_LABELS]) + (", …" if len(labels) > _NAMED_LABELS else "")
        raise TwinlensError(
            "unknown_label",
            f"The model has no such label, but {named}; leave {LABEL_FIELD!r} empty for none.",
        )
    return label or None


def _asked(form: Form) -> str | None:
    """The digest of the model that answered the visitor, if that is said."""
    digest = _text(form, MODEL_FIELD)
    if digest and not _DIGEST.fullmatch(digest):
        raise TwinlensError(_FIELDS[MODEL_FIELD].code, _FIELDS[MODEL_FIELD].too_long)
    return digest or None


def _text(form: Form, name: str) -> str:
    found = set(form.texts(name))
    if len(found) > 1:
        raise TwinlensError("invalid_request", f"The form has several fields {name!r} that differ. Send one.")
    return found.pop() if found else ""


async def _verdict(request: Request) -> Verdict:
    """The decision that a request carries.

    :raises TwinlensError: ``body_too_large``, or ``invalid_request`` for what is none.
    """
    data = b""
    try:
        async for part in request.stream():
            data += part
            if len(data) > _MOST_JSON:
                raise TwinlensError("body_too_large", f"A decision has at most {_MOST_JSON} bytes.")
        return Verdict.model_validate(json.loads(data))
    except (ClientDisconnect, ValidationError, ValueError, RecursionError):
        raise TwinlensError(
            "invalid_request",
            'A decision is JSON: {"action": "accept", "label": "hat", "who": "ana"}, '
            '{"action": "set-aside", "who": "ana"} or {"action": "reopen"}.',
        ) from None
