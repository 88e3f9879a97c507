"""Read the photo, and what is said beside it, out of a request: a multipart form, or the image itself as the body.

The body is counted while it arrives, so that one that is too large is refused before it is held, whether or not its
length was declared, and so is one for which there is no room beside the others that arrive. The declared media type
decides only whether the body is a form: what an image is, its bytes say. Nothing is ever fetched: text where a file
belongs is an error, whatever it says.
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from twinlens.decode import sniff
from twinlens.errors import TwinlensError
from twinlens.http.metrics import Metrics

IMAGE_FIELD: Final = "image"
READING: Final = "twinlens.reading"
"""Key of a request's scope, true while its body is still arriving."""
_MOST_PARTS: Final = 16
_MOST_TEXT: Final = 64
_MOST_FORM: Final = 1 << 16
_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"
_SEND: Final = (
    f"Send the image as the body, or as the file of the form field {IMAGE_FIELD!r}: curl -F {IMAGE_FIELD}=@photo.jpg"
)


@dataclass(frozen=True)
class TextField:
    """A field of a form that holds text: how long that may be, and what is wrong if it is longer."""

    most_bytes: int
    code: str
    too_long: str


@dataclass(frozen=True)
class Number:
    """A whole number from 1 up that a request may carry beside its image, in the query or as a field of the form.

    ``code`` is that of the error for one that cannot be used.
    """

    name: str
    default: int
    most: int
    code: str

    @property
    def fields(self) -> dict[str, TextField]:
        """The field of the form, by its name."""
        too_long = f"{self.name} is longer than any number that it could be."
        return {self.name: TextField(_MOST_TEXT, self.code, too_long)}


TOP_K: Final = Number("top_k", 5, 999_999_999, "invalid_top_k")
"""How many labels to answer; the most is far more than any model has."""
K: Final = Number("k", 10, 1000, "invalid_k")
"""How many photos to answer."""


@dataclass(frozen=True)
class Upload:
    """What a request carried: the bytes of a file that may be an image, and how many labels to answer."""

    image: bytes
    top_k: int
    # BentoML reads the arguments of an API method off its input by these names.
    model_fields: ClassVar[tuple[str, ...]] = (IMAGE_FIELD, TOP_K.name)


@dataclass(frozen=True)
class Question:
    """What a request carried: the bytes of a file that may be an image, and how many photos like it to answer."""

    image: bytes
    k: int
    model_fields: ClassVar[tuple[str, ...]] = (IMAGE_FIELD, K.name)


class Arrivals:
    """What is held of the bodies that are still arriving, all of them together.

    :param most_bytes: how much that may be; a body that is alone is always taken.
    :param metrics: bodies that are refused are counted there.
    """

    def __init__(self, most_bytes: float, metrics: Metrics) -> None:
        self._most_bytes = most_bytes
        self._metrics = metrics
        self._bytes = 0

    def add(self, size: int, total: int) -> None:
        """Count a piece of a body.

        :param total: of the body's bytes so far, with this piece.
        :raises TwinlensError: ``overloaded`` if there is no room for it; it is counted all the same.
        """
        self._bytes += size
        if total < self._bytes > self._most_bytes:
            self._metrics.shed("arriving")
            held = f"{self._bytes / 2**20:.0f} MiB of photos"
            raise TwinlensError("overloaded", f"The server is receiving {held}, as much as it takes. Try again later.")

    def remove(self, total: int) -> None:
        """Count a body no more: it has arrived, or was given up."""
        self._bytes -= total


async def read_upload(request: Request, max_bytes: int, arrivals: Arrivals) -> Upload:
    """Read a classify request.

    :param max_bytes: the largest body to accept.
    :param arrivals: where the body is counted while it arrives.
    :raises TwinlensError: ``body_too_large``, ``overloaded``, ``missing_image``, ``invalid_image_field``,
        ``invalid_multipart``, ``invalid_top_k``, or ``unsupported_format`` for JSON.
    :raises starlette.requests.ClientDisconnect: if the client went away.
    """
    return Upload(*await _read(request, max_bytes, arrivals, TOP_K))


