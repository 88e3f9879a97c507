import io
import json
import logging
import sys

import pytest

from twinlens.http import logs
from twinlens.http.logs import REQUEST_ID, JsonFormatter, TextFormatter, configure, request_id


@pytest.fixture
def request_seven():
    token = REQUEST_ID.set("seven")
    yield
    REQUEST_ID.reset(token)


def record(message="said %s", arguments=("so",), **more):
    made = logging.LogRecord("twinlens", logging.WARNING, __file__, 1, message, arguments, None)
    made.__dict__.update(more)
    return made


def failed():
    try:
        raise ValueError("broken")
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("given", [b"a", b"order-7", b"A.b_c:9-", b"0" * 128])
def test_a_well_formed_id_is_kept(given):
    assert request_id([(b"host", b"x"), (b"x-request-id", given)]) == given.decode()


@pytest.mark.parametrize("given", [b"", b"-a", b"a b", b'a"', b"a\n", "é".encode(), b"0" * 129])
def test_any_other_is_replaced_by_one_that_is_new(given):
    made = [request_id([(b"x-request-id", given)]) for _ in range(2)]
    assert made[0] != made[1] and all(len(each) == 32 for each in made)


def test_without_a_header_one_is_made():
    assert len(request_id([])) == 32


def test_text_is_one_line_that_ends_with_the_request(request_seven):
    line = TextFormatter().format(record())
    assert line.endswith("[WARNING] [twinlens] said so (request seven)") and "\n" not in line


def test_text_outside_of_a_request_names_none():
    assert TextFormatter().format(record()).endswith("[twinlens] said so")


def test_json_is_one_line_whatever_is_said(request_seven):
    line = JsonFormatter().format(record('a\n"b" %s', ("照片",), exc_info=failed(), fields={"status": 422}))
    assert "\n" not in line
    found = json.loads(line)
    assert found["message"] == 'a\n"b" 照片'
    assert (found["level"], found["logger"], found["request_id"], found["status"]) == (
        "warning",
        "twinlens",
        "seven",
        422,
    )
    assert "ValueError: broken" in found["exception"]
    assert found["time"].endswith("+00:00")


def test_json_outside_of_a_request_has_no_id():
    assert "request_id" not in json.loads(JsonFormatter().format(record()))


@pytest.mark.parametrize(("form", "kind"), [("json", JsonFormatter), ("text", TextFormatter)])
def test_what_bentoml_set_up_writes_our_lines_once(form, kind, monkeypatch):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    monkeypatch.setattr(logs, "_LOGGERS", ("of-tests", "of-tests.inner"))
    for name in ("of-tests", "of-tests.inner"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [handler])
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    configure(form)
    assert isinstance(handler.formatter, kind)
    logging.getLogger("of-tests.inner").warning("once")
    assert written.getvalue().count("once") == 1
