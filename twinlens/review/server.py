"""The local server of ``twinlens review``: one page, the photos, and the decisions that the page sends.

It changes a data set on this machine, so nobody else may speak to it: it listens on the loopback address, answers only
requests that name this host (a foreign name that resolves to it would be another site's), and takes decisions only with
the token that it wrote into its own page, as JSON, which a form of another site cannot send.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row
from twinlens.decode import MEDIA_TYPES, sniff
from twinlens.errors import TwinlensError
from twinlens.feedback.source import Waiting
from twinlens.review import log
from twinlens.review.decide import Reviewer
from twinlens.review.doubts import NOTHING_SAID, Judged, Reason, as_json, doubts
from twinlens.review.log import Decision
from twinlens.review.queue import PREFIX, Queue, newcomer

HOSTS: Final = ("127.0.0.1", "localhost")
TOKEN_HEADER: Final = "x-twinlens-token"
_TOKEN_PLACE: Final = b'<meta name="twinlens-token" content="" />'
_MOST_BYTES: Final = 10_000
_HEAD_BYTES: Final = 512
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

AsSent = Callable[[Sequence[Row]], Mapping[str, str]]
"""Gives the SHA-256 that photos would have as feedback, by that of their files; of those for which it is known."""

logger = logging.getLogger("twinlens")


def application(
    reviewer: Reviewer,
    page: Path,
    judged: Judged | None,
    issues: dict[str, Reason],
    queue: Queue | None = None,
    as_sent: AsSent | None = None,
) -> Starlette:
    """The application.

    :param page: folder of the built page.
    :param judged: what the model says of the photos; None where none was asked.
    :param issues: doubtful labels by path.
    :param queue: what visitors say; None where no feedback is looked at.
    :param as_sent: see :func:`twinlens.review.known.digests_as_sent`; by default photos are their files and no others.
    """
    token = secrets.token_urlsafe(32)
    serve = partial(_answered, token=token)
    state = _State(reviewer, judged, issues, queue, as_sent)
    app = Starlette(
        routes=[
            Route("/", serve(partial(_index, page=page, token=token))),
            Route("/livez", serve(_lives)),
            Route("/api/photos", serve(state.photos)),
            Route("/api/decide", serve(state.decide, decides=True), methods=["POST"]),
            Route("/api/undo", serve(state.undo, decides=True), methods=["POST"]),
            Route("/photos/{path:path}", serve(state.photo)),
            Mount("/assets", StaticFiles(directory=page / "assets", check_dir=False)),
        ],
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
    return app


Handler = Callable[[Request], Awaitable[Response]]


def _answered(handler: Handler, *, token: str, decides: bool = False) -> Handler:
    """A handler whose errors are answered as problem+json, and which may ask for the page's token."""

    async def answer(request: Request) -> Response:
        try:
            if decides and not _is_own(request, token):
                raise TwinlensError(
                    "not_allowed", "Decisions are taken from the page of this server alone. Open it anew."
                )
            response = await handler(request)
        except TwinlensError as error:
            problem = {"title": error.title, "status": error.status, "detail": error.detail, "code": error.code}
            response = JSONResponse(problem, error.status, media_type="application/problem+json")
        response.headers.update(_HEADERS)
        return response

    return answer


def _is_own(request: Request, token: str) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given = request.headers.get(TOKEN_HEADER, "")
    return kind == "application/json" and hmac.compare_digest(given.encode(), token.encode())


async def _lives(_: Request) -> Response:
    return Response("", media_type="text/plain")


async def _index(_: Request, *, page: Path, token: str) -> Response:
    try:
        html = (page / "index.html").read_bytes()
    except OSError:
        raise TwinlensError("missing_page", f"{page} has no page in it: it was not built. Run: make page") from None
    if _TOKEN_PLACE not in html:
        raise TwinlensError("missing_page", f"{page} holds another page than the one for reviews. Run: make page")
    filled = html.replace(_TOKEN_PLACE, f'<meta name="twinlens-token" content="{token}" />'.encode())
    return Response(filled, media_type="text/html")


