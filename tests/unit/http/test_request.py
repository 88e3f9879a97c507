import asyncio
from dataclasses import dataclass

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import ClientDisconnect, Request

from tests import images
from twinlens.errors import TwinlensError
from twinlens.http.metrics import Metrics
from twinlens.http.request import (
    READING,
    Arrivals,
    Question,
    TextField,
    Upload,
    read_form,
    read_question,
    read_upload,
)

PNG = images.encoded(images.quadrants(), "PNG")
BOUNDARY = "boundary"


def part(name, data, filename=None, extra=""):
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{extra}\r\n".encode() + data + b"\r\n"


def form(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@dataclass
class Outcome:
    """What became of a request, and how much of it was left unread."""

    result: Upload | Exception
    unread: int
    reading: bool


def bounded(most_bytes=1 << 30, registry=None):
    return Arrivals(most_bytes, Metrics(registry or CollectorRegistry()))


def attempt(
    body,
    content_type=None,
    query="",
    *,
    max_bytes=1 << 20,
    pieces=None,
    declared=None,
    disconnect=False,
    arrivals=None,
    reader=read_upload,
):
    """Read a request whose body arrives in pieces of a length.

    :param arrivals: where it is counted while it arrives; by default one with room for it.
    :param reader: what reads it, from the request, the largest body and ``arrivals``.
    :param declared: its Content-Length; by default the true one, none if ``False``.
    """
    headers = [(b"content-type", content_type.encode())] if content_type is not None else []
    if declared is not False:
        headers.append((b"content-length", str(len(body) if declared is None else declared).encode()))
    step = pieces or max(len(body), 1)
    chunks = [body[at : at + step] for at in range(0, len(body), step)] or [b""]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks) or disconnect}
        for index, chunk in enumerate(chunks)
    ]
    if disconnect:
        messages.append({"type": "http.disconnect"})
    arriving = iter(messages)

    async def receive():
        return next(arriving)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": query.encode()}
    try:
        result = asyncio.run(reader(Request(scope, receive), max_bytes, arrivals or bounded()))
    except (TwinlensError, ClientDisconnect) as error:
        result = error
    return Outcome(result, len(list(arriving)), scope.get(READING, False))


def read(*arguments, **options):
    outcome = attempt(*arguments, **options)
    assert isinstance(outcome.result, Upload), outcome.result
    return outcome.result


def refused(*arguments, **options):
    outcome = attempt(*arguments, **options)
    assert isinstance(outcome.result, TwinlensError), outcome.result
    return outcome.result


MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.mark.parametrize(
    "content_type",
    [None, "", "image/png", "image/jpeg", "application/octet-stream", "application/json", "text/plain", "nonsense",
     "application/x-www-form-urlencoded", "application/problem+json", "multipart/mixed; boundary=x", ";;;"],
)  # fmt: skip
def test_a_raw_body_is_the_image_whatever_its_declared_type(content_type):
    upload = read(PNG, content_type)
    assert (upload.image, upload.top_k) == (PNG, 5)


@pytest.mark.parametrize("pieces", [None, 1, 7, 64, 1000])
def test_a_form_may_arrive_in_any_pieces(pieces):
    tricky = PNG + b"\r\n--boundar\r\n--boundary?\r\n" + b"\r" * 50
    body = form(part("top_k", b"3"), part("image", tricky, "a.png", "Content-Type: text/html\r\n"), part("x", b"y"))
    upload = read(body, MULTIPART, pieces=pieces)
    assert (upload.image, upload.top_k) == (tricky, 3)


@pytest.mark.parametrize("name", ["photo.png", "", "照片.png", 'a\\"b.png', "../../etc/passwd", "x" * 300])
def test_a_files_name_means_nothing(name):
    assert read(form(part("image", PNG, name)), MULTIPART).image == PNG


def test_a_files_name_may_be_in_the_extended_notation_alone():
    body = part("image", PNG).replace(b'"image"', b"image; filename*=UTF-8''%e7%85%a7%e7%89%87.png")
    assert read(form(body), MULTIPART).image == PNG