async def read_question(request: Request, max_bytes: int, arrivals: Arrivals) -> Question:
    """Read a request for similar photos.

    :raises TwinlensError: as :func:`read_upload` does, with ``invalid_k`` for ``invalid_top_k``.
    :raises starlette.requests.ClientDisconnect: if the client went away.
    """
    return Question(*await _read(request, max_bytes, arrivals, K))


async def _read(request: Request, max_bytes: int, arrivals: Arrivals, number: Number) -> tuple[bytes, int]:
    """The image and the number of a request."""
    media_type, options = parse_options_header(request.headers.get("content-type"))
    form = Form(options.get(b"boundary", b""), number.fields) if media_type == _MULTIPART else None
    body = await _read_body(request, max_bytes, arrivals, form)
    if form is None:
        image, in_form = _raw_image(body, media_type.decode("latin-1")), list[str]()
    else:
        image, in_form = form.image(), form.texts(number.name)
    return image, _one(number, [*request.query_params.getlist(number.name), *in_form])


async def read_form(request: Request, max_bytes: int, arrivals: Arrivals, fields: Mapping[str, TextField]) -> Form:
    """Read a request that is a form with an image and some text.

    :param fields: of text, by name; what stands in others is dropped.
    :raises TwinlensError: ``invalid_multipart`` if it is no form; ``body_too_large``, ``overloaded``, or the code of a
        field that is too long.
    :raises starlette.requests.ClientDisconnect: if the client went away.
    """
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != _MULTIPART:
        raise TwinlensError("invalid_multipart", f"Send a form, multipart/form-data, with the file {IMAGE_FIELD!r}.")
    form = Form(options.get(b"boundary", b""), fields)
    await _read_body(request, max_bytes, arrivals, form)
    return form