class _State:
    """What the page asks for. Work on files happens in threads."""

    def __init__(
        self,
        reviewer: Reviewer,
        judged: Judged | None,
        issues: dict[str, Reason],
        queue: Queue | None,
        as_sent: AsSent | None,
    ) -> None:
        self._reviewer, self._judged, self._issues, self._queue = reviewer, judged, issues, queue
        self._as_sent = as_sent
        self._listed: tuple[tuple[int, int], dict[str, str]] | None = None

    async def photos(self, _: Request) -> Response:
        return await run_in_threadpool(self._photos)

    async def photo(self, request: Request) -> Response:
        return await run_in_threadpool(self._photo, request.path_params["path"])

    async def decide(self, request: Request) -> Response:
        given = await _object(request)
        action, path, seen = (_text(given, name) for name in ("action", "path", "seen"))
        if action not in ("confirm", "relabel", "set-aside"):
            raise TwinlensError("invalid_request", "action is one of confirm, relabel and set-aside.")
        label = _text(given, "label") if action == "relabel" else seen if action == "confirm" else None
        decision = await run_in_threadpool(self._decide, path, seen, label)
        return _told(decision, _label_after(decision))

    async def undo(self, _: Request) -> Response:
        return _told(*await run_in_threadpool(self._undo))

    def _decide(self, path: str, seen: str, label: str | None) -> Decision:
        """Decide on a photo.

        :param seen: the label that it was shown with.
        :param label: that it is to have, the same where it is confirmed; None to set it aside.
        """
        waiting = self._queue.named(path) if self._queue is not None else None
        decision = self._decide_on_row(path, seen, label) if waiting is None else self._take_in(waiting, seen, label)
        if self._queue is not None:
            self._queue.settle(decision)
        return decision

    def _decide_on_row(self, path: str, seen: str, label: str | None) -> Decision:
        waiting = self._said().get(self._paths().get(path, ""))
        feedback = waiting.sha256 if waiting is not None else None
        if label is None:
            return self._reviewer.set_aside(path, seen, feedback)
        if label == seen:
            return self._reviewer.confirm(path, seen, feedback)
        return self._reviewer.relabel(path, seen, label, feedback)

    def _take_in(self, waiting: Waiting, seen: str, label: str | None) -> Decision:
        assert self._queue is not None, "it is in the queue"
        photo = newcomer(waiting)
        if seen != photo.label:
            raise TwinlensError("review_conflict", "Visitors say something else by now. Load the page again.")
        if waiting.sha256 not in self._said():
            raise TwinlensError(
                "review_conflict", "The data set has this photo, with notes in its file. Load the page again."
            )
        if label is None:
            return self._reviewer.leave_out(photo)
        return self._reviewer.take_in(photo, label, self._queue.photo(waiting.sha256))

    def _undo(self) -> tuple[Decision, str | None]:
        """The undoing, and the label with which the photo is back; None where it is not."""
        if self._queue is None:
            decision = self._reviewer.undo(_require_no_feedback)
        else:
            decision = self._reviewer.undo(self._queue.reopen)
            if decision.shown is not None:
                try:
                    self._queue.load(log.read(self._reviewer.folder))
                except TwinlensError as error:  # it is undone: an error would have it undone once more
                    logger.warning("What waits could not be read after an undo: %s: %s", error.code, error)
                waiting = self._queue.said.get(decision.shown.removeprefix(PREFIX))
                return decision, None if waiting is None else waiting.label or ""
        return decision, _label_after(decision)

    def _photos(self) -> Response:
        folder = self._reviewer.folder
        rows = manifest.require(folder)
        decisions = log.read(folder)
        if self._queue is not None:
            self._queue.load(decisions)
        said = self._said(rows)
        labels = {row.label for row in rows}
        if self._judged is not None and not labels.isdisjoint(self._judged.labels):
            labels |= set(self._judged.labels)
        labels |= {label for waiting in said.values() for label, _ in waiting.said if label is not None}
        return JSONResponse(
            {
                "data": folder.resolve().name,
                "who": self._reviewer.who,
                "labels": sorted(labels),
                "photos": [as_json(doubt) for doubt in doubts(rows, self._judged, self._issues, said)],
                "undoable": len(log.undoable(decisions)),
                "decisions": len(decisions),
            }
        )

    def _photo(self, path: str) -> Response:
        """The bytes of a photo that the manifest lists; nothing else of the folder is given out."""
        missing = TwinlensError("not_found", "The manifest lists no such photo, or its file is not there.")
        if self._queue is not None and path.startswith(PREFIX):
            data = self._queue.photo(path.removeprefix(PREFIX))
            return Response(data, media_type=MEDIA_TYPES[sniff(data)])
        if path not in self._paths():
            raise missing
        file = self._reviewer.folder / path
        try:
            if not file.is_file():
                raise missing
            with file.open("rb") as stream:
                kind = sniff(stream.read(_HEAD_BYTES))
        except OSError:
            raise missing from None
        return FileResponse(file, media_type=MEDIA_TYPES[kind])

    def _said(self, rows: Sequence[Row] | None = None) -> Mapping[str, Waiting]:
        """What visitors say of photos, by the SHA-256 of the file in the data set; of others by that of feedback.

        :param rows: of the manifest, if they are at hand.
        """
        said = NOTHING_SAID if self._queue is None else self._queue.said
        if not said:
            return said
        rows = manifest.require(self._reviewer.folder) if rows is None else rows
        as_sent = self._as_sent(rows) if self._as_sent is not None else {}
        found = {row.sha256: said.get(row.sha256, said.get(as_sent.get(row.sha256, ""))) for row in rows}
        there = {sha256: waiting for sha256, waiting in found.items() if waiting is not None}
        known = {waiting.sha256 for waiting in there.values()}
        return there | {sha256: waiting for sha256, waiting in said.items() if sha256 not in known}

    def _paths(self) -> dict[str, str]:
        """The SHA-256 of what the manifest lists, by path, read again where it changed: a page asks for many photos."""
        status = (self._reviewer.folder / manifest.MANIFEST).stat()
        version = (status.st_mtime_ns, status.st_size)
        if self._listed is None or self._listed[0] != version:
            self._listed = (version, {row.path: row.sha256 for row in manifest.require(self._reviewer.folder)})
        return self._listed[1]


