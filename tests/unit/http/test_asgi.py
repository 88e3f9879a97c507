import asyncio
import json

import pytest
from prometheus_client import CollectorRegistry

from twinlens.errors import TwinlensError
from twinlens.http import asgi, drain
from twinlens.http.asgi import Gate
from twinlens.http.logs import JsonFormatter
from twinlens.http.metrics import Metrics
from twinlens.http.problems import problem
from twinlens.http.request import READING


def call(app, *, timeout=10.0, path="/v1/classify", kind="http", headers=(), receive=None, **options):
    """Send one request through the gate.

    :param receive: what the client sends, by default a body without a byte.
    :return: the messages that were sent, and the registry of the metrics.
    """
    registry = CollectorRegistry()
    sent = []

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": "POST", "path": path, "headers": list(headers)}
    call.registry = registry
    asyncio.run(Gate(app, Metrics(registry), timeout, **options)(scope, receive or nothing, send))
    return sent, registry


def respond(status=200, body=b"ok", headers=()):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


def counted(registry, status, code=None):
    labels = {"route": "/v1/classify", "method": "POST", "status": str(status)}
    assert registry.get_sample_value("twinlens_http_requests_total", labels) == 1
    assert registry.get_sample_value("twinlens_http_request_seconds_count", {"route": "/v1/classify"}) == 1
    assert registry.get_sample_value("twinlens_http_requests_in_progress") == 0
    assert code is None or registry.get_sample_value("twinlens_problems_total", {"code": code}) == 1


def test_an_answer_is_passed_on_counted_and_marked():
    sent, registry = call(respond(headers=[(b"x-own", b"1")]))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    headers = dict(sent[0]["headers"])
    assert headers[b"x-own"] == b"1"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"cross-origin-resource-policy"] == b"same-origin"
    counted(registry, 200)


def test_an_error_that_nobody_caught_is_a_problem(caplog):
    async def app(scope, receive, send):
        raise ValueError("secret")

    sent, registry = call(app)
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"] and b'"internal"' in sent[1]["body"]
    assert "secret" in caplog.text
    counted(registry, 500, "internal")


def test_a_problem_that_the_application_answered_is_counted_once():
    async def app(scope, receive, send):
        await problem(TwinlensError("broken_image", ""))(scope, receive, send)

    _, registry = call(app)
    counted(registry, 422, "broken_image")


def test_an_error_after_the_answer_is_not_answered_again():
    async def app(scope, receive, send):
        await respond(500)(scope, receive, send)
        raise ValueError("already said")

    sent, registry = call(app)
    assert len(sent) == 2
    counted(registry, 500)


def test_an_error_within_the_answer_closes_the_connection():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        call(app)
    counted(call.registry, 200)


@pytest.mark.parametrize(("reading", "status", "code"), [(False, 504, "timeout"), (True, 408, "upload_timeout")])
def test_the_deadline_tells_a_slow_server_from_a_slow_client(reading, status, code):
    async def app(scope, receive, send):
        scope[READING] = reading
        await asyncio.sleep(30)

    sent, registry = call(app, timeout=0.05)
    assert sent[0]["status"] == status
    counted(registry, status, code)


def test_the_deadline_ends_when_the_answer_begins():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"a long download"})

    sent, _ = call(app, timeout=0.1)
    assert sent[-1]["body"] == b"a long download"


def test_a_timeout_of_the_applications_own_is_a_fault_not_the_deadline():
    async def app(scope, receive, send):
        raise TimeoutError("its own")

    sent, _ = call(app)
    assert sent[0]["status"] == 500


def test_a_websocket_is_refused():
    sent, _ = call(respond(), kind="websocket")
    assert sent == [{"type": "websocket.close"}]


def test_the_lifespan_passes():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    call(app, kind="lifespan")
    assert seen == ["lifespan"]


def test_an_answer_has_the_id_that_its_request_brought_or_a_new_one():
    sent, _ = call(respond(), headers=[(b"x-request-id", b"seven")])
    assert dict(sent[0]["headers"])[b"x-request-id"] == b"seven"
    made = {dict(call(respond())[0][0]["headers"])[b"x-request-id"] for _ in range(2)}
    assert len(made) == 2 and all(len(each) == 32 for each in made)


def test_a_problem_and_the_log_of_a_fault_name_the_request(caplog, monkeypatch):
    async def app(scope, receive, send):
        raise ValueError("secret")

    monkeypatch.setattr(caplog.handler, "formatter", JsonFormatter())
    sent, _ = call(app, headers=[(b"x-request-id", b"seven")])
    assert json.loads(sent[1]["body"])["request_id"] == "seven"
    assert json.loads(caplog.text.splitlines()[0])["request_id"] == "seven"


@pytest.mark.parametrize(("reading", "counted_as_shed"), [(False, 1), (True, 0), (None, 0)])
def test_what_is_cut_off_by_the_end_is_told_so(reading, counted_as_shed):
    async def app(scope, receive, send):
        if reading is not None:
            scope[READING] = reading
        raise asyncio.CancelledError

    sent, registry = call(app)
    assert sent[0]["status"] == 503 and b"shutting down" in sent[1]["body"]
    assert registry.get_sample_value("twinlens_shed_total", {"reason": "shutdown"}) == counted_as_shed
    counted(registry, 503, "not_ready")


