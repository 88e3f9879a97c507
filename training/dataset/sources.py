"""Where photos are found: a CSV of addresses, or a search by label. A source is one method that yields candidates.

Openverse is the search source here: 800 million openly licensed pictures, with licence and creator of each. Its API is
documented with the service itself (``/v1/images/``); an anonymous client gets 20 results a page, and is told how many
requests it has left. Another source is a class with a ``find`` of the same kind, and a line in :data:`SEARCHES`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, get_args

from training.dataset.intake import About
from training.dataset.web import Client, RefusedError
from twinlens.dataset.manifest import Split, check_label
from twinlens.errors import TwinlensError
from twinlens.folders import readable

OPENVERSE: Final = "https://api.openverse.org"
_PAGE_SIZE: Final = 20
_MOST_PAGES: Final = 500
_OPTIONAL: Final = ("origin", "split", "group", "page", "creator", "licence", "licence_url")
# Spellings and names that other people's tables use.
_SAME: Final = {
    "license": "licence",
    "license_url": "licence_url",
    "foreign_landing_url": "page",
    "author": "creator",
    "image_url": "url",
}


@dataclass(frozen=True)
class Candidate:
    """A photo that may be fetched."""

    url: str
    about: About


class Source(Protocol):
    """Where photos are found."""

    def find(self) -> Iterator[Candidate]:
        """Candidates, in the same order every time as far as the source has one.

        :raises TwinlensError: if the source cannot be used.
        """
        ...  # pragma: no cover


class Table:
    """A CSV file with a header: ``url`` and ``label``, and any of split, group, page, creator, licence, licence_url.

    :param path: the file, in UTF-8, with commas, semicolons or tabs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self) -> Iterator[Candidate]:
        """One for each line, once the whole table is known to be right.

        :raises TwinlensError: ``invalid_data`` if the table cannot be read; the message names the line.
        """
        try:
            text = self._path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise TwinlensError("invalid_data", f"{readable(self._path)} cannot be read ({error.strerror}).") from None
        except UnicodeDecodeError:
            raise TwinlensError("invalid_data", f"{self._path} is not UTF-8. Save it as CSV in UTF-8.") from None
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            names = [_SAME.get(name.strip().lower(), name.strip().lower()) for name in next(reader, [])]
            missing = [name for name in ("url", "label") if name not in names]
            if missing:
                raise TwinlensError(
                    "invalid_data",
                    f"{self._path} has no column {' and no column '.join(missing)}: its first line must name the "
                    f"columns, url and label, and if there are such any of {', '.join(_OPTIONAL[1:])}.",
                )
            candidates = [
                self._candidate(dict(zip(names, values, strict=False)), reader.line_num)
                for values in reader
                if any(value.strip() for value in values)
            ]
        except csv.Error as error:
            raise TwinlensError("invalid_data", f"{self._path}, line {reader.line_num}: {error}.") from None
        yield from candidates

    def _candidate(self, found: dict[str, str], line: int) -> Candidate:
        given = {name: found[name].strip() for name in _OPTIONAL if found.get(name, "").strip()}
        url = found.get("url", "").strip()
        split = given.pop("split", None)
        try:
            label = check_label(found.get("label", ""))
            if not url:
                raise ValueError("the url is empty")
            if split is not None and split not in get_args(Split):
                raise ValueError(f"the split {split!r} is none of {', '.join(get_args(Split))}")
        except ValueError as error:
            raise TwinlensError("invalid_data", f"{self._path}, line {line}: {error}.") from None
        return Candidate(url, About(label=label, split=split, **{"origin": url, **given}))  # type: ignore[arg-type]


class Openverse:
    """Openverse's image search.

    :param client: asks it.
    :param query: what to search for.
    :param label: of everything that is found.
    :param limit: candidates, at most.
    :param licences: as Openverse names them: ``by``, ``by-sa``, ``cc0``, ``pdm`` and so on; empty for any.
    :param base: address of the service.
    :param token: of a registered client, who may ask more often.
    """

    def __init__(
        self,
        client: Client,
        query: str,
        label: str,
        limit: int,
        licences: tuple[str, ...] = (),
        base: str = OPENVERSE,
        token: str | None = None,
    ) -> None:
        self._client, self._query, self._label, self._limit = client, query, label, limit
        self._licences, self._base, self._token = licences, base.rstrip("/"), token

    def find(self) -> Iterator[Candidate]:
        """Page after page, as long as there are candidates and more are wanted.

        :raises TwinlensError: ``download_failed`` if the service answers with something else than its API says.
        """
        left, page, pages = self._limit, 1, 1
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        while left > 0 and page <= pages:
            # The size of a page decides what is on it, so it must not change on the way.
            size = min(_PAGE_SIZE, self._limit)
            parameters: dict[str, str | int] = {"q": self._query, "page": page, "page_size": size}
            if self._licences:
                parameters["license"] = ",".join(self._licences)
            try:
                answer = json.loads(self._client.get(f"{self._base}/v1/images/", parameters, headers))
                found: list[Any] = answer["results"]
                pages = min(int(answer["page_count"]), _MOST_PAGES)
                candidates = [candidate for each in found if (candidate := self._candidate(each))]
            except RefusedError as error:
                raise TwinlensError("download_failed", f"{self._base} refused the search: {error}.") from None
            except (ValueError, KeyError, TypeError, AttributeError):
                raise TwinlensError(
                    "download_failed", f"{self._base} did not answer as Openverse's API does. Is it the right address?"
                ) from None
            if not found:
                return
            yield from candidates[:left]
            left -= len(candidates)
            page += 1

    def _candidate(self, found: dict[str, Any]) -> Candidate | None:
        """A result; ``None`` where its licence is not one that was asked for, whatever the service was told."""
        licence, version = _clean(found["license"]), _text(found.get("license_version"))
        if self._licences and licence not in self._licences:
            return None
        return Candidate(
            _clean(found["url"]),
            About(
                label=self._label,
                origin=_clean(found["url"]),
                page=_text(found.get("foreign_landing_url")),
                creator=_text(found.get("creator")),
                licence=f"{licence} {version}" if version else licence,
                licence_url=_text(found.get("license_url")),
            ),
        )


SEARCHES: Final[dict[str, Callable[..., Source]]] = {"openverse": Openverse}
"""Search sources by the name that ``--search`` takes."""


def _text(value: object) -> str | None:
    return _clean(value) if value else None


def _clean(value: object) -> str:
    """Text without the halves of characters that JSON can hold and UTF-8 cannot."""
    return str(value).encode(errors="replace").decode()
