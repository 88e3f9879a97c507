"""Every answer that the OpenAPI document promises is really given, and no other.

A status that is documented and has no case here fails, and so does an answer that the document does not describe.
"""

import contextlib
import re
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import jsonschema
import psutil
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests import images, models
from tests.servers import running
from tests.unit.similar import made as photos
from twinlens.similar.build import build
from twinlens.similar.options import Options

PHOTO = images.encoded(models.picture("blue"), "JPEG")
POST = ("post", "/v1/classify")
SIMILAR = ("post", "/v1/similar")
FEEDBACK = ("post", "/v1/feedback")
TOKEN = "the-admins-own-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def taking(made, tmp_path_factory):
    """A server that takes feedback, a few photos a day, and lets it be read."""
    settings = {
        "TWINLENS_FEEDBACK": f"sqlite:///{tmp_path_factory.mktemp('feedback')}/x.db",
        "TWINLENS_FEEDBACK_PER_DAY": "2",
        "TWINLENS_FEEDBACK_MAX_MIB": "0.2",
        "TWINLENS_FEEDBACK_KEEP_DAYS": "0",
        "TWINLENS_FEEDBACK_TOKEN": TOKEN,
    }
    with running({**made, **settings}) as server:
        yield server


@pytest.fixture(scope="module")
def document(taking):
    found = httpx.get(taking.url + "/docs.json").json()
    OpenAPIV31SpecValidator(found).validate()
    return found


@pytest.fixture(scope="module")
def away():
    """Settings of a server that takes feedback, but whose store is where nothing can be."""
    return {
        "TWINLENS_FEEDBACK": "sqlite:////dev/null/x.db",
        "TWINLENS_FEEDBACK_PER_MINUTE": "100000",
        "TWINLENS_FEEDBACK_TOKEN": TOKEN,
    }


class Stuck(contextlib.AbstractContextManager):
    """A database that is where nothing can be, and later one that somebody else holds, so that it hangs."""

    def __init__(self, folder):
        self._folder = folder / "store"
        self._folder.write_text("in the way")
        self._held = None
        self.path = self._folder / "x.db"

    def hang(self):
        self._folder.unlink()
        self._folder.mkdir()
        self._held = sqlite3.connect(self.path, isolation_level=None)
        self._held.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_):
        if self._held is not None:
            self._held.close()  # or the server would wait for it at its end


@pytest.fixture(scope="module")
def stuck(tmp_path_factory):
    return Stuck(tmp_path_factory.mktemp("stuck"))


@pytest.fixture(scope="module")
def index(models_folder, tmp_path_factory):
    """The setting that names an index of made photos."""
    folder = tmp_path_factory.mktemp("similar")
    build(photos.photos(folder / "photos"), folder / "index", photos.settings(models_folder), Options(), 1)
    return {"TWINLENS_INDEX": str(folder / "index")}


@pytest.fixture(scope="module")
def indexed(made, index):
    """A server with an index."""
    with running({**made, **index}) as server:
        yield server


@pytest.fixture(scope="module")
def hurried(made, away, index, stuck):
    """A server that has hardly any time for a request, and hardly lets one wait."""
    hurry = {"TWINLENS_TIMEOUT_S": "0.25", "TWINLENS_MAX_WAITING": "1", "TWINLENS_FEEDBACK": f"sqlite:///{stuck.path}"}
    with running({**made, **away, **index, **hurry}, ready=False) as server, stuck:
        until(lambda: httpx.get(server.url + "/readyz", timeout=30), 200)
        yield server


@pytest.fixture(scope="module")
def unready(made, away, index, tmp_path_factory):
    """A server whose model does not give its golden answer."""
    folder = tmp_path_factory.mktemp("unready")
    models.write(folder, resize=dict(models.RESIZE, shorter_edge=100))
    with running({**made, **away, **index, "TWINLENS_MODELS": str(folder)}, ready=False) as server:
        yield server


