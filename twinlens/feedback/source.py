"""Where a reviewer's machine gets feedback from: the store itself, or a server of ours by its admin API."""

from __future__ import annotations

import hashlib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
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

    def photo(self, sha256: str) -> bytes:
        """A photo that somebody has spoken of."""

    def record(self, sha256: str, verdict: Verdict) -> None:
        """Record what a reviewer made of it. It is called by its digest, since a client may take its word back."""


@dataclass(frozen=True)
class Waiting:
    """A photo that nobody has decided on, with all that is said of it."""

    sha256: str
    format: Format
    words: tuple[Feedback, ...]
    """In the order in which they were last said, one a client."""

    @property
    def said(self) -> list[tuple[str | None, int]]:
        """What is said and by how many clients, most first; None is that it is none of the model's labels."""
        counted = Counter(word.label for word in self.words)
        return sorted(counted.items(), key=lambda each: (-each[1], each[0] is None, each[0] or ""))

    def was_reopened_since(self, time: str) -> bool:
        """Whether a decision of then has been taken back at the source, in UTC."""
        reopened = self.words[0].reopened
        return reopened is not None and datetime.fromisoformat(reopened) >= datetime.fromisoformat(time)

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
    return {
        sha256: Waiting(sha256, each[0].format, tuple(sorted(each, key=lambda word: word.received)))
        for sha256, each in found.items()
    }


class StoreSource:
    """The store that the settings of this machine name.

    :raises TwinlensError: ``invalid_setting``, ``missing_requirement`` or ``feedback_unavailable``.
    """

    def __init__(self, settings: Settings) -> None:
        # With the libraries of databases, which another source does not need.
        from twinlens.feedback.desk import Desk, require_kept

        require_kept(settings)
        self._desk = Desk(settings)
        self._desk.store.counts()

    def waiting(self) -> Iterator[Feedback]:
        """See :class:`Source`."""
        after = 0
        while page := self._desk.store.page("new", _PAGE, after):
            yield from page
            after = page[-1].sequence

    def photo(self, sha256: str) -> bytes:
        """See :class:`Source`."""
        return self._desk.photo(sha256)[0]

    def record(self, sha256: str, verdict: Verdict) -> None:
        """See :class:`Source`."""
        self._desk.record(sha256, verdict)


class ServerSource:
    """A server of ours.

    :param address: its root, as in ``https://server``.
    :param token: its admin token.
    :param transport: how it is asked; over the network by default.
    :raises TwinlensError: ``invalid_arguments`` for an address that is none, or that would send the token for everyone
        on the way to read; ``unauthorised`` if there is no token.
    """

    def __init__(self, address: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        scheme, host = _server_of(address)
        if scheme == "http" and not _is_here(host):
            raise TwinlensError(
                "invalid_arguments",
                "--feedback must be https://… where it is another machine: the token is sent there.",
            )
        if not token:
            raise TwinlensError("unauthorised", "Put the server's admin token into TWINLENS_FEEDBACK_TOKEN.")
        try:
            self._client = httpx.Client(
                base_url=address.rstrip("/"),
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_SECONDS,
                transport=transport,
                trust_env=not _is_here(host),  # no proxy of the environment stands between this machine and itself
            )
        except httpx.InvalidURL:
            raise _no_address() from None

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

    def photo(self, sha256: str) -> bytes:
        """See :class:`Source`."""
        return self._asked("GET", f"/v1/feedback/{sha256}/photo").content

    def record(self, sha256: str, verdict: Verdict) -> None:
        """See :class:`Source`."""
        self._asked("POST", f"/v1/feedback/{sha256}/decision", json=verdict.model_dump(exclude_none=True))

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


def _server_of(address: str) -> tuple[str, str]:
    """The scheme and the host of a server's address.

    :raises TwinlensError: ``invalid_arguments`` for what is none; it is not repeated, since a password may stand in it.
    """
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and parts.port != 0 and not (parts.query or parts.fragment)
        whole = whole and address.isprintable() and " " not in address
    except ValueError:  # brackets that do not close, a port that is no number
        raise _no_address() from None
    if not whole or not parts.hostname or parts.username is not None:
        raise _no_address()
    return parts.scheme, parts.hostname


def _no_address() -> TwinlensError:
    return TwinlensError(
        "invalid_arguments", "--feedback is no address of a server: give https://SERVER, without a name or a password."
    )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _strange() -> TwinlensError:
    return TwinlensError("feedback_unavailable", "What answers there is no Twinlens server of this version.")