def test_a_boundary_in_quotes():
    body = form(part("image", PNG, "a.png"))
    assert read(body, f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"').image == PNG


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"", None, "missing_image"),
        (b"", "application/json", "missing_image"),
        (form(), MULTIPART, "missing_image"),
        (form(part("photo", PNG, "a.png")), MULTIPART, "missing_image"),
        (form(part("image", b"", "")), MULTIPART, "missing_image"),
        (form(part("image", b"")), MULTIPART, "missing_image"),
        (form(part("image", b"http://127.0.0.1/a.png")), MULTIPART, "invalid_image_field"),
        (form(part("image", PNG)), MULTIPART, "invalid_image_field"),
        (form(part("image", PNG, "a"), part("image", PNG, "b")), MULTIPART, "invalid_image_field"),
        (b"image=http%3A%2F%2F127.0.0.1%2Fa.png&top_k=3", "application/x-www-form-urlencoded", "invalid_image_field"),
        (b"hello=world", "application/x-www-form-urlencoded", "not_an_image"),
        (b'{"image": "http://127.0.0.1/a.png"}', "application/json", "unsupported_format"),
        (b'{"image": "aGVsbG8="}', "application/vnd.api+json; charset=utf-8", "unsupported_format"),
        (b"", MULTIPART, "invalid_multipart"),
        (PNG, "multipart/form-data", "invalid_multipart"),
        (PNG, MULTIPART, "invalid_multipart"),
        (PNG, "multipart/form-data; boundary=" + "x" * 5000, "invalid_multipart"),
        (form(part("image", PNG, "a.png"))[:-20], MULTIPART, "invalid_multipart"),
        (form(part("image", PNG, "a.png")), "multipart/form-data; boundary=other", "invalid_multipart"),
        (b"--boundary\r\n\r\nnothing\r\n--boundary--\r\n", MULTIPART, "invalid_multipart"),
        (b"--boundary\r\nContent-Disposition: attachment\r\n\r\nx\r\n--boundary--\r\n", MULTIPART, "invalid_multipart"),
        (b"--boundary\r\nBad Header: x\r\n\r\nx\r\n--boundary--\r\n", MULTIPART, "invalid_multipart"),
        (form(*[part("x", b"y")] * 17), MULTIPART, "invalid_multipart"),
        (form(*[part("x", b"y", extra="A: b\r\n" * 100)]), MULTIPART, "invalid_multipart"),
    ],
)  # fmt: skip
def test_what_a_request_can_lack(body, content_type, code):
    assert refused(body, content_type).code == code


def test_a_missing_field_names_those_that_came():
    assert "'photo', 'top_k'" in refused(form(part("photo", PNG, "a"), part("top_k", b"1")), MULTIPART).detail


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("5", 5), ("007", 7), ("999999999", 999_999_999)])
def test_top_k_in_the_query_or_the_form(text, value):
    assert read(PNG, query=f"top_k={text}&other=1").top_k == value
    assert read(form(part("image", PNG, "a"), part("top_k", text.encode())), MULTIPART).top_k == value
    both = read(form(part("top_k", text.encode()), part("image", PNG, "a")), MULTIPART, f"top_k={text}")
    assert both.top_k == value


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "x", "", "%20", "1e3", "null", "%EF%BC%95", "9" * 10, "9" * 5000])
def test_top_k_that_is_no_number(text):
    error = refused(PNG, query=f"top_k={text}")
    assert error.code == "invalid_top_k"
    assert "from 1 to 999999999" in error.detail


@pytest.mark.parametrize("data", [b"0", b"", b'"3"', b"\xff\xfe", b"9" * 10_000_000])
def test_top_k_in_the_form_that_is_no_number(data):
    body = form(part("image", PNG, "a"), part("top_k", data))
    assert refused(body, MULTIPART, max_bytes=1 << 30, pieces=65_536).code == "invalid_top_k"


def test_two_different_top_k():
    assert refused(PNG, query="top_k=1&top_k=2").code == "invalid_top_k"
    assert refused(form(part("image", PNG, "a"), part("top_k", b"2")), MULTIPART, "top_k=3").code == "invalid_top_k"


def ask(*arguments, **options):
    result = attempt(*arguments, **options, reader=read_question).result
    assert isinstance(result, Question), result
    return result


def test_a_question_is_read_in_the_same_way_with_k_for_top_k():
    for asked in (
        ask(PNG, query="k=7&top_k=0"),
        ask(form(part("k", b"7"), part("top_k", b"x"), part("image", PNG, "a")), MULTIPART),
    ):
        assert (asked.image, asked.k) == (PNG, 7)
    assert ask(PNG).k == 10
    for text in ("0", "1001", "x", ""):
        error = refused(PNG, query=f"k={text}", reader=read_question)
        assert error.code == "invalid_k" and "from 1 to 1000" in error.detail
    assert refused(b"", reader=read_question).code == "missing_image"


def test_a_declared_length_is_refused_before_a_byte_is_read():
    outcome = attempt(PNG, max_bytes=len(PNG) - 1)
    assert outcome.result.code == "body_too_large"
    assert outcome.unread == 1 and not outcome.reading
    assert read(PNG, max_bytes=len(PNG)).image == PNG