def until(ask, status):
    """Ask again until an answer has the status."""
    deadline = time.monotonic() + 60
    while (response := ask()).status_code != status:
        assert time.monotonic() < deadline, (response.status_code, response.text)
    return response


def by_status(response):
    return {str(response.status_code): [response]}


def cases(server, indexed, hurried, unready, stuck):
    """For each operation: answers by the status that they must have."""
    url = server.url

    def overload(path, **options):
        with ThreadPoolExecutor(48) as pool:
            asking = [pool.submit(httpx.post, hurried.url + path, timeout=60, **options) for _ in range(96)]
            answers = [each.result() for each in asking]
        return next((answer for answer in answers if answer.status_code == 429), answers[0])

    def slow_upload(path):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        with socket.create_connection(("127.0.0.1", hurried.port), 30) as connection:
            connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
            data = b""
            with contextlib.suppress(TimeoutError):
                while b"}" not in data:
                    data += connection.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines()[1:]]
        return httpx.Response(int(head.split(b" ")[1]), headers=headers, content=body)

    heavy = images.png(7_000, 7_000, images.zeros(7_000 * 21_001))
    slow = (hurried.url, unready.url, overload, slow_upload, heavy)
    model = httpx.get(f"{url}/v1/model")
    return {
        POST: image_cases(POST[1], "top_k", url, *slow),
        SIMILAR: image_cases(SIMILAR[1], "k", indexed.url, *slow)
        | {"404": [httpx.post(f"{url}/v1/similar", content=PHOTO)]},
        **feedback_cases(url, *slow, stuck),
        ("get", "/v1/model"): {
            "200": [model],
            "304": [httpx.get(f"{url}/v1/model", headers={"if-none-match": model.headers["etag"]})],
            "503": [httpx.get(f"{unready.url}/v1/model")],
        },
        ("get", "/readyz"): by_status(httpx.get(f"{url}/readyz")) | by_status(httpx.get(f"{unready.url}/readyz")),
        ("get", "/livez"): by_status(httpx.get(f"{unready.url}/livez")),
        **{("get", path): by_status(httpx.get(url + path)) for path in ("/metrics", "/docs.json", "/schema.json")},
    }


def image_cases(route, number, url, hurried, unready, overload, slow_upload, heavy):
    """Answers of a route that takes an image and a number, by the status that they must have."""
    photo = {"content": PHOTO}

    def ask(**options):
        return httpx.post(f"{url}{route}", timeout=60, **options)

    form = {"files": {"image": ("a.jpg", PHOTO)}, "data": {number: "2"}}
    return {
        "200": [ask(**photo), ask(**form), ask(params={number: 1}, **photo), ask(params={number: 99}, **photo)],
        "400": [
            ask(),
            ask(data={"image": "http://127.0.0.1/"}),
            ask(content=b"x", headers={"content-type": "multipart/form-data; boundary=y"}),
            ask(params={number: 0}, **photo),
        ],
        "408": [slow_upload(route)],
        "413": [ask(content=bytes(2**25 + 1)), ask(content=images.bombs()["png-30000x30000"])],
        "415": [ask(content=b"%PDF-1.7"), ask(json={"image": "x"})],
        "422": [ask(content=b"hello"), ask(content=PHOTO[:300])],
        "429": [until(lambda: overload(route, **photo), 429)],
        "503": [httpx.post(f"{unready}{route}", **photo)],
        "504": [until(lambda: httpx.post(f"{hurried}{route}", content=heavy, timeout=60), 504)],
    }


