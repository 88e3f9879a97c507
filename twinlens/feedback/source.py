"""Where a reviewer's machine gets feedback from: the store itself, or a server of ours by its admin API."""

from __future__ import annotations

import hashlib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from twinlens.contract import Format
from twinlens.errors import CODES, TwinlensError
from twinlens.feedback.rows import Feedback
from twinlens.feedback.verdict import Verdict
from twinlens.settings import Settings

_PAGE: Final = 500
_TIMEOUT_SECONDS: Final = 30.0


class Source(Protocol):
    """Feedback that waits for a decision, its photos, and where decisions are written back to.

    Every method raises ``feedback_unavailable`` if it cannot be reached, and ``not_found`` for feedback that is there
    no more.
    """

    def waiting(self) -> Iterator[Feedback]:
        """What nobody has decided on, in the order in which it came."""

    def photo(self, number: str) -> bytes:
        """The photo that a word of feedback is on."""

    def record(self, number: str, verdict: Verdict) -> None:
        """Record what a reviewer made of it."""


@dataclass(frozen=True)
class Waiting:
    """A photo that nobody has decided on, with all that is said of it."""

    sha256: str
    format: Format
    words: tuple[Feedback, ...]
    """In the order in which they came, one a client."""

    @property
    def id(self) -> str:
        """By which the photo is decided on."""
        return self.words[0].id

    @property
    def said(self) -> list[tuple[str | None, int]]:
        """What is said and by how many clients, most first; None is that it is none of the model's labels."""
        counted = Counter(word.label for word in self.words)
        return sorted(counted.items(), key=lambda each: (-each[1], each[0] is None, each[0] or ""))

    @property
    def label(self) -> str | None:
        """What most say."""
        return self.said[0][0]

    @property
    def doubt(self) -> float:
        """Probability that :attr:`label` is wrong: as the model has it, or as others do who say something else."""
        last = self.words[-1]
        by_model = 1 - last.score if last.predicted == self.label else last.score
        by_others = 1 - self.said[0][1] / len(self.words)
        return 1.0 if self.label is None else max(by_model, by_others)


def grouped(words: Iterable[Feedback]) -> dict[str, Waiting]:
    """By photo."""
    found: dict[str, list[Feedback]] = {}
    for word in words:
        found.setdefault(word.photo, []).append(word)
    return {sha256: Waiting(sha256, each[0].format, tuple(each)) for sha256, each in found.items()}


class StoreSource:
    """The store that the settings of this machine name.

    :raises TwinlensError: ``invalid_setting``, ``missing_requirement`` or ``feedback_unavailable``.
    """

    def __init__(self, settings: Settings) -> None:
        from twinlens.feedback.desk import Desk  # with the libraries of databases, which another source does not need

        self._desk = Desk(settings)
        self._desk.store.counts()

    def waiting(self) -> Iterator[Feedback]:
        """See :class:`Source`."""
        after: str | None = None
        while page := self._desk.store.page("new", _PAGE, after):
            yield from page
            after = page[-1].id

    def photo(self, number: str) -> bytes:
        """See :class:`Source`."""
        return self._desk.photo(number)[0]

    def record(self, number: str, verdict: Verdict) -> None:
        """See :class:`Source`."""
        verdict.apply(self._desk.store, number)


class ServerSource:
    """A server of ours.

    :param address: its root, as in ``https://server``.
    :param token: its admin token.
    :param transport: how it is asked; over the network by default.
    :raises TwinlensError: ``invalid_arguments`` for an address that is none, or that would send the token for everyone
        on the way to read; ``unauthorised`` if there is no token.
    """

    def __init__(self, address: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise TwinlensError("invalid_arguments", f"--feedback {address!r} is no address: give https://SERVER")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            raise TwinlensError(
                "invalid_arguments",
                "--feedback must be https://… where it is another machine: the token is sent there.",
            )
        if not token:
            raise TwinlensError("unauthorised", "Put the server's admin token into TWINLENS_FEEDBACK_TOKEN.")
        self._client = httpx.Client(
            base_url=address.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_SECONDS,
            transport=transport,
        )

    def waiting(self) -> Iterator[Feedback]:
        """See :class:`Source`."""
        after: str | None = None
        while True:
            asked = {"state": "new", "limit": str(_PAGE)} | ({"after": after} if after else {})
            page = self._json(self._asked("GET", "/v1/feedback", params=asked))
            try:
                yield from [Feedback.model_validate(each) for each in page["feedback"]]
                after = page["next"]
            except (ValidationError, KeyError, TypeError):
                raise _strange() from None
            if not after:
                return

    def photo(self, number: str) -> bytes:
        """See :class:`Source`."""
        return self._asked("GET", f"/v1/feedback/{number}/photo").content

    def record(self, number: str, verdict: Verdict) -> None:
        """See :class:`Source`."""
        self._asked("POST", f"/v1/feedback/{number}/decision", json=verdict.model_dump(exclude_none=True))

    def _asked(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise TwinlensError("feedback_unavailable", f"The server of feedback does not answer: {error}") from None
        if answer.is_success:
            return answer
        told = self._json(answer)
        code, detail = told.get("code"), str(told.get("detail", ""))
        if code == "not_found" and path == "/v1/feedback":
            detail = "That server takes no feedback, or has no TWINLENS_FEEDBACK_TOKEN: nobody can read it over HTTP."
        if isinstance(code, str) and code in CODES and CODES[code].status < 500:
            raise TwinlensError(code, detail)
        raise TwinlensError("feedback_unavailable", f"The server of feedback answers {answer.status_code}. {detail}")

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise _strange()
        return told


def verified(data: bytes, waiting: Waiting) -> bytes:
    """The photo, if it is the one that was spoken of.

    :raises TwinlensError: ``not_found`` if it is another.
    """
    if hashlib.sha256(data).hexdigest() != waiting.sha256:
        raise TwinlensError("not_found", f"What came for photo {waiting.sha256} is another file.")
    return data


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _strange() -> TwinlensError:
    return TwinlensError("feedback_unavailable", "What answers there is no Twinlens server of this version.")
