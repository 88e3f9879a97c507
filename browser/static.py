"""A static file host for tests and measurements: several folders under URL prefixes, and a log of what was asked for.

It stands for any host that a visitor's page may be dropped on, so it adds no header unless told to.
"""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import urlsplit

# The headers that make a page cross-origin isolated, which threads in WebAssembly need.
ISOLATION_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}

# What usual hosts compress on the way: text, and WebAssembly, which is on Cloudflare's and bunny.net's lists of media
# types (their documentation on compression) like text is. Files of unknown type, .bin or .onnx, are sent as they are.
_COMPRESSED: Final = frozenset(
    {"text/html", "text/css", "text/javascript", "application/json", "application/manifest+json", "application/wasm"}
    | {"image/svg+xml", "text/plain"}
)
_GZIP_LEVEL: Final = 6

Headers = Mapping[str, str] | Callable[[str], Mapping[str, str]]


class Request(NamedTuple):
    """One request that was answered: its method, its path with the query, and the status of the answer."""

    method: str
    path: str
    status: int


class StaticServer:
    """Serve folders on a free loopback port while the ``with`` block lasts.

    :param mounts: folder by URL prefix; a prefix begins and ends with ``/``, the longest that fits wins.
    :param headers: headers added to every answer, errors too; or what gives those of a path.
    :param compress: send text and WebAssembly as gzip, as most hosts do, to whoever accepts that.

    ``url`` is the address without a trailing slash; ``requests`` the log so far, oldest first.
    """

    def __init__(self, mounts: Mapping[str, Path], headers: Headers | None = None, *, compress: bool = False) -> None:
        for prefix in mounts:
            if not (prefix.startswith("/") and prefix.endswith("/")):
                raise ValueError(f"the prefix {prefix!r} must begin and end with '/'")
        self._server = _Server(dict(mounts), headers or {}, compress)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The server's address, ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[Request]:
        """What was asked for so far."""
        return list(self._server.log)

    def __enter__(self) -> StaticServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    # Closing waits for every connection's thread, so that nothing outlives the block.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, mounts: dict[str, Path], headers: Headers, compress: bool) -> None:
        self.mounts = mounts
        self.headers = headers
        self.compress = compress
        self.log: list[Request] = []
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that browsers keep open."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was faster
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle of an answer is no event here."""


class _Handler(SimpleHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Not left to the machine's own table, which may have none of these or others.
    extensions_map = {  # noqa: RUF012 -- as the base class declares it
        ".bin": "application/octet-stream",
        ".css": "text/css",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript",
        ".json": "application/json",
        ".mjs": "text/javascript",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".txt": "text/plain",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }

    def translate_path(self, path: str) -> str:
        path = urlsplit(path).path
        fitting = [prefix for prefix in self.server.mounts if f"{path}/".startswith(prefix)]
        if not fitting:
            return ""
        prefix = max(fitting, key=len)
        self.directory = str(self.server.mounts[prefix])
        return super().translate_path("/" + path[len(prefix) :])

    def send_head(self) -> BytesIO | BinaryIO | None:
        found = self.translate_path(self.path)
        path = Path(found, "index.html") if urlsplit(self.path).path.endswith("/") else Path(found)
        media_type = self.guess_type(str(path))
        if (
            not self.server.compress
            or media_type.partition(";")[0] not in _COMPRESSED
            or "gzip" not in self.headers.get("Accept-Encoding", "")
            or not found
            or not path.is_file()
        ):
            return super().send_head()
        data = _zipped(path, path.stat().st_mtime_ns)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", self.date_time_string(int(path.stat().st_mtime)))
        self.send_header("Vary", "Accept-Encoding")
        self.end_headers()
        return BytesIO(data)

    def list_directory(self, path: Any) -> BytesIO | None:  # noqa: ARG002 -- the base class has it
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def end_headers(self) -> None:
        headers = self.server.headers
        added = headers(urlsplit(self.path).path) if callable(headers) else headers
        for name, value in added.items():
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        status = code.value if isinstance(code, HTTPStatus) else int(code)
        self.server.log.append(Request(self.command, self.path, status))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing goes to the terminal: ``requests`` holds the log."""


@cache
def _zipped(path: Path, _modified_ns: int) -> bytes:
    """A file as gzip, kept: what is timed is how it travels."""
    return gzip.compress(path.read_bytes(), _GZIP_LEVEL, mtime=0)