def feedback_cases(url, hurried, unready, overload, slow_upload, heavy, stuck):
    """The same for feedback."""
    addresses = (f"192.0.2.{number}" for number in range(1, 255))

    def say(label="red", image=PHOTO, at=url, address=None, **options):
        headers = {"X-Forwarded-For": address or next(addresses), **options.pop("headers", {})}
        form = {"files": {"image": ("a.jpg", image)}, "data": {"label": label}} | options
        return httpx.post(f"{at}/v1/feedback", timeout=60, headers=headers, **form)

    def rated():
        address = next(addresses)
        return until(lambda: say(address=address, data={"label": "nonsense"}), 429)

    def over_quota():
        address = next(addresses)
        small = [images.encoded(models.picture(colour, 24, 24), "JPEG") for colour in ("red", "green", "cyan")]
        return [say(image=image, address=address) for image in small][-1]

    def late(path="", **options):
        return until(lambda: read(path, at=hurried, **options), 504)

    def read(path="", at=url, headers=BEARER, **options):
        return httpx.request(options.pop("method", "GET"), f"{at}/v1/feedback{path}", headers=headers, **options)

    kept = say(address="198.51.100.1")
    again = say(address="198.51.100.1")
    number, unknown = kept.json()["id"], "00000000-0000-0000-0000-000000000000"
    accept = {"method": "POST", "json": {"action": "accept", "label": "red", "who": "ana"}}
    decide = f"/{number}/decision"
    noisy = images.encoded(models.picture("white", 400, 400), "PNG")
    assert len(noisy) > 0.2 * 2**20
    feedback = {
        FEEDBACK: {
            "200": [again],
            "201": [kept, say(""), say("blue", address="198.51.100.1")],
            "400": [
                say(files={"other": ("a", b"x")}),
                say(files={"image": (None, "http://127.0.0.1/")}),
                say(files=None, data=None, content=PHOTO),
                say(data={"label": "red", "model": "x"}),
            ],
            "403": [say(headers={"Sec-Fetch-Site": "cross-site"})],
            "408": [slow_upload("/v1/feedback")],
            "413": [say(image=bytes(2**25 + 1)), say(image=images.bombs()["png-30000x30000"])],
            "415": [say(image=b"%PDF-1.7")],
            "422": [say("hat"), say(image=b"hello"), say(image=PHOTO[:300])],
            "429": [
                rated(),
                over_quota(),
                until(lambda: overload("/v1/feedback", files={"image": ("a.jpg", PHOTO)}), 429),
            ],
            "503": [say(at=unready), until(lambda: say(at=hurried), 503)],
            "504": [until(lambda: say(image=heavy, at=hurried), 504)],
            "507": [say(image=noisy)],
        },
    }
    stuck.hang()
    return feedback | {
        ("get", "/v1/feedback"): {
            "200": [read(), read("?state=new&limit=1"), read("?after=1")],
            "400": [read("?limit=0"), read(f"?after={number}")],
            "401": [read(headers={})],
            "503": [read(at=unready)],
            "504": [late()],
        },
        ("get", "/v1/feedback/{id}/photo"): {
            "200": [read(f"/{number}/photo")],
            "401": [read(f"/{number}/photo", headers={})],
            "404": [read(f"/{unknown}/photo")],
            "503": [read(f"/{number}/photo", at=unready)],
            "504": [late(f"/{number}/photo")],
        },
        ("post", "/v1/feedback/{id}/decision"): {
            "200": [read(decide, **accept)],
            "400": [read(decide, method="POST", json={"action": "accept"})],
            "401": [read(decide, headers={}, **accept)],
            "404": [read(f"/{unknown}/decision", **accept)],
            "409": [read(decide, method="POST", json={"action": "reopen"})],
            "413": [read(decide, method="POST", content=bytes(10_001))],
            "503": [read(decide, at=unready, **accept)],
            "504": [late(decide, **accept)],
        },
    }


@pytest.fixture(scope="module")
def answers(taking, indexed, hurried, unready, stuck):
    return cases(taking, indexed, hurried, unready, stuck)


def operations(document):
    return {(method, path): operation for path, item in document["paths"].items() for method, operation in item.items()}


def test_every_documented_status_is_given_and_no_other(document, answers):
    documented = {name: set(operation["responses"]) for name, operation in operations(document).items()}
    assert {name: set(given) for name, given in answers.items()} == documented


def test_every_documented_code_is_given(document, answers):
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status < "400":
                continue
            documented = set(re.findall(r"`(\w+)`", response["description"]))
            assert {answer.json()["code"] for answer in answers[name][status]} == documented, (name, status)


