"""Files: the built page at ``/``, and beneath ``/model/`` the model that it runs.

The page is told here that there is a server, and whether that takes feedback, which a page on a host of files is not:
in places that its build left empty, so that it knows without asking.
"""

from __future__ import annotations

import functools
import hashlib
import mimetypes
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from twinlens import store
from twinlens.errors import TwinlensError
from twinlens.headers import IMMUTABLE, PAGE_HEADERS, REVALIDATE

HOW_TO_BUILD: Final = "make page"
_RANGE: Final = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")
_HASHED: Final = "assets/"
_INDEX: Final = "index.html"
_NO_SERVER: Final = b'<meta name="twinlens-server" content="">'
_SERVER: Final = b'<meta name="twinlens-server" content="v1/classify">'
_NO_FEEDBACK: Final = b'<meta name="twinlens-feedback" content="">'
_FEEDBACK: Final = b'<meta name="twinlens-feedback" content="v1/feedback">'
_NOWHERE: Final = "There is nothing at this address. /docs.json describes the API."

# A browser runs a script or a module only under its own media type, and the system's table may say otherwise.
for _suffix, _media_type in (
    (".js", "text/javascript"),
    (".mjs", "text/javascript"),
    (".wasm", "application/wasm"),
    (".webmanifest", "application/manifest+json"),
    (".onnx", "application/octet-stream"),
    (".bin", "application/octet-stream"),
):
    mimetypes.add_type(_media_type, _suffix)


def told_of_server(page: bytes, *, feedback: bool = False) -> bytes:
    """``index.html`` as this server gives it out: told that there is a server.

    :param feedback: whether that takes feedback.
    """
    page = page.replace(_NO_SERVER, _SERVER)
    return page.replace(_NO_FEEDBACK, _FEEDBACK) if feedback else page


class _Files(StaticFiles):
    """One folder's files: resolved within it, with ETag, conditional and range requests.

    A range that the file does not have is answered with the whole file, as RFC 9110, section 14.2, allows.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)

    def locate(self, path: str) -> tuple[str, os.stat_result] | None:
        """Where one file lies, or nothing if the folder has no such file."""
        try:
            found, status = self.lookup_path(path)
        except (OSError, ValueError):  # a name that is too long or holds a null byte
            return None
        return (found, status) if status is not None and stat.S_ISREG(status.st_mode) else None

    def find(self, path: str, scope: Scope) -> Response | None:
        """The answer for one file, or nothing if the folder has no such file."""
        located = self.locate(path)
        if located is None:
            return None
        found, status = located
        scope["headers"] = [
            (name, value) for name, value in scope["headers"] if name != b"range" or _fits(value, status.st_size)
        ]
        return self.file_response(found, status, scope)


def _fits(wanted: bytes, size: int) -> bool:
    """Whether a Range header asks for one range of bytes that a file of this size has."""
    match = _RANGE.fullmatch(wanted.strip())
    if match is None:
        return False
    first, last = match.groups()
    if not first:
        return int(last or 0) > 0
    return int(first) < size and (not last or int(first) <= int(last))


class Page:
    """The built page, as an ASGI application that answers every path that no route has.

    :param folder: what the page's build wrote.
    :param feedback: whether the server takes feedback.
    """

    def __init__(self, folder: Path, *, feedback: bool = False) -> None:
        self._files = _Files(folder)
        self._folder = folder
        self._feedback = feedback

    def is_built(self) -> bool:
        """Whether there is a page to serve."""
        return (self._folder / _INDEX).is_file()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        :raises TwinlensError: ``not_found`` or ``missing_page``.
        :raises starlette.exceptions.HTTPException: 405 for a method that reads no file.
        """
        path = scope["path"].lstrip("/")
        if path.endswith("/") or not path:
            path += _INDEX
        response = self._index(scope) if path == _INDEX else self._files.find(path, scope)
        if response is None:
            if path == _INDEX:
                raise TwinlensError("missing_page", f"This server has no page: it was not built. Run: {HOW_TO_BUILD}")
            raise TwinlensError("not_found", _NOWHERE)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        response.headers.update(PAGE_HEADERS)
        response.headers["Cache-Control"] = IMMUTABLE if path.startswith(_HASHED) else REVALIDATE
        await response(scope, receive, send)

    def _index(self, scope: Scope) -> Response | None:
        """The page itself, with the address that it may ask written in."""
        located = self._files.locate(_INDEX)
        if located is None:
            return None
        body = told_of_server(Path(located[0]).read_bytes(), feedback=self._feedback)
        headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Content-Length": str(len(body))}
        response = Response(b"" if scope["method"] == "HEAD" else body, headers=headers, media_type="text/html")
        if self._files.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


class ModelFiles:
    """One model's folder as the page reads it: ``current``, and of each version what its contract lists.

    Every version stays there, so that pages that are loading one are not cut off when another one is published.

    :param folder: the model's folder, ``MODELS/NAME``.
    :param in_use: says which version answers here. A page is sent to that one: what ``current`` names on the disk may
        not have been taken up yet, or be broken. ``None`` where none answers; then the disk's word is given out.
    """

    def __init__(self, folder: Path, in_use: Callable[[], str | None] = lambda: None) -> None:
        self._folder = folder
        self._in_use = in_use
        self._files = _Files(folder)
        self._listed = functools.lru_cache(maxsize=32)(self._read_listed)

    async def respond(self, request: Request) -> Response:
        """Answer one request of a Starlette route with a parameter ``path``.

        :raises TwinlensError: ``not_found``.
        """
        path: str = request.path_params["path"]
        version, _, name = path.partition("/")
        if path == store.CURRENT and (in_use := self._in_use()) is not None:
            return self._current(in_use, request.scope)
        if path != store.CURRENT and name not in self._listed(version):
            raise TwinlensError("not_found", "The model has no such file.")
        response = self._files.find(path, request.scope)
        if response is None:
            raise TwinlensError("not_found", "The model has no such file.")
        if path == store.CURRENT:
            response.headers.update({"Cache-Control": REVALIDATE, "Content-Type": "text/plain; charset=utf-8"})
        else:
            response.headers["Cache-Control"] = IMMUTABLE
        return response

    def _current(self, version: str, scope: Scope) -> Response:
        body = f"{version}\n".encode()
        headers = {"ETag": f'"{version}"', "Cache-Control": REVALIDATE, "Content-Length": str(len(body))}
        response = Response(b"" if scope["method"] == "HEAD" else body, headers=headers, media_type="text/plain")
        if self._files.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response

    def _read_listed(self, version: str) -> frozenset[str]:
        try:
            opened = store.open_version(self._folder / store.check_version_name(version))
        except TwinlensError:
            raise TwinlensError("not_found", "The model has no such version.") from None
        return frozenset({store.CONTRACT, *(file.path for file in opened.contract.files)})