async def _read_body(request: Request, max_bytes: int, arrivals: Arrivals, form: Form | None) -> bytes:
    """The body, or nothing if a form took it in."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    request.scope[READING] = True
    chunks: list[bytes] = []
    total = 0
    try:
        async for chunk in request.stream():
            if total + len(chunk) > max_bytes:
                raise _too_large(max_bytes)
            total += len(chunk)
            arrivals.add(len(chunk), total)
            if form is None:
                chunks.append(chunk)
            else:
                form.write(chunk)
    finally:
        arrivals.remove(total)
    request.scope[READING] = False
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(max_bytes: int) -> TwinlensError:
    return TwinlensError(
        "body_too_large", f"The body has more than {max_bytes} bytes, the most that is accepted. Send a smaller image."
    )


def _raw_image(body: bytes, media_type: str) -> bytes:
    if not body:
        raise TwinlensError("missing_image", f"The request has no body. {_SEND}")
    if media_type == "application/json" or media_type.endswith("+json") or media_type == _FORM:
        try:
            sniff(body)  # clients do send images under these types
        except TwinlensError:
            if media_type != _FORM:
                raise TwinlensError("unsupported_format", f"JSON is not read here. {_SEND}") from None
            if IMAGE_FIELD in urllib.parse.parse_qs(body[:_MOST_FORM].decode("latin-1"), keep_blank_values=True):
                raise _text_for_image() from None
            raise
    return body


def _text_for_image() -> TwinlensError:
    return TwinlensError(
        "invalid_image_field", f"The form field {IMAGE_FIELD!r} holds text, not a file; no address is fetched. {_SEND}"
    )


def _one(number: Number, texts: list[str]) -> int:
    name, most = number.name, number.most
    if not texts:
        return number.default
    if len(set(texts)) > 1:
        raise TwinlensError(number.code, f"{name} was given {len(texts)} times with different values. Give one.")
    text = texts[0]
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not plain or not 1 <= int(text) <= most:
        raise TwinlensError(
            number.code, f"{name} is {text[:_MOST_TEXT]!r}; it must be a whole number from 1 to {most}."
        )
    return int(text)


@dataclass
class _Part:
    """One part of a form while it arrives; ``data`` stays empty unless its field is one that is read."""

    name: str = ""
    is_file: bool = False
    has_filename: bool = False
    data: list[bytes] = field(default_factory=list)
    size: int = 0


class Form:
    """A multipart form, parsed while it arrives.

    :param boundary: of its parts.
    :param fields: of text that are kept, by name.
    :raises TwinlensError: ``invalid_multipart``; from its methods, what is wrong with what came.
    """

    def __init__(self, boundary: bytes, fields: Mapping[str, TextField]) -> None:
        self._fields = fields
        self._parts: list[_Part] = []
        self._header_name, self._header_value, self._disposition = bytearray(), bytearray(), b""
        self._ended = False
        if not boundary:
            raise TwinlensError("invalid_multipart", "The Content-Type header names no boundary of the parts.")
        with _unreadable_if_raised():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_begin": self._begin_header,
                    "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )

    def write(self, chunk: bytes) -> None:
        """Take in the next piece of the body."""
        with _unreadable_if_raised():
            self._parser.write(chunk)

    def image(self) -> bytes:
        """The bytes of the one file in the field ``image``."""
        if not self._ended:
            raise TwinlensError(
                "invalid_multipart", "The multipart body ends before its last boundary: it was cut off."
            )
        images = [part for part in self._parts if part.name == IMAGE_FIELD]
        if not images:
            names = ", ".join(repr(part.name[:_MOST_TEXT]) for part in self._parts) or "none"
            raise TwinlensError(
                "missing_image", f"The form has no field {IMAGE_FIELD!r} (its fields: {names}). {_SEND}"
            )
        if len(images) > 1:
            raise TwinlensError("invalid_image_field", f"The form has {len(images)} fields {IMAGE_FIELD!r}. Send one.")
        if not images[0].size and not images[0].has_filename:  # what a browser sends when no file was chosen
            raise TwinlensError("missing_image", f"No file was chosen for the form field {IMAGE_FIELD!r}. {_SEND}")
        if not images[0].is_file:
            raise _text_for_image()
        return b"".join(images[0].data)

    def texts(self, name: str) -> list[str]:
        """What the fields of one name say."""
        return [b"".join(part.data).decode("utf-8", "replace") for part in self._parts if part.name == name]

    def _begin_part(self) -> None:
        if len(self._parts) == _MOST_PARTS:
            raise TwinlensError("invalid_multipart", f"The form has more than {_MOST_PARTS} parts.")
        self._parts.append(_Part())
        self._disposition = b""

    def _begin_header(self) -> None:
        self._header_name.clear()
        self._header_value.clear()

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise TwinlensError("invalid_multipart", "A part of the form has no Content-Disposition with a name.")
        part = self._parts[-1]
        part.name = options[b"name"].decode("utf-8", "replace")
        # `filename*` is not for forms (RFC 7578, section 4.2), but clients send names that are not ASCII in it.
        part.is_file = b"filename" in options or b"filename*" in self._disposition.lower()
        part.has_filename = bool(options.get(b"filename"))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        part.size += end - start
        text = self._fields.get(part.name)
        if text is not None and part.size > text.most_bytes:
            raise TwinlensError(text.code, text.too_long)
        if text is not None or (part.name == IMAGE_FIELD and part.is_file):
            part.data.append(data[start:end])

    def _end(self) -> None:
        self._ended = True


@contextlib.contextmanager
def _unreadable_if_raised() -> Iterator[None]:
    try:
        yield
    except (FormParserError, ValueError):
        raise TwinlensError(
            "invalid_multipart", f"The multipart body does not keep to its own boundary or headers. {_SEND}"
        ) from None