def test_every_answer_is_as_documented(document, answers):
    for name, given in answers.items():
        for status, responses in given.items():
            documented = operations(document)[name]["responses"][status]
            for response in responses:
                assert response.status_code == int(status), (name, response.text)
                assert set(documented.get("headers", {})) <= {
                    key.title().replace("Etag", "ETag") for key in response.headers
                }
                if "content" not in documented:
                    assert response.content == b""
                    continue
                media_type = response.headers["content-type"].split(";")[0]
                schema = documented["content"][media_type]["schema"]
                if media_type.startswith("image/"):
                    assert response.content
                    continue
                value = response.json() if media_type.endswith("json") else response.text
                validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
                validator.validate(value)


def test_every_documented_request_is_accepted(document, server):
    operation = operations(document)[POST]
    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "image/*", "application/octet-stream"}
    for media_type in ("image/jpeg", "image/tiff", "application/octet-stream"):
        answer = httpx.post(f"{server.url}/v1/classify", content=PHOTO, headers={"content-type": media_type})
        assert answer.status_code == 200
    (parameter,) = operation["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("top_k", "query", False)
    default = httpx.post(f"{server.url}/v1/classify", content=PHOTO).json()
    assert len(default["predictions"]) == parameter["schema"]["default"]
    for bound, outside in (("minimum", -1), ("maximum", 1)):
        for value, status in ((parameter["schema"][bound], 200), (parameter["schema"][bound] + outside, 400)):
            answer = httpx.post(f"{server.url}/v1/classify?top_k={value}", content=PHOTO)
            assert answer.status_code == status, value


def test_an_unready_server_says_why_in_its_log_alone(unready):
    answer = httpx.get(f"{unready.url}/readyz")
    assert answer.json()["code"] == "not_ready" and "retry-after" in answer.headers
    assert "/" not in answer.json()["detail"].replace("/readyz", "")
    until_logged = time.monotonic() + 30
    while "invalid_model" not in unready.log.read_text() and time.monotonic() < until_logged:
        time.sleep(0.1)
    assert "invalid_model" in unready.log.read_text() and "golden case" in unready.log.read_text()


def test_where_no_feedback_is_taken_there_is_none_in_document_and_page(document, server, taking):
    off = httpx.get(f"{server.url}/docs.json").json()
    assert off["paths"] == {path: item for path, item in document["paths"].items() if "feedback" not in path}
    assert "Feedback" not in off["components"]["schemas"] and "securitySchemes" not in off["components"]
    for method, path in (("POST", ""), ("GET", ""), ("GET", "/x/photo"), ("POST", "/x/decision")):
        answer = httpx.request(method, f"{server.url}/v1/feedback{path}", headers=BEARER)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_token_is_in_no_log_and_in_no_list_of_processes(taking, answers):
    assert answers
    process = psutil.Process(taking.process.pid)
    commands = [" ".join(each.cmdline()) for each in (process, *process.children(recursive=True))]
    assert len(commands) > 1 and not any(TOKEN in command for command in commands)
    assert TOKEN not in taking.log.read_text()
    assert "Feedback is taken" in taking.log.read_text()


def test_every_documented_number_of_photos_is_given(document, indexed):
    (parameter,) = operations(document)[SIMILAR]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("k", "query", False)
    found = httpx.post(f"{indexed.url}/v1/similar", content=PHOTO).json()
    assert len(found["neighbours"]) == parameter["schema"]["default"]
    assert {each["label"] for each in found["neighbours"][:3]} == {"blue"}
    scores = [each["score"] for each in found["neighbours"]]
    assert scores == sorted(scores, reverse=True)
    for bound, outside in (("minimum", -1), ("maximum", 1)):
        for value, status in ((parameter["schema"][bound], 200), (parameter["schema"][bound] + outside, 400)):
            answer = httpx.post(f"{indexed.url}/v1/similar?k={value}", content=PHOTO)
            assert answer.status_code == status, value
            if status == 200:
                assert len(answer.json()["neighbours"]) == min(value, found["index"]["photos"])