def test_a_photo_that_waited_too_long_is_counted_as_shed():
    async def app(scope, receive, send):
        scope[READING] = False
        await asyncio.sleep(30)

    _, registry = call(app, timeout=0.05)
    assert registry.get_sample_value("twinlens_shed_total", {"reason": "deadline"}) == 1


def test_while_it_drains_every_answer_closes_its_connection(monkeypatch):
    monkeypatch.setattr(drain.of_process(), "begun", True)
    sent, _ = call(respond())
    assert dict(sent[0]["headers"])[b"connection"] == b"close"
    monkeypatch.setattr(drain.of_process(), "begun", False)
    sent, _ = call(respond())
    assert b"connection" not in dict(sent[0]["headers"])


def test_answers_are_logged_if_asked_for_and_probes_never(caplog):
    caplog.set_level("INFO", "twinlens.access")
    call(respond())
    assert not caplog.records
    call(respond(422), log_access=True)
    call(respond(), log_access=True, path="/readyz")
    (record,) = caplog.records
    assert record.message == "POST /v1/classify 422"
    assert record.fields["route"] == "/v1/classify" and record.fields["status"] == 422


CLOSE = (b"connection", b"close")
LENGTH = (b"content-length", b"400")
END = {"type": "http.response.body", "body": b""}


class Arriving:
    """A body of four pieces of a hundred bytes, after which the client hangs up; or one without an end."""

    def __init__(self, endless=False):
        self.pieces = 0
        self.endless = endless

    async def __call__(self):
        await asyncio.sleep(0)
        if self.pieces == 4 and not self.endless:
            return {"type": "http.disconnect"}
        self.pieces += 1
        return {"type": "http.request", "body": bytes(100), "more_body": self.endless or self.pieces < 4}


def refuse_after(pieces):
    async def app(scope, receive, send):
        for _ in range(pieces):
            await receive()
        await respond(413)(scope, receive, send)

    return app


@pytest.mark.parametrize("header", [LENGTH, (b"transfer-encoding", b"chunked")])
@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_the_rest_of_a_body_is_read_after_an_early_answer_and_the_connection_closed(pieces, header):
    arriving = Arriving()
    sent, registry = call(refuse_after(pieces), headers=[header], receive=arriving)
    assert arriving.pieces == 4
    assert CLOSE in sent[0]["headers"]
    assert sent[1]["body"] == b"ok" and sent[1]["more_body"]  # whole, for the client; not yet over, for uvicorn
    assert sent[2:] == [END]
    counted(registry, 413)


def test_after_a_body_that_was_read_the_connection_is_kept():
    sent, _ = call(refuse_after(4), headers=[LENGTH], receive=Arriving())
    assert CLOSE not in sent[0]["headers"] and not sent[1].get("more_body") and len(sent) == 2


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
def test_a_request_without_a_body_leaves_none(headers):
    sent, _ = call(respond(), headers=headers, receive=Arriving())
    assert CLOSE not in sent[0]["headers"] and len(sent) == 2


def test_a_body_without_an_end_is_not_read_without_end(monkeypatch):
    monkeypatch.setattr(asgi, "_LINGER_BYTES", 1000)
    arriving = Arriving(endless=True)
    sent, _ = call(refuse_after(1), headers=[LENGTH], receive=arriving)
    assert arriving.pieces == 1 + 10 and sent[-1] == END


@pytest.mark.parametrize("name", ["_LINGER_SECONDS", "_SILENT_SECONDS"])
def test_a_client_that_stalls_is_not_waited_for(name, monkeypatch):
    monkeypatch.setattr(asgi, name, 0.05)

    async def never():
        await asyncio.sleep(3600)

    sent, _ = call(respond(413), headers=[LENGTH], receive=never)
    assert sent[-1] == END


def test_the_end_of_the_server_ends_the_reading():
    async def ended():
        raise asyncio.CancelledError

    sent, _ = call(respond(413), headers=[LENGTH], receive=ended)
    assert sent[-1] == END


def test_a_body_that_was_not_asked_for_is_not_waited_for():
    expects = [LENGTH, (b"expect", b"100-Continue")]
    sent, _ = call(respond(413), headers=expects, receive=Arriving())
    assert CLOSE in sent[0]["headers"] and len(sent) == 2
    arriving = Arriving()
    sent, _ = call(refuse_after(1), headers=expects, receive=arriving)
    assert arriving.pieces == 4 and sent[-1] == END


def test_the_deadline_of_an_upload_is_answered_early_too(monkeypatch):
    arriving = Arriving(endless=True)

    async def app(scope, receive, send):
        scope[READING] = True
        while True:
            await receive()

    monkeypatch.setattr(asgi, "_LINGER_BYTES", 1000)
    sent, registry = call(app, timeout=0.05, headers=[LENGTH], receive=arriving)
    assert sent[0]["status"] == 408 and CLOSE in sent[0]["headers"] and sent[-1] == END
    counted(registry, 408, "upload_timeout")