def _require_no_feedback(decision: Decision) -> None:
    """Take nothing back that is decided elsewhere too.

    :raises TwinlensError: ``review_conflict`` for a decision on what visitors said.
    """
    if decision.feedback is not None:
        raise TwinlensError(
            "review_conflict",
            f"Decision {decision.number} is on what visitors said of {decision.path}: to take it back there too, start "
            "`twinlens review` with --feedback https://SERVER, or with TWINLENS_FEEDBACK.",
        )


async def _object(request: Request) -> dict[str, Any]:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BYTES:
            raise TwinlensError("body_too_large", f"A decision has at most {_MOST_BYTES} bytes.")
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TwinlensError("invalid_request", "A decision is a JSON object with action, path and seen.")
    return found


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise TwinlensError("invalid_request", f"A decision needs {name}, a text.")
    return value


def _label_after(decision: Decision) -> str | None:
    return None if decision.after is None else decision.after.label


def _told(decision: Decision, label: str | None) -> Response:
    """What the page is told.

    :param label: that the photo has now; None where there is nothing to look at any more.
    """
    return JSONResponse(
        {
            "number": decision.number,
            "action": decision.action,
            "path": decision.shown or decision.path,
            "label": label,
            "reviewed": decision.after and decision.after.reviewed,
            "manifest": decision.manifest,
            "undoes": decision.undoes,
        }
    )