@pytest.mark.parametrize("declared", [False, 10, "x"])
@pytest.mark.parametrize("content_type", [None, MULTIPART])
def test_a_length_that_is_not_declared_or_a_lie_is_counted(content_type, declared):
    body = form(part("image", bytes(100_000), "a"))
    outcome = attempt(body, content_type, max_bytes=50_000, declared=declared, pieces=1000)
    assert outcome.result.code == "body_too_large"
    assert outcome.unread == len(range(0, len(body), 1000)) - 51
    read(body, content_type, max_bytes=len(body), declared=declared, pieces=1000)


def test_a_client_that_goes_away():
    outcome = attempt(PNG, pieces=50, disconnect=True)
    assert isinstance(outcome.result, ClientDisconnect)
    assert outcome.reading


def test_fuzz_every_form_is_read_or_refused():
    rng = np.random.default_rng(20_261_122)
    whole = form(part("top_k", b"3"), part("image", PNG[:60], "a.png"), part("image", b"text"), part("other", b"x"))
    outcomes = set()
    for _ in range(3_000):
        body = bytearray(whole)
        for at in rng.integers(0, len(body), rng.integers(0, 5)):
            body[at] = rng.choice([*b'\r\n-";:=', rng.integers(256)])
        if rng.random() < 0.3:
            del body[rng.integers(len(body)) :]
        result = attempt(bytes(body), MULTIPART, pieces=int(rng.integers(1, 200))).result
        assert isinstance(result, Upload) or result.status == 400
        outcomes.add("read" if isinstance(result, Upload) else result.code)
    assert outcomes == {"read", "missing_image", "invalid_image_field", "invalid_multipart", "invalid_top_k"}


@pytest.mark.parametrize("content_type", [None, MULTIPART])
def test_a_body_for_which_there_is_no_room_beside_others_is_refused_while_it_arrives(content_type):
    registry = CollectorRegistry()
    arrivals = bounded(10_000, registry)
    shed = ("twinlens_shed_total", {"reason": "arriving"})
    body = form(part("image", bytes(9_000), "a"))
    arrivals.add(4_000, 4_000)  # someone else's
    outcome = attempt(body, content_type, pieces=1_000, arrivals=arrivals)
    assert (outcome.result.code, outcome.result.status) == ("overloaded", 429)
    assert outcome.unread == len(range(0, len(body), 1_000)) - 7
    assert registry.get_sample_value(*shed) == 1
    arrivals.remove(4_000)
    for _ in range(2):  # and what was refused holds nothing any more
        arrivals.add(500, 500)
        assert isinstance(attempt(body, content_type, pieces=1_000, arrivals=arrivals).result, Upload)
        arrivals.remove(500)
    assert registry.get_sample_value(*shed) == 1


def test_a_body_that_is_alone_is_always_taken():
    assert read(PNG, pieces=7, arrivals=bounded(1)).image == PNG


@pytest.mark.parametrize(
    "options",
    [{"max_bytes": len(PNG) - 1}, {"disconnect": True}, {"content_type": MULTIPART}],
    ids=["too-large", "gone", "no-form"],
)
def test_a_body_that_was_given_up_holds_no_room(options):
    arrivals = bounded(len(PNG) + 1)
    assert isinstance(attempt(PNG, pieces=100, declared=False, arrivals=arrivals, **options).result, Exception)
    arrivals.add(1, 1)
    assert read(PNG, pieces=100, arrivals=arrivals).image == PNG


def read_label(request, max_bytes, arrivals):
    fields = {"label": TextField(8, "unknown_label", "too long")}
    return read_form(request, max_bytes, arrivals, fields)


@pytest.mark.parametrize("pieces", [None, 1, 7])
def test_a_form_keeps_the_fields_that_are_asked_for(pieces):
    body = form(part("label", "帽子".encode()), part("other", b"x" * 999), part("image", PNG, "a"), part("top_k", b"x"))
    found = attempt(body, MULTIPART, pieces=pieces, reader=read_label).result
    assert (found.image(), found.texts("label"), found.texts("other")) == (PNG, ["帽子"], [""])


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (form(part("label", b"x" * 9), part("image", PNG, "a")), MULTIPART, "unknown_label"),
        (PNG, "image/png", "invalid_multipart"),
        (PNG, None, "invalid_multipart"),
        (PNG, "multipart/form-data", "invalid_multipart"),
    ],
)
def test_what_is_no_such_form(body, content_type, code):
    assert attempt(body, content_type, reader=read_label).result.code == code
