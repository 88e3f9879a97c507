"""Asking other people's servers politely: they are told who asks, are asked at a set rate, and are heeded.

httpx does the requests and httpx-retries the retries. What is ours is the pace: one clock per host, which every thread
waits for, and which a ``Retry-After`` moves on for all of them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import httpx
from httpx_retries import Retry, RetryTransport

import twinlens
from twinlens.errors import TwinlensError

_MOST_REDIRECTS: Final = 5
# Statuses of a server that is busy or broken for a while; what else fails, fails again.
_FOR_A_WHILE: Final = (429, 500, 502, 503, 504)
# What X-Robots-Tag says where a picture must not be learned from, as img2dataset heeds it too.
_FORBIDDEN: Final = ("noai", "noimageai", "noindex", "noimageindex")


class WaitError(Exception):
    """A server wants to be left alone for longer than someone would sit and wait."""

    def __init__(self, host: str, seconds: float) -> None:
        super().__init__(f"{host} asks to wait {seconds:.0f} s")
        self.host, self.seconds = host, seconds


class RefusedError(Exception):
    """An answer that will not get better by asking again; the message says why."""


@dataclass(frozen=True)
class Manners:
    """How servers are asked."""

    contact: str | None = None
    """Address of a person or a page that a server's owner can turn to."""
    per_second: float = 2.0
    """Requests to one host in a second, at most."""
    retries: int = 4
    backoff: float = 0.5
    """Seconds before the first retry, about; each further one waits twice as long."""
    timeout: float = 30.0
    """Seconds without a byte."""
    longest_wait: float = 120.0
    """Seconds that a server may ask to wait."""
    most_bytes: int = 64 << 20
    """Largest answer."""
    most_seconds: float = 300.0
    """Longest that an answer may take to arrive, however it drips."""

    @property
    def user_agent(self) -> str:
        """Who asks, as well-behaved robots say it."""
        contact = f" (+{self.contact})" if self.contact else ""
        return f"Twinlens/{twinlens.__version__}{contact}"


class _Paced(httpx.BaseTransport):
    """Waits for its turn with each host before every attempt, retries too."""

    def __init__(self, inner: httpx.BaseTransport, manners: Manners) -> None:
        self._inner, self._manners = inner, manners
        self._lock = threading.Lock()
        self._next: dict[str, float] = defaultdict(float)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request when its host's time has come.

        :raises WaitError: if the host wants more time than anyone would wait.
        """
        host = request.url.netloc.decode("ascii")
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next[host])
            if at - now > self._manners.longest_wait:
                raise WaitError(host, at - now)
            self._next[host] = at + 1 / self._manners.per_second
        time.sleep(at - now)
        response = self._inner.handle_request(request)
        if response.status_code in (429, 503) and (seconds := _retry_after(response)):
            with self._lock:
                self._next[host] = max(self._next[host], time.monotonic() + seconds)
            if seconds > self._manners.longest_wait:
                response.close()
                raise WaitError(host, seconds)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class Client:
    """A polite client, to be used from several threads, and closed.

    :param transport: what sends; httpx's own by default.
    """

    def __init__(self, manners: Manners, transport: httpx.BaseTransport | None = None) -> None:
        self.manners = manners
        retry = Retry(
            total=manners.retries,
            backoff_factor=manners.backoff,
            max_backoff_wait=manners.longest_wait,
            status_forcelist=_FOR_A_WHILE,
        )
        self._client = httpx.Client(
            transport=RetryTransport(_Paced(transport or httpx.HTTPTransport(), manners), retry),
            # Photos are compressed already, and what is not unpacked cannot grow.
            headers={"User-Agent": manners.user_agent, "Accept-Encoding": "identity"},
            timeout=manners.timeout,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self,
        url: str,
        parameters: dict[str, str | int] | None = None,
        headers: dict[str, str] | None = None,
        check: Callable[[httpx.Headers], None] | None = None,
    ) -> bytes:
        """Fetch what is at an address.

        :param check: looks at the answer's headers before its body is read.
        :raises RefusedError: if there is nothing, it is too large or packed, the address cannot be asked for, or it
            leads from somebody else's server to this machine or its network.
        :raises WaitError: as said there.
        :raises httpx.HTTPError: if the network or the server failed every time.
        """
        request = self._client.build_request("GET", _parsed(url), params=parameters, headers=headers)
        with self._answered(request) as response:
            if response.status_code in _FOR_A_WHILE:
                raise httpx.HTTPStatusError(
                    f"HTTP {response.status_code} every time", request=response.request, response=response
                )
            if not response.is_success:
                raise RefusedError(f"HTTP {response.status_code} {response.reason_phrase}".rstrip())
            packed = response.headers.get("Content-Encoding", "identity").strip().lower()
            if packed not in ("", "identity"):
                # What httpx would unpack, to any size, before a byte is counted.
                raise RefusedError(f"it is packed (Content-Encoding: {packed}), which was not asked for")
            if check is not None:
                check(response.headers)
            most, until = self.manners.most_bytes, time.monotonic() + self.manners.most_seconds
            body = bytearray()
            for block in response.iter_raw():
                body += block
                if len(body) > most:
                    raise RefusedError(f"it is larger than {most / (1 << 20):g} MiB")
                if time.monotonic() > until:
                    raise httpx.ReadTimeout(f"it took longer than {self.manners.most_seconds:g} s")
            return bytes(body)

    @contextlib.contextmanager
    def _answered(self, request: httpx.Request) -> Iterator[httpx.Response]:
        """The answer to a request, redirects followed: by hand, since httpx reads their bodies, however large."""
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                response = self._client.send(request, stream=True)
            except UnicodeError as error:  # of a host that no name server can be asked for, such as a..b
                raise RefusedError(f"it is no address ({error})") from None
            with contextlib.closing(response):
                if response.next_request is None:
                    yield response
                    return
            there = _parsed(str(response.next_request.url))
            if _is_near(there.host) and not _is_near(request.url.host):
                raise RefusedError(f"it leads to {there.host}, which is an address of this machine or its network")
            request = response.next_request
        raise httpx.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects", request=request)


def _is_near(host: str) -> bool:
    """Whether a host is this machine or in a network of its own: a router, a disk, the metadata service of a cloud."""
    try:
        found = {str(place[0]) for *_, place in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):  # asking it fails as well
        return False
    return any(not ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)


def allowed_to_learn(headers: httpx.Headers) -> None:
    """Heed a server that forbids learning from its pictures.

    :raises RefusedError: if it does.
    """
    for value in headers.get_list("x-robots-tag", split_commas=True):
        directive = value.rpartition(":")[2].strip().lower()
        if directive in _FORBIDDEN:
            raise RefusedError(f"its server forbids learning from it (X-Robots-Tag: {directive})")


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise RefusedError(f"it is no address ({error})") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RefusedError("it is no http or https address")
    return parsed


def _retry_after(response: httpx.Response) -> float:
    with contextlib.suppress(ValueError):
        return Retry().parse_retry_after(response.headers.get("Retry-After", ""))
    return 0.0


def said(error: httpx.HTTPError | WaitError) -> TwinlensError:
    """A failure of a source as an error for a person."""
    return TwinlensError(
        "download_failed",
        f"{str(error) or type(error).__name__}. What was fetched is kept: run the same command again to go on.",
    )
